"""Whether a call in which the server saw no credential is a refusal: what the device did around it tells.

That a server says "missing" is what it saw. A proxy that drops the header, or a scheme it doesn't know, makes it say so
of devices that hold a token (pathologies G2, G4); a browser whose cookie is gone, or a user who logged out, has none.
"""

from __future__ import annotations

import polars as pl

from authforensics.among import is_event
from authforensics.correlate.order import DEVICE
from authforensics.schema import AUTH_EVENT
from authforensics.states import AuthEvent

#: Seconds after a login or refresh in which its token can't be gone yet: the shortest access lifetime that products
#: ship (simplejwt, Keycloak, Spring: 5 min).
_FRESH = 300
_GRANTS = (AuthEvent.LOGIN_OK, AuthEvent.REFRESH_OK)
_HELD = (AuthEvent.API_OK, *_GRANTS)
_TELLING = (*_HELD, AuthEvent.LOGOUT, AuthEvent.REFRESH_DENIED)


def refusals(events: pl.DataFrame) -> pl.Series:
    """`auth_event` of events in order of device and time: anonymous calls of devices that held a token are denied.

    It held one where a call was accepted before and the next is, too, with no login, refresh or logout in between; and
    where it had just been given one, of which no call was accepted yet. What holds for one such call of a session and
    route holds for all of them, until the session ends.
    """
    told = events["auth_event"]
    at = (told == AuthEvent.API_ANONYMOUS.value).arg_true()
    if at.is_empty():
        return told
    telling = events.select(is_event(*_TELLING)).to_series().arg_true()
    if telling.is_empty():
        return told
    around = _around(events, at, telling)
    grants = [event.value for event in _GRANTS]
    held = pl.col("before").is_in([event.value for event in _HELD])
    waited = (pl.col("timestamp") - pl.col("given_at")).dt.total_seconds()
    first_use = pl.col("before").is_in(grants) & (waited.first().over("place") <= _FRESH)
    goes_on = pl.col("after") == AuthEvent.API_OK.value
    sure = (held & (first_use | goes_on)).fill_null(value=False)
    # Of a session begun before the log a refresh is the first proof.
    begun = pl.col("before").is_null() & (pl.col("after") == AuthEvent.REFRESH_OK.value)
    denied = around.select((held | begun) & sure.any().over(DEVICE, "logins", "route"))
    where = at.filter(denied.to_series().fill_null(value=False))
    code = pl.Series([AuthEvent.API_DENIED.value], dtype=AUTH_EVENT).to_physical()[0]
    return told.to_physical().scatter(where, code).cat.to(AUTH_EVENT).alias("auth_event") if len(where) else told


def _around(events: pl.DataFrame, at: pl.Series, telling: pl.Series) -> pl.DataFrame:
    """Of the events at these places, the last and the next event of the same device that tells of a session.

    `place`: of the last; `given_at`: when it was; `logins`: how many logins and logouts came before, of any device.
    """
    told = events.select(DEVICE, "auth_event", "timestamp")[telling]
    ends = telling.filter(told.select(is_event(AuthEvent.LOGIN_OK, AuthEvent.LOGOUT)).to_series())
    later = telling.search_sorted(at, side="left").cast(pl.Int64)
    places = pl.DataFrame({"before": later - 1, "after": later}).select(
        before=pl.when(pl.col("before") >= 0).then("before"),
        after=pl.when(pl.col("after") < len(telling)).then("after"),
    )
    before = told.select(pl.all().gather(places["before"]).name.suffix("_before"), place=places["before"])
    after = told.select(pl.col(DEVICE, "auth_event").gather(places["after"]).name.suffix("_after"))
    own, next_ = (pl.col(DEVICE) == pl.col(f"{DEVICE}_{side}") for side in ("before", "after"))
    return (
        events.select(DEVICE, "timestamp", "route")[at]
        .hstack(before)
        .hstack(after)
        .select(
            *(DEVICE, "timestamp", "route", "place"),
            before=pl.when(own).then("auth_event_before"),
            after=pl.when(next_).then("auth_event_after"),
            given_at="timestamp_before",
            logins=ends.search_sorted(at, side="left"),
        )
    )
