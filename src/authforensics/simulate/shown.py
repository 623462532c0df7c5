"""Since when a log shows what a fault does to a device, and not something ordinary.

What is ordinary to a log: a call with a session that is over, whose logout it doesn't have, as long as it is accepted
or merely expires; where it has no device ids, the same of a copy of a session: that is another device's; and calls that
are refused for the lack of a token, or for no reason that it tells, of a device that never before showed that it had a
session: a visitor's are, too.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from authforensics.schema import Reason
from authforensics.simulate.record import Exchange, Kind
from authforensics.simulate.writer import DEVICE_ID

_ORDINARY = {None, Reason.TOKEN_EXPIRED}


def first_shown(exchanges: Sequence[Exchange], cause: str, *, shared: bool, tells: Collection[str]) -> Exchange | None:
    """The first effect of `cause` on a device that the log shows; None: it shows none.

    Args:
        exchanges: what the log has of the device, in the order in which it ended.
        cause: of the fault.
        shared: somebody else has its session, too.
        tells: what the log tells, of `device_id` and `reason`.
    """
    named, told = DEVICE_ID in tells, "reason" in tells
    known: set[tuple[str, str] | None] = set()
    left: set[tuple[str, str] | None] = set()
    for one in exchanges:
        # Without ids what a device does at one address is that of another one than at the next.
        place = None if named else (one.address, one.agent)
        outlived = one.logged_out is not None and place not in left and one.reason in _ORDINARY
        anonymous = not told or one.reason is Reason.MISSING_TOKEN
        visits = anonymous and one.kind is Kind.API and one.refused and place not in known
        copied = shared and not named and (not told or one.reason in _ORDINARY)
        if one.fault == cause and not (outlived or visits or copied):
            return one
        if one.accepted or one.issued or one.kind is Kind.REFRESH:
            known.add(place)
        if one.kind is Kind.LOGOUT:
            left.add(place)
    return None
