"""`token_replayed`: somebody else uses a session: its token or refresh token was copied.

Deciding: nothing in a log. One session used by turns from two addresses with two user agents is a copied token, or a
restored backup (RFC 9700, section 4.14.2: nobody can tell an attacker from the client), so the confidence stays at
medium. A second client of another kind points to a copy of the token, one of the same version to a copy of the device.
Sequence:
    10:00:00  id-1  login_ok  from=192.0.2.7 ua=A platform=ios
    10:00:20  id-1  api_ok    9x every 40 s from=192.0.2.7 ua=A platform=ios
    10:05:00  id-1  api_ok    9x every 40 s from=192.0.2.99 ua=B
Look-alikes: `cloned_device_state`; a network hand-over, one proxy for many, server-side rendering.
References: RFC 9700 sections 2.2 and 4.14.2; supertokens-core#55.
Pathologies: H4; 1.4, D5 or H4.
"""

from __future__ import annotations

from authforensics.diagnose import copies
from authforensics.diagnose.case import Case
from authforensics.diagnose.cause import Cause, Judgement, Weight
from authforensics.diagnose.wording import plural

_WEIGHTS = {
    "two_places": Weight(3.0, "sessions are used by turns from two addresses with two user agents"),
    "other_client": Weight(2.0, "the second one is no copy of the app: it has another platform or version, or none"),
    "few_tokens": Weight(0.5, "few sessions of a large fleet: they were picked, or leaked one by one"),
    "same_client": Weight(-2.0, "both are the same version of the app: a copied device looks so"),
    "not_shared": Weight(-5.0, "most affected sessions are used from one place"),
}


def _few(case: Case, shared: set[str], found: Judgement) -> None:
    if len(shared) < 0.1 * case.active:
        found.speaks_for("few_tokens", 1.0, f"{len(shared):,} of {plural(case.active, 'active device')}")


def _judge(case: Case) -> Judgement:
    return copies.judge(case, copied=False, more=_few)


CAUSE = Cause(
    name="token_replayed",
    title="Sessions are used from a second place: a copied token, or a copied device",
    check=(
        "Ask two of the users which devices they have. Look up the second address (hosting provider, country, VPN) and"
        " what it called. A new phone or a restored backup on that day means a copied device."
    ),
    remediation=(
        "If nobody knows the second place: end these sessions with all their refresh tokens, and look where tokens leak"
        " (logs, addresses, a stolen backup). Bind tokens to the client (DPoP, mTLS)."
    ),
    weights=_WEIGHTS,
    judge=_judge,
)
