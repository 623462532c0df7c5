"""Detectors see one partition of devices at a time, and nothing shows of how many there were."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import polars as pl
import pytest

from authforensics import detect
from authforensics.correlate import Options, correlate, population
from authforensics.detect import Observed
from authforensics.findings import Confidence
from authforensics.schema import Sessions
from script import ENDPOINTS, play, tokens

CASES = sorted((Path(__file__).parent.parent / "cases" / "detectors").glob("*.toml"))


@pytest.fixture(scope="module")
def sessions() -> Sessions:
    """Every case at once, each a system of its own."""
    events = []
    for path in CASES:
        case = tomllib.loads(path.read_text(encoding="utf-8"))
        played = play(case["script"], case.get("devices", 1), case.get("stagger", 0.0))
        name = path.name.removesuffix(".toml")
        played = played.with_columns(
            pl.lit(name).cast(played.schema["system"]).alias("system"),
            pl.lit(f"{name}.log").cast(played.schema["source"]).alias("source"),
        )
        events.append(played)
    return correlate(pl.concat(events), Options(endpoints=ENDPOINTS)).sessions


def only(sessions: Sessions, devices: pl.DataFrame) -> Sessions:
    """The part of `sessions` that is about some devices."""
    names = ["system", "device_id"]
    events = sessions.events.join(devices, on=names, how="semi", maintain_order="left")
    return replace(
        sessions,
        events=events,
        episodes=sessions.episodes.join(devices, on=names, how="semi", maintain_order="left"),
        sessions=sessions.sessions.join(devices, on=names, how="semi", maintain_order="left"),
        grants=sessions.grants.join(devices, on=names, how="semi", maintain_order="left"),
        rates=population.rates(events, sessions.devices.select(names)),
    )


def sent(observed: Observed) -> Observed:
    """What arrives of it in another process."""

    def again(frame: pl.DataFrame) -> pl.DataFrame:
        file = BytesIO()
        frame.write_ipc(file)
        return pl.read_ipc(file.getvalue())

    return Observed(frames={name: again(frame) for name, frame in observed.frames.items()}, lines=again(observed.lines))


@pytest.mark.parametrize("parts", [2, 5])
def test_findings_do_not_show_the_partitions(sessions, parts):
    wanted = list(detect.detectors().values())
    carried = tokens("10:00:00 phone api_ok in=query/access_token")
    whole = detect.find(sessions, wanted, carried=carried)
    assert {one.detector for one in whole} == set(detect.detectors())
    names = sessions.devices.select("system", "device_id").with_row_index("number")
    dealt = [names.filter(pl.col("number") * 7 % parts == number).drop("number") for number in range(parts)]
    observed = [sent(detect.observe(only(sessions, part), wanted)) for part in reversed(dealt)]
    fleet = detect.fleet_of(sessions.devices, sessions.spans, carried)
    assert detect.conclude(observed, fleet, wanted) == whole


def test_thresholds_reach_both_halves(sessions):
    wanted = [detect.detectors()["refresh_retry_loop"]]
    assert detect.find(sessions, wanted)
    assert detect.find(sessions, wanted, {"refresh_retry_loop": {"min_refusals": 1000}}) == []


def test_nothing_observed_nothing_found(sessions):
    wanted = list(detect.detectors().values())
    fleet = detect.fleet_of(sessions.devices, sessions.spans)
    assert detect.conclude([], fleet, wanted) == []
    empty = replace(sessions, events=sessions.events.clear(), episodes=sessions.episodes.clear())
    assert detect.conclude([detect.observe(empty, wanted)], fleet, wanted) == []


def test_a_device_told_by_its_address_only_is_weakly_known(sessions):
    weak = sessions.devices.with_columns(identity_key=pl.lit("client_ip+user_agent"))
    fleet = detect.fleet_of(weak, sessions.spans)
    wanted = [detect.detectors()["refresh_loop"]]
    found = detect.conclude([detect.observe(sessions, wanted)], fleet, wanted)
    assert {one.confidence for one in found} == {Confidence.MEDIUM, Confidence.LOW}
