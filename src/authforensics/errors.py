"""Every error the package raises on purpose, and whose fault each one is.

    AuthforensicsError
    ├── InputError              the input's fault: exit code 1
    │   ├── NothingReadable     no file could be read, or no line of any file parsed
    │   └── BrokenInput         a file that can't be read whole, where `--strict` asks for it
    └── UsageError              the caller's fault: exit code 2
        ├── MissingInput        a path named by the caller does not exist
        ├── UnknownName         a detector, format, option value … that does not exist
        └── BadValue            a time, zone, size, configuration … that can't be understood

Only `cli` prints them and picks the exit code.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


class AuthforensicsError(Exception):
    """Base of all errors raised on purpose; its text is one line that a person can act on."""


class InputError(AuthforensicsError):
    """The input's fault."""


class NothingReadable(InputError):
    """No file could be read, or no line of any file parsed."""


class BrokenInput(InputError):
    """A file that can't be read whole, where the caller asked for strictness."""


class UsageError(AuthforensicsError):
    """The caller's fault."""


class MissingInput(UsageError):
    """A path named by the caller does not exist."""


class BadValue(UsageError):
    """A value that can't be understood: says where it stood, what it was and what was expected."""


class UnknownName(UsageError):
    """A name that is not known; the message offers the nearest one that is."""

    def __init__(
        self,
        kind: str,
        name: str,
        known: Iterable[str],
        where: str | None = None,
        near: Sequence[str] | None = None,
    ) -> None:
        """`kind` is what was asked for ("detector"), `known` all names that would have worked.

        Of names without number, `near` has those that are like it, the nearest first.
        """
        names = sorted(known)
        near = difflib.get_close_matches(name, names, n=1, cutoff=0.5) if near is None else near
        offered = " or ".join(f"'{one}'" for one in near)
        hint = f"; did you mean {offered}?" if near else f"; known: {', '.join(names)}" if names else ""
        place = f"{where}: " if where else ""
        super().__init__(f"{place}unknown {kind} '{name}'{hint}")
        self.name = name
        self.nearest = near[0] if near else None
