"""Owns `token`: what one token says, what is wrong with it, and who signed it; or what differs between two."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from authforensics.cli.messages import say
from authforensics.cli.options import Color, EnvFile, KeySets, SecretsFile
from authforensics.cli.sources import COLORS, check_choice
from authforensics.errors import BadValue

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from authforensics.tokens.remark import Remark
    from authforensics.tokens.told import Told

_STDIN = "-"
#: More than any token: what is longer is read no further.
_MOST = 4_000_000


def token(
    tokens: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TOKEN | -]...",
            help="One token, or two to be compared. -, or none: from standard input, so that it stays out of the"
            " shell's history.",
            show_default=False,
        ),
    ] = None,
    *,
    env_file: EnvFile = None,
    secrets: SecretsFile = None,
    jwks: KeySets = None,
    at: Annotated[
        str | None, typer.Option(metavar="TIME", help="Judge it as of then. [default: now]", show_default=False)
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    color: Color = "auto",
) -> None:
    """Read a token offline: structure, header, claims and times, what is wrong with it, and which key signed it.

    Nothing verified is claimed: whether it may be trusted, only its verifier knows.
    """
    check_choice("color setting", "--color", color, COLORS)
    from authforensics.tokens import candidates as keys
    from authforensics.tokens import environment
    from authforensics.tokens.told import tell

    variables = None if env_file is None else keys.environment(env_file)
    known = keys.gather(environment=variables, secrets=secrets, key_sets=jwks or ())
    when = _at(at)
    texts = _texts(tokens or [_STDIN])
    for note in known.notes:
        say("warning", note)
    told = [tell(text, when, known) for text in texts]
    signers = [one.proof.signer for one in told if one.proof.signer is not None]
    _print(told, [] if variables is None else environment.check(variables, signers), color, as_json=json)


def _texts(given: list[str]) -> list[str]:
    texts = [text for one in given for text in (_read() if one == _STDIN else [one])]
    if len(texts) > 2:
        raise BadValue(f"token: expected one token, or two to be compared, found {len(texts)}")
    return texts


def _read() -> list[str]:
    """What standard input has: one text, or several where each line starts like a token."""
    if sys.stdin is None:
        raise BadValue("token -: standard input is closed")
    if sys.stdin.isatty():
        say("note", "paste a token, then press Return and Ctrl-D")
    text = sys.stdin.buffer.read(_MOST).decode(errors="replace")
    lines = [line for line in text.splitlines() if line.strip()]
    begin = ("eyj", "bearer ", "authorization:")
    return lines if len(lines) > 1 and all(line.strip().lower().startswith(begin) for line in lines) else [text]


def _at(text: str | None) -> datetime:
    from datetime import UTC, datetime

    if text is None:
        return datetime.now(UTC)
    from authforensics.collect.window import moment

    return moment("at", text, None, None)


def _print(told: Sequence[Told], environment: Sequence[Remark], color: str, *, as_json: bool) -> None:
    from authforensics.tokens.differences import differences

    differ = differences(*told) if len(told) == 2 else []
    if not as_json:
        from authforensics.cli.terminal import print_rich
        from authforensics.report.token import render

        print_rich(render(told, differ, environment), color)
        return
    import json
    from dataclasses import asdict

    from authforensics.cli.terminal import print_bytes
    from authforensics.findings import iso
    from authforensics.tokens.told import SCHEMA, document

    whole = {
        "schema": SCHEMA,
        "at": iso(told[0].at),
        "tokens": [document(one) for one in told],
        "differences": [asdict(one) for one in differ],
        "environment": [asdict(one) for one in environment],
    }
    print_bytes((json.dumps(whole, indent=2) + "\n").encode())
