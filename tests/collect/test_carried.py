"""Tokens are found wherever they stand in a line; their claims become columns, their text goes nowhere."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import polars as pl
import pytest

from authforensics.collect import carried, gather
from authforensics.collect.blocks import Text
from authforensics.collect.carried import Finder
from authforensics.schema import CARRIED, COLLECTED
from authforensics.tokens.candidates import Candidates
from authforensics.tokens.glance import glances
from tokens.made import HEADER, ISSUED, KEY, PAYLOAD, TOKEN, encoded, signed

ACCESS = signed({"sub": "7", "sid": "s-1", "exp": ISSUED + 60, "iat": ISSUED}, kid="2025-12")
PLACES = {
    f'GET /me?access_token={TOKEN} HTTP/1.1" 200': "query access_token",
    f'GET /me?a=1&jwt={TOKEN}&b=2 HTTP/1.1" 200': "query jwt",
    f'GET /me HTTP/1.1" 200 5 "Bearer {TOKEN}"': "header",
    f'GET /me HTTP/1.1" 200 5 "Authorization: Bearer {TOKEN}"': "header Authorization",
    f'{{"http_authorization":"Bearer {TOKEN}"}}': "header http_authorization",
    f'{{"log":"{{\\"authorization\\":\\"Bearer {TOKEN}\\"}}"}}': "header authorization",
    f'GET /me HTTP/1.1" 200 5 "Cookie: a=b; session={TOKEN}; c=d"': "cookie session",
    f'{{"body":{{"refresh_token":"{TOKEN}"}}}}': "field refresh_token",
    f"level=info token={TOKEN} msg=ok": "field token",
    f"could not verify {TOKEN}, sorry": "message",
    f"{TOKEN}": "message",
    f"é ü 中 token: {TOKEN}.": "field token",
}


def found(*lines: str, status: int = 200) -> pl.DataFrame:
    text = Text(("\n".join(lines) + "\n").encode(), 0, len(lines))
    return Finder().add(events_of(text, [status] * len(lines)), text)


def events_of(text: Text, statuses: list[int]) -> pl.DataFrame:
    nothing = {name: pl.lit(None, dtype) for name, dtype in COLLECTED.items() if name not in {"line_number", "status"}}
    events = pl.DataFrame({"line_number": text.numbers, "status": pl.Series(statuses, dtype=pl.UInt16)})
    return events.with_columns(**nothing)


@pytest.mark.parametrize(("line", "where"), PLACES.items(), ids=PLACES.values())
def test_where_a_token_stands(line, where):
    row = found("nothing here", line).row(1, named=True)
    assert row["token"] is not None
    assert (row["token_where"], row["issuer"], row["audience"]) == (where, "shop", "app")
    assert row["issued_at"] == datetime.fromtimestamp(ISSUED, UTC)


def test_all_tokens_in_one_place_are_told_apart_whatever_surrounds_them():
    tokens = found(*PLACES)["token"]
    assert tokens.n_unique() == 1
    assert found(f"a {TOKEN}", f"a {ACCESS}")["token"].n_unique() == 2


def test_what_it_says_of_itself_fills_what_the_line_does_not_say():
    row = found(f"Bearer {ACCESS}").row(0, named=True)
    assert (row["user_id"], row["session_id"], row["device_id"]) == ("7", "s-1", None)
    assert (row["key_id"], row["algorithm"], row["token_type"]) == ("2025-12", "HS256", "JWT")
    assert (row["expires_at"] - row["issued_at"]).total_seconds() == 60


def test_of_several_the_one_for_access_is_taken():
    line = f'"refresh_token={TOKEN}; access_token={ACCESS}"'
    assert found(line)["key_id"].to_list() == ["2025-12"]
    assert found(f"refresh_token={TOKEN} laravel_session=eyJpdiI6ImFiYyIsInZhbHVlIjoiMTIzIn0%3D")["issuer"][0] == "shop"


def test_the_others_are_told_besides_and_where_they_stand():
    line = f'GET /me?refresh_token={TOKEN}&again={TOKEN} HTTP/1.1" 200 5 "Authorization: Bearer {ACCESS}" {TOKEN}'
    row = found("nothing", line, f"Bearer {ACCESS}").row(1, named=True)
    other = found(f"Bearer {TOKEN}")["token"][0]
    assert row["token_where"] == "header Authorization"
    places = ["message", "query again", "query refresh_token"]
    assert sorted((one["token"], one["token_where"]) for one in row["besides"]) == [(other, place) for place in places]
    assert (
        found(f"Bearer {ACCESS}", f"a={ACCESS} a={ACCESS} b={HEADER}.{PAYLOAD}.***")["besides"].to_list() == [None] * 2
    )


def test_a_text_is_looked_at_once_whatever_comes_between(monkeypatch):
    looked: list[str] = []
    monkeypatch.setattr(carried, "glances", lambda texts: looked.extend(texts) or glances(texts))
    finder = Finder()
    for lines in (
        [f"Bearer {TOKEN}", "eyJnothing"],
        [f"Bearer {ACCESS}", f"Bearer {TOKEN}"],
        ["eyJnothing", "eyJmore"],
    ):
        text = Text(("\n".join(lines) + "\n").encode(), 0, 2)
        told = finder.add(events_of(text, [200, 200]), text)["token"]
        assert told.is_not_null().to_list() == [line.startswith("Bearer") for line in lines]
    assert sorted(looked) == sorted([TOKEN, "eyJnothing", ACCESS, "eyJmore"])


@pytest.mark.parametrize(
    "line",
    [
        "eyJ",
        "eyJhbGciOi",
        "laravel_session=eyJpdiI6ImFiYyIsInZhbHVlIjoiMTIzIn0%3D",
        f"eyJhbGciOi.{PAYLOAD}.abc",
        f"{HEADER}.eyJubyBqc29u.abc",
        f"{HEADER}.{encoded([1])}.abc",
        f"{encoded({'no': 'header'})}.{PAYLOAD}.abcdefghijklmnopqrstuv",
        "eyJ" * 1000,
    ],
)
def test_what_is_no_token_says_nothing(line):
    rows = found(line, "plain").select(*CARRIED)
    assert rows.null_count().row(0) == (2,) * len(CARRIED)


def test_a_masked_token_tells_its_claims_and_stands_nowhere():
    for line in (f"token={HEADER}.{PAYLOAD}", f"token={HEADER}.{PAYLOAD}.***", f"token={HEADER}.{PAYLOAD}.[redacted]"):
        assert found(line).select("issuer", "token_where").row(0) == ("shop", None)


def test_an_encrypted_one_has_no_claims_but_can_be_stolen():
    text = ".".join([encoded({"alg": "dir", "enc": "A256GCM", "kid": "k"}), "a", "b" * 16, "c" * 40, "d" * 22])
    assert found(f"?t={text}").select("key_id", "token_where", "issuer").row(0) == ("k", "query t", None)


def test_some_are_kept_to_be_tried_and_those_refused_apart():
    finder = Finder()
    lines = [f"Bearer {signed({'sub': str(number), 'iat': ISSUED})}" for number in range(30)]
    text = Text(("\n".join(lines) + "\n").encode(), 0, 30)
    tokens = finder.add(events_of(text, [401] * 10 + [200] * 20), text)["token"]
    by_kind: dict[int, set[int]] = {}
    for kind, token, _ in finder.samples:
        by_kind.setdefault(kind, set()).add(token)
    few = finder.samples.FEW
    lowest = {frozenset(tokens.sort()[:few]), frozenset(tokens[:10].sort()[:few])}
    assert {frozenset(one) for one in by_kind.values()} == lowest
    own = finder.samples.signed(Candidates(secrets=(("env:KEY", KEY),)))
    assert {one.name for one in own.values() if one} == {"env:KEY"}


@pytest.mark.parametrize("others", [0, 1, 999, 1000, 1001, 5000])
@pytest.mark.parametrize("mark", ["eyJ", "eyK", "eJ", "yJ", "eyeyJ"])
def test_a_token_is_seen_in_a_block_whatever_else_has_its_letters(others, mark):
    for data in (b"J" * others + mark.encode(), mark.encode() + b"J" * others, b"yJ" * others + mark.encode() + b"x"):
        assert carried._marked(data) == (b"eyJ" in data)


def test_the_tokens_of_wrapped_lines_and_of_tables_are_found(tmp_path):
    line = {"time": "2025-12-25T04:25:00Z", "method": "GET", "path": "/api/me", "status": 401, "jwt": ACCESS}
    wrapped = {"log": json.dumps(line) + "\n", "stream": "stdout", "time": "2025-12-25T04:25:00.5Z"}
    (tmp_path / "a.log").write_text(json.dumps(wrapped) + "\n" + json.dumps(wrapped) + "\n")
    rows = pl.DataFrame([line, {**line, "jwt": TOKEN}])
    rows.write_parquet(tmp_path / "b.parquet")
    events, _ = gather([tmp_path])
    assert events.group_by("source").agg(pl.col("token").n_unique()).sort("source").rows() == [
        ("a.log", 1),
        ("b.parquet", 2),
    ]
    assert events["token_where"].unique().to_list() == ["field jwt"]
