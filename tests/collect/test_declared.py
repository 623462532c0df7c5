"""Logs that declare their fields: each line follows the declaration above it, or one that fits."""

from __future__ import annotations

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
