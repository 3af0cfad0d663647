"""What is used to work on Interlock and is no part of it."""
