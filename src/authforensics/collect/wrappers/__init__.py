"""One module a wrapper; each declares WRAPPER."""
