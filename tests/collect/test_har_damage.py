"""HAR recordings that break off or are damaged lose no entry without saying so, however they are cut and however large."""

from __future__ import annotations

import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authforensics.collect import json_text
from authforensics.collect.discover import discover
from authforensics.collect.har import is_recording
from authforensics.errors import NothingReadable
from collecting import collect
from recorded import entry, har, write

API = "https://api.shop.example/v1"


def test_an_entry_that_is_none_is_rejected_and_the_others_are_read(tmp_path):
    good = entry(0, "GET", f"{API}/me", 401)
    odd = [{**good, "startedDateTime": None}, 7, {**good, "startedDateTime": "soon"}, {**good, "request": None}]
    collected = collect([write(tmp_path / "a.har", har([good, *odd, {**good, "response": None}]))])
    assert collected.events.select("line_number", "status").rows() == [(1, 401), (5, 401), (6, None)]
    assert [(row["line_number"], row["reason"]) for row in collected.rejects.to_dicts()] == [
        (2, "an entry without startedDateTime"),
        (3, "an entry of a HAR is an object with request and response"),
        (4, "its time can't be read"),
    ]


def test_a_recording_that_breaks_off_says_where_and_the_rest_is_read(tmp_path):
    text = json.dumps(har([entry(n, "GET", f"{API}/me", 401) for n in range(9)]), indent=2)
    cut = text.index('"startedDateTime"', text.index("10:00:04"))
    (tmp_path / "a.har").write_text(text[:cut])
    collected = collect([tmp_path])
    begins = text[:cut].count("\n", 0, text.rindex("\n      {", 0, cut)) + 2
    place = f"it ends within a value that begins in line {begins}, column 7"
    (reject,) = collected.rejects.to_dicts()
    assert (reject["line_number"], reject["reason"]) == (6, f"the recording breaks off in entry 6: {place}")
    assert sorted((source.source, source.events, source.broken) for source in collected.sources) == [
        ("a.har", 5, False),
        ("a.har (2)", 0, True),
    ]


def test_a_packed_recording_that_breaks_off(tmp_path):
    packed = gzip.compress(json.dumps(har([entry(n, "GET", f"{API}/{n * n}", 401) for n in range(400)])).encode())
    (tmp_path / "a.har.gz").write_bytes(packed[: len(packed) // 2])
    collected = collect([tmp_path])
    assert 20 < collected.events.height < 380
    assert "gzip data end here" in collected.rejects["reason"][0]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            '{"log":{"version":"1.2","entries":[{"request":}]}}',
            "a HAR recording that can't be read: Expecting value, line 1",
        ),
        ('{"log":{"version":"1.2","creator":{},\n"entries":[]}}', "a HAR recording without entries"),
        ('{"log":{"version":"1.2","entries":', "a HAR recording that can't be read"),
    ],
)
def test_a_recording_of_nothing_says_so(text, why, tmp_path):
    (tmp_path / "a.har").write_text(text)
    with pytest.raises(NothingReadable, match=why):
        collect([tmp_path / "a.har"])


@pytest.mark.parametrize(
    "head",
    [
        '{"log":{"level":"info"},"entries":[]}',
        '{"log":"GET / 200\\n","stream":"stdout"}',
        '{"time":"2026-03-01T10:02:03Z","request":"GET / HTTP/1.1","response":{}}',
        '[{"request":{}}]',
    ],
)
def test_other_json_is_no_recording(head):
    assert not is_recording(head)


ENTRY = json.dumps(har([entry(0, "POST", f"{API}/me", 401, body={"a": "b"}, answer={"error": "no"})] * 2), indent=1)


@given(st.data())
def test_a_damaged_recording_loses_no_entry_without_saying_so(tmp_path_factory, data):
    place = data.draw(st.integers(0, len(ENTRY)))
    put = data.draw(
        st.sampled_from(("", '"', "{", "[" * 2000, "]", "}", ",", "\\", "\x00", "1e999", "9" * 5000, "null"))
    )
    path = tmp_path_factory.mktemp("damaged") / "a.har"
    path.write_text(ENTRY[:place] + put + ENTRY[place + data.draw(st.integers(0, 40)) :])
    try:
        collected = collect([path])
    except NothingReadable:
        return
    assert all(source.lines == source.accounted for source in collected.sources)
    assert all(row["reason"] for row in collected.rejects.to_dicts())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(JSON, st.integers(1, 7), st.sampled_from((None, 1)))
def test_a_text_is_read_the_same_however_it_is_cut(tmp_path_factory, value, size, indent):
    text = json.dumps({"a": [value, value], "b": value}, indent=indent, ensure_ascii=False).encode(errors="replace")
    whole = json.loads(text)
    pieces = ((text[start : start + size], 0) for start in range(0, len(text), size))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_text, "chunks", lambda _path: pieces)
        patch.setattr(json_text, "_HEAD", 1)
        read_again = json_text.JsonText(tmp_path_factory.getbasetemp())
        assert read_again.more()
        members = {key: list(read_again.items()) if key == "a" else read_again.value() for key in read_again.members()}
        assert members == whole
        assert not read_again.more()


def test_what_follows_a_large_entry_is_read_and_little_is_held(tmp_path):
    entries = [entry(0, "GET", f"{API}/big", 200, answer="y" * 6_000_000)]
    entries += [entry(n, "GET", f"{API}/me", 401) for n in range(1, 2000)]
    (found,) = discover([write(tmp_path / "a.har", har(entries), indent=None)], lambda: tmp_path)
    assert found.path.stat().st_size < 200_000
    assert collect([tmp_path / "a.har"]).events.height == 2000
