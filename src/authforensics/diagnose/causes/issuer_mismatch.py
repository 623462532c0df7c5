"""`issuer_mismatch`: tokens carry another issuer than the verifier expects.

Deciding: the verifier says so. Without its word the pattern is that of a wrong key, refused when new, so it does not
carry. Whether tokens of a login are accepted tells the refresh request from the verifier's configuration; a single app
version is a build of another environment.
Sequence:
    10:00:00  12 phones  login_ok    2 s apart
    10:00:05  12 phones  api_ok      2 s apart
    10:10:00  12 phones  refresh_ok  2 s apart
    10:10:01  12 phones  api_denied  2 s apart issuer_mismatch
    10:11:00  12 phones  refresh_ok  2 s apart
    10:11:01  12 phones  api_denied  2 s apart issuer_mismatch
    10:12:00  12 phones  login_ok    2 s apart
    10:12:01  12 phones  api_ok      2 s apart
Look-alikes: `signing_key_mismatch`, where the log gives no reason; `audience_mismatch`.
References: RFC 7519 section 4.1.1; RFC 8725 section 3.8; auth0/docs#5199.
Pathologies: 1.2, questions 6 and 7; A3, A7.
"""

from __future__ import annotations

from authforensics.diagnose import claims_expected
from authforensics.diagnose.case import Case
from authforensics.diagnose.cause import Cause, Judgement
from authforensics.schema import Reason


def _judge(case: Case) -> Judgement:
    return claims_expected.judge(case, Reason.ISSUER_MISMATCH)


CAUSE = Cause(
    name="issuer_mismatch",
    title="Tokens are from another issuer than the verifier expects",
    check=(
        "Decode one refused token and compare iss with what the verifier is configured to expect, letter by letter:"
        " scheme, port, trailing slash, realm, the name inside and outside of the cluster; staging or production."
    ),
    remediation=(
        "Give issuer and verifier one public URL. While it changes, accept both. If one app version only is refused, it"
        " was built for another environment."
    ),
    weights=claims_expected.weights("issuer"),
    judge=_judge,
    needs=("reason",),
    for_all=True,
)
