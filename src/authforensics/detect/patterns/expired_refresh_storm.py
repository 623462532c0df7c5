"""`expired_refresh_storm`: the refresh tokens of many devices turn out dead, and a login doesn't follow.

What it sees: refreshes refused, for whatever reason but a key fault, on many devices, a share of all that try to
refresh, with no login soon after: of those that call, refresh or try to log in again all the same, or, where nothing
more is seen of them, far more than is usual (or, in a log too short to tell what is, of nearly all that refresh). And,
whatever follows, devices whose sessions die at their very first refresh again and again while hardly any first refresh
succeeds. For information: as many that were refused at their own time each, and of which nothing more is seen.
Evidence: `refresh_denied`, the first of each of the first five devices.
Sequence:
    10:00:00  8 phones  login_ok        120 s apart
    10:00:03  8 phones  api_ok          120 s apart
    10:20:00  8 phones  api_denied      120 s apart token_expired
    10:20:01  8 phones  refresh_denied  120 s apart refresh_expired
    10:20:30  8 phones  api_denied      120 s apart token_expired
    10:20:31  8 phones  refresh_denied  120 s apart refresh_expired
Why it matters: the refresh token can't do what it is for; users are locked out one by one.
False positives: absolute or idle expiry by design, which ends in logins (`mass_logout`) and lets first refreshes
succeed, and after which people put their phone away as often as on other days; refusals for a key fault.
At the log's edges: what was refused before the log began is not known; a storm close to the log's end is ongoing.
Check: access and refresh lifetime side by side; the age of the sessions at the refused refresh: one value for all?
Remediation: give refresh tokens a much longer life than access tokens; see the root cause.
References: RFC 6749 section 6; RFC 9700 section 4.14.2; sample_logs/incident-2-equal-lifetimes.
Pathologies: C1, C3; founding incident 2.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from authforensics.detect.bursts import MINUTE, bursts, hits, ongoing
from authforensics.detect.detector import DRAFTS, Detector, Fleet, Limits, Threshold
from authforensics.detect.runs import NAMES, changed, ends, is_event, numbered, one_of, seconds
from authforensics.detect.surges import UNUSUAL, surging
from authforensics.findings import duration
from authforensics.schema import TIMESTAMP, Reason, Sessions
from authforensics.states import AuthEvent

#: What an observed hit is: refused with no login after it, and it goes on all the same, or nothing more is seen;
#: granted; and of refused and granted ones the first refreshes of a session.
_STUCK, _SILENT, _GRANTED, _FIRST_REFUSED, _FIRST_GRANTED = range(5)
_NEW_TOKENS = (AuthEvent.LOGIN_OK, AuthEvent.REFRESH_OK)
_REFUSALS = (AuthEvent.REFRESH_DENIED, AuthEvent.API_DENIED, AuthEvent.LOGIN_DENIED)
#: Reasons that others look for: a key that does not fit, and requests that carry no token, or none that is one.
_OTHERS = (
    Reason.SIGNATURE_INVALID,
    Reason.KEY_NOT_FOUND,
    Reason.ALGORITHM_REJECTED,
    Reason.MISSING_TOKEN,
    Reason.MALFORMED,
)


def _observe(sessions: Sessions, limits: Limits) -> pl.DataFrame:
    """HITS with `what`: of refused and granted refreshes, and of those among them that were the first of a session.

    Granted ones are many: of them a row a device tells in which `minutes` they were, and nothing else.
    """
    own = ~changed("device")
    again = is_event(AuthEvent.REFRESH_OK)
    steps = sessions.events.select(
        *("device", *NAMES, "timestamp", "row", "grant", "episode", "auth_event", "reason", "straggler"),
        # The token that a granted refresh was made with is the one before the token it gave.
        held=pl.when(again).then(pl.when(own).then(pl.col("granted_by").shift())).otherwise("granted_by"),
    ).filter(is_event(*_NEW_TOKENS, *_REFUSALS))
    mine = ~one_of("reason", [reason.value for reason in _OTHERS])
    refused = _followed(steps).filter(is_event(AuthEvent.REFRESH_DENIED), mine)
    granted = steps.filter(again)
    healed = (pl.col("renewed") <= limits["patience"]).fill_null(value=False)
    stuck = ~healed & (pl.col("goes_on") > limits["patience"])
    first = pl.col("held") == AuthEvent.LOGIN_OK.value
    kinds = (
        (_STUCK, refused.filter(stuck)),
        (_SILENT, refused.filter(~healed & ~stuck)),
        (_FIRST_REFUSED, refused.filter(first).unique(["device", "grant"], keep="first", maintain_order=True)),
        (_FIRST_GRANTED, granted.filter(first)),
    )
    found = pl.concat([hits(part).with_columns(what=pl.lit(what, pl.UInt8)) for what, part in kinds])
    found = found.with_columns(row=pl.when(pl.col("what") != _FIRST_GRANTED).then("row"))
    return pl.concat([found, _minutes(granted)], how="diagonal")


def _followed(steps: pl.DataFrame) -> pl.DataFrame:
    """Add the seconds until the device gets a new token, `renewed`, and until its last refusal before, `goes_on`."""
    new, last = is_event(*_NEW_TOKENS), changed("device").shift(-1, fill_value=True)
    place = pl.when(new | last).then(pl.int_range(pl.len())).backward_fill()
    # Whose call is accepted meanwhile is well: a new stretch begins.
    rows = numbered(steps.with_columns(stretch=new.cum_sum()), "device", "episode", "stretch")
    final = rows["timestamp"].gather(ends(rows)[1])
    renewed_at = pl.when(new.gather(place)).then(pl.col("timestamp").gather(place))
    return rows.with_columns(
        renewed=(renewed_at - pl.col("timestamp")).dt.total_microseconds() / 1e6,
        goes_on=(final.gather(rows["run"] - rows["run"].min()) - rows["timestamp"]).dt.total_microseconds() / 1e6,
    )


def _minutes(granted: pl.DataFrame) -> pl.DataFrame:
    minute = (pl.col("timestamp").to_physical() // MINUTE).cast(pl.UInt32).alias("minutes")
    rows = granted.select("device", *NAMES, minute).filter(changed("device", "minutes"))
    per_device = rows.group_by("device", maintain_order=True).agg(pl.col(NAMES).first(), "minutes")
    return per_device.drop("device").with_columns(what=pl.lit(_GRANTED, pl.UInt8))


def _conclude(observed: pl.DataFrame, fleet: Fleet, limits: Limits) -> pl.DataFrame:
    what = pl.col("what")
    stuck = _stuck(observed, fleet, limits)
    refused = observed.filter(what == _FIRST_REFUSED).drop("minutes")
    again = refused.group_by(NAMES).agg(pl.col("count").sum()).filter(pl.col("count") >= limits["min_sessions"])
    dead = _storms(
        refused.join(again.select(NAMES), on=NAMES, how="semi", maintain_order="left"),
        observed.filter(what.is_in([_FIRST_REFUSED, _FIRST_GRANTED])),
        fleet,
        limits,
        dead=True,
    ).filter(pl.col("devices") >= limits["min_devices"], pl.col("share") >= limits["min_dead"])
    # A system whose first refreshes are all dead has one storm, not two.
    stuck = stuck.join(dead.select("system"), on="system", how="anti", maintain_order="left")
    return pl.concat([stuck, dead]).select(
        *DRAFTS.keys(),
        measures=pl.struct(
            *("share", "half_seconds", "top_share", "dead", "benign"),
            refused=pl.col("count"),
            seconds=seconds(),
            expired=pl.col("reason").cast(pl.String).eq_missing(pl.lit(Reason.REFRESH_EXPIRED.value)),
        ),
    )


def _stuck(observed: pl.DataFrame, fleet: Fleet, limits: Limits) -> pl.DataFrame:
    """Storms of devices that go on, or of which nothing more is seen when that is far from usual."""
    refused, silent = pl.col("what") <= _SILENT, pl.col("what") == _SILENT
    hit = observed.filter(refused).drop("minutes")
    tried = pl.concat([hit, _granted(observed, hit)], how="diagonal").with_columns(
        pl.col("system").cast(pl.String), at=pl.col("minute").to_physical() // int(limits["window"] * 1e6)
    )
    series = tried.group_by("system", "at").agg(
        hit=pl.col("device_id").filter(refused).n_unique(), total=pl.col("device_id").n_unique()
    )
    unusual = surging(series, limits).select("system", "at")
    short = series.group_by("system").len().filter(pl.col("len") <= limits["min_baseline"])["system"]
    hit = tried.filter(refused)
    certain = pl.concat([hit.filter(~silent), hit.filter(silent).join(unusual, on=["system", "at"], how="semi")])
    # In falling order of what they say; one that says more is enough.
    found = [
        _storms(hit.filter(pl.col("system").is_in(short.implode())), tried, fleet, limits).filter(
            pl.col("share") >= limits["min_dead"]
        ),
        _storms(certain, tried, fleet, limits),
        _storms(hit, tried, fleet, limits).with_columns(benign=pl.lit(value=True)),
    ]
    told = found[0].clear()
    for some in found:
        many = some.filter(pl.col("devices") >= limits["min_devices"], pl.col("share") >= limits["min_share"])
        told = pl.concat([told, many.join(told, on="system", how="anti", maintain_order="left")])
    return told


def _granted(observed: pl.DataFrame, hit: pl.DataFrame) -> pl.DataFrame:
    """Granted refreshes in the systems that were `hit`, one row a device and minute."""
    mine = observed.filter(pl.col("what") == _GRANTED, pl.col("system").is_in(hit["system"].unique().implode()))
    minutes = mine.select(*NAMES, "what", minute="minutes").explode("minute")
    return minutes.with_columns((pl.col("minute").cast(pl.Int64) * MINUTE).cast(TIMESTAMP))


def _storms(
    hit: pl.DataFrame, tried: pl.DataFrame, fleet: Fleet, limits: Limits, *, dead: bool = False
) -> pl.DataFrame:
    """Bursts of `hit`, with their `share`: of devices stuck among all that `tried`, or of first refreshes `dead`."""
    found = ongoing(bursts(hit, limits["max_pause"]), fleet.spans, limits["max_pause"])
    tries = (
        found.select("system", "burst", "first_seen", "last_seen")
        .join(tried.with_columns(pl.col("system").cast(pl.String)), on="system", suffix="_hit")
        .filter(pl.col("minute").is_between(pl.col("first_seen").dt.truncate("1m"), "last_seen"))
        .group_by("system", "burst")
        .agg(
            refreshing=pl.col("device_id").n_unique(),
            refused_share=pl.col("count").filter(pl.col("what") == _FIRST_REFUSED).sum() / pl.col("count").sum(),
        )
    )
    joined = found.join(tries, on=["system", "burst"], how="left", maintain_order="left")
    share = pl.col("refused_share") if dead else pl.col("devices") / pl.col("refreshing")
    return joined.with_columns(share=share, dead=pl.lit(dead), benign=pl.lit(None, pl.Boolean))


def _describe(measures: Mapping[str, float]) -> str:
    lasted = duration(measures["seconds"])
    told = " as expired" if measures["expired"] else ""
    if measures["dead"]:
        return (
            f"{measures['share']:.0%} of the first refreshes of sessions were refused{told} over {lasted}, on"
            f" {measures['devices']:.0f} devices again and again"
        )
    after = "at their own time each, and none called on" if measures.get("benign") else "and no login followed"
    return (
        f"{measures['devices']:.0f} devices ({measures['share']:.0%} of those that tried to refresh) were refused"
        f"{told or ' a refresh'}, {measures['refused']:.0f} times over {lasted}, {after}"
    )


DETECTOR = Detector(
    name="expired_refresh_storm",
    title="Refresh tokens of many devices are dead",
    severity=1,
    thresholds=(
        Threshold(
            "min_devices",
            3,
            "devices",
            "severity scale: from three devices it is more than one user's trouble",
        ),
        Threshold("min_share", 0.1, "of refreshing devices", "severity scale: a tenth of the fleet"),
        Threshold(
            "min_dead",
            0.9,
            "of first refreshes, or of devices",
            "derived: with equal lifetimes hardly any first refresh succeeds",
        ),
        Threshold("min_sessions", 2, "sessions of a device", "one session that dies may have idled for too long"),
        Threshold("window", 900, "s", "many access lifetimes: in each window a device in use refreshes once", least=1),
        Threshold("min_baseline", 12, "windows with refreshes", "three hours: with less, nothing is usual"),
        *UNUSUAL,
        Threshold("patience", 60, "s", "derived: a client that obeys shows its login screen within a minute"),
        Threshold(
            "max_pause", 3600, "s", "the most common access lifetime, 1 h: devices run into the expiry at that pace"
        ),
    ),
    observe=_observe,
    conclude=_conclude,
    describe=_describe,
)
