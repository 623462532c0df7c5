"""Tables of typed columns: Parquet and Arrow rows become lines, whatever their types; what is damaged is said."""

from __future__ import annotations

import datetime as dt
import decimal
import gzip
import json
import tarfile
import zipfile

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from authforensics import collect as stage
from authforensics import correlate, local
from authforensics.collect import Options, columnar, fetch_lines
from authforensics.errors import NothingReadable
from authforensics.partitions import WorkDirectory
from authforensics.spark import jobs, reading
from collecting import collect

MOMENT = dt.datetime(2025, 12, 25, 13, 0, 9, 123000, tzinfo=dt.UTC)
ROWS = pl.DataFrame(
    {
        "time": [MOMENT + dt.timedelta(seconds=number) for number in range(3)],
        "status": [401, 200, 403],
        "request_uri": ["/api/me?token=eyJhbGciOiJIUzI1NiJ9.e30.abcdefghijk", "/oauth/token", None],
        "http": [{"user_agent": "Shop/3.1"}, {"user_agent": None}, None],
        "device_id": ["a", "b", "a"],
    }
)
WRITERS = {
    "parquet": pl.DataFrame.write_parquet,
    "arrow": pl.DataFrame.write_ipc,
    "arrow stream": pl.DataFrame.write_ipc_stream,
}


@pytest.mark.parametrize("kind", WRITERS)
def test_rows_are_lines(kind, tmp_path):
    WRITERS[kind](ROWS, tmp_path / "log")
    told = collect([tmp_path / "log"])
    (source,) = told.sources
    assert (source.format, source.wrapper, source.lines, source.records, source.rejects) == ("json", kind, 3, 3, 0)
    assert source.timezone == "+00:00"
    events = told.events
    assert events["timestamp"].to_list() == ROWS["time"].to_list()
    assert events["clock"].to_list() == pytest.approx([0.001] * 3)
    assert events["status"].to_list() == [401, 200, 403]
    assert events["path"].to_list() == ["/api/me", "/oauth/token", None]
    assert events["user_agent"].to_list() == ["Shop/3.1", None, None]
    assert events["device_id"].to_list() == ["a", "b", "a"]


def test_a_row_is_found_again_without_its_credentials(tmp_path):
    ROWS.write_parquet(tmp_path / "log.parquet")
    told = collect([tmp_path / "log.parquet"])
    text = fetch_lines(told.files, told.events.select("source", "line_number").head(1))["text"].item()
    assert text.startswith('{"time":"2025-12-25T13:00:09.123Z","status":401,"request_uri":"/api/me?token=')
    assert "eyJ" not in text


@pytest.mark.parametrize(
    ("times", "zone", "clock"),
    [
        (pl.Series([MOMENT]).dt.convert_time_zone("Asia/Tokyo"), "+00:00", 1e-3),
        (pl.Series([MOMENT]).cast(pl.Datetime("ms", "UTC")), "+00:00", 1e-3),
        (pl.Series([MOMENT]).cast(pl.Datetime("ns", "UTC")) + dt.timedelta(microseconds=7), "+00:00", 1e-6),
        (pl.Series([MOMENT]).dt.truncate("1s"), "+00:00", 1.0),
        (pl.Series([MOMENT]).dt.replace_time_zone(None), "UTC (assumed)", 1e-3),
        (pl.Series([1766667609]), "epoch", 1.0),
        (pl.Series([1766667609.123]), "epoch", 1e-3),
        (pl.Series([1766667609123]), "epoch", 1e-3),
        (pl.Series([1766667609123456]), "epoch", 1e-6),
        (pl.Series([1766667609123456789]), "epoch", 1e-6),
        (pl.Series([decimal.Decimal("1766667609123.000")]), "epoch", 1e-3),
        (pl.Series(["25/Dec/2025:13:00:09 +0000"]), "+00:00", 1.0),
    ],
)
def test_times_of_every_type(times, zone, clock, tmp_path):
    pl.DataFrame({"ts": times, "status": [401]}).write_parquet(tmp_path / "log.parquet")
    told = collect([tmp_path / "log.parquet"])
    assert told.events["timestamp"].dt.truncate("1s").to_list() == [MOMENT.replace(microsecond=0)]
    assert told.sources[0].timezone == zone
    assert told.events["clock"].item() == pytest.approx(clock)


@pytest.mark.parametrize(
    "status",
    [
        pl.Series([401, None], dtype=pl.Int32),
        pl.Series([401.0, None]),
        pl.Series([401.0, float("nan")]),
        pl.Series(["401", None]),
        pl.Series(["401", None], dtype=pl.Categorical),
        pl.Series(["401", None], dtype=pl.Enum(["401"])),
        pl.Series([decimal.Decimal("401.00"), None]),
        pl.Series([b"401", None]),
    ],
)
def test_a_status_of_every_type(status, tmp_path):
    times = ["2025-12-25T13:00:09Z"] * 2
    pl.DataFrame({"time": times, "path": ["/a", "/b"], "status": status}).write_parquet(tmp_path / "log.parquet")
    assert collect([tmp_path / "log.parquet"]).events["status"].to_list() == [401, None]


def test_every_other_type_is_told_as_a_log_would(tmp_path):
    table = pl.DataFrame(
        {
            "day": [dt.date(2025, 12, 25)],
            "clock": [dt.time(13, 0, 9)],
            "took": [dt.timedelta(milliseconds=12.5)],
            "real": [2.5],
            "whole": [17.0],
            "endless": [float("inf")],
            "text": [b"abc"],
            "bytes": [b"\xff\x00"],
            "listed": [[{"at": MOMENT}]],
            "fixed": pl.Series([[1, 2]], dtype=pl.Array(pl.Int64, 2)),
            "nothing": [None],
            "yes": [True],
            "hollow": pl.Series([{}], dtype=pl.Struct({})),
        }
    )
    table.write_ipc(tmp_path / "log.arrow")
    ((text, _),) = columnar.texts(tmp_path / "log.arrow", "Arrow")
    told = json.loads(text)
    assert told.pop("listed") == [{"at": "2025-12-25T13:00:09.123Z"}]
    assert told.pop("fixed") == [1, 2]
    assert told == {
        "day": "2025-12-25",
        "clock": "13:00:09",
        "took": "12.5ms",
        "real": "2.5",
        "whole": "17",
        "endless": None,
        "text": "abc",
        "bytes": "ff00",
        "nothing": None,
        "yes": True,
    }


@given(
    values=st.lists(st.one_of(st.none(), st.text(max_size=20)), min_size=1, max_size=40),
    few=st.integers(1, 7),
    text=st.integers(1, 4_000),
)
def test_pieces_hold_every_row_once_and_are_always_the_same(values, few, text, tmp_path_factory):
    path = tmp_path_factory.mktemp("table") / "log.parquet"
    pl.DataFrame({"a": values}, schema={"a": pl.String}).write_parquet(path, row_group_size=5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(columnar, "_FEW", few)
        patch.setattr(columnar, "_TEXT", text)
        pieces = [piece for piece, _ in columnar.texts(path, "Parquet")]
        assert pieces == [piece for piece, _ in columnar.texts(path, "Parquet")]
    lines = b"".join(pieces).decode().removesuffix("\n").split("\n")
    assert [json.loads(line)["a"] for line in lines] == values


def _cut(data):
    return data[:-40]


def _holed(data):
    middle = len(data) // 2
    return data[:middle] + bytes(64) + data[middle + 64 :]


def test_what_is_damaged_is_said_and_the_others_go_on(tmp_path):
    ROWS.write_parquet(tmp_path / "good.parquet")
    data = (tmp_path / "good.parquet").read_bytes()
    (tmp_path / "cut.parquet").write_bytes(_cut(data))
    (tmp_path / "only.parquet").write_bytes(b"PAR1")
    ROWS.write_ipc(tmp_path / "good.arrow")
    (tmp_path / "cut.arrow").write_bytes(_cut((tmp_path / "good.arrow").read_bytes()))
    (tmp_path / "feather1.feather").write_bytes(b"FEA1" + bytes(100))
    (tmp_path / "secret.parquet").write_bytes(b"PARE" + bytes(100))
    (tmp_path / "packed.parquet.gz").write_bytes(gzip.compress(data))
    ROWS.clear().write_parquet(tmp_path / "empty.parquet")
    told = {source.source: source for source in collect([tmp_path]).sources}
    assert {name for name, source in told.items() if source.events} == {"good.parquet", "good.arrow"}
    assert {name for name, source in told.items() if source.broken} == {"cut.parquet", "only.parquet", "cut.arrow"}
    for name, note in {
        "cut.parquet": "the Parquet table is damaged or cut off: ",
        "cut.arrow": "the Arrow table is damaged or cut off: ",
        "feather1.feather": "a table of Feather version 1: write it as Parquet or Arrow",
        "secret.parquet": "an encrypted Parquet table: decrypt it first",
        "packed.parquet.gz": "a table (Parquet) that is compressed as a whole: unpack it first",
        "empty.parquet": "a table without rows",
    }.items():
        assert told[name].note.startswith(note)


def test_what_comes_before_a_damaged_place_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(columnar, "_FEW", 100)
    monkeypatch.setattr(columnar, "_MANY", 100)
    table = pl.DataFrame(
        {"time": [f"2025-12-25T13:{number // 60 % 60:02}:{number % 60:02}Z" for number in range(1000)], "status": 401}
    ).with_columns(request_id=pl.int_range(pl.len()).hash().cast(pl.String))
    table.write_parquet(tmp_path / "log.parquet", row_group_size=100)
    (tmp_path / "log.parquet").write_bytes(_holed((tmp_path / "log.parquet").read_bytes()))
    told = collect([tmp_path / "log.parquet"])
    (source,) = told.sources
    assert 0 < source.events < 1000
    assert source.broken
    assert source.rejects == 1
    assert source.note.startswith(f"breaks off at line {source.events + 1}: the Parquet table is damaged")
    assert source.lines == source.events + 1


@pytest.mark.parametrize(
    "table",
    [
        pl.DataFrame({"id": [1], "status": [401]}),
        pl.DataFrame({"created_at": [MOMENT], "status": ["shipped"], "amount": [3]}),
        pl.DataFrame({"first_seen": [MOMENT], "device_id": ["a"], "state": ["zombie"]}),
    ],
)
def test_a_table_without_columns_of_a_log_is_left_alone(table, tmp_path):
    ROWS.write_parquet(tmp_path / "log.parquet")
    table.write_parquet(tmp_path / "other.parquet")
    other = {source.source: source for source in collect([tmp_path]).sources}["other.parquet"]
    assert (other.format, other.lines, other.broken) == (None, 0, False)
    columns = ", ".join(table.columns)
    assert other.note == (
        f"a table, but no log: no columns for a time and for a status or message among {columns};"
        " [columns] in the configuration file can say what they hold"
    )


@pytest.mark.parametrize("kind", WRITERS)
def test_columns_may_have_names_that_are_patterns_to_polars(kind, tmp_path):
    odd = {"*": "a", "^.*$": "b", "^status$": 200, "in": {"*": "c", "^.*$": ["d"]}}
    told = ROWS.head(1).select("time", "status").with_columns(pl.DataFrame([odd]))
    WRITERS[kind](told, tmp_path / "log")
    ((text, _),) = columnar.texts(tmp_path / "log", columnar.kind(tmp_path / "log"))
    assert json.loads(text) == {"time": "2025-12-25T13:00:09.123Z", "status": 401, **odd}
    assert collect([tmp_path / "log"]).events["status"].to_list() == [401]


def test_names_of_columns_hold_no_credentials(tmp_path):
    table = pl.DataFrame({"password=hunter2hunter2": [1]})
    table.write_parquet(tmp_path / "other.parquet")
    ROWS.write_parquet(tmp_path / "log.parquet")
    notes = [source.note for source in collect([tmp_path]).sources]
    assert not any("hunter2" in (note or "") for note in notes)


def test_tables_in_archives(tmp_path):
    ROWS.write_parquet(tmp_path / "a.parquet")
    ROWS.with_columns(device_id=pl.lit("z")).write_ipc(tmp_path / "b.arrow")
    with zipfile.ZipFile(tmp_path / "logs.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(tmp_path / "a.parquet", "a.parquet")
    with tarfile.open(tmp_path / "logs.tgz", "w:gz") as archive:
        archive.add(tmp_path / "b.arrow", "b.arrow")
    told = collect([tmp_path / "logs.zip", tmp_path / "logs.tgz"])
    assert {source.source: source.events for source in told.sources} == {
        "logs.zip!a.parquet": 3,
        "logs.tgz!b.arrow": 3,
    }


def test_the_same_rows_in_two_kinds_of_file_count_once(tmp_path):
    rows = pl.concat([ROWS] * 20)
    rows.write_parquet(tmp_path / "a.parquet")
    rows.write_ipc(tmp_path / "b.arrow")
    sources = collect([tmp_path]).sources
    assert sorted((source.events, source.duplicates) for source in sources) == [(0, 60), (60, 0)]


def test_a_table_of_lines_of_another_format(tmp_path):
    lines = [f'203.0.113.7 - - [25/Dec/2025:13:00:0{number} +0000] "GET /a HTTP/1.1" 401 5 "-" "x"' for number in "123"]
    table = pl.DataFrame({"timestamp": [MOMENT] * 3, "ingestionTime": [1] * 3, "message": lines})
    table.write_parquet(tmp_path / "log.parquet")
    told = collect([tmp_path / "log.parquet"])
    (source,) = told.sources
    assert (source.format, source.wrapper) == ("combined", "parquet > cloudwatch")
    assert told.events["status"].to_list() == [401] * 3


def test_filters_and_windows(tmp_path):
    ROWS.write_parquet(tmp_path / "log.parquet")
    told = collect([tmp_path / "log.parquet"], Options(status="4xx", since="2025-12-25T13:00:10Z"))
    (source,) = told.sources
    assert (source.lines, source.events, source.filtered) == (3, 1, 2)


def test_standard_logs_of_cloudfront(tmp_path):
    # Reference: https://docs.aws.amazon.com/athena/latest/ug/create-cloudfront-table-manual-parquet.html
    texts = {
        "date": "2025-12-25",
        "time": "13:00:09",
        "x_edge_location": "SOF50-P2",
        "sc_bytes": "3610",
        "c_ip": "203.0.113.7",
        "cs_method": "POST",
        "cs_host": "d111111abcdef8.cloudfront.net",
        "cs_uri_stem": "/oauth/token",
        "sc_status": "401",
        "cs_user_agent": "Shop/3.1%20(iOS%2018)",
        "cs_uri_query": "grant_type=refresh_token",
        "x_host_header": "api.example.com",
        "time_taken": "0.021",
        "x_forwarded_for": "-",
    }
    pl.DataFrame({name: [value] for name, value in texts.items()}).write_parquet(tmp_path / "log.parquet")
    told = collect([tmp_path / "log.parquet"])
    event = told.events.row(0, named=True)
    assert event["timestamp"] == MOMENT.replace(microsecond=0)
    assert told.sources[0].timezone == "+00:00"
    named = ("client_ip", "user_agent", "method", "path", "action", "status", "bytes", "host", "duration_ms")
    assert {name: event[name] for name in named} == {
        "client_ip": "203.0.113.7",
        "user_agent": "Shop/3.1 (iOS 18)",
        "method": "POST",
        "path": "/oauth/token",
        "action": "grant_type=refresh_token",
        "status": 401,
        "bytes": 3610,
        "host": "api.example.com",
        "duration_ms": 21.0,
    }


def test_many_blocks_are_read_as_one(tmp_path, monkeypatch):
    rows = pl.concat([ROWS.with_columns(line=pl.lit(number)) for number in range(400)])
    rows.write_parquet(tmp_path / "log.parquet", row_group_size=100)
    whole = collect([tmp_path / "log.parquet"])
    monkeypatch.setattr(columnar, "_TEXT", 3_000)
    monkeypatch.setattr("authforensics.collect.blocks.LEAST", 10_000)
    monkeypatch.setattr("authforensics.collect.blocks.LINES", 50)
    parts = collect([tmp_path / "log.parquet"])
    assert len(parts.files["log.parquet"].counts) > 3
    assert_frame_equal(parts.events, whole.events)
    wanted = parts.events.select("source", "line_number").gather_every(97)
    assert fetch_lines(parts.files, wanted).equals(fetch_lines(whole.files, wanted))


def test_a_kind_of_table_is_known_by_its_first_bytes():
    assert columnar.kind_of(b"PAR1\x15\x04\x15\x00") == "Parquet"
    assert columnar.kind_of(b"ARROW1\0\0") == "Arrow"
    assert columnar.kind_of(b"\xff\xff\xff\xffp\x01\0\0") == "Arrow stream"
    assert columnar.kind_of(b"\xff\xff\xff\xff\xff\xff\xff\xff") is None
    assert columnar.kind_of(b"PARTY ti") is None


def test_executors_read_tables_as_this_machine_does(tmp_path, monkeypatch):
    pl.concat([ROWS] * 50).write_parquet(tmp_path / "log.parquet")
    monkeypatch.setattr(jobs, "run", lambda _spark, items, function: [function(item) for item in items])
    monkeypatch.setattr(reading, "_attempt", lambda: 0)
    settings = local.Settings(
        collect=Options(), correlate=correlate.Options(), wanted=(), thresholds={}, work_dir=tmp_path
    )
    found = stage.discover([tmp_path / "log.parquet"])
    account, intake = reading.read_logs(None, found, settings, WorkDirectory(tmp_path))
    assert account.sources == collect([tmp_path / "log.parquet"]).sources
    assert intake.rows == 150


@pytest.mark.parametrize(
    ("codes", "other", "statuses"),
    [
        ([401, 200, 403], {}, [401, 200, 403]),
        ([401.0, None, 403.0], {}, [401, None, 403]),
        (["401", "200", "403"], {}, [401, 200, 403]),
        ([401, 200, 7], {}, None),
        ([401, 200, 403], {"status": [200, 200, 200]}, [200, 200, 200]),
    ],
)
@pytest.mark.parametrize("name", ["code", "Code"])
def test_a_code_is_the_status_of_requests_if_its_values_are(codes, other, statuses, name, tmp_path):
    rows = ROWS.drop("status").with_columns(
        pl.Series(name, codes), **{key: pl.Series(own) for key, own in other.items()}
    )
    rows.write_parquet(tmp_path / "log")
    if statuses is None:
        with pytest.raises(NothingReadable, match="no columns for a time and for a status or message"):
            collect([tmp_path / "log"])
    else:
        assert collect([tmp_path / "log"]).events["status"].to_list() == statuses
