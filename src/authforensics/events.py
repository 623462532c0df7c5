"""Owns the exported table: every event with all that is known of it. The files are read once more for it."""

from __future__ import annotations

from hashlib import sha256

import polars as pl

from authforensics import collect, correlate
from authforensics.local import Settings, Studied
from authforensics.once import once
from authforensics.redact import fingerprint
from authforensics.schema import EVENTS, Kind


def all_events(studied: Studied, settings: Settings) -> pl.DataFrame:
    """Every event, with all that is known of it: EVENTS, in order of time. All at once, in memory.

    The files are read again: what only this table has isn't kept.
    """
    whole = collect.gather_found(studied.found, settings.collect)[0] if studied.whole is None else studied.whole()
    echoes, asked = studied.ground.echoes, whole["kind"] == Kind.REQUEST.value
    if echoes.originals:
        whole = pl.concat([whole.filter(~asked), echoes.left(whole.filter(asked))])
    whole = studied.ground.placed(whole)
    parts = [_known(studied, number) for number in range(studied.requests.count)]
    known = pl.concat([*parts, studied.messages.select("row", "device_id", "reason")], how="diagonal")
    own = [name for name in known.columns if name != "row" and name in whole.columns]
    joined = whole.join(known, on="row", how="left", suffix="_known", maintain_order="left")
    joined = joined.with_columns(pl.coalesce(f"{name}_known", name).alias(name) for name in own)
    joined = joined.with_columns(_token_ids(joined["token"], settings.correlate.fingerprint_key))
    missing = {name: pl.lit(None, dtype) for name, dtype in EVENTS.items() if name not in joined.columns}
    told = joined.sort("timestamp", "row").with_columns(**missing)
    return told.select(pl.col(name).cast(dtype) for name, dtype in EVENTS.items())


def _token_ids(tokens: pl.Series, key: bytes | None) -> pl.Series:
    """What tokens are called where people see them: fingerprints by a key, which by default comes from all of them."""
    if key is None:
        distinct = tokens.drop_nulls().unique().sort()
        key = sha256(b"".join(int(token).to_bytes(8, "little") for token in distinct)).digest()
    return once(tokens, lambda token: f"token:{fingerprint(token, key)}").alias("token_id")


def _known(studied: Studied, number: int) -> pl.DataFrame:
    """What EVENTS has beyond COLLECTED, of the requests of one partition."""
    arranged = correlate.arrange(studied.requests.load(number), studied.ground)
    sessions, _ = correlate.sessionize(arranged, studied.table, studied.explained, studied.ground)
    return sessions.events.select(
        *("row", "device_id", "identity_key", "platform", "app_version", "endpoint_class", "auth_event", "reason"),
        *("state", "straggler"),
    )
