"""When a token counts, what the standards object to, and what differs between two."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from authforensics.tokens.candidates import Candidates, gather
from authforensics.tokens.claims import judge, lifetime, times
from authforensics.tokens.differences import differences
from authforensics.tokens.environment import check
from authforensics.tokens.proof import Signer
from authforensics.tokens.told import document, tell
from tokens.made import CLAIMS, ISSUED, KEY, TOKEN, of, signed

NOW = datetime.fromtimestamp(ISSUED, UTC) + timedelta(minutes=5)
HEADER = {"alg": "HS256", "typ": "JWT"}


def codes(claims=None, header=None, at=NOW):
    return {one.code: one.level for one in judge(HEADER if header is None else header, claims, at)}


def test_times_are_read_in_whatever_they_count():
    told = times({"iat": ISSUED * 1000, "nbf": str(ISSUED), "exp": (ISSUED + 900) * 1_000_000, "auth_time": "soon"})
    assert [(one.claim, one.unit) for one in told] == [
        ("iat", "milliseconds"),
        ("nbf", "seconds"),
        ("exp", "microseconds"),
        ("auth_time", "seconds"),
    ]
    assert [one.at for one in told[:2]] == [datetime.fromtimestamp(ISSUED, UTC)] * 2
    assert told[3].at is None
    assert lifetime({"iat": ISSUED * 1000, "exp": ISSUED + 900}) == 900


@pytest.mark.parametrize("value", [True, None, [], {}, "", -5, 1e300, float("inf"), float("nan"), 10**400])
def test_what_is_no_time_is_none(value):
    assert times({"exp": value})[0].at is None
    assert codes({"exp": value})["time_unreadable"] == "error"


@pytest.mark.parametrize(
    ("change", "code", "level"),
    [
        ({"exp": ISSUED + 60}, "expired", "error"),
        ({"nbf": ISSUED + 400}, "not_yet_valid", "error"),
        ({"iat": ISSUED + 400, "exp": ISSUED + 900}, "issued_in_future", "error"),
        ({"exp": ISSUED}, "no_lifetime", "error"),
        ({"exp": ISSUED * 1000}, "time_unit", "error"),
        ({"exp": str(ISSUED + 900)}, "time_text", "error"),
        ({"aud": 5}, "aud_no_text", "error"),
        ({"sub": 42}, "claim_no_text", "warning"),
        ({"exp": ISSUED + 500 * 86_400}, "long_lifetime", "warning"),
        ({"password": "x"}, "private_claim", "warning"),
    ],
)
def test_what_is_wrong_with_claims_is_said(change, code, level):
    assert code not in codes(CLAIMS)
    assert codes({**CLAIMS, **change})[code] == level


@pytest.mark.parametrize(
    ("change", "code", "level"),
    [
        ({"jku": "https://evil.example/keys"}, "own_key", "warning"),
        ({"kid": "../../dev/null"}, "strange_kid", "warning"),
        ({"kid": 7}, "kid_no_text", "error"),
        ({"zip": "DEF"}, "compressed", "warning"),
        ({"crit": ["exp2"]}, "critical", "warning"),
        ({"typ": "at+jwt"}, "profile", "error"),
    ],
)
def test_what_is_wrong_with_a_header_is_said(change, code, level):
    assert codes(CLAIMS).get(code) != level
    assert codes(CLAIMS, {**HEADER, **change})[code] == level


def test_an_access_token_of_the_profile_is_not_objected_to():
    claims = {**CLAIMS, "client_id": "app", "jti": "1"}
    assert codes(claims, {"alg": "RS256", "typ": "at+jwt", "kid": "2025-12"}) == {}


def told(text, **environment):
    return tell(text, NOW, gather(environment=environment))


def test_what_differs_between_two_is_told_the_most_telling_first():
    login = signed({**CLAIMS, "jti": "a"}, kid="k1")
    refresh = signed(
        {**{k: v for k, v in CLAIMS.items() if k != "aud"}, "exp": ISSUED + 60, "jti": "b"},
        key="ACCESS_SECRET",
        kid="k2",
    )
    found = differences(told(login, SECRET_KEY=KEY), told(refresh, SECRET_KEY=KEY))
    assert [(one.what, one.first, one.second) for one in found] == [
        ("signer", "env:SECRET_KEY", "the literal ACCESS_SECRET"),
        ("header kid", "k1", "k2"),
        ("claim aud", "app", None),
        ("lifetime", 900.0, 60.0),
    ]
    assert differences(told(login), told(login)) == []


def test_what_must_not_leave_does_not():
    claims = {**CLAIMS, "password": "hunter2", "id_token": TOKEN, "note": TOKEN, "deep": {"a": [TOKEN]}}
    jwk = {"kty": "oct", "k": "AAAA", "kid": "x"}
    said = str(document(told(signed(claims, jwk=jwk))))
    assert "[redacted]" in said
    for secret in ("hunter2", TOKEN, TOKEN.rsplit(".", 1)[1], "AAAA"):
        assert secret not in said


def test_a_default_that_everybody_knows_is_critical():
    first = told(signed(key="ACCESS_SECRET")).remarks[0]
    assert (first.code, first.level) == ("published_default", "error")
    assert first.text.startswith("CRITICAL")
    assert "published_default" not in {one.code for one in told(signed(), SECRET_KEY=KEY).remarks}


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"ACCESS_SECRET": KEY, "REFRESH_SECRET": KEY[::-1]}, {}),
        ({"ACCESS_SECRET": KEY, "REFRESH_SECRET": KEY}, {"same_secret": "warning"}),
        ({"SECRET_KEY": KEY}, {"refresh_secret_missing": "warning"}),
        ({"REFRESH_SECRET": KEY}, {"access_secret_missing": "warning"}),
        ({"JWT_SECRET": "", "REFRESH_SECRET": KEY}, {"empty_secret": "error"}),
        ({"JWT_SECRET": "secret", "REFRESH_SECRET": KEY}, {"published_secret": "error"}),
        ({"JWT_SECRET": "short", "REFRESH_SECRET": KEY}, {"short_secret": "warning"}),
        ({"JWT_SECRET": f"<put your own {KEY}>", "REFRESH_SECRET": KEY}, {"placeholder": "error"}),
        ({"JWT_SECRET": f"{KEY} ", "REFRESH_SECRET": KEY}, {"white_space": "warning"}),
        ({"PATH": "/bin"}, {"no_secret": "warning"}),
    ],
)
def test_an_environment_is_checked(variables, expected):
    remarks = check(variables)
    assert {one.code: one.level for one in remarks} == expected
    assert not any(
        value and value.strip() in one.text for value in variables.values() for one in remarks if len(value or "") > 6
    )


def test_a_fallback_is_named_where_its_variable_is_not_set():
    signer = Signer("the literal ACCESS_SECRET", "published_default")
    assert check({"SECRET_KEY": KEY}, [signer])[0].text.startswith("ACCESS_SECRET is not set here")
    assert "fallback" not in {one.code for one in check({"ACCESS_SECRET": KEY}, [signer])}


def test_a_broken_token_is_not_judged_by_its_claims():
    assert {one.code for one in tell(of(b"{}")[:-40], NOW, Candidates()).remarks} >= {"signature_length"}
