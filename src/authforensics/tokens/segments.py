"""The segments of a compact token: base64url, and JSON inside (RFC 7515, 7519)."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from authforensics.tokens.remark import Remark, character

_OUTSIDE = re.compile(r"[^A-Za-z0-9_-]")
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
#: Deeper than any token; Python's reader gives up at about a thousand.
_DEEP = 64
#: Beyond this, numbers are not the same in all languages. Reference: https://www.rfc-editor.org/rfc/rfc8259#section-6
_EXACT = 2**53
#: Numbers of more digits are not read.
_DIGITS = 400


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a segment holds: its bytes, or why there are none."""

    data: bytes | None
    remarks: tuple[Remark, ...] = ()


def decode(name: str, segment: str, place: int | None) -> Decoded:
    """The bytes of a base64url segment.

    Args:
        name: what it is called in remarks.
        segment: its text.
        place: the character at which it starts in the text as given, from 1; None: that can't be told.
    """
    remarks: list[Remark] = []
    bare = segment.rstrip("=")
    at = None if place is None else place + len(bare)
    if bare != segment:
        remarks.append(Remark("padding", "error", f"the {name} ends in '=': base64url of a JWS has no padding", at))
    # Looking for a pattern in a million characters takes long; most have nothing to be found.
    odd = _OUTSIDE.search(bare) if bare.encode(errors="replace").translate(None, _ALPHABET) else None
    if odd:
        where = None if place is None else place + odd.start()
        if set(_OUTSIDE.findall(bare)) <= {"+", "/"}:
            why = f"the {name} is in plain base64 ({character(odd[0])}); a JWS is in base64url, with - and _"
            remarks.append(Remark("plain_base64", "error", why, where))
            bare = bare.replace("+", "-").replace("/", "_")
        else:
            why = f"the {name} has {character(odd[0])}, which base64url doesn't have"
            return Decoded(None, (*remarks, Remark("not_base64url", "error", why, where)))
    if len(bare) % 4 == 1:
        count = f"{len(bare):,} characters" if len(bare) > 1 else "one character"
        why = f"the {name} has {count}, which no base64url text has: one is missing or too many"
        return Decoded(None, (*remarks, Remark("impossible_length", "error", why, at)))
    return Decoded(base64.urlsafe_b64decode(bare + "=" * (-len(bare) % 4)), tuple(remarks))


@dataclass(frozen=True, slots=True)
class Parsed:
    """The JSON object in a segment, or why there is none."""

    value: dict[str, Any] | None
    remarks: tuple[Remark, ...] = ()


def parse(name: str, data: bytes, place: int | None) -> Parsed:
    """The JSON object that these bytes are; places as in `decode`."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return Parsed(None, (Remark(f"{name}_not_text", "error", f"the {name} is not UTF-8 text", place),))
    twice: list[str] = []
    odd: list[str] = []
    load = partial(json.loads, text, object_pairs_hook=lambda pairs: _once(pairs, twice), parse_constant=_kept(odd))
    try:
        try:
            value = load()
        except json.JSONDecodeError:
            raise
        except ValueError:
            # Python refuses to read numbers of thousands of digits.
            value = load(parse_int=_integer)
    except RecursionError:
        return Parsed(
            None, (Remark("too_deep", "error", f"the JSON of the {name} is nested too deeply to be read", place),)
        )
    except json.JSONDecodeError as error:
        return Parsed(None, (_broken(name, text, error, place),))
    if not isinstance(value, dict):
        what = {str: "a string", list: "a list", bool: "a boolean", type(None): "null"}.get(type(value), "a number")
        twofold = " (encoded twice?)" if isinstance(value, str) and value.lstrip().startswith("{") else ""
        why = f"the {name} is {what}{twofold}, not a JSON object"
        return Parsed(None, (Remark(f"{name}_no_object", "error", why, place),))
    remarks = []
    if twice:
        named = ", ".join(map(repr, dict.fromkeys(twice[:5])))
        why = f"the {name} names {named} twice: readers differ in which they take"
        remarks.append(Remark("duplicate_name", "error", f"{why} (RFC 7519, 4)", place))
    if odd:
        remarks.append(Remark("no_json_number", "error", f"the {name} has {odd[0]}, which is no JSON", place))
    if _depth(value) > _DEEP:
        remarks.append(
            Remark("deep", "warning", f"the {name} is nested more than {_DEEP} deep: many readers refuse it", place)
        )
    large = [key for key, number in value.items() if isinstance(number, int) and abs(number) > _EXACT]
    if large:
        why = f"{large[0]!r} of the {name} is a number beyond 2^53, which not all languages read exactly"
        remarks.append(Remark("large_number", "warning", why, place))
    return Parsed(value, tuple(remarks))


def _once(pairs: list[tuple[str, Any]], twice: list[str]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        seen: set[str] = set()
        twice += [key for key, _ in pairs if key in seen or seen.add(key)]  # type: ignore[func-returns-value]
    return made


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _DIGITS else float("inf")


def _kept(odd: list[str]) -> Callable[[str], float]:
    def constant(name: str) -> float:
        odd.append(name)
        return float(name.lower())

    return constant


def _depth(value: dict[str, Any]) -> int:
    """How deep it is nested; one step at a time, since the reader may go deeper than calls can."""
    depth = 0
    level: list[object] = [value]
    while level and depth <= _DEEP:
        depth += 1
        level = [
            inner
            for one in level
            if isinstance(one, dict | list)
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
    return depth


def _broken(name: str, text: str, error: json.JSONDecodeError, place: int | None) -> Remark:
    if text.lstrip().startswith("{") and (error.pos >= len(text.rstrip()) - 1 or error.msg.startswith("Unterminated")):
        return Remark(f"{name}_cut", "error", f"the JSON of the {name} breaks off: the token was cut there", place)
    if not text.strip():
        return Remark(f"{name}_empty", "error", f"the {name} is empty", place)
    why = f"the {name} is no JSON: {error.msg.lower()} at its character {error.pos + 1:,}"
    return Remark(f"{name}_not_json", "error", why, place)
