"""One run: the clock, the servers, the clients and strangers, and the record of what they did."""

from __future__ import annotations

from collections.abc import Generator
from functools import partial

from authforensics.simulate.api import APIS
from authforensics.simulate.chance import Chance
from authforensics.simulate.clients import Client
from authforensics.simulate.clocks import HOUR, Clock, Signal
from authforensics.simulate.credentials import encoded
from authforensics.simulate.people import devices
from authforensics.simulate.record import Actor, Exchange, Kind, Record
from authforensics.simulate.scenario import Fault, Manners, Scenario
from authforensics.simulate.servers import Answer, Asked, Server
from authforensics.simulate.strangers import intrude, settle
from authforensics.simulate.views import Faults, Overlay, View

_CLIENT_GONE = 499
#: Seconds that a round trip takes, from good lines to mobile networks.
_ROUND_TRIP = (0.02, 0.12)


class World:
    """A scenario at work. Times are seconds since the log starts."""

    def __init__(self, scenario: Scenario, seed: int) -> None:
        self.scenario, self.seed = scenario, seed
        self.api = APIS[scenario.api]
        self.clock = Clock(-scenario.margin * HOUR)
        self.ends = (scenario.hours + scenario.margin) * HOUR
        self.record = Record()
        self.clients: list[Client] = []
        #: Devices that aren't alone, and by which fault.
        self.shared: dict[str, str] = {}
        self._faults = Faults((*scenario.policies, *scenario.faults), seed)
        self.server = Server(scenario, self.clock, self._faults, seed)
        self._manners = {
            group.name: Overlay[Manners](
                group.manners,
                [
                    *((None, None) for _ in scenario.policies),
                    *((fault.cause, fault.clients) for fault in scenario.faults),
                ],
            )
            for group in scenario.clients
        }
        self._ids = Chance(seed, "request ids")
        self._ways: dict[str, float] = {}

    @property
    def hour(self) -> float:
        """Hours since the log started."""
        return self.clock.now / HOUR

    def manners(self, actor: Actor) -> View[Manners]:
        """How a device behaves now."""
        return self._manners[actor.group].view(self._faults.active(self.clock.now, actor))

    def call_of(self, client: Client) -> tuple[str, str]:
        """Method and path of one of the calls that a client makes."""
        method, path = client.chance.pick(client.group.calls or self.api.calls).split()
        return method, path.replace("{id}", str(client.chance.whole(1, 9999)))

    def run(self) -> Record:
        """Let everything happen."""
        first = 0
        for number, group in enumerate(self.scenario.clients):
            for actor in devices(group, number, first, self.seed):
                chance = Chance(self.seed, "life", actor.name)
                arrives = chance.between(*group.arrives) * HOUR
                client = Client(self, actor, group, chance)
                self.clients.append(client)
                self.record.actors.append(actor)
                self.clock.start(client.live(arrives + chance.between(*group.stays) * HOUR), arrives)
            first += group.count
        settle(self, self.seed)
        for number, fault in enumerate(self.scenario.faults, len(self.scenario.policies)):
            if fault.since is not None:
                self.clock.at(fault.since * HOUR, partial(self._begin, number, fault))
        self.clock.run(self.ends)
        self.record.exchanges.sort(key=lambda one: one.ended)
        return self.record

    def _begin(self, number: int, fault: Fault) -> None:
        """What happens once, when a fault begins."""
        if fault.ends_sessions is not None:
            self.server.end_sessions(number, fault)
        if fault.forgets:
            for client in self.clients:
                if number in self._faults.active(self.clock.now, client.actor):
                    client.forgets = fault.cause
        if fault.intruder is not None:
            intrude(self, fault, fault.intruder, self.seed)

    def exchange(
        self, asked: Asked, chance: Chance, *, lost: bool = False, in_query: float = 0.0, status: int | None = None
    ) -> Generator[float | Signal, None, tuple[Answer, Exchange]]:
        """Send a request and wait for its answer.

        `lost`: the client is gone before the answer; `in_query` the share of calls with their token in the address;
        `status` what is answered whatever the servers think, to strangers.
        """
        started, actor, grant = self.clock.now, asked.actor, asked.grant
        fresh = grant.by if grant is not None and asked.kind is Kind.API and not grant.accepted else None
        out = grant.family.logged_out if grant is not None else None
        answer = self.server.answer(asked)
        if status is not None:
            answer.status = status
        made = Exchange(
            actor=actor,
            kind=asked.kind,
            method=asked.method,
            path=asked.path,
            started=started,
            ended=started + answer.took,
            status=answer.status,
            size=answer.size + int(chance.between(0, 40)),
            request_id=self._ids.hex(32),
            address=actor.address,
            agent=actor.agent,
            version=actor.version,
            user=actor.user if grant is not None or answer.issued is not None else None,
            instance=answer.instance,
            reason=answer.reason,
            text=answer.text,
            fault=answer.fault,
            fresh_by=fresh,
            logged_out=out,
            lifetime=answer.lifetime,
        )
        if grant is not None:
            made.grant, made.family, made.age = grant.number, grant.family.number, started - grant.issued
            if asked.method == "GET" and chance.happens(in_query):
                made.token = encoded(grant, self.seed, self.scenario.start.timestamp())
                made.path += f"{'&' if '?' in made.path else '?'}access_token={made.token}"
        if answer.issued is not None:
            made.issued, made.family = answer.issued.number, answer.issued.family.number
        if lost and answer.issued is not None:
            made.received = False
            if chance.happens(0.5):
                made.status = _CLIENT_GONE
        self.record.exchanges.append(made)
        yield answer.took + self._way(actor)
        return answer, made

    def _way(self, actor: Actor) -> float:
        """Seconds from an answer's end, by the server's clock, to the next request that it causes: a round trip."""
        if actor.name not in self._ways:
            self._ways[actor.name] = Chance(self.seed, "way", actor.name).between(*_ROUND_TRIP)
        return self._ways[actor.name]
