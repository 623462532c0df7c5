"""Tokens that are refused all at once, long before their time, and healed by a refresh each: an incident without harm.

What shows it is the rush of refreshes. A change of the key does so, or an end of all access tokens, where refresh
tokens live on.
"""

from __future__ import annotations

import polars as pl

from authforensics.diagnose.case import Case
from authforensics.diagnose.pieces import EARLY
from authforensics.document import Lifetime

#: The kind of incident, as `witnessed` names it.
KIND = "recalled"
#: Severity scale: some are three, and many a tenth of the active devices.
_SOME, _MANY = 3, 0.1
#: So many of them may have had a trouble of their own.
_STRAY = 0.1


def early(refused: pl.DataFrame, access: Lifetime | None) -> pl.DataFrame:
    """Of the refusals at that time, those of tokens that had long to live, for which nothing is given as a reason.

    Args:
        refused: the refusals of all devices; `granted_at` null where nobody knows how old the token was.
        access: how long access tokens live; null: nobody knows, and none is early.
    """
    if access is None:
        return refused.clear()
    age = (pl.col("timestamp") - pl.col("granted_at")).dt.total_seconds()
    return refused.filter(
        age < EARLY * access.low, pl.col("reason").is_null(), ~pl.col("straggler"), ~pl.col("rejection")
    )


def stands(case: Case) -> bool:
    """Whether many devices met it, and a new token healed it."""
    devices, new = len(case.devices), case.replaced
    return devices >= max(_SOME, _MANY * case.active) and new.refused <= _STRAY * (new.refused + new.accepted)
