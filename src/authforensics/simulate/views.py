"""What is in force: a scenario's settings with those of the active faults on top, and which fault set each of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from authforensics.findings import Frozen
from authforensics.simulate.chance import Chance
from authforensics.simulate.clocks import HOUR
from authforensics.simulate.record import Actor
from authforensics.simulate.scenario import Policy

Settings = TypeVar("Settings", bound=Frozen)


@dataclass(frozen=True)
class View(Generic[Settings]):
    """Settings in force, and by which cause (`owners`) those that a fault has set."""

    rules: Settings
    owners: dict[str, str]

    def owner(self, *names: str) -> str | None:
        """The cause that set one of the settings, the first of them that has one."""
        return next((self.owners[name] for name in names if name in self.owners), None)


class Overlay(Generic[Settings]):
    """Settings on top of each other, put together once for each set of faults."""

    def __init__(self, base: Settings, tops: Sequence[tuple[str | None, Settings | None]]) -> None:
        """`tops` has the settings of every policy and fault, and the cause of every fault."""
        self._base, self._tops = base, tops
        self._made: dict[tuple[int, ...], View[Settings]] = {(): View(base, {})}

    def view(self, active: tuple[int, ...]) -> View[Settings]:
        """What is in force while those faults are active."""
        if active not in self._made:
            changed: dict[str, object] = {}
            owners: dict[str, str] = {}
            for number in active:
                cause, top = self._tops[number]
                for name in sorted(top.model_fields_set) if top is not None else ():
                    value = getattr(top, name)
                    below = changed.get(name, getattr(self._base, name))
                    changed[name] = below | value if isinstance(value, dict) and isinstance(below, dict) else value
                    if cause is None:
                        continue
                    owners[name] = cause
                    owners |= {f"{name}.{key}": cause for key in value} if isinstance(value, dict) else {}
            self._made[active] = View(self._base.model_copy(update=changed), owners)
        return self._made[active]


class Faults:
    """Which policies and faults are active when, and for whom."""

    def __init__(self, faults: Sequence[Policy], seed: int) -> None:
        self._faults, self._seed = faults, seed
        infinity = float("inf")
        self._spans = [
            (
                -infinity if one.since is None else one.since * HOUR,
                infinity if one.until is None else one.until * HOUR,
            )
            for one in faults
        ]
        self._chosen: dict[tuple[int, str], bool] = {}

    def active(self, now: float, actor: Actor, path: str | None = None, instance: str | None = None) -> tuple[int, ...]:
        """The numbers of the faults that concern a request; without path and instance, all that concern the actor."""
        return tuple(
            number
            for number, (since, until) in enumerate(self._spans)
            if since <= now < until and self._concerns(number, actor, path, instance)
        )

    def _concerns(self, number: int, actor: Actor, path: str | None, instance: str | None) -> bool:
        fault = self._faults[number]
        if fault.groups and actor.group not in fault.groups:
            return False
        if fault.platforms and actor.platform not in fault.platforms:
            return False
        if fault.versions and actor.version not in fault.versions:
            return False
        if fault.instances and instance is not None and instance not in fault.instances:
            return False
        if fault.paths and path is not None and not path.startswith(fault.paths):
            return False
        # A share is one of users: a server has no verdict about those whom it doesn't know.
        return fault.share == 1 or (actor.known and self.chosen(number, actor.user or actor.name))

    def chosen(self, number: int, user: str) -> bool:
        """Whether a user is in the share whom a fault concerns."""
        key = number, user
        if key not in self._chosen:
            self._chosen[key] = Chance(self._seed, "fault", number, user).happens(self._faults[number].share)
        return self._chosen[key]
