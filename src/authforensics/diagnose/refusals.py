"""The refusals of all incidents, read from the history once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from authforensics.diagnose import witnessed
from authforensics.diagnose.clusters import Cluster
from authforensics.diagnose.ill import DEVICE
from authforensics.parallel import by_part
from authforensics.schema import Reason
from authforensics.states import AuthEvent, AuthState

_REFUSALS = [AuthEvent.API_DENIED.value, AuthEvent.REFRESH_DENIED.value]
_LOGIN_DENIED = AuthEvent.LOGIN_DENIED.value
#: The states from which only a login helps.
_DUE = [AuthState.REFRESH_DENIED.value, AuthState.ZOMBIE.value]
#: What sessions end by some day: where they do so together, and log in again, there is no incident.
EXPIRED = {Reason.TOKEN_EXPIRED.value, Reason.REFRESH_EXPIRED.value}
#: What the first cycles of a loop may take, of which nobody can tell that they are one: two, of five minutes at most.
_CYCLES = timedelta(minutes=10)
#: A refusal without a reason that comes before all others is alone, if nobody's follows within this time, or within so
#: many times the usual pause between the first refusals of two devices.
_ALONE = timedelta(minutes=1)
_PAUSES = 5
#: Until when a refresh after a refusal is the answer to it.
_AT_ONCE = timedelta(minutes=1)
_TRIES = [AuthEvent.REFRESH_FAILED.value, AuthEvent.REFRESH_OK.value]
#: Fewer devices have no pace.
_PACE = 3
#: Beside `loop`, the refusal of a token that a refresh gave, at its first use, and `obeyed` of its episode.
_COLUMNS = (
    "device_id",
    "timestamp",
    "row",
    "auth_event",
    "reason",
    "status",
    "upstream",
    "route",
    "straggler",
    "rejection",
    "write",
    "traced",
    "timed",
    "token",
    "key_id",
    "issued_at",
    "obeyed",
)


@dataclass(frozen=True)
class Refusals:
    """What belongs to one incident.

    `denials`: every refusal, in no order; `barred`: `device_id`, `timestamp`, `row` of those of the logins of who is
    refused these, too; `besides`: when the first event was that findings saw besides.
    """

    denials: pl.DataFrame
    barred: pl.DataFrame
    besides: datetime | None


def refusals(events: Sequence[pl.LazyFrame], clusters: Sequence[Cluster]) -> Iterator[Refusals]:
    """What belongs to each incident.

    Refusals are those in its ill episodes: stragglers, too; of those before the first refusal that is none, those from
    which the client went on to ask for new tokens, as a loop does from its first cycle on.
    Of a key fault, only those that say so or say nothing: the expiry that began the episode is not part of it. Nor is
    it where new tokens are refused, unless these are said to be expired, too. Where refreshes got no answer, those are
    left out that one answered at once when they did again. Of an incident that detectors witnessed, what they say is
    part of it, refused or not.
    """
    if not clusters:
        return
    found = _found(events, [*clusters, *(one for each in clusters for one in each.besides)])
    at = len(clusters)
    for refused, one in zip(found, clusters, strict=False):
        besides = found[at : at + len(one.besides)]
        at += len(one.besides)
        firsts = [each["timestamp"].min() for each in besides if not each.is_empty()]
        barred = _barred(one, refused["auth_event"])
        yield Refusals(
            refused.filter(~barred),
            refused.filter(barred).select("device_id", "timestamp", "row"),
            min(firsts, default=None),  # type: ignore[arg-type, type-var]
        )


def _barred(one: Cluster, events: pl.Series) -> pl.Series:
    """Which are refused logins of who is barred: of an incident about logins they are its refusals."""
    if one.kind in witnessed.KINDS:
        return pl.repeat(value=False, n=len(events), eager=True)
    return events == _LOGIN_DENIED


def _found(events: Sequence[pl.LazyFrame], clusters: Sequence[Cluster]) -> list[pl.DataFrame]:
    """The refusals of each cluster, besides or not."""
    members = [
        one.episodes.select(
            *(*DEVICE, "episode", "obeyed", "barred"),
            begin="first_seen",
            end="last_seen",
            incident=pl.lit(index, pl.UInt32),
            key=pl.lit(one.kind == "key"),
            fresh=pl.lit(one.kind == "rejected"),
            unanswered=pl.lit(one.kind == "unanswered"),
            seen=pl.lit(one.kind in witnessed.KINDS),
        )
        for index, one in enumerate(clusters)
    ]
    kinds = {index: one.kind for index, one in enumerate(clusters) if one.kind in witnessed.KINDS}
    ill, seen = pl.concat(members).filter(~pl.col("seen")), pl.concat(members).filter("seen")
    expired = pl.col("reason").eq_missing(pl.lit(Reason.TOKEN_EXPIRED.value))
    challenged = pl.col("state") == AuthState.CHALLENGED.value
    loop = pl.col("rejection") & (pl.col("granted_by") == AuthEvent.REFRESH_OK.value).fill_null(value=False)
    columns = ("incident", *_COLUMNS, "granted_at", "granted_by")
    unanswered = ill.filter("unanswered")

    login = (pl.col("auth_event") == _LOGIN_DENIED) & pl.col("state").is_in(_DUE)

    def refused(part: pl.LazyFrame) -> pl.LazyFrame:
        of_episodes = (
            part.filter(pl.col("auth_event").is_in(_REFUSALS) | login)
            .join(ill.drop("end").lazy(), on=[*DEVICE, "episode"])
            .filter(~login | pl.col("barred"))
            .filter((pl.col("timestamp") >= pl.col("begin")) | _cycling())
            .filter(~(expired & (pl.col("key") | (pl.col("fresh") & (challenged | pl.col("straggler"))))))
        )
        if unanswered.height:
            of_episodes = _in_vain(of_episodes, part, unanswered)
        of_episodes = of_episodes.select(*columns, loop=loop)
        if not kinds:
            return of_episodes
        return pl.concat([of_episodes, witnessed.events(part, kinds, seen.drop("episode")).select(*columns, loop=loop)])

    found = by_part(events, refused)
    if len(clusters) == 1:  # the usual case, and there may be millions
        return [found.drop("incident")]
    return [found.filter(pl.col("incident") == index).drop("incident") for index in range(len(clusters))]


def _in_vain(refusals: pl.LazyFrame, part: pl.LazyFrame, unanswered: pl.DataFrame) -> pl.LazyFrame:
    """Without what a granted refresh answered at once, after the last that got no verdict: an ordinary expiry."""
    own, moment = [*DEVICE, "episode"], pl.col("timestamp")
    tries = (
        part.filter(pl.col("auth_event").is_in(_TRIES))
        .join(unanswered.lazy().select(own).unique(), on=own, how="semi")
        .group_by(own)
        .agg(
            failed_at=moment.filter(pl.col("auth_event") == AuthEvent.REFRESH_FAILED.value).max(),
            renewed_at=moment.filter(pl.col("auth_event") == AuthEvent.REFRESH_OK.value).max(),
        )
    )
    healed = (moment > pl.col("failed_at")) & (pl.col("renewed_at") - moment).is_between(timedelta(), _AT_ONCE)
    return refusals.join(tries, on=own, how="left").filter(~(pl.col("unanswered") & healed.fill_null(value=False)))


def _cycling() -> pl.Expr:
    """Whether a straggler's token was given up for another soon, and the refusals began with one that was."""
    at, own = pl.col("granted_at"), [*DEVICE, "episode"]
    first = at.filter(pl.col("timestamp") >= pl.col("begin")).min().over(own)
    return (at < first) & (pl.col("timestamp") >= pl.col("begin") - _CYCLES)


def agreed(denials: pl.DataFrame) -> pl.DataFrame:
    """Without what comes alone before the others: refusals without a reason, long before one of another device.

    A client that never refreshes is refused before a key changes, and after that with a reason.
    """
    at, stated = pl.col("timestamp"), pl.col("timestamp").filter(pl.col("reason").is_not_null()).min()
    before, since = (_firsts(denials.filter(part)) for part in (at < stated, at >= stated))
    if before.is_empty() or len(since) < _PACE:
        return denials
    half = (len(since) - 1) // 2
    most = max(_ALONE, _PAUSES * (since[half] - since[0]) / half)
    ordered = pl.concat([before, since.head(1)])
    apart = (ordered.diff() > most).fill_null(value=False).arg_true()
    return denials.filter(at >= ordered[apart[-1] if len(apart) else 0])


def _firsts(denials: pl.DataFrame) -> pl.Series:
    """When each device was refused first, sorted."""
    return denials.group_by("device_id").agg(pl.col("timestamp").min())["timestamp"].sort()


def reasons(denials: pl.DataFrame) -> set[str]:
    """The stated ones."""
    return set(denials["reason"].drop_nulls().cast(pl.String).unique())


def counts(denials: pl.DataFrame) -> dict[str, int]:
    """Refusals by stated reason, most first; those without one are left out."""
    told = denials.filter(pl.col("reason").is_not_null()).group_by("reason").len()
    table = told.with_columns(pl.col("reason").cast(pl.String)).sort("len", "reason", descending=[True, False])
    return dict(zip(table["reason"].to_list(), table["len"].to_list(), strict=True))


def share(counted: dict[str, int], reasons: tuple[Reason, ...]) -> float:
    """Of refusals with a stated reason, the share that has one of `reasons`; 0 where none has any."""
    total = sum(counted.values())
    return sum(counted.get(reason.value, 0) for reason in reasons) / total if total else 0.0
