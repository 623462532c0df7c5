"""Owns `grep`: the file, and with -n the number of the line, that grep and zgrep put in front of what they found."""

from __future__ import annotations

from authforensics.collect.peel_text import by_pattern
from authforensics.collect.wrapper import Wrapper

# Reference: https://www.gnu.org/software/grep/manual/grep.html#Output-Line-Prefix-Control. What has no slash in it may
# as well be a word that the line itself begins with, unless it ends as logs do.
_NAME = r"(?:[^\s:\"]*/[^\s:\"]+|[^\s:/\"\[\]{}]*(?:\.(?:log|txt|out|json|gz|zst|bz2|xz)|_log)(?:[.-][\w.-]*)?)"
_LINE = rf"^{_NAME}:(?:\d+:)?(?P<inner>.*)$"

WRAPPER = Wrapper(
    name="grep",
    title="grep and zgrep over several files",
    samples=("/var/log/nginx/access.log.1:hello world", "access.log:17:hello world"),
    prepare=by_pattern(_LINE),
    taken="if known",
    header=r"^--$",
    at_once=True,
)
