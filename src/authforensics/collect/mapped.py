"""Knows what the columns of tables and the keys of JSON lines mean where the configuration says so."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from authforensics.collect import synonyms, units
from authforensics.config import Column, Config
from authforensics.errors import UnknownName

#: The keys by which columns are known whose own name is none.
_KEYS = {Column.REASON: "auth_reason"}


@dataclass(frozen=True, slots=True)
class Columns:
    """What columns are called in the files that a glob fits; `place` is where the configuration says so."""

    glob: str
    names: Mapping[Column, str]
    place: str

    @property
    def known(self) -> dict[str, str]:
        """By the name of a column the key that it is known by."""
        return {name: _KEYS.get(column, column.value) for column, name in self.names.items()}

    def kept(self, names: Iterable[str]) -> list[str]:
        """Of the names of all columns those that mean something else than what is said of others."""
        known = self.known
        own = set(known.values())
        fields = {*synonyms.matching(own)}
        fields |= {"forwarded"} if "client_ip" in fields else set()
        timed, lasting = bool(synonyms.times_in(own)), units.duration_in(own) is not None

        def free(name: str) -> bool:
            rival = name in own or bool(fields & {*synonyms.matching([name])})
            rival |= timed and bool(synonyms.times_in([name]))
            return not rival and not (lasting and units.duration_in([name]) is not None)

        return [name for name in names if name in known or free(name)]

    def missing(self, names: Collection[str]) -> str | None:
        """What is said of a column that a table should have and hasn't; None if it has all."""
        absent = (name for name in self.names.values() if name not in names)
        return next((str(UnknownName("column", name, names, self.place)) for name in absent), None)


def declared(config: Config) -> tuple[Columns, ...]:
    """What a configuration says of columns."""
    tables = config.columns.items()
    return tuple(Columns(glob, names, config.place("columns", glob) or "columns") for glob, names in tables)
