"""What may leave: applied to every text of a log at every exit.

Tokens, secrets and cookies become `[redacted …]`; what remains of a token is its shape. Control characters are made
visible, so that a log line can't drive a terminal.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import unicodedata
from collections.abc import Callable
from functools import partial

_MARK = "[redacted]"
_Span = tuple[int, int]
#: What is shown of a token in place of its shape; None: its shape all the same.
Shown = Callable[[str], str | None]

#: JWS or JWE in compact form, whole or cut: a base64url header that starts a JSON object, then any further segments.
#: `eyJ` is `{"` and a letter; the other beginnings are `{` and white space, and must stand at the start of a word.
_JWT = re.compile(
    r"e(?:yJ|(?<![A-Za-z0-9]e)(?:y[A-L]|w[k-r0-3])(?=[A-Za-z0-9_-]*\.[A-Za-z0-9_-]{8}))"
    r"[A-Za-z0-9_-]{7,}(?:\.[A-Za-z0-9_-]*){0,4}"
)
#: A credential after its scheme (RFC 7235, token68), not prose: letters with digits, or long; for the schemes whose
#: names are no everyday words of logs, camel case as well.
_TOKEN68 = r"(?:(?=[\w.~+/-]*\d)(?=[\w.~+/-]*[A-Za-z])[\w.~+/-]{8,}|[\w.~+/-]{24,})"
_CAMEL = r"(?=(?-i:[\w.~+/-]*[a-z][A-Z]))[\w.~+/-]{8,}"
_SCHEME = re.compile(
    r"\b((?:bearer|basic|dpop|negotiate|token|jwt)(?:\s+|%20|\+)(?!HTTP/))(?!\[redacted)"
    rf"(?:{_TOKEN68}|(?<!token.)(?<!jwt.){_CAMEL})=*(?![\w=])",
    re.IGNORECASE,
)
_AUTHORIZATION = re.compile(
    r"authorization\\*[\"']?\s*[:=]\s*+(?:\[(?=\\*[\"']))?(\\*[\"'])?+((?:bearer|basic|dpop|negotiate|token|jwt)(?:\s+|%20|\+))?"
    r"(?!\[redacted)([^\s\"',;&|<>]+)(?:(?<=digest)\s|(?<=hawk)\s|(?<=oauth)\s|\s+\S*?[=\d])?"
)
_COOKIE = re.compile(
    r"(cookie\\*[\"']?\s*[:=]\s*+(?:\[(?=\\*[\"']))?(\\*[\"'])?+)(?!\[redacted)([^\"\n]+)", re.IGNORECASE
)

#: Names of secrets; what stands before (`x-auth-`, `refresh_`, `laravel_`) is part of the name and doesn't matter.
_STRONG = (
    "(token|secret(?:SEP?(?:access)?SEP?key)?|passw(?:or)?d(?:SEP?confirm(?:ation)?)?|passphrase|pwd|jwt|apiSEP?key"
    "|accessSEP?keySEP?id|accessSEP?key|privateSEP?key|signingSEP?key|encryptionSEP?key|codeSEP?verifier|assertion"
    "|samlresponse|credential|signature|sessionSEP?id|sessid|laravelSEPsession|csrf|xsrf"
)
#: Names that mean other things as well: with a value that looks like a secret only, or in a query.
_WEAK = {"code", "key", "auth", "ticket", "pass", "sid", "sig", "otp", "session"}
_NAME = (_STRONG + "|" + "|".join(sorted(_WEAK)) + ")").replace("SEP", "(?:[_-]|%5f)")
#: A name, what closes it (`user[password]`, `"password"`), `=`, `:`, `=>` or a tag's `>`, and the value by its quotes.
_NAMED = re.compile(
    _NAME + r"\d?(?:\[\]|\]|%5b%5d|%5d)?(?:\\*+[\"']|%22|%27)?\s*+"
    r"(=>|->|[:=>]|%3[ad]|%253[ad]|value=|\w++=[^<>]{0,80}?>)(?!=)"
    r"(?:\s|%20)*+(?:[\[({]\s*+(?=\\*[\"']))?(?:[bu](?=[\"']))?(?!\[redacted)"
    r"(?:\"((?:[^\"\\]|\\.)++)|'((?:[^'\\]|\\.)++)|\\++[\"']((?:[^\"'\\]|\\++(?![\"'\\]))++)"
    r"|(?:%22|%27)((?:[^\s\"'&%]|%(?!2[27]))++)|([^\s\"'<>;,&)}\]|\\]++))"
)
_ENCODED_END = re.compile(r"%(?:26|22|27|2c|7d)")
_HARMLESS = re.compile(
    r"(?:missing|expired|invalid|null|none|nil|undefined|true|false|empty|revoked|ok|absent|present|valid|unknown"
    r"|incorrect|rejected|wrong|required|redacted|\*+|-+)$"
)
_IN_QUERY = re.compile(r"(?:[?&;]|%3f|%26)[\w.%\[\]-]*$")

#: `bad token "…"`, `session … not found`: a secret's name, at most four plain words, and what looks made by a machine.
_PROSE = re.compile(
    r"(?:token|session|secret|passw(?:or)?d|passphrase|credential|signature|jwt|key|ticket|cookie)s?\b"
    r"(?:[\"']?[\s:(\[]++([a-z]++)){0,4}?[\"'\])]?[\s:(\[\"']++([a-z0-9_~+-][a-z0-9_~+/.-]{15,}={0,2})"
)
_IDENTIFIERS = {"user", "uid", "device", "request", "client", "trace", "id", "host", "account", "by", "path", "kid"}
_PASSWORD_IS = re.compile(r"passw(?:or)?d(?: for [^\s:]++)? (?:is|was) [\"']?([^\s\"',;]++)")

_USERINFO = re.compile(r"(://[^\s/@:\"'?]*:)(?!\[redacted)[^\s/@\"'?]+(?=@)")
_CURL = re.compile(r"((?:^|\s)(?:-u|--user|--proxy-user)[ =]?[\"']?[^\s:\"'=-][^\s:\"']*:)(?!\[redacted)[^\s\"']+")
#: Credentials that say what they are. Reference: the patterns of GitHub's secret scanning and of gitleaks.
_ISSUED = re.compile(
    r"\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|xox[abeoprs]-[\w-]{10,}"
    r"|(?:[sr]k_(?:live|test)|whsec)_[A-Za-z0-9]{10,}|A[KS]IA[A-Z0-9]{12,}\w*|AIza[\w-]{30,}"
    r"|ya29\.[\w-]{16,}|npm_[A-Za-z0-9]{30,}|pypi-[\w-]{16,}|sk-[A-Za-z0-9_-]{20,}|hv[sb]\.[\w-]{16,}"
    r"|dop_v1_[a-f0-9]{32,}|SG\.[\w-]{16,}\.[\w-]{16,})"
)
_PEM = re.compile(r"(-----BEGIN [A-Z0-9 ]*+-----)(?!\[redacted).*?(?=-----END|$)", re.DOTALL)
_PEM_LINE = re.compile(r"\s*[A-Za-z0-9+/]{60,76}={0,2}\s*")

#: Segments of paths, values of queries and long words that a machine made.
_SEGMENT = re.compile(r"([/=%])([A-Za-z0-9_~-]{20,}(?:\.[A-Za-z0-9_~-]{20,})*)")
_LONG = re.compile(r"(?<![A-Za-z0-9_/+-])[A-Za-z0-9_+-]{30,}={0,2}")
_QUERY_NAME = re.compile(r"(?:[?&;]|%3F|%26)[^\s?&;=\"']*$", re.IGNORECASE)

_TIME = re.compile(r"\d{4}-?\d\d-?\d\d(?:T|$)")
#: Prose in quotes, not a secret in quotes.
_WORDS_ONLY = re.compile(r"[A-Za-z']+(?: [A-Za-z']+)+[.!]?")
#: Where a name begins that is no part of another.
_WHOLE = re.compile(r"(?:^|[^a-z0-9_-]|%[0-9a-f]{2})$")
_EQUALS = {"=", "=>", "%3d", "%253d", "value="}
#: The group of `_NAMED` that holds a value without quotes.
_BARE = 7
#: What words don't have: two single small letters, one beside a number, three numbers, a long number before letters.
_ODD = re.compile(
    r"[A-Z][a-z][A-Z0-9].*[A-Z][a-z](?:[A-Z0-9]|$)|\d[a-z](?:[A-Z0-9]|$)|\d+[A-Za-z]+\d+[A-Za-z]+\d|^\d\d+[A-Za-z]"
    r"|\d{3,}[A-Za-z]"
)

#: Words without which the slower patterns can't match: looked for first, since most lines have none of them.
_WORDS = (
    "token", "jwt", "sid", "session", "secret", "passw", "passphrase", "pwd", "apikey", "verifier", "assertion",
    "samlresponse", "code", "otp", "credential", "key", "sig", "pass", "auth", "ticket", "csrf", "xsrf", "sessid",
)  # fmt: skip
_ISSUERS = (
    "gh", "glpat-", "xox", "_live_", "_test_", "whsec_", "akia", "asia", "aiza", "ya29.", "npm_", "pypi-", "sk-",
    "hvs.", "hvb.", "dop_v1_", "sg.",
)  # fmt: skip
_RUN = re.compile(r"[A-Za-z0-9_+-]{30}")


def redact(text: str) -> str:
    """`text` without tokens, secrets and cookies, and with control characters made visible."""
    return visible(conceal(text))


def conceal(text: str, shown: Shown | None = None) -> str:
    """`text` without tokens, secrets and cookies; all else, control characters as well, as it was.

    What `shown` gives in place of a token is looked at like all other text.
    """
    if _PEM_LINE.fullmatch(text):
        return _MARK
    if shown is not None:
        text = _JWT.sub(lambda match: shown(match[0]) or match[0], text)
    lower = text.lower()
    for words, step in _STEPS:
        if any(map(lower.__contains__, words)):
            text = step(text)
    text = _SEGMENT.sub(_segment, text)
    if _RUN.search(text):
        text = _LONG.sub(lambda match: _MARK if _random(match[0]) else match[0], text)
    return text


def visible(text: str) -> str:
    r"""Control, format and bidirectional characters as `\xhh` or `\uhhhh`: what can't be seen can't deceive."""
    if text.isprintable():  # None of the categories below is.
        return text
    return "".join(_show(char) for char in text)


def _show(char: str) -> str:
    if unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}:
        return char
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def fingerprint(value: str, key: bytes) -> str:
    """A keyed fingerprint (HMAC-SHA-256, 12 hex digits) by which a value can be told apart but not recovered."""
    return hmac.new(key, value.encode(errors="surrogatepass"), hashlib.sha256).hexdigest()[:12]


def _without(pattern: re.Pattern[str], judge: Callable[[re.Match[str], str], _Span | None], text: str) -> str:
    """`text` without the spans that `judge` names; `pattern` is matched on the text in lower case, which is faster."""
    lower = text.lower()
    if len(lower) != len(text):
        lower = "".join(char.lower() if len(char.lower()) == 1 else char for char in text)
    kept, end = [], 0
    for match in pattern.finditer(lower):
        span = judge(match, text)
        if span is not None:
            kept += [text[end : span[0]], _MARK]
            end = span[1]
    return "".join([*kept, text[end:]]) if kept else text


def _cookie(match: re.Match[str]) -> str:
    name, quote, value = match.groups()
    if quote is None and "=" not in name and not re.search(r"[=\d]", value):
        return match[0]
    rest = value[value.index("'") :] if (quote or "").endswith("'") and "'" in value else ""
    return f"{name}{_MARK}{rest}"


def _authorization(match: re.Match[str], text: str) -> _Span | None:
    quote, scheme, first = match.groups()
    start = match.start(3)
    if scheme is not None:
        return start, match.end(3)
    if match.end() > match.end(3) and re.fullmatch(r"[a-z][a-z\d-]*", first):
        # A scheme of its own, which may have several parameters: nothing of the field stays.
        ends = [text.find(end, start) for end in ("\n", quote) if end]
        return start, min((end for end in ends if end >= 0), default=len(text))
    return None if re.fullmatch(r"[a-z_-]{1,15}", first) else (start, match.end(3))


def _named(match: re.Match[str], text: str) -> _Span | None:
    name, sign, which = match[1], match[2], match.lastindex or 0
    start, end = match.span(which)
    cut = _ENCODED_END.search(match[which]) if sign.startswith("%") and which == _BARE else None
    if cut is not None:
        end = start + cut.start()
    value = text[start:end]
    if _HARMLESS.match(value.lower()) or "[redacted" in value[:24]:
        return None
    if name in _WEAK:
        before = match.string[max(0, match.start() - 80) : match.start()]
        secret = bool(_WHOLE.search(before)) and _weak(name, value, sign in _EQUALS, bool(_IN_QUERY.search(before)))
    elif sign in _EQUALS or which != _BARE:
        secret = "pass" in name or not _WORDS_ONLY.fullmatch(value)
    else:
        secret = _opaque(value) or (len(value) >= 6 and any(map(str.isdigit, value)) and not _TIME.match(value))
    return (start, end) if secret else None


def _weak(name: str, value: str, equals: bool, in_query: bool) -> bool:
    if equals and name in {"sid", "sig", "otp", "pass", "ticket"}:
        return in_query or len(value) >= 4
    digits = any(map(str.isdigit, value))
    return (in_query and len(value) >= 6 and digits) or _opaque(value, 8 if equals else 16)


def _prose(match: re.Match[str], text: str) -> _Span | None:
    span = match.span(2)
    return span if match[1] not in _IDENTIFIERS and _opaque(text[slice(*span)]) else None


def _password(match: re.Match[str], text: str) -> _Span | None:
    return match.span(1) if any(map(str.isdigit, text[slice(*match.span(1))])) else None


def _segment(match: re.Match[str]) -> str:
    before, value = match.groups()
    if before == "%":
        before, value = "%" + value[:2], value[2:]
        if before.upper() not in {"%2F", "%3D"}:
            return match[0]
    in_query = before != "=" or _QUERY_NAME.search(match.string, max(0, match.start() - 80), match.start())
    return before + _MARK if in_query and len(value) >= 20 and _random(value) else match[0]


def _random(value: str) -> bool:
    """Whether small and capital letters and digits mix as in base64, not as in names made of words."""
    kinds = (str.islower, str.isupper, str.isdigit)
    if not all(any(map(kind, value)) for kind in kinds):
        return False
    return not _made_of_words(value) or len(re.findall(r"[A-Z]+|[a-z]+|\d+", value)) > 0.45 * len(value)


def _opaque(value: str, least: int = 16) -> bool:
    """Whether it looks made by a machine: letters and digits mixed, and no name made of words, no version, no time."""
    if len(value) < least or not any(map(str.isdigit, value)) or not any(map(str.isalpha, value)):
        return False
    return not _made_of_words(value) and not _TIME.match(value)


def _made_of_words(value: str) -> bool:
    return not any(_ODD.search(part) for part in re.split(r"[^A-Za-z0-9]+", value))


def _after_names(text: str) -> str:
    return _without(_PROSE, _prose, _without(_NAMED, _named, text))


def _jwt(match: re.Match[str]) -> str:
    return f"[redacted token, {match[0].count('.')} dots]"


#: What is done where one of the words occurs, in this order.
_STEPS: tuple[tuple[tuple[str, ...], Callable[[str], str]], ...] = (
    (("-----begin",), partial(_PEM.sub, rf"\1{_MARK}")),
    (("ey", "ew"), partial(_JWT.sub, _jwt)),
    (("cookie",), partial(_COOKIE.sub, _cookie)),
    (("authorization",), partial(_without, _AUTHORIZATION, _authorization)),
    (("bearer", "basic", "token", "jwt", "dpop", "negotiate"), partial(_SCHEME.sub, rf"\1{_MARK}")),
    (_WORDS, _after_names),
    (("passw",), partial(_without, _PASSWORD_IS, _password)),
    (("://",), partial(_USERINFO.sub, rf"\1{_MARK}")),
    (("-u",), partial(_CURL.sub, rf"\1{_MARK}")),
    (_ISSUERS, partial(_ISSUED.sub, _MARK)),
)
