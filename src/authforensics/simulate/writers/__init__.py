"""The log writers, one module each."""
