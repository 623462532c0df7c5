"""One module a root cause; each declares `CAUSE` and knows none of the others."""
