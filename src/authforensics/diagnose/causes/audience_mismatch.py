"""`audience_mismatch`: tokens carry another audience than the verifier expects.

Deciding: the verifier says so. Without its word the pattern is that of a wrong key, refused when new, so it does not
carry. Whether tokens of a login are accepted tells the refresh request (it asks for less than the login did) from the
verifier's configuration; a single app version is a build of another environment.
Sequence:
    10:00:00  12 phones  login_ok    2 s apart
    10:00:05  12 phones  api_ok      2 s apart
    10:10:00  12 phones  refresh_ok  2 s apart
    10:10:01  12 phones  api_denied  2 s apart audience_mismatch
    10:11:00  12 phones  refresh_ok  2 s apart
    10:11:01  12 phones  api_denied  2 s apart audience_mismatch
    10:12:00  12 phones  login_ok    2 s apart
    10:12:01  12 phones  api_ok      2 s apart  # the login asks for the right one
Look-alikes: `signing_key_mismatch`, where the log gives no reason; `issuer_mismatch`.
References: RFC 7519 section 4.1.3; RFC 8725 section 3.9; openzim/zimfarm#2020; ory/fosite#331.
Pathologies: 1.2, questions 6 and 7; A3, A7.
"""

from __future__ import annotations

from authforensics.diagnose import claims_expected
from authforensics.diagnose.case import Case
from authforensics.diagnose.cause import Cause, Judgement
from authforensics.schema import Reason


def _judge(case: Case) -> Judgement:
    return claims_expected.judge(case, Reason.AUDIENCE_MISMATCH)


CAUSE = Cause(
    name="audience_mismatch",
    title="Tokens are for another audience than the verifier expects",
    check=(
        "Decode one token from a login and one from a refresh, and compare aud, scope and token type with what the"
        " verifier is configured to expect."
    ),
    remediation=(
        "Ask for the same audience or resource when refreshing as when logging in; or correct the audience that the"
        " verifier expects. Keep a test that calls each service with a refreshed token."
    ),
    weights=claims_expected.weights("audience"),
    judge=_judge,
    needs=("reason",),
    for_all=True,
)
