"""What people copy along with a token: the name of a header field, its scheme, quotes, JSON around it, line ends.

Also all that stands in a token's place without being one, because a variable was empty: `undefined`, `${TOKEN}`.
"""

from __future__ import annotations

import json
import re
import urllib.parse
from dataclasses import dataclass, field

from authforensics.tokens.remark import Remark, character

#: RFC 7235 schemes and those of products that carry a token or, the last three, something else.
_SCHEMES = "bearer|dpop|jwt|token|jwe|apikey|basic|digest|negotiate"
_SCHEMES_BEFORE = re.compile(rf"(?:(?:{_SCHEMES})(?=[\s:,]|%20|\+|$)(?:\s|%20|[:+])*+)++", re.IGNORECASE)
_FIELD = re.compile(
    r"(?:-H\s+)?[\"']?(?:(?:proxy-)?authorization|x-[a-z-]*token|x-amzn-oidc-[a-z]+|x-access-token|(?:set-)?cookie)"
    r"[\"']?\s*[:=]\s*",
    re.IGNORECASE,
)
#: A name before the value, as in a query, a form, a cookie or an assignment.
_NAMED = re.compile(r"(?:export\s+)?[A-Za-z_][\w.-]{0,63}\s*=\s*(?=[^=\s])")
#: What a program makes of a value that isn't there.
_STRINGIFIED = {
    "undefined": "JavaScript's undefined, made a text",
    "null": "a null, made a text",
    "none": "Python's None, made a text",
    "nil": "a nil, made a text",
    "nan": "a NaN, made a text",
    "true": "a boolean, made a text",
    "false": "a boolean, made a text",
    "[object object]": "a JavaScript object, made a text",
    "(null)": "Objective-C's nil, made a text",
    "<null>": "a null, made a text",
    "{}": "an empty object, made a text",
    "[]": "an empty list, made a text",
    "[object promise]": "a JavaScript promise that nobody awaited, made a text",
}
_PLACEHOLDER = re.compile(
    r"\$\{?\w+\}?|\$\(.*\)|\{\{?[^{}]*\}?\}|<[A-Za-z][\w -]*>|%\w+%|%[sv@]|#\{[^}]*\}"
    r"|(?:your|my|paste|insert)[-_ ]?(?:access|jwt|api|auth)?[-_ ]?(?:token|key)\S*|@\S+",
    re.IGNORECASE,
)
_ELLIPSIS = re.compile(r"\.{3,}|…|\*{3,}|\[(?:redacted|filtered|masked|truncated)|<redacted", re.IGNORECASE)
_MARKS = ("...", "…", "***", "[", "<")
_QUOTES = "\"'`\u201c\u201d\u2018\u2019\u00ab\u00bb"
_ENCODED_QUOTE = re.compile(r"%2[27]", re.IGNORECASE)
#: Longer texts are not decoded: no server takes them.
_DECODED = 65_536
_ODD = re.compile(r"[^!-~]")
_ENCODED = re.compile(r"%[0-9a-f]{2}", re.IGNORECASE)


@dataclass
class Unwrapped:
    """A text while what stands around its token is taken off.

    Attributes:
        rest: what is left.
        at: at which character of the text as given it starts, counted from 0.
        remarks: what was taken off, and what is wrong with that.
        scheme: the scheme it was sent with, in lower case.
        moved: characters inside were changed, so that places can't be told any more.
    """

    rest: str
    at: int = 0
    remarks: list[Remark] = field(default_factory=list)
    scheme: str | None = None
    moved: bool = False

    def say(self, code: str, level: str, text: str, offset: int | None = None) -> None:
        """Add a remark; `offset`: the character of `rest` where it shows, counted from 0."""
        place = None if offset is None or self.moved else self.at + offset + 1
        self.remarks.append(Remark(code, level, text, place))  # type: ignore[arg-type]

    def cut(self, length: int) -> None:
        """Take off what stands before."""
        self.rest = self.rest[length:]
        self.at += length

    def trim(self) -> None:
        """Take off white space around it."""
        self.cut(len(self.rest) - len(self.rest.lstrip()))
        self.rest = self.rest.rstrip()


def unwrap(text: str) -> Unwrapped:
    """The token within a text, and remarks on all that stands around it; `rest` is empty where there is none."""
    found = Unwrapped(text)
    if text.startswith("\ufeff"):
        found.say("byte_order_mark", "error", "a byte order mark stands before it: save the file without one", 0)
        found.cut(1)
    found.trim()
    if not found.rest:
        what = "an empty text" if not text else "nothing but white space"
        found.say("empty", "error", f"this is {what}, no token: whoever sends it has none stored")
        return found
    _json(found)
    _field(found)
    _quotes(found)
    _scheme(found)
    _quotes(found)
    if found.rest and not _instead(found):
        _inside(found)
    return found


def _json(found: Unwrapped) -> None:
    """A token response, copied whole."""
    if not found.rest.startswith(("{", '"')):
        return
    try:
        whole = json.loads(found.rest)
    except (ValueError, RecursionError):
        return
    if isinstance(whole, dict):
        names = ("access_token", "token", "id_token", "jwt", "accessToken", "idToken", "refresh_token", "refreshToken")
        name = next((name for name in names if isinstance(whole.get(name), str)), None)
        if name is not None:
            found.say("in_json", "note", f"taken from the field {name} of a JSON object")
            found.cut(max(found.rest.find(whole[name]), 0))
            found.rest = whole[name]


def _field(found: Unwrapped) -> None:
    match = _FIELD.match(found.rest)
    if match:
        found.cut(match.end())
        found.rest = found.rest.rstrip("'\"") if match[0][0] in "-\"'" else found.rest
    match = _NAMED.match(found.rest)
    if match:
        found.cut(match.end())
        found.rest = found.rest.split(";")[0]
    if match and "." in found.rest:
        found.say("named", "note", "a name and = stood before it; only what follows is looked at")
    found.trim()


def _quotes(found: Unwrapped) -> None:
    """Quotes that were sent as part of the value."""
    for mark in (found.rest[:2] if found.rest.startswith("\\") else found.rest[:1], found.rest[:3]):
        if mark and (mark.lstrip("\\") in _QUOTES or _ENCODED_QUOTE.fullmatch(mark)) and mark != "\\":
            what = "a percent-encoded quote" if mark.startswith("%") else f"the quote {character(mark[-1])}"
            found.say("quoted", "error", f"{what} stands before it; where it is sent so, it is part of the token", 0)
            found.cut(len(mark))
            found.rest = found.rest.removesuffix(mark).rstrip(_QUOTES + "\\")
            found.trim()
            return
    if found.rest and found.rest[-1] in _QUOTES:
        found.say(
            "quote_at_end", "error", f"a quote, {character(found.rest[-1])}, stands at its end", len(found.rest) - 1
        )
        found.rest = found.rest.rstrip(_QUOTES + "\\")


def _scheme(found: Unwrapped) -> None:
    start = _SCHEMES_BEFORE.match(found.rest)
    if start is None:
        return
    schemes = re.findall(r"[A-Za-z]+", re.sub("%20", " ", start[0]))
    if len(schemes) > 1:
        why = f"the scheme is there {len(schemes):,} times: two places put it before the token"
        found.say("doubled_scheme", "error", why, len(schemes[0]))
    elif ":" in start[0] or "%20" in start[0] or "+" in start[0]:
        found.say("scheme_separator", "error", "one space belongs between scheme and token (RFC 6750, 2.1)", 0)
    found.cut(start.end())
    found.scheme = schemes[0].lower()
    if not found.rest:
        found.say("scheme_only", "error", f"this is the scheme {schemes[0]} without a token behind it")
    elif found.scheme in {"basic", "digest", "negotiate", "apikey"} and not found.rest.startswith("eyJ"):
        found.say("other_scheme", "error", f"these are credentials of the scheme {schemes[0]}, no bearer token")
        found.rest = ""


def _instead(found: Unwrapped) -> bool:
    """Whether something stands there that is no token at all."""
    rest = found.rest
    meant = _STRINGIFIED.get(rest.lower())
    if meant is not None:
        found.say("stringified", "error", f"this is {meant}: the sender had no token and sent the word for it", 0)
    elif "-----BEGIN" in rest:
        found.say("key", "error", "this is a PEM key or certificate, no token: keep private keys out of terminals", 0)
    elif _PLACEHOLDER.fullmatch(rest):
        found.say("placeholder", "error", "this is a placeholder that nobody filled in", 0)
    elif any(mark in rest for mark in _MARKS) and (match := _ELLIPSIS.search(rest)):
        found.say(
            "shortened", "error", "it was shortened or redacted where it was copied from; copy it whole", match.start()
        )
    else:
        return False
    found.rest = ""
    return True


def _inside(found: Unwrapped) -> None:
    """Characters that no token has: white space, encoded ones, invisible ones."""
    rest = found.rest
    inner = re.search(r"\s", rest) if len(rest.split(None, 1)) > 1 else None
    if inner:
        what = "a line break" if inner[0] in {"\r", "\n"} else "white space"
        found.say(
            "white_space", "error", f"{what} stands inside it: it was wrapped, or something follows it", inner.start()
        )
        found.rest = rest = "".join(rest.split())
        found.moved = True
    odd = None if rest.isascii() and rest.isprintable() else _ODD.search(rest)
    if odd is not None:
        found.say("odd_character", "error", f"{character(odd[0])} stands inside it: no token has such", odd.start())
        found.rest = rest = _ODD.sub("", rest)
        found.moved = True
    encoded = _ENCODED.search(rest) if "%" in rest else None
    if encoded:
        found.say(
            "percent_encoded", "error", "it is percent-encoded; decode it once before it is used", encoded.start()
        )
        found.rest = urllib.parse.unquote(rest) if len(rest) <= _DECODED else rest
        found.moved = True
    if found.rest.endswith((",", ";")):
        found.say("separator_at_end", "error", f"a {found.rest[-1]!r} stands at its end", len(found.rest) - 1)
        found.rest = found.rest.rstrip(",;")
