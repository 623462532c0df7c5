"""JSON lines read a block at a time say the same as read line by line."""

from __future__ import annotations

import json

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from authforensics.collect import Options
from authforensics.collect.format import Cutting
from authforensics.collect.json_lines import parser
from collecting import collect

KEYS = ("time", "remote_addr", "request_method", "request_uri", "status", "request_time", "http_x_device_id", "other")
PLAIN = dict(
    zip(KEYS, ("2025-12-25T13:00:00+01:00", "203.0.113.7", "GET", "/api/me", 200, 0.25, "d-1", "x"), strict=True)
)
SAMPLE = [json.dumps(PLAIN), json.dumps(PLAIN | {"ts": 1766664000.5, "req": {"id": "r1"}, "error": "jwt expired"})]

texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=6)
numbers = st.sampled_from(
    ["1.0", "1e3", "-0", "-0.0", "0.000", "1.10", "12345678901234567890", "1.5e-7", "007", "+1", "5."]
)
times = st.sampled_from(['"2025-12-25T13:00:00Z"', '"2025-12-25 13:00:00,5"', "1766664000", "1766664000.25", '"never"'])
values = st.one_of(
    texts.map(json.dumps),
    texts.map(lambda text: json.dumps(text, ensure_ascii=False)),
    texts.map(lambda text: f'"{text}"'),
    numbers,
    times,
    st.sampled_from(["true", "null", "[]", '["a", "b"]', '{"k": "v"}', '{"id": 7}', '"GET"', '"401"', "404", '"[x]"']),
)
members = st.tuples(st.sampled_from((*KEYS, "ts", "req", "error", "msg", "message", "body_bytes_sent")), values)


@st.composite
def lines(draw: st.DrawFn) -> str:
    """A line as loggers write it, changed in some places, and sometimes broken."""
    given = [(key, json.dumps(value)) for key, value in PLAIN.items()]
    for member in draw(st.lists(members, max_size=3)):
        given.insert(draw(st.integers(0, len(given))), member)
    if draw(st.booleans()):
        given = draw(st.permutations(given))
    comma, colon = draw(st.sampled_from([(",", ":"), (", ", ": ")]))
    line = "{" + comma.join(f'"{key}"{colon}{value}' for key, value in given[draw(st.integers(0, 3)) :]) + "}"
    broken = draw(st.sampled_from(["", "", "", "", "", "cut", "quote", "more", "list", "other", "spaces"]))
    spoiled = {
        "cut": line[: draw(st.integers(0, len(line)))],
        "quote": line.replace(":", ':"', 1),
        "more": line + line,
        "list": f"[{line}]",
        "other": draw(st.sampled_from(["{}", "", " ", "12", "null", "Traceback:", '{"unknown": 1}'])),
        "spaces": f" {line} ",
    }
    return spoiled.get(broken, line).replace("\n", " ").replace("\r", " ")


def prepared(sample: list[str] = SAMPLE) -> Cutting:
    made = parser(sample, Options().settings())
    assert isinstance(made, Cutting)
    return made


def numbered(found: list[str]) -> pl.DataFrame:
    return pl.DataFrame(
        {"line_number": range(len(found)), "line": found}, schema={"line_number": pl.UInt32, "line": pl.String}
    )


def check(made: Cutting, found: list[str]) -> int:
    """How many lines the quicker way takes; it says of them what the other does."""
    slow = made.parse(numbered(found).lazy()).collect()
    cut = made.cut("\n".join(found).encode())
    if cut is None or len(cut[1]) != len(found):
        return 0
    quick, plain = cut[0].collect().filter(cut[1]), cut[1]
    slow = slow.filter(plain).drop("line_number", "line")
    assert set(quick.columns) <= set(slow.columns)
    missing = {name: pl.lit(None, dtype) for name, dtype in slow.schema.items() if name not in quick.columns}
    assert quick.with_columns(**missing).select(slow.columns).equals(slow)
    return int(plain.sum())


@given(st.lists(lines(), min_size=1, max_size=6))
def test_a_block_says_what_its_lines_say(found):
    check(prepared(), found)


@given(lines())
def test_a_line_taken_as_a_block_says_the_same(line):
    check(prepared(), [line])


@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
def test_ordinary_lines_are_all_taken(end):
    found = [json.dumps(PLAIN | {"status": status, "other": "é"}) for status in (200, 401, "200", None)]
    assert check(prepared(), found) == len(found)
    cut = prepared().cut("\n".join(found).encode() + end.encode())
    assert cut is not None
    assert cut[1].all()
    assert cut[0].collect()["status"].to_list() == [200, 401, 200, None]


def test_an_error_that_the_sample_lacks_is_read():
    found = [json.dumps(PLAIN), json.dumps({"time": PLAIN["time"], "msg": "failed", "err": "jwt expired"})]
    assert check(prepared(SAMPLE[:1]), found) == len(found)


def test_a_line_that_is_no_object_is_left_to_the_other_way():
    assert check(prepared(), [SAMPLE[0], "[1]", "{}", SAMPLE[0]]) == 2


@pytest.mark.parametrize(
    "odd", ["", "Traceback (most recent call last):", SAMPLE[0][:-1], SAMPLE[0].replace("/", "\t")]
)
def test_a_block_with_a_line_that_is_no_json_is_left_to_the_other_way(odd):
    assert check(prepared(), [SAMPLE[0], odd, SAMPLE[0]]) == 0


def test_lines_of_which_some_are_no_json_are_read_one_by_one():
    made = parser([*SAMPLE, "Traceback:"], Options().settings())
    assert isinstance(made, Cutting)
    assert made.cut("\n".join(SAMPLE).encode()) is None


def test_what_a_key_means_does_not_depend_on_the_lines_of_a_block():
    sample = [json.dumps(PLAIN | {"duration": 3, "latency": "5ms"}), json.dumps(PLAIN | {"Status": 500})]
    for line in (*sample, json.dumps(PLAIN | {"latency": "7ms"}), json.dumps({"time": PLAIN["time"], "Status": 404})):
        assert check(prepared(sample), [line]) == 1


def test_lists_are_unwrapped():
    sample = [json.dumps(PLAIN | {"request": {"headers": {"User-Agent": ["curl/8.5.0"], "X-Device-Id": ["d 7"]}}})]
    found = [*sample, json.dumps(PLAIN | {"request": {"headers": {"User-Agent": 'a"b'}}}), json.dumps(PLAIN)]
    assert check(prepared(sample), found) == 3


@pytest.mark.parametrize(
    ("lines", "statuses"),
    [
        (['{"code":401,"path":"/a"}', '{"code":200,"path":"/a"}'], [401, 200]),
        (['{"code":401,"path":"/a"}', '{"code":11000,"path":"/a"}'], [None, None]),
        (['{"code":401}', '{"code":200}'], [None, None]),
        (['{"code":401,"path":"/a"}', '{"msg":"started"}'], [None, None]),
        (['{"code":401,"path":"/a","status":200}', '{"code":200,"path":"/a"}'], [200, None]),
    ],
)
def test_a_code_is_a_status_where_each_line_has_it_and_none_has_another(lines, statuses, tmp_path):
    whole = (line.replace("{", '{"time":"2025-12-25T13:00:09Z",', 1) for line in lines)
    (tmp_path / "log").write_text("\n".join(whole) + "\n")
    assert collect([tmp_path / "log"]).events["status"].to_list() == statuses


def test_objects_that_have_nothing_of_a_log_are_no_error():
    lines = ['{"offset":0,"file":{"inode":"1"}}'] * 3
    made = parser(lines, Options().settings())
    assert isinstance(made, Cutting)
    assert made.cut("\n".join(lines).encode()) is None
    assert made(pl.LazyFrame({"line_number": range(3), "line": lines})).collect().height == 3


@pytest.mark.parametrize(
    ("key", "trace", "said"),
    [
        (
            "exc_info",
            (
                'Traceback (most recent call last):\n  File "/srv/a.py", line 7\njwt.InvalidAudienceError: Audience doesn\'t '
                "match\n\nThe above exception was the direct cause of the following exception:\n\nTraceback (most recent "
                'call last):\n  File "/srv/a.py", line 9\napp.NotAuthorized: 401: Invalid token\n'
            ),
            "app.NotAuthorized: 401: Invalid token: jwt.InvalidAudienceError: Audience doesn't match",
        ),
        (
            "stack_trace",
            (
                "ServletException: Filter failed\n\tat app.Filter.f(Filter.java:26)\nCaused by: app.Wrapped: wrapped\n\tat "
                "app.Filter.g(Filter.java:17)\nCaused by: ExpiredJwtException: JWT expired\n\t... 24 more\n"
            ),
            "ServletException: Filter failed: ExpiredJwtException: JWT expired",
        ),
        (
            "exc_info",
            "Traceback (most recent call last):\n  The above exception was the direct cause\nValueError: bad",
            "ValueError: bad",
        ),
    ],
)
def test_a_trace_tells_what_caused_its_exception(key, trace, said, tmp_path):
    log = tmp_path / "app.log"
    line = {"time": "2026-03-02T10:00:12Z", "level": "ERROR", "message": "refused", key: trace}
    log.write_text(json.dumps(line) + "\n", encoding="utf-8")
    assert collect([log]).events["message"].to_list() == [f"refused: {said}"]
