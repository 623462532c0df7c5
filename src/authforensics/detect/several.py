"""Who is several in truth, and which sessions outlive themselves: what decides which accepted calls are looked at."""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from authforensics.detect.runs import NAMES, changed, is_acting, is_event, one_of
from authforensics.schema import Sessions
from authforensics.states import GRACE_SECONDS, AuthEvent

#: The rung of the identity ladder on which one device may in truth be many.
WEAK = "client_ip+user_agent"
#: How often a device must be seen under another address and user agent before it is looked at: an app that was updated
#: on another network changes once, and a phone that was replaced once.
MIN_TURNS = 3


def by_turns(events: pl.DataFrame) -> pl.Series:
    """The numbers of devices that changed address and user agent together, `MIN_TURNS` times at least."""
    address, agent = events["client_ip"], events["user_agent"]
    if address.null_count() == len(address) or agent.null_count() == len(agent):
        return events["device"].clear()
    own = pl.col("device") == pl.col("device").shift()
    other = pl.col("user_agent").ne_missing(pl.col("user_agent").shift())
    elsewhere = pl.col("client_ip").ne_missing(pl.col("client_ip").shift())
    turns = events["device"].filter(events.select(own & other & elsewhere).to_series().fill_null(value=False))
    runs = turns.rle().struct
    return runs.field("value").filter(runs.field("len") >= MIN_TURNS)


def outlived(sessions: Sessions) -> pl.DataFrame:
    """The sessions, `device` and `session`, that began after a logout and without a login."""
    events = sessions.events.select("device", "session", "auth_event", "straggler")
    ended = events.filter(events.select(is_event(AuthEvent.LOGOUT)).to_series())
    if ended.is_empty():
        return ended.select("device", "session")
    begun = events.filter(events.select(is_event(AuthEvent.LOGIN_OK)).to_series()).select("device", "session")
    return ended.select("device", pl.col("session") + 1).unique().join(begun, on=["device", "session"], how="anti")


def proven(sessions: Sessions) -> pl.DataFrame:
    """The names of devices that were accepted, logged in or refreshed at some time: strangers never were."""
    proofs = [AuthEvent.API_OK.value, AuthEvent.LOGIN_OK.value, AuthEvent.REFRESH_OK.value]
    return sessions.sessions.filter(pl.any_horizontal(pl.col(proofs) > 0)).select(NAMES)


def weak(frame: pl.DataFrame, sessions: Sessions) -> pl.Series:
    """Which rows are of devices that nothing but address and user agent tells apart."""
    names = sessions.devices.filter(pl.col("identity_key") == WEAK).select(*NAMES, weak=pl.lit(value=True))
    if names.is_empty():
        return pl.repeat(False, frame.height, dtype=pl.Boolean, eager=True).alias("weak")
    return frame.select(NAMES).join(names, on=NAMES, how="left", maintain_order="left")["weak"].fill_null(value=False)


def crowded(sessions: Sessions) -> pl.Series:
    """The numbers of devices at which somebody logged in while a session went on: several people behind one name.

    Args:
        sessions: with accepted calls or without.
    """
    columns = ("device", "timestamp", "auth_event", "episode", "straggler")
    # A refused refresh is no transition where it ran beside a granted one, but an end to the session all the same.
    refused = one_of("auth_event", [AuthEvent.REFRESH_DENIED.value])
    verdicts = sessions.events.select(columns).filter(sessions.events.select(is_acting() | refused).to_series())
    before = pl.col("auth_event").shift()
    held = (before == AuthEvent.LOGIN_OK.value) | (before == AuthEvent.REFRESH_OK.value)
    soon = pl.col("timestamp").shift() - pl.col("timestamp").shift(2) <= timedelta(seconds=GRACE_SECONDS)
    raced = refused.shift(2, fill_value=False) & soon & ~changed("device").shift(fill_value=True)
    used = pl.col("episode") > pl.col("episode").shift()
    nowhere = is_event(AuthEvent.LOGIN_OK) & held & ~raced & used & ~changed("device")
    return verdicts["device"].filter(verdicts.select(nowhere).to_series().fill_null(value=False)).unique()


def apart(frame: pl.DataFrame, sessions: Sessions, sure: pl.Expr | None = None) -> pl.DataFrame:
    """Without the rows of weakly known devices that are several people; `frame` has `device`, and gets `weak`.

    Args:
        frame: something that was seen of devices.
        sessions: with accepted calls or without.
        sure: which rows tell the same, however many people there are.
    """
    told = frame.with_columns(weak(frame, sessions))
    if not told["weak"].any():
        return told
    several = pl.col("weak") & pl.col("device").is_in(crowded(sessions).implode())
    return told.filter(~several if sure is None else ~several | sure)
