"""Sessions used from two places at once: what two causes, which no log tells apart, have in common."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from authforensics.diagnose.case import Case
from authforensics.diagnose.cause import Judgement
from authforensics.diagnose.wording import plural
from authforensics.parallel import by_part
from authforensics.states import AuthEvent

NOT_DECIDED = (
    "whether the second place is the user's own: a stolen token and a restored backup look alike in every log. What"
    " tells is a hash of the hardware (model, attestation) sent with each refresh"
)
#: So often the client of a device must change for two clients to take turns: an update changes it once.
_TURNS = 3


def judge(case: Case, *, copied: bool, more: Callable[[Case, set[str], Judgement], None]) -> Judgement:
    """Judge sessions that are used from two places, for one of two causes that mirror one another.

    Args:
        case: the incident.
        copied: the whole device was copied, and its client with it: the second one is of the same kind; else only the
            token, and it is of another.
        more: records what speaks for that cause alone, by the devices.
    """
    found = Judgement()
    shared = two_places(case, found)
    if not shared:
        return found
    other, same = second_clients(case, shared)
    alike, known = same >= other, other + same
    if known:
        weight = "same_client" if alike else "other_client"
        who = "one version of the app only" if alike else "a client of another kind, by turns"
        count = same if alike else other
        words = f"on {count:,} of {plural(known, 'device')} calls came from {who}"
        record = found.speaks_for if alike == copied else found.speaks_against
        record(weight, count / known, words)
    more(case, shared, found)
    found.missing.append(NOT_DECIDED)
    return found


def second_clients(case: Case, shared: set[str]) -> tuple[int, int]:
    """How many of the `shared` devices call by turns with two kinds of clients (platform, version), and with one."""
    calls = pl.col("auth_event").is_in([AuthEvent.API_OK.value, AuthEvent.API_DENIED.value])
    kind = pl.struct("platform", "app_version")
    turns = by_part(
        case.events,
        lambda part: (
            part.filter(calls, pl.col("device_id").cast(pl.String).is_in(list(shared)))
            .sort("device_id", "timestamp", "row")
            .group_by("device_id")
            .agg(turns=(kind != kind.shift()).sum())
        ),
    )
    other = turns.filter(pl.col("turns") >= _TURNS).height
    return other, turns.height - other


def two_places(case: Case, found: Judgement) -> set[str]:
    """The devices whose session is used from two places; none where most affected ones are not, which is said."""
    shared, devices = case.found_on("session_shared"), len(case.devices)
    if not shared:
        return set()
    if len(shared) < 0.5 * devices:
        found.speaks_against(
            "not_shared", 1.0, f"{devices - len(shared):,} of {plural(devices, 'device')} are used from one place"
        )
        return set()
    found.speaks_for(
        "two_places",
        len(shared) / devices,
        f"{len(shared):,} of {plural(devices, 'session')} are used by turns from two addresses with two user agents",
    )
    return shared
