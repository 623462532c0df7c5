"""How text enters the page: every exit escapes, makes control characters visible, and closes no tag it didn't open."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterable, Mapping

from isal import isal_zlib
from markupsafe import Markup, escape

from authforensics.redact import visible

_GZIP = 31


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
    for char in "<>&":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return Markup(text)  # noqa: S704  `<`, `>` and `&` are escaped above


def embed_lists(lists: Mapping[str, Iterable[object]]) -> Markup:
    """Lists by their names, embedded item by item: an item can go as soon as it is written."""
    written = (f"{embed(name)}:[{','.join(map(embed, items))}]" for name, items in lists.items())
    return Markup("{" + ",".join(written) + "}")  # noqa: S704  `embed` made it


def pack(data: bytes) -> Markup:
    """`data` compressed, in letters that HTML gives no meaning to; the page unpacks it. Same data, same letters."""
    packed = isal_zlib.compress(data, level=isal_zlib.ISAL_BEST_COMPRESSION, wbits=_GZIP)
    return Markup(b64encode(packed).decode())  # noqa: S704  base64 has no markup
