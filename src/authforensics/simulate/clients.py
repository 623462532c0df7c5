"""The clients: people who use an app now and then, and what the app does when it is refused."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

from authforensics.simulate.clocks import DAY, Process, Signal, awake
from authforensics.simulate.people import address, updated
from authforensics.simulate.record import Actor, Exchange, Grant, Kind
from authforensics.simulate.scenario import Group, Manners
from authforensics.simulate.servers import Answer, Asked
from authforensics.simulate.views import View

if TYPE_CHECKING:
    from authforensics.simulate.chance import Chance
    from authforensics.simulate.world import World

Doing = Generator["float | Signal", None, str]
Asking = Generator["float | Signal", None, tuple[Answer, Exchange]]

OK, DENIED, FAILED = "ok", "denied", "failed"
_ATTEMPTS = 4


class Client:
    """One device's app: all its tabs share what is stored here."""

    def __init__(self, world: World, actor: Actor, group: Group, chance: Chance) -> None:
        self.world, self.actor, self.group, self.chance = world, actor, group, chance
        self.access: Grant | None = None
        self.refresh: Grant | None = None
        #: The token that is sent in place of the one that was stored last.
        self._kept: Grant | None = None
        #: The session is over, and the app calls on; and which fault that is.
        self._over = False
        self._blame: str | None = None
        self._refreshing: Signal | None = None
        self._flights, self._outcome = 0, OK
        self._signing: Signal | None = None
        self._lost: str | None = None
        self._taken = world.clock.now
        #: Somebody else has what is stored here, by this fault; and whether this is the copy.
        self.twin: str | None = None
        #: The fault that makes it forget what is stored, when the app is next opened; and that it then has to log in.
        self.forgets: str | None = None
        self._forgotten: str | None = None
        self._copy = False

    @property
    def view(self) -> View[Manners]:
        """How it behaves now."""
        return self.world.manners(self.actor)

    @property
    def _signed_out(self) -> bool:
        return self.access is None

    # One use after the other

    def live(self, leaves: float) -> Process:
        """Use the app until its user leaves."""
        clock, scenario = self.world.clock, self.world.scenario
        if self.access is None and self.chance.happens(self.group.signed_in):
            self._recall()
        while clock.now < leaves:
            yield from self._use(min(leaves, clock.now + self.chance.exponential(self.group.active)))
            busy = awake(clock.now, scenario.start, by_day=scenario.by_day)
            yield self.chance.exponential(self.group.away) / busy

    def _recall(self) -> None:
        rules = self.world.server.view(self.actor).rules
        now = self.world.clock.now
        longest = min(DAY, 0.95 * (rules.session_lifetime or DAY))
        started = now - self.chance.between(0, longest)
        issued = max(started, now - self.chance.between(0, min(rules.access_lifetime, 0.9 * rules.refresh_lifetime)))
        self.access = self.refresh = self.world.server.earlier(self.actor, started, issued)

    def _use(self, until: float) -> Process:
        self._open()
        manners = self.view.rules
        if self._over and self.chance.happens(manners.wakes):
            self.forget()
        if manners.socket_every is not None:
            self.world.clock.start(self._socket(until, manners.socket_every))
        if self.group.tabs == 1:
            yield from self._tab(until)
        else:
            yield self.world.clock.together(self._tab(until) for _ in range(self.group.tabs))
        if self.access is not None and not self._over and self.chance.happens(self.group.logs_out):
            yield from self.sign_out(None)

    def _open(self) -> None:
        """The app is opened: perhaps elsewhere, perhaps in a newer version, which may have lost what was stored."""
        if self.forgets is not None:
            self.forget()
            self.forgets, self._forgotten = None, self.forgets
        actor = self.actor
        if self.group.nat == 1 and actor.platform != "web" and self.chance.happens(self.group.roams):
            actor.address = address(self.chance)
        for version, hour in self.group.updates.items():
            if self.world.hour >= hour and actor.version != version and actor.version in self.group.versions:
                actor.agent = updated(actor.agent, actor.version, version)
                actor.version = version

    def _tab(self, until: float) -> Process:
        while self.world.clock.now < until:
            if self.access is None:
                yield from self._sign_in()
                if self.access is None:
                    return
            yield from self._visit()
            yield self.chance.exponential(self.group.pause)

    def _visit(self) -> Process:
        """One screen: some calls at once."""
        manners, token = self.view.rules, self.access
        if token is not None and not self._over:
            if manners.churns:
                yield from self._refresh("churn")
            elif manners.proactive and token.expires - self.world.clock.now < manners.proactive:
                yield from self._refresh("proactive")
        if self.access is None:
            return
        calls = self.chance.whole(1, self.group.parallel)
        if calls == 1:
            yield from self._call(0.0)
        else:
            yield self.world.clock.together(self._call(self.chance.between(0, 0.25)) for _ in range(calls))

    # One call

    def _call(self, later: float) -> Process:
        yield later
        if self.access is None:
            return
        method, path = self.world.call_of(self)
        grant, blame = self._credential(self.access)
        answer, exchange = yield from self._ask(Kind.API, method, path, grant, blame)
        if not answer.refused:
            if exchange.accepted and grant is self.access:
                self._over, self._blame = False, None
            return
        if self._over or self._signed_out:
            exchange.fault = exchange.fault or self._blame
            exchange.intent = "zombie" if self._over else None
            return
        yield from self._denied(method, path, grant, exchange)

    def _credential(self, access: Grant) -> tuple[Grant | None, str | None]:
        """What it sends with a call, and which fault makes it do so."""
        view = self.view
        blame = view.owner("sends") or self._blame
        if self.actor.platform == "web" and self.world.clock.now > access.cookie_expires:
            return None, access.flaws.get("cookie")
        if view.rules.adopts != "always" and self._kept is not None and self._kept is not access:
            return self._kept, view.owner("adopts")
        return access, blame

    def _denied(self, method: str, path: str, grant: Grant | None, exchange: Exchange) -> Process:
        view = self.view
        rules, owner = view.rules, view.owner("on_denied")
        if grant is None:
            # Without its cookie a browser looks as if nobody had ever signed in.
            exchange.intent = "no_cookie"
            self.forget()
        elif rules.on_denied == "refresh":
            if rules.on_rejected == "wait" and self.world.clock.now - self._taken < rules.patience:
                return
            yield from self._renew(method, path, grant)
        else:
            exchange.fault = exchange.fault or owner
            if rules.on_denied == "logout":
                exchange.intent = "overreaction"
                yield from self.sign_out(owner)
                return
            if rules.on_denied == "retry":
                yield from self._again(Kind.API, method, path, grant, owner)
            self._over, self._blame = True, exchange.fault

    def _again(self, kind: Kind, method: str, path: str, grant: Grant | None, owner: str | None) -> Process:
        """The same call over and over."""
        rules = self.view.rules
        for _ in range(rules.retries):
            yield rules.retry_pause
            answer, exchange = yield from self._ask(kind, method, path, grant, owner)
            exchange.intent = "retry"
            if not answer.refused:
                return
            exchange.fault = exchange.fault or owner

    def _renew(self, method: str, path: str, grant: Grant) -> Process:
        """Refresh, unless another call just did, and call once more."""
        renewed = self.access is not None and self.access is not grant and self._kept is not grant
        if not renewed and (yield from self._refresh("lazy")) != OK:
            return
        if self.access is None:
            return
        again, blame = self._credential(self.access)
        answer, exchange = yield from self._ask(Kind.API, method, path, again, blame)
        exchange.intent = "again"
        if not answer.refused or self.access is None:
            return
        view = self.view
        if view.rules.on_rejected == "login":
            self.forget()
        elif view.rules.on_rejected == "ignore":
            self._over, self._blame = True, exchange.fault or view.owner("on_rejected")

    # Refresh

    def _refresh(self, intent: str) -> Doing:
        if not self.view.rules.single_flight:
            return (yield from self._refresh_once(intent))
        if self._refreshing is not None:
            yield self._refreshing
            return self._outcome
        self._refreshing = Signal()
        self._outcome = yield from self._refresh_once(intent)
        done, self._refreshing = self._refreshing, None
        self.world.clock.fire(done)
        return self._outcome

    def _refresh_once(self, intent: str) -> Doing:
        view, held = self.view, self.refresh
        if held is None:
            return DENIED
        sends = view.rules.refresh_sends == "token"
        method, path = self.world.api.refresh.split()
        lost = self.chance.happens(view.rules.loses_response)
        self._flights += 1
        blame = self._refresh_blame(view, held)
        asking = self._ask(Kind.REFRESH, method, path, held if sends else None, blame, lost=lost)
        answer, exchange = yield from asking
        self._flights -= 1
        exchange.intent = intent
        if intent == "churn":
            exchange.fault = exchange.fault or view.owner("churns")
        if lost and answer.issued is not None:
            exchange.fault = exchange.fault or view.owner("loses_response")
            self._lost = exchange.fault
            yield self.chance.between(12, 90)
            return FAILED
        if answer.issued is not None:
            self._take(answer.issued)
            return OK
        if answer.failed:
            yield from self._refresh_failed(view, exchange)
            return FAILED
        if self.refresh is not held and self.refresh is not None:
            return OK  # another tab was quicker
        yield from self._refresh_denied(view, exchange, held)
        return DENIED

    def _refresh_blame(self, view: View[Manners], held: Grant) -> str | None:
        """Which fault makes a client send this refresh."""
        if view.rules.refresh_sends == "nothing":
            return view.owner("refresh_sends")
        if held.used is None:
            return None
        if self._flights > 1:
            return view.owner("single_flight")
        return view.owner("stores_rotated") or self._lost or self.twin

    def _refresh_failed(self, view: View[Manners], exchange: Exchange) -> Process:
        if view.rules.on_refresh_failed == "logout":
            exchange.intent = "overreaction"
            exchange.fault = view.owner("on_refresh_failed") or exchange.fault
            yield from self.sign_out(exchange.fault)

    def _refresh_denied(self, view: View[Manners], exchange: Exchange, held: Grant) -> Process:
        owner = view.owner("on_refresh_denied")
        if view.rules.on_refresh_denied == "login":
            self.forget()
            return
        exchange.fault = exchange.fault or owner
        if view.rules.on_refresh_denied == "retry":
            method, path = self.world.api.refresh.split()
            yield from self._again(Kind.REFRESH, method, path, held, exchange.fault)
        self._over, self._blame = True, exchange.fault

    def _take(self, grant: Grant) -> None:
        """Store what was issued, as well as it can."""
        rules = self.view.rules
        self._taken = self.world.clock.now
        if rules.adopts == "always" or (rules.adopts == "after_login" and grant.by is Kind.LOGIN):
            self._kept = None
        elif self._kept is None:
            self._kept = self.access
        self.access = grant
        if rules.stores_rotated or grant.by is Kind.LOGIN or self.refresh is None:
            self.refresh = grant
            self._lost = None

    # Login and logout

    def forget(self) -> None:
        """Nothing is stored any more: the login is next."""
        self.access = self.refresh = None
        self._over, self._blame, self._lost = False, None, None
        if self.view.rules.adopts != "never":
            self._kept = None

    def _sign_in(self) -> Process:
        if self._signing is not None:
            yield self._signing
            return
        self._signing = Signal()
        method, path = self.world.api.login.split()
        for _ in range(_ATTEMPTS):
            yield self.chance.between(4, 25)  # typing
            right = not self.chance.happens(self.group.mistypes)
            answer, exchange = yield from self._ask(Kind.LOGIN, method, path, None, None, password=right)
            exchange.fault = exchange.fault or self._forgotten
            if answer.issued is not None:
                self._forgotten = None
                self._take(answer.issued)
                break
            if answer.failed:
                yield self.chance.between(10, 60)
            elif right:
                break
        done, self._signing = self._signing, None
        self.world.clock.fire(done)

    def sign_out(self, fault: str | None) -> Process:
        """Log out; what still runs in the background may go on calling."""
        method, path = self.world.api.logout.split()
        left, view = self.access, self.view
        _, exchange = yield from self._ask(Kind.LOGOUT, method, path, left, fault)
        exchange.fault = exchange.fault or fault
        self.forget()
        if view.rules.after_logout and left is not None:
            self.world.clock.start(self._ghost(left, view))

    def _ghost(self, left: Grant, view: View[Manners]) -> Process:
        for _ in range(view.rules.after_logout):
            yield view.rules.after_logout_pause
            method, path = self.world.call_of(self)
            _, exchange = yield from self._ask(Kind.API, method, path, left, view.owner("after_logout"))
            exchange.intent = "ghost"

    def _socket(self, until: float, every: float) -> Process:
        """A connection that is made anew with the token that was there when the app was opened."""
        captured, owner = self.access, self.view.owner("socket_every")
        while captured is not None and self.world.clock.now < until:
            method, path = self.world.api.stream.split()
            answer, exchange = yield from self._ask(Kind.API, method, path, captured, owner)
            if answer.refused:
                exchange.fault, exchange.intent = exchange.fault or owner, "retry"
            yield every

    def _ask(
        self,
        kind: Kind,
        method: str,
        path: str,
        grant: Grant | None,
        blame: str | None,
        *,
        password: bool = True,
        lost: bool = False,
    ) -> Asking:
        rules = self.view.rules
        shape = rules.sends if kind is Kind.API else "token"
        asked = Asked(self.actor, kind, method, path, grant, shape, password, blame)
        asking = self.world.exchange(asked, self.chance, lost=lost, in_query=rules.token_in_query)
        answer, exchange = yield from asking
        if self._copy:
            exchange.fault = exchange.fault or self.twin
        return answer, exchange

    def copied(self, actor: Actor, chance: Chance, fault: str) -> Client:
        """Another device with what this one has stored."""
        self.twin = fault
        twin = Client(self.world, actor, self.group, chance)
        twin.access, twin.refresh = self.access, self.refresh
        twin.twin, twin._copy = fault, True
        return twin
