"""Owns `logger`: time, level and name that a logging library puts in front of lines of an access log."""

from __future__ import annotations

from authforensics.collect.cutting import TIME_IN_FRONT
from authforensics.collect.peel_text import by_pattern
from authforensics.collect.wrapper import Wrapper

# As Quarkus, Spring's reactor-netty through Logback and Python's logging do; what stands behind has to begin as a line
# of the CLF family: messages name addresses, too.
_TIME = rf"\[?(?P<at>{TIME_IN_FRONT}(?: (?:Z|[+-]\d{{2}}:?\d{{2}}))?)\]?"
_LEVEL = r"\b(?:TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR)\b"
_ADDRESS = r"(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:.]+)(?::\d{1,5})?"
_CALL = rf"{_ADDRESS} [^\[\"]{{0,80}}\[\d{{2}}/[A-Z][a-z]{{2}}/\d{{4}}:.*"
_LINE = rf"^{_TIME}[^\"]{{0,60}}?{_LEVEL}[^\"]{{0,120}}?[ :\]](?P<inner>{_CALL})$"


WRAPPER = Wrapper(
    name="logger",
    title="time, level and logger in front of access lines: Logback, Quarkus, Python's logging",
    samples=(
        '2026-03-01 10:02:03,123 INFO access: 203.0.113.9 - - [01/Mar/2026:10:02:03 +0000] "GET / HTTP/1.1" 200 1',
    ),
    prepare=by_pattern(_LINE),
    taken="if known",
)
