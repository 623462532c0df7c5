"""`undetermined`: the log does not carry a cause; says what to log so that next time it does.

Deciding: nothing: it is never weighed against the others and stands first where no other cause carries. It says what to
log so that next time one does.
Sequence:
    10:00:00  3 phones  api_ok      600 s apart
    10:30:00  3 phones  api_denied  600 s apart, 3x every 60 s
    10:00:00  other     api_ok
    11:30:00  3 others  api_ok
Look-alikes: every cause whose deciding observation is not in the log.
References: nginx: $request_id, $sent_http_www_authenticate, $upstream_addr, $request_time.
Pathologies: 8.
"""

from __future__ import annotations

import polars as pl

from authforensics.diagnose.case import Case
from authforensics.diagnose.cause import Cause, Judgement
from authforensics.diagnose.pieces import LOG_CLIENT, LOG_REASON, LOG_UPSTREAM

#: What refusals should say, and how to make them.
_WANTED = {
    "reasons": LOG_REASON,
    "ids": "request ids in both logs (nginx: $request_id, passed on as X-Request-Id): they tie a refusal to its reason",
    "durations": "request durations (nginx: $request_time): they tell a straggler from a refused new token",
    "upstreams": LOG_UPSTREAM,
}
#: Where more of the refusals do, it would not help to ask for it.
_ENOUGH = 0.5


def _judge(case: Case) -> Judgement:
    found = Judgement()
    told = case.denials.select(
        reasons=pl.col("reason").is_not_null().mean(),
        ids=pl.col("traced").mean(),
        durations=pl.col("timed").mean(),
        upstreams=pl.col("upstream").is_not_null().mean(),
    ).row(0, named=True)
    for name, words in _WANTED.items():
        if told[name] < _ENOUGH:
            found.missing.append(words)
    if case.crowded:
        found.missing.insert(0, LOG_CLIENT)
    found.missing.append(
        "of refused tokens alg and kid, the claims iss, aud, iat and exp, and a fingerprint, never the token itself"
    )
    return found


CAUSE = Cause(
    name="undetermined",
    title="The cause is not clear from the log",
    check=(
        "Does a fresh login help an affected device? Does every instance refuse the same request? Decode one refused"
        " token offline and compare its times, issuer, audience and key id with what the verifier expects. What was"
        " deployed or restarted just before the onset? (If a log or --deploys names it, it is told here.)"
    ),
    remediation=(
        "Change nothing on a guess: a new key or revoked sessions lock out those who are well. If something was"
        " deployed just before the onset, roll it back and see whether refusals stop. Log what is named below and run"
        " this again on the next hour."
    ),
    weights={},
    judge=_judge,
    spares=True,
)
