"""Knows files that are no logs by their name or first line, and says what they are."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePath

from authforensics.collect.found import Found
from authforensics.collect.har import is_recording
from authforensics.document import Source

_ENVIRONMENT = re.compile(r"^\.env(?:\..+)?$|^.+\.env$|^env\.(?:local|prod|production|dev)$", re.IGNORECASE)
#: Why a dotenv file is left alone.
ENVIRONMENT = "looks like an environment file, not a log"
_SETTING = re.compile(r"^(?:export\s+)?[A-Z][A-Z0-9_]*=\S*")
_KINDS: dict[str, str] = {
    "a document": "md rst adoc html htm pdf doc docx odt",
    "source code": "py js mjs ts tsx php rb go java kt swift c h cpp rs sh bash ps1 sql css",
    "configuration": "toml yaml yml ini cfg conf properties service",
    "an image or a font": "png jpg jpeg gif svg ico webp woff woff2 ttf",
    "an archive": "7z rar jar whl",
    "a key or certificate": "pem key crt cer p12 pfx jks",
    "a database or spreadsheet": "sqlite db xlsx ods",
}
_BY_SUFFIX = {suffix: kind for kind, suffixes in _KINDS.items() for suffix in suffixes.split()}
_DOCUMENTS = {"readme", "license", "licence", "changelog", "makefile", "dockerfile", "authors", "notice"}


def by_name(name: str, named: bool) -> str | None:
    """Why a file of this name is left alone; None: look at its content. A file that the caller named is looked at."""
    if _ENVIRONMENT.match(name):
        return ENVIRONMENT
    if named:
        return None
    if name.startswith("."):
        return "hidden file"
    pure = PurePath(name.lower())
    kind = _BY_SUFFIX.get(pure.suffix.removeprefix("."))
    if pure.stem in _DOCUMENTS and pure.suffix in {"", ".txt"}:
        kind = "a document"
    if pure.stem == "deploys" and pure.suffix in {".csv", ".json", ".jsonl"}:
        kind = "a list for --deploys"
    return f"looks like {kind}, not a log" if kind else None


def environment_files(found: Iterable[Found], sources: Iterable[Source]) -> tuple[str, ...]:
    """The paths of dotenv files among what was found, but of members of archives and of objects in stores."""
    alone = {one.source for one in sources if one.note == ENVIRONMENT}
    return tuple(str(one.path) for one in found if one.source in alone and "!" not in one.source and one.path.is_file())


def by_content(lines: tuple[str, ...]) -> str | None:
    """Why a file with these first lines is left alone; None: nothing speaks against its being a log."""
    if lines and lines[0].startswith("#!"):
        return "looks like a script, not a log"
    settings = [line for line in lines if not line.lstrip().startswith("#")]
    if settings and all(_SETTING.match(line) for line in settings):
        return ENVIRONMENT
    text = "\n".join(lines)
    if '"entries"' in text and is_recording(text):
        return "a HAR recording without entries"
    return None
