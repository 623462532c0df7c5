"""`header_stripped`: something between client and service drops the header that carries the token.

Deciding: the server says that it saw no token, on routes where hardly anybody is accepted, of devices that were just
given one and are accepted on other routes meanwhile. A user who is not logged in has no token; a client that sends it
wrongly was never accepted anywhere; a cookie that died is replaced by the next login.
Sequence:
    10:00:00  12 phones  login_ok       2 s apart
    10:00:05  12 phones  api_ok         2 s apart, 40x every 60 s /api/feed
    10:00:15  12 phones  api_ok         2 s apart, 10x every 60 s
    10:10:15  12 phones  api_anonymous  2 s apart, 30x every 60 s
    10:10:16  12 phones  refresh_ok     2 s apart, 30x every 60 s
    10:10:17  12 phones  api_anonymous  2 s apart, 30x every 60 s
Look-alikes: `wrong_scheme`, whose clients were never accepted; `cookie_expires_first`, which the next login heals.
References: RFC 3875 section 4.1.18; home-assistant/core#16306; tymondesigns/jwt-auth#1209.
Pathologies: G2, J2.
"""

from __future__ import annotations

import polars as pl

from authforensics.diagnose import calls
from authforensics.diagnose.case import Case
from authforensics.diagnose.cause import Cause, Judgement, Weight
from authforensics.diagnose.pieces import DEPLOY, FEW, accepted_there, deployed, granted_since, says
from authforensics.diagnose.wording import plural
from authforensics.schema import Reason

_WEIGHTS = {
    "reason": Weight(2.0, "the server saw no token"),
    "elsewhere": Weight(2.0, "the same devices are accepted on other routes meanwhile: they send one", decides=True),
    "nobody": Weight(1.5, "hardly anybody is accepted on the refused routes"),
    "before": Weight(1.0, "the routes were granted until then: clients send it as they did"),
    "fresh": Weight(1.0, "tokens just given are not seen either: nothing has expired"),
    "deploy": DEPLOY,
    "others": Weight(-3.0, "others are accepted on the same routes: it is these clients"),
    "never": Weight(-2.5, "the devices were never accepted on any route: they may send it wrongly, or not at all"),
    "other_reason": Weight(-4.0, "the server saw a token and names its fault"),
}


def _judge(case: Case) -> Judgement:
    found = Judgement()
    if not case.api_share_of(Reason.MISSING_TOKEN):
        return found
    says(case, found, [Reason.MISSING_TOKEN])
    of_device = case.calls.group_by("device_id").agg(
        pl.col("elsewhere").max(), granted=(pl.col("before") + pl.col("after")).sum()
    )
    elsewhere = of_device.filter(pl.col("elsewhere") > 0).height
    never = of_device.filter(pl.col("elsewhere") + pl.col("granted") == 0).height
    if elsewhere >= FEW:
        found.speaks_for(
            "elsewhere",
            min(2 * elsewhere / of_device.height, 1.0),
            f"{elsewhere:,} of {plural(of_device.height, 'device')} were accepted on other routes meanwhile",
        )
    if never > 0.5 * of_device.height:
        found.speaks_against(
            "never", never / of_device.height, f"{never:,} of {plural(of_device.height, 'device')} were never accepted"
        )
    accepted, total = accepted_there(case)
    words = f"{accepted:,} of {plural(total, 'call')} on the refused routes were accepted meanwhile"
    if accepted <= 0.1 * total:
        found.speaks_for("nobody", 1 - accepted / total if total else 0.0, words)
    else:
        found.speaks_against("others", min(2 * accepted / total, 1.0), words)
    earlier = calls.before(case.events, case.denials)
    if earlier >= FEW:
        found.speaks_for("before", 1.0, f"{plural(earlier, 'call')} on them were accepted before")
    granted_since(case, found, "fresh")
    deployed(case, found)
    return found


CAUSE = Cause(
    name="header_stripped",
    title="Something drops the header with the token before it reaches the service",
    check=(
        "Send one call with a token to the proxy and one straight to the service, and compare. Look for a route, a"
        " rewrite or a redirect that is new, and at proxy_set_header, CGIPassAuth and SetEnvIf of the refused routes."
    ),
    remediation=(
        "Pass the Authorization header on (nginx: proxy_set_header Authorization $http_authorization; Apache:"
        " CGIPassAuth On) on these routes, or undo the change of the proxy. Test it with every deploy of the proxy."
    ),
    weights=_WEIGHTS,
    judge=_judge,
    for_all=True,
)
