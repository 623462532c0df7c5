"""The first stage: files become lines, lines become events and rejects, and no line vanishes."""

from authforensics.collect.account import Collected
from authforensics.collect.again import fetch_lines
from authforensics.collect.carried import Finder
from authforensics.collect.collection import collect, extent, gather, gather_found
from authforensics.collect.discover import Found, discover
from authforensics.collect.left_alone import environment_files
from authforensics.collect.options import Options
from authforensics.collect.read import Digest, File
from authforensics.collect.recognize import formats
from authforensics.collect.step import Progress, Step

__all__ = [
    "Collected",
    "Digest",
    "File",
    "Finder",
    "Found",
    "Options",
    "Progress",
    "Step",
    "collect",
    "discover",
    "environment_files",
    "extent",
    "fetch_lines",
    "formats",
    "gather",
    "gather_found",
]
