"""Says what it means that the clocks of two logs are apart, and which option sets it right."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from authforensics.correlate.reasons import JOIN_SECONDS
from authforensics.document import Offset
from authforensics.findings import duration

#: Seconds by which two logs may differ from whole half hours if nothing but a zone is wrong.
_DRIFT = 60.0
#: Hours that a zone may be from UTC.
_FARTHEST = 14


def noted(one: Offset, naive: Collection[str]) -> Offset:
    """An offset with what is to be known of it, if it matters; `naive` are the sources that carry no zone."""
    if abs(one.seconds) <= JOIN_SECONDS:
        return one
    way = "ahead of" if one.seconds > 0 else "behind"
    pairs = {"request_id": "shared request ids", "requests": "requests that both tell of"}.get(
        one.how, "refusals that both tell of"
    )
    far = f"{duration(abs(one.seconds))} {way} those of {one.against}"
    told = f"the times of {one.source} are {far}, by {one.pairs:,} {pairs}"
    halves = round(one.seconds / 1800)
    why = "one of their clocks is wrong"
    if halves and abs(one.seconds - halves * 1800) <= _DRIFT:
        why = _wrong_zone(one, halves, [name for name in (one.source, one.against) if name in naive])
    return one.model_copy(update={"note": f"{told}: {why}"})


def _wrong_zone(one: Offset, halves: int, naive: Sequence[str]) -> str:
    """What option sets right two logs that are so many half hours apart, of which some carry no zone."""
    if not naive:
        return "whole hours, so one of them says or was given a wrong zone (--tz)"
    ahead = halves if naive[0] == one.source else -halves
    hours, minutes = divmod(abs(ahead) * 30, 60)
    zone = f"{'+' if ahead > 0 else '-'}{hours:02}:{minutes:02}"
    # Of other zones nothing but the name is known to be right.
    value = "ZONE" if minutes or hours > _FARTHEST else zone
    if len(naive) == 1:
        return f"{naive[0]} carries no zone and isn't of UTC, but of UTC{zone}: --tz {value}"
    short = naive[0].rpartition("/")[2]
    return (
        f'neither carries a zone; if {short} is of UTC{zone}, authforensics.toml can say so: [tz] "{short}" = "{value}"'
    )
