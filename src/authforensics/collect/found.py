"""What an input is: a file to look at, how it is called and which system wrote it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from authforensics.errors import InputError
from authforensics.partitions import ELSEWHERE, FULL

_ROTATION = re.compile(
    r"(?:[.-]\d{4}-?\d{2}-?\d{2}(?:[T_-]?\d{2}[-:]?\d{2}(?:[-:]?\d{2})?)?|[.-]\d{1,10}|\.(?:gz|zst|bz2|xz|log|txt|old|bak))$"
)
#: The name of a log, with its number if it has one, before what rotation adds: `api-1.log.2.gz`.
_LOG = re.compile(r".*?\.(?:log|txt)(?=[.-]|$)")


@dataclass(frozen=True, slots=True)
class Shared:
    """Lines of an input that are in another one, the `original`, and count there: so many, from the `first` on."""

    original: str
    first: int
    count: int

    @property
    def end(self) -> int:
        """The number of the first line after them."""
        return self.first + self.count


@dataclass(frozen=True, slots=True)
class Found:
    """A file to look at. `named` is false for one that was only met inside a directory.

    `problem` says why a directory inside can't be looked into: it stands for its files. `shared` are the lines that
    another input has, too.
    """

    path: Path
    source: str
    system: str
    named: bool
    problem: str | None = None
    shared: Shared | None = None

    @property
    def rotation(self) -> str:
        """What the files of one rotated set have in common: `access.log.2.gz` and `access.log` both say `access`."""
        stem, before = self.source, ""
        while stem != before:
            stem, before = _ROTATION.sub("", stem), stem
        return stem

    @property
    def log(self) -> str:
        """The same, where a number before the extension tells logs apart: `api-1.log.2.gz` says `api-1.log`."""
        folder, slash, name = self.source.rpartition("/")
        whole = _LOG.match(name)
        return self.source if whole is None else f"{folder}{slash}{whole[0]}"

    def fits(self, glob: str) -> bool:
        """Whether a glob names it: its whole path, or the end of it from any folder on; `*` takes in folders, too."""
        whole = (self.source.replace("!", "/"), self.path.absolute().as_posix())
        return any(fnmatchcase(name, glob) or fnmatchcase(name, f"*/{glob}") for name in whole)


def shortage(error: OSError, what: str, path: Path) -> InputError:
    """What to tell of an input that can't be put aside at some path."""
    if error.errno not in FULL:
        return InputError(f"{what}: can't be read: {error.strerror}")
    return InputError(f"{what}: no room for it in {path.parent} ({error.strerror}); {ELSEWHERE}")
