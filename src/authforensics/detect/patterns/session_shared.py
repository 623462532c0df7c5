"""`session_shared`: one session is used by two clients at once, from different places.

What it sees: calls of one device or session by turns with two user agents, each from an address of its own, back and
forth several times: neither has replaced the other. Turns between IPv4 and IPv6 don't count.
Evidence: `any`: the last line of one client, one of the other, and the one with which the first is back; of the first
two returns and the last.
Sequence:
    10:00:00  phone  api_ok  10x every 60 s from=192.0.2.1 ua=App/1.0-Pixel-8
    10:00:30  phone  api_ok  10x every 60 s from=198.51.100.9 ua=App/1.0-S9
Why it matters: a stolen token looks like this, and so does state that a backup copied to a second phone: a log can't
tell the two apart, but both end with a session that locks itself out.
False positives: NAT and network hand-over (the user agent stays the same), an app and its web view (the address does);
server-side rendering and proxies, whose address many devices share; a relay that only the browser uses. Where users are
all that tells devices apart, a user with two devices is two, and nothing is claimed.
At the log's edges: turns outside the log are not seen; sharing that goes on until the log's end is ongoing.
Check: ask the user. Which models and app versions has the device id; was the app first started on a new phone that day?
Remediation: ask the user; end the session and its refresh tokens; bind tokens to the client; exclude them from backups.
References: RFC 9700 sections 2.2 and 4.14.2; home-assistant/android#4975; supertokens/supertokens-core#55.
Pathologies: H4, D5.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from authforensics.detect.detector import DRAFTS, Detector, Fleet, Limits, Threshold
from authforensics.detect.runs import NAMES, changed, drafts, occurrences, one_of, seconds, with_end
from authforensics.detect.several import by_turns
from authforensics.findings import duration
from authforensics.schema import REASON, Sessions

_CLIENT = ["client_ip", "user_agent"]
#: Rungs of the identity ladder that stand for one session at most.
_SINGLE = ["device_id", "session_id"]


def _observe(sessions: Sessions, limits: Limits) -> pl.DataFrame:
    returns = _returns(sessions)
    runs = occurrences(
        returns,
        limits["max_pause"],
        addresses=pl.concat([pl.col("here").unique(), pl.col("there").unique()]),
    ).filter(pl.col("count") >= limits["min_returns"])
    found = with_end(runs, sessions, limits["max_pause"])
    return drafts(found, returns=pl.col("count"), seconds=seconds()).with_columns(found["addresses"])


def _returns(sessions: Sessions) -> pl.DataFrame:
    """Where a client is back after another had its turn, as `occurrences` wants them; both addresses besides."""
    events = sessions.events
    single = sessions.devices.filter(one_of("identity_key", _SINGLE)).select(NAMES)
    mine = events.filter(
        pl.col("device").is_in(by_turns(events).implode()), ~pl.any_horizontal(pl.col(_CLIENT).is_null())
    )
    mine = mine.join(single, on=NAMES, how="semi", maintain_order="left").select(
        "device", *NAMES, "timestamp", "row", *_CLIENT
    )
    left = mine.with_columns(left_row=pl.col("row").shift(), left_at=pl.col("timestamp").shift())
    return _back(left.filter(mine.select(changed("device", *_CLIENT)).to_series()))


def _back(turns: pl.DataFrame) -> pl.DataFrame:
    """Of turns those that go back to where the device was before the last one; `left_at` and `left_row` before each."""

    def ago(name: str, count: int) -> pl.Expr:
        return pl.col(name).shift(count)

    six = pl.col("client_ip").cast(pl.String).str.contains(":", literal=True)
    back = (
        (pl.col("device") == ago("device", 2))
        & pl.all_horizontal(pl.col(name) == ago(name, 2) for name in _CLIENT)
        & pl.all_horizontal(pl.col(name) != ago(name, 1) for name in _CLIENT)
        & (six == six.shift())
    )
    told = turns.with_columns(
        began=ago("left_at", 1),
        lines=pl.concat_list(ago("left_row", 1), ago("row", 1), "row"),
        here=pl.col("client_ip").cast(pl.String),
        there=ago("client_ip", 1).cast(pl.String),
        reason=pl.lit(None, REASON),
    )
    return told.filter(turns.select(back.fill_null(value=False)).to_series())


def _conclude(observed: pl.DataFrame, fleet: Fleet, limits: Limits) -> pl.DataFrame:
    """Without those whose address is one of many devices: a server that calls for them."""
    del fleet
    used = observed.select(*NAMES, "addresses").explode("addresses").unique()
    many = used.group_by("system", "addresses").len().filter(pl.col("len") > limits["max_devices"])
    proxied = used.join(many, on=["system", "addresses"], how="semi").select(NAMES).unique()
    return observed.join(proxied, on=NAMES, how="anti", maintain_order="left").select(*DRAFTS.keys(), "measures")


def _describe(measures: Mapping[str, float]) -> str:
    return (
        f"two clients used it by turns from different addresses, back and forth {measures['returns']:.0f} times over"
        f" {duration(measures['seconds'])}"
    )


DETECTOR = Detector(
    name="session_shared",
    title="One session is used from two places at once",
    severity=2,
    thresholds=(
        Threshold("min_returns", 2, "returns", "derived: one may be a device that was replaced and tried once more"),
        Threshold("max_pause", 3600, "s", "the most common access lifetime, 1 h: later, it is not at once"),
        Threshold(
            "max_devices", 3, "devices of an address", "derived: more than a household; it is a server or a proxy"
        ),
    ),
    observe=_observe,
    conclude=_conclude,
    describe=_describe,
)
