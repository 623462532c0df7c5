"""Delimited logs, however damaged: each line has its one fate, and blocks that are cut say what single lines do."""

from __future__ import annotations

import tomllib
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from authforensics.collect import Options
from authforensics.collect.blocks import Text, cleaned, counted
from authforensics.collect.format import Cutting, Settings
from authforensics.collect.read import Digest, parse
from authforensics.collect.recognize import Match, named
from authforensics.schema import COLLECTED, Disposition
from collecting import collect

FORMATS = ("alb", "elb", "s3", "squid", "w3c", "zeek")
FOLDER = Path(__file__).parent.parent / "cases" / "formats"
CASES = {
    path.stem: tuple(tomllib.loads(path.read_text(encoding="utf-8"))["lines"])
    for name in FORMATS
    for path in sorted(FOLDER.glob(f"{name}.*.toml"))
}
PUT = (
    '"',
    "\\",
    " ",
    '" "',
    "-",
    "\t",
    "\u2028",
    "\r",
    "[",
    ",",
    "\x85",
    "\ufffd",
    "#",
    "0",
    "\n",
    "\n#Fields: a b c d\n",
)


def _bytes_flipped(draw, line):
    raw = bytearray(line.encode())
    if raw:
        raw[draw(st.integers(0, len(raw) - 1))] ^= 1 << draw(st.integers(0, 7))
    return raw.decode(errors="replace")


@st.composite
def _blocks(draw):
    """A case and some of its lines in any order, a few of them damaged: flipped, cut, doubled, joined."""
    name = draw(st.sampled_from(sorted(CASES)))
    made = []
    for line in draw(st.lists(st.sampled_from(CASES[name]), min_size=1, max_size=10)):
        place = draw(st.integers(0, len(line)))
        change = draw(st.sampled_from(("none", "none", "none", "flip", "cut", "tail", "put", "drop", "twice", "join")))
        if change == "flip":
            made.append(_bytes_flipped(draw, line))
        elif change == "join":
            made.append(line + draw(st.sampled_from(CASES[name])))
        else:
            put = draw(st.sampled_from(PUT))
            changed = {"none": line, "cut": line[:place], "tail": line[place:], "twice": line + line}
            changed |= {"put": line[:place] + put + line[place:], "drop": line[:place] + line[place + 1 :]}
            made.append(changed[change])
    end = draw(st.sampled_from(("\n", "\r\n")))
    return name, (end.join(made) + draw(st.sampled_from(("", end)))).encode()


def _both_ways(form, sample, data):
    parser = form.prepare(sample, Settings())
    assert isinstance(parser, Cutting)
    match = Match(form, parser, 1.0, 1 << 20)
    digest = Digest(tuple(COLLECTED), lambda events: events.sort("line_number"))
    text, _ = cleaned(data, first=True)
    block = Text(text, 7, counted(text))
    return parse(block, match, "a", "a/b.log", digest), parse(block.lines, match, "a", "a/b.log", digest), block


@settings(max_examples=150, deadline=None)
@given(_blocks())
def test_damaged_blocks_say_the_same_cut_and_line_by_line_and_each_line_has_one_fate(block):
    name, data = block
    cut, single, text = _both_ways(named(name.partition(".")[0]), CASES[name], data)
    assert sum(single.counts.values()) == text.count
    assert cut.counts == single.counts
    assert_frame_equal(cut.rejects, single.rejects)
    assert single.rejects["reason"].str.len_chars().min() != 0
    assert single.rejects.height == single.counts.get(Disposition.REJECT.value, 0)
    assert cut.zones == single.zones
    if single.taken is None:
        assert cut.taken is None
        return
    texts = {name: pl.String for name, dtype in COLLECTED.items() if isinstance(dtype, pl.Categorical)}
    assert_frame_equal(cut.taken.cast(texts), single.taken.cast(texts))


@pytest.mark.parametrize("name", FORMATS)
def test_plain_lines_are_cut(name):
    form = named(name)
    parser = form.prepare(form.samples, Settings())
    cut = parser.cut(("\n".join(form.samples) + "\n").encode())
    assert cut is not None
    lines = [line for line in form.samples if not line.startswith("#")]
    assert cut[1].sum() >= min(len(lines), 1)


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
    cut, single, _ = _both_ways(named("w3c"), (*SHORT, *LONG), data.encode())
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
    cut, single, _ = _both_ways(named("w3c"), SHORT, data.encode())
    assert cut.counts == single.counts == {"event": 400, "header": 400}


def test_endless_different_declarations_are_said_to_be_too_many():
    data = "\n".join(f"{SHORT[0]} x{number}\n{SHORT[1]} 1" for number in range(3_000)) + "\n"
    cut, single, _ = _both_ways(named("w3c"), SHORT, data.encode())
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
