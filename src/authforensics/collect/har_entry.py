"""Says in short what an entry of a HAR tells: the call, its answer, why it was refused; tokens as fingerprints only.

Whatever is missing in a recording (browsers leave `Authorization` and cookies out of an export unless told otherwise)
is left out of the record as well: that nothing was sent is never concluded.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from hashlib import sha256
from urllib.parse import parse_qsl, urlsplit

from authforensics.collect.synonyms import HEADERS, RESPONSE_HEADERS
from authforensics.redact import fingerprint

#: Characters of a body that are looked at, and those of a text that are kept.
_MOST, _LONGEST = 1 << 18, 500
#: Headers of an answer that name the request. Reference: https://docs.aws.amazon.com/apigateway/; Kong; Rails
_REQUEST_IDS = ("x_request_id", "x_correlation_id", "x_amzn_requestid", "x_kong_request_id")
_CHALLENGES = {name for name, field in RESPONSE_HEADERS.items() if field == "reason"}
#: Schemes by which no session is held. Reference: RFC 7617, RFC 4559
# Reference: https://www.iana.org/assignments/http-authschemes/, and what products make up
_SCHEMES = {"bearer", "dpop", "token", "jwt", "oauth", "apikey", "gnap", "hoba", "privatetoken", "session"}
_NO_SESSION = {"basic", "digest", "negotiate", "ntlm"}
#: What clients send that have no token; and the length below which one could be guessed.
_NO_TOKENS, _GUESSABLE = {"", "undefined", "null", "none", "nil", "nan", "false", "[object object]"}, 20
#: What Amazon Cognito calls a grant. Reference: https://docs.aws.amazon.com/cognito-user-identity-pools/latest/
#: APIReference/API_InitiateAuth.html
_FLOWS = {"REFRESH_TOKEN_AUTH": "refresh_token", "REFRESH_TOKEN": "refresh_token"}
#: Paths to which a refresh token is sent in order to end it, or to ask about it.
_NO_REFRESH = re.compile(r"(?i)log-?_?out|sign-?_?out|revo|end-?_?session|introspect|verify|validate")
#: Names of new tokens in an answer. Reference: RFC 6749 section 5.1, and the same as products spell it
_TOKENS = ("access_token", "accessToken", "AccessToken", "token", "jwt", "id_token", "idToken", "IdToken")
_REFRESH_TOKENS = ("refresh_token", "refreshToken", "RefreshToken", "REFRESH_TOKEN")
_HOLDERS = ("data", "result", "session", "tokens", "auth", "AuthenticationResult", "AuthParameters", "payload")
#: What an answer says about a failure. Reference: RFC 6749 section 5.2, RFC 9457, https://spec.graphql.org (Errors),
#: and the bodies of AWS (`__type`), Spring (`error`, `message`), Django REST framework (`detail`, `code`)
_SAYS = ("__type", "error", "error_code", "code", "error_description", "errorDescription", "message", "msg", "detail")
_SAYS_TOO = ("title", "reason", "errorMessage", "error_message", "description", "fault", "faultstring")
_DEEPEST = 4
#: A challenge that names no error. Reference: RFC 6750 section 3
_BARE = re.compile(r"(?i)^\s*(?:bearer|dpop)\b(?!.*\berror\s*=)")
_WORD = re.compile(r"[A-Za-z0-9_.:/-]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What is to be known of an entry. The fields from `host` on serve to judge it and aren't shown.

    Attributes:
        sent: the scheme and the fingerprint of the token that was sent.
        authorization: what was sent, if it is a JWT: what that says is read from the line, as with all others.
        given: that of the new access token in the answer.
        reason: what the answer says about its refusal; its `challenge` (`WWW-Authenticate`) is put before it.
        error: why there was no answer.
        cached: the answer comes from the client's own cache: nobody looked at a token.
        other_site: it is none of the sites that the session is about.
        page: the host of the page that made the request.
        credential_of_session: tokens go to this host, or come from there.
    """

    problem: str | None = None
    status: int | None = None
    sent: str | None = None
    given: str | None = None
    reason: str | None = None
    method: str | None = None
    url: str | None = None
    grant: str | None = None
    operation: str | None = None
    error: str | None = None
    cached: bool | None = None
    other_site: bool | None = None
    started: str | None = None
    ms: float | None = None
    bytes: int | None = None
    user_agent: str | None = None
    user_id: str | None = None
    session_id: str | None = None
    request_id: str | None = None
    platform: str | None = None
    app_version: str | None = None
    authorization: str | None = None
    host: str | None = None
    challenge: str | None = None
    page: str | None = None
    device_id: str | None = None
    cookies: bool = False
    credential_of_session: bool = False

    def shown(self) -> dict[str, object]:
        """The fields that have a value."""
        names = [field.name for field in fields(self)]
        shown = names[: names.index("host")]
        return {name: value for name in shown if (value := getattr(self, name)) is not None}

    def judged(self, *, other_site: bool, credentials: bool) -> Entry:
        """The same, seen beside all others.

        Args:
            other_site: whether it is none of the sites that the session is about.
            credentials: whether the recording shows any that were sent. If not, they were left out of it, and a
                challenge that names no error can't be taken for one that answers a request without a token.
        """
        said = [] if self.reason is None else [self.reason]
        bare = self.challenge is not None and _BARE.match(self.challenge) is not None
        if self.challenge is not None and not (bare and (self.sent is not None or not credentials)):
            said = [self.challenge, *(text for text in said if text not in self.challenge)]
        return replace(self, reason=": ".join(said)[:_LONGEST] or None, other_site=other_site or None)


def condensed(value: object) -> Entry:
    """An entry in short."""
    if not isinstance(value, dict):
        return Entry(problem="an entry of a HAR is an object with request and response")
    request, response = _object(value, "request"), _object(value, "response")
    sent, got = _headers(request), _headers(response)
    url = _text(request.get("url"))
    host, path = _host(url), url.partition("?")[0] if url else ""
    status = _status(response.get("status"))
    body, answer = _posted(request), _content(response)
    grant, issued = _grant(body, path), _token(answer, _TOKENS) if status is not None and status < 400 else None
    challenge = next((got[name] for name in _CHALLENGES if name in got), None)
    bearer = _credential(sent.get("authorization"))
    told = {field: sent[name] for name, field in reversed(HEADERS.items()) if name in sent}
    return Entry(
        problem=None if _text(value.get("startedDateTime")) else "an entry without startedDateTime",
        method=_text(request.get("method")),
        url=url,
        status=status,
        reason=_reason(status, answer),
        challenge=challenge if status is not None and status >= 400 else None,
        sent=bearer,
        authorization=_jwt(sent.get("authorization")),
        given=None if issued is None else _fingerprint(issued),
        grant=grant,
        operation=_word(body.get("operationName")),
        error=_text(response.get("_error")) or _text(value.get("_error")),
        cached=_cached(value) or None,
        started=_text(value.get("startedDateTime")),
        ms=_amount(value.get("time")),
        bytes=_status(_object(response, "content").get("size")),
        user_agent=told.get("user_agent"),
        user_id=told.get("user_id"),
        session_id=told.get("session_id"),
        request_id=next((got[name] for name in _REQUEST_IDS if name in got), told.get("request_id")),
        platform=told.get("platform"),
        app_version=told.get("app_version"),
        host=host,
        page=_host(sent.get("origin")) or _host(sent.get("referer")),
        device_id=told.get("device_id"),
        cookies="cookie" in sent or bool(request.get("cookies")),
        credential_of_session=any(
            (
                bearer is not None and bearer.split()[0].lower() not in _NO_SESSION,
                challenge is not None and challenge.split(" ")[0].lower() not in _NO_SESSION,
                "authorization" in sent.get("access_control_request_headers", "").lower(),
                grant is not None or issued is not None,
                status == 401 and got.get("access_control_allow_credentials", "").lower() == "true",
            )
        ),
    )


def _object(value: Mapping[str, object], name: str) -> dict[str, object]:
    inner = value.get(name)
    return inner if isinstance(inner, dict) else {}


def _text(value: object) -> str | None:
    return value.strip() or None if isinstance(value, str) else None


def _word(value: object) -> str | None:
    """A name of something that may become part of a route."""
    return value if isinstance(value, str) and _WORD.fullmatch(value) else None


def _status(value: object) -> int | None:
    """A status or a size; a negative one says that it isn't known."""
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value[:18])
    whole = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e15
    return int(value) if whole and isinstance(value, int | float) else None


def _amount(value: object) -> float | None:
    known = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e10
    return round(float(value), 3) if known and isinstance(value, int | float) else None


def _host(url: str | None) -> str | None:
    try:
        return urlsplit(url or "").hostname
    except ValueError:
        return None


def _pairs(value: object) -> Iterator[tuple[str, str]]:
    """Names and values of headers or parameters: a list of objects, or with some products an object."""
    if isinstance(value, dict):
        yield from ((str(name), str(inner)) for name, inner in value.items())
    elif isinstance(value, list):
        for one in value:
            if isinstance(one, dict) and isinstance(one.get("name"), str) and isinstance(one.get("value"), str):
                yield one["name"], one["value"]


def _headers(side: Mapping[str, object]) -> dict[str, str]:
    """The headers of a request or an answer by name, as `synonyms` folds it; of several of a name the first."""
    found: dict[str, str] = {}
    for name, value in _pairs(side.get("headers")):
        found.setdefault(name.lower().replace("-", "_"), value.strip())
    return found


def _credential(header: str | None) -> str | None:
    """The scheme, and by what the token can be told from others."""
    if not header:
        return None
    scheme, _, token = header.partition(" ")
    if scheme.lower() in _NO_SESSION:
        return scheme
    if scheme.lower() not in _SCHEMES:
        # It may be the token itself.
        return f"other {_fingerprint(header)}"
    return f"{scheme} {_fingerprint(token.strip())}"


def _jwt(header: str | None) -> str | None:
    token = (header or "").rpartition(" ")[2]
    return header if token.startswith("eyJ") and token.count(".") >= 2 else None


def _fingerprint(token: str) -> str:
    """What tells one token from another, the same in every run; of what could be guessed only that it is there."""
    if token.lower() in _NO_TOKENS:
        return token or "(empty)"
    return f"#{fingerprint(token, sha256(b'token').digest())}" if len(token) >= _GUESSABLE else "#"


def _cached(entry: Mapping[str, object]) -> bool:
    """Whether the answer comes from the client's cache.

    Reference: front_end/models/har/Log.ts of Chrome; HAR.js of WebKit (`_fetchType`); har-builder.js of Firefox
    (`afterRequest` of what comes from the cache only).
    """
    fetched = entry.get("_fetchType")
    return (
        bool(entry.get("_fromCache"))
        or (isinstance(fetched, str) and "Cache" in fetched)
        or "afterRequest" in _object(entry, "cache")
    )


def _posted(request: Mapping[str, object]) -> dict[str, object]:
    """The fields of what was sent, a form or a JSON object."""
    data = _object(request, "postData")
    text = data.get("text")
    fields: dict[str, object] = dict(_pairs(data.get("params")))
    if not isinstance(text, str) or len(text) > _MOST:
        return fields
    inner = _json(text)
    if isinstance(inner, dict):
        return fields | inner
    if isinstance(inner, list) and inner and isinstance(inner[0], dict):
        return fields | inner[0]  # GraphQL: several operations in one request
    return dict(parse_qsl(text, max_num_fields=None)) | fields if "=" in text[:200] and "\n" not in text else fields


def _json(text: str) -> object:
    if not text.lstrip("\ufeff \t\r\n").startswith(("{", "[")):
        return None
    try:
        return json.loads(text.lstrip("\ufeff"))
    except (ValueError, RecursionError):
        return None


def _content(response: Mapping[str, object]) -> object:
    """The answer: JSON as what it is, else its text; None where the recording hasn't it, or it is large."""
    content = _object(response, "content")
    text = content.get("text")
    if not isinstance(text, str) or not 0 < len(text) <= _MOST:
        return None
    if content.get("encoding") == "base64":
        try:
            text = base64.b64decode(text, validate=False).decode("utf-8")
        except (binascii.Error, ValueError):
            return None
    parsed = _json(text)
    return text if parsed is None else parsed


def _grant(body: Mapping[str, object], path: str) -> str | None:
    """What is asked of a token endpoint: a refresh is told from a login by it, whatever the path."""
    if (given := _word(body.get("grant_type"))) is not None:
        return given
    flow = _text(body.get("AuthFlow"))
    if flow is not None:
        return _FLOWS.get(flow, "password")
    sent = _token(body, _REFRESH_TOKENS)
    return "refresh_token" if sent is not None and not _NO_REFRESH.search(path) else None


def _token(body: object, names: Iterable[str]) -> str | None:
    """The first value of these names, at the top or in what usually holds tokens."""
    if not isinstance(body, dict):
        return None
    for holder in (body, *(body[name] for name in _HOLDERS if isinstance(body.get(name), dict))):
        for name in names:
            if (found := _text(holder.get(name))) is not None:
                return found
    return None


def _reason(status: int | None, answer: object) -> str | None:
    """What an answer says about a refusal. GraphQL refuses with 200 and `errors`."""
    refused = status is not None and status >= 400
    if not refused and not (isinstance(answer, dict) and isinstance(answer.get("errors"), list)):
        return None
    if isinstance(answer, str):
        plain = "<" not in answer and len(answer) <= _LONGEST
        return answer.strip() or None if plain else None
    return ": ".join(dict.fromkeys(_said(answer, _DEEPEST)))[:_LONGEST] or None


def _said(answer: object, deeper: int) -> Iterator[str]:
    """The texts of an error, the code before its description."""
    if isinstance(answer, str):
        if text := answer.strip():
            yield text
    elif isinstance(answer, list) and deeper:
        for one in answer[:3]:
            yield from _said(one, deeper - 1)
    elif isinstance(answer, dict) and deeper:
        for name in ("errors", "extensions", *_SAYS, *_SAYS_TOO):
            yield from _said(answer.get(name), deeper - 1)
