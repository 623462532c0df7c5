"""`client_never_refreshes`: the client answers an expired token with the same call, and never asks for another.

Deciding: none of the affected devices tries to refresh while its calls are refused (before, another version of the app
may have), others whose tokens expire do so, and succeed. A connection that keeps its first token has a client that
refreshes for all other calls; one that was refused a refresh ignores that; a browser without its cookie is told that
nothing was sent.
Sequence:
    10:00:00  6 old  login_ok    9 s apart version=3.5
    10:00:01  6 old  api_ok      9 s apart, 29x every 30 s version=3.5
    10:15:01  6 old  api_denied  9 s apart, 9x every 5 s token_expired version=3.5
    10:00:00  9 new  login_ok    9 s apart version=3.4
    10:00:01  9 new  api_ok      9 s apart, 29x every 30 s version=3.4
    10:15:01  9 new  api_denied  9 s apart token_expired version=3.4
    10:15:02  9 new  refresh_ok  9 s apart version=3.4
    10:15:03  9 new  api_ok      9 s apart, 20x every 30 s version=3.4
Look-alikes: `stale_connection_token`, `client_ignores_denial`, `cookie_expires_first`,
`client_uses_logged_out_session`.
References: RFC 6750 section 3.1; okhttp#960, #1395 (MAX_FOLLOW_UPS = 20).
Pathologies: E1.
"""

from __future__ import annotations

import polars as pl

from authforensics.diagnose.case import Case
from authforensics.diagnose.cause import Cause, Judgement, Weight
from authforensics.diagnose.pieces import FEW, LOG_REASON, one_part, young
from authforensics.diagnose.steps import REFRESHES
from authforensics.diagnose.wording import plural
from authforensics.schema import Reason
from authforensics.states import AuthEvent

_WEIGHTS = {
    "no_refresh": Weight(3.0, "they never try to refresh while their calls are refused"),
    "others_refresh": Weight(1.5, "others refresh at the same time, and it helps", decides=True),
    "repeats": Weight(1.5, "they repeat the same refused call: nobody sent them to the login"),
    "expired": Weight(1.0, "the server says expired: a refresh is what it asks for"),
    "part": Weight(1.0, "one version or platform: one client"),
    "tries": Weight(-4.0, "affected devices do refresh"),
    "cut_off": Weight(-2.5, "the log begins after their session was over: a refresh may have been refused before"),
    "after_logout": Weight(-4.0, "the session was logged out before"),
    "good_elsewhere": Weight(-3.0, "the refused tokens are accepted on other paths: they have not expired"),
    "nobody": Weight(-2.0, "nobody refreshes: there may be no refresh in this product, or the log lacks it"),
    "young": Weight(-3.0, "tokens are refused long before they expire"),
    "browsers": Weight(
        -3.0, "browsers, and nothing says why: one that drops the cookie sends no token to be refreshed"
    ),
    "other_reason": Weight(-4.0, "the server says something other than expired"),
}
#: The platform whose clients keep tokens in cookies, which end by themselves.
_BROWSER = "web"
#: A few devices may have been updated, or ran into an expiry of their own meanwhile.
_STRAY = 0.25
#: What others do decides, where the server says expired: a browser whose cookie is gone doesn't refresh either. And
#: where devices have a name: one known by its address refreshes under another when it moves.
_UNTOLD = 0.45


def _judge(case: Case) -> Judgement:
    found = Judgement()
    devices = len(case.devices)
    if not case.tokens.height:
        return found
    refreshing, before = _refreshing(case)
    if refreshing > _STRAY * devices:
        found.speaks_against("tries", refreshing / devices, f"{refreshing:,} of {plural(devices, 'device')} do refresh")
        if refreshing > 0.5 * devices:
            return found
    found.speaks_for(
        "no_refresh",
        1 - refreshing / devices,
        f"{devices - refreshing:,} of {plural(devices, 'affected device')} never tried to refresh"
        + (f" since their calls were refused; {before:,} did before" if before else ""),
    )
    helped = case.refreshes()["ok"]
    if helped >= FEW:
        decided = 1.0 if case.reason_counts and not case.mistakable else _UNTOLD
        found.speaks_for("others_refresh", decided, f"{helped:,} refreshes of others succeeded meanwhile")
    elif not helped + case.refreshes(before=True)["ok"]:
        found.speaks_against("nobody", 1.0, "the log has no refresh of anybody")
    unknown = case.cluster.unknown
    if unknown > _STRAY * devices:
        found.speaks_against(
            "cut_off",
            unknown / devices,
            f"{unknown:,} of {plural(devices, 'device')} were refused from their first line in the log on",
        )
    repeating = len(case.found_on("retry_without_refresh"))
    if repeating:
        found.speaks_for(
            "repeats",
            min(1.25 * repeating / devices, 1.0),
            f"{repeating:,} of {plural(devices, 'device')} sent the same refused call again and again",
        )
    one_part(case, found, "part")
    _tokens(case, found)
    return found


def _refreshing(case: Case) -> tuple[int, int]:
    """Devices that tried to refresh from their first refusal to their last, and those that did before only.

    An app may have been updated in the midst of the log. Who was refused a refresh before, in the same session, tried.
    """
    spans = case.denials.group_by("device_id").agg(begin=pl.col("timestamp").min(), end=pl.col("timestamp").max())
    moment, begin = pl.col("timestamp"), pl.col("begin")
    login = ((pl.col("auth_event") == AuthEvent.LOGIN_OK.value) & (moment < begin)).cum_sum().over("device_id")
    steps = case.steps.join(spans, on="device_id", maintain_order="left").with_columns(login=login)
    steps = steps.with_columns(current=pl.col("login") == pl.col("login").max().over("device_id"))
    tries = steps.filter(pl.col("auth_event").is_in(REFRESHES), moment <= pl.col("end"))
    refused = (pl.col("auth_event") == AuthEvent.REFRESH_DENIED.value) & pl.col("current")
    now = tries.filter((moment >= begin) | refused)["device_id"].unique()
    return len(now), tries["device_id"].n_unique() - len(now)


def _tokens(case: Case, found: Judgement) -> None:
    """Whether it is an expiry that they meet."""
    expired = case.share_of(Reason.TOKEN_EXPIRED)
    if expired:
        found.speaks_for("expired", expired, f"{expired:.0%} of the refusals with a reason say token_expired")
    if case.reason_counts and expired < 0.9:
        found.speaks_against("other_reason", 1 - expired, f"{1 - expired:.0%} of them name something else")
    if not case.reason_counts:
        found.missing.append(LOG_REASON)
        _browsers(case, found)
    out = case.logged_out
    if out > _STRAY:
        found.speaks_against("after_logout", out, f"{out:.0%} of the refusals came after a logout")
    elsewhere = case.tokens.filter(pl.col("elsewhere") > 0).height / max(case.tokens.height, 1)
    if elsewhere > _STRAY:
        found.speaks_against(
            "good_elsewhere", elsewhere, f"{elsewhere:.0%} of the refused tokens were accepted on other paths since"
        )
    early, known = young(case)
    if early > 0.5 * known:
        found.speaks_against(
            "young", early / known, f"{early:,} of {plural(known, 'refused token')} were not near expiry"
        )


def _browsers(case: Case, found: Judgement) -> None:
    """Whether cookies that died may be what is seen: silence is what these have in common with expired tokens."""
    mine = case.fleet.join(case.hit, on="device_id", how="semi")["platform"].cast(pl.String).drop_nulls()
    web = int((mine == _BROWSER).sum())
    if 2 * web > len(mine):
        found.speaks_against("browsers", web / len(mine), f"{web:,} of {plural(len(mine), 'device')} are browsers")


CAUSE = Cause(
    name="client_never_refreshes",
    title="The client repeats refused calls and never refreshes",
    check=(
        "Read the client's interceptor or authenticator of the versions affected: is a refresh wired to a 401 at all,"
        " for this HTTP client, too? Look at cadence, path and user agent of the repeated calls."
    ),
    remediation=(
        "On 401 refresh once, then repeat the call once with the new token; else show the login. Until the release is"
        " out, slow the callers with 429 and Retry-After."
    ),
    weights=_WEIGHTS,
    judge=_judge,
)
