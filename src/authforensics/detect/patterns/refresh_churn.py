"""`refresh_churn`: refreshes far more often than the lifetime of its tokens asks for.

What it sees: refreshes of one device in a row, each granted while nothing had been refused since the one before, with
tokens much younger than those that others use without harm; or more of them than any lifetime explains.
Evidence: `login_ok|refresh_ok`, which gave a token, then `refresh_ok`, which replaced it; of the first two and the
last.
Sequence:
    10:00:00  4 others  login_ok    1 s apart
    10:00:10  4 others  api_ok      1 s apart, 15x every 60 s  # as they can
    10:00:00  phone     login_ok
    10:01:00  phone     refresh_ok  10x every 30 s  # twice a minute
    10:01:01  phone     api_ok      10x every 30 s
Why it matters: load and cost for the server, and every rotation is a chance to lose the session.
False positives: calls side by side that each refresh (what follows the first of several within two seconds is no second
refresh); short lifetimes (the devices of a system are the measure: half of them were accepted with an older
token); several people behind one address (where nothing else tells devices apart, hardly any call may lie in between).
At the log's edges: nothing to consider, each pause between two refreshes stands for itself; at its end it is ongoing.
Check: how old tokens are when they are refreshed, compared with their lifetime; the client's clock; the margin by which
it refreshes early.
Remediation: refresh when the token is about to expire, not on every start, call or timer; mind the client's clock.
References: keycloak/keycloak#28312; the excessive refresh guard of Alamofire's AuthenticationInterceptor;
okta/okta-oidc-js#268.
Pathologies: E5.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import polars as pl

from authforensics.detect.detector import DRAFTS, Detector, Fleet, Limits, Threshold
from authforensics.detect.runs import (
    NAMES,
    changed,
    drafts,
    follows,
    is_event,
    occurrences,
    one_of,
    pair,
    seconds,
    tick,
    with_end,
)
from authforensics.detect.several import apart
from authforensics.findings import duration
from authforensics.schema import Sessions
from authforensics.states import GRACE_SECONDS, AuthEvent

_GRANTS = [AuthEvent.LOGIN_OK.value, AuthEvent.REFRESH_OK.value]
#: Calls made side by side refresh side by side: what comes so soon after the first of several is one of these.
_BESIDE = timedelta(seconds=GRACE_SECONDS)
_BEFORE = ("timestamp", "row", "auth_event", "episode")
#: Ages are counted in steps of five hundredths.
_STEP = 1.05


def _observe(sessions: Sessions, limits: Limits) -> pl.DataFrame:
    runs = occurrences(
        _early(sessions.events, limits),
        limits["max_pause"],
        interval=pl.col("interval").median(),
        calls=pl.col("calls").median(),
    ).filter(pl.col("count") >= limits["min_refreshes"])
    known = apart(runs, sessions).filter(~pl.col("weak") | (pl.col("calls") <= limits["weak_calls"]))
    found = drafts(
        with_end(known, sessions, limits["max_pause"]),
        refreshes=pl.col("count"),
        interval=pl.col("interval"),
        calls_between=pl.col("calls"),
        lifetime=pl.lit(None, pl.Float64),
        seconds=seconds(),
    )
    return pl.concat([found, _ages(sessions)], how="diagonal")


def _early(events: pl.DataFrame, limits: Limits) -> pl.DataFrame:
    """Refreshes of tokens that nothing refused, as `occurrences` wants them; with the `interval` and `calls` since."""
    # A straggler may be none: what was refused at all is a reason to refresh.
    kept = one_of("auth_event", [AuthEvent.API_DENIED.value]) | is_event(
        *(AuthEvent.LOGIN_OK, AuthEvent.REFRESH_OK, AuthEvent.REFRESH_DENIED, AuthEvent.REFRESH_FAILED),
        *(AuthEvent.API_ANONYMOUS, AuthEvent.LOGOUT),
    )
    steps = events.select(
        "device", *NAMES, "timestamp", "row", "auth_event", "reason", "episode", "clock", "straggler"
    ).filter(kept)
    refresh, since = one_of("auth_event", _GRANTS[1:]), pl.col("timestamp").diff() <= _BESIDE
    beside = refresh & refresh.shift(fill_value=False) & since & ~changed("device")
    steps = steps.with_columns(beside=beside.fill_null(value=False))
    first = pl.when(~pl.col("beside")).then("timestamp").forward_fill()
    again = follows(steps, refresh & (~pl.col("beside") | (pl.col("timestamp") - first > _BESIDE)), *_BEFORE)
    interval = (pl.col("timestamp") - pl.col("timestamp_before")).dt.total_microseconds() / 1e6
    # Within a tick nobody knows what was refused in between.
    apart_in_time = interval.is_between(tick(), limits["max_pause"], closed="right")
    return again.filter(one_of("auth_event_before", _GRANTS), apart_in_time).with_columns(
        pair(), began="timestamp_before", interval=interval, calls=pl.col("episode") - pl.col("episode_before")
    )


def _ages(sessions: Sessions) -> pl.DataFrame:
    """How many devices had a token accepted at which age at most: `devices` per `system` and `step`."""
    used = sessions.grants.filter(pl.col("last_accepted_age") > 1).select(*NAMES, "last_accepted_age")
    of_device = (
        used.with_columns(run=changed(*NAMES).cum_sum())
        .group_by("run")
        .agg(pl.col("system").first(), pl.col("last_accepted_age").max())
    )
    step = (pl.col("last_accepted_age").log(_STEP)).floor().cast(pl.Int32)
    return of_device.group_by("system", step=step).agg(devices=pl.len().cast(pl.UInt32))


def _conclude(observed: pl.DataFrame, fleet: Fleet, limits: Limits) -> pl.DataFrame:
    del fleet
    ages = observed.filter(pl.col("step").is_not_null()).with_columns(pl.col("system").cast(pl.String))
    lifetimes = (
        ages.group_by("system", "step")
        .agg(pl.col("devices").sum())
        .sort("system", "step", descending=[False, True])
        .with_columns(older=pl.col("devices").cum_sum().over("system"), of=pl.col("devices").sum().over("system"))
        .filter(pl.col("older") >= 0.5 * pl.col("of"))
        .unique("system", keep="first", maintain_order=True)
        .select("system", known=pl.lit(_STEP).pow(pl.col("step")).round(1))
    )
    found = observed.filter(pl.col("rows").is_not_null()).with_columns(pl.col("system").cast(pl.String))
    judged = found.join(lifetimes, on="system", how="left", maintain_order="left").with_columns(
        interval=pl.col("measures").struct.field("interval")
    )
    early = pl.col("interval") <= limits["max_share"] * pl.col("known")
    excessive = pl.col("interval") <= limits["window"] / limits["min_refreshes"]
    return judged.filter((early | excessive).fill_null(value=False)).select(
        *DRAFTS.keys(), measures=pl.col("measures").struct.with_fields(lifetime=pl.col("known"))
    )


def _describe(measures: Mapping[str, float]) -> str:
    over, every = duration(measures["seconds"]), duration(measures["interval"])
    than = f"; others use a token for {duration(measures['lifetime'])}" if measures.get("lifetime") else ""
    return f"refreshed {measures['refreshes']:.0f} times over {over} though nothing was refused, every {every}{than}"


DETECTOR = Detector(
    name="refresh_churn",
    title="Refreshes far more often than needed",
    severity=3,
    thresholds=(
        Threshold("max_share", 0.25, "of the lifetime", "keycloak#28312: warns when a token is younger than that"),
        Threshold("min_refreshes", 6, "refreshes", "Alamofire: more than 5 …", least=1),
        Threshold("window", 30, "s", "… within 30 s are too many whatever the lifetime"),
        Threshold("max_pause", 900, "s", "a quarter of the most common access lifetime, 1 h"),
        Threshold(
            "weak_calls",
            2,
            "calls between",
            "derived: refreshes and calls are nearly as many; people behind one address call more",
        ),
    ),
    observe=_observe,
    conclude=_conclude,
    describe=_describe,
)
