"""Everything that is known about one incident, for those who judge its cause: what happened, measured once."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property

import polars as pl

from authforensics.diagnose import calls, deploys, endings, issuers, meanwhile, parts, scope, steps, tokens, witnessed
from authforensics.diagnose.clusters import Cluster
from authforensics.diagnose.meanwhile import Meanwhile
from authforensics.diagnose.parts import Part
from authforensics.diagnose.refusals import counts, share
from authforensics.diagnose.signed import UNSIGNED, Signed
from authforensics.diagnose.steps import AfterFailure
from authforensics.diagnose.tokens import FirstUses, Held, Replaced
from authforensics.document import Lifetimes
from authforensics.findings import Deploy, Finding, Preceding, Renewed, Scope
from authforensics.schema import Reason
from authforensics.states import AuthEvent

#: How long before the log's end a device was refused that still is: clients that poll do so every few minutes.
_LATELY = timedelta(minutes=15)
#: Until so many of its refusals had come, what was wrong was so without doubt.
_MOSTLY = 0.8
#: Reasons of a smaller share of the refusals tell nothing of the others.
_HARDLY = 0.02


@dataclass(frozen=True)
class Case:
    """One incident's cluster within the history of its system.

    `denials` is every refusal that belongs to it, in no order, `barred` those of the logins of who is refused these,
    too; `begin` and `end` are the log's; `fleet` is DEVICES of the system, `deploys` all that are known, `findings`
    those of the system, `signed` who signed tokens, `witnessed_at` the first event that findings of other kinds saw of
    its devices, `crowded` whether these can't be told apart (see `crowds`).
    """

    cluster: Cluster
    denials: pl.DataFrame
    barred: pl.DataFrame
    events: Sequence[pl.LazyFrame]
    grants: pl.LazyFrame
    begin: datetime
    end: datetime
    fleet: pl.DataFrame
    lifetimes: Lifetimes
    deploys: Sequence[Deploy] = ()
    findings: Sequence[Finding] = ()
    signed: Signed = UNSIGNED
    witnessed_at: datetime | None = None
    crowded: bool = False

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
        """The last refusal."""
        return self._moments["timestamp"].max()  # type: ignore[return-value]

    @cached_property
    def _moments(self) -> pl.DataFrame:
        """When each device was refused, a call, a refresh or a login: `device_id`, `timestamp`, `row`."""
        return pl.concat([self.denials.select(self.barred.columns), self.barred])

    def preceding(self, moment: datetime) -> tuple[Preceding, ...]:
        """The deploys shortly before `moment`, the last first."""
        return deploys.preceding(self.deploys, moment, self.begin, self.end)

    @cached_property
    def hit(self) -> pl.DataFrame:
        """One row a device with a refusal that belongs to the incident: `device_id` and when it was `first_seen`."""
        return self.denials.group_by("device_id").agg(first_seen=pl.col("timestamp").min())

    @cached_property
    def devices(self) -> list[str]:
        """Their names, sorted."""
        return self.hit["device_id"].cast(pl.String).sort().to_list()

    @cached_property
    def mistakable(self) -> bool:
        """Whether most of them are known by an address and a user agent only: one may be many, and many be one."""
        known = self.fleet.join(self.hit, on="device_id", how="semi")["identity_key"].cast(pl.String)
        return 2 * int((known == scope.PAIR).sum()) > len(known)

    @cached_property
    def users(self) -> int | None:
        """How many users used these devices last, as far as the log names them; None: it names none."""
        names = self.fleet.join(self.hit, on="device_id", how="semi")["user_id"].drop_nulls()
        return names.n_unique() if len(names) else None

    @cached_property
    def meanwhile(self) -> Meanwhile:
        """What else happened in the system."""
        last_row = int(self._moments.filter(pl.col("timestamp") == self.last)["row"].max())  # type: ignore[arg-type]
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
        return scope.measure(hits, self.meanwhile, self.fleet)

    @cached_property
    def failing(self) -> tuple[str, ...]:
        """The instances to which refreshes without a verdict are confined, if they are to some."""
        return scope.confined(self.meanwhile.failing())

    @cached_property
    def part(self) -> Part | None:
        """The version or platform on which it weighs, confined to it or not."""
        return parts.heaviest(self.fleet, self.hit)

    @cached_property
    def active(self) -> int:
        """Devices with a session that were seen between onset and end, or some minutes around, and those affected."""
        others = self.meanwhile.there.join(self.hit, on="device_id", how="anti")
        return others.height + self.hit.height

    @cached_property
    def accepted(self) -> int:
        """API calls of the whole system that were accepted meanwhile."""
        return self.meanwhile.accepted

    @cached_property
    def refused(self) -> int:
        """Calls and refreshes that were refused: all `denials`, but where something else than a refusal is wrong."""
        if self.cluster.kind in witnessed.FLEET:
            return self.denials.height
        verdicts = (AuthEvent.API_DENIED, AuthEvent.API_ANONYMOUS, AuthEvent.REFRESH_DENIED)
        return self.denials.filter(pl.col("auth_event").is_in([verdict.value for verdict in verdicts])).height

    @cached_property
    def writes_lost(self) -> int:
        """Refused POST, PUT, PATCH and DELETE calls on the API, with a credential or without, for whatever reason."""
        if self.cluster.kind == "recalled":  # repeated with the new token
            return 0
        calls = [AuthEvent.API_DENIED.value, AuthEvent.API_ANONYMOUS.value]
        others = {"oversized": AuthEvent.IGNORED, "forbidden": AuthEvent.FORBIDDEN}
        calls += [others[self.cluster.kind].value] if self.cluster.kind in others else []
        return self.denials.filter(pl.col("auth_event").is_in(calls), pl.col("write")).height

    @cached_property
    def ends(self) -> pl.DataFrame:
        """How it ended for each device: `closed_at`, when a call was accepted after its last refusal; null: never."""
        if self.cluster.kind in witnessed.KINDS:
            return witnessed.ends(self.events, self.denials)
        final = self.cluster.episodes.sort("first_seen", "episode").group_by("device_id").last()
        return final.select("device_id", "closed_at")

    @cached_property
    def closings(self) -> pl.Series:
        """When devices were accepted again on a protected call, after their last refusal, sorted."""
        return self.ends["closed_at"].drop_nulls().sort()

    @property
    def recovered(self) -> int:
        """The number of those devices."""
        return len(self.closings)

    @cached_property
    def ill(self) -> int:
        """Of an incident that goes on, the other devices that were refused shortly before the log ended."""
        if self.quiet:
            return 0
        lately = self.end - _LATELY
        seen = self._moments.group_by("device_id").agg(pl.col("timestamp").max()).filter(pl.col("timestamp") >= lately)
        return seen.join(self.ends.filter(pl.col("closed_at").is_null()), on="device_id", how="semi").height

    @cached_property
    def proofs(self) -> pl.Series:
        """When affected devices were accepted after the last refusal, the first time each, sorted."""
        return self.meanwhile.proofs

    @cached_property
    def quiet(self) -> bool:
        """Whether refusals have stopped: the log goes on without one for long enough.

        Long enough: a minute, and ten times the longest pause between refusals of the last half; an hour at most.
        """
        times = self._moments["timestamp"].sort().tail(max(self._moments.height // 2, 2))
        longest = times.diff().max()
        needed = max(60.0, 10 * longest.total_seconds()) if isinstance(longest, timedelta) else 60.0
        return (self.end - self.last).total_seconds() >= min(needed, 3600.0)

    @property
    def over(self) -> bool:
        """Whether it is proven to be over: refusals have stopped, and a device that was ill is accepted since."""
        return self.quiet and len(self.proofs) > 0

    @cached_property
    def half_seconds(self) -> float:
        """Seconds from the onset until half of the affected devices were hit."""
        firsts = self.hit["first_seen"].sort()
        return float((firsts[(len(firsts) - 1) // 2] - self.onset).total_seconds())

    @cached_property
    def reason_counts(self) -> dict[str, int]:
        """Refusals by stated reason, most first; those without one are left out.

        None, where hardly any has one: such are of other callers, taken for these by their time.
        """
        return _stated(self.denials)

    @cached_property
    def reasons_of_new(self) -> dict[str, int]:
        """As `reason_counts`, of tokens refused at their first use."""
        return _stated(self.denials.filter("rejection"))

    def api_share_of(self, *reasons: Reason) -> float:
        """As `share_of`, of the refused calls on the API."""
        return share(self._api_reasons, reasons)

    @cached_property
    def _api_reasons(self) -> dict[str, int]:
        return _stated(self.denials.filter(pl.col("auth_event") == AuthEvent.API_DENIED.value))

    def refresh_share_of(self, *reasons: Reason) -> float:
        """As `share_of`, of the refused refreshes."""
        return share(self.refresh_reasons, reasons)

    @cached_property
    def refresh_reasons(self) -> dict[str, int]:
        """As `reason_counts`, of the refused refreshes."""
        return _stated(self.denials.filter(pl.col("auth_event") == AuthEvent.REFRESH_DENIED.value))

    def share_of(self, *reasons: Reason) -> float:
        """Share of the refusals with a stated reason that have one of these; 0 where none has any."""
        return share(self.reason_counts, reasons)

    def outcomes(self, event: AuthEvent, *, before: bool = False) -> tuple[int, int]:
        """Of the tokens given by `event` to any device: how many were refused at first use, how many accepted at all.

        Tokens never used are left out. From the onset to the last refusal, or from the log's begin until the onset.
        """
        return self.meanwhile.outcomes(event, before=before)

    def refreshes(self, *, before: bool = False) -> dict[str, int]:
        """Refreshes of all devices, during the incident or before: `ok`, `denied`, `failed`."""
        return self.meanwhile.refreshes(before=before)

    def logins(self, *, before: bool = False) -> dict[str, int]:
        """Logins of all devices, during the incident or before: `ok`, `denied`."""
        return self.meanwhile.logins(before=before)

    @cached_property
    def tokens(self) -> pl.DataFrame:
        """The tokens refused on the API, and whether they came back: see `tokens.refused`."""
        return tokens.refused(self.events, self.denials)

    @cached_property
    def calls(self) -> pl.DataFrame:
        """The calls refused to each device, and what was granted to it around them: see `calls.refused`."""
        return calls.refused(self.events, self.denials)

    @cached_property
    def held(self) -> Held:
        """What became of the tokens of all devices that were given before the onset."""
        return tokens.held(self.grants, self.onset, self.last)

    @cached_property
    def replaced(self) -> Replaced:
        """What became of the first token that each affected device was given after its first refusal."""
        return tokens.replaced(self.grants, self.hit)

    @cached_property
    def renewed(self) -> Renewed | None:
        """Of an incident that goes on, and in which new tokens were refused: since when they are accepted."""
        refused = self.cluster.kind in {"key", "rejected"} and not self.quiet
        return tokens.renewed(self.grants, self.onset) if refused else None

    def first_uses(self, event: AuthEvent) -> FirstUses:
        """What became of the tokens that `event` gave since the onset, to affected devices and to others."""
        return tokens.first_uses(self.grants, self.hit, event, self.onset, self.last)

    @cached_property
    def refreshed_again(self) -> int:
        """Sessions of devices that are not affected that were given a second token by a refresh, or a later one."""
        return tokens.refreshed_again(self.grants, self.hit, self.onset, self.last)

    @cached_property
    def obeying(self) -> int:
        """Devices that are not affected, whose refresh was refused meanwhile and that logged in next."""
        return tokens.obeying(self.grants, self.hit, self.onset, self.last)

    @cached_property
    def waves(self) -> list[tuple[datetime, int]]:
        """When tokens died all at once, and on how many devices: see `tokens.waves`."""
        return tokens.waves(self.tokens)

    @cached_property
    def steps(self) -> pl.DataFrame:
        """Refreshes, logins and logouts of the affected devices in the whole log: see `steps.steps`."""
        return steps.steps(self.events, self.hit)

    @cached_property
    def siblings(self) -> pl.DataFrame:
        """Their refused refreshes, and whether each was `beside` a granted one: see `steps.siblings`."""
        return steps.siblings(self.steps, self.events, self.onset, self.last)

    @cached_property
    def after_logout(self) -> pl.DataFrame:
        """The refusals that came after a logout of their device: see `steps.after_logout`."""
        return steps.after_logout(self.denials, self.steps)

    @property
    def logged_out(self) -> float:
        """The share of the refusals that came after a logout and before the next login."""
        return self.after_logout.filter(~pl.col("again")).height / self.denials.height

    @cached_property
    def after_failure(self) -> AfterFailure:
        """What devices did after a refresh that failed without a verdict, affected or not: see `steps`."""
        return steps.after_failure(self.events, self.onset, self.last)

    def found_on(self, *detectors: str, ever: bool = False) -> set[str]:
        """The affected devices on which these detectors found something of the incident; `ever`: anything at all."""
        findings = self.findings if ever else self.cluster.findings
        found = {one.device_id for one in findings if one.device_id and one.detector in detectors}
        return found.intersection(self.devices)

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
        """The known upstreams and what they refused: see `meanwhile.instances`."""
        return meanwhile.instances(self.meanwhile.upstreams, self.denials)

    @cached_property
    def apart(self) -> issuers.Apart | None:
        """Instances that accept only the tokens of their own kind: see `issuers.apart`."""
        if self.instances.height < 2:
            return None
        # The last refusals may be of clients that go on with what they were given while it was wrong.
        until = self.denials["timestamp"].sort()[int(_MOSTLY * (self.denials.height - 1))]
        return issuers.apart(self.events, self.hit, self.onset, until)

    @property
    def refused_refreshes(self) -> pl.DataFrame:
        """GRANTS of affected devices that ended in a refused refresh in the incident: `session_age` at the first."""
        return self.meanwhile.refused

    def logged_in(self, devices: Collection[str]) -> int:
        """How many of these devices logged in during the incident."""
        return int(self.meanwhile.devices.filter("login")["device_id"].cast(pl.String).is_in(list(devices)).sum())

    def refreshing(self, first_login: datetime) -> tuple[int, int]:
        """Devices given a token by a refresh since the onset: with a session begun before `first_login`, and since."""
        return tokens.refreshing(self.grants, self.onset, first_login)


def _stated(denials: pl.DataFrame) -> dict[str, int]:
    """Refusals by stated reason; none, where hardly any has one."""
    stated = counts(denials)
    return stated if sum(stated.values()) >= _HARDLY * denials.height else {}
