"""Compiles an nginx log_format or Apache LogFormat string into one pattern, each variable named as nginx would."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from authforensics.collect import synonyms
from authforensics.errors import BadValue

_NGINX = re.compile(r"\$(?:\{(\w+)\}|([A-Za-z_]\w*))")
# Reference: https://httpd.apache.org/docs/current/mod/mod_log_config.html#formats
_APACHE = re.compile(r"%(?:!?\d{3}(?:,\d{3})*)?[<>]?(?:\{([^}]*)\})?(\^?[A-Za-z]{1,2}|%)")
_PIECES = re.compile(r"'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"")
_JSON_KEY = re.compile(r'"([^"]+)"\s*:\s*"?\$(?:\{(\w+)\}|(\w+))')

#: The variable of a value that means nothing here.
IGNORED = "ignored"

_LETTERS = {
    "h": "remote_addr",
    "a": "remote_addr",
    "u": "remote_user",
    "t": "apache_time",
    "r": "request",
    "s": "status",
    "b": "body_bytes_sent",
    "B": "body_bytes_sent",
    "O": "bytes_sent",
    "D": "request_time_us",
    "T": "request_time",
    "v": "vhost",
    "V": "server_name",
    "m": "request_method",
    "U": "request_uri",
    "q": "query_string",
}
_UNITS = {"ms": "duration_ms", "us": "request_time_us", "s": "request_time"}
#: Values that may hold spaces where nothing encloses them: lists of several upstreams, names of users, Apache's time.
SPACED = {"upstream_addr", "upstream_response_time", "upstream_status", "http_x_forwarded_for"}
_LIST = r"[^\s,]*(?: ?[,:] ?[^\s,]+)*"
_BRACKETED_TIME = r"\[[^\]]*\]"
#: Times that hold a space where nothing encloses them.
TIMES = {
    "time_local": r"\d{2}/[A-Za-z]{3}/\d{4}:\d{2}:\d{2}:\d{2} [+-]\d{4}",
    "time_iso8601": (
        r"\d{4}[-/]\d{2}[-/]\d{2}[Tt ]\d{2}:\d{2}:\d{2}(?:[.,]\d{1,9})?(?: ?(?:[Zz]|UTC|GMT|[+-]\d{2}:?\d{2}))?"
    ),
}
#: What may be behind the last value: fields that a later version of the layout added.
BEHIND = r"(?:\s.*)?"
#: Between values that these separate spaces are part of the value.
_SEPARATORS = "|;\t"
#: What a line without which is no event: its time and its status, as an error calls them.
_NGINX_WANTED = ("time ($time_local, $time_iso8601 or $msec)", "status ($status)")
_APACHE_WANTED = ("time (%t)", "status (%>s)")


@dataclass(frozen=True, slots=True)
class Layout:
    """A compiled string. `names` are the variables by group of `pattern`; of a JSON layout, by key, without pattern.

    `parts` are the literal texts of the string, each with the variable behind it.
    """

    names: dict[str, str]
    pattern: str | None
    parts: tuple[tuple[str, str | None], ...] = ()


def compile_layout(text: str) -> Layout:
    """Compile a format string, or a whole directive as it stands in a configuration file.

    Raises:
        BadValue: it has neither nginx variables nor Apache directives, or none that says time and status.
    """
    plain = _undirected(text.strip())
    if plain.startswith("{") and _JSON_KEY.search(plain):
        names = {key: braced or bare for key, braced, bare in _JSON_KEY.findall(plain)}
        _check(text, {*names, *names.values()}, _NGINX_WANTED)
        return Layout(names, None)
    if _NGINX.search(plain):
        # As nginx reads its configuration.
        parts, wanted = list(_nginx(plain.replace("\\t", "\t"))), _NGINX_WANTED
    elif _APACHE.search(plain):
        parts, wanted = list(_apache(plain.replace('\\"', '"'))), _APACHE_WANTED
    else:
        raise BadValue(f"--log-format: '{text}' has neither nginx variables ($status) nor Apache directives (%>s)")
    _check(text, {name for _, name in parts if name is not None}, wanted)
    return _compile(parts)


def _check(text: str, names: set[str], wanted: tuple[str, str]) -> None:
    missing = [] if synonyms.times_in(names) else [wanted[0]]
    missing += [] if "status" in synonyms.matching(names) else [wanted[1]]
    if missing:
        raise BadValue(f"--log-format: '{text}' has no {' and no '.join(missing)}")


def _undirected(text: str) -> str:
    """The format string itself, of `log_format name escape=… '…' '…';` or `LogFormat "…" name`."""
    if not re.match(r"(?i)(?:log_format|LogFormat|CustomLog)\s", text):
        return text
    pieces = [single or double for single, double in _PIECES.findall(text)]
    return "".join(pieces) if text.startswith("log_format") else next(iter(pieces), text)


def _nginx(text: str) -> Iterator[tuple[str, str | None]]:
    """Literal text, each followed by the variable after it."""
    last = 0
    for match in _NGINX.finditer(text):
        yield text[last : match.start()], match[1] or match[2]
        last = match.end()
    yield text[last:], None


def _apache(text: str) -> Iterator[tuple[str, str | None]]:
    last = 0
    literal = ""
    for match in _APACHE.finditer(text):
        literal += text[last : match.start()]
        argument, letter = match[1], match[2]
        last = match.end()
        if letter != "%" and not letter.startswith("^"):
            last -= len(letter) - 1
            letter = letter[0]
        if letter == "%":
            literal += "%"
            continue
        yield literal, _apache_name(argument, letter)
        literal = ""
    yield literal + text[last:], None


def _apache_name(argument: str | None, letter: str) -> str:
    if argument is None:
        return _LETTERS.get(letter, IGNORED)
    folded = argument.lower().replace("-", "_")
    if letter == "i":
        return f"http_{folded}"
    if letter == "o":
        return f"sent_http_{folded}"
    if letter == "T":
        return _UNITS.get(argument, IGNORED)
    if letter == "t":
        return "end_time" if argument.startswith("end:") else "begin_time"
    return {"e": folded.replace("unique_id", "request_id"), "a": "remote_addr"}.get(letter, IGNORED)


def _compile(parts: list[tuple[str, str | None]]) -> Layout:
    names: dict[str, str] = {}
    pattern = "^"
    for index, (literal, name) in enumerate(parts):
        pattern += re.sub(r"(?:\\ | )+", r"\\s+", re.escape(literal))
        if name is None:
            continue
        group = f"v{index}"
        names[group] = name
        pattern += f"(?P<{group}>{_value(name, literal[-1:], _following(parts[index + 1][0]))})"
    return Layout(names, pattern + (f"{BEHIND}$" if parts[-1][0] else "$"), tuple(parts))


def _following(literal: str) -> str:
    """The character before which a value ends: of ` | ` not the space."""
    bare = literal.lstrip(" ")
    return bare[0] if bare and bare[0] in _SEPARATORS else literal[:1]


def _value(name: str, before: str, after: str) -> str:
    plain = _plain_value(name, before, after)
    return f"(?:{TIMES[name]}|{plain})" if name in TIMES and before not in {'"', "["} else plain


def _plain_value(name: str, before: str, after: str) -> str:
    if name == "apache_time":
        return _BRACKETED_TIME
    if before == '"' or after == '"':
        return r"(?:[^\"\\]|\\.)*"
    if after == "]":
        return r"[^\]]*"
    if name == "remote_user":
        return r"[^\[\"]*?"
    if name in SPACED:
        return _LIST
    if after == "":
        return ".*"
    return r"\S*?" if after == " " else f"[^{re.escape(after)}]*?"
