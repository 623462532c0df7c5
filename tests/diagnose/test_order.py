"""How devices are spread over partitions, and in which order they come, says nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest

from authforensics import diagnose
from authforensics.diagnose.case import _stated
from authforensics.diagnose.clusters import cluster
from script import play

FAULT = """
10:00:00 fleet-w api_ok         took=0.1 version=1.0 upstream=u1
10:00:00 fleet-i api_ok         took=0.1 version=2.0 upstream=u1
10:30:00 fleet-i api_denied     took=0.1 version=2.0 upstream=u1 reason=signature_invalid
10:30:05 fleet-i refresh_ok     took=0.1 version=2.0 upstream=u1
10:30:10 fleet-w api_ok         took=0.1 version=1.0 upstream=u1
10:30:30 fleet-i write_denied   took=0.1 version=2.0 upstream=u1 reason=signature_invalid
10:31:30 fleet-i api_denied     took=0.1 version=2.0 upstream=u1 reason=signature_invalid
10:32:00 fleet-i refresh_denied took=0.1 version=2.0 upstream=u1 reason=signature_invalid
10:33:30 fleet-i api_denied     took=0.1 version=2.0 upstream=u1 reason=signature_invalid
10:40:00 fleet-i login_ok       took=0.1 version=2.1 upstream=u1
10:40:05 fleet-i api_ok         took=0.1 version=2.1 upstream=u1
10:50:00 fleet-w api_ok         took=0.1 version=1.0 upstream=u1
12:00:00 lonely  api_ok
12:10:00 lonely  api_denied     reason=token_expired
12:10:01 lonely  refresh_denied
12:11:00 lonely  api_denied
12:12:30 lonely  api_denied
13:30:00 lonely  api_denied
"""

ENDPOINTS = pl.DataFrame(
    schema={"endpoint_class": pl.String, "requests": pl.UInt32, "refused": pl.UInt32, "forbidden": pl.UInt32}
)


def spread(history, partitions):
    """The same history with the devices of every table dealt out to partitions, the last one first."""

    def dealt(table: pl.LazyFrame) -> list[pl.LazyFrame]:
        part = pl.col("device_id").cast(pl.String).hash(seed=3) % partitions
        return [table.filter(part == number) for number in reversed(range(partitions))]

    tables = {name: pl.concat(dealt(getattr(history, name))) for name in ("sessions", "grants", "episodes")}
    devices = history.devices.reverse()
    return replace(history, devices=devices, events=dealt(pl.concat(history.events)), **tables)


@pytest.mark.parametrize("partitions", [1, 2, 5])
def test_partitions_don_t_show(past, partitions):
    history, found = past(play(FAULT, devices=9, stagger=1))
    lifetimes = {"case": diagnose.infer(history.grants, history.devices)}
    expected = diagnose.diagnose(history, found, lifetimes)
    assert [(one.devices, one.root_causes[0].cause) for one in expected] == [
        (9, "signing_key_mismatch"),
        (1, "client_ignores_denial"),
    ]
    other = spread(history, partitions)
    assert diagnose.infer(other.grants, other.devices) == lifetimes["case"]
    assert diagnose.diagnose(other, found, lifetimes) == expected
    assert diagnose.tally(other, ENDPOINTS) == diagnose.tally(history, ENDPOINTS)


def test_a_history_without_findings_has_no_incidents(past):
    history, _ = past(play(FAULT, devices=3))
    assert diagnose.diagnose(history, [], {}) == []


def test_a_finding_is_at_home_where_most_of_its_device_s_episodes_are(past):
    history, found = past(play(FAULT, devices=9, stagger=1))
    clusters = cluster(history.episodes, found, {})
    assert sorted((one.kind, one.episodes["device_id"].n_unique()) for one in clusters) == [("key", 9), ("refresh", 1)]
    of_device = {finding.device_id: one.kind for one in clusters for finding in one.findings}
    assert of_device.pop("lonely") == "refresh"
    assert set(of_device.values()) == {"key"}
    assert sum(len(one.findings) for one in clusters) == len(found)


def test_a_finding_without_ill_episodes_is_part_of_no_incident(past):
    history, found = past(play(FAULT, devices=3))
    stranger = found[0].model_copy(update={"device_id": "nobody"})
    assert cluster(history.episodes, [stranger], {}) == []


def test_of_incidents_as_bad_the_one_that_hits_more_devices_comes_first(past):
    history, found = past(play(FAULT, devices=12, stagger=5))
    incident = diagnose.diagnose(history, found, {})[0]
    few = incident.model_copy(update={"devices": 3, "first_seen": incident.first_seen - timedelta(hours=1)})
    many = incident.model_copy(update={"devices": 30})
    assert sorted([few, many], key=diagnose._worst_first) == [many, few]


@pytest.mark.parametrize(("stated", "counts"), [(1, {}), (4, {"missing_token": 4})])
def test_what_hardly_any_refusal_says_is_said_of_none(stated, counts):
    reasons = ["missing_token"] * stated + [None] * (200 - stated)
    assert _stated(pl.DataFrame({"reason": reasons})) == counts
