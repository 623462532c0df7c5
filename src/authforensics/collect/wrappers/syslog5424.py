"""Owns `syslog5424`: the structured line of syslog daemons, also as it is framed for streams."""

from __future__ import annotations

from authforensics.collect.peel_text import by_pattern
from authforensics.collect.wrapper import Wrapper

# Reference: RFC 5424 section 6, RFC 6587 section 3.4.1 (the length in front);
# https://devcenter.heroku.com/articles/log-drains (no structured data)
_DATA = r'(?:-|(?:\[(?:[^"\\\]]|"(?:[^"\\]|\\.)*")*\])+)'
_LINE = (
    r"^(?:\d{1,6} )?(?:<\d{1,3}>)?1 (?P<at>\d{4}-\d{2}-\d{2}T[0-9:.+Zz-]+|-) (?:-|(?P<instance>\S+)) \S+ \S+ \S+"
    rf"(?: {_DATA})?(?: (?:\uFEFF|BOM)?(?P<inner>.*))?$"
)

WRAPPER = Wrapper(
    name="syslog5424",
    title="syslog (RFC 5424)",
    samples=(
        '<165>1 2026-03-01T10:02:03.003Z host.example.com api 812 ID47 [sd@32473 iut="3" a="x\\"]"] hello world',
        "<34>1 2026-03-01T10:02:03.003-07:00 host.example.com su - - - hello world",
    ),
    prepare=by_pattern(_LINE),
)
