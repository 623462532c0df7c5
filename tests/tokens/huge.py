"""Texts of any length that might take a reader of tokens long."""

from __future__ import annotations

from tokens.made import of

#: By name: what makes one of so many characters, more or less.
HUGE = {
    "a large payload": lambda size: of({"a": "x" * (size * 3 // 4)}),
    "letters": lambda size: "a" * size,
    "dots": lambda size: ".".join("a" * 10 for _ in range(size // 11)),
    "headers": lambda size: "eyJhbGciOi." * (size // 11),
    "quotes": lambda size: '"' * size,
    "spaces": lambda size: " a" * (size // 2),
    "schemes": lambda size: "Bearer " * (size // 7),
    "digits": lambda size: of(b'{"a":' + b"9" * (size * 3 // 4) + b"}"),
    "nested": lambda size: of(b'{"a":' + b"[" * (size * 3 // 8) + b"]" * (size * 3 // 8) + b"}"),
    "objects": lambda size: of(b'{"a":' * (size // 8) + b"1" + b"}" * (size // 8)),
    "doubled names": lambda size: of(b"{" + b'"a":1,' * (size // 8) + b'"a":1}'),
    "percent": lambda size: "%41" * (size // 3),
    "braces": lambda size: "{" * size,
    "json": lambda size: '{"token":' * (size // 9),
}
