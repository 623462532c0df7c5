"""`login_failure_surge`: far more logins fail than usual, of devices that are known or of strangers from many places.

What it sees: devices whose logins were refused or failed (5xx, 429) and none succeeded within a quarter of an hour;
their share of all that try to log in, far above its own baseline. How many of them had a session before is told: in an
outage of the login they had, in credential stuffing they hadn't.
Evidence: `login_denied|ignored`, the first failed login of each of the first five devices (without a verdict it is no
event of the session).
Sequence:
    08:00:00  80 phones     login_ok      200 s apart
    08:00:05  80 phones     api_ok        200 s apart, 30x every 60 s
    11:30:00  60 strangers  login_denied  10 s apart  # none was seen before
Why it matters: known users can't get in, or somebody tries out stolen passwords.
False positives: a forgotten password (a number of devices is asked); a morning, when more log in and no larger share
fails; an outage of everything (failures in a minute in which most API calls fail, too, do not count); many attempts
from few addresses, which are no many names.
At the log's edges: less than three hours of log are no baseline and give no finding; a surge in the last half hour is
ongoing.
Check: were those that failed ever logged in before? How many names does an address try, and did any of its logins
succeed?
Remediation: known devices: look at the login endpoint and what it depends on; strangers: throttle by address and client
fingerprint, and look for logins that succeeded among them.
References: RFC 9700 section 4; OWASP Credential Stuffing Prevention Cheat Sheet.
Pathologies: H5.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from authforensics.detect.bursts import MINUTE, ongoing
from authforensics.detect.detector import DRAFTS, Detector, Fleet, Limits, Threshold
from authforensics.detect.runs import NAMES, one_of, seconds, with_reason
from authforensics.detect.surges import UNUSUAL, surging, together, window
from authforensics.findings import duration
from authforensics.schema import TEXT, EndpointClass, Sessions
from authforensics.states import AuthEvent

#: A login so answered got no verdict.
_FAILED = (pl.col("status") >= 500) | (pl.col("status") == 429)
_API = [EndpointClass.API.value, EndpointClass.SESSION_CHECK.value, EndpointClass.USERINFO.value]


def _observe(sessions: Sessions, limits: Limits) -> pl.DataFrame:
    """A row a device and window in which it tried to log in; per minute the API's calls, `worked` and `broke`."""
    events = sessions.events
    login = events["endpoint_class"] == EndpointClass.LOGIN.value
    tries = events.select(
        *("device", *NAMES, "timestamp", "row", "status", "auth_event", "reason", "grant", "episode")
    ).filter(login)
    ok, silent = pl.col("auth_event") == AuthEvent.LOGIN_OK.value, _FAILED.fill_null(value=False)
    bad = (pl.col("auth_event") == AuthEvent.LOGIN_DENIED.value) | silent
    attempts = (
        tries.with_columns(at=window(limits["window"]), bad=bad, ok=ok, silent=silent)
        .filter(pl.col("bad") | pl.col("ok"))
        .group_by("device", "at", maintain_order=True)
        .agg(
            *(pl.col(name).first() for name in NAMES),
            minute=_first(pl.col("timestamp").to_physical() // MINUTE),
            first_seen=_first(pl.col("timestamp")),
            last_seen=pl.col("timestamp").filter("bad").last(),
            count=pl.col("bad").sum(),
            ok=pl.col("ok").any(),
            silent=pl.col("silent").any(),
            known=((pl.col("grant") > 0) | (pl.col("episode") > 0)).first(),
            reason=pl.col("reason").filter("bad").drop_nulls().first(),
            row=_first(pl.col("row")),
        )
        .drop("device")
    )
    return pl.concat([attempts, _api(sessions)], how="diagonal").with_columns(pl.col("device_id").cast(TEXT))


def _first(value: pl.Expr) -> pl.Expr:
    """Of the first attempt that failed."""
    return value.filter("bad").first()


def _api(sessions: Sessions) -> pl.DataFrame:
    """Calls of the API per minute: `worked` were accepted, `broke` got a 5xx."""
    accepted = sessions.rates.filter(pl.col("auth_event") == AuthEvent.API_OK.value)
    minute = (pl.col("timestamp").to_physical() // MINUTE).alias("minute")
    broke = sessions.events.filter((pl.col("status") >= 500).fill_null(value=False)).filter(
        one_of("endpoint_class", _API)
    )
    return pl.concat(
        [
            accepted.select("system", pl.col("minute").to_physical() // MINUTE, worked="count"),
            broke.group_by("system", minute).agg(broke=pl.len()),
        ],
        how="diagonal",
    )


def _conclude(observed: pl.DataFrame, fleet: Fleet, limits: Limits) -> pl.DataFrame:
    named = observed.with_columns(pl.col(NAMES).cast(pl.String))
    api = named.filter(pl.col("at").is_null()).group_by("system", "minute").agg(pl.col("worked", "broke").sum())
    down = api.filter(pl.col("broke") > pl.col("worked")).select("system", "minute", down=pl.lit(value=True))
    attempts = (
        named.filter(pl.col("at").is_not_null())
        .drop("worked", "broke")
        .join(down, on=["system", "minute"], how="left")
        .filter(~(pl.col("silent") & ~pl.col("ok") & pl.col("down").fill_null(value=False)))
        .with_columns(hit=~pl.col("ok"))
    )
    series = attempts.group_by("system", "at").agg(pl.col("hit").sum(), total=pl.len())
    found = together(surging(series, limits))
    mine = attempts.join(found, on=["system", "at"]).sort("system", "burst", "first_seen", "row", nulls_last=True)
    surges = with_reason(_surges(mine), mine.filter("hit"), "system", "burst").filter(
        (pl.col("known") >= limits["min_devices"]) | (pl.col("strangers") >= limits["min_strangers"])
    )
    told = ongoing(surges, fleet.spans, 2 * limits["window"])
    return told.select(
        *DRAFTS.keys(),
        measures=pl.struct("share", "usual", "known", "strangers", failed=pl.col("count"), seconds=seconds()),
    )


def _surges(attempts: pl.DataFrame) -> pl.DataFrame:
    """One row a burst of the attempts in it."""
    failed = attempts.filter("hit")
    tried = attempts.group_by("system", "burst").agg(tried=pl.col("device_id").n_unique())
    devices = failed.group_by("system", "burst", "device_id", maintain_order=True).agg(
        pl.col("first_seen", "row", "known").first(),
        pl.col("last_seen").max(),
        pl.col("count").sum(),
        pl.col("usual").max(),
    )
    return (
        devices.group_by("system", "burst", maintain_order=True)
        .agg(
            devices=pl.len().cast(pl.UInt32),
            first_seen=pl.col("first_seen").min(),
            last_seen=pl.col("last_seen").max(),
            count=pl.col("count").sum().cast(pl.UInt32),
            rows=pl.col("row").head(5),
            usual=pl.col("usual").max(),
            known=pl.col("known").sum(),
        )
        .join(tried, on=["system", "burst"])
        .with_columns(
            device_id=pl.lit(None, pl.String),
            share=pl.col("devices") / pl.col("tried"),
            strangers=pl.col("devices") - pl.col("known"),
        )
        .sort("system", "burst")
    )


def _describe(measures: Mapping[str, float]) -> str:
    return (
        f"{measures['devices']:.0f} devices ({measures['share']:.0%} of those that tried) could not log in over"
        f" {duration(measures['seconds'])}, usual are {measures['usual']:.0%}: {measures['known']:.0f} that had a"
        f" session before, {measures['strangers']:.0f} strangers"
    )


DETECTOR = Detector(
    name="login_failure_surge",
    title="Far more logins fail than usual",
    severity=2,
    thresholds=(
        Threshold("window", 900, "s", "a person who mistypes a password tries again within minutes", least=1),
        Threshold("min_baseline", 12, "windows with logins", "three hours of logins: with less, nothing is usual"),
        Threshold(
            "min_devices",
            3,
            "known devices",
            "severity scale: from three devices it is more than one user's trouble",
        ),
        Threshold("min_strangers", 20, "strangers", "severity scale: 20 are many in any fleet"),
        Threshold("min_share", 0.1, "of devices that try", "severity scale: a tenth of the fleet"),
        *UNUSUAL,
    ),
    observe=_observe,
    conclude=_conclude,
    describe=_describe,
    sees_all=True,
    explains=False,
)
