"""`wrong_scheme`: clients send their token where, or as, the service does not read it.

Deciding: the server says that it saw no token from the first call on, and never accepted one of these devices anywhere,
although it gives them tokens and accepts others on the same routes: `JWT x` or `Token x` for `Bearer x`, another
header's name, or nothing at all. A proxy that drops the header hits everybody on a route.
Sequence:
    10:00:00  12 phones    login_ok       2 s apart
    10:00:05  12 phones    api_ok         2 s apart, 60x every 60 s
    10:01:00  12 partners  login_ok       2 s apart
    10:01:05  12 partners  api_anonymous  2 s apart
    10:01:06  12 partners  refresh_ok     2 s apart, 20x every 30 s
    10:01:07  12 partners  api_anonymous  2 s apart, 20x every 30 s
Look-alikes: `header_stripped`, which refuses everybody on its routes; visitors, who have no token.
References: RFC 6750 section 2.1; RFC 9110 section 11.6.2.
Pathologies: G4.
"""

from __future__ import annotations

from authforensics.diagnose import calls
from authforensics.diagnose.case import Case
from authforensics.diagnose.cause import Cause, Judgement, Weight
from authforensics.diagnose.pieces import FEW, accepted_there, confined_to_clients, granted_since, says
from authforensics.diagnose.wording import plural
from authforensics.schema import Reason

_WEIGHTS = {
    "reason": Weight(2.0, "the server saw no token"),
    "never": Weight(2.5, "it never accepted one of these devices, on any route", decides=True),
    "fresh": Weight(1.0, "tokens just given are not seen either"),
    "others": Weight(2.0, "others are accepted on the same routes"),
    "clients": Weight(0.5, "they have a version or platform in common"),
    "worked": Weight(-4.0, "the devices are accepted at times: they send it as they should"),
    "nobody": Weight(-3.0, "hardly anybody is accepted on these routes: it may be the service, or a proxy"),
    "other_reason": Weight(-4.0, "the server saw a token and names its fault"),
}


def _judge(case: Case) -> Judgement:
    found = Judgement()
    if not case.api_share_of(Reason.MISSING_TOKEN):
        return found
    says(case, found, [Reason.MISSING_TOKEN])
    accepted_ever = calls.ever_accepted(case.grants, case.hit)
    devices, never = len(case.devices), len(case.devices) - accepted_ever
    if accepted_ever > 0.2 * devices:
        found.speaks_against(
            "worked", min(2 * accepted_ever / devices, 1.0), f"{plural(accepted_ever, 'device')} were accepted at times"
        )
    elif never >= FEW:
        found.speaks_for("never", never / devices, f"{never:,} of {plural(devices, 'device')} were never accepted")
    accepted, total = accepted_there(case)
    words = f"{accepted:,} of {plural(total, 'call')} on the same routes were accepted meanwhile"
    if accepted > 0.1 * total:
        found.speaks_for("others", 1.0, words)
    else:
        found.speaks_against("nobody", 1.0, words)
    granted_since(case, found, "fresh")
    confined_to_clients(case, found, "clients")
    return found


CAUSE = Cause(
    name="wrong_scheme",
    title="Clients send their token in a way that the service does not read",
    check=(
        "Look at the headers of one refused request: the name (Authorization), the scheme (Bearer) and that a token"
        " follows. Compare them with a request of a client that works."
    ),
    remediation=(
        "Correct the header in that client. Answer 401 with WWW-Authenticate: Bearer, so that its developers see at the"
        " first call what the service expects."
    ),
    weights=_WEIGHTS,
    judge=_judge,
)
