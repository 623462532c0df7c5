"""`duplicate_cookie`: browsers send an old cookie beside the new one, and the service reads the old one.

Deciding: refreshes are granted, the new tokens are refused at once for what only an old token can be (expired),
in browsers of every version, while native apps are well. No log shows two cookies of one name, so that nothing here
decides: a client that keeps its old token looks the same where it is one version.
Sequence:
    10:00:00  12 shops   login_ok    2 s apart platform=web
    10:00:05  12 shops   api_ok      2 s apart, 40x every 60 s platform=web
    10:00:10  12 phones  login_ok    2 s apart platform=ios
    10:00:15  12 phones  api_ok      2 s apart, 90x every 60 s platform=ios
    10:41:00  12 shops   api_denied  token_expired platform=web
    10:41:01  12 shops   refresh_ok  30x every 30 s platform=web
    10:41:02  12 shops   api_denied  30x every 30 s token_expired platform=web
Look-alikes: `client_keeps_old_token`, of one version; `signing_key_mismatch`, whose server names the key.
References: RFC 6265 sections 5.3 and 5.4; supertokens/supertokens-node#813; girder/girder#3040.
Pathologies: A6.
"""

from __future__ import annotations

import polars as pl

from authforensics.diagnose.case import Case
from authforensics.diagnose.cause import Cause, Judgement, Weight
from authforensics.diagnose.pieces import DEPLOY, FEW, deployed
from authforensics.diagnose.wording import plural
from authforensics.schema import Reason
from authforensics.states import AuthEvent

_WEIGHTS = {
    "old": Weight(3.0, "a token just given by a refresh is refused as expired: an older one was read"),
    "browsers": Weight(2.0, "browsers only"),
    "versions": Weight(1.0, "of several versions: it is no bug of one"),
    "refreshes": Weight(1.0, "their refreshes are granted: the session is good"),
    "deploy": DEPLOY,
    "apps": Weight(-4.0, "native apps are affected, too"),
    "one_version": Weight(-2.5, "one version only: it may keep its old token"),
    "other_reason": Weight(-4.0, "the server names a fault of new tokens"),
}
_BROWSER = "web"


def _judge(case: Case) -> Judgement:
    found = Judgement()
    fresh = case.denials.filter("rejection", pl.col("granted_by") == AuthEvent.REFRESH_OK.value)
    told = fresh.filter(pl.col("reason").is_not_null())
    old = told.filter(pl.col("reason") == Reason.TOKEN_EXPIRED.value).height
    if old < FEW:
        return found
    found.speaks_for(
        "old",
        old / told.height,
        f"{old:,} of {plural(told.height, 'token')} just refreshed are refused as expired",
    )
    if old < 0.9 * told.height:
        found.speaks_against(
            "other_reason", 1 - old / told.height, f"{told.height - old:,} of them are refused for something else"
        )
    devices = case.meanwhile.devices.join(case.hit.select("device_id"), on="device_id", how="semi")
    known = devices.filter(pl.col("platform").is_not_null())
    web = known.filter(pl.col("platform").cast(pl.String) == _BROWSER)
    if known.height and web.height < 0.95 * known.height:
        found.speaks_against(
            "apps", min(2 * (1 - web.height / known.height), 1.0), f"{known.height - web.height:,} are no browsers"
        )
    elif _BROWSER in case.scope.platform:
        found.speaks_for("browsers", 1.0, f"only browsers: {plural(web.height, 'device')}")
    if case.scope.app_version:
        found.speaks_against("one_version", 1.0, f"only {', '.join(case.scope.app_version)}")
    elif web["app_version"].n_unique() > 1:
        found.speaks_for("versions", 1.0, f"{web['app_version'].n_unique()} versions")
    granted = case.refreshes()["ok"]
    if granted >= fresh.height:
        found.speaks_for("refreshes", 1.0, f"{granted:,} refreshes were granted meanwhile")
    deployed(case, found)
    found.missing.append("how often the session cookie is sent: the number of cookies of its name, never their values")
    return found


CAUSE = Cause(
    name="duplicate_cookie",
    title="Browsers send an old cookie beside the new one",
    check=(
        "In an affected browser look at the Cookie header of a refused request: is one name there twice? Compare Domain"
        " and Path of the Set-Cookie of today and of before the last change. A private window works."
    ),
    remediation=(
        "Expire the old cookie with its old Domain and Path in every answer, and give the new one another name, so that"
        " the service cannot read the wrong one."
    ),
    weights=_WEIGHTS,
    judge=_judge,
)
