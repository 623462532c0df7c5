"""Tables as text: cut by blocks or taken apart line by line, the same; and what is a table at all."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from authforensics.cli.remarks import about
from authforensics.collect import Options
from authforensics.collect.blocks import Text, cleaned, counted
from authforensics.collect.format import Cutting, Settings
from authforensics.collect.found import Found
from authforensics.collect.mapped import declared
from authforensics.collect.read import Digest, parse
from authforensics.collect.recognize import Match, named
from authforensics.collect.tables import table_of
from authforensics.config import load
from authforensics.errors import NothingReadable
from authforensics.schema import COLLECTED
from collecting import collect

_HEAD = "time{0}client_ip{0}request{0}status{0}referer{0}user_agent"
_ROWS = (
    ("2025-12-25T13:00:09.123Z", "203.0.113.7", "GET /api/me HTTP/1.1", "401", "", "Shop/3.1"),
    ("2025-12-25T13:00:10Z", "", '"GET /api/me?a=1,2 HTTP/1.1"', "200", "-", '"Shop, ""3"""'),
    ("2025-12-25T13:00:11Z", "2001:db8::7", "-", "400", '"a', 'b"'),
    ("yesterday", "203.0.113.7", "GET / HTTP/1.1", "x", "-", '5" screen'),
    ("2025-12-25T13:00:12Z", "203.0.113.7", "GET / HTTP/1.1", "200"),
    ("2025-12-25T13:00:13Z", "203.0.113.7", "GET / HTTP/1.1", "200", "-", "Shop", "more", "still more"),
    ("time", "client_ip", "request", "status", "referer", "user_agent"),
    ("",),
)


@st.composite
def _blocks(draw: st.DrawFn) -> tuple[str, bytes]:
    """Rows of a table, a few of them damaged."""
    separator = draw(st.sampled_from(",\t;|"))
    made = []
    for row in draw(st.lists(st.sampled_from(_ROWS), min_size=1, max_size=10)):
        line = separator.join(row)
        place = draw(st.integers(0, len(line)))
        put = draw(st.sampled_from(('"', '""', separator, " ", "\t", "\u2028", "\r", "\x85", "\\")))
        forms = (line, line, line, line[:place], line[:place] + put + line[place:], line + separator, line + line)
        made.append(draw(st.sampled_from(forms)))
    end = draw(st.sampled_from(("\n", "\r\n")))
    return separator, (end.join(made) + draw(st.sampled_from(("", end)))).encode()


@given(_blocks())
def test_tables_say_the_same_when_cut(made):
    separator, data = made
    form = named("csv")
    parser = form.prepare([_HEAD.format(separator), separator.join(_ROWS[0])], Settings())
    assert isinstance(parser, Cutting)
    match = Match(form, parser, 1.0, 1 << 20)
    digest = Digest(tuple(COLLECTED), lambda events: events.sort("line_number"))
    found = Found(Path("b.csv"), "a/b.csv", "a", named=True)
    text, _ = cleaned(data, first=True)
    block = Text(text, 7, counted(text))
    cut, one_by_one = (parse(lines, match, found, digest) for lines in (block, block.lines))
    assert cut.counts == one_by_one.counts
    assert sum(cut.counts.values()) == block.count
    assert_frame_equal(cut.rejects, one_by_one.rejects)
    assert cut.zones == one_by_one.zones
    if one_by_one.taken is None:
        assert cut.taken is None
    else:
        texts = {name: pl.String for name, dtype in COLLECTED.items() if isinstance(dtype, pl.Categorical)}
        assert_frame_equal(cut.taken.cast(texts), one_by_one.taken.cast(texts))


@pytest.mark.parametrize("row", [_ROWS[0], _ROWS[1]])
def test_plain_lines_are_cut(row):
    parser = named("csv").prepare([_HEAD.format(",")], Settings())
    cut = parser.cut((",".join(row) + "\n").encode())
    assert cut[1].to_list() == [True]


@pytest.mark.parametrize(
    "head",
    [
        "time,client_ip,note",
        "name,email,city",
        "2025-12-25,status,time",
        "time status path",
        "a log of time, status",
        "",
    ],
)
def test_what_has_no_names_for_time_and_status_is_no_table(head):
    assert named("csv").prepare([head, "2025-12-25T13:00:09Z,a,b"], Settings()) is None


@pytest.mark.parametrize("status", ["shipped", "open", "1234", "4.01"])
def test_a_status_that_is_none_of_a_request_makes_no_log(status):
    assert named("csv").prepare(["created_at,status,amount", f"2025-12-25T13:00:09Z,{status},3"], Settings()) is None


def test_a_row_of_words_is_no_line_of_names(tmp_path):
    log = tmp_path / "export.csv"
    rows = ["time,status,path", *["2025-12-25T13:00:09Z,401,/a"] * 9, "soon,unknown,nowhere", "time,status,path", "a,b"]
    log.write_text("\n".join(rows) + "\n")
    (source,) = collect([log]).sources
    assert (source.events, source.header, source.rejects) == (9, 2, 2)


def test_a_column_that_names_devices(tmp_path):
    log = tmp_path / "export.csv"
    log.write_text("Time,Status,Kiosk No\n2025-12-25T13:00:09Z,401,k-17\n")
    assert collect([log], Options(device_field="Kiosk No")).events["device_id"].to_list() == ["k-17"]


@pytest.mark.parametrize(
    ("name", "lasted"),
    [
        ("Duration (ms)", 1.5),
        ("Duration [ms]", 1.5),
        ("duration_us", 0.0015),
        ("Latency", 1500.0),
        ("Latency (fortnights)", None),
    ],
)
def test_units_are_in_the_names(name, lasted, tmp_path):
    log = tmp_path / "export.csv"
    log.write_text(f"Time,Status,{name}\n2025-12-25T13:00:09Z,401,1.5\n")
    assert collect([log]).events["duration_ms"].to_list() == [lasted]


@pytest.mark.parametrize(
    ("head", "row", "told"),
    [
        ("session_s,time,method,path,status", "1.5,{time},GET,/a,401", {"session_id": None}),
        ("time_d,time,method,path,status", "0.001,{time},GET,/a,401", {"status": 401}),
        ("time,elapsed_s,method,path,status", "{time},1.5,GET,/a,401", {"duration_ms": None}),
        ("TimeGenerated,clientIp_s,httpStatus_d,status_s", "{time},203.0.113.7,401,ok", {"client_ip": "203.0.113.7"}),
    ],
)
def test_types_behind_names_are_those_of_one_product(head, row, told, tmp_path):
    log = tmp_path / "export.csv"
    log.write_text("\n".join([head, *[row.format(time="2025-12-25T13:00:09.123Z")] * 5]) + "\n")
    (event, *_) = collect([log]).events.to_dicts()
    assert {key: event[key] for key in told} == told


def test_a_zone_in_the_name_of_another_column_does_not_count(tmp_path):
    log = tmp_path / "export.csv"
    log.write_text("timestamp,TimeGenerated [UTC],status,method\n2025-12-25 13:00:09,2025-12-25 04:00:09,401,GET\n")
    assert collect([log], Options(tz="Asia/Tokyo")).events["timestamp"][0].hour == 4


@pytest.mark.parametrize(("name", "hour", "zone"), [("Time [UTC]", 13, "+00:00"), ("Time", 4, "Asia/Tokyo")])
def test_a_zone_in_the_name_of_a_column_counts(name, hour, zone, tmp_path):
    log = tmp_path / "export.csv"
    log.write_text(f"{name},Status,Method\n2025-12-25 13:00:09,401,GET\n")
    told = collect([log], Options(tz="Asia/Tokyo"))
    assert (told.events["timestamp"][0].hour, told.sources[0].timezone) == (hour, zone)


@pytest.mark.parametrize(
    ("head", "row", "place"),
    [
        ("time,code,method,path,message", "2025-12-25T13:00:09Z,401,GET,/a,x", 1),
        ("time,code,method,path,message", "2025-12-25T13:00:09Z,1001,GET,/a,x", None),
        ("time,code,method,path,message", "2025-12-25T13:00:09Z,,GET,/a,x", None),
        ("time,code,method,path,message", "time,code,method,path,message\n2025-12-25T13:00:09Z,401,GET,/a,x", 1),
        ("time,code,method,path,message", "2025-12-25T13:00:09Z,401,GET,/a,x\n2025-12-25T13:00:09Z,7,GET,/a,x", None),
        ("time,code,message", "2025-12-25T13:00:09Z,401,x", None),
        ("time,code,method,path,status", "2025-12-25T13:00:09Z,200,GET,/a,401", 4),
        ("time,resultCode,method,url,message", "2025-12-25T13:00:09Z,401,GET,/a,x", 1),
        ("time,resultCode,method,url,message", "2025-12-25T13:00:09Z,0,GET,/a,x", None),
    ],
)
def test_a_code_is_a_status_only_of_requests_without_another(head, row, place):
    found = table_of((head, *row.splitlines()), Settings())
    assert found is not None
    assert found[0].places.get("status") == place


ROWS = [
    f"2025-12-25T13:00:{second:02}Z;203.0.113.{second % 4};/a;{(200, 401)[second % 3 == 0]};x" for second in range(12)
]


@pytest.mark.parametrize(
    ("head", "told"),
    [
        ("when;who;what;result;note", {"timestamp": "when", "client_ip": "who", "path": "what", "status": "result"}),
        ("zeit;ip;path;antwort;note", {"timestamp": "zeit", "status": "antwort"}),
        ("日時;アドレス;パス;結果;x", {"timestamp": "日時", "client_ip": "アドレス", "path": "パス", "status": "結果"}),
    ],
)
def test_values_tell_what_names_do_not_and_the_configuration_pins_it(head, told, tmp_path):
    log = tmp_path / "export.csv"
    log.write_text("\n".join([head, *ROWS]))
    read = collect([log])
    (source,) = read.sources
    assert (source.format, source.header, source.rejects, source.columns) == ("csv", 1, 0, told)
    assert read.events["client_ip"].n_unique() == 4
    assert read.events["status"].to_list() == [(200, 401)[second % 3 == 0] for second in range(12)]
    (said,) = about(read.sources)
    (tmp_path / "own.toml").write_text(said.partition("file: ")[2])
    pinned = collect([log], Options(columns=declared(load(tmp_path / "own.toml"))))
    assert pinned.events.equals(read.events)
    assert pinned.sources[0].columns == {}


def test_values_tell_of_several_exports_in_one_file_and_of_one_that_is_cut_off(tmp_path):
    head = "when;who;what;result;note"
    (tmp_path / "export.csv").write_text("\n".join([head, ROWS[0][5:], *ROWS, head, "", *ROWS[:5], head]))
    (source,) = collect([tmp_path / "export.csv"]).sources
    assert (source.format, source.header, source.rejects, source.events) == ("csv", 3, 1, 17)


def test_what_is_left_of_a_line_tells_nothing_of_a_table(tmp_path):
    rows = [f'"2025-12-25","13:00:{second:02}","/a,b","401"' for second in range(5)]
    (tmp_path / "export.csv").write_text("\n".join(['"date","time","path","status"', 'b","200"', *rows]))
    (source,) = collect([tmp_path / "export.csv"]).sources
    assert (source.format, source.rejects, source.events) == ("csv", 1, 5)


def test_a_column_that_names_devices_stays_where_values_tell_the_rest(tmp_path):
    (tmp_path / "export.csv").write_text("\n".join(["when;who;what;result;Kiosk", *ROWS]))
    read = collect([tmp_path / "export.csv"], Options(device_field="Kiosk"))
    assert read.events["device_id"].to_list() == ["x"] * 12


@pytest.mark.parametrize(
    ("head", "rows"),
    [
        ("when;who;what;count;note", [row.replace(";401;", ";77;") for row in ROWS]),
        ("id;name;amount", ["1;a;2", "2;b;3"]),
    ],
)
def test_a_table_that_is_no_log_is_told_with_its_columns(head, rows, tmp_path):
    (tmp_path / "export.csv").write_text("\n".join([head, *rows]))
    with pytest.raises(NothingReadable, match=rf"among {head.replace(';', ', ')}; \[columns\] in the configuration"):
        collect([tmp_path / "export.csv"])


def test_prose_with_commas_is_no_table(tmp_path):
    (tmp_path / "letter").write_text("Dear Ada, as I said, all is well\nMore, soon\nYours\n")
    with pytest.raises(NothingReadable, match="no known log format"):
        collect([tmp_path / "letter"])
