"""The truth about a run, as a JSON object: who was affected by what, since when, and who should be seen by what."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from authforensics.findings import iso
from authforensics.simulate.clocks import HOUR
from authforensics.simulate.labels import UNNAMED, labels, of_fleet
from authforensics.simulate.record import Exchange, Kind
from authforensics.simulate.scenario import Fault, Policy, Scenario, ServerRules
from authforensics.simulate.shown import first_shown
from authforensics.simulate.writer import DEVICE_ID

SCHEMA = "authforensics-truth/1"
#: A log whose last refusals are so recent leaves it open whether they are over.
_RECENT = 900.0

Truth = dict[str, Any]


def truth(
    scenario: Scenario,
    name: str,
    seed: int,
    *,
    written: Sequence[Exchange],
    shared: Mapping[str, str],
    logs: Truth,
) -> Truth:
    """What is true of the requests that the log has.

    Args:
        scenario: what was simulated.
        name: its name.
        seed: the seed of the run.
        written: the requests in the log, in order.
        shared: devices whose session somebody else has, too.
        logs: what the files tell. Where they don't tell enough to see something at all, `unseen` says why: of the
            whole log by detector, and of an incident.
    """
    by_device: dict[str, list[Exchange]] = defaultdict(list)
    strangers: dict[str, list[Exchange]] = defaultdict(list)
    for one in sorted(written, key=lambda one: one.ended):
        (by_device if one.actor.known else strangers)[one.actor.name].append(one)
    reasons = not logs or "app.log" in logs or any("reason" in one["tells"] for one in logs.values())
    named = not logs or any(DEVICE_ID in one["tells"] for one in logs.values())
    told = {
        device: labels(mine, shared=device in shared, told=reasons, named=named)
        for device, mine in sorted(by_device.items())
    }
    tells = {name for name, known in (("device_id", named), ("reason", reasons)) if known}
    incidents = [
        {
            **_incident(scenario, cause, by_device, strangers, told),
            "unseen": _unseen(scenario, cause, tells),
            "onset": _onset(scenario, cause, by_device, strangers, shared=shared, tells=tells),
        }
        for cause in dict.fromkeys(fault.cause for fault in scenario.faults)
    ]
    affected = {device for incident in incidents for device in incident["devices"]}
    return {
        "schema": SCHEMA,
        "scenario": name,
        "title": scenario.title,
        "seed": seed,
        "healthy": scenario.healthy,
        "since": _when(scenario, 0.0),
        "until": _when(scenario, scenario.hours * HOUR),
        "logs": logs,
        "lifetimes": _lifetimes(scenario),
        "deploys": deploys(scenario),
        "unseen": {} if named else UNNAMED,
        "incidents": incidents,
        "devices": [_device(device, by_device[device], told[device], affected=device in affected) for device in told],
        "strangers": sorted({pair for mine in strangers.values() for pair in _pairs(mine)}),
    }


def deploys(scenario: Scenario) -> list[dict[str, str]]:
    """What was deployed when, harmful or not."""
    moments = dict(scenario.deploys)
    moments |= {fault.deploy: fault.since for fault in scenario.faults if fault.deploy and fault.since is not None}
    return [
        {"time": _when(scenario, hour * HOUR), "name": name}
        for name, hour in sorted(moments.items(), key=lambda item: (item[1], item[0]))
    ]


def _when(scenario: Scenario, seconds: float) -> str:
    return iso(scenario.start + timedelta(seconds=seconds))


def _pairs(exchanges: Iterable[Exchange]) -> list[str]:
    return sorted({f"{one.address}|{one.agent}" for one in exchanges})


def _device(name: str, exchanges: Sequence[Exchange], told: Mapping[str, bool], *, affected: bool) -> Truth:
    actor = exchanges[0].actor
    return {
        "device": name,
        "device_id": actor.device_id,
        "pairs": _pairs(exchanges),
        "user": actor.user,
        "group": actor.group,
        "platform": actor.platform,
        "app_versions": sorted({str(one.version) for one in exchanges}),
        "requests": len(exchanges),
        "affected": affected,
        "must": [detector for detector, plain in told.items() if plain],
        "may": [detector for detector, plain in told.items() if not plain],
    }


def _incident(
    scenario: Scenario,
    cause: str,
    by_device: Mapping[str, Sequence[Exchange]],
    strangers: Mapping[str, Sequence[Exchange]],
    told: Mapping[str, Mapping[str, bool]],
) -> Truth:
    """All faults of one cause, and what they did."""
    faults = [fault for fault in scenario.faults if fault.cause == cause]
    met = {device: [one for one in mine if one.fault == cause] for device, mine in by_device.items()}
    met = {device: mine for device, mine in sorted(met.items()) if mine}
    intruders = [one for mine in strangers.values() for one in mine if one.fault == cause]
    effects = sorted((one for mine in (*met.values(), intruders) for one in mine), key=lambda one: one.ended)
    ends = {device: _end(by_device[device], mine[-1], scenario) for device, mine in met.items()}
    since = min((fault.since for fault in faults if fault.since is not None), default=None)
    lasts = any(fault.until is None or fault.until >= scenario.hours for fault in faults)
    recent = scenario.hours * HOUR - _RECENT
    begun = None if any(fault.since is None for fault in faults) else since
    return {
        "cause": cause,
        "causes": list(dict.fromkeys([cause, *(other for fault in faults for other in fault.also)])),
        "decidable": {
            "access": all(fault.decidable == "access" for fault in faults),
            "application": all(fault.decidable != "never" for fault in faults),
            "why_not": next((fault.undecided for fault in faults if fault.undecided), None),
        },
        "began": None if begun is None else _when(scenario, begun * HOUR),
        "first_effect": _when(scenario, effects[0].ended) if effects else None,
        "last_effect": _when(scenario, effects[-1].ended) if effects else None,
        "ongoing": "ill" in ends.values() or (lasts and bool(effects) and effects[-1].ended > recent),
        "requests": len(effects),
        "requests_denied": sum(one.refused for one in effects),
        "writes_lost": sum(one.kind is Kind.API and one.writes and one.status >= 400 for one in effects),
        "devices": list(met),
        "recovered": [device for device, end in ends.items() if end == "recovered"],
        "ill": [device for device, end in ends.items() if end == "ill"],
        "intruders": _pairs(intruders),
        "scope": _scope(faults),
        "detectors": _detectors(faults, met, told),
    }


def _onset(
    scenario: Scenario,
    cause: str,
    by_device: Mapping[str, Sequence[Exchange]],
    strangers: Mapping[str, Sequence[Exchange]],
    *,
    shared: Collection[str],
    tells: Collection[str],
) -> str | None:
    """When the first effect was that the log shows for what it is; of what it never does, the first one."""
    firsts = [
        first_shown(mine, cause, shared=device in shared, tells=tells)
        for device, mine in (*by_device.items(), *strangers.items())
    ]
    shown = [one.ended for one in firsts if one is not None]
    every = (one.ended for mine in (*by_device.values(), *strangers.values()) for one in mine if one.fault == cause)
    first = min(shown) if shown else min(every, default=None)
    return None if first is None else _when(scenario, first)


def _unseen(scenario: Scenario, cause: str, tells: set[str]) -> str | None:
    """Why no such log shows that anything is wrong; null: it does."""
    faults = [fault for fault in scenario.faults if fault.cause == cause]
    hidden = all(fault.shown_by and not tells.intersection(fault.shown_by) for fault in faults)
    return next((fault.unseen for fault in faults if fault.unseen), None) if hidden else None


def _end(exchanges: Sequence[Exchange], last: Exchange, scenario: Scenario) -> str:
    """How it ended for a device: recovered (a call was accepted after the last effect), ill at the log's end, gone."""
    if any(one.accepted and one.ended > last.ended and one.fault is None for one in exchanges):
        return "recovered"
    return "ill" if last.status >= 400 and last.ended > scenario.hours * HOUR - _RECENT else "gone"


def _scope(faults: Sequence[Policy]) -> dict[str, list[str]]:
    """To what a fault is confined by how it was made."""
    parts = {"group": "groups", "platform": "platforms", "app_version": "versions", "upstream": "instances"}
    parts["endpoint"] = "paths"
    return {name: sorted({value for one in faults for value in getattr(one, part)}) for name, part in parts.items()}


def _detectors(
    faults: Sequence[Fault], met: Mapping[str, Sequence[Exchange]], told: Mapping[str, Mapping[str, bool]]
) -> Truth:
    """By detector, the devices of the incident that it must, or may, see."""
    found: dict[str, dict[str, list[str]]] = {}
    for device, mine in met.items():
        seen = dict(told[device])
        for fault in faults:
            seen |= {name: True for name in fault.detectors if of_fleet(name, mine)}
        for name, plain in seen.items():
            found.setdefault(name, {"must": [], "may": []})["must" if plain else "may"].append(device)
    for fault in faults:
        for name in fault.detectors:
            found.setdefault(name, {"must": [], "may": []})
    return dict(sorted(found.items()))


def _lifetimes(scenario: Scenario) -> list[Truth]:
    """The lifetimes in force, and what changes them; seconds."""
    parts: list[tuple[Policy | None, ServerRules]] = [(None, scenario.server)]
    parts += [(one, one.server) for one in (*scenario.policies, *scenario.faults) if one.server is not None]
    found: list[Truth] = []
    for fault, rules in parts:
        names = ("access_lifetime", "refresh_lifetime", "session_lifetime", "cookie_lifetime", "sliding", "leeway")
        values = {name: getattr(rules, name) for name in names if fault is None or name in rules.model_fields_set}
        if values:
            since = None if fault is None or fault.since is None else _when(scenario, fault.since * HOUR)
            until = None if fault is None or fault.until is None else _when(scenario, fault.until * HOUR)
            found.append({"since": since, "until": until, "scope": _scope([fault]) if fault else {}, **values})
    return found
