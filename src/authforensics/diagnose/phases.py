"""The phases of an incident: what most affected devices were going through, and when that changed."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import polars as pl

from authforensics.diagnose.case import Case
from authforensics.findings import Phase
from authforensics.states import AuthEvent

Predicament = Literal["refresh_denied", "refresh_ok_api_denied", "api_denied", "recovering", "recovered"]

#: A change of phase must sort the refusals on its two sides this well.
AGREEMENT = 0.9
#: A phase needs this many refusals on this many devices: one client is no phase.
MIN_EVENTS = 3
MIN_DEVICES = 2
#: Recovery that takes less than this is no phase of its own.
MIN_RECOVERING_SECONDS = 60.0


def phases(case: Case) -> tuple[Phase, ...]:
    """The phases in order of time; those after the last refusal only where a recovery is proven."""
    after = _recovery(case)
    until = after[0].first_seen if after and after[0].name == "recovering" else case.last
    found = [one.model_copy(update={"last_seen": min(one.last_seen, until)}) for one in _predicaments(case)]
    return (*(one for one in found if one.first_seen <= until), *after)


def _predicaments(case: Case) -> list[Phase]:
    told = _verdicts(case)
    if told.is_empty():
        if not case.refused:
            return []
        return [Phase(name="api_denied", first_seen=case.onset, last_seen=case.last)]
    names: tuple[Predicament, Predicament] = ("refresh_denied", "refresh_ok_api_denied")
    change = _change(told)
    if change is None:
        only = names[int(told["loop"].mean() >= 0.5)]  # type: ignore[operator]
        return [Phase(name=only, first_seen=case.onset, last_seen=case.last)]
    at, first_is_loop = change
    before, after = (names[1], names[0]) if first_is_loop else names
    until = told.filter(pl.col("at") < at)["timestamp"].max()
    return [
        Phase(name=before, first_seen=case.onset, last_seen=until),  # type: ignore[arg-type]
        Phase(name=after, first_seen=at, last_seen=case.last),
    ]


def _verdicts(case: Case) -> pl.DataFrame:
    """Refused refreshes, and refusals of tokens a refresh gave (`loop`), in order of `at`, when the verdict fell."""
    return (
        case.denials.filter(
            (pl.col("auth_event") == AuthEvent.REFRESH_DENIED.value) | pl.col("loop"), ~pl.col("straggler")
        )
        .select(
            "timestamp",
            "row",
            "device_id",
            "loop",
            at=pl.when("loop").then("granted_at").otherwise("timestamp"),
        )
        .sort("at", "timestamp", "row")
    )


def _change(told: pl.DataFrame) -> tuple[datetime, bool] | None:
    """When one predicament gave way to the other, and whether the first was the loop; null where none did."""
    counted = told.with_columns(
        loops=pl.col("loop").cum_sum().shift(fill_value=0), index=pl.int_range(pl.len())
    ).with_columns(
        # Refusals that fit when the change is just before this one: first refused refreshes, then loops.
        fits=(pl.col("index") - pl.col("loops")) + (pl.col("loop").sum() - pl.col("loops")),
    )
    best, worst = int(counted["fits"].arg_max() or 0), int(counted["fits"].arg_min() or 0)
    fit, misfit = int(counted["fits"][best]), told.height - int(counted["fits"][worst])
    index, first_is_loop = (best, False) if fit >= misfit else (worst, True)
    if max(fit, misfit) < AGREEMENT * told.height:
        return None
    sides = (told.head(index), told.tail(told.height - index))
    for side, kind in zip(sides, (first_is_loop, not first_is_loop), strict=True):
        mine = side.filter(pl.col("loop") == kind)
        if mine.height < MIN_EVENTS or mine["device_id"].n_unique() < MIN_DEVICES:
            return None
    return told["at"][index], first_is_loop


def _recovery(case: Case) -> list[Phase]:
    """Recovering: no device is affected that was not before, and one after the other is well, most of them at last."""
    if not case.over:
        return []
    spread: datetime = case.hit["first_seen"].max()  # type: ignore[assignment]
    early = case.closings.filter((case.closings > spread) & (case.closings <= case.last))
    found: list[Phase] = []
    most = 2 * len(early) >= len(case.closings)
    if most and len(early) >= MIN_DEVICES and (case.last - early[0]).total_seconds() >= MIN_RECOVERING_SECONDS:
        found.append(Phase(name="recovering", first_seen=early[0], last_seen=case.last))
    return [*found, Phase(name="recovered", first_seen=case.proofs[0], last_seen=case.end)]
