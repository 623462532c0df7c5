"""What became of tokens around an incident: which were refused, which came back by themselves, which lived on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import polars as pl

from authforensics.findings import Renewed
from authforensics.parallel import PARTS, in_order
from authforensics.schema import Reason
from authforensics.states import AuthEvent

_TOKEN = ["device_id", "granted_at"]
#: So many of the refusals tell which routes refuse.
_MOST = 0.9
#: What is looked at of refused calls.
_REFUSED = ["granted_at", "granted_by", "timestamp", "route", "upstream", "token"]
#: More waves than this are no waves: then every new token is refused.
MAX_WAVES = 12
#: Devices of a wave. One that is refused with a new token has a trouble of its own.
WAVE_DEVICES = 3
#: Share of a wave's tokens that may have been accepted after it began: requests under way, and others' troubles.
WAVE_STRAYS = 0.1
#: New tokens accepted in a row that say that the fault is over, and the probability that they were so by chance.
_RENEWED = 3
_BY_CHANCE = 0.001


@dataclass(frozen=True)
class Replaced:
    """First tokens that affected devices were given after their first refusal: `refused` at once, or `accepted`."""

    refused: int
    accepted: int


@dataclass(frozen=True)
class Uses:
    """Tokens that were used: `refused` at their first use, of a `total`."""

    refused: int
    total: int


@dataclass(frozen=True)
class FirstUses:
    """The same of the `affected` devices and of all `others`."""

    affected: Uses
    others: Uses


@dataclass(frozen=True)
class Held:
    """Tokens given before an onset, or before the log began, and used after it: `refused` for good, or `accepted`."""

    refused: int
    accepted: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.refused + self.accepted


@dataclass(frozen=True)
class Due:
    """Granted refreshes of tokens that were given in one stretch: `late` or `young` in their life; and of `older` ones.

    The latter while an incident lasted.
    """

    late: int
    young: int
    older: int


def refused(events: Sequence[pl.LazyFrame], denials: pl.DataFrame) -> pl.DataFrame:
    """The tokens refused on the API in an incident, one row each.

    `device_id`, `granted_at` (null: before the log began), `granted_by`, `first_refused`, `last_refused`, `refusals`;
    `again_at`: when it was accepted again, first, on a route that had refused it; `here_at`: by an instance that had
    refused it, too, or by one not known; `between`: such calls before the last refusal; `elsewhere`: accepted calls on
    other routes since it was refused first; `used_before`: accepted before, `good_until`: the last time.
    Which token a call carries is taken from its line where that can be read, else from what was given last.

    Args:
        events: those of the system.
        denials: the refusals of the incident.
    """
    told = denials.filter(pl.col("auth_event") == AuthEvent.API_DENIED.value, ~pl.col("straggler"))
    # One row a device: what is refused to those of one part is all that it is held against.
    calls = told.group_by("device_id").agg(_REFUSED)
    often = refusing(told)
    nothing = _tokens(told.clear(), told.select(*_TOKEN, "timestamp", "route", "upstream", "token").clear(), often)
    return pl.concat([nothing, *in_order(events, partial(_of_part, calls=calls, often=often), PARTS)])


def refusing(told: pl.DataFrame) -> pl.Series:
    """The routes that most of some refusals are on; of others some are there by chance."""
    counts = told.filter(pl.col("route").is_not_null()).group_by("route").len()
    ordered = counts.sort("len", "route", descending=[True, False])
    return ordered.filter(pl.col("len").cum_sum() - pl.col("len") < _MOST * pl.col("len").sum())["route"]


def _of_part(part: pl.LazyFrame, calls: pl.DataFrame, often: pl.Series) -> pl.DataFrame:
    """The refused tokens of the devices of one part.

    Args:
        part: some of the events.
        calls: what was refused, in lists, to each device.
        often: what `refusing` gave.
    """
    mine = part.join(calls.lazy().select("device_id"), on="device_id", how="semi")
    seen = mine.select(*_TOKEN, "timestamp", "route", "upstream", "token", "auth_event").collect(engine="in-memory")
    told = calls.join(seen.select("device_id").unique(), on="device_id", how="semi").explode(_REFUSED)
    return _tokens(told, seen.filter(pl.col("auth_event") == AuthEvent.API_OK.value).drop("auth_event"), often)


def _tokens(told: pl.DataFrame, accepted: pl.DataFrame, often: pl.Series) -> pl.DataFrame:
    """The tokens of the refused calls `told`, and what became of them by the `accepted` calls of the same devices."""
    tokens = told.group_by(_TOKEN).agg(
        pl.col("granted_by").first(),
        first_refused=pl.col("timestamp").min(),
        last_refused=pl.col("timestamp").max(),
        refusals=pl.len(),
        carried=pl.col("token").drop_nulls().unique(),
    )
    calls = told.lazy().select(*_TOKEN, "route", "upstream").unique().with_columns(here=pl.lit(value=True))
    routes = told.lazy().select(*_TOKEN, "route").unique().with_columns(own=pl.lit(value=True))
    since = pl.col("timestamp") > pl.col("first_refused")
    same = (
        pl.col("token").is_null()
        | (pl.col("carried").list.len() == 0)
        | pl.col("carried").list.contains(pl.col("token"))
    )
    own, here = (since & pl.col(name).fill_null(value=False) for name in ("own", "here"))
    uses = (
        accepted.lazy()
        .join(tokens.lazy().select(*_TOKEN, "first_refused", "last_refused", "carried"), on=_TOKEN, nulls_equal=True)
        .filter(same)
        .join(routes, on=[*_TOKEN, "route"], how="left", nulls_equal=True)
        .join(calls, on=[*_TOKEN, "route", "upstream"], how="left", nulls_equal=True)
        .group_by(_TOKEN)
        .agg(
            again_at=pl.col("timestamp").filter(own).min(),
            here_at=pl.col("timestamp").filter(here).min(),
            between=(here & (pl.col("timestamp") < pl.col("last_refused"))).sum(),
            elsewhere=(since & pl.col("own").is_null() & ~pl.col("route").is_in(often.implode())).sum(),
            used_before=(~since).any(),
            good_until=pl.col("timestamp").filter(~since).max(),
        )
    )
    return (
        tokens.lazy()
        .drop("carried")
        .join(uses, on=_TOKEN, how="left", nulls_equal=True)
        .with_columns(pl.col("between", "elsewhere").fill_null(0), pl.col("used_before").fill_null(value=False))
        .collect(engine="in-memory")
    )


def held(grants: pl.LazyFrame, onset: datetime, last: datetime) -> Held:
    """What became of the tokens of all devices of a system that were given before `onset` and used until `last`.

    Those that expired don't count, where the log says so; nor one refused long after, having been accepted since.
    """
    told = grants.filter((pl.col("granted_at") < onset) | pl.col("granted_at").is_null()).select(
        "accepted",
        "refused",
        expired=(pl.col("refused_reason") == Reason.TOKEN_EXPIRED.value).fill_null(value=False),
        accepted_at=_at("last_accepted_age"),
        refused_at=_at("first_refused_age"),
        last_seen="last_seen",
    )
    # Of a token held before the log began no ages are known.
    alive = pl.col("accepted_at") >= onset
    alive = alive.fill_null((pl.col("accepted") > 0) & (pl.col("refused") == 0) & (pl.col("last_seen") >= onset))
    dead = pl.col("refused_at").is_between(onset, last)
    dead = dead.fill_null((pl.col("refused") > 0) & pl.col("last_seen").is_between(onset, last))
    counts = told.select(
        refused=(dead & ~alive & ~pl.col("expired")).sum(), accepted=(alive & (pl.col("accepted") > 0)).sum()
    ).collect(engine="streaming")
    return Held(int(counts["refused"][0]), int(counts["accepted"][0]))


def replaced(grants: pl.LazyFrame, hit: pl.DataFrame) -> Replaced:
    """What became of the tokens that took the place of refused ones.

    Args:
        grants: those of the system.
        hit: `device_id` and when it was refused first (`first_seen`).
    """
    first = (
        grants.filter(pl.col("granted_at").is_not_null())
        .join(hit.lazy(), on="device_id")
        .filter(pl.col("granted_at") >= pl.col("first_seen"), pl.col("accepted") + pl.col("refused") > 0)
        .group_by("device_id")
        .agg(pl.col("rejected", "accepted").sort_by("grant").first())
    )
    counts = first.select(
        refused=pl.col("rejected").sum(), accepted=(~pl.col("rejected") & (pl.col("accepted") > 0)).sum()
    ).collect(engine="streaming")
    return Replaced(int(counts["refused"][0]), int(counts["accepted"][0]))


def renewed(grants: pl.LazyFrame, onset: datetime) -> Renewed | None:
    """Since when none of the tokens given by a login or a refresh is refused at its first use; None: some still are.

    Nor if so few are accepted since that it may be chance: those before were accepted now and then, too.
    """
    at, accepted = pl.col("granted_at"), ~pl.col("rejected") & (pl.col("accepted") > 0)
    last = at.filter("rejected").max()
    told = (
        grants.filter(at >= onset, pl.col("accepted") + pl.col("refused") > 0)
        .select(
            rejected=pl.col("rejected").sum(),
            before=(at <= last).sum(),
            used=(at > last).sum(),
            accepted=(accepted & (at > last)).sum(),
            since=at.filter(accepted & (at > last)).min(),
        )
        .collect(engine="streaming")
        .row(0, named=True)
    )
    if not told["before"] or told["accepted"] < _RENEWED:
        return None
    if (1 - told["rejected"] / told["before"]) ** told["accepted"] > _BY_CHANCE:
        return None
    return Renewed(since=told["since"], used=told["used"], accepted=told["accepted"])


def first_uses(grants: pl.LazyFrame, hit: pl.DataFrame, event: AuthEvent, onset: datetime, last: datetime) -> FirstUses:
    """What became of tokens that `event` gave from `onset` to `last`, at their first use.

    Args:
        grants: those of the system.
        hit: the `device_id` of each affected device.
        event: a login or a refresh.
        onset: the first refusal of the incident.
        last: the last one.
    """
    used = pl.col("accepted") + pl.col("refused") > 0
    counted = (
        grants.filter(pl.col("granted_by") == event.value, pl.col("granted_at").is_between(onset, last), used)
        .join(hit.lazy().select("device_id", hit=pl.lit(value=True)), on="device_id", how="left")
        .group_by(pl.col("hit").fill_null(value=False))
        .agg(refused=pl.col("rejected").sum(), total=pl.len())
        .collect(engine="streaming")
    )
    told = {bool(hit): Uses(int(refused), int(total)) for hit, refused, total in counted.rows()}
    return FirstUses(told.get(True, Uses(0, 0)), told.get(False, Uses(0, 0)))


def due(
    grants: pl.LazyFrame,
    given: tuple[datetime, datetime],
    lasted: tuple[datetime, datetime],
    life: tuple[float, float],
) -> Due:
    """What refreshes gave, to any device, by when the token was given that they replaced.

    A session that began earlier may keep the refresh token of its login, whatever access tokens it is given since:
    it counts with the older ones (RFC 6749 section 6: a new refresh token may be issued, or not).

    Args:
        grants: those of the system.
        given: the first and the last moment of the stretch.
        lasted: the first and the last refusal; older tokens count if they were refreshed in between.
        life: of an access token, between so many seconds and so many; what is refreshed sooner is `young`.
    """
    begin, end = given
    refreshed = grants.filter(pl.col("next_granted_by") == AuthEvent.REFRESH_OK.value)
    within = pl.col("granted_at").is_between(begin, end)
    age = (pl.col("next_granted_at") - pl.col("granted_at")).dt.total_microseconds() / 1e6
    older = ~(pl.col("login_at") >= begin).fill_null(value=False)
    counts = refreshed.select(
        late=(within & (age > life[1]) & ~older).sum(),
        young=(within & (age < life[0])).sum(),
        older=(older & pl.col("next_granted_at").is_between(*lasted)).sum(),
    ).collect(engine="streaming")
    return Due(*(int(count) for count in counts.row(0)))


def refreshing(grants: pl.LazyFrame, onset: datetime, first_login: datetime) -> tuple[int, int]:
    """Devices given a token by a refresh since `onset`: with a session begun before `first_login`, and since."""
    older = pl.col("login_at").is_null() | (pl.col("login_at") < first_login)
    kinds = (
        grants.filter(pl.col("granted_by") == AuthEvent.REFRESH_OK.value, pl.col("granted_at") >= onset)
        .group_by("device_id")
        .agg(older=older.any(), younger=(~older).any())
        .select(pl.col("older").sum(), pl.col("younger").sum())
        .collect(engine="streaming")
    )
    return int(kinds["older"][0]), int(kinds["younger"][0])


def refreshed_again(grants: pl.LazyFrame, hit: pl.DataFrame, onset: datetime, last: datetime) -> int:
    """Sessions of other devices than those `hit` that a refresh gave a second token, or a later one, meanwhile."""
    again = grants.filter(
        pl.col("granted_by") == AuthEvent.REFRESH_OK.value,
        pl.col("refreshes") >= 2,
        pl.col("granted_at").is_between(onset, last),
    )
    others = again.join(hit.lazy(), on="device_id", how="anti")
    return int(others.select("device_id", "login_at").unique().select(pl.len()).collect(engine="streaming").item())


def obeying(grants: pl.LazyFrame, hit: pl.DataFrame, onset: datetime, last: datetime) -> int:
    """Other devices than those `hit` whose refresh was refused meanwhile, and that logged in next."""
    ended = grants.filter(
        pl.col("refresh_denied_at").is_between(onset, last),
        pl.col("next_granted_by") == AuthEvent.LOGIN_OK.value,
    )
    others = ended.join(hit.lazy(), on="device_id", how="anti")
    return int(others.select(pl.col("device_id").n_unique()).collect(engine="streaming").item())


def _at(age: str) -> pl.Expr:
    return pl.col("granted_at") + pl.duration(microseconds=(pl.col(age) * 1e6).round().cast(pl.Int64))


def waves(refused: pl.DataFrame) -> list[tuple[datetime, int]]:
    """When tokens died all at once, and on how many devices: each kills those given before it, none given after.

    None of those it kills is accepted after it began: tokens that expire one after the other are no wave.

    Args:
        refused: what `refused` gave.

    Returns:
        Those of so many devices, in order of time; none, if new tokens are refused all the time.
    """
    rest = refused.select("device_id", "granted_at", "first_refused", "good_until")
    found: list[tuple[datetime, int]] = []
    for _ in range(MAX_WAVES):
        if rest.is_empty():
            return found
        at: datetime = rest["first_refused"].min()  # type: ignore[assignment]
        older = (rest["granted_at"] <= at).fill_null(value=True)
        killed = rest.filter(older)
        devices = killed["device_id"].n_unique()
        strays = killed.filter(pl.col("good_until") > at).height
        if devices >= WAVE_DEVICES and strays <= WAVE_STRAYS * killed.height:
            found.append((at, devices))
        rest = rest.filter(~older)
    return found if rest.is_empty() else []
