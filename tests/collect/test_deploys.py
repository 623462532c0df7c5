"""The list of deploys: two forms, any notation of time, and errors that name the line."""

from __future__ import annotations

import json

import pytest

from authforensics.collect.deploys import read_deploys
from authforensics.collect.left_alone import by_name
from authforensics.errors import BadValue, MissingInput
from authforensics.findings import iso


@pytest.fixture
def deploys(tmp_path):
    def of(text: str, tz: str | None = None) -> list[tuple[str, str]]:
        path = tmp_path / "deploys"
        path.write_text(text, encoding="utf-8", newline="")
        return [(iso(one.time), one.name) for one in read_deploys(path, tz)]

    return of


TWO = [("2025-10-07T07:30:00.000000Z", "v40"), ("2025-10-07T08:00:00.500000Z", "v41, second half")]


@pytest.mark.parametrize(
    "text",
    [
        'time,name\n2025-10-07T08:00:00.5Z,"v41, second half"\n2025-10-07T07:30:00Z,v40\n',
        '\ufeffName , TIME,by\r\n"v41, second\nhalf",2025-10-07 17:00:00.5+09:00,ada\r\n\r\nv40,1759822200,bob\r\n',
        '{"time": "2025-10-07T08:00:00.500Z", "name": "v41, second half"}\n\n{"name": "v40", "time": 1759822200, "x": 1}',
    ],
    ids=["csv", "other order, quotes, zone, epoch", "json lines"],
)
def test_both_forms_are_read_in_order_of_time(deploys, text):
    assert deploys(text) == TWO


def test_times_without_a_zone_are_of_the_zone_that_is_given(deploys):
    text = "time,name\n2025-10-07 17:00:00,v41\n"
    assert deploys(text, "Asia/Tokyo") == [("2025-10-07T08:00:00.000000Z", "v41")]
    assert deploys(text) == [("2025-10-07T17:00:00.000000Z", "v41")]


def test_nothing_listed_is_nothing(deploys):
    assert deploys("") == deploys("time,name\n") == []


def test_a_secret_in_a_name_does_not_leave(deploys):
    ((_, name),) = deploys("time,name\n2025-10-07T08:00:00Z,v41 password=hunter2hunter2\n")
    assert "hunter2" not in name


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("time,nmae\n1,v1\n", ":1: no column 'name'; did you mean 'nmae'"),
        ("when,what\n", ":1: no column 'time'; there are when, what"),
        ('{"time": 1759822200, "title": "v1"}', ":1: no column 'name'; did you mean 'time'"),
        ("time,name\n2025-10-07T08:00:00Z,v1\nyesterday,v2\n", ":3: can't read the time 'yesterday'; expected"),
        ("time,name\n2025-10-07T08:00:00Z\n", ":2: 'name' is empty"),
        ("time,name\n2025-10-07T08:00:00Z, \n", ":2: 'name' is empty"),
        ('time,name\n2025-10-07T08:00:00Z,"v1\n', ":2: expected CSV with the columns time,name"),
        ('{"time": 1759822200, "name": "v1"}\n{"time": 1\n', ":2: expected a JSON object with time and name, found no"),
        ('{"time": 1759822200, "name": "v1"}\n[1]\n', ":2: expected a JSON object with time and name"),
        ('{"time": 1759822200, "name": null}', ":1: 'name' is empty"),
    ],
)
def test_an_error_names_the_line(deploys, text, error):
    with pytest.raises(BadValue) as raised:
        deploys(text)
    assert f"deploys{error}" in str(raised.value)


def test_bytes_and_missing_files_are_told(tmp_path):
    with pytest.raises(MissingInput, match="deploys can't be read: No such file"):
        read_deploys(tmp_path / "none.csv", None)
    (tmp_path / "log.gz").write_bytes(b"\x1f\x8b\x08\x00")
    with pytest.raises(BadValue, match="expected text in UTF-8, found byte 0x8b"):
        read_deploys(tmp_path / "log.gz", None)


def test_what_the_simulator_writes_is_read(deploys):
    from authforensics import simulate
    from authforensics.simulate.truth import deploys as deployed

    listed = deployed(simulate.load("ephemeral_key"))
    assert [name for _, name in deploys("\n".join(map(json.dumps, listed)))] == ["restart 1", "restart 2", "restart 3"]


def test_a_list_beside_the_logs_is_no_log():
    assert by_name("deploys.jsonl", named=False) == "looks like a list for --deploys, not a log"
    assert by_name("deploys.log", named=False) is None
