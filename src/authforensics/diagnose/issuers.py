"""What instances make of tokens by the instance that issued them: where keys differ, each accepts its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from authforensics.parallel import by_part
from authforensics.states import AuthEvent

_GRANTS = [AuthEvent.LOGIN_OK.value, AuthEvent.REFRESH_OK.value]
_CALLS = [AuthEvent.API_OK.value, AuthEvent.API_DENIED.value]
#: Fewer calls of two instances tell nothing of their keys.
_FEW = 5
#: Instances have the same key where at least this share of such calls is accepted, for ordinary expiry is refused, too.
_ALIKE = 0.5
#: What each accepts of its own kind's tokens, and refuses of those of others, at least.
_SHARE = 0.8


@dataclass(frozen=True)
class Apart:
    """Instances in two kinds, or more, that don't accept each other's tokens; the smallest kind first.

    `own`: calls with tokens that an instance of the same kind issued, and how many of them were accepted; `others`:
    those with tokens of another kind, and how many were refused. `changed`: which kind refuses the tokens of before,
    as the only one.
    """

    kinds: tuple[tuple[str, ...], ...]
    own: tuple[int, int]
    others: tuple[int, int]
    changed: int | None

    @property
    def strength(self) -> float:
        """The lower of both shares."""
        return min(self.own[1] / self.own[0], self.others[1] / self.others[0])


def apart(events: Sequence[pl.LazyFrame], hit: pl.DataFrame, onset: datetime, until: datetime) -> Apart | None:
    """Which instances accept only the tokens of their own kind; None: that is not what happens, or can't be told.

    Args:
        events: those of the system.
        hit: the `device_id` of each of the affected devices.
        onset: the first refusal of the incident. Tokens of before may be signed by a key that nobody has any more.
        until: when it was still wrong.
    """
    counted = by_part(events, lambda part: _used(part, hit, onset, until))
    summed = counted.group_by("issuer", "upstream").agg(pl.col("accepted", "refused").sum())
    pairs = summed.filter(pl.col("issuer").is_not_null(), pl.sum_horizontal("accepted", "refused") >= _FEW)
    names = sorted({*pairs["issuer"], *pairs["upstream"]})
    kinds = _kinds(names, pairs.filter(pl.col("accepted") >= _ALIKE * pl.sum_horizontal("accepted", "refused")))
    kind = {name: number for number, one in enumerate(kinds) for name in one}
    sums = {True: [0, 0], False: [0, 0]}
    issuing: set[int] = set()
    for issuer, upstream, accepted, refused in pairs.select("issuer", "upstream", "accepted", "refused").rows():
        same = kind[issuer] == kind[upstream]
        issuing |= {kind[issuer]} if same else set()
        sums[same][0] += accepted + refused
        sums[same][1] += accepted if same else refused
    # One that issues nothing that it accepts may be wrong in more than its key.
    if len(kinds) < 2 or len(issuing) < len(kinds) or not sums[False][0]:
        return None
    (own, kept), (others, lost) = sums[True], sums[False]
    earlier = summed.filter(pl.col("issuer").is_null())
    found = Apart(kinds, (own, kept), (others, lost), _changed(kinds, earlier))
    return found if found.strength >= _SHARE else None


def _used(part: pl.LazyFrame, hit: pl.DataFrame, onset: datetime, until: datetime) -> pl.LazyFrame:
    """How many calls with tokens of each `issuer` each `upstream` `accepted` and `refused`, in one part.

    Those with tokens of before the onset, too: their issuer is null.
    """
    columns = ("device_id", "timestamp", "auth_event", "upstream", "granted_at", "straggler")
    mine = part.select(columns).filter(
        pl.col("upstream").is_not_null(), pl.col("timestamp").is_between(onset, until), ~pl.col("straggler")
    )
    mine = mine.join(hit.lazy().select("device_id"), on="device_id", how="semi")
    issued = mine.filter(pl.col("auth_event").is_in(_GRANTS)).select(
        "device_id", granted_at="timestamp", issuer=pl.col("upstream").cast(pl.String)
    )
    # Of two at the same moment nobody knows which one is used.
    once = issued.group_by("device_id", "granted_at").agg(pl.col("issuer").unique())
    once = once.filter(pl.col("issuer").list.len() == 1)
    accepted = pl.col("auth_event") == AuthEvent.API_OK.value
    known = pl.col("issuer").is_not_null() | (pl.col("granted_at") < onset).fill_null(value=True)
    return (
        mine.filter(pl.col("auth_event").is_in(_CALLS))
        .join(once.with_columns(pl.col("issuer").list.first()), on=["device_id", "granted_at"], how="left")
        .filter(known)
        .group_by("issuer", pl.col("upstream").cast(pl.String))
        .agg(accepted=accepted.sum(), refused=(~accepted).sum())
    )


def _changed(kinds: Sequence[Sequence[str]], earlier: pl.DataFrame) -> int | None:
    """Which of the kinds refuses the tokens of before the onset, where just one does, and the others accept them."""
    refusing: set[int] = set()
    accepting: set[int] = set()
    for number, names in enumerate(kinds):
        own = earlier.filter(pl.col("upstream").is_in(names))
        accepted, refused = int(own["accepted"].sum()), int(own["refused"].sum())
        if accepted + refused >= _FEW:
            (accepting if accepted >= _ALIKE * (accepted + refused) else refusing).add(number)
    return min(refusing) if len(refusing) == 1 and len(accepting) == len(kinds) - 1 else None


def _kinds(names: Sequence[str], alike: pl.DataFrame) -> tuple[tuple[str, ...], ...]:
    """The names in groups of those that accept the tokens of any other of them; the smallest first."""
    group = {name: {name} for name in names}
    for issuer, upstream in alike.select("issuer", "upstream").rows():
        joined = group[issuer] | group[upstream]
        for name in joined:
            group[name] = joined
    found = {tuple(sorted(one)) for one in group.values()}
    return tuple(sorted(found, key=lambda one: (len(one), one)))
