"""How text enters the page: every exit escapes, makes control characters visible, and closes no tag it didn't open."""

from __future__ import annotations

import gzip
import json
from base64 import b64encode

from markupsafe import Markup, escape

from authforensics.redact import visible

_SCRIPT_SAFE = {ord(char): f"\\u{ord(char):04x}" for char in "<>&"}


def finish(value: object) -> object:
    """What every expression of a template passes before it is escaped."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def prose(text: str) -> Markup:
    """Sentences of ours: lines are kept, `code` between backticks is set as code; whatever they quote is escaped."""
    return Markup("<br>").join(_line(line) for line in text.split("\n"))


def _line(line: str) -> Markup:
    parts = visible(line).split("`")
    if len(parts) % 2 == 0:
        return escape("`".join(parts))
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if n % 2 else escape(part) for n, part in enumerate(parts)
    )


def embed(data: object) -> Markup:
    """Data as JSON in ASCII that can't end the script element it stands in."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return Markup(text.translate(_SCRIPT_SAFE))  # noqa: S704  `<`, `>` and `&` are escaped above


def pack(text: str) -> Markup:
    """`text` compressed, in letters that HTML gives no meaning to; the page unpacks it. Same text, same bytes."""
    return Markup(b64encode(gzip.compress(text.encode(), mtime=0)).decode())  # noqa: S704  base64 has no markup
