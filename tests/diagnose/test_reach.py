"""How far an incident reaches: what follows at its pace is part of it, what chance puts beside it is not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from authforensics.diagnose.reach import reached, without_chance

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
BEGIN, END = NOON, NOON + timedelta(hours=1)
PACE = [(60 * minute, "signature_invalid") for minute in range(61)]


def kept(*rows: tuple[float, str | None], by_chance: bool = False, quiet: timedelta | None = None) -> list[float]:
    """The seconds after noon of the episodes that belong; each lasts a second."""
    return _kept([(seconds, 1, why) for seconds, why in rows], by_chance=by_chance, quiet=quiet)


def lasting(*rows: tuple[float, float], by_chance: bool = False) -> list[float]:
    """The same of episodes without a reason that last so many seconds."""
    return _kept([(*one, None) for one in rows], by_chance=by_chance)


def _kept(
    rows: list[tuple[float, float, str | None]], *, by_chance: bool, quiet: timedelta | None = None
) -> list[float]:
    starts = [NOON + timedelta(seconds=seconds) for seconds, *_ in rows]
    frame = pl.DataFrame(
        {
            "first_seen": starts,
            "last_seen": [start + timedelta(seconds=one[1]) for start, one in zip(starts, rows, strict=True)],
            "why": [why for *_, why in rows],
        },
        schema_overrides={"why": pl.String},
    )
    frame = frame.with_row_index("device_id")
    since = None if quiet is None else NOON - quiet
    found = reached(frame, BEGIN, END, 3600.0, by_chance=by_chance, quiet_since=since)["first_seen"]
    return [(start - NOON).total_seconds() for start in found]


def test_what_comes_at_the_same_pace_is_part_of_it():
    assert kept((-280, None), (-140, None), *PACE, (3800, None))[:2] == [-280, -140]
    assert kept(*PACE, (3800, None))[-1] == 3800


def test_a_lone_one_minutes_away_is_not():
    assert kept((-640, None), *PACE, (3600 + 640, None)) == [seconds for seconds, _ in PACE]


def test_the_first_ones_of_a_log_are_part_of_it_if_chance_would_hardly_bring_them_so_close():
    day, hours = timedelta(days=1), timedelta(hours=4)
    assert kept((-500, None), *PACE, quiet=day)[0] == -500
    assert kept((-500, None), *PACE, quiet=hours)[0] == 0
    assert kept((-900, None), (-500, None), *PACE, quiet=hours)[0] == -900
    assert kept((-1300, None), (-900, None), (-500, None), *PACE, quiet=day)[0] == 0
    assert kept((-500, None), *PACE, (3600 + 640, None), quiet=day)[-1] == 3600
    assert kept((-500, "token_expired"), *PACE, quiet=day)[0] == 0
    assert kept((-500, None), *PACE)[0] == 0


def test_a_slow_one_reaches_further():
    slow = [(600 * n, None) for n in range(7)]
    assert kept((-1778, None), *slow)[0] == -1778
    assert kept((-3601, None), *slow)[0] == 0


def test_what_comes_at_the_pace_of_long_before_is_not():
    before = [(-600.0 * n, None) for n in range(12, 1, -1)]
    assert kept(*before, (-200, None), *PACE, by_chance=True)[0] == 0
    assert kept(*before, (-200, None), *PACE)[0] == -200
    assert kept(*before, (-140, None), (-100, None), (-60, None), *PACE, by_chance=True)[0] == -140


def test_a_pace_that_quickens_is_one():
    before = [(-240.0 * n, None) for n in range(12, 0, -1)]
    assert kept(*before, *PACE, by_chance=True)[0] == -240 * 12


def test_a_client_that_calls_on_until_then_is_no_chance():
    storm = [(5.0 * n, 1.0) for n in range(300)]
    assert lasting((-500, 420), *storm, by_chance=True)[0] == -500
    assert lasting((-500, 1), *storm, by_chance=True)[0] == 0
    assert lasting((-500, 420), *storm)[0] == 0


def test_clients_that_are_ill_one_after_the_other_on_any_day_are_not():
    usual = [(-600 * n, 500) for n in range(10, 0, -1)]
    assert lasting(*usual, *((5 * n, 1) for n in range(300)), by_chance=True)[0] == 0


def test_a_later_one_with_the_same_reason_is_part_of_it_unless_it_was_there_before():
    late = (3600 + 2400, "signature_invalid")
    assert kept(*PACE, late)[-1] == late[0]
    assert kept((-2000, "signature_invalid"), *PACE, late)[-1] == 3600
    assert kept((-200, "signature_invalid"), *PACE, late)[-1] == late[0]
    assert kept(*PACE, (late[0], "token_expired"))[-1] == 3600


def test_a_long_one_that_begins_before_is_part_of_it():
    frame = pl.DataFrame(
        {"first_seen": [NOON - timedelta(hours=2)], "last_seen": [NOON + timedelta(minutes=1)], "why": [None]},
        schema_overrides={"why": pl.String},
    )
    assert reached(frame, BEGIN, END, 3600.0).height == 1


def test_before_what_it_is_added_to_a_call_or_two_are_chance():
    spans = [(-60, -59), (-50, 100), (5, 6)]
    rows = pl.DataFrame(
        [(NOON + timedelta(seconds=begin), NOON + timedelta(seconds=end)) for begin, end in spans],
        schema=["first_seen", "last_seen"],
        orient="row",
    )
    assert without_chance(rows, rows.tail(1)).equals(rows.tail(2))


@given(st.lists(st.integers(-7000, 10_000), min_size=1, max_size=40))
def test_what_the_findings_cover_is_always_kept(seconds):
    found = kept(*((one, None) for one in seconds))
    covered = sorted(one for one in seconds if 0 <= one <= 3600)
    assert [one for one in found if 0 <= one <= 3600] == covered
