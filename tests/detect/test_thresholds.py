"""Every threshold can be set in the configuration, decides at least one case, and refuses what measures nothing."""

from __future__ import annotations

from functools import lru_cache

import pytest

from authforensics import detect
from authforensics.config import Config
from authforensics.errors import BadValue, UnknownName
from authforensics.pipeline import analyze
from detector_cases import CASES, detector, load, played, sessions, shown

DETECTORS = detect.detectors()
ALL = [(name, one) for name, known in DETECTORS.items() for one in known.thresholds]


def check(thresholds):
    detect.check_thresholds(thresholds, lambda *_: "authforensics.toml:7")


@pytest.mark.parametrize(("name", "one"), ALL, ids=lambda value: getattr(value, "name", value))
def test_a_threshold_can_be_set_and_only_to_what_measures_something(name, one):
    wanted = one.value + 1
    check({name: {one.name: wanted}})
    limits = DETECTORS[name].limits({one.name: wanted})
    assert limits == {**DETECTORS[name].limits({}), one.name: wanted}
    for bad in (one.least - 1, float("nan"), float("inf")):
        with pytest.raises(BadValue, match=rf"authforensics.toml:7: thresholds.{name}.{one.name}: expected .* or more"):
            check({name: {one.name: bad}})
    assert one.least <= one.value


def test_an_unknown_name_gives_the_nearest():
    with pytest.raises(UnknownName, match="toml:7: unknown detector 'refresh_lop'; did you mean 'refresh_loop'"):
        check({"refresh_lop": {}})
    for name, one in ALL:
        with pytest.raises(UnknownName, match=rf"unknown threshold '{one.name}s'; did you mean '{one.name}'"):
            check({name: {f"{one.name}s": 1.0}})


@lru_cache(maxsize=32)
def _played(path):
    case = load(path)
    seen, carried = sessions(played(case)), shown(case)
    return seen, carried, detect.find(seen, [DETECTORS[detector(path)]], carried=carried)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "one"), ALL, ids=lambda value: getattr(value, "name", value))
def test_a_threshold_decides_a_case(name, one):
    """Set to its least, or so high that nothing reaches it, it changes what is found in one of the cases."""
    cases = sorted((path for path in CASES if detector(path) == name), key=lambda path: ".silent_" in path.name)
    overrides = [{name: {one.name: value}} for value in (one.least, 1e9)]

    def changes(path, override):
        seen, carried, found = _played(path)
        return detect.find(seen, [DETECTORS[name]], override, carried) != found

    assert any(changes(path, override) for path in cases for override in overrides)


def test_the_configuration_reaches_the_detectors(tmp_path):
    """What is found by itself is not where its threshold is out of reach, nor what one is lowered for before."""
    rows = ["time,device_id,method,path,status"]
    rows += ["2026-03-01T10:00:00Z,phone,GET,/api/items,200", "2026-03-01T10:15:00Z,phone,GET,/api/items,401"]
    rows += [f"2026-03-01T10:15:{second:02}Z,phone,POST,/auth/refresh,401" for second in (1, 21, 41)]
    log = tmp_path / "access.csv"
    log.write_text("\n".join(rows) + "\n", encoding="utf-8")

    def found(**limits):
        config = Config(thresholds={"refresh_retry_loop": limits})
        return [one.count for one in analyze(log, only=["refresh_retry_loop"], config=config).document.findings]

    assert found() == [3]
    assert found(min_refusals=4.0) == []
