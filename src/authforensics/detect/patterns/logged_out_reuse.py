"""`logged_out_reuse`: calls, or a refresh, with a session after its logout.

What it sees: after a logout and before the next login of the same device, calls that are accepted, a refresh that is
granted, or calls that are refused again and again. What was sent before the logout was answered is skipped, as are
calls without a credential.
Evidence: `logout`, then `api_ok|refresh_ok|api_denied|refresh_denied`, the first three uses of the session after it.
Sequence:
    10:00:00  phone  api_ok
    10:10:00  phone  logout
    10:10:30  phone  api_ok  4x every 30 s  # with the session that ended
Why it matters: accepted, the logout is not enforced, and whoever holds the token has the session; refused, the client
did not notice that it is logged out.
False positives: the logout's own stragglers; a login that the log does not show (where the device shows none at all,
only a use soon after the logout counts); a login whose line was lost, and other people behind one address where nothing
else tells devices apart: what is accepted later than soon, or of such a device, counts if it happened twice.
At the log's edges: a logout before the log began is not known; reuse that the log cuts off is ongoing.
Check: whether calls after the logout were accepted: then the token outlives it. Which code still holds the token:
background work, another tab, a refresh that was on its way?
Remediation: revoke the refresh token and deny the access token at logout; drop the answer of a refresh that a logout
has overtaken; stop background work at logout.
References: RFC 9700 section 4.14.2; RFC 7009; jazzband/djangorestframework-simplejwt#744; logto-io/kotlin#253.
Pathologies: I1, D6.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from authforensics.detect.detector import Detector, Limits, Threshold, as_observed
from authforensics.detect.runs import NAMES, changed, drafts, is_event, numbered, seconds, tick, with_reason
from authforensics.detect.several import apart, outlived
from authforensics.findings import duration
from authforensics.schema import Sessions
from authforensics.states import AuthEvent

_SESSION = ["device", "session"]


def _observe(sessions: Sessions, limits: Limits) -> pl.DataFrame:
    rows = numbered(_used(sessions, limits), *_SESSION)
    runs = (
        rows.group_by("run", maintain_order=True)
        .agg(
            pl.col(*_SESSION, *NAMES, "logged_out_at", "logout_row").first(),
            first_seen=pl.col("timestamp").first(),
            last_seen=pl.col("timestamp").last(),
            count=pl.len().cast(pl.UInt32),
            served=pl.col("accepted").first(),
            accepted=pl.col("accepted").sum(),
            refreshed=pl.col("refreshed").sum(),
            refused=pl.col("refused").sum(),
            used=pl.concat([pl.col("row").head(2), pl.col("row").tail(1)]),
        )
        .filter((pl.col("accepted") + pl.col("refreshed") > 0) | (pl.col("refused") >= limits["min_refused"]))
    )
    after = seconds("logged_out_at", "first_seen")
    found = _certain(apart(runs, sessions), sessions.events, after, limits)
    found = _with_ongoing(with_reason(found, rows, "run"), sessions.events)
    return drafts(
        found.with_columns(rows=pl.concat_list("logout_row", "used")),
        accepted=pl.col("accepted"),
        refreshed=pl.col("refreshed"),
        refused=pl.col("refused"),
        after_seconds=after,
        seconds=seconds(),
    )


def _certain(runs: pl.DataFrame, events: pl.DataFrame, after: pl.Expr, limits: Limits) -> pl.DataFrame:
    """Without what a login that the log doesn't show, or another person of one name, explains."""
    soon = after <= limits["soon"]
    seen = pl.col("device").is_in(_logging_in(events).implode())
    # After a login whose line was lost, or by somebody else who didn't log out, calls are accepted, too: but once.
    doubtful = (~soon & pl.col("served")) | (pl.col("weak") & (pl.col("accepted") + pl.col("refreshed") > 0))
    again = doubtful.sum().over("device") >= limits["min_doubtful"]
    return runs.filter(soon | seen, ~doubtful | again)


def _used(sessions: Sessions, limits: Limits) -> pl.DataFrame:
    """What was sent with sessions after their logout, which it tells of: `logged_out_at`, `logout_row`."""
    events, late = sessions.events, outlived(sessions)
    logouts = (
        events.filter(is_event(AuthEvent.LOGOUT))
        .select("device", pl.col("session") + 1, logged_out_at="timestamp", logout_row="row")
        .unique(_SESSION, keep="last", maintain_order=True)
    )
    accepted, refreshed = is_event(AuthEvent.API_OK), is_event(AuthEvent.REFRESH_OK)
    refused = is_event(AuthEvent.API_DENIED, AuthEvent.REFRESH_DENIED)
    mine = events.filter(pl.col("device").is_in(late["device"].unique().implode()))
    held = mine.join(late, on=_SESSION, how="semi", maintain_order="left").join(
        logouts, on=_SESSION, maintain_order="left"
    )
    pause = (pl.col("timestamp") - pl.col("logged_out_at")).dt.total_microseconds() / 1e6
    sent = (pl.col("started_at") - pl.col("logged_out_at")).dt.total_microseconds() / 1e6
    sent_after = pl.when("timed").then(sent >= tick()).otherwise(pause > limits["grace"])
    used = held.with_columns(accepted=accepted, refreshed=refreshed, refused=refused).filter(
        accepted | refreshed | refused, sent_after
    )
    return _before_login(used, events)


def _before_login(used: pl.DataFrame, events: pl.DataFrame) -> pl.DataFrame:
    """Without what lies in one tick with the login that ends such a session: which came first is a guess."""
    if used.is_empty():
        return used
    logins = events.filter(is_event(AuthEvent.LOGIN_OK)).select("device", pl.col("session") - 1, next_login="timestamp")
    joined = used.join(
        logins.unique(_SESSION, keep="first", maintain_order=True), on=_SESSION, how="left", maintain_order="left"
    )
    waited = (pl.col("next_login") - pl.col("timestamp")).dt.total_microseconds() / 1e6
    return joined.filter((waited >= tick()).fill_null(value=True)).drop("next_login")


def _logging_in(events: pl.DataFrame) -> pl.Series:
    """The devices whose logins the log shows."""
    return events["device"].filter(events.select(is_event(AuthEvent.LOGIN_OK)).to_series()).unique()


def _with_ongoing(runs: pl.DataFrame, events: pl.DataFrame) -> pl.DataFrame:
    """Nothing but that session is seen of the device until the log ends."""
    last = events.select(_SESSION).filter(events.select(changed("device").shift(-1, fill_value=True)).to_series())
    ends = last.rename({"session": "last_session"})
    return runs.join(ends, on="device", how="left", maintain_order="left").with_columns(
        ongoing=pl.col("session") == pl.col("last_session")
    )


def _describe(measures: Mapping[str, float]) -> str:
    told = [
        f"{measures[name]:.0f} {one if measures[name] == 1 else many} {became}"
        for name, one, many, became in (
            ("accepted", "call", "calls", "accepted"),
            ("refreshed", "refresh", "refreshes", "granted"),
            ("refused", "call", "calls", "refused"),
        )
        if measures[name]
    ]
    lasted = duration(measures["seconds"]) if measures["seconds"] else "a moment"
    return f"went on after its logout for {lasted}: {', '.join(told)}"


DETECTOR = Detector(
    name="logged_out_reuse",
    title="A session is used after its logout",
    severity=2,
    thresholds=(
        Threshold("min_refused", 3, "refusals", "as for a zombie client: fewer may have been on their way"),
        Threshold("soon", 60, "s", "patience: background work calls within a minute, a person takes longer to log in"),
        Threshold("min_doubtful", 2, "sessions", "derived: one line may be lost, but hardly two logins of one device"),
        Threshold("grace", 2, "s", "derived: stands for the duration of a call where the log has none"),
    ),
    observe=_observe,
    conclude=as_observed,
    describe=_describe,
)
