"""The command `interlock`."""
