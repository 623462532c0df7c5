"""Knows where what is unpacked is put aside."""

from __future__ import annotations

import atexit
import re
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath


@dataclass(slots=True)
class Place:
    """Where members go: a directory that is made when it is needed."""

    folder: Callable[[], Path] | None
    _made: Path | None = None
    _count: int = 0

    def path(self, name: str) -> Path:
        """A new path of that name."""
        if self._made is None:
            parent = None if self.folder is None else self.folder()
            self._made = Path(tempfile.mkdtemp(prefix="authforensics-", dir=parent))
            atexit.register(shutil.rmtree, self._made, ignore_errors=True)
        self._count += 1
        directory = self._made / str(self._count)
        directory.mkdir()
        plain = re.sub(r"[^\w.+@=, -]", "_", PurePosixPath(name).name)[-100:]
        return directory / (plain if plain.strip(".") else "member")
