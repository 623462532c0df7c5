"""The units of numbers: which a duration or a time since 1970 is taken in, and what says so, its name or its values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from authforensics.collect.keys import bare, fold
from authforensics.document import Unit

#: Milliseconds in one unit. `duration` alone says nothing of its unit: see `unit_of`.
DURATIONS: dict[str, float] = {
    "request_time": 1e3,
    "Duration": 1e-6,
    "event.duration": 1e-6,
    "responseTime": 1.0,
    "meta.responseTime": 1.0,
    "reqtime": 1e3,
    "reqtime_microsec": 1e-3,
    "request_time_us": 1e-3,
    "duration_ms": 1.0,
    "durationms": 1.0,
    "duration_msec": 1.0,
    "elapsed_ms": 1.0,
    "elapsedms": 1.0,
    "elapsedmilliseconds": 1.0,
    "latency_ms": 1.0,
    "latencyms": 1.0,
    "response_time_ms": 1.0,
    "responsetime_ms": 1.0,
    "request_time_ms": 1.0,
    "time_elapsed_ms": 1.0,
    "time_taken_ms": 1.0,
    "time_taken_us": 1e-3,
    "time_taken_s": 1e3,
    "duration_us": 1e-3,
    "durationus": 1e-3,
    "latency_us": 1e-3,
    "time_elapsed_usec": 1e-3,
    "elapsed_us": 1e-3,
    "duration_ns": 1e-6,
    "durationns": 1e-6,
    "latency_ns": 1e-6,
    "total_ns": 1e-6,
    "elapsed_ns": 1e-6,
    "duration_s": 1e3,
    "duration_seconds": 1e3,
    "latency_seconds": 1e3,
    "elapsed_seconds": 1e3,
    "latencies.request": 1.0,
    "responselatency": 1.0,
    "response_latency": 1.0,
    "http.server.request.duration": 1e3,
    "responsetime": 1e3,
    "response_time": 1e3,
    "timetaken": 1e3,
    "time_taken": 1e3,
    "httprequest.latency": 1e3,
    "latency": 1e3,
    "response.latency": 1e3,
    "response.duration": 1.0,
    "http.response.duration": 1.0,
    "elapsed": 1.0,
    "elapsed_time": 1.0,
    "elapsedtime": 1.0,
    "duration": 1.0,
    "took": 1.0,
    "runtime": 1.0,
    "process_time": 1e3,
    "time_elapsed": 1.0,
    "requestduration": 1.0,
    "request_duration": 1.0,
    "apptime": 1e3,
    "target_processing_time": 1e3,
    "backend_processing_time": 1e3,
    "totaltime": 1.0,
    "totalduration": 1.0,
    "api.timetoresponse": 1e-6,
    "response.origin_time": 1.0,
}
#: Those of which some product each has another unit: the values decide.
_AMBIGUOUS = frozenset(
    {"request_time", "responsetime", "response_time", "timetaken", "time_taken", "latency", "elapsed", "elapsed_time"}
    | {"elapsedtime", "duration", "took", "process_time", "time_elapsed", "requestduration", "request_duration"}
    | {"runtime", "response.latency", "response.duration", "http.response.duration", "totaltime", "totalduration"}
)

#: Keys that lograge has beside its duration. Reference: https://github.com/roidrage/lograge
LOGRAGE = ("controller", "action", "format")

#: Milliseconds in a unit that a value itself names; some write a Greek letter for the micro sign.
SUFFIXES = {"ns": 1e-6, "us": 1e-3, "\N{MICRO SIGN}s": 1e-3, "\N{GREEK SMALL LETTER MU}s": 1e-3, "ms": 1.0, "s": 1e3}
AMOUNT = rf"^\s*(\d+(?:\.\d+)?)\s*({'|'.join(SUFFIXES)})\s*$"
_NAMES: dict[float, Literal["ns", "us", "ms", "s"]] = {1e-6: "ns", 1e-3: "us", 1.0: "ms", 1e3: "s"}
#: Most digits of times since 1970 in each unit, as `times.read_epoch` tells them.
_DIGITS: dict[int, Literal["ns", "us", "ms", "s"]] = {11: "s", 13: "ms", 17: "us", 19: "ns"}
#: 14 digits are a date and a clock.
_EPOCH = re.compile(r"(?!\d{14}(?!\d))(\d{9,19})(?:\.\d+)?")


def duration_in(keys: Iterable[str], values: Mapping[str, Sequence[str]] | None = None) -> tuple[str, float] | None:
    """The best key that is the request's duration, and the milliseconds in its unit.

    `values` has some of each key: they tell the unit where the name doesn't. None: names mean what they usually do.
    """
    keys = list(keys)
    found = _duration(keys, values or {})
    if found is None:
        return None
    key, usual, certain = found
    return key, usual if certain else unit_of((values or {}).get(key, ()), usual)


def duration_unit(keys: Iterable[str], values: Mapping[str, Sequence[str]] | None) -> Unit | None:
    """The unit that `duration_in` takes, and how it is known; None if no key is a duration."""
    found = _duration(list(keys), values or {})
    if found is None:
        return None
    key, usual, certain = found
    own = [value for value in (values or {}).get(key, ()) if value not in {"", "-"}]
    named = {match[2] for value in own if (match := re.match(AMOUNT, value))}
    if named:
        only = _NAMES[SUFFIXES[named.pop()]] if len(named) == 1 else None
        return Unit(field=key, kind="duration", unit=only, how="values")
    told = None if certain else _told(own, usual)
    how: Literal["name", "values", "assumed"]
    how = "name" if certain or values is None else "assumed" if told is None else "values"
    return Unit(field=key, kind="duration", unit=_NAMES[told or usual], how=how)


def time_unit(key: str, values: Sequence[str]) -> Unit | None:
    """The unit of times since 1970, each of which its digits tell; None if they are written in another way."""
    wholes = [match[1] for value in values if (match := _EPOCH.fullmatch(value))]
    units = {next(unit for most, unit in _DIGITS.items() if len(whole) <= most) for whole in wholes}
    return Unit(field=key, kind="time", unit=units.pop() if len(units) == 1 else None, how="values") if wholes else None


def unit_of(values: Sequence[str], usual: float) -> float:
    """The milliseconds in the unit of some durations, if requests take about as long as they mostly do."""
    told = _told(values, usual)
    return usual if told is None else told


def _told(values: Sequence[str], usual: float) -> float | None:
    """As `unit_of`; None if the values fit the usual unit no better than another."""
    numbers = sorted(float(value) for value in values if re.fullmatch(r"\d{1,15}(?:\.\d+)?(?:[eE]-?\d+)?", value))
    numbers = [number for number in numbers if number > 0]
    if not numbers:
        return None
    middle, places = numbers[(len(numbers) - 1) // 2], max(len(value.partition(".")[2]) for value in values)
    if any(number % 1 for number in numbers):
        # A server of which nearly every answer takes less than a millisecond is rare; one that takes a second is not.
        brief = numbers[(len(numbers) * 9 - 1) // 10] < 1
        seconds = middle < 0.05 or (middle < 1 and (places <= 3 or brief))
        return 1e3 if seconds else None if usual < 1e3 or middle < 20 else 1.0
    if middle < 2_000:
        return 1.0 if usual == 1e3 and numbers[-1] >= 10 else None
    # A minute at most, in microseconds; what is longer than all that is no duration in microseconds.
    nanoseconds = middle >= 5e6 or numbers[-1] > 6e7 or (middle >= 1e5 and numbers[0] >= 2e4)
    return 1e-6 if nanoseconds else 1e-3


def _duration(keys: list[str], beside: Iterable[str]) -> tuple[str, float, bool] | None:
    """The best key that is a duration, the milliseconds in its usual unit, and whether no other can be meant.

    `beside` are keys that tell the product.
    """
    known = {form(key): key for form in (bare, fold, str) for key in reversed(keys)}
    for name, usual in DURATIONS.items():
        if name in known and (name == known[name] or known[name] not in DURATIONS):
            unit = _unit(name, [*keys, *beside])
            return known[name], unit or usual, unit is not None or name not in _AMBIGUOUS
    return None


def _unit(name: str, keys: list[str]) -> float | None:
    if name == "timetaken" and any(bare(key) == "csuristem" for key in keys):
        return 1.0  # Azure App Service
    if name != "duration":
        return None
    if "ts" in keys and any(key.startswith("request.") for key in keys):
        return 1e3  # Caddy
    if {*LOGRAGE} <= {*keys}:
        return 1.0
    return 1.0 if {"response_flags", "start_time"} & {*keys} else None  # Envoy
