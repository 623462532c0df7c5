"""Tells where the addresses of a log are those of a proxy before it, not those of clients."""

from __future__ import annotations

import polars as pl

#: Addresses that nobody has on the internet: of this machine, of a private network, or a socket.
PRIVATE = (
    r"^(?:10\.|127\.|192\.168\.|169\.254\.|172\.(?:1[6-9]|2\d|3[01])\.|100\.(?:6[4-9]|[7-9]\d|1[01]\d|12[0-7])\."
    r"|::1$|::ffff:(?:10|127|192\.168)\.|f[cd][0-9a-f]{2}:|fe80:|unix:)"
)
#: So many addresses a balancer may have, and this share of all requests comes from them.
_FEW, _NEARLY = 4, 0.9


def proxies(counts: pl.DataFrame) -> pl.Series:
    """The one or few private addresses that nearly all requests come from, null where none is known; else none.

    Args:
        counts: how many requests (`len`) there are by `client_ip`.
    """
    address = pl.col("client_ip").cast(pl.String)
    inside = counts.filter(address.is_null() | address.str.contains(PRIVATE))
    most = inside.sort("len", address, descending=[True, False]).head(_FEW)
    nearly = int(most["len"].sum()) >= _NEARLY * int(counts["len"].sum())
    return (most if nearly else most.clear())["client_ip"]
