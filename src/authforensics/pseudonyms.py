"""Owns `--anonymize`: client addresses and users, and devices that are named after them, by keyed pseudonyms.

The same address, user or device has the same pseudonym everywhere; without the key nobody finds out whose it is.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, TypeVar
from urllib.parse import unquote

import polars as pl

from authforensics.findings import Frozen
from authforensics.once import once
from authforensics.redact import fingerprint

#: What may be an address in a text.
_ADDRESS = re.compile(
    r"(?<![\w.:])(?:(?:::[Ff]{4}:)?\d{1,3}(?:\.\d{1,3}){3}|[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?:%\w+)?)(?![\w:]|\.\d)"
)
#: What may be a user in a line: words with the marks that names and mail addresses have.
_WORD = re.compile(r"[\w@+%-]+(?:\.[\w@+%-]+)*")
#: A mail address, which is a user whether the logs name it as one or not.
_MAIL = re.compile(r"[^@]+@[^@]+\.\w+")
#: Fields that hold lines of a log, or a part of one: every address and every user in them.
_LINES = {"text", "route", "path", "endpoint", "endpoints"}
#: Fields that name a device, a user or an address, and nothing else.
_NAMES = {"device_id", "device_ids", "device"}
#: Sentences of ours and other values, which may hold an address or a user.
_WORDS = {
    *("headline", "summary", "for", "for_", "against", "missing", "note", "notes", "reason", "title", "upstream"),
    *("client", "platform", "app_version", "user_agent", "host"),
}
#: Shorter words in sentences are no names: `no`, `of`.
_SHORT = 4
_Record = TypeVar("_Record", bound=Frozen)


class Pseudonyms:
    """Gives pseudonyms.

    Args:
        key: what makes them; whoever has it can find out whose they are.
        users: all users that the logs name.
        addresses: all addresses of clients.
    """

    def __init__(self, key: bytes, users: Iterable[str], addresses: Iterable[str]) -> None:
        self._key = key
        self._users = frozenset(users)
        self._addresses = frozenset(addresses)
        self.line = lru_cache(maxsize=100_000)(self._line)

    def address(self, value: str) -> str:
        """The pseudonym of an address."""
        return f"ip-{fingerprint(_plain(value), self._key)}"

    def user(self, value: str) -> str:
        """The pseudonym of a user."""
        return f"user-{fingerprint(value, self._key)}"

    def name(self, value: str) -> str:
        """The name of a device, or of whatever a caller named: a user, an address, or a text with addresses."""
        return self.user(value) if value in self._users else self.words(value)

    def words(self, text: str) -> str:
        """A text without users and addresses of clients; numbers, and addresses of servers, stay."""
        shown = _ADDRESS.sub(lambda found: self.address(found[0]) if self._known(found[0]) else found[0], text)
        return _WORD.sub(
            lambda found: found[0] if len(found[0]) < _SHORT or found[0].isdigit() else self._word(found[0]), shown
        )

    def _line(self, text: str) -> str:
        """A line of a log without any address and any user."""
        shown = _ADDRESS.sub(lambda found: self.address(found[0]) if _is_address(found[0]) else found[0], text)
        return _WORD.sub(lambda found: self._word(found[0]), shown)

    def _word(self, word: str) -> str:
        whole = word if word in self._users else unquote(word)
        return self.user(whole) if whole in self._users or _MAIL.fullmatch(whole) else word

    def _known(self, value: str) -> bool:
        return value in self._addresses or _plain(value) in self._addresses

    def network(self, value: str) -> str:
        """The pseudonym of a network that only clients are in."""
        return f"net-{fingerprint(value, self._key)}"

    def record(self, record: _Record) -> _Record:
        """A record of the result with pseudonyms in place of all names in it."""
        kind = type(record)
        return kind.model_validate(self._value("", record.model_dump(mode="python", by_alias=True)))

    def _value(self, field: str, value: Any) -> Any:  # noqa: ANN401
        if isinstance(value, Mapping):
            return {key: self._value(key, inner) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            told = [self._value(field, inner) for inner in value]
            # Their order would tell that of the names.
            return sorted(told) if field == "device_ids" else told
        return self._text(field, value) if isinstance(value, str) else value

    def _text(self, field: str, value: str) -> str:
        if field in _LINES:
            return self.line(value)
        if field in _NAMES:
            return self.name(value)
        if field == "network":
            return self.network(value)
        return self.words(value) if field in _WORDS else value

    def frame(self, frame: pl.DataFrame) -> pl.DataFrame:
        """A table of the result with pseudonyms in place of all names in it."""
        ways: dict[str, Callable[[str], str]] = {
            "client_ip": self.address,
            "user_id": self.user,
            "device_id": self.name,
            "evidence": self._evidence,
            **dict.fromkeys(("path", "route", "text"), self.line),
            **dict.fromkeys(("user_agent", "host", "upstream", "summary"), self.words),
        }
        return frame.with_columns(once(frame[name], way) for name, way in ways.items() if name in frame.columns)

    def _evidence(self, text: str) -> str:
        return json.dumps(self._value("", json.loads(text)), ensure_ascii=False)


def _plain(value: str) -> str:
    """An address as it is written shortest; one of IPv4 that is mapped into IPv6 is one of IPv4."""
    try:
        found = ipaddress.ip_address(value)
    except ValueError:
        return value
    return str(getattr(found, "ipv4_mapped", None) or found)


def _is_address(value: str) -> bool:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return True
