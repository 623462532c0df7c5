"""Judges whether the columns of a file tell what a log tells, and are those that the configuration names."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from authforensics.collect import json_lines, json_values, mapped, synonyms, tables
from authforensics.collect.recognize import Match
from authforensics.redact import redact

#: Names of columns that are told of a table that is no log, and characters of them.
_MOST, _LONGEST = 12, 200


def misnamed(sample: Sequence[str], columns: mapped.Columns | None, *, table: bool) -> str | None:
    """What is said of a file that lacks a column which the configuration names; None if there is nothing to say.

    Objects of a `table` have all its columns. Where each line has keys of its own, one of those named is enough.
    """
    if columns is None or not sample:
        return None
    named = tables.names_of(sample)
    names = named or list(json_lines.values_of(sample))
    readable = all(map(json_values.readable, chain.from_iterable(name.split(".") for name in columns.names.values())))
    loose = not named and not table and readable and not {*names}.isdisjoint(columns.names.values())
    problem = None if loose or not names else columns.missing(names)
    return None if problem is None else redact(problem)


def is_log(sample: Sequence[str], match: Match, columns: mapped.Columns | None) -> bool:
    """Whether a table of typed columns, whose rows are in `sample` as JSON, may be a log."""
    if match.form.name != "json" or match.layers.wrappers:
        return True
    values = json_lines.values_of(sample)
    known = columns.known if columns else {}
    kept = columns.kept(values) if columns else list(values)
    told = {known.get(name, name): values[name] for name in kept}
    if (code := synonyms.code_in(told)) is not None:
        told["status"] = told[code]
    return tables.is_log(told, told)


def no_log(names: Sequence[str]) -> str:
    """What is said of a table with these columns that is none."""
    shown = ", ".join(names[:_MOST])[:_LONGEST]
    more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    lacking = f"a table, but no log: no columns for a time and for a status or message among {shown}{more}"
    return redact(f"{lacking}; [columns] in the configuration file can say what they hold")
