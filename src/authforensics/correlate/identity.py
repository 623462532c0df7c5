"""Who a line belongs to: the identity ladder, chosen per system, not per line, so that one device isn't two."""

from __future__ import annotations

import hashlib
from typing import Literal

import polars as pl

from authforensics.document import Identity, Rung
from authforensics.redact import fingerprint

#: Rungs from the most to the least telling, with what they are worth.
LADDER = ("device_id", "session_id", "user_id")
FALLBACK = "client_ip+user_agent"
_CONFIDENCE: dict[str, Literal["high", "medium", "low"]] = {
    "device_id": "high",
    "session_id": "high",
    "user_id": "medium",
    FALLBACK: "low",
}
#: A rung carries a system when at least this share of its requests have it. Fewer: it would split devices in two.
COVERAGE = 0.5


def identify(requests: pl.DataFrame, override: str | None = None) -> pl.DataFrame:
    """Set `device_id` to the identity that is used, and `identity_key` to its rung.

    Lines without the system's key are stitched to the device of their address and user agent where that is
    unambiguous; what remains is its own identity, `<client_ip>|<user agent>`.

    Args:
        requests: events of kind request, of any number of systems.
        override: a rung to use whatever its coverage.
    """
    parts = [_identify_system(part, override) for part in requests.partition_by("system", maintain_order=True)]
    return pl.concat(parts) if parts else requests.with_columns(identity_key=pl.lit(None, pl.String))


def _identify_system(requests: pl.DataFrame, override: str | None) -> pl.DataFrame:
    pair = pl.concat_str(pl.col("client_ip").fill_null("-"), pl.lit("|"), pl.col("user_agent").fill_null("-"))
    frame = requests.with_columns(_pair=pair, session_id=_session_fingerprint(requests))
    key = _key(frame, override)
    if key is None:
        return frame.with_columns(device_id="_pair", identity_key=pl.lit(FALLBACK)).drop("_pair")
    # One device behind an address and user agent: its lines without an id are its own.
    link = (
        frame.filter(pl.col(key).is_not_null())
        .group_by("_pair")
        .agg(_only=pl.col(key).first(), _devices=pl.col(key).n_unique())
        .filter(pl.col("_devices") == 1)
        .drop("_devices")
    )
    frame = frame.join(link, on="_pair", how="left", maintain_order="left")
    known = pl.coalesce(key, "_only")
    return frame.with_columns(
        device_id=pl.coalesce(known, "_pair"),
        identity_key=pl.when(known.is_null()).then(pl.lit(FALLBACK)).otherwise(pl.lit(key)),
    ).drop("_pair", "_only")


def _key(frame: pl.DataFrame, override: str | None) -> str | None:
    if override is not None:
        return None if override == FALLBACK else override
    for rung in LADDER:
        if frame.height and frame[rung].count() / frame.height >= COVERAGE:
            return rung
    return None


def _session_fingerprint(frame: pl.DataFrame) -> pl.Series:
    """Session ids are secrets: from here on only their keyed fingerprint is known. The key comes from the input."""
    values = frame["session_id"].drop_nulls().unique().sort().to_list()
    key = hashlib.sha256("\n".join(values).encode()).digest()
    return frame["session_id"].replace({value: f"session:{fingerprint(value, key)}" for value in values})


def summary(requests: pl.DataFrame) -> Identity:
    """How the devices of one system were told apart, for the document."""
    shares = requests.group_by("identity_key").agg(share=pl.len() / max(requests.height, 1))
    order = {key: index for index, key in enumerate((*LADDER, FALLBACK))}
    rungs = sorted(shares.rows(), key=lambda row: order[row[0]])
    return Identity(
        ladder=tuple(Rung(key=key, share=round(share, 4), confidence=_CONFIDENCE[key]) for key, share in rungs),
        devices=requests["device_id"].n_unique(),
    )
