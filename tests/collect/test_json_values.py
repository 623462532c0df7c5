"""Values of JSON objects are those that stand there, whichever of polars' readers takes the lines."""

from __future__ import annotations

import json

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from authforensics.collect import json_values
from authforensics.collect.json_values import EACH, Decoder

PATHS = (("a",), ("b", "c"), ("b", "d", "e"), ("l",), ("m", "l"), ("t", EACH, "id"))
LISTS = {("l",), ("m", "l")}
NAMES = [".".join(path) for path in PATHS]
HOSTILE = [
    '{"a":"1"},{"a":"2"}',
    '{"a":"x}',
    '{","b":{"c":"y"}}',
    '{"a":1',
    '{"m":[{}',
    "}",
    '{"a":{"b":1}]}',
    "{}",
    "null",
]

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63),
    st.text(st.characters(exclude_categories=("Cs",)), max_size=5),
)
lists = st.lists(scalars, max_size=3)
objects = st.fixed_dictionaries(
    {},
    optional={
        "a": scalars,
        "b": st.fixed_dictionaries(
            {}, optional={"c": scalars, "d": st.none() | st.fixed_dictionaries({}, optional={"e": scalars})}
        )
        | st.none(),
        "l": scalars | lists,
        "m": st.fixed_dictionaries({}, optional={"l": scalars | lists}),
        "t": st.lists(st.fixed_dictionaries({}, optional={"id": scalars, "x": scalars}), max_size=3),
        "x": st.recursive(scalars, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner)),
    },
)
odd = st.sampled_from(
    [{"a": ["q"]}, {"a": {"k": "v"}}, {"b": "no object"}, {"l": [["x"]]}, {"l": [{}, "y"]}, {"m": []}]
)


def text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value)


def expected(line: dict[str, object]) -> list[str | None]:
    """What is at each of the paths."""
    found: list[str | None] = []
    for path in PATHS:
        value: object = line
        for place, key in enumerate(path):
            if key == EACH:
                told = [one.get(path[place + 1]) for one in value] if isinstance(value, list) else None
                value = None if told is None else " ".join(one for one in map(text, told) if one is not None)
                break
            value = value.get(key) if isinstance(value, dict) else None
        if path in LISTS and isinstance(value, list):
            value = next(iter(value), None)
            value = None if isinstance(value, list | dict) else value
        found.append(text(value))
    return found


def rows(lines: list[str]) -> list[list[str | None]]:
    decoded = Decoder(PATHS, LISTS).batch(pl.Series(lines, dtype=pl.String)).struct.unnest()
    return [list(row) for row in decoded.select(NAMES).rows()]


def harmless(line: dict[str, object]) -> bool:
    """Whether no text where a list may stand looks like one."""
    own = [line.get("l"), (line.get("m") or {}).get("l") if isinstance(line.get("m"), dict) else None]
    flat = [one for value in own for one in (value if isinstance(value, list) else [value])]
    return not any(isinstance(one, str) and one.startswith("[") for one in flat)


@given(st.lists(objects.filter(harmless), min_size=1, max_size=12))
def test_values_are_those_of_the_objects(found):
    lines = [json.dumps(one, separators=(",", ":")) for one in found]
    assert rows(lines) == [expected(one) for one in found]


@given(st.lists(objects.filter(harmless) | odd, min_size=1, max_size=12))
def test_a_line_has_the_same_values_beside_any_others(found):
    lines = [json.dumps(one, separators=(",", ":")) for one in found]
    assert rows(lines) == [rows([line])[0] for line in lines]


@given(st.lists(objects.map(json.dumps) | st.sampled_from(HOSTILE), min_size=1, max_size=8))
def test_no_line_takes_the_place_of_another(lines):
    # What is decoded together is one list, in which a line can be two objects, or two lines one.
    assert rows(lines) == [rows([line])[0] for line in lines]


@pytest.mark.parametrize("size", [1, 300, 10**6])
def test_it_does_not_matter_how_many_lines_are_decoded_at_a_time(size, monkeypatch):
    monkeypatch.setattr(json_values, "_AT_A_TIME", size)
    found = [{"a": number, "b": {"c": "x" * (number % 7)}} for number in range(50)]
    found[20] = {"a": ["of another type"]}
    lines = [json.dumps(one, separators=(",", ":")) for one in found]
    assert [row[:2] for row in rows(lines)] == [
        [text(one["a"]) if number != 20 else '["of another type"]', one.get("b", {}).get("c")]
        for number, one in enumerate(found)
    ]
    block = Decoder(PATHS, LISTS).block("\n".join(lines).encode())
    assert block is not None
    assert [list(row) for row in block.rows()] == rows(lines)


def test_a_text_that_begins_with_a_bracket_is_no_list():
    lines = [
        '{"l":"[main] started"}',
        '{"l":[7,8]}',
        '{"l":["a\\"b"]}',
        '{"l":[]}',
        '{"l":"x"}',
        '{"a":{},"l":"[x] y"}',
    ]
    told = ["[main] started", "7", 'a"b', None, "x", "[x] y"]
    assert [row[3] for row in rows(lines)] == told
    assert [row[3] for row in rows(lines[:-1])] == told[:-1]
