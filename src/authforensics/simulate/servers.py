"""The servers: they issue tokens, judge what is presented to them, and answer."""

from __future__ import annotations

from dataclasses import dataclass
from zlib import crc32

from authforensics.schema import Reason
from authforensics.simulate.chance import Chance
from authforensics.simulate.clocks import DAY, HOUR, Clock
from authforensics.simulate.record import Actor, Family, Grant, Kind
from authforensics.simulate.scenario import Claim, Fault, Scenario, ServerRules
from authforensics.simulate.views import Faults, Overlay, View

_CLAIMS: dict[Claim, str] = {"algorithm": "HS256", "key": "first", "audience": "api", "issuer": "auth"}
_WRONG: dict[Claim, Reason] = {
    "algorithm": Reason.ALGORITHM_REJECTED,
    "key": Reason.SIGNATURE_INVALID,
    "audience": Reason.AUDIENCE_MISMATCH,
    "issuer": Reason.ISSUER_MISMATCH,
}
_SIZES = {Kind.LOGIN: 812, Kind.REFRESH: 790, Kind.API: 1400, Kind.LOGOUT: 2, Kind.PUBLIC: 5200}
_REFUSED_SIZE, _FAILED_SIZE = 64, 157


@dataclass(slots=True)
class Asked:
    """A request as it arrives. `shape`: how its credential is sent; `blame` the fault of its client, if it's one."""

    actor: Actor
    kind: Kind
    method: str
    path: str
    grant: Grant | None = None
    shape: str = "token"
    password: bool = True
    blame: str | None = None


@dataclass(slots=True)
class Answer:
    """What comes back, how long that takes, and why."""

    status: int
    took: float
    size: int
    instance: str | None
    reason: Reason | None = None
    text: str | None = None
    fault: str | None = None
    issued: Grant | None = None
    lifetime: float | None = None

    @property
    def refused(self) -> bool:
        """The token, or the lack of one, is the reason: for clients that is what a 401 says."""
        return self.status == 401

    @property
    def failed(self) -> bool:
        """No verdict."""
        return self.status >= 500 or self.status in {408, 429, 499}


#: Why a credential is refused, and which fault made it so.
Verdict = tuple[Reason, str | None]


class Server:
    """All instances of a service, with one store of sessions."""

    def __init__(self, scenario: Scenario, clock: Clock, faults: Faults, seed: int) -> None:
        self._scenario, self._clock, self._faults = scenario, clock, faults
        self._overlay = Overlay[ServerRules](
            scenario.server.model_copy(
                update={
                    "mint": {**_CLAIMS, **scenario.server.mint},
                    "accept": {**{name: (value,) for name, value in _CLAIMS.items()}, **scenario.server.accept},
                }
            ),
            [
                *((None, policy.server) for policy in scenario.policies),
                *((fault.cause, fault.server) for fault in scenario.faults),
            ],
        )
        self._chance = Chance(seed, "servers")
        self.families: list[Family] = []
        self._grants = 0

    def view(self, actor: Actor, path: str | None = None, instance: str | None = None) -> View[ServerRules]:
        """What is in force for a request."""
        return self._overlay.view(self._faults.active(self._clock.now, actor, path, instance))

    def earlier(self, actor: Actor, started: float, issued: float) -> Grant:
        """The token of a session that began before anybody looked."""
        family = self._family(actor, started)
        return self._issue(family, Kind.REFRESH, self.view(actor), self._scenario.instances[0], issued)

    def end_sessions(self, number: int, fault: Fault) -> None:
        """End the sessions there are, of those whom a fault concerns."""
        for family in self.families:
            if family.ended is None and self._faults.chosen(number, family.user):
                family.ended, family.ended_by = fault.ends_sessions, fault.cause

    def answer(self, asked: Asked) -> Answer:
        """Answer a request."""
        if any(since * HOUR <= self._clock.now < until * HOUR for since, until in self._scenario.blips):
            return Answer(502, 0.001, _FAILED_SIZE, None)
        instance = self._instance(asked.actor)
        view = self.view(asked.actor, asked.path, instance)
        rules = view.rules
        forced = {str(called): status for called, status in rules.answers.items()}.get(asked.kind.value)
        if forced is not None and self._chance.happens(rules.answers_share):
            return self._forced(asked, view, forced, instance)
        answer = Answer(200, self._took(asked, rules), _SIZES[asked.kind], instance)
        if asked.kind is Kind.LOGIN:
            self._login(asked, view, answer)
        elif asked.kind is Kind.REFRESH:
            self._refresh(asked, view, answer)
        elif asked.kind is Kind.LOGOUT:
            self._logout(asked, view, answer)
        elif asked.kind is Kind.API:
            self._call(asked, view, answer)
        return answer

    def _instance(self, actor: Actor) -> str:
        among = self._scenario.instances
        if self._scenario.sticky:
            return among[crc32(actor.name.encode()) % len(among)]
        return self._chance.pick(among)

    def _took(self, asked: Asked, rules: ServerRules) -> float:
        if asked.kind is Kind.API and self._chance.happens(rules.slow):
            return self._chance.between(0.8, 6.0)
        return 0.004 + self._chance.exponential(0.035) + (0.06 if asked.kind is Kind.LOGIN else 0.0)

    def _forced(self, asked: Asked, view: View[ServerRules], status: int, instance: str) -> Answer:
        at_edge = view.rules.answers_by == "edge"
        took = 0.001 if at_edge else self._took(asked, view.rules)
        answer = Answer(status, took, _FAILED_SIZE, None if at_edge else instance, fault=view.owner("answers"))
        answer.reason, answer.text = view.rules.answers_reason, view.rules.answers_text
        return answer

    def _refuse(self, answer: Answer, status: int, verdict: Verdict) -> None:
        answer.status, answer.size = status, _REFUSED_SIZE
        answer.reason, answer.fault = verdict

    def _login(self, asked: Asked, view: View[ServerRules], answer: Answer) -> None:
        if not asked.password:
            self._refuse(answer, 401, (Reason.OTHER, asked.blame))
            answer.text = "Invalid email or password"
            return
        family = self._family(asked.actor, self._clock.now)
        answer.issued = self._issue(family, Kind.LOGIN, view, str(answer.instance), self._clock.now)

    def _refresh(self, asked: Asked, view: View[ServerRules], answer: Answer) -> None:
        answer.lifetime = view.rules.access_lifetime
        verdict = self._judge_refresh(asked, view)
        if verdict is not None:
            self._refuse(answer, view.rules.refresh_refused_status, verdict)
            return
        assert asked.grant is not None
        if asked.grant.used is None:
            asked.grant.used = self._clock.now
        issued = self._issue(asked.grant.family, Kind.REFRESH, view, str(answer.instance), self._clock.now)
        if not view.rules.sliding:
            issued.refresh_expires = asked.grant.refresh_expires
        answer.issued = issued

    def _judge_refresh(self, asked: Asked, view: View[ServerRules]) -> Verdict | None:
        rules, grant, now = view.rules, asked.grant, self._clock.now
        if grant is None:
            return Reason.MISSING_TOKEN, asked.blame
        family = grant.family
        if family.ended is not None:
            same = family.ended in {Reason.REFRESH_REUSED, Reason.REVOKED}
            return Reason.REFRESH_REVOKED if same else family.ended, family.ended_by or asked.blame
        if now > grant.refresh_expires:
            return Reason.REFRESH_EXPIRED, grant.flaws.get("refresh")
        if rules.rotates and grant.used is not None and now - grant.used > rules.reuse_grace:
            fault = asked.blame or view.owner("reuse_grace", "rotates")
            if rules.reuse_ends_session:
                family.ended, family.ended_by = Reason.REFRESH_REUSED, fault
            return Reason.REFRESH_REUSED, fault
        return None

    def _logout(self, asked: Asked, view: View[ServerRules], answer: Answer) -> None:
        answer.status = 204
        if asked.grant is not None:
            family = asked.grant.family
            family.logged_out = self._clock.now
            if view.rules.enforces_logout:
                family.ended = family.ended or Reason.REVOKED

    def _call(self, asked: Asked, view: View[ServerRules], answer: Answer) -> None:
        answer.lifetime = view.rules.access_lifetime
        verdict = self._judge_call(asked, view, str(answer.instance))
        if verdict is not None:
            self._refuse(answer, view.rules.refused_status, verdict)
            if answer.fault is None:
                answer.fault = view.owner("refused_status")
            return
        assert asked.grant is not None
        asked.grant.accepted = True
        if asked.grant.family.logged_out is not None:
            answer.fault = view.owner("enforces_logout")
        if self._chance.happens(0.012):
            answer.status = self._chance.pick((404, 404, 422, 304))

    def _judge_call(self, asked: Asked, view: View[ServerRules], instance: str) -> Verdict | None:
        rules, grant = view.rules, asked.grant
        if rules.strips_header:
            return Reason.MISSING_TOKEN, view.owner("strips_header")
        if asked.shape == "wrong_scheme" or grant is None:
            return Reason.MISSING_TOKEN, asked.blame
        if asked.shape == "malformed":
            return Reason.MALFORMED, asked.blame
        for claim, reason in _WRONG.items():
            if grant.claims[claim] not in rules.accept[claim]:
                fault = view.owner(f"accept.{claim}") or grant.flaws.get(claim)
                return Reason(rules.unknown_key) if claim == "key" else reason, fault
        now = self._clock.now
        if grant.issued - rules.leeway > now + rules.clock:
            return Reason.NOT_YET_VALID, view.owner("clock") or grant.flaws.get("clock")
        if rules.lag and grant.instance != instance and now - grant.issued < rules.lag:
            return Reason.REVOKED, view.owner("lag")
        if now + rules.clock > grant.expires + rules.leeway:
            return Reason.TOKEN_EXPIRED, view.owner("clock") if now <= grant.expires else asked.blame
        if grant.family.ended is not None:
            return Reason.REVOKED, grant.family.ended_by or asked.blame
        return None

    def _family(self, actor: Actor, started: float) -> Family:
        family = Family(len(self.families) + 1, actor.user or actor.name, started)
        self.families.append(family)
        return family

    def _issue(self, family: Family, by: Kind, view: View[ServerRules], instance: str, at: float) -> Grant:
        rules = view.rules
        minted = by.value in rules.mint_by
        claims = {str(name): rules.mint[name] if minted else value for name, value in _CLAIMS.items()}
        flaws = {str(name): owner for name in _CLAIMS if minted and (owner := view.owner(f"mint.{name}"))}
        limit = family.started + (rules.session_lifetime or 365 * DAY)
        slides = at + rules.refresh_lifetime
        if (owner := view.owner("refresh_lifetime" if slides <= limit else "session_lifetime")) is not None:
            flaws["refresh"] = owner
        if (owner := view.owner("cookie_lifetime")) is not None:
            flaws["cookie"] = owner
        if (owner := view.owner("clock")) is not None:
            flaws["clock"] = owner
        issued = at + rules.clock
        self._grants += 1
        return Grant(
            number=self._grants,
            family=family,
            by=by,
            issued=issued,
            instance=instance,
            claims=claims,
            flaws=flaws,
            expires=issued + rules.access_lifetime,
            refresh_expires=min(slides, limit),
            cookie_expires=at + (rules.cookie_lifetime or 365 * DAY),
        )
