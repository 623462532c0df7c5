"""`silent_expiry`: sessions die at one age, and their clients never try to refresh.

What it sees: sessions that a login began, calls of which were accepted, then refused (or sent without a credential, the
cookie being gone), with no refresh at all, and not accepted again; the ages at which that happens are one value, as far
as pauses between calls let it be known, for nearly all such sessions of a system.
Evidence: `login_ok, api_denied|api_anonymous`: the login and the first refusal of its token, of the first three
sessions of the device.
Sequence:
    10:00:00  3 browsers  login_ok       40 s apart
    10:00:05  3 browsers  api_ok         40 s apart, 30x every 30 s
    10:15:05  3 browsers  api_anonymous  40 s apart  # no cookie, and no refresh
    10:17:00  3 browsers  login_ok       40 s apart
    10:17:05  3 browsers  api_ok         40 s apart, 30x every 30 s
    10:32:05  3 browsers  api_anonymous  40 s apart  # a quarter of an hour again
    10:40:00  3 browsers  login_ok       40 s apart
Why it matters: users are logged out once per access lifetime though a refresh token would have kept them in; in the log
it looks like people who are not logged in.
False positives: users who left (nothing is refused); programs that log in anew at every expiry; long sessions that end
by design; revocations, which come at any age.
At the log's edges: a session begun before the log has no age: its end counts where later ones of its device end so, and
others did as soon as they could since the log began; a refusal right at the end may still be refreshed.
Check: Max-Age of the cookie against the lifetime of its token, also in the answer to a refresh; is the refresh endpoint
ever called?
Remediation: let the cookie outlive the token it carries; refresh on a missing credential, too, where a session was.
References: RFC 6265 section 5.3; opendefender/OpenRisk#691; manifoldmarkets/manifold#671.
Pathologies: C6, C1's silent twin.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from authforensics.detect.detector import DRAFTS, Detector, Fleet, Limits, Threshold
from authforensics.detect.runs import NAMES, is_event, seconds, with_reason
from authforensics.findings import duration
from authforensics.schema import REASON, ROW, TEXT, TIMESTAMP, Sessions
from authforensics.states import AuthEvent

#: What is observed: one row a session that died, `lower` and `age` of its token when it was last accepted, first not;
#: both null where it had begun before the log.
_DEATH: dict[str, pl.DataType] = {
    "system": TEXT,
    "device_id": TEXT,
    "timestamp": TIMESTAMP,
    "lower": pl.Float64(),
    "age": pl.Float64(),
    "reason": REASON,
    "rows": pl.List(ROW),
}


def _observe(sessions: Sessions, limits: Limits) -> pl.DataFrame:
    events = sessions.events
    by_login = pl.col("granted_by") == AuthEvent.LOGIN_OK.value
    refused = events.filter(
        is_event(AuthEvent.API_DENIED, AuthEvent.API_ANONYMOUS) & by_login & (pl.col("age") <= limits["max_age"])
    ).unique(["device", "grant"], keep="first", maintain_order=True)
    tried = events.filter(
        pl.col("auth_event").is_in(
            [AuthEvent.REFRESH_OK.value, AuthEvent.REFRESH_DENIED.value, AuthEvent.REFRESH_FAILED.value]
        )
    ).select("device", "session")
    silent = refused.join(tried, on=["device", "session"], how="anti", maintain_order="left")
    unknown = (
        events.filter(is_event(AuthEvent.API_DENIED, AuthEvent.API_ANONYMOUS) & (pl.col("grant") == 0))
        .unique("device", keep="first", maintain_order=True)
        .join(tried, on=["device", "session"], how="anti", maintain_order="left")
        .with_columns(lower=pl.lit(None, pl.Float64), grant_row=pl.lit(None, ROW))
    )
    accepted = sessions.grants.filter(pl.col("last_accepted_age") > 0).select(
        *NAMES, "grant", lower="last_accepted_age"
    )
    dead = silent.join(accepted, on=[*NAMES, "grant"], maintain_order="left").filter(pl.col("lower") < pl.col("age"))
    dead = (
        pl.concat([dead, unknown.select(dead.columns)])
        .join(sessions.spans.select("system", "end"), on="system", how="left", maintain_order="left")
        .join(_logins(events), on=["device", "grant"], how="left", maintain_order="left")
    )
    later = (pl.col("end") - pl.col("timestamp")).dt.total_seconds() > limits["patience"]
    again = (pl.col("next_login") - pl.col("timestamp")).dt.total_microseconds() / 1e6 <= limits["by_itself"]
    return (
        dead.filter(later, ~again.fill_null(value=False))
        .select(
            *("system", "device_id", "timestamp", "lower", "age", "reason"), rows=pl.concat_list("grant_row", "row")
        )
        .cast(pl.Schema(_DEATH))
    )


def _logins(events: pl.DataFrame) -> pl.DataFrame:
    """When the device logged in after it held a token: `device`, `grant`, `next_login`."""
    return events.filter(is_event(AuthEvent.LOGIN_OK)).select("device", pl.col("grant") - 1, next_login="timestamp")


def _conclude(observed: pl.DataFrame, fleet: Fleet, limits: Limits) -> pl.DataFrame:
    named = observed.with_columns(pl.col(NAMES).cast(pl.String))
    deaths = named.filter(pl.col("age").is_not_null())
    ages = _common_age(deaths).join(deaths, on="system", how="right", maintain_order="right")
    held = (pl.col("lower") < pl.col("common")) & (pl.col("common") <= pl.col("age"))
    exact = pl.col("age") - pl.col("lower") <= limits["precision"] * pl.col("age")
    told = ages.with_columns(held=held, exact=exact).with_columns(
        hits=(pl.col("held") & pl.col("exact")).sum().over("system"), all=pl.col("exact").sum().over("system")
    )
    hit = told.filter(
        "held",
        pl.col("hits") >= limits["min_sessions"],
        pl.col("hits") >= limits["min_share"] * pl.col("all"),
    )
    runs = hit.group_by(NAMES, maintain_order=True).agg(
        devices=pl.lit(1, pl.UInt32),
        first_seen=pl.col("timestamp").first(),
        last_seen=pl.col("timestamp").last(),
        ongoing=pl.lit(value=False),
        count=pl.len().cast(pl.UInt32),
        rows=pl.col("rows").head(3).explode(),
        age=pl.col("common").first(),
        of_sessions=pl.col("hits").first(),
    )
    unknown = named.filter(pl.col("age").is_null()).select(*NAMES, began="timestamp")
    return _since_the_begin(with_reason(runs, hit, *NAMES), unknown, fleet).select(
        *DRAFTS.keys(),
        measures=pl.struct("age", "of_sessions", sessions=pl.col("count"), seconds=seconds()),
    )


def _since_the_begin(runs: pl.DataFrame, unknown: pl.DataFrame, fleet: Fleet) -> pl.DataFrame:
    """The same, those of a system in which it goes on since the log began from the end of the first session on.

    A session that begins with the log dies at the common age, at the earliest, and one more may pass until it is used.
    """
    begins = fleet.spans.select(pl.col("system").cast(pl.String), "begin")
    joined = runs.join(unknown, on=NAMES, how="left", maintain_order="left").join(
        begins, on="system", how="left", maintain_order="left"
    )
    waited = (pl.col("first_seen").min().over("system") - pl.col("begin")).dt.total_microseconds() / 1e6
    since = pl.when(waited <= 2 * pl.col("age")).then("began")
    return joined.with_columns(first_seen=pl.min_horizontal("first_seen", since)).drop("began", "begin")


def _common_age(deaths: pl.DataFrame) -> pl.DataFrame:
    """The age that lies between the last acceptance and the first refusal of most sessions, per system: `common`."""
    begins = deaths.select("system", at="lower", change=pl.lit(1))
    ends = deaths.select("system", at="age", change=pl.lit(-1))
    return (
        pl.concat([begins, ends])
        .sort("system", "at", "change", descending=[False, False, False])
        .with_columns(open=pl.col("change").cum_sum().over("system"), until=pl.col("at").shift(-1).over("system"))
        .sort("system", "open", "at", descending=[False, True, False])
        .unique("system", keep="first", maintain_order=True)
        .select("system", common=pl.col("until").round(3))
    )


def _describe(measures: Mapping[str, float]) -> str:
    times = f"{measures['sessions']:.0f} sessions" if measures["sessions"] > 1 else "the session"
    of = f"{measures['of_sessions']:.0f}"
    return f"{times} died {duration(measures['age'])} after the login, as {of} of the system did, with no refresh tried"


DETECTOR = Detector(
    name="silent_expiry",
    title="Sessions die at one age without a refresh",
    severity=1,
    thresholds=(
        Threshold("min_sessions", 5, "sessions", "derived: fewer may have one age by chance"),
        Threshold("min_share", 0.9, "of sessions", "derived: one spike, where revocations come at any age"),
        Threshold(
            "precision", 0.1, "of the age", "derived: ages of sessions that paused longer before they died prove little"
        ),
        Threshold(
            "max_age", 7200, "s", "the longest of the usual access lifetimes (Doorkeeper): later, it is a policy"
        ),
        Threshold("patience", 60, "s", "derived: clients refresh within a minute, if they do"),
        Threshold("by_itself", 5, "s", "derived: who logs in again sooner is a program and does so by design"),
    ),
    observe=_observe,
    conclude=_conclude,
    describe=_describe,
)
