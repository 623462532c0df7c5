"""How tokens in the logs are told to people, alike in every output: where they stand, how to stop it, who signed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from authforensics.document import Document, Leak, Signer, Tokens
from authforensics.report import wording

#: What takes a token out of a part of the lines, by where it stands.
STOPS = {
    "query": "send it in the `Authorization` header, and log paths without their query until then (nginx: `$uri`)",
    "header": "take the header out of the log's format",
    "cookie": "take cookies out of the log's format",
    "body": "take the field out of the log's format, or mask it there",
    "message": "log what was wrong with a token and its `jti`, never the token",
}
_KINDS = {"configured": "yours", "published_default": "known to everybody"}


class Place(NamedTuple):
    """One place: how it is named, how many tokens on how many lines, the first of these, and how to stop it."""

    name: str
    tokens: str
    lines: str
    first: str
    stop: str


class Key(NamedTuple):
    """A key that signed tokens: its name, whose it is, and how many of those tried."""

    name: str
    whose: str
    tokens: str
    alarming: bool


def told(document: Document) -> bool:
    """Whether there is anything to say."""
    found = document.tokens
    return bool(found.seen or found.environment or found.notes)


def summary(found: Tokens) -> str:
    """How many there are and what became known of them, in one sentence; empty: none can be read."""
    if not found.seen:
        return ""
    words = f"{wording.count(found.seen, 'token')} can be read: whoever has the logs can use them."
    if not found.tried:
        return words
    many = f"{wording.number(found.tried - found.unknown)} of {wording.number(found.tried)} tried"
    return f"{words} Who signed is known of {many}{_name_more(found)}."


def _name_more(found: Tokens) -> str:
    return "; name keys with `--env-file`, `--secrets` or `--jwks`" if found.unknown and not _named(found) else ""


def _named(found: Tokens) -> bool:
    return bool(found.environment) or any(one.kind == "configured" for one in found.signed_by)


def places(document: Document) -> list[Place]:
    """Where tokens can be read, the places with most of them first."""
    several = len(document.systems) > 1
    leaks = sorted(document.tokens.leaks, key=lambda one: (-one.tokens, -one.lines, one.system, one.source))
    return [
        Place(
            _place(one, several),
            wording.count(one.tokens, "token"),
            wording.count(one.lines, "line"),
            f"{one.source}:{one.line_number}",
            STOPS[one.where],
        )
        for one in leaks
    ]


def _place(one: Leak, several: bool) -> str:
    part = "message" if one.where == "message" else f"{one.where} {one.field}" if one.field else one.where
    return f"{one.system}: {part} in {one.source}" if several else f"{part} in {one.source}"


def stops(leaks: Sequence[Leak]) -> list[tuple[str, str]]:
    """How to stop it, for each part of lines that tokens stand in."""
    there = {one.where for one in leaks}
    return [(where, advice) for where, advice in STOPS.items() if where in there]


def keys(document: Document) -> list[Key]:
    """Who signed, those first that are known to everybody."""
    several = len(document.systems) > 1
    ordered = sorted(document.tokens.signed_by, key=lambda one: one.kind != "published_default")
    return [
        Key(_signer(one, several), _whose(one), wording.number(one.tokens), one.kind == "published_default")
        for one in ordered
    ]


def _signer(one: Signer, several: bool) -> str:
    name = f"{one.candidate} ({one.how})" if one.how else one.candidate
    return f"{one.system}: {name}" if several else name


def _whose(one: Signer) -> str:
    return f"{_KINDS[one.kind]}: {one.what}" if one.what else _KINDS[one.kind]
