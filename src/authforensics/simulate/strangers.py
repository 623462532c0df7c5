"""Who calls without a session of its own: scanners, monitors, crawlers, visitors, and intruders."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from authforensics.simulate.chance import Chance
from authforensics.simulate.clocks import HOUR, Process
from authforensics.simulate.people import agent
from authforensics.simulate.record import Actor, Kind
from authforensics.simulate.scenario import Fault, Intruder
from authforensics.simulate.servers import Asked

if TYPE_CHECKING:
    from authforensics.simulate.clients import Client
    from authforensics.simulate.world import World

_SOUGHT = (
    *("GET /.env", "GET /wp-login.php", "GET /.git/config", "GET /phpmyadmin/index.php", "GET /admin/config.php"),
    *("GET /server-info", "GET /backup.sql", "GET /vendor/phpunit/phpunit/src/Util/PHP/eval-stdin.php"),
)
_SCANNER_AGENTS = ("python-requests/2.32.3", "Go-http-client/1.1", "Fuzz Faster U Fool v1.5.0-dev", "curl/7.88.1")
_MONITOR_AGENT = "Mozilla/5.0+(compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)"
_CRAWLER_AGENT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"


def _stranger(name: str, address: str, sends: str) -> Actor:
    return Actor(name, None, "other", None, address, sends, "strangers", known=False)


def settle(world: World, seed: int) -> None:
    """Let all strangers of a scenario begin."""
    few = world.scenario.strangers
    clock = world.clock
    for number in range(few.scanners):
        chance = Chance(seed, "scanner", number)
        scanner = _stranger(f"scanner-{number}", f"192.0.2.{10 + number}", chance.pick(_SCANNER_AGENTS))
        clock.start(_scan(world, scanner, chance), chance.between(clock.now, world.ends))
    for number in range(few.monitors):
        chance = Chance(seed, "monitor", number)
        monitor = _stranger(f"monitor-{number}", f"192.0.2.{100 + number}", _MONITOR_AGENT)
        clock.start(_watch(world, monitor, chance, number), clock.now + number)
    for number in range(few.crawlers):
        chance = Chance(seed, "crawler", number)
        clock.start(_browse(world, _stranger(f"crawler-{number}", f"192.0.2.{150 + number}", _CRAWLER_AGENT), chance))
    for number in range(few.visitors):
        chance = Chance(seed, "visitor", number)
        visitor = _stranger(f"visitor-{number}", f"198.51.100.{1 + number % 250}", agent("web", "", chance))
        clock.start(_browse(world, visitor, chance), chance.between(clock.now, world.ends))


def _ask(world: World, actor: Actor, kind: Kind, call: str, chance: Chance, *, status: int | None = None) -> Process:
    method, path = call.split()
    path = path.replace("{id}", str(chance.whole(1, 9999)))
    yield from world.exchange(Asked(actor, kind, method, path), chance, status=status)


def _scan(world: World, actor: Actor, chance: Chance) -> Process:
    """A burst of what might be there, and of the API without a token."""
    for _ in range(chance.whole(60, 220)):
        if chance.happens(0.3):
            yield from _ask(world, actor, Kind.API, chance.pick(world.api.calls), chance)
        else:
            yield from _ask(world, actor, Kind.PUBLIC, chance.pick(_SOUGHT), chance, status=404)
        yield chance.exponential(1.5)


def _watch(world: World, actor: Actor, chance: Chance, number: int) -> Process:
    """The same call at a fixed pace for ever; every other monitor asks for what needs a token, and has none."""
    while True:
        if number % 2:
            yield from _ask(world, actor, Kind.API, world.api.calls[0], chance)
        else:
            yield from _ask(world, actor, Kind.PUBLIC, "GET /healthz", chance)
        yield 60.0


def _browse(world: World, actor: Actor, chance: Chance) -> Process:
    for _ in range(chance.whole(5, 60)):
        yield from _ask(world, actor, Kind.PUBLIC, chance.pick(world.api.public), chance)
        yield chance.exponential(120)


def intrude(world: World, fault: Fault, intruder: Intruder, seed: int) -> None:
    """Let an intruder begin: called when its time has come."""
    if intruder.kind == "stuffing":
        for number in range(intruder.addresses):
            world.clock.start(_stuff(world, fault, intruder, number, Chance(seed, "stuffing", number)))
        return
    among = [client for client in world.clients if client.access is not None and _meant(client, fault)]
    chance = Chance(seed, intruder.kind)
    victims: list[Client] = []
    while among and len(victims) < intruder.victims:
        victims.append(among.pop(chance.whole(0, len(among) - 1)))
    for victim in victims:
        own = Chance(seed, intruder.kind, victim.actor.name)
        if intruder.kind == "clone":
            world.clock.start(_clone(world, fault, victim, own))
        else:
            world.clock.start(_replay(world, fault, victim, own))
        world.shared[victim.actor.name] = fault.cause


def _meant(client: Client, fault: Fault) -> bool:
    actor = client.actor
    return (not fault.groups or actor.group in fault.groups) and (
        not fault.platforms or actor.platform in fault.platforms
    )


def _stuff(world: World, fault: Fault, intruder: Intruder, number: int, chance: Chance) -> Process:
    actor = _stranger(f"stuffing-{number}", f"192.0.2.{200 + number % 50}", chance.pick(_SCANNER_AGENTS))
    until = world.ends if fault.until is None else fault.until * HOUR
    each = intruder.attempts / intruder.addresses
    pause = (until - world.clock.now) / each
    method, path = world.api.login.split()
    for _ in range(int(each)):
        yield chance.exponential(pause)
        guessed = chance.happens(intruder.success)
        asked = Asked(actor, Kind.LOGIN, method, path, password=guessed, blame=fault.cause)
        _, exchange = yield from world.exchange(asked, chance)
        exchange.fault = fault.cause


def _clone(world: World, fault: Fault, victim: Client, chance: Chance) -> Process:
    """A second device with everything that the first has stored, and its id."""
    other = agent(victim.actor.platform, str(victim.actor.version), chance)
    actor = replace(victim.actor, address=f"198.18.250.{chance.whole(1, 254)}", agent=other)
    yield from victim.copied(actor, chance, fault.cause).live(world.ends)


def _replay(world: World, fault: Fault, victim: Client, chance: Chance) -> Process:
    """A copy of a request, sent again and again from elsewhere; when it is refused, the stolen refresh token."""
    actor = replace(victim.actor, address=f"192.0.2.{chance.whole(60, 90)}", agent="python-requests/2.31.0")
    grant = victim.access
    until = world.ends if fault.until is None else fault.until * HOUR
    while grant is not None and world.clock.now < until:
        method, path = world.call_of(victim)
        answer, exchange = yield from world.exchange(Asked(actor, Kind.API, method, path, grant), chance)
        exchange.fault, exchange.intent = fault.cause, "replay"
        if answer.refused:
            method, path = world.api.refresh.split()
            asked = Asked(actor, Kind.REFRESH, method, path, grant, blame=fault.cause)
            answer, exchange = yield from world.exchange(asked, chance)
            exchange.fault, exchange.intent = fault.cause, "replay"
            grant = answer.issued or (victim.access if chance.happens(0.5) else None)
        yield chance.exponential(20)
