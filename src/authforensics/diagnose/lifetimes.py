"""How long tokens live, from when they were accepted and when they were refused.

An access token's life is counted from when it was given. What ends a refresh is told apart by which clock is the same
for all that are refused, and not passed by those that are granted: the time since the login (absolute), or since the
last refresh (idle). Both may be set. Reference: pathologies, section 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import polars as pl

from authforensics.diagnose.intervals import MIN_DEVICES, TOLERANCE, Interval
from authforensics.diagnose.mixture import Part, cost_of, parts
from authforensics.document import Lifetime, Lifetimes
from authforensics.findings import duration
from authforensics.redact import redact
from authforensics.schema import Reason
from authforensics.states import AuthEvent

#: Lifetimes that people configure. Reference: the defaults of 20 products (pathologies, sections 2 and 3.2).
ROUND = (
    60, 120, 180, 300, 600, 900, 1200, 1800, 2700, 3600, 5400, 7200, 14400, 21600, 28800, 36000, 43200,
    86400, 172800, 604800, 1209600, 2592000, 5184000, 7776000, 31536000,
)  # fmt: skip
#: Of what people configure multiples, the largest that leaves one inside, where none of those is; seconds.
_UNITS = (86400, 3600, 1800, 900, 600, 300, 60, 30, 10)
#: Leeways that products have, in seconds. Reference: pathologies, section 3.7.
_LEEWAYS = (60, 300, 30, 120)
#: More tokens than this tell no more: then some of the devices stand for all.
_MOST = 200_000
#: Seconds before the next token in which an accepted call may have carried that one: a log's lines of one second are in
#: any order.
_TIE = 2.0

#: Nobody gives tokens for less, in seconds: what is refused sooner is refused for something else.
_SHORTEST = 10.0

Clock = Literal["login", "refresh"]
#: By what a session's end is counted: the column of the age, and that of the beginning.
_CLOCKS: dict[Clock, tuple[str, str]] = {"refresh": ("rested", "granted_at"), "login": ("aged", "login_at")}


def infer(grants: pl.LazyFrame, devices: pl.DataFrame) -> Lifetimes:
    """Both lifetimes of one system.

    Args:
        grants: GRANTS of the system.
        devices: DEVICES of it.
    """
    kinds = devices.select("device_id", "platform", "app_version")
    count = int(grants.select(pl.len()).collect(engine="streaming").item())
    if count > _MOST:
        kinds = kinds.filter(pl.col("device_id").cast(pl.String).hash() % (count // _MOST + 1) == 0)
    tokens = grants.join(kinds.lazy(), on="device_id")
    access = parts(_access(tokens))
    refresh = _refresh(_refreshes(tokens))
    first, others = _told([(None, part) for part in access])
    again, more = _told(refresh, guess=first.seconds if first else None)
    return Lifetimes(
        access=first,
        refresh=again,
        access_others=others,
        refresh_others=more,
        access_at_least=None if first else access[-1].at_least,
        refresh_at_least=None if again else refresh[-1][1].at_least,
        note=_note([first, *others] if first else [], [again, *more] if again else []),
    )


def _access(tokens: pl.LazyFrame) -> pl.DataFrame:
    """See `intervals.TOKENS`, of access tokens."""
    # Without a stated reason only a token that had been accepted can be said to have expired.
    reason = pl.col("refused_reason")
    stated = (reason == Reason.TOKEN_EXPIRED.value).fill_null(value=False)
    expired = stated | (reason.is_null() & (pl.col("accepted") > 0) & ~pl.col("rejected"))
    accepted, refused = pl.col("last_accepted_age"), pl.col("first_refused_age")
    # Refused, then accepted: one of both is about another token, or it has not expired.
    torn = (accepted >= refused).fill_null(value=False)
    until = (pl.col("next_granted_at") - pl.col("granted_at")).dt.total_microseconds() / 1e6
    tied = (until - accepted <= _TIE).fill_null(value=False) & (refused.is_null() | torn)
    return (
        tokens.filter(pl.col("granted_at").is_not_null())
        .select(
            "device_id",
            "platform",
            "app_version",
            given_at="granted_at",
            stated=stated,
            alive=pl.when(~torn).then(accepted).fill_null(0.0),
            accepted=pl.when(~tied).then(accepted),
            refused=pl.when(expired & (~torn | tied) & (refused >= _SHORTEST)).then(refused),
        )
        .collect(engine="streaming")
    )


def _refreshes(tokens: pl.LazyFrame) -> pl.DataFrame:
    """One row a token: when its refresh was granted, or refused as expired, by both clocks."""
    granted = (pl.col("next_granted_by") == AuthEvent.REFRESH_OK.value).fill_null(value=False)
    reason = pl.col("refresh_denied_reason")
    stated = reason.is_in([Reason.REFRESH_EXPIRED.value, Reason.TOKEN_EXPIRED.value]).fill_null(value=False)
    expired = reason.is_null() | stated
    rested = (pl.col("next_granted_at") - pl.col("granted_at")).dt.total_microseconds() / 1e6
    before = (pl.col("granted_at") - pl.col("login_at")).dt.total_microseconds() / 1e6
    denied = pl.when(expired & ~granted & (pl.col("refresh_denied_age") >= _SHORTEST)).then("refresh_denied_age")
    return (
        tokens.filter(pl.col("granted_at").is_not_null())
        .select(
            "device_id",
            "platform",
            "app_version",
            "granted_at",
            "login_at",
            token=pl.int_range(pl.len()),
            stated=stated,
            rested_before=pl.lit(0.0),
            aged_before=before,
            rested=pl.when(granted).then(rested),
            rested_denied=denied,
            aged=pl.when(granted).then(before + rested),
            aged_denied=before + denied,
        )
        .collect(engine="streaming")
    )


def _refresh(found: pl.DataFrame) -> list[tuple[Clock | None, Part]]:
    """The parts by the clock that explains more, then those by the other of what is left."""
    tokens: dict[Clock, pl.DataFrame] = {
        clock: _by(found, clock).filter(pl.col("given_at").is_not_null()) for clock in _CLOCKS
    }
    some = {clock: parts(mine) for clock, mine in tokens.items()}
    left = {clock: cost_of(some[clock]) + _unknown(found, clock) for clock in _CLOCKS}
    known = [clock for clock in _CLOCKS if _ends(some[clock])]
    if not known:
        return [(None, part) for part in some["refresh"]]
    first = min(known, key=lambda clock: left[clock])
    if len(known) == 2 and abs(left["login"] - left["refresh"]) < MIN_DEVICES:
        return [(None, part) for part in some["refresh"]]
    other: Clock = "login" if first == "refresh" else "refresh"
    more = parts(_without(tokens[other], tokens[first], some[first]))
    if not _ends(more):
        return [(first, part) for part in some[first]]
    again = parts(_without(tokens[first], tokens[other], more))
    again = again if _ends(again) else some[first]
    return [*((first, part) for part in again), *((other, part) for part in more if part.interval is not None)]


def _ends(some: Sequence[Part]) -> bool:
    return any(part.interval is not None for part in some)


def _unknown(found: pl.DataFrame, clock: Clock) -> int:
    """How many refusals a clock can't explain, because nobody knows when it began."""
    return found.filter(pl.col("rested_denied").is_not_null(), pl.col(_CLOCKS[clock][1]).is_null()).height


def _without(tokens: pl.DataFrame, other: pl.DataFrame, some: Sequence[Part]) -> pl.DataFrame:
    """Tokens by one clock without the refusals that lifetimes by the `other` explain."""
    explained = [
        other.filter(pl.col("token").is_in(part.tokens["token"].implode()), pl.col("refused") > part.interval.low)
        for part in some
        if part.interval is not None
    ]
    gone = pl.concat(explained)["token"].implode()
    return tokens.with_columns(refused=pl.when(~pl.col("token").is_in(gone)).then("refused"))


def _by(found: pl.DataFrame, clock: Clock) -> pl.DataFrame:
    name, given_at = _CLOCKS[clock]
    return found.select(
        *("token", "device_id", "platform", "app_version", "stated"),
        given_at=given_at,
        alive=f"{name}_before",
        accepted=name,
        refused=f"{name}_denied",
    )


def _told(
    some: Sequence[tuple[Clock | None, Part]], guess: float | None = None
) -> tuple[Lifetime | None, tuple[Lifetime, ...]]:
    """For the document: the last that most tokens had, and the others."""
    known = sorted(
        ((clock, part, part.interval) for clock, part in some if part.interval is not None),
        key=lambda one: (one[1].until is None, one[2].samples),
        reverse=True,
    )
    told = [_lifetime(part, interval, clock, guess) for clock, part, interval in known]
    return (told[0] if told else None), tuple(told[1:])


def _lifetime(part: Part, interval: Interval, clock: Clock | None, guess: float | None) -> Lifetime:
    low, high = max(interval.low - TOLERANCE, 0.0), interval.high + TOLERANCE
    return Lifetime(
        seconds=_named(interval, low, high, guess),
        low=round(low, 3),
        high=round(high, 3),
        samples=interval.samples,
        how="inferred",
        counts_from=clock,
        since=part.since,
        until=part.until,
        platform=tuple(map(redact, part.platform)),
        app_version=tuple(map(redact, part.app_version)),
        partial=part.partial,
    )


def _named(interval: Interval, low: float, high: float, guess: float | None) -> float:
    """`guess` if it lies inside, else the round value inside, else the middle."""
    if guess is not None and low <= guess <= high:
        return guess
    rounds = [value for value in ROUND if low <= value <= high]
    if len(rounds) == 1 or (rounds and interval.low > 0):
        return float(min(rounds, key=lambda value: abs(value - interval.high)))
    for unit in _UNITS:
        if low <= (value := high // unit * unit) <= high and value - unit < low:
            return float(value)
    return (low + high) / 2


def _note(access: Sequence[Lifetime], refresh: Sequence[Lifetime]) -> str | None:
    """What is to be known of them: what changed when, and that a leeway may be in there."""
    told = [*_changes("access", access), *_changes("refresh", refresh)]
    for one in access:
        allowed = [leeway for leeway in _LEEWAYS if one.seconds not in ROUND and one.seconds - leeway in ROUND]
        if allowed:
            life, leeway = duration(one.seconds - allowed[0]), duration(allowed[0])
            told.append(f"{duration(one.seconds)} may be a lifetime of {life} and a leeway of {leeway}")
    return "; ".join(told) or None


def _changes(name: str, some: Sequence[Lifetime]) -> list[str]:
    times = sorted({at for one in some for at in (one.since, one.until) if at is not None})
    told = " and ".join(f"{at:%Y-%m-%d %H:%M:%S}" for at in times)
    return [f"the lifetime of {name} tokens changed at {told} UTC"] if told else []


def applying(lifetimes: Lifetimes, denials: pl.DataFrame, devices: pl.DataFrame) -> Lifetimes:
    """Of several lifetimes those that concern an incident: that most of its refusals fall under.

    Args:
        lifetimes: those of the system.
        denials: the refusals: `device_id`, `granted_at`.
        devices: of the system: `device_id`, `platform`, `app_version`.
    """
    some = [one for one in (lifetimes.access, *lifetimes.access_others) if one is not None]
    if len(some) < 2:
        return lifetimes
    known = devices.select("device_id", "platform", "app_version")
    whose = denials.select("device_id", "granted_at").join(known, on="device_id", how="left")
    return lifetimes.model_copy(update={"access": max(some, key=lambda one: _concerned(one, whose))})


def _concerned(one: Lifetime, denials: pl.DataFrame) -> int:
    """How many refusals fall under a lifetime."""
    within = pl.lit(value=True)
    for name in ("platform", "app_version"):
        if values := getattr(one, name):
            within &= pl.col(name).cast(pl.String).is_in(values)
    if one.since is not None:
        within &= pl.col("granted_at") >= one.since
    if one.until is not None:
        within &= pl.col("granted_at") < one.until
    return denials.filter(within).height
