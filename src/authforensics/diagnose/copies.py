"""Sessions used from two places at once: what two causes, which no log tells apart, have in common."""

from __future__ import annotations

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
