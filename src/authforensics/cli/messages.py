"""Owns what goes to standard error: one line each, without credentials, and with what can't be seen made visible."""

from __future__ import annotations

import sys
from typing import Literal

from authforensics.redact import redact


def say(kind: Literal["error", "warning", "note"], text: str) -> None:
    """Print `authforensics: kind: text` on standard error, on one line."""
    line = redact(" ".join(text.split("\n")))
    sys.stderr.write(f"authforensics: {line}\n" if kind == "note" else f"authforensics: {kind}: {line}\n")
    sys.stderr.flush()
