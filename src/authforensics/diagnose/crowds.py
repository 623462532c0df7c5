"""Fleets that pass for a few devices: all their requests carry a proxy's address, and nothing else tells them apart.

One client is granted its next token when the one before has expired, or is about to. Several behind one name are
granted theirs at any time: one soon after that of another, though no call was refused in between; and calls are refused
for old tokens right after others were accepted with new ones. Both together no single client does: one that refreshes
too often has no old token, and one that loops is refused before each grant.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

import polars as pl

from authforensics.addresses import proxies
from authforensics.parallel import by_part
from authforensics.schema import History
from authforensics.states import AuthEvent

#: The rung of the identity ladder that addresses make.
_WEAK = "client_ip+user_agent"
_GRANTS = [AuthEvent.LOGIN_OK.value, AuthEvent.REFRESH_OK.value]
_OK, _DENIED = AuthEvent.API_OK.value, AuthEvent.API_DENIED.value
#: Seconds in which no token expires; refreshes that are nearer to each other may be those of one client, side by side.
_YOUNG, _BESIDE = 30, 2
#: Grants that come too early, and calls refused too early, before they are those of several clients; more where the
#: address may be that of a client as well.
_SEEN, _FOREIGN = (5, 3), (20, 10)
#: A row of minutes is told that has half of all refusals, if calls were refused so many times as often as else.
_MORE = 2.0


@dataclass(frozen=True)
class Peak:
    """The minutes with most of the refusals, `first` to `last`: the `share` of calls refused then, and `else_`."""

    first: datetime
    last: datetime
    share: float
    else_: float


@dataclass(frozen=True)
class Crowd:
    """One system's: the `addresses` that nearly all of its requests come from (none: no line has one).

    Of its `calls`, `refused` were.
    """

    addresses: tuple[str, ...]
    calls: int
    refused: int
    peak: Peak | None = None

    def __str__(self) -> str:
        whence = f"come from {' and '.join(self.addresses)}, as behind a proxy" if self.addresses else "have no address"
        return (
            f"devices can't be told apart, nor who is shut out: nearly all requests {whence}, and several clients"
            " are logged in at once; log the address of the client (X-Forwarded-For; nginx: real_ip), or add the log of"
            " the proxy"
        )


#: None at all.
NOBODY: Mapping[str, Crowd] = MappingProxyType({})


def crowds(history: History) -> dict[str, Crowd]:
    """The systems whose devices can't be told apart, though they are several."""
    suspected = _suspected(history.devices)
    if not suspected:
        return {}
    signs = _signs(history, list(suspected))
    found = {}
    for system, (addresses, needed) in sorted(suspected.items()):
        early, refused = signs.get(system, (0, 0))
        if early >= needed[0] and refused >= needed[1]:
            found[system] = _told(history.rates.filter(pl.col("system") == system), addresses)
    return found


def _suspected(devices: pl.DataFrame) -> dict[str, tuple[tuple[str, ...], tuple[int, int]]]:
    """The systems that know hardly any address: those, and which signs are needed."""
    found = {}
    named = devices.select(
        pl.col("system", "identity_key").cast(pl.String),
        client_ip=pl.coalesce(pl.col("client_ip").cast(pl.String), _address()),
        len=pl.col("requests"),
    )
    for (system,), mine in named.group_by("system"):
        weak = mine.filter(pl.col("identity_key") == _WEAK)
        if 2 * int(weak["len"].sum()) <= int(mine["len"].sum()):
            continue
        counts = mine.group_by("client_ip").agg(pl.col("len").sum()).sort("len", "client_ip", descending=[True, False])
        inside, needed = proxies(counts), _SEEN
        if inside.is_empty() and 10 * int(counts["len"][0]) >= 9 * int(counts["len"].sum()):
            inside, needed = counts["client_ip"].head(1), _FOREIGN
        if len(inside):
            found[str(system)] = (tuple(inside.drop_nulls().to_list()), needed)
    return found


def _address() -> pl.Expr:
    """The address in the name of a device that is told by address and user agent; null where it has none."""
    return pl.col("device_id").cast(pl.String).str.extract(r"^([^|]{2,})\|")


def _signs(history: History, systems: list[str]) -> dict[str, tuple[int, int]]:
    """Per system, how many grants came too early after another one, and how many calls were refused too early."""

    def look(part: pl.LazyFrame) -> pl.LazyFrame:
        event, device = pl.col("auth_event").cast(pl.String), ["system", "device_id"]
        granted = event.is_in(_GRANTS)
        mine = part.filter(pl.col("system").cast(pl.String).is_in(systems), ~pl.col("straggler"))
        told = mine.select(
            *device, event=event, granted=granted, at=pl.when(granted).then("timestamp"), timestamp="timestamp"
        ).with_columns(
            age=(pl.col("timestamp") - pl.col("at").shift().forward_fill().over(device)).dt.total_seconds(),
            last=pl.col("event").shift().over(device),
            # The last verdict that is no accepted call.
            before=pl.when(pl.col("event") != _OK).then("event").shift().forward_fill().over(device),
        )
        apart = (pl.col("age") >= _BESIDE) | (pl.col("event") == AuthEvent.LOGIN_OK.value)
        early = pl.col("granted") & pl.col("before").is_in(_GRANTS) & (pl.col("age") <= _YOUNG) & apart
        refused = (pl.col("event") == _DENIED) & (pl.col("last") == _OK) & (pl.col("age") <= _YOUNG)
        return told.group_by("system").agg(early=early.sum(), refused=refused.sum())

    summed = by_part(history.events, look).group_by(pl.col("system").cast(pl.String)).agg(pl.all().sum())
    return {system: (early, refused) for system, early, refused in summed.rows()}


def _told(rates: pl.DataFrame, addresses: tuple[str, ...]) -> Crowd:
    """What can be said of a crowd: how many of its calls were refused, and when most of them."""
    event = pl.col("auth_event").cast(pl.String)
    counted = (
        rates.filter(event.is_in([_OK, _DENIED]))
        .group_by("minute")
        .agg(calls=pl.col("count").sum().cast(pl.Int64), refused=pl.col("count").filter(event == _DENIED).sum())
        .sort("minute")
    )
    calls, refused = int(counted["calls"].sum()), int(counted["refused"].sum())
    return Crowd(addresses, calls, refused, _peak(counted, refused / calls) if calls else None)


def _peak(counted: pl.DataFrame, usual: float) -> Peak | None:
    """The minutes in a row in which most calls more than usual were refused; None: there is no such time."""
    over = counted.select(pl.col("minute"), above=(pl.col("refused") - usual * pl.col("calls")).cum_sum())
    over = over.with_columns(least=pl.min_horizontal(pl.col("above").cum_min().shift(), 0.0).fill_null(0.0))
    end = int((over["above"] - over["least"]).arg_max() or 0)
    least = over["least"][end]
    below = over.head(end).filter(pl.col("above") == least)
    begin = counted["minute"][0] if least == 0 or below.is_empty() else None
    inside = counted.filter(pl.col("minute") <= counted["minute"][end])
    inside = inside.filter(pl.col("minute") > below["minute"][-1]) if begin is None else inside
    rest = counted.join(inside, on="minute", how="anti")
    share, else_ = _share(inside), _share(rest)
    most = 2 * int(inside["refused"].sum()) >= int(counted["refused"].sum())
    if rest.is_empty() or share < _MORE * else_ or not most:
        return None
    return Peak(inside["minute"][0], inside["minute"][-1], share, else_)


def _share(counted: pl.DataFrame) -> float:
    return int(counted["refused"].sum()) / max(int(counted["calls"].sum()), 1)
