"""`denial_surge`: many more devices than usual are refused, nothing heals it, and no other pattern explains it.

What it sees: devices with a session whose call or refresh is refused and that get no new token soon (by a refresh, or
by a login unless a refresh without a verdict came before it), or that log in because a refresh had no verdict or was
refused for showing no token soon after the last, or because the token it gave was refused, or whose calls are refused
for the size of their header; their share of the devices there in five minutes, far above its own baseline. And, without
one, devices whose refreshes get no verdict for longer than a minute and whose calls are refused meanwhile, if they are
enough, and a share of those there. What findings of other detectors explain is left out, and a surge at a time when
those explain more devices than not.
Evidence: `api_denied|refresh_denied|refresh_failed|forbidden|ignored`, the first line of each of the first five
devices (a header that is too large is no event of the session).
Sequence:
    10:00:00  20 phones  login_ok        60 s apart
    10:00:05  20 phones  api_ok          60 s apart, 115x every 60 s
    12:00:00  20 phones  api_denied      60 s apart token_expired
    12:00:01  20 phones  refresh_failed  60 s apart, 20x every 60 s  # 503
    12:21:00  20 phones  refresh_ok      60 s apart
    12:21:01  20 phones  api_ok          60 s apart, 30x every 60 s
Why it matters: something refuses users who did nothing wrong, in a way no single device shows: a refresh endpoint that
is down, refusals out of a cache, sessions that were revoked.
False positives: ordinary expiry, whose baseline it is; the release of a new protected path (refusals on a path that
nobody was ever granted before, or not an hour before they began, do not count); callers without a session; a missing
permission, whose 403 is followed by calls that are accepted; the rhythm of night and day, which moves both sides of the
share.
At the log's edges: less than an hour of log is no baseline, and of a surge longer than half the log nothing is seen,
but for refreshes without a verdict, which are never usual; one in the last ten minutes is ongoing.
Check: what answered the first lines shown (upstream, status, age of the answer), and what was released, restarted or
cached just before.
Remediation: undo what was released or restarted just before; then see the root cause.
References: RFC 6750 section 3.1; Iglewicz and Hoaglin 1993 on outliers.
Pathologies: G3, G5, I2, I4; 1.5.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from authforensics.detect.bursts import ongoing
from authforensics.detect.detector import DRAFTS, Detector, Fleet, Limits, Threshold
from authforensics.detect.runs import NAMES, changed, is_event, seconds, tick, with_reason
from authforensics.detect.surges import UNUSUAL, surging, together, window
from authforensics.findings import duration
from authforensics.schema import ROW, TEXT, TOO_LARGE, Reason, Sessions
from authforensics.states import GRACE_SECONDS, AuthEvent

_REFUSALS = (AuthEvent.API_DENIED, AuthEvent.REFRESH_DENIED)
_GRANTS = (AuthEvent.LOGIN_OK, AuthEvent.REFRESH_OK)
_STEPS = (*_REFUSALS, *_GRANTS, AuthEvent.REFRESH_FAILED)
_ON_ROUTE = (AuthEvent.API_DENIED, AuthEvent.FORBIDDEN)
_OF_STEP = (
    *(
        "device",
        *NAMES,
        "timestamp",
        "row",
        "route",
        "auth_event",
        "reason",
        "straggler",
        "grant",
        "episode",
        "status",
        "age",
        "rejection",
        "granted_by",
        "clock",
    ),
)
_NO_TOKEN = [Reason.MISSING_TOKEN.value, Reason.MALFORMED.value]
#: Refused before anybody looked at the token, for the size of what carries it.
_TOO_LARGE = is_event(AuthEvent.IGNORED) & pl.col("status").is_in(TOO_LARGE)


def _observe(sessions: Sessions, limits: Limits) -> pl.DataFrame:
    """Hits: a row a device, window and route; per window (`total`) how many devices there are; routes' first grants.

    Devices are in one partition each, so those of a window add up.
    """
    events = sessions.events
    accepted = events["auth_event"] == AuthEvent.API_OK.value
    stepping = events.select((is_event(*_STEPS) | _TOO_LARGE).fill_null(value=False)).to_series() | _barred(events)
    steps = events.select(_OF_STEP).filter(stepping)
    hits = (
        steps.with_columns(unanswered=_unanswered(steps, sessions.spans, limits))
        .filter(_unhealed(steps, limits))
        .with_columns(at=window(limits["window"]), route=pl.when(is_event(*_ON_ROUTE)).then("route"))
        .group_by("device", "at", "route", maintain_order=True)
        .agg(
            *(pl.col(name).first() for name in (*NAMES, "episode")),
            first_seen=pl.col("timestamp").first(),
            last_seen=pl.col("timestamp").last(),
            count=pl.len(),
            too_large=_TOO_LARGE.sum(),
            forbidden=is_event(AuthEvent.FORBIDDEN).sum(),
            unanswered=pl.col("unanswered").any(),
            reason=pl.col("reason").drop_nulls().first(),
            row=pl.col("row").first(),
        )
        .drop("device")
    )
    there = events.select("system", "device", "timestamp").filter(accepted | stepping)
    there = there.select("system", "device", at=window(limits["window"])).filter(changed("device", "at"))
    granted = events.select("system", "route", "timestamp").filter(accepted).group_by("system", "route")
    return pl.concat(
        [
            hits,
            there.group_by("system", "at").agg(total=pl.len()),
            granted.agg(granted_at=pl.col("timestamp").min()),
        ],
        how="diagonal",
    ).with_columns(pl.col("device_id").cast(TEXT))


def _barred(events: pl.DataFrame) -> pl.Series:
    """Which calls are answered 403 with none accepted after them, until a new token: no permission bars from all."""
    forbidden = events["auth_event"] == AuthEvent.FORBIDDEN.value
    if not forbidden.any():
        return forbidden
    settles = (events["auth_event"] == AuthEvent.API_OK.value) | forbidden
    settles |= events.select(is_event(*_GRANTS)).to_series()
    calls = events.select("device", "auth_event").with_row_index("place").filter(settles)
    accepted = (pl.col("auth_event") == AuthEvent.API_OK.value) & ~changed("device")
    followed = calls.filter(accepted.shift(-1, fill_value=False))["place"]
    return forbidden & ~pl.int_range(events.height, eager=True).is_in(followed.implode())


def _unhealed(steps: pl.DataFrame, limits: Limits) -> pl.Series:
    """Which are refusals that no new token followed soon, or steps of a refresh in vain that ended in a login."""
    last = changed("device").shift(-1, fill_value=True)
    place = pl.when(is_event(*_GRANTS) | last).then(pl.int_range(pl.len())).backward_fill()
    failed = is_event(AuthEvent.REFRESH_FAILED).cast(pl.UInt32).cum_sum()
    waited = (pl.col("timestamp").gather(place) - pl.col("timestamp")).dt.total_microseconds() / 1e6
    # A session that was in use just before, and whose refresh shows no token: no clock ended it.
    lost = (
        is_event(AuthEvent.REFRESH_DENIED) & pl.col("reason").is_in(_NO_TOKEN) & (pl.col("age") <= limits["settling"])
    )
    # Within a tick of a clock that tells seconds the old token may have been sent, whatever comes first in the log.
    on_its_way = is_event(AuthEvent.API_DENIED) & ~pl.col("rejection") & (tick() >= 1) & (pl.col("age") <= tick())
    looked = steps.select(
        on_its_way=on_its_way.fill_null(value=False),
        known=(pl.col("grant") > 0) | (pl.col("episode") > 0),
        lost=lost.fill_null(value=False),
        refused=is_event(*_REFUSALS, AuthEvent.FORBIDDEN) | _TOO_LARGE.fill_null(value=False),
        silent=is_event(AuthEvent.REFRESH_FAILED),
        rejected=is_event(AuthEvent.API_DENIED)
        & pl.col("rejection")
        & (pl.col("granted_by") == AuthEvent.REFRESH_OK.value).fill_null(value=False),
        by_refresh=is_event(AuthEvent.REFRESH_OK).gather(place) & (waited <= limits["patience"]),
        by_login=is_event(AuthEvent.LOGIN_OK).gather(place) & (waited <= limits["login_patience"]),
        failed=(failed.gather(place) - failed) > 0,
    )
    refused = (
        pl.col("refused") & ~pl.col("on_its_way") & ~pl.col("by_refresh") & (~pl.col("by_login") | pl.col("failed"))
    )
    return looked.select(
        pl.col("known") & (refused | (pl.any_horizontal("silent", "lost", "rejected") & pl.col("by_login")))
    ).to_series()


def _unanswered(steps: pl.DataFrame, spans: pl.DataFrame, limits: Limits) -> pl.Series:
    """Which steps are of a stretch without a new token in which refreshes got no verdict for longer than `patience`.

    The device tried again, or called on and was refused, later than a round trip: one that left waits for nothing.
    """
    failed, tried = is_event(AuthEvent.REFRESH_FAILED), is_event(AuthEvent.REFRESH_FAILED, *_REFUSALS)
    moment, last = pl.col("timestamp"), changed("device").shift(-1, fill_value=True)
    place = pl.when(is_event(*_GRANTS) | last).then(pl.int_range(pl.len())).backward_fill()
    stretches = (
        steps.select("system", "timestamp", place=place, failed=failed, tried=tried, granted=is_event(*_GRANTS))
        .join(spans.select("system", "end"), on="system", how="left", maintain_order="left")
        .with_columns(until=pl.when(pl.col("granted").gather("place")).then(moment.gather("place")).otherwise("end"))
    )
    tries = moment.filter("tried")
    told = (
        stretches.group_by("place")
        .agg(
            waited=(pl.col("until").first() - moment.filter("failed").min()).dt.total_seconds(),
            tries=(tries.max() - tries.min()).dt.total_seconds(),
        )
        .filter(pl.col("waited") > limits["patience"], pl.col("tries") > GRACE_SECONDS)
    )
    return stretches["place"].is_in(told["place"].implode())


def _conclude(observed: pl.DataFrame, fleet: Fleet, limits: Limits) -> pl.DataFrame:
    named = observed.with_columns(pl.col(*NAMES, "route").cast(pl.String))
    hits = _on_old_routes(named, fleet, limits)
    explained = _explained(hits, fleet, limits)
    open_ = hits.filter(~explained)
    silent = open_.filter("unanswered")
    total = named.filter(pl.col("total").is_not_null()).group_by("system", "at").agg(pl.col("total").sum())
    hit = open_.group_by("system", "at").agg(hit=pl.col("device_id").n_unique())
    series = total.join(hit, on=["system", "at"], how="left").with_columns(pl.col("hit").fill_null(0))
    unusual = surging(series, {**limits, "min_share": 0.0})
    never_usual = _silences(silent, total, limits).join(unusual, on=["system", "at"], how="anti")
    both = pl.concat([unusual, never_usual], how="diagonal").sort("system", "at")
    found = together(both).join(total, on=["system", "at"])
    others = _devices(hits.filter(explained), found).rename({"devices": "others"})
    met = open_.join(found, on=["system", "at"])
    mine = _since_onset(met.filter(pl.col("usual").is_not_null() | pl.col("unanswered")))
    surges = (
        _devices(mine, found)
        .join(others, on=["system", "burst"], how="left")
        .filter(pl.col("devices") >= pl.col("others").fill_null(0), pl.col("devices") >= limits["min_devices"])
        .join(_told(mine), on=["system", "burst"])
        .filter(pl.col("share") >= limits["min_share"])
        .sort("system", "burst")
    )
    told = ongoing(with_reason(surges, mine, "system", "burst"), fleet.spans, 2 * limits["window"])
    return told.select(
        *DRAFTS.keys(),
        measures=pl.struct(
            "share",
            "usual",
            refused=pl.col("count"),
            unanswered=pl.when(pl.col("unanswered") > 0).then("unanswered"),
            too_large=pl.when(pl.col("too_large") > 0).then("too_large"),
            forbidden=pl.when(pl.col("forbidden") > 0).then("forbidden"),
            seconds=seconds(),
        ),
    )


def _silences(silent: pl.DataFrame, total: pl.DataFrame, limits: Limits) -> pl.DataFrame:
    """The windows in which so many devices, and of those there, had refreshes that got no verdict."""
    hit = silent.group_by("system", "at").agg(hit=pl.col("device_id").n_unique())
    enough = pl.col("hit") >= limits["min_devices"], pl.col("hit") >= limits["min_share"] * pl.col("total")
    return hit.join(total, on=["system", "at"]).filter(*enough).select("system", "at")


def _on_old_routes(named: pl.DataFrame, fleet: Fleet, limits: Limits) -> pl.DataFrame:
    """Hits, but those on a route that was never granted, or not long before it was first refused.

    Of routes granted as the log begins nobody can tell how old they are: those count.
    """
    hits = named.filter(pl.col("row").is_not_null()).drop("total", "granted_at")
    granted = named.filter(pl.col("granted_at").is_not_null()).group_by("system", "route")
    refused = hits.group_by("system", "route").agg(refused_at=pl.col("first_seen").min())
    settling = pl.duration(seconds=limits["settling"])
    old = (
        granted.agg(pl.col("granted_at").min())
        .join(refused, on=["system", "route"])
        .join(fleet.spans.select(pl.col("system").cast(pl.String), "begin"), on="system")
        .filter(
            (pl.col("granted_at") <= pl.col("begin") + settling)
            | (pl.col("refused_at") > pl.col("granted_at") + settling)
        )
        .select("system", "route", old=pl.lit(value=True))
    )
    known = hits.join(old, on=["system", "route"], how="left", maintain_order="left")
    return known.filter(pl.col("route").is_null() | pl.col("old")).drop("old")


def _explained(hits: pl.DataFrame, fleet: Fleet, limits: Limits) -> pl.Series:
    """Whether a finding of another detector, of that device or of the fleet, is about the time of each hit.

    Then it is about all hits of that device until a call of it is accepted. What fleets are found to meet are verdicts:
    they explain no refresh that got none.
    """
    margin = pl.duration(seconds=limits["window"])
    found = fleet.found.select(*NAMES, begin=pl.col("first_seen") - margin, until=pl.col("last_seen") + margin)
    asked = hits.select(*NAMES, "episode", "first_seen", "last_seen", "unanswered")
    inside = (pl.col("first_seen") <= pl.col("until")) & (pl.col("last_seen") >= pl.col("begin"))
    of_device = asked.join(found, on=NAMES)
    answered = asked.filter(~pl.col("unanswered").any().over(*NAMES, "episode"))
    of_fleet = answered.join(found.filter(pl.col("device_id").is_null()).drop("device_id"), on="system")
    episode = [*NAMES, "episode"]
    told = pl.concat(
        part.filter(inside).select(*episode, explained=pl.lit(value=True)) for part in (of_device, of_fleet)
    )
    joined = asked.join(told.unique(), on=episode, how="left", maintain_order="left")
    return joined["explained"].fill_null(value=False)


def _devices(hits: pl.DataFrame, found: pl.DataFrame) -> pl.DataFrame:
    """How many devices have any of `hits` in each burst of `found`."""
    mine = hits if "burst" in hits.columns else hits.join(found, on=["system", "at"])
    return mine.group_by("system", "burst").agg(devices=pl.col("device_id").n_unique().cast(pl.UInt32))


def _since_onset(hits: pl.DataFrame) -> pl.DataFrame:
    """Hits in order, without the first ones of each burst's first window that the baseline alone lets expect."""
    ordered = hits.sort("system", "burst", "first_seen", "row")
    expected = (pl.col("usual").fill_null(0) * pl.col("total")).floor().first().over("system", "burst")
    in_first = pl.col("at") == pl.col("at").first().over("system", "burst")
    return ordered.filter(~in_first | (pl.int_range(pl.len()).over("system", "burst") >= expected))


def _told(hits: pl.DataFrame) -> pl.DataFrame:
    """One row a burst; its `share` is of the devices in its fullest window."""
    return hits.group_by("system", "burst", maintain_order=True).agg(
        device_id=pl.lit(None, pl.String),
        first_seen=pl.col("first_seen").first(),
        last_seen=pl.col("last_seen").max(),
        count=pl.col("count").sum().cast(pl.UInt32),
        too_large=pl.col("too_large").sum(),
        forbidden=pl.col("forbidden").sum(),
        unanswered=pl.col("device_id").filter("unanswered").n_unique(),
        rows=pl.col("row").gather(pl.col("device_id").is_first_distinct().arg_true()).head(5).cast(ROW),
        usual=pl.col("usual").max(),
        share=(pl.col("device_id").n_unique() / pl.col("total").max()).clip(upper_bound=1.0),
    )


def _describe(measures: Mapping[str, float]) -> str:
    usual = measures.get("usual")
    why = "their refreshes got no verdict" if usual is None else f"usual are {usual:.1%} in five minutes"
    return (
        f"{measures['devices']:.0f} devices were refused over {duration(measures['seconds'])} and not helped by a"
        f" refresh, {measures['share']:.0%} of those there; {why}"
    )


DETECTOR = Detector(
    name="denial_surge",
    title="Many more devices are refused than usual",
    severity=2,
    thresholds=(
        Threshold("window", 300, "s", "the shortest access lifetime that products ship: 5 min", least=1),
        Threshold("patience", 60, "s", "interceptors refresh within one round trip, pollers within a minute"),
        Threshold("login_patience", 900, "s", "a person who is sent to the login screen logs in within minutes"),
        Threshold("settling", 3600, "s", "the most common access lifetime, 1 h: by then all clients met a new path"),
        Threshold("min_baseline", 12, "windows", "an hour of log: with less, nothing is known of what is usual"),
        Threshold(
            "min_devices",
            3,
            "devices",
            "severity scale: from three devices it is more than one user's trouble",
        ),
        Threshold("min_share", 0.1, "of devices", "severity scale: a tenth of the fleet"),
        *UNUSUAL,
    ),
    observe=_observe,
    conclude=_conclude,
    describe=_describe,
    sees_all=True,
    after_others=True,
)
