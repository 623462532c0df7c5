"""What is said about a token: one sentence, how bad it is, and at which character of the text it shows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

Level = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True)
class Remark:
    """One sentence about a token.

    Attributes:
        code: a name that scripts can rely on.
        level: error: no verifier accepts it so; warning: some don't, or it is dangerous; note: good to know.
        text: what a person reads; it quotes no part of a signature or key.
        place: the character of the text as it was given where it shows, counted from 1; None: it has no place.
    """

    code: str
    level: Level
    text: str
    place: int | None = None


def worst_first(remarks: Iterable[Remark]) -> tuple[Remark, ...]:
    """Remarks by how bad they are, else in the order in which they were made."""
    return tuple(sorted(remarks, key=lambda one: get_args(Level).index(one.level)))


def character(char: str) -> str:
    """A character in words: printable ASCII as it is, all others by number and name."""
    import unicodedata

    if " " < char <= "~":
        return f"'{char}'"
    return f"U+{ord(char):04X} ({unicodedata.name(char, 'a control character').lower()})"
