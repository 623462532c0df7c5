"""`malformed_header`: clients send something that is no token: `undefined`, `null`, two schemes, half a token.

Deciding: the server says malformed, of some devices, while others are accepted on the same routes. Where all are
refused so from one instant, the service expects another kind of token now, or something on the way cuts them.
Sequence:
    10:00:00  12 phones  login_ok    2 s apart
    10:00:05  12 phones  api_ok      2 s apart, 60x every 60 s
    10:01:00  12 pads    login_ok    2 s apart
    10:01:05  12 pads    api_denied  2 s apart malformed
    10:01:06  12 pads    refresh_ok  2 s apart, 20x every 30 s
    10:01:07  12 pads    api_denied  2 s apart, 20x every 30 s malformed
Look-alikes: `wrong_scheme`, of which the server sees no token at all; scanners, who never had a session.
References: RFC 6750 section 2.1; RFC 7515 section 7.1.
Pathologies: G1.
"""

from __future__ import annotations

from authforensics.diagnose.case import Case
from authforensics.diagnose.cause import Cause, Judgement, Weight
from authforensics.diagnose.pieces import FEW, accepted_there, confined_to_clients, says
from authforensics.diagnose.wording import plural
from authforensics.schema import Reason

_WEIGHTS = {
    "reason": Weight(3.0, "the server could not read what was sent as a token", decides=True),
    "others": Weight(2.0, "others are accepted on the same routes"),
    "fresh": Weight(1.0, "tokens just given are refused so: they have not expired"),
    "clients": Weight(1.0, "they have a version or platform in common"),
    "everybody": Weight(-3.0, "hardly anybody is accepted on these routes: it may be the service, or a proxy"),
    "other_reason": Weight(-4.0, "the server names another fault"),
}


def _judge(case: Case) -> Judgement:
    found = Judgement()
    if not case.api_share_of(Reason.MALFORMED):
        return found
    says(case, found, [Reason.MALFORMED])
    accepted, total = accepted_there(case)
    words = f"{accepted:,} of {plural(total, 'call')} on the same routes were accepted meanwhile"
    if accepted > 0.1 * total:
        found.speaks_for("others", 1.0, words)
    else:
        found.speaks_against("everybody", 1.0, words)
    fresh = case.denials.filter("rejection")["device_id"].n_unique()
    if fresh >= FEW:
        found.speaks_for("fresh", 1.0, f"{plural(fresh, 'device')} were refused so with a token just given")
    confined_to_clients(case, found, "clients")
    return found


CAUSE = Cause(
    name="malformed_header",
    title="Clients send something that is no token",
    check=(
        "Log the shape of what is sent, never the token: its length, its number of dots, whether it is null or"
        " undefined. Look where that client reads the token before its login has stored one."
    ),
    remediation=(
        "Let the client check that it has a token before it calls, and go to the login where it has none. Until the fix"
        " is out, tell its users to log out and in again."
    ),
    weights=_WEIGHTS,
    judge=_judge,
)
