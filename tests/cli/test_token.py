"""`token`: from an argument or standard input, in words or JSON, and without anything that must not leave."""

from __future__ import annotations

import io
import json
import sys

import pytest

from tokens.made import CLAIMS, ISSUED, KEY, TOKEN, of, signed

AT = ["--at", "2025-12-25T04:30:00Z"]


@pytest.fixture
def typed(monkeypatch):
    def put(text):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))

    return put


def test_a_token_is_read_from_standard_input(run, typed, tmp_path):
    (tmp_path / ".env").write_text(f"SECRET_KEY={KEY}\n")
    typed(f"Authorization: Bearer {TOKEN}\n")
    code, out, err = run("token", "-", *AT, "--env-file", ".env")
    assert (code, err) == (0, "")
    for told in ("A signed token (JWS)", "alg HS256", "expires in 11 min 40 s", "Lifetime  15 min", "env:SECRET_KEY"):
        assert told in out
    typed(TOKEN)
    assert "issued 3 min 20 s ago" in run("token", *AT).out


def test_a_wrapped_token_is_one_and_two_lines_of_tokens_are_two(run, typed):
    typed(f"{TOKEN[:60]}\n{TOKEN[60:]}\n")
    assert "a line break stands inside it" in run("token", *AT).out
    typed(f"{TOKEN}\n{signed(key='ACCESS_SECRET')}\n")
    out = run("token", *AT).out
    assert "What differs" in out
    assert "signer: unknown → the literal ACCESS_SECRET" in " ".join(out.split())


def test_the_json_says_what_the_words_say(run):
    whole = json.loads(run("token", "--json", *AT, TOKEN, signed(key="ACCESS_SECRET")).out)
    assert (whole["schema"], whole["at"]) == ("authforensics-token/1", "2025-12-25T04:30:00.000000Z")
    first, second = whole["tokens"]
    assert first["claims"] == CLAIMS
    assert first["times"][1] == {
        "claim": "exp",
        "at": "2025-12-25T04:41:40.000000Z",
        "unit": "seconds",
        "seconds_from_now": 700.0,
    }
    assert (first["signer"], second["signer"]["origin"]) == (None, "published_default")
    assert whole["differences"][0]["what"] == "signer"


@pytest.mark.parametrize("json_", [[], ["--json"]])
@pytest.mark.parametrize(
    "hostile",
    [
        {"sub": "\x1b[31mred", "name": "[bold]markup[/bold]", "iat": ISSUED},
        {"\x1b]0;title\x07": 1, "deep": {"a": ["\x9b1m"]}},
        {"sub": "a" * 5000, "exp": 10**400},
    ],
)
def test_claims_cannot_drive_the_terminal(run, hostile, json_):
    code, out, _ = run("token", *AT, *json_, of(hostile))
    assert code == 0
    assert not any(char in out for char in "\x1b\x07\x9b")


@pytest.mark.parametrize(
    "text", [TOKEN, TOKEN[:-9], f"{TOKEN},{TOKEN}", TOKEN + TOKEN, f'"{TOKEN}"', TOKEN.replace(".", "%2E")]
)
@pytest.mark.parametrize("json_", [[], ["--json"]])
def test_no_part_of_a_signature_or_key_leaves(run, text, json_, tmp_path):
    (tmp_path / ".env").write_text(f"SECRET_KEY={KEY}\nREFRESH_SECRET={KEY[::-1]}\nBROKEN\n")
    (tmp_path / "secrets").write_text(f"{KEY}x\n")
    code, out, err = run("token", *json_, *AT, "--env-file", ".env", "--secrets", "secrets", text)
    assert code == 0
    secrets = (TOKEN.rsplit(".", 1)[1], KEY, KEY[::-1])
    assert not [
        part for whole in secrets for part in (whole[i : i + 12] for i in range(len(whole) - 11)) if part in out + err
    ]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([TOKEN] * 3, "expected one token, or two to be compared, found 3"),
        ([TOKEN, "--at", "soon"], "--at: can't read the time 'soon'"),
        ([TOKEN, "--env-file", "nothing"], "nothing does not exist"),
        ([TOKEN, "--jwks", "own.json"], "own.json:1: expected a JSON Web Key Set (RFC 7517) or PEM"),
        ([TOKEN, "--env-file", "own.json"], "own.json:1: expected NAME=value"),
    ],
)
def test_what_cannot_be_used_is_named(run, arguments, told, tmp_path):
    (tmp_path / "own.json").write_text("open secret: 1\n")
    code, out, err = run("token", *arguments)
    assert (code, out) == (2, "")
    assert told in err
    assert "open secret" not in err
    assert TOKEN not in err
