"""The first stage: files become lines, lines become events and rejects, and no line vanishes."""

from authforensics.collect.again import fetch_lines
from authforensics.collect.collection import Collected, collect
from authforensics.collect.options import Options
from authforensics.collect.read import File
from authforensics.collect.recognize import formats

__all__ = ["Collected", "File", "Options", "collect", "fetch_lines", "formats"]
