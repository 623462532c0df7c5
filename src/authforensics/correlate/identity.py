"""Who a line belongs to: the identity ladder, chosen per system, not per line, so that one device isn't two."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import polars as pl

from authforensics.correlate.narrow import one_number
from authforensics.document import Identity, Rung
from authforensics.once import once
from authforensics.redact import fingerprint
from authforensics.schema import TEXT

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
#: What a device without an id is told by.
PAIR = ("client_ip", "user_agent")


@dataclass(frozen=True)
class Ladder:
    """How the devices of every system are told apart.

    `keys` has the rung that is used, per system (None: address and user agent); `links` the one device behind an
    address and user agent (`system`, `client_ip`, `user_agent`, `only`), for lines without an id; `told` the ids that
    only the application logged (`system`, `request_id` and the rungs); `secrets` what session ids are fingerprinted
    with.
    """

    keys: Mapping[str, str | None]
    links: pl.DataFrame
    told: pl.DataFrame
    secrets: Mapping[str, bytes]

    @property
    def telling(self) -> list[str]:
        """The columns of REQUESTS that tell the device of a request."""
        by_id = () if self.told.is_empty() else ("request_id", *LADDER)
        used = (key for key in self.keys.values() if key is not None)
        return list(dict.fromkeys(("system", *by_id, *used, *PAIR)))


def told_by(messages: pl.DataFrame) -> pl.DataFrame:
    """Device, session and user ids that the application logged, by request id.

    Args:
        messages: MESSAGES with `row`.
    """
    return (
        messages.filter(
            pl.col("request_id").is_not_null(), pl.any_horizontal(pl.col(name).is_not_null() for name in LADDER)
        )
        .sort("row")
        .group_by("system", "request_id", maintain_order=True)
        .agg(pl.col(name).drop_nulls().first() for name in LADDER)
    )


def climb(
    requests: pl.LazyFrame,
    covered: Mapping[str, Mapping[str, int]],
    told: pl.DataFrame,
    override: str | None,
    key: bytes | None,
) -> Ladder:
    """Decide on the rungs.

    Args:
        requests: REQUESTS of everything, `system` decided.
        covered: per system, how many requests have each rung (`len`: how many there are), without what was `told`.
        told: what `told_by` gave.
        override: a rung to use whatever its coverage.
        key: what session ids are fingerprinted with; by default it comes from them.
    """
    filled = _filled(requests, told)
    if not told.is_empty():
        covered = coverage(filled)
    rungs = {system: _rung(shares, override) for system, shares in sorted(covered.items())}
    links = [
        _links(filled, system, rung)
        for system, rung in rungs.items()
        if rung is not None and covered[system][rung] < covered[system]["len"]
    ]
    return Ladder(
        keys=rungs,
        links=pl.concat([pl.DataFrame(schema=dict.fromkeys(("system", *PAIR, "only"), TEXT)), *links]),
        told=told,
        secrets={system: _secret(filled, system, key) for system, rung in rungs.items() if rung == "session_id"},
    )


def coverage(requests: pl.LazyFrame) -> dict[str, dict[str, int]]:
    """Per system, how many of some REQUESTS have each rung; `len`: how many there are."""
    counts = requests.group_by("system").agg(pl.len(), *(pl.col(name).count() for name in LADDER))
    rows = counts.collect(engine="streaming").cast({"system": pl.String}).to_dicts()
    return {row.pop("system"): row for row in rows}


def likely(covered: Mapping[str, int], override: str | None) -> str | None:
    """The rung that requests covered like this would be given; None: address and user agent."""
    return _rung(covered, override)


def spread(requests: pl.DataFrame, rung: str | None, partitions: int) -> pl.Series:
    """In which of so many partitions each request belongs, if its device is told by `rung`."""

    def hashed(name: str) -> pl.Expr:
        return pl.col(name).to_physical().hash()

    pair = hashed("client_ip") ^ (hashed("user_agent") // 3)
    key = pair if rung is None else pl.when(pl.col(rung).is_not_null()).then(hashed(rung)).otherwise(pair)
    return requests.select(partition=(key % partitions).cast(pl.UInt16)).to_series()


def places(requests: pl.DataFrame, ladder: Ladder, partitions: int) -> pl.Series:
    """In which of so many partitions each request belongs, now that it is decided what tells devices apart.

    Args:
        requests: REQUESTS, at least the columns that are `telling`; `system` decided.
        ladder: what was decided.
        partitions: how many there are.
    """
    filled = requests if ladder.told.is_empty() else _filled(requests.lazy(), ladder.told).collect()
    found = pl.zeros(filled.height, dtype=pl.UInt16, eager=True)
    for system, key in ladder.keys.items():
        at = filled.select(pl.arg_where(pl.col("system") == system)).to_series()
        mine = filled.select(*([] if key is None else [key]), *PAIR)[at]
        found = found.scatter(at, spread(mine, key, partitions))
        if key is None or not mine[key].null_count():
            continue
        strays = mine[key].is_null().arg_true()
        lost = mine[strays]
        only = _only(lost, ladder, system)
        alone = only.is_null().arg_true()
        names = only.to_physical().scatter(alone, _pairs(lost[alone]).to_physical()).cat.to(TEXT)
        found = found.scatter(at.gather(strays), spread(lost.with_columns(names.alias(key)), key, partitions))
    return found.alias("partition")


def _rung(shares: Mapping[str, int], override: str | None) -> str | None:
    if override is not None:
        return None if override == FALLBACK else override
    return next((rung for rung in LADDER if shares[rung] / shares["len"] >= COVERAGE), None)


def _links(requests: pl.LazyFrame, system: str, key: str) -> pl.DataFrame:
    """One device behind an address and user agent: its lines without an id are its own."""
    known = requests.filter(pl.col("system") == system, pl.col(key).is_not_null())
    devices = known.group_by(PAIR).agg(only=pl.col(key).first(), devices=pl.col(key).n_unique())
    alone = devices.filter(pl.col("devices") == 1).collect(engine="streaming")
    return alone.select(pl.lit(system).cast(TEXT).alias("system"), *PAIR, "only")


def _secret(requests: pl.LazyFrame, system: str, key: bytes | None) -> bytes:
    if key is not None:
        return hmac.new(key, b"session", hashlib.sha256).digest()
    mine = requests.filter(pl.col("system") == system).select(pl.col("session_id").unique())
    values = sorted(mine.collect(engine="streaming")["session_id"].drop_nulls().cast(pl.String).to_list())
    return hashlib.sha256("\n".join(values).encode()).digest()


def _filled(requests: pl.LazyFrame, told: pl.DataFrame) -> pl.LazyFrame:
    if told.is_empty():
        return requests
    named = told.lazy().rename({name: f"_{name}" for name in LADDER})
    joined = requests.join(named, on=["system", "request_id"], how="left", maintain_order="left")
    filled = joined.with_columns(pl.coalesce(name, f"_{name}").alias(name) for name in LADDER)
    return filled.drop(f"_{name}" for name in LADDER)


def identify(requests: pl.DataFrame, ladder: Ladder) -> pl.DataFrame:
    """Set `device_id` to the identity that is used, and `identity_key` to its rung.

    Lines without the system's key are stitched to the device of their address and user agent where that is
    unambiguous; what remains is its own identity, `<client_ip>|<user agent>`.
    """
    told = known(requests, ladder)
    if not told["device_id"].null_count():
        return told
    return told.with_columns(pl.coalesce("device_id", _pairs(told)).alias("device_id"))


def known(requests: pl.DataFrame, ladder: Ladder) -> pl.DataFrame:
    """The same, but `device_id` is null for those that are told by address and user agent."""
    filled = _filled(requests.lazy(), ladder.told).collect() if not ladder.told.is_empty() else requests
    codes = filled["system"].to_physical()
    alone = codes.min() == codes.max()
    parts = [_known_of_system(part, ladder) for part in ([filled] if alone else filled.partition_by("system"))]
    return pl.concat(parts) if parts else filled.with_columns(identity_key=pl.lit(None, TEXT))


def _known_of_system(requests: pl.DataFrame, ladder: Ladder) -> pl.DataFrame:
    if requests.is_empty():
        return requests.with_columns(identity_key=pl.lit(None, TEXT))
    system = str(requests["system"][0])
    key = ladder.keys[system]
    fallback = pl.lit(FALLBACK).cast(TEXT)
    if key is None:
        return requests.with_columns(device_id=pl.lit(None, TEXT), identity_key=fallback)
    secret = ladder.secrets.get(system)
    if secret is not None:
        requests = requests.with_columns(_fingerprinted(requests[key], secret))
    found, rung = requests[key].alias("device_id"), pl.lit(key).cast(TEXT)
    if not found.null_count():
        return requests.with_columns(found, identity_key=rung)
    strays = found.is_null().arg_true()
    only = _only(requests.select(PAIR)[strays], ladder, system)
    stitched = only if secret is None else _fingerprinted(only, secret)
    found = found.to_physical().scatter(strays, stitched.to_physical()).cat.to(TEXT)
    return requests.with_columns(found, identity_key=pl.when(found.is_null()).then(fallback).otherwise(rung))


def _only(strays: pl.DataFrame, ladder: Ladder, system: str) -> pl.Series:
    """The one device behind the address and user agent of each of `strays`, where it is one."""
    links = ladder.links.filter(pl.col("system") == system).select(*PAIR, "only")
    return strays.select(PAIR).join(links, on=PAIR, how="left", nulls_equal=True, maintain_order="left")["only"]


def pair_names(requests: pl.DataFrame) -> pl.Series:
    """Address and user agent as one name, `device_id`."""
    parts = (pl.col(part).cast(pl.String).fill_null("-") for part in PAIR)
    return requests.select(device_id=pl.concat_str(*parts, separator="|").cast(TEXT)).to_series()


def address() -> pl.Expr:
    """The address of a client, also where only the name of its device has it."""
    name = pl.when(pl.col("identity_key") == FALLBACK).then(pl.col("device_id").cast(pl.String))
    return pl.coalesce(pl.col("client_ip").cast(pl.String), name.str.extract(r"^([^|]{2,})\|")).cast(TEXT)


def _pairs(requests: pl.DataFrame) -> pl.Series:
    """The same, put together once for each pair there is."""
    codes = one_number([requests[part] for part in PAIR]).to_frame().with_row_index("at")
    pairs = codes.group_by("code").agg(pl.col("at").first())
    names = pairs.with_columns(pair_names(requests.select(PAIR)[pairs["at"]]))
    return codes.join(names.select("code", "device_id"), on="code", how="left", maintain_order="left")["device_id"]


def _fingerprinted(values: pl.Series, secret: bytes) -> pl.Series:
    """Session ids are secrets: what is shown of one is its keyed fingerprint."""
    return once(values, lambda value: f"session:{fingerprint(value, secret)}").cast(TEXT)


def summary(devices: int, keys: Mapping[str, int]) -> Identity:
    """How the devices of one system were told apart, for the document.

    Args:
        devices: how many there are.
        keys: how many requests each rung told.
    """
    total = max(sum(keys.values()), 1)
    order = [key for key in (*LADDER, FALLBACK) if key in keys]
    return Identity(
        ladder=tuple(Rung(key=key, share=round(keys[key] / total, 4), confidence=_CONFIDENCE[key]) for key in order),
        devices=devices,
    )
