"""`header_too_large`: requests of some users are refused because token or cookies make their header too large.

Deciding: the status says so (431, or nginx's 494), for some users on every route, while others are accepted there.
A limit that was lowered hits many at once; a token that grows with its user's roles hits those who have many.
Sequence:
    09:00:00  20 phones  login_ok  30 s apart
    09:00:05  20 phones  api_ok    30 s apart, 30x every 300 s
    09:00:15  6 admins   login_ok  30 s apart
    09:00:20  6 admins   api_ok    30 s apart, 18x every 300 s
    10:35:00  6 admins   ignored   30 s apart, 12x every 60 s 431
Look-alikes: none that says 431; a 400 for the same reason cannot be told from others without the proxy's error log.
References: RFC 6585 section 5; AzureAD/microsoft-authentication-library-for-js#3291; keycloak/keycloak#13956.
Pathologies: G3.
"""

from __future__ import annotations

import polars as pl

from authforensics.diagnose.case import Case
from authforensics.diagnose.cause import Cause, Judgement, Weight
from authforensics.diagnose.pieces import DEPLOY, deployed
from authforensics.diagnose.wording import plural
from authforensics.schema import TOO_LARGE

_WEIGHTS = {
    "status": Weight(3.0, "the status says that the header is too large", decides=True),
    "others": Weight(1.0, "others are accepted: it is what these users' tokens or cookies hold"),
    "deploy": DEPLOY,
}


def _judge(case: Case) -> Judgement:
    found = Judgement()
    large = case.denials.filter(pl.col("status").is_in(TOO_LARGE))
    if large.is_empty():
        return found
    statuses = " or ".join(map(str, large["status"].unique().sort().to_list()))
    found.speaks_for(
        "status",
        large.height / case.denials.height,
        f"{large.height:,} of {plural(case.denials.height, 'refusal')} have status {statuses}",
    )
    others = case.active - len(case.devices)
    if case.accepted and others > 0:
        found.speaks_for(
            "others", others / case.active, f"{others:,} of {plural(case.active, 'active device')} are not refused so"
        )
    deployed(case, found)
    found.missing.append("the size of the request's header (nginx: $request_length): it tells how far over the limit")
    return found


CAUSE = Cause(
    name="header_too_large",
    title="Requests are refused because token or cookies make their header too large",
    check=(
        "Look at how long one such user's token and cookies are, and what fills them: roles, groups, cookies that were"
        " never deleted. Compare with the limits of every proxy and server on the way (often 8 or 16 KiB)."
    ),
    remediation=(
        "Raise the limit for now (nginx: large_client_header_buffers; Node: --max-http-header-size). Then take lists of"
        " roles and groups out of the token, and delete cookies that nobody reads."
    ),
    weights=_WEIGHTS,
    judge=_judge,
    for_all=True,
)
