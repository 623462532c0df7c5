"""`cached_denial`: a cache or proxy answers with a stored refusal, without asking the service.

Deciding: the refusals came from no upstream while accepted calls did: whatever answered was not what verifies tokens. A
gateway that checks tokens itself refuses so as well, so a reason that names the token, or tokens refused on every path,
speak against; confidence stays at medium unless other tokens pass on the same paths.
Sequence:
    10:00:00  8 phones  login_ok    1 s apart upstream=a
    10:00:05  8 phones  api_ok      1 s apart, 14x every 60 s upstream=a
    10:03:10  8 phones  api_denied  1 s apart, 6x every 3 s /api/news
    10:03:40  8 phones  refresh_ok  1 s apart upstream=a
    10:03:42  8 phones  api_denied  1 s apart /api/news  # from no upstream
    10:05:10  8 phones  api_denied  1 s apart, 6x every 3 s /api/news
    10:05:40  8 phones  refresh_ok  1 s apart upstream=a
    10:05:42  8 phones  api_denied  1 s apart /api/news
Look-alikes: a gateway that verifies tokens itself; `permission_answered_401`, which an upstream answers.
References: RFC 9111 section 3.5.
Pathologies: G5.
"""

from __future__ import annotations

import polars as pl

from authforensics.diagnose.case import Case
from authforensics.diagnose.cause import Cause, Judgement, Weight
from authforensics.diagnose.pieces import FEW, LOG_UPSTREAM, returned
from authforensics.diagnose.wording import plural
from authforensics.states import AuthEvent

_WEIGHTS = {
    "no_upstream": Weight(3.0, "the refusals came from no upstream, accepted calls did", decides=True),
    "reads": Weight(0.5, "only reads are refused: those are cached"),
    "good_token": Weight(2.0, "the refused tokens are accepted on other paths, or again later"),
    "upstream": Weight(-4.0, "an upstream answered the refused calls"),
    "writes": Weight(-2.0, "writes are refused as well: no cache answers them"),
    "token_fault": Weight(-3.0, "the answer names a fault of the token: something looked at it"),
}


def _judge(case: Case) -> Judgement:
    found = Judgement()
    calls = case.meanwhile.upstreams
    known = int(calls.filter(pl.col("upstream").is_not_null())["total"].sum())
    refused = case.denials.filter(pl.col("auth_event") == AuthEvent.API_DENIED.value)
    direct = refused["upstream"].null_count()
    if not known or not refused.height:
        if not known:
            found.missing.append(LOG_UPSTREAM)
        return found
    without = int(calls.filter(pl.col("upstream").is_null())["total"].sum())
    if direct >= FEW and direct > 0.5 * refused.height and without <= 2 * direct:
        found.speaks_for(
            "no_upstream",
            direct / refused.height,
            f"{direct:,} of {plural(refused.height, 'refusal')} came from no upstream; {known:,} other calls did",
        )
    else:
        found.speaks_against("upstream", 1.0, f"an upstream answered {refused.height - direct:,} of the refused calls")
        return found
    _calls(case, refused, found)
    return found


def _calls(case: Case, refused: pl.DataFrame, found: Judgement) -> None:
    writes = refused.filter("write").height
    if writes > 0.1 * refused.height:
        found.speaks_against("writes", 1.0, f"{writes:,} of them are writes")
    else:
        found.speaks_for("reads", 1.0, f"{refused.height - writes:,} of them are reads")
    back, total = returned(case)
    good = max(back.height, case.tokens.filter(pl.col("elsewhere") > 0).height)
    if total and good >= FEW:
        found.speaks_for(
            "good_token", good / total, f"{good:,} of {plural(total, 'refused token')} were accepted meanwhile"
        )
    direct = refused.filter(pl.col("upstream").is_null())
    told = direct["reason"].count()
    if told:
        found.speaks_against(
            "token_fault", min(2 * told / direct.height, 1.0), f"{told:,} of {direct.height:,} of them state a reason"
        )


CAUSE = Cause(
    name="cached_denial",
    title="A cache answers with a stored refusal",
    check="Look at Age and X-Cache of a refused answer, and whether the service's own log has the request at all.",
    remediation=(
        "Purge the cache. Send Cache-Control: no-store with every 401 and every answer that depends on who asks, and"
        " let shared caches pass requests with Authorization or a session cookie."
    ),
    weights=_WEIGHTS,
    judge=_judge,
)
