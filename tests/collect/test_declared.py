"""Logs that declare their fields: each line follows the declaration above it, or one that fits."""

from __future__ import annotations

import json

import pytest

from authforensics.collect import Options
from authforensics.collect.format import Settings
from authforensics.collect.recognize import named
from collecting import collect
from damage import both


def _iis(fields, *lines):
    return [f"#Fields: {fields}", *lines]


SHORT = _iis("date time cs-method cs-uri-stem c-ip sc-status", "2025-12-25 13:00:09 GET /a 203.0.113.7 200")
LONG = _iis("date time c-ip cs-method cs-uri-stem sc-status time-taken", "2025-12-25 13:00:09 203.0.113.7 GET /b 401 5")


def test_each_line_follows_the_declaration_above_it(tmp_path):
    log = tmp_path / "u_ex251225.log"
    log.write_text("\n".join([*SHORT, *LONG, *SHORT, *LONG]) + "\n")
    collected = collect([log])
    assert collected.events["path"].to_list() == ["/a", "/b", "/a", "/b"]
    assert collected.rejects.is_empty()


@pytest.mark.parametrize("heads", [(), (0,), (1,), (0, 1)])
def test_a_block_without_declarations_follows_those_of_the_sample_by_shape(heads):
    kinds = (SHORT, LONG)
    data = "\n".join(line for kind in (0, 1, 0) for line in kinds[kind][0 if kind in heads else 1 :]) + "\n"
    cut, single, _ = both("w3c", (*SHORT, *LONG), data.encode(), Settings())
    assert cut.counts == single.counts
    if not heads:
        assert single.counts == {"event": 3}
        assert single.taken["path"].to_list() == ["/a", "/b", "/a"]
        assert cut.taken["path"].to_list() == ["/a", "/b", "/a"]


def test_a_declaration_that_lists_nonsense_costs_only_the_lines_below_it(tmp_path):
    log = tmp_path / "u_ex251225.log"
    twice = _iis("date time date c-ip sc-status sc-status", "2025-12-25 13:00:09 x 203.0.113.7 200 401")
    nothing = _iis("", SHORT[1])
    endless = _iis(" ".join(f"x{number}" for number in range(5_000)), SHORT[1])
    log.write_text("\n".join([*SHORT, *nothing, *endless, *twice, *SHORT]) + "\n")
    (source,) = collect([log], Options(format="w3c")).sources
    assert (source.events, source.rejects, source.header) == (3, 2, 5)


def test_many_declarations_are_read_though_not_cut():
    data = "\n".join([*SHORT, *LONG] * 200) + "\n"
    cut, single, _ = both("w3c", SHORT, data.encode(), Settings())
    assert cut.counts == single.counts == {"event": 400, "header": 400}


def test_endless_different_declarations_are_said_to_be_too_many():
    data = "\n".join(f"{SHORT[0]} x{number}\n{SHORT[1]} 1" for number in range(3_000)) + "\n"
    cut, single, _ = both("w3c", SHORT, data.encode(), Settings())
    assert cut.counts == single.counts == {"event": 100, "header": 3_000, "reject": 2_900}
    assert single.rejects["reason"].unique().to_list() == ["stands below more than 100 different lines of fields"]


def test_the_finer_time_of_cloudfront_is_preferred(tmp_path):
    log = tmp_path / "E2.log"
    head = "#Fields: date time c-ip cs-method cs-uri-stem sc-status timestamp(ms) x-edge-location"
    log.write_text(f"{head}\n2025-12-25\t13:00:09\t203.0.113.7\tGET\t/a\t401\t1766667609125\tLAX1\n")
    (event,) = collect([log]).events.iter_rows(named=True)
    assert event["timestamp"].isoformat() == "2025-12-25T13:00:09.125000+00:00"
    assert event["clock"] == pytest.approx(1e-3)


def test_logs_of_zeek_that_are_no_http_log_are_not_taken_for_one():
    sample = ("#fields\tts\tuid\tid.orig_h\tid.orig_p", "1758805209.250000\tC\t203.0.113.7\t43378")
    assert named("zeek").prepare(sample, Settings()) is None


def _hits(count, *, first):
    """Lines that are told apart by their declaration alone: method and path, or path and method, come third."""
    order = "cs-method cs-uri-stem" if first else "cs-uri-stem cs-method"
    call = "GET /a" if first else "/b GET"
    lines = [f"2025-12-25 13:00:{number % 60:02} {call} 203.0.113.7 200" for number in range(count)]
    return [f"#Fields: date time {order} c-ip sc-status", *lines]


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of a few lines, and pieces of a file that are as small."""
    monkeypatch.setattr("authforensics.collect.blocks.LINES", 3)
    monkeypatch.setattr("authforensics.collect.blocks.LEAST", 1)
    monkeypatch.setattr("authforensics.collect.compression.CHUNK", 64)
    monkeypatch.setattr("authforensics.collect.compression.PLAIN_CHUNK", 64)


@pytest.mark.parametrize("wrapped", [None, "syslog", "docker"])
@pytest.mark.usefixtures("small_blocks")
def test_a_declaration_counts_for_the_blocks_below_it(tmp_path, wrapped):
    lines = [*_hits(40, first=True), *_hits(40, first=False), *_hits(40, first=True)]
    around = {
        None: lambda line: line,
        "syslog": lambda line: f"<134>1 2025-12-25T13:00:00.000000Z web1 iis 7 - - {line}",
        "docker": lambda line: json.dumps({"log": line + "\n", "stream": "stdout", "time": "2025-12-25T13:00:00Z"}),
    }[wrapped]
    log = tmp_path / "u_ex251225.log"
    log.write_text("\n".join(map(around, lines)) + "\n")
    collected = collect([log])
    (source,) = collected.sources
    assert (source.events, source.header, source.rejects) == (120, 3, 0)
    assert len(collected.files[source.source].counts) > 10
    assert collected.events["path"].to_list() == ["/a"] * 40 + ["/b"] * 40 + ["/a"] * 40
    assert collected.events["line_number"].to_list() == [n for n in range(1, 124) if n not in (1, 42, 83)]


@pytest.mark.usefixtures("small_blocks")
def test_a_declaration_of_zeek_counts_for_the_blocks_below_it(tmp_path):
    names = ["ts", "uid", "id.orig_h", "method", "uri", "status_code"]
    values = {"ts": "1758805209.250000", "uid": "C", "id.orig_h": "203.0.113.7", "method": "GET"}
    lines = []
    for turn in range(3):
        order = names if turn != 1 else [*names[:3], "uri", "method", "status_code"]
        mine = {**values, "uri": f"/{turn}", "status_code": "200"}
        lines += ["#fields\t" + "\t".join(order), *["\t".join(mine[name] for name in order)] * 30]
    log = tmp_path / "http.log"
    log.write_text("\n".join(lines) + "\n")
    collected = collect([log])
    assert [(source.events, source.header) for source in collected.sources] == [(90, 3)]
    assert collected.events["path"].to_list() == ["/0"] * 30 + ["/1"] * 30 + ["/2"] * 30
