"""Infers the layout of lines that no format declares, from the lines themselves."""

from __future__ import annotations

from authforensics.collect.inference.naming import infer, named

__all__ = ["infer", "named"]
