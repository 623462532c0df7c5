"""One token, or two, on the terminal: what it is, what it says, when it counts, what is wrong, and who signed it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.text import Text

from authforensics.findings import duration
from authforensics.redact import visible
from authforensics.report.hanging import Hanging
from authforensics.tokens.told import shown

if TYPE_CHECKING:
    from rich.console import RenderableType

    from authforensics.tokens.claims import Time
    from authforensics.tokens.differences import Difference
    from authforensics.tokens.remark import Remark
    from authforensics.tokens.told import Told

_KINDS = {
    "jws": "A signed token (JWS)",
    "jwe": "An encrypted token (JWE)",
    "broken": "A broken token",
    "opaque": "A value that is no JWT",
    "none": "No token",
}
_MARKS = {"error": ("✗ ", "bold red"), "warning": ("! ", "bold yellow"), "note": ("· ", "dim")}
_PAST = {"exp": "expired {} ago", "iat": "issued {} ago", "nbf": "valid since {}", "auth_time": "logged in {} ago"}
_COMING = {
    "exp": "expires in {}",
    "iat": "issued {} in the future",
    "nbf": "valid in {}",
    "auth_time": "logged in in {}",
}
_LABEL = 10


def render(told: Sequence[Told], differ: Sequence[Difference], environment: Sequence[Remark]) -> RenderableType:
    """All that is to be said of one token or two, and of the environment that was named."""
    parts: list[RenderableType] = []
    for number, one in enumerate(told, 1):
        parts += [Text(f"Token {number}", "bold underline")] if len(told) > 1 else ()
        parts += [*_token(one), Text()]
    if len(told) > 1:
        parts += [Text("What differs", "bold underline"), *_differences(differ), Text()]
    if environment:
        parts += [Text("The environment", "bold underline"), *map(_remark, environment), Text()]
    return Group(*parts[:-1])


def _token(told: Told) -> list[RenderableType]:
    token = told.token
    what = _KINDS[token.kind] + (f": {token.form}" if token.form else "")
    size = f", {token.length:,} characters" if token.length else ""
    segments = ": " + ", ".join(f"{name} {count:,}" for name, count in list(token.segments.items())[:5])
    lines: list[RenderableType] = [
        Hanging(Text(), Text.assemble((what, "bold"), size, segments if token.segments else "")),
    ]
    lines += [_remark(one) for one in told.remarks if one.level != "note"]
    if token.header is not None:
        lines.append(
            _labelled(
                "Header", ", ".join(f"{_plain(name)} {_value(value)}" for name, value in shown(token.header).items())
            )
        )
    if token.claims is not None:
        lines += _claims(told)
    if told.lifetime is not None and told.lifetime > 0:
        lines.append(_labelled("Lifetime", duration(told.lifetime)))
    lines.append(_signer(told))
    return [*lines, *(_remark(one) for one in told.remarks if one.level == "note")]


def _claims(told: Told) -> list[RenderableType]:
    claims = shown(told.token.claims or {})
    named = {one.claim: one for one in told.times}
    width = max((len(_plain(name)) for name in claims), default=0)
    lines = []
    for number, (name, value) in enumerate(claims.items()):
        text = _when(named[name], told) if name in named else _value(value)
        label = Text.assemble(("Claims" if number == 0 else "").ljust(_LABEL), _plain(name).ljust(min(width, 20)), "  ")
        lines.append(Hanging(label, Text(text)))
    return list(lines)


def _when(one: Time, told: Told) -> str:
    if one.at is None:
        return _value((told.token.claims or {}).get(one.claim))
    away = (one.at - told.at).total_seconds()
    words = (_PAST if away <= 0 else _COMING)[one.claim].format(duration(abs(away)))
    unit = "" if one.unit == "seconds" else f", counted in {one.unit}"
    return f"{one.at:%Y-%m-%d %H:%M:%S} UTC, {words}{unit}"


def _signer(told: Told) -> RenderableType:
    proof = told.proof
    if proof.signer is None:
        tried = f"none of {proof.tried:,} keys signed it" if proof.tried else "unknown"
        return _labelled(
            "Signer",
            f"{tried}: {proof.why_not}"
            if proof.why_not
            else f"{tried}; name more with --env-file, --secrets or --jwks",
        )
    signer = proof.signer
    how = f", {signer.how}" if signer.how else ""
    what = f" ({visible(signer.what)})" if signer.what else ""
    return Hanging(Text("Signer".ljust(_LABEL)), Text.assemble((visible(signer.name), "bold"), how, what))


def _differences(differ: Sequence[Difference]) -> list[RenderableType]:
    if not differ:
        return [Text("Nothing but times and ids.")]
    return [
        Hanging(
            Text(f"{_plain(one.what)}: "),
            Text.assemble(
                _named(one, one.first), " → ", _named(one, one.second), (f"  {one.why}" if one.why else "", "dim")
            ),
        )
        for one in differ
    ]


def _named(one: Difference, value: object) -> str:
    if value is None:
        return "none" if one.what != "signer" else "unknown"
    if one.what == "lifetime" and isinstance(value, float):
        return duration(value) if value > 0 else f"{value:g} s"
    return _value(value)


def _remark(one: Remark) -> RenderableType:
    mark, style = _MARKS[one.level]
    place = f" (at character {one.place:,})" if one.place is not None else ""
    return Hanging(Text(mark, style), Text(visible(one.text + place)))


def _labelled(label: str, text: str) -> RenderableType:
    return Hanging(Text(label.ljust(_LABEL)), Text(text))


def _value(value: Any) -> str:  # noqa: ANN401
    return visible(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _plain(name: str) -> str:
    return visible(name)
