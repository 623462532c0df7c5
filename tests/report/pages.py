"""Reads what a page holds compressed."""

from __future__ import annotations

import gzip
from base64 import b64decode


def packed(page: str, name: str) -> str:
    """The letters of one of the page's data elements, `figures` or `plotly`."""
    start = page.index(f'id="{name}">') + len(f'id="{name}">')
    return page[start : page.index("</script>", start)]


def unpacked(page: str, name: str) -> str:
    """The text in it."""
    return gzip.decompress(b64decode(packed(page, name), validate=True)).decode()
