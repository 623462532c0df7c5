"""`client_release`: a release of the app broke its sessions.

Deciding: all affected devices have one version that nobody had before, are refused soon after they got it, and devices
on other versions are well in the same minutes. Where the version was there from the log's begin on, or was well for a
time, something else may have changed.
Sequence:
    10:00:00  12 phones  login_ok        version=3.4.1
    10:00:05  12 phones  api_ok          120x every 60 s version=3.4.1
    10:00:10  12 early   login_ok        version=3.4.1
    10:00:15  12 early   api_ok          75x every 60 s version=3.4.1
    11:20:00  12 early   api_ok          version=4.0.0
    11:21:00  12 early   api_denied      version=4.0.0
    11:21:01  12 early   refresh_denied  version=4.0.0
    11:21:05  12 early   api_denied      20x every 60 s version=4.0.0
Look-alikes: `malformed_header` and `wrong_scheme`, which say what the version does wrong.
References: auth0/Auth0.Android#324; linagora/tmail-flutter#3782.
Pathologies: F3.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl

from authforensics.diagnose import calls
from authforensics.diagnose.case import Case
from authforensics.diagnose.cause import Cause, Judgement, Weight
from authforensics.diagnose.pieces import DEPLOY, FEW, deployed
from authforensics.diagnose.wording import clock, plural

_WEIGHTS = {
    "version": Weight(1.5, "it is confined to one version: alone it does not carry"),
    "new": Weight(3.0, "nobody had the version before, and each is refused soon after it got it", decides=True),
    "changed": Weight(1.0, "the same devices were well with their version before"),
    "others": Weight(0.5, "devices on other versions are well meanwhile"),
    "deploy": DEPLOY,
    "before": Weight(-4.0, "the devices had it for a time and were well: something else changed"),
}
#: So much of the log must lie before a version's first call to say that nobody had it; and how soon it shows what it
#: does wrong: the most common access lifetime, after which all clients have refreshed.
_SEEN = _SOON = timedelta(hours=1)


def _judge(case: Case) -> Judgement:
    found = Judgement()
    versions = case.scope.app_version
    if len(versions) != 1:
        return found
    devices = len(case.devices)
    found.speaks_for("version", 1.0, f"only {versions[0]}")
    used = calls.versions(case.events, case.hit)
    of_it = used.filter(pl.col("app_version") == versions[0])
    first: datetime = of_it["first_seen"].min()  # type: ignore[assignment]
    waited = of_it.join(case.hit.rename({"first_seen": "refused_at"}), on="device_id")
    soon = waited.filter(pl.col("refused_at") - pl.col("first_seen") <= _SOON).height
    if soon <= 0.5 * devices:
        found.speaks_against(
            "before", 1 - soon / devices, f"{devices - soon:,} of {plural(devices, 'device')} had it for over an hour"
        )
    elif first - case.begin >= _SEEN:
        found.speaks_for(
            "new",
            soon / devices,
            f"the first of them had it at {clock(first)} UTC; {soon:,} of {plural(devices, 'device')} were refused"
            " within an hour after they got it",
        )
    older = used.filter(pl.col("app_version") != versions[0], pl.col("accepted") > 0)["device_id"].n_unique()
    if older >= FEW:
        found.speaks_for(
            "changed",
            min(4 * older / devices, 1.0),
            f"{plural(older, 'device')} were accepted with another version before",
        )
    others = case.active - devices
    if case.accepted and others > 0:
        found.speaks_for("others", 1.0, f"{plural(others, 'other device')} are not affected")
    deployed(case, found)
    return found


CAUSE = Cause(
    name="client_release",
    title="A release of the app broke its sessions",
    check=(
        "Compare what the release changed in storing, sending and refreshing tokens. Update a device from the version"
        " before and watch its next refresh."
    ),
    remediation=(
        "Stop the rollout and ship the fix. Let the service treat the version leniently until then, and tell its users"
        " to log in again."
    ),
    weights=_WEIGHTS,
    judge=_judge,
)
