"""`interlock demo`: the whole way once, on the log of a real support desk."""
