"""Everything that is known about one incident, for those who judge its cause: what happened, measured once."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property

import polars as pl

from authforensics.diagnose import endings, meanwhile, scope, tokens
from authforensics.diagnose.clusters import Cluster
from authforensics.diagnose.meanwhile import Meanwhile
from authforensics.diagnose.tokens import Held, Replaced
from authforensics.document import Lifetimes
from authforensics.findings import Scope
from authforensics.schema import History, Reason
from authforensics.states import AuthEvent


@dataclass(frozen=True)
class Case:
    """One incident's cluster within the history of its system.

    `denials` is every refusal that belongs to it, in no order; `end` is the log's.
    """

    cluster: Cluster
    denials: pl.DataFrame
    events: Sequence[pl.LazyFrame]
    grants: pl.LazyFrame
    end: datetime
    lifetimes: Lifetimes

    def stuck(self) -> Case:
        """Without the clients that obeyed; itself, if there are none, or no others."""
        cluster = self.cluster.stuck()
        if cluster is self.cluster:
            return self
        return replace(self, cluster=cluster, denials=self.denials.filter(~pl.col("obeyed")))

    @cached_property
    def onset(self) -> datetime:
        """The first refusal that belongs to the incident."""
        return self.denials["timestamp"].min()  # type: ignore[return-value]

    @cached_property
    def last(self) -> datetime:
        """The last one."""
        return self.denials["timestamp"].max()  # type: ignore[return-value]

    @cached_property
    def hit(self) -> pl.DataFrame:
        """One row a device with a refusal that belongs to the incident: `device_id` and when it was `first_seen`."""
        return self.denials.group_by("device_id").agg(first_seen=pl.col("timestamp").min())

    @cached_property
    def devices(self) -> list[str]:
        """Their names, sorted."""
        return self.hit["device_id"].cast(pl.String).sort().to_list()

    @cached_property
    def meanwhile(self) -> Meanwhile:
        """What else happened in the system."""
        last_row = int(self.denials.filter(pl.col("timestamp") == self.last)["row"].max())  # type: ignore[arg-type]
        return meanwhile.measure(
            self.events,
            self.grants,
            self.hit.select("device_id"),
            onset=self.onset,
            last=self.last,
            last_row=last_row,
        )

    @cached_property
    def scope(self) -> Scope:
        """What it is confined to: by the refusals that carry it, of new tokens refused not the expiries in between."""
        hits = self.denials.filter("rejection") if self.cluster.kind == "rejected" else self.denials
        return scope.measure(hits, self.meanwhile)

    @cached_property
    def active(self) -> int:
        """Devices with a session that were seen between onset and end."""
        return max(int(self.meanwhile.devices["session"].sum()), self.hit.height)

    @cached_property
    def accepted(self) -> int:
        """API calls of the whole system that were accepted meanwhile."""
        return self.meanwhile.accepted

    @cached_property
    def refused(self) -> int:
        """Calls and refreshes that were refused: all `denials`, but where something else than a refusal is wrong."""
        verdicts = (AuthEvent.API_DENIED, AuthEvent.API_ANONYMOUS, AuthEvent.REFRESH_DENIED)
        return self.denials.filter(pl.col("auth_event").is_in([verdict.value for verdict in verdicts])).height

    @cached_property
    def writes_lost(self) -> int:
        """Refused POST, PUT, PATCH and DELETE calls on the API."""
        return self.denials.filter(pl.col("auth_event") == AuthEvent.API_DENIED.value, pl.col("write")).height

    @cached_property
    def closings(self) -> pl.Series:
        """When devices that were accepted again on a protected call, after their last ill episode, were so, sorted."""
        final = self.cluster.episodes.sort("first_seen", "episode").group_by("device_id").last()
        return final["closed_at"].drop_nulls().sort()

    @property
    def recovered(self) -> int:
        """The number of those devices."""
        return len(self.closings)

    @cached_property
    def proofs(self) -> pl.Series:
        """When affected devices were accepted after the last refusal, the first time each, sorted."""
        return self.meanwhile.proofs

    @cached_property
    def over(self) -> bool:
        """Whether it is: a device that was ill is accepted after the last refusal, and the log goes on long enough.

        Long enough: a minute, and ten times the longest pause between refusals of the last half.
        """
        times = self.denials["timestamp"].sort().tail(max(self.denials.height // 2, 2))
        longest = times.diff().max()
        quiet = (self.end - self.last).total_seconds()
        needed = max(60.0, 10 * longest.total_seconds()) if isinstance(longest, timedelta) else 60.0
        return len(self.proofs) > 0 and quiet >= min(needed, 3600.0)

    @cached_property
    def half_seconds(self) -> float:
        """Seconds from the onset until half of the affected devices were hit."""
        firsts = self.hit["first_seen"].sort()
        return float((firsts[(len(firsts) - 1) // 2] - self.onset).total_seconds())

    @cached_property
    def reason_counts(self) -> dict[str, int]:
        """Refusals by stated reason, most first; those without one are left out."""
        return _counts(self.denials)

    def api_share_of(self, *reasons: Reason) -> float:
        """As `share_of`, of the refused calls on the API."""
        return _share(self._api_reasons, reasons)

    @cached_property
    def _api_reasons(self) -> dict[str, int]:
        return _counts(self.denials.filter(pl.col("auth_event") == AuthEvent.API_DENIED.value))

    def refresh_share_of(self, *reasons: Reason) -> float:
        """As `share_of`, of the refused refreshes."""
        return _share(self.refresh_reasons, reasons)

    @cached_property
    def refresh_reasons(self) -> dict[str, int]:
        """As `reason_counts`, of the refused refreshes."""
        return _counts(self.denials.filter(pl.col("auth_event") == AuthEvent.REFRESH_DENIED.value))

    def share_of(self, *reasons: Reason) -> float:
        """Share of the refusals with a stated reason that have one of these; 0 where none has any."""
        return _share(self.reason_counts, reasons)

    def outcomes(self, event: AuthEvent, *, before: bool = False) -> tuple[int, int]:
        """Of the tokens given by `event` to any device: how many were refused at first use, how many accepted at all.

        Tokens never used are left out. From the onset to the last refusal, or from the log's begin until the onset.
        """
        given = self.meanwhile.tokens.filter(pl.col("granted_by") == event.value, _stretch(before=before))
        return int(given["refused"].sum()), int(given["accepted"].sum())

    def refreshes(self, *, before: bool = False) -> dict[str, int]:
        """Refreshes of all devices, during the incident or before: `ok`, `denied`, `failed`."""
        found = self._attempts(before=before)
        return {
            "ok": found.get(AuthEvent.REFRESH_OK.value, 0),
            "denied": found.get(AuthEvent.REFRESH_DENIED.value, 0),
            "failed": found.get(AuthEvent.REFRESH_FAILED.value, 0),
        }

    def logins(self, *, before: bool = False) -> dict[str, int]:
        """Logins of all devices, during the incident or before: `ok`, `denied`."""
        found = self._attempts(before=before)
        return {
            "ok": found.get(AuthEvent.LOGIN_OK.value, 0),
            "denied": found.get(AuthEvent.LOGIN_DENIED.value, 0),
        }

    def _attempts(self, *, before: bool) -> dict[str, int]:
        tried = self.meanwhile.attempts.filter(_stretch(before=before))
        counts = tried.group_by(pl.col("auth_event").cast(pl.String)).agg(pl.col("count").sum())
        return dict(counts.rows())

    @cached_property
    def tokens(self) -> pl.DataFrame:
        """The tokens refused on the API, and whether they came back: see `tokens.refused`."""
        return tokens.refused(self.events, self.denials)

    @cached_property
    def held(self) -> Held:
        """What became of the tokens of all devices that were given before the onset."""
        return tokens.held(self.grants, self.onset, self.last)

    @cached_property
    def replaced(self) -> Replaced:
        """What became of the first token that each affected device was given after its first refusal."""
        return tokens.replaced(self.grants, self.hit)

    @cached_property
    def obeying(self) -> int:
        """Devices that are not affected, whose refresh was refused meanwhile and that logged in next."""
        ended = self.grants.filter(
            pl.col("refresh_denied_at").is_between(self.onset, self.last),
            pl.col("next_granted_by") == AuthEvent.LOGIN_OK.value,
        )
        others = ended.join(self.hit.lazy(), on="device_id", how="anti")
        return int(others.select(pl.col("device_id").n_unique()).collect(engine="streaming").item())

    @cached_property
    def waves(self) -> list[tuple[datetime, int]]:
        """When tokens died all at once, and on how many devices: see `tokens.waves`."""
        return tokens.waves(self.tokens)

    @cached_property
    def session_clock(self) -> endings.Clock | None:
        """How old sessions were, since their login, when their refresh was refused; None: too few are known."""
        return endings.clock(self.refused_refreshes["session_age"], endings.survived(self.grants), "session_age")

    @cached_property
    def rest_clock(self) -> endings.Clock | None:
        """How long their tokens had rested then, since they were given."""
        return endings.clock(self.refused_refreshes["refresh_denied_age"], endings.survived(self.grants), "rest")

    @cached_property
    def instances(self) -> pl.DataFrame:
        """The known upstreams: `upstream`, `refused` calls and refreshes of a `total`, the most refused first.

        Of the calls on the API, `refused_api` and `accepted`.
        """
        on_api = pl.col("auth_event") == AuthEvent.API_DENIED.value
        hits = self.denials.group_by("upstream").agg(refused=pl.len(), refused_api=on_api.sum())
        calls = self.meanwhile.upstreams.filter(pl.col("upstream").is_not_null())
        shares = calls.join(hits, on="upstream", how="left").with_columns(pl.col("refused", "refused_api").fill_null(0))
        return shares.with_columns(pl.col("upstream").cast(pl.String)).sort(
            "refused", "upstream", descending=[True, False]
        )

    @property
    def refused_refreshes(self) -> pl.DataFrame:
        """GRANTS of affected devices that ended in a refused refresh in the incident: `session_age` at the first."""
        return self.meanwhile.refused

    def logged_in(self, devices: Collection[str]) -> int:
        """How many of these devices logged in during the incident."""
        logins = self.meanwhile.devices.filter("login")["device_id"].cast(pl.String)
        return int(logins.is_in(list(devices)).sum())

    def refreshing(self, first_login: datetime) -> tuple[int, int]:
        """Devices given a token by a refresh since the onset: with a session begun before `first_login`, and since."""
        older = pl.col("login_at").is_null() | (pl.col("login_at") < first_login)
        kinds = (
            self.grants.filter(pl.col("granted_by") == AuthEvent.REFRESH_OK.value, pl.col("granted_at") >= self.onset)
            .group_by("device_id")
            .agg(older=older.any(), younger=(~older).any())
            .select(pl.col("older").sum(), pl.col("younger").sum())
            .collect(engine="streaming")
        )
        return int(kinds["older"][0]), int(kinds["younger"][0])


def _stretch(*, before: bool) -> pl.Expr:
    return pl.col("when").is_in([meanwhile.BEFORE, meanwhile.ONSET] if before else [meanwhile.ONSET, meanwhile.SINCE])


def _counts(denials: pl.DataFrame) -> dict[str, int]:
    told = denials.filter(pl.col("reason").is_not_null()).group_by("reason").len()
    table = told.with_columns(pl.col("reason").cast(pl.String)).sort("len", "reason", descending=[True, False])
    return dict(zip(table["reason"].to_list(), table["len"].to_list(), strict=True))


def _share(counts: dict[str, int], reasons: tuple[Reason, ...]) -> float:
    total = sum(counts.values())
    return sum(counts.get(reason.value, 0) for reason in reasons) / total if total else 0.0


def build(cluster: Cluster, denials: pl.DataFrame, history: History, lifetimes: Lifetimes) -> Case:
    """The case of a cluster and its refusals."""
    mine = pl.col("system") == cluster.system
    return Case(
        cluster=cluster,
        denials=denials,
        events=[part.filter(mine) for part in history.events],
        grants=history.grants.filter(mine),
        end=history.spans.filter(mine)["end"][0],
        lifetimes=lifetimes,
    )
