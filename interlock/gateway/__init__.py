"""HTTP: the native API. It holds no business rule; commands go the way of all commands."""
