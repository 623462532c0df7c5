"""Everything that is known about one incident, for those who judge its cause: what happened, measured once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

import polars as pl

from authforensics.diagnose.clusters import DEVICE, Cluster
from authforensics.document import Lifetimes
from authforensics.findings import Scope
from authforensics.schema import Reason, Sessions
from authforensics.states import AuthEvent

_REFUSALS = [AuthEvent.API_DENIED.value, AuthEvent.REFRESH_DENIED.value]
_SESSION = [event.value for event in AuthEvent if event not in (AuthEvent.IGNORED, AuthEvent.LOGIN_DENIED)]


def name() -> pl.Expr:
    """`auth_event` as text."""
    return pl.col("auth_event").cast(pl.String)


@dataclass(frozen=True)
class Case:
    """One incident's cluster within the sessions of its system."""

    cluster: Cluster
    events: pl.DataFrame
    grants: pl.DataFrame
    begin: datetime
    end: datetime
    lifetimes: Lifetimes
    scope: Scope

    @cached_property
    def denials(self) -> pl.DataFrame:
        """Every refusal that belongs to the incident, stragglers included: those in its ill episodes.

        Of a key fault, only those that say so or say nothing: the expiry that began the episode is not part of it.
        """
        ill = self.cluster.episodes.select(*DEVICE, "episode", in_case=pl.lit(value=True))
        inside = (
            self.events.filter(name().is_in(_REFUSALS))
            .with_columns(pl.col("episode").cast(pl.UInt32))
            .join(ill, on=[*DEVICE, "episode"], how="semi", maintain_order="left")
        )
        if self.cluster.kind == "key":
            inside = inside.filter(pl.col("reason").cast(pl.String).ne_missing(Reason.TOKEN_EXPIRED.value))
        return inside.sort("timestamp", "row")

    @cached_property
    def onset(self) -> datetime:
        """The first refusal that belongs to the incident."""
        return self.denials["timestamp"][0]  # type: ignore[no-any-return]

    @cached_property
    def last(self) -> datetime:
        """The last one."""
        return self.denials["timestamp"][-1]  # type: ignore[no-any-return]

    @cached_property
    def devices(self) -> list[str]:
        """Every device with a refusal that belongs to the incident, sorted."""
        return self.denials["device_id"].unique().sort().to_list()

    @cached_property
    def active(self) -> int:
        """Devices with a session that were seen between onset and end."""
        window = self.window.filter(name().is_in(_SESSION))
        return max(window["device_id"].n_unique(), len(self.devices))

    @cached_property
    def window(self) -> pl.DataFrame:
        """All requests of the system from the onset to the last refusal."""
        return self.events.filter(pl.col("timestamp").is_between(self.onset, self.last))

    @cached_property
    def writes_lost(self) -> int:
        """Refused POST, PUT, PATCH and DELETE calls on the API."""
        return self.denials.filter(name() == AuthEvent.API_DENIED.value, pl.col("write")).height

    @cached_property
    def final_episodes(self) -> pl.DataFrame:
        """Each device's last ill episode: closed if the device has been proven well after it."""
        return self.cluster.episodes.sort("first_seen").group_by(*DEVICE, maintain_order=True).last()

    @cached_property
    def recovered(self) -> int:
        """Devices that were accepted again on a protected call."""
        return self.final_episodes["closed_at"].count()

    @cached_property
    def proofs(self) -> pl.Series:
        """When affected devices were accepted after the last refusal, the first time each, sorted."""
        accepted = self.events.filter(
            name() == AuthEvent.API_OK.value,
            pl.col("timestamp") >= self.last,
            pl.col("device_id").is_in(self.devices),
            # Within one tick of the clock the order of the lines decides.
            (pl.col("timestamp") > self.last) | (pl.col("row") > self.denials["row"][-1]),
        )
        return accepted.group_by("device_id").agg(pl.col("timestamp").min())["timestamp"].sort()

    @cached_property
    def over(self) -> bool:
        """Whether it is: a device that was ill is accepted after the last refusal, and the log goes on long enough.

        Long enough: a minute, and ten times the longest pause between refusals of the last half.
        """
        times = self.denials["timestamp"].tail(max(self.denials.height // 2, 2))
        longest = times.diff().max()
        quiet = (self.end - self.last).total_seconds()
        needed = max(60.0, 10 * longest.total_seconds()) if isinstance(longest, timedelta) else 60.0
        return len(self.proofs) > 0 and quiet >= min(needed, 3600.0)

    @cached_property
    def half_seconds(self) -> float:
        """Seconds from the onset until half of the affected devices were hit."""
        firsts = self.denials.group_by("device_id").agg(pl.col("timestamp").min())["timestamp"].sort()
        return float((firsts[(len(firsts) - 1) // 2] - self.onset).total_seconds())

    def reason_counts(self) -> dict[str, int]:
        """Refusals by stated reason, most first; those without one are left out."""
        return _counts(self.denials)

    def refresh_share_of(self, *reasons: Reason) -> float:
        """As `share_of`, of the refused refreshes."""
        return _share(_counts(self.denials.filter(name() == AuthEvent.REFRESH_DENIED.value)), reasons)

    def share_of(self, *reasons: Reason) -> float:
        """Share of the refusals with a stated reason that have one of these; 0 where none has any."""
        return _share(self.reason_counts(), reasons)

    def outcomes(self, event: AuthEvent, begin: datetime | None = None, end: datetime | None = None) -> tuple[int, int]:
        """Of the tokens given by `event` to any device: how many were refused at first use, how many accepted at all.

        Tokens never used are left out. From the onset to the last refusal, unless told otherwise.
        """
        given = self.grants.filter(
            pl.col("granted_by") == event.value,
            pl.col("granted_at").is_between(begin or self.onset, end or self.last),
            (pl.col("accepted") + pl.col("refused")) > 0,
        )
        return given.filter("rejected").height, given.filter(pl.col("accepted") > 0).height

    def refreshes(self, begin: datetime, end: datetime) -> dict[str, int]:
        """Refreshes of all devices in a stretch of time: `ok`, `denied`, `failed`."""
        window = self.events.filter(pl.col("timestamp").is_between(begin, end), ~pl.col("straggler"))
        return {
            "ok": window.filter(name() == AuthEvent.REFRESH_OK.value).height,
            "denied": window.filter(name() == AuthEvent.REFRESH_DENIED.value).height,
            "failed": window.filter(name() == AuthEvent.REFRESH_FAILED.value).height,
        }

    @cached_property
    def refused_refreshes(self) -> pl.DataFrame:
        """GRANTS of affected devices that ended in a refused refresh in the incident: `session_age` at the first."""
        return self.grants.filter(
            pl.col("device_id").is_in(self.devices),
            pl.col("refresh_denied_at").is_between(self.onset, self.last),
        ).with_columns(session_age=(pl.col("refresh_denied_at") - pl.col("login_at")).dt.total_microseconds() / 1e6)


def _counts(denials: pl.DataFrame) -> dict[str, int]:
    told = denials.filter(pl.col("reason").is_not_null()).group_by(pl.col("reason").cast(pl.String)).len()
    table = told.sort("len", "reason", descending=[True, False])
    return dict(zip(table["reason"].to_list(), table["len"].to_list(), strict=True))


def _share(counts: dict[str, int], reasons: tuple[Reason, ...]) -> float:
    total = sum(counts.values())
    return sum(counts.get(reason.value, 0) for reason in reasons) / total if total else 0.0


def build(cluster: Cluster, sessions: Sessions, lifetimes: Lifetimes) -> Case:
    """The case of a cluster; its `scope` is measured on the case itself, and filled in by `dataclasses.replace`."""
    mine = pl.col("system") == cluster.system
    span = sessions.spans.filter(mine)
    return Case(
        cluster=cluster,
        events=sessions.events.filter(mine),
        grants=sessions.grants.filter(mine),
        begin=span["begin"][0],
        end=span["end"][0],
        lifetimes=lifetimes,
        scope=Scope(),
    )
