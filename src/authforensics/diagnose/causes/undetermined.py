"""`undetermined`: the log does not carry a cause; says what to log so that next time it does.

Never weighed against the others: it stands first where no other cause carries.
"""

from __future__ import annotations

from authforensics.diagnose.case import Case
from authforensics.diagnose.cause import Cause, Judgement


def _judge(case: Case) -> Judgement:
    found = Judgement()
    if not case.reason_counts:
        found.missing.append(
            "why calls are refused: log the verifier's error with the request id, or in nginx"
            " $sent_http_www_authenticate"
        )
    if not case.denials["traced"].all():
        found.missing.append(
            "request ids in both logs (nginx: $request_id, passed on as X-Request-Id): they tie a refusal to its reason"
        )
    if not case.denials["timed"].all():
        found.missing.append("request durations (nginx: $request_time): they tell a straggler from a refused new token")
    if case.denials["upstream"].null_count():
        found.missing.append("the upstream (nginx: $upstream_addr): it tells one bad instance from all")
    found.missing.append("the claims iat, exp, kid and iss of refused tokens, and a fingerprint, never the token")
    return found


CAUSE = Cause(
    name="undetermined",
    title="The cause is not clear from the log",
    check=(
        "Decode one refused token offline and compare its times, issuer, audience and key id with what the verifier"
        " expects."
    ),
    remediation="Add what is missing to the logs, then run this again on the next hour of them.",
    weights={},
    judge=_judge,
    spares=True,
)
