"""One module a pattern; each declares `DETECTOR` and knows none of the others."""
