"""A small simulated run with all kinds of refusals, shared by tests."""

from __future__ import annotations

from authforensics.simulate import run
from authforensics.simulate.scenario import read

TEXT = """
title = "a bit of everything"
hours = 1.0
margin = 0.5
[server]
access_lifetime = 300
[[clients]]
name = "phones"
count = 20
arrives = [-0.5, 0.5]
[[clients]]
name = "odd"
count = 6
arrives = [-0.5, 0.5]
mistypes = 0.5
[[faults]]
cause = "malformed_header"
decidable = "application"
groups = ["odd"]
[faults.clients]
sends = "malformed"
[[faults]]
cause = "signing_key_mismatch"
decidable = "application"
since = 0.4
until = 0.6
[faults.server]
mint = { key = "other" }
[[faults]]
cause = "cached_denial"
decidable = "access"
since = 0.7
until = 0.8
paths = ["/api/inbox"]
[faults.server]
answers = { api = 401 }
answers_by = "edge"
"""

SMALL = run(read(TEXT, "small.toml"), "small")
