"""`mass_logout`: many sessions end within minutes, and their users log in again. For information.

What it sees: logins right after the session's end (its call or its refresh refused, or a logout) of at least a number
and a share of the devices that are there within five minutes, many times what is usual in the two hours before and
after; the same within an hour where the server says that the sessions were ended, not expired; and, within an hour,
too, logins of devices whose session was in use shortly before and that nothing had ended (not where only address and
user agent tell devices apart).
Evidence: `refresh_denied|api_denied|api_anonymous|logout|refresh_ok|login_ok, login_ok`: the end of the session, or
what began it, and the login after it, of the first three devices.
Sequence:
    08:00:00  30 phones  login_ok        2 s apart
    08:00:01  30 phones  api_ok          2 s apart, 48x every 300 s
    12:00:00  30 phones  refresh_denied  2 s apart refresh_expired
    12:00:30  30 phones  login_ok        2 s apart
    12:00:31  30 phones  api_ok          2 s apart, 24x every 300 s
Why it matters: users were thrown out, and their clients did what they should. It is by design where sessions have an
absolute end and all began together; else somebody revoked them, or the token store was lost; where nothing had ended
them, the clients lost what they had stored.
False positives: the morning, when everybody logs in over an hour; mistyped passwords; first logins; sessions that end
at their own time each; logins that give a token which is refused, too. Logins after a refresh without a verdict are not
of this kind: `premature_logout`.
At the log's edges: a log shorter than two hours has no baseline and no finding; one at its begin or end is compared
with one side only; one in the last five minutes is ongoing.
Check: was it meant (a policy, a sign-out of everybody)? When did these sessions begin: all together?
Remediation: none if it was meant; else see what happened to sessions, keys and the token store just before.
References: RFC 7009; RFC 9700 section 4.14.2; auth0/Auth0.Android#324; toggl/mobileapp#3865.
Pathologies: C2, F3, I2, I4, I5.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from authforensics.detect.bursts import ongoing
from authforensics.detect.detector import DRAFTS, Detector, Fleet, Limits, Threshold
from authforensics.detect.runs import NAMES, changed, is_event, one_of, seconds, with_reason
from authforensics.detect.several import weak
from authforensics.detect.surges import near, spiking, there, together, window
from authforensics.findings import duration
from authforensics.schema import TEXT, Reason, Sessions
from authforensics.states import AuthEvent

_ENDS = (AuthEvent.API_DENIED, AuthEvent.REFRESH_DENIED, AuthEvent.LOGOUT)
#: How every session ends some day, by design.
_EXPIRED = [Reason.TOKEN_EXPIRED.value, Reason.REFRESH_EXPIRED.value]
_STEPS = (*_ENDS, AuthEvent.REFRESH_OK, AuthEvent.REFRESH_FAILED, AuthEvent.LOGIN_OK)


def _observe(sessions: Sessions, limits: Limits) -> pl.DataFrame:
    """Per device and session the end that a login followed, and per hour (`around`) how many devices there are.

    Devices are in one partition each, so the latter add up.
    """
    steps = sessions.events.select(
        *("system", "device_id", "device", "timestamp", "row", "auth_event", "reason", "straggler", "grant", "episode")
    ).filter(is_event(*_STEPS))
    own = ~changed("device")
    # Whose new token is refused is not logged in again.
    refused = sessions.events.filter("rejection")["grant_row"].drop_nulls()
    ends = steps.select(
        *("system", "device_id", "device", "timestamp", "row", "reason"),
        login=pl.col("row").shift(-1),
        again=pl.col("timestamp").shift(-1),
        # Of a device never seen with a session nothing ended.
        ended=is_event(*_ENDS)
        & ((pl.col("grant") > 0) | (pl.col("episode") > 0))
        & (is_event(AuthEvent.LOGIN_OK) & own).shift(-1, fill_value=False),
    ).filter(
        "ended",
        ~pl.col("login").is_in(refused.implode()),
        (pl.col("again") - pl.col("timestamp")).dt.total_microseconds() <= limits["patience"] * 1e6,
    )
    apart = (pl.col("timestamp") - pl.col("timestamp").shift()).dt.total_microseconds() > limits["window"] * 1e6
    found = pl.concat([ends.filter(changed("device") | apart), _unasked(steps, sessions, refused, limits)]).select(
        *("system", "device_id", "reason", "again"),
        unasked=pl.col("timestamp") == pl.col("again"),
        at=window(limits["window"]),
        first_seen="timestamp",
        rows=pl.concat_list("row", "login"),
    )
    return pl.concat([found, there(steps).with_columns(device_id=pl.lit(None, TEXT))], how="diagonal")


def _unasked(steps: pl.DataFrame, sessions: Sessions, refused: pl.Series, limits: Limits) -> pl.DataFrame:
    """Logins of devices whose token was accepted not long before, and never refused: as ends, of that moment."""
    given = is_event(AuthEvent.LOGIN_OK, AuthEvent.REFRESH_OK)
    own, used = ~changed("device"), pl.col("episode") > pl.col("episode").shift()
    used_at = pl.col("granted_at") + pl.duration(microseconds=(pl.col("last_accepted_age") * 1e6).cast(pl.Int64))
    held = sessions.grants.select(*NAMES, grant=pl.col("grant") + 1, used_at=used_at)
    logins = steps.with_columns(
        login="row",
        row=pl.col("row").shift(),
        again="timestamp",
        ended=is_event(AuthEvent.LOGIN_OK) & given.shift(fill_value=False) & own & used,
    ).filter("ended", ~pl.col("login").is_in(refused.implode()))
    known = logins.filter(~weak(logins, sessions)).join(held, on=[*NAMES, "grant"], maintain_order="left")
    rest = (pl.col("timestamp") - pl.col("used_at")).dt.total_microseconds() / 1e6
    return known.filter(rest <= limits["in_use"]).select(
        *("system", "device_id", "device", "timestamp", "row", "reason", "login", "again", "ended")
    )


def _conclude(observed: pl.DataFrame, fleet: Fleet, limits: Limits) -> pl.DataFrame:
    named = observed.with_columns(pl.col("system", "device_id").cast(pl.String))
    ends = named.filter(pl.col("at").is_not_null()).drop("around", "hour")
    asked, unasked = ends.filter(~pl.col("unasked")), ends.filter("unasked")
    at_once = _waves(asked, named, fleet, limits)
    slow = {**limits, "window": limits["slow_window"]}
    in_hours = pl.col("first_seen").to_physical() // int(limits["slow_window"] * 1e6)
    revoked = asked.filter(pl.col("reason").is_not_null(), ~one_of("reason", _EXPIRED)).with_columns(at=in_hours)
    # What is seen within minutes need not be said again.
    again = at_once.select("system", at=in_hours)
    later = _waves(revoked.join(again, on=["system", "at"], how="anti"), named, fleet, slow)
    return pl.concat([at_once, later, _waves(unasked.with_columns(at=in_hours), named, fleet, slow)])


def _waves(ends: pl.DataFrame, named: pl.DataFrame, fleet: Fleet, limits: Limits) -> pl.DataFrame:
    """Drafts of the windows in which far more of `ends` are than around them."""
    counts = ends.group_by("system", "at").agg(devices=pl.col("device_id").n_unique())
    found = together(spiking(near(named, counts, limits), fleet.spans, limits))
    mine = ends.join(found, on=["system", "at"]).sort("system", "burst", "first_seen", "device_id")
    waves = mine.group_by("system", "burst", maintain_order=True).agg(
        device_id=pl.lit(None, pl.String),
        devices=pl.col("device_id").n_unique().cast(pl.UInt32),
        count=pl.len().cast(pl.UInt32),
        first_seen=pl.col("first_seen").first(),
        last_seen=pl.col("again").max(),
        ended=pl.col("first_seen").last(),
        rows=pl.col("rows").head(3).explode(),
        usual=pl.col("usual").max(),
        around=pl.col("around").max(),
        unasked=pl.col("unasked").sum(),
    )
    told = ongoing(with_reason(waves, mine, "system", "burst"), fleet.spans, limits["window"])
    return told.select(
        *DRAFTS.keys(),
        measures=pl.struct(
            "usual",
            benign=pl.when(pl.col("unasked") == 0).then(pl.lit(value=True)),
            unasked=pl.when(pl.col("unasked") > 0).then("unasked"),
            window=pl.lit(float(limits["window"])),
            share=(pl.col("devices") / pl.col("around")).clip(upper_bound=1.0),
            seconds=seconds(last="ended"),
        ),
    )


def _describe(measures: Mapping[str, float]) -> str:
    usual = f"usual are {measures['usual']:.0f} in {duration(measures['window'])}"
    devices = f"{measures['devices']:.0f} devices ({measures['share']:.0%} of those there in that hour)"
    lasted = duration(measures["seconds"])
    if measures.get("unasked"):
        return f"{devices} logged in again within {lasted} though their sessions were in use and not refused; {usual}"
    return f"the sessions of {devices} ended within {lasted} and they logged in again; {usual}"


DETECTOR = Detector(
    name="mass_logout",
    title="Many sessions end together and log in again",
    severity=3,
    thresholds=(
        Threshold(
            "window", 300, "s", "the shortest access lifetime that products ship: clients notice as they call", least=1
        ),
        Threshold(
            "slow_window", 3600, "s", "the most common access lifetime, 1 h: clients notice when they refresh", least=1
        ),
        Threshold("in_use", 3600, "s", "the most common access lifetime, 1 h: what was used since has not expired"),
        Threshold("radius", 7200, "s", "a morning's or an evening's change takes no longer than two hours"),
        Threshold("patience", 900, "s", "a person who is sent to the login screen logs in within minutes"),
        Threshold("min_devices", 20, "devices", "severity scale: 20 devices are many in any fleet"),
        Threshold("min_share", 0.1, "of devices", "severity scale: a tenth of the fleet"),
        Threshold("min_ratio", 5, "times the median", "derived: rates five times higher are another thing"),
        Threshold("min_score", 3.5, "modified z-score", "Iglewicz and Hoaglin 1993: outliers are above 3.5"),
    ),
    observe=_observe,
    conclude=_conclude,
    describe=_describe,
    explains=False,
)
