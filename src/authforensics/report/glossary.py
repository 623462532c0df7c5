"""What the words of a report mean: states, auth events, reasons, kinds of endpoints, severity, confidence, phases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from authforensics.findings import Confidence, Severity
from authforensics.schema import EndpointClass, Reason
from authforensics.states import MEANING, AuthEvent, AuthState


@dataclass(frozen=True)
class Word:
    """A word in the fixed parts that `explain` shows: what it means, what it is taken for, what to do about it."""

    means: str
    look_alikes: str = ""
    check: str = ""
    fix: str = ""
    references: str = ""


def _state(state: AuthState, look_alikes: str, check: str, fix: str, references: str = "RFC 6750 section 3.1") -> Word:
    return Word(MEANING[state], look_alikes, check, fix, references)


_NOTHING = "Nothing: this is as it should be."

STATES: Mapping[AuthState, Word] = {
    AuthState.UNKNOWN: _state(
        AuthState.UNKNOWN,
        "A device that is logged out: nothing in the log says so, and nothing is assumed.",
        "Does the log begin later than the sessions? Read the older files of the rotation, too.",
        _NOTHING,
        "none",
    ),
    AuthState.ANONYMOUS: _state(
        AuthState.ANONYMOUS,
        "A header that a proxy strips, or a cookie that is gone: those devices had a session before.",
        "Did the device log in before, and does it refresh? Then it had a credential to send.",
        "Nothing for visitors. Else pass the Authorization header on, and let the cookie outlive its token.",
        "RFC 6750 section 3.1; RFC 3875 section 4.1.18",
    ),
    AuthState.AUTHENTICATED: _state(
        AuthState.AUTHENTICATED,
        "A path that asks for no credential answers everybody: such paths are told apart by what they refuse.",
        "Does the path refuse calls without a credential?",
        _NOTHING,
    ),
    AuthState.CHALLENGED: _state(
        AuthState.CHALLENGED,
        "A missing permission that is answered with 401: the token is good on other paths.",
        "How old was the token, and does a refresh follow? Once per lifetime of the token is ordinary.",
        "Refresh once, then try the refused call once more.",
    ),
    AuthState.REFRESHED: _state(
        AuthState.REFRESHED,
        "Recovery: a granted refresh proves nothing until a call is accepted with the new token.",
        "What becomes of the first call with the new token?",
        _NOTHING,
        "RFC 6749 section 6",
    ),
    AuthState.REJECTED: _state(
        AuthState.REJECTED,
        "A straggler: a call sent before the refresh was answered and refused with the old token says nothing.",
        "Verify one refused token by hand: signature, issuer, audience, times. Does a token from a login work?",
        "See the root cause. Clients: refresh once, still refused, then show the login screen.",
    ),
    AuthState.REFRESH_DENIED: _state(
        AuthState.REFRESH_DENIED,
        "A refresh that got no answer (5xx, 429, timeout) is no refusal: `refresh_pending`.",
        "Read the error of the refused refresh: expired, used before, revoked, or about the client itself?",
        "Show the login screen; do not send the refresh again.",
        "RFC 6749 section 5.2",
    ),
    AuthState.REFRESH_PENDING: _state(
        AuthState.REFRESH_PENDING,
        "A refused refresh, which is a verdict; this is none.",
        "What answered instead of the refresh endpoint? Did a deploy, a limit or an outage fall into that minute?",
        "Keep the session and try again later, with a growing pause.",
        "RFC 9110 section 15.6; RFC 6585 section 4",
    ),
    AuthState.ZOMBIE: _state(
        AuthState.ZOMBIE,
        "Bots and monitors, which never had a session.",
        "How long has it gone on, and how many of the refused calls were writes? Those data are lost.",
        "Clients: at a refused refresh stop, drop or queue writes, and show the login screen.",
        "RFC 6749 section 5.2; sample_logs/incident-1-secret-mismatch",
    ),
    AuthState.LOGGED_OUT: _state(
        AuthState.LOGGED_OUT,
        "A refused refresh, after which many clients log out by themselves.",
        "Did the user ask for it, or did the client after a failure (`premature_logout`)?",
        _NOTHING,
        "RFC 7009",
    ),
}

EVENTS: Mapping[AuthEvent, Word] = {
    AuthEvent.LOGIN_OK: Word("A login was granted: a new session, a new token."),
    AuthEvent.LOGIN_DENIED: Word("A login was refused: a wrong password, a locked account, a stranger."),
    AuthEvent.REFRESH_OK: Word("A refresh was granted: a new token, which nothing has proven yet."),
    AuthEvent.REFRESH_DENIED: Word(
        "A refresh was refused by a verdict (400 invalid_grant, 401, 403): a login is due.",
        references="RFC 6749 section 5.2",
    ),
    AuthEvent.REFRESH_FAILED: Word(
        "A refresh got no verdict (5xx, 429, 408, 499, timeout): the refresh token may be as good as before."
    ),
    AuthEvent.API_OK: Word(
        "A call passed authentication. 404 or 422 after it count as well: somebody looked at the request itself."
    ),
    AuthEvent.API_DENIED: Word(
        "A call was refused for its token: 401, or 400, 403, 419, 422 with a reason that names the token.",
        references="RFC 6750 section 3.1",
    ),
    AuthEvent.API_ANONYMOUS: Word("A call without any credential was refused, where the log can tell."),
    AuthEvent.FORBIDDEN: Word("403 that is no fault of the token: the user may not do that."),
    AuthEvent.LOGOUT: Word("The session was ended on request."),
    AuthEvent.IGNORED: Word(
        "Says nothing about the session: preflights, health checks, static files, challenge-response protocols,"
        " errors of the API (5xx)."
    ),
}

REASONS: Mapping[Reason, Word] = {
    Reason.SIGNATURE_INVALID: Word(
        "The signature does not fit the key that the verifier has.",
        check="Verify a refused token with each key that is configured.",
        references="RFC 7515 section 5.2",
    ),
    Reason.TOKEN_EXPIRED: Word("The access token has expired. Ordinary, once per lifetime.", references="RFC 7519"),
    Reason.REFRESH_EXPIRED: Word(
        "The refresh token, or the session, has expired.", check="Compare both lifetimes.", references="RFC 6749"
    ),
    Reason.REFRESH_REUSED: Word(
        "The refresh token had been used before: by a parallel refresh, after a lost answer, or by a thief.",
        check="How long before, from which address, and was the token that it gave ever used?",
        references="RFC 9700 section 4.14.2",
    ),
    Reason.REFRESH_REVOKED: Word("The refresh token was revoked, or is not known (any more)."),
    Reason.NOT_YET_VALID: Word(
        "The token begins to be valid in the verifier's future: two clocks differ.",
        check="Compare the clocks of issuer and verifier.",
        references="RFC 7519 section 4.1.5",
    ),
    Reason.MALFORMED: Word("It is no token: undefined, null, a part of one.", references="RFC 7515 section 7.1"),
    Reason.ALGORITHM_REJECTED: Word(
        "The verifier does not accept the algorithm of the signature.", references="RFC 8725 section 3.1"
    ),
    Reason.KEY_NOT_FOUND: Word(
        "The verifier does not know the key that the token names.",
        check="Compare the kid of a refused token with the keys that the verifier fetched last.",
        references="RFC 7515 section 4.1.4",
    ),
    Reason.AUDIENCE_MISMATCH: Word("The token is meant for another service.", references="RFC 7519 section 4.1.3"),
    Reason.ISSUER_MISMATCH: Word("The token is from another issuer.", references="RFC 7519 section 4.1.1"),
    Reason.MISSING_TOKEN: Word("The call carried no token.", references="RFC 6750 section 3.1"),
    Reason.REVOKED: Word("The token or its session was revoked, or is not known (any more)."),
    Reason.OTHER: Word(
        "A reason that is about no token: a permission, a quota, the client's own secret, the account, a policy."
    ),
}

CLASSES: Mapping[EndpointClass, Word] = {
    EndpointClass.LOGIN: Word("Takes a password, a code or the like, and begins a session."),
    EndpointClass.REFRESH: Word("Takes a refresh token and gives a new access token."),
    EndpointClass.TOKEN: Word(
        "Gives tokens for passwords, codes, refresh tokens or clients' secrets, where the log does not say which."
    ),
    EndpointClass.LOGOUT: Word("Ends the session."),
    EndpointClass.SESSION_CHECK: Word("Says whether there is a session; counts as the API."),
    EndpointClass.USERINFO: Word("Tells about the user of a token; counts as the API."),
    EndpointClass.INTROSPECT: Word(
        "Says whether a token is good; a 200 proves nothing.", references="RFC 7662 section 2.2"
    ),
    EndpointClass.API: Word("Asks for a valid token: what refuses some calls and grants others is taken for it."),
    EndpointClass.PUBLIC: Word("Answers everybody: proves nothing."),
    EndpointClass.PREFLIGHT: Word("A browser's OPTIONS before the call; it carries no credential."),
    EndpointClass.STATIC: Word("Files of a page."),
    EndpointClass.AUTHORIZE: Word("Where a browser is sent to log in."),
    EndpointClass.REVOKE: Word(
        "Revokes a token; answers 200 for unknown ones, too.", references="RFC 7009 section 2.2"
    ),
    EndpointClass.JWKS: Word("Publishes the keys that tokens are verified with, or where they are."),
    EndpointClass.CHALLENGE: Word("The first 401 is the protocol: registries, git, NTLM, Digest, WebDAV."),
    EndpointClass.PROBE: Word("Health checks."),
    EndpointClass.REGISTER: Word("Makes an account or a client."),
    EndpointClass.TICKET: Word("Gives a ticket for a socket or an event stream; asks for a valid token."),
}

SEVERITIES: Mapping[Severity, Word] = {
    Severity.CRITICAL: Word("Users are locked out or data are lost: a tenth of the active devices, or 20 of them."),
    Severity.HIGH: Word(
        "The same for three devices or more; or something less grave hits a tenth of the active devices."
    ),
    Severity.MEDIUM: Word("Something less grave hits three devices or more, or one device for over an hour."),
    Severity.LOW: Word("Noise, cost, or a single device."),
    Severity.NONE: Word("Nothing is wrong, or it is for information."),
}

CONFIDENCES: Mapping[Confidence, Word] = {
    Confidence.HIGH: Word(
        "A deciding observation (a reason in the log, two independent checks), and nothing weighty against it."
    ),
    Confidence.MEDIUM: Word("The pattern alone."),
    Confidence.LOW: Word("The devices are hard to tell apart, or the sample is small."),
}

PHASES: Mapping[str, Word] = {
    "refresh_denied": Word("Most of the affected devices have their refresh refused."),
    "refresh_ok_api_denied": Word("Refreshes succeed, and calls are refused with the new tokens."),
    "api_denied": Word("Calls are refused; nobody refreshes."),
    "recovering": Word("Some are accepted again, others not yet."),
    "recovered": Word("Those seen are accepted again."),
}
