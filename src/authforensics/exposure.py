"""Owns what the document says of the tokens in the logs: where they can be read, and who signed them."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from authforensics.document import EnvironmentRemark, Leak, Signer, Tokens
from authforensics.redact import redact
from authforensics.tokens import environment
from authforensics.tokens.carried import PLACE, Carried

#: Places listed: those with most tokens. A token may stand under any name that an attacker makes up.
_MOST = 200


def tokens(carried: Carried, variables: Mapping[str, str | None] | None, notes: tuple[str, ...] = ()) -> Tokens:
    """What the tokens in the logs tell.

    Args:
        carried: those that can be read.
        variables: the dotenv file that was named; None: none was.
        notes: keys that were left out, and why.
    """
    tried = carried.tried
    return Tokens(
        seen=carried.seen,
        tried=tried["token"].n_unique(),
        unknown=tried.filter(pl.col("candidate") == "")["token"].n_unique(),
        leaks=_leaks(carried.places),
        signed_by=_signers(carried),
        environment=_environment(carried, variables),
        notes=notes,
    )


def _leaks(places: pl.DataFrame) -> tuple[Leak, ...]:
    wanted = places.sort("tokens", descending=True, maintain_order=True).head(_MOST)
    rows = wanted.sort(PLACE, nulls_last=True).to_dicts()
    return tuple(
        Leak(
            **{name: row[name] for name in ("system", "source", "line_number", "where", "tokens", "lines")},
            field=None if row["field"] is None else redact(row["field"]),
        )
        for row in rows
    )


def _signers(carried: Carried) -> tuple[Signer, ...]:
    counts = (
        carried.tried.filter(pl.col("candidate") != "")
        .group_by("system", "candidate")
        .agg(pl.col("token").n_unique())
        .sort("system", "token", "candidate", descending=[False, True, False])
    )
    return tuple(
        Signer(
            system=system,
            candidate=carried.signers[label].name,
            tokens=count,
            kind=carried.signers[label].origin,
            how=carried.signers[label].how,
            what=redact(carried.signers[label].what),
        )
        for system, label, count in counts.rows()
    )


def _environment(carried: Carried, variables: Mapping[str, str | None] | None) -> tuple[EnvironmentRemark, ...]:
    if variables is None:
        return ()
    signers = [carried.signers[label] for label in sorted(carried.signers)]
    return tuple(
        EnvironmentRemark(code=one.code, level=one.level, text=one.text)
        for one in environment.check(variables, signers)
    )
