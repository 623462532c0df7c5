"""Each way in which a token can be broken has its own name, and its place where it has one."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authforensics.tokens import read
from tokens.huge import HUGE
from tokens.made import CLAIMS, HEADER, PAYLOAD, SIGNATURE, TOKEN, encoded, of

BROKEN = {
    "empty": ("", None),
    "scheme_only": ("Bearer", None),
    "stringified": ("Bearer undefined", 8),
    "placeholder": ("${ACCESS_TOKEN}", 1),
    "shortened": (f"{TOKEN[:30]}...{TOKEN[-5:]}", 31),
    "key": ("-----BEGIN PUBLIC KEY-----", 1),
    "other_scheme": ("Basic dXNlcjpwYXNz", None),
    "doubled_scheme": (f"Bearer Bearer {TOKEN}", 7),
    "scheme_separator": (f"Bearer:{TOKEN}", 1),
    "quoted": (f'Bearer "{TOKEN}"', 8),
    "quote_at_end": (f"{TOKEN}'", len(TOKEN) + 1),
    "byte_order_mark": (f"\ufeff{TOKEN}", 1),
    "white_space": (f"{TOKEN[:50]}\n{TOKEN[50:]}", 51),
    "odd_character": (f"{TOKEN[:20]}\u200b{TOKEN[20:]}", 21),
    "percent_encoded": (TOKEN.replace(".", "%2E"), len(HEADER) + 1),
    "separator_at_end": (f"{TOKEN},", len(TOKEN) + 1),
    "several": (f"{TOKEN},{TOKEN}", len(TOKEN) + 1),
    "joined": (TOKEN + TOKEN, len(TOKEN) + 1),
    "segments": (f"{HEADER}.{PAYLOAD}", len(HEADER) + len(PAYLOAD) + 2),
    "case": (TOKEN.lower(), 1),
    "not_base64url": (f"{HEADER}.{PAYLOAD[:5]}!{PAYLOAD[5:]}.{SIGNATURE}", len(HEADER) + 7),
    "plain_base64": (f"{HEADER}.{PAYLOAD}.{'ab+/' * 10}abc", len(HEADER) + len(PAYLOAD) + 5),
    "padding": (f"{TOKEN}=", len(TOKEN) + 1),
    "impossible_length": (TOKEN[:-2], len(TOKEN) - 1),
    "signature_length": (TOKEN[:-9], len(TOKEN) - 8),
    "signature_empty": (f"{HEADER}.{PAYLOAD}.", len(HEADER) + len(PAYLOAD) + 3),
    "header_empty": (f".{PAYLOAD}.{SIGNATURE}", 1),
    "header_not_text": (of(header=b'{"\xff\xfe'), 1),
    "header_not_json": (of(header=b'{"alg", 1}'), 1),
    "header_no_object": (f"{encoded(['HS256'])}.{PAYLOAD}.{SIGNATURE}", 1),
    "payload_empty": (f"{HEADER}..{SIGNATURE}", len(HEADER) + 2),
    "payload_not_text": (of(b"\xff\xfe"), len(HEADER) + 2),
    "payload_not_json": (of(b"{sub: 1}"), len(HEADER) + 2),
    "payload_no_object": (of(json.dumps(CLAIMS)), len(HEADER) + 2),
    "payload_cut": (f"{HEADER}.{PAYLOAD[:-20]}.{SIGNATURE}", len(HEADER) + 2),
    "duplicate_name": (of(b'{"sub":"a","sub":"b"}'), len(HEADER) + 2),
    "no_json_number": (of(b'{"exp":NaN}'), len(HEADER) + 2),
    "too_deep": (of(b'{"a":' + b"[" * 50_000 + b"]" * 50_000 + b"}"), len(HEADER) + 2),
    "alg_none": (of(header={"alg": "none"}, signature=""), None),
    "alg_missing": (of(header={"typ": "JWT"}), None),
    "alg_no_text": (of(header={"alg": 256}), None),
    "alg_unknown": (of(header={"alg": "hs256"}), None),
    "unencoded": (of(header={"alg": "HS256", "b64": False}), 38),
    "short": ("abc", None),
}


def test_a_well_made_token_has_nothing_wrong_with_it():
    token = read(TOKEN)
    assert (token.kind, token.remarks, token.claims) == ("jws", (), CLAIMS)
    assert token.segments == {"header": 36, "payload": len(PAYLOAD), "signature": 43}
    assert token.header == {"alg": "HS256", "typ": "JWT"}


@pytest.mark.parametrize("code", BROKEN)
def test_what_is_broken_is_named_with_its_place(code):
    text, place = BROKEN[code]
    found = {one.code: one for one in read(text).remarks}
    assert code in found, found
    assert (found[code].level, found[code].place) == ("error", place)


def test_no_two_say_the_same():
    texts = [next(one.text for one in read(text).remarks if one.code == code) for code, (text, _) in BROKEN.items()]
    assert len(set(texts)) == len(texts) >= 25


@pytest.mark.parametrize(
    "around",
    [
        "Authorization: Bearer {}",
        "  {}\n",
        '-H "Authorization: Bearer {}"',
        "access_token={}; Path=/",
        "Token {}",
        '{"expires_in": 900, "access_token": "{}"}',
    ],
)
def test_what_stands_around_it_is_taken_off(around):
    token = read(around.replace("{}", TOKEN))
    assert token.claims == CLAIMS
    assert not [one for one in token.remarks if one.level == "error"]


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("123e4567-e89b-12d3-a456-426614174000", "UUID"),
        ("v4.public." + "a" * 80, "PASETO, version 1 to 4"),
        ("gAAAAA" + "b" * 80, "Fernet token (Python's cryptography)"),
        ("eyJpdiI6" + "c" * 60, "encrypted cookie of Laravel"),
        ("eyJ1c2VyIjoxfQ.aFxyzQ.abcdefghijklmnopqrstuvwxyz0", "session of Flask or signed by itsdangerous"),
        ("deadbeef" * 5, "hexadecimal number"),
        ("Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4X", "opaque value"),
    ],
)
def test_what_is_no_jwt_is_known_by_its_looks(text, form):
    token = read(text)
    assert (token.kind, token.form) == ("opaque", form)


def test_an_encrypted_token_is_no_broken_one():
    token = read(".".join([encoded({"alg": "RSA-OAEP", "enc": "A256GCM"}), "a" * 8, "b" * 16, "c" * 40, "d" * 22]))
    assert (token.kind, token.claims) == ("jwe", None)
    assert [one.level for one in token.remarks] == ["note"]


def test_a_nested_token_is_said_to_be_one():
    token = read(of(TOKEN.encode(), header={"alg": "HS256", "cty": "JWT"}))
    assert "nested" in {one.code for one in token.remarks}


def _seconds(text):
    """Processor time, best of three: what else the machine does is no part of it."""
    took = []
    for _ in range(3):
        before = time.process_time()
        read(text)
        took.append(time.process_time() - before)
    return min(took)


@pytest.mark.parametrize("name", HUGE)
def test_time_grows_with_the_text_and_no_faster(name):
    eighth, whole = (HUGE[name](size) for size in (125_000, 1_000_000))
    # Eight times as long: eight times the time, 64 times where each character looks at all others.
    assert _seconds(whole) < 24 * max(_seconds(eighth), 0.0005)


@given(st.one_of(st.text(max_size=200), st.text(alphabet="eyJ.{}\":-_=+/% \n'", max_size=200)))
def test_any_text_can_be_read(text):
    assert read(text).kind in {"jws", "jwe", "opaque", "broken", "none"}


@given(st.data())
def test_a_damaged_token_is_never_well_made(data):
    place = data.draw(st.integers(0, len(TOKEN) - 1))
    put = data.draw(st.sampled_from(["", ".", "=", " ", "+", "é", "\x00", "eyJ", "%2E", ",", '"']))
    damaged = TOKEN[:place] + put + TOKEN[place + 1 :]
    token = read(damaged)
    assert token.remarks or token.claims != CLAIMS or token.header is None or token.text != TOKEN
    for one in token.remarks:
        assert one.place is None or 1 <= one.place <= len(damaged) + 1
