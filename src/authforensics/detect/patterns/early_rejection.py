"""`early_rejection`: a token just given is refused, and accepted later without another refresh.

What it sees: the first use of a token refused (stragglers skipped), then the same call of the same device accepted with
that token, within the time that clocks or replicas may lag. Faults that don't heal by waiting (a key, an audience) and
tokens in a loop are none of this.
Evidence: `login_ok|refresh_ok, api_denied, api_ok`: what gave the token, its refusal and its acceptance, of the first
two tokens and the last.
Sequence:
    10:15:00  phone  api_denied  token_expired
    10:15:01  phone  refresh_ok
    10:15:02  phone  api_denied  not_yet_valid  # the new token
    10:15:32  phone  api_ok      # the same token, half a minute later
Why it matters: the token becomes good by waiting: a clock is off, or the verifier reads from a replica that is behind.
Clients that refresh or log out at once make a loop of it.
False positives: a call that was sent before the answer to the refresh was there (a straggler: its repetition, accepted
within a round trip, shows it; where no duration is logged, a refusal must come later than calls take); a client that
sends one more call with the old token looks the same.
At the log's edges: a token given before the log began is not judged; one that nothing was accepted with is none.
Check: the clocks of issuer and verifier (`date` on both hosts); whether refusals come in the first seconds of a token
only, and how far the replica is behind that the verifier reads.
Remediation: synchronise clocks and allow some leeway; read new tokens from the primary.
References: RFC 7519 sections 4.1.4 to 4.1.6; ory/hydra#176; IdentityServer/IdentityServer4#1298.
Pathologies: A4, B5; A2.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from authforensics.detect.detector import Detector, Limits, Threshold, as_observed
from authforensics.detect.runs import NAMES, changed, drafts, is_event, occurrences, one_of, seconds, tick
from authforensics.findings import duration
from authforensics.schema import Reason, Sessions
from authforensics.states import AuthEvent

_TOKEN = ["device", "grant", "route"]
#: A tick of the clocks that tell milliseconds, in seconds, and half of one for what is rounded.
_TICK = 0.0015
#: Faults that waiting doesn't heal: a key, an audience, a token that is none.
_LASTING = [
    *(Reason.SIGNATURE_INVALID.value, Reason.KEY_NOT_FOUND.value, Reason.ALGORITHM_REJECTED.value),
    *(Reason.AUDIENCE_MISMATCH.value, Reason.ISSUER_MISMATCH.value, Reason.MALFORMED.value),
]


def _observe(sessions: Sessions, limits: Limits) -> pl.DataFrame:
    rows = _lags(sessions.events, limits)
    runs = occurrences(rows, limits["max_pause"], longest=pl.col("age").max())
    return drafts(
        runs.with_columns(ongoing=pl.lit(value=False)),
        tokens=pl.col("count"),
        longest=pl.col("longest"),
        seconds=seconds(),
    )


def _lags(events: pl.DataFrame, limits: Limits) -> pl.DataFrame:
    """Tokens refused first and accepted then, as `occurrences` wants them; `age` of the token when it was accepted."""
    # A call sent in the very tick in which the token was given may have been sent with the one before it; a clock that
    # tells seconds only has such a rejection only where nothing was accepted soon after it.
    lasted = (pl.col("timestamp") - pl.col("started_at")).dt.total_microseconds() / 1e6
    later = (
        pl.when("timed")
        .then((tick() >= 1) | (pl.col("age") - lasted > _TICK))
        .otherwise(pl.col("age") > limits["min_age"])
    )
    soon = pl.col("age") <= limits["max_lag"]
    refused = events.select(
        *_TOKEN, *NAMES, "grant_row", "row", "timestamp", "reason", "episode", "age", "timed", "clock", "started_at"
    ).filter(events["rejection"])
    # Where a token before it was refused, too, and nothing accepted since, it is the end of a loop.
    first = changed("device", "episode")
    refused = refused.filter(first & later & soon & ~one_of("reason", _LASTING))
    refused = refused.drop("age", "episode", "timed", "clock", "started_at")
    suspects = pl.col("device").is_in(refused["device"].unique().implode())
    accepted = is_event(AuthEvent.API_OK) & suspects & soon
    sent = pl.when("timed").then("started_at").otherwise("timestamp")
    granted = (
        events.select(*_TOKEN, "age", accepted="row", until="timestamp", sent=sent, exact=tick())
        .filter(events.select(accepted).to_series())
        .unique(_TOKEN, keep="first", maintain_order=True)
    )
    waited = (pl.col("sent") - pl.col("timestamp")).dt.total_microseconds() / 1e6
    both = refused.join(granted, on=_TOKEN, maintain_order="left")
    return both.filter(waited >= limits["min_wait"] + pl.col("exact")).select(
        *("device", *NAMES, "reason", "age"),
        began="timestamp",
        timestamp="until",
        lines=pl.concat_list("grant_row", "row", "accepted"),
    )


def _describe(measures: Mapping[str, float]) -> str:
    often = f"{measures['tokens']:.0f} new tokens were" if measures["tokens"] > 1 else "a new token was"
    over = f" over {duration(measures['seconds'])}" if measures["tokens"] > 1 else ""
    return f"{often} refused at first{over} and accepted later, after {duration(measures['longest'])} at most"


DETECTOR = Detector(
    name="early_rejection",
    title="A new token is refused at first and accepted later",
    severity=2,
    thresholds=(
        Threshold("max_lag", 300, "s", "the largest tolerance for clocks that products ship: 300 s (Microsoft)"),
        Threshold("min_wait", 0.5, "s", "derived: what was sent with the old token is repeated within a round trip"),
        Threshold("min_age", 10, "s", "derived: where no duration is logged, a call may take that long to be refused"),
        Threshold(
            "max_pause", 7200, "s", "the longest of the usual access lifetimes (Doorkeeper): tokens come as often"
        ),
    ),
    observe=_observe,
    conclude=as_observed,
    describe=_describe,
)
