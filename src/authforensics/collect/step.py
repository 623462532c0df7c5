"""How far a run has come with its inputs: what those who wait for it are told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """Inputs and bytes done, of all; `source` is the one that is being read, or fetched from where it is stored."""

    source: str
    files: int
    all_files: int
    size: int
    all_size: int
    fetching: bool = False


Progress = Callable[[Step], None]
