"""Correlate: who a line belongs to, what the call meant, why it was refused, and where that leaves the device.

COLLECTED events → systems → identity → endpoint classes → reasons → auth events → stragglers → states → tables
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from authforensics.correlate import (
    clients,
    endpoints,
    identity,
    order,
    outcomes,
    population,
    reasons,
    sessions,
    systems,
)
from authforensics.document import Identity, Join
from authforensics.errors import UnknownName
from authforensics.schema import EVENTS, EndpointClass, Kind, Reason, Sessions

__all__ = ["RUNGS", "Correlated", "Options", "correlate"]

#: What a user may name to tell devices apart.
RUNGS = (*identity.LADDER, identity.FALLBACK)


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a user may decide about correlation. `device_key`: a rung of the identity ladder to use."""

    device_key: str | None = None
    endpoints: Mapping[str, EndpointClass] = field(default_factory=dict)
    systems: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Correlated:
    """The sessions, and what is told about how they came about. Frames and mappings are per system."""

    sessions: Sessions
    messages: pl.DataFrame
    endpoints: pl.DataFrame
    populations: pl.DataFrame
    folders: dict[str, str]
    identities: dict[str, Identity]
    joins: dict[str, Join]
    out_of_order: dict[str, float]


def correlate(collected: pl.DataFrame, options: Options | None = None) -> Correlated:
    """Make sessions of events.

    Args:
        collected: COLLECTED events, in the order of their files.
        options: what the user decided; by default nothing.

    Raises:
        UnknownName: the device key is no rung of the identity ladder.
    """
    chosen = options or Options()
    if chosen.device_key is not None and chosen.device_key not in RUNGS:
        raise UnknownName("device key", chosen.device_key, RUNGS)
    folders = systems.join_folders(collected, chosen.systems)
    events = collected.with_columns(pl.col("system").replace(folders)).with_row_index("row")
    requests = events.filter(pl.col("kind").cast(pl.String) == Kind.REQUEST.value)
    messages = reasons.read_messages(events.filter(pl.col("kind").cast(pl.String) == Kind.MESSAGE.value))
    requests = _ids_from_messages(requests, messages).with_columns(route=endpoints.route())
    requests = order.by_device(clients.add_clients(identity.identify(requests, chosen.device_key)))
    table = endpoints.classify(requests, chosen.endpoints)
    requests = requests.join(
        table.select("system", "method", "route", "endpoint_class"),
        on=["system", "method", "route"],
        how="left",
        nulls_equal=True,
        maintain_order="left",
    )
    requests = _decide_token_calls(requests)
    requests, joins = _explain(requests, messages)
    requests = order.mark_stragglers(requests.with_columns(outcomes.auth_event()))
    requests = sessions.number_runs(sessions.add_states(requests))
    late = order.out_of_order(events)
    return Correlated(
        sessions=_tables(requests, events),
        messages=messages,
        endpoints=table,
        populations=population.populations(requests),
        folders=folders,
        identities={
            system: identity.summary(part)
            for (system,), part in requests.partition_by("system", as_dict=True, maintain_order=True).items()
        },
        joins=joins,
        out_of_order=dict(zip(late["system"].to_list(), late["share"].to_list(), strict=True)),
    )


def _tables(requests: pl.DataFrame, events: pl.DataFrame) -> Sessions:
    wide = requests.with_columns(key_id=pl.lit(None, pl.String), token_id=pl.lit(None, pl.String))
    extra = [
        "row",
        "session",
        "grant",
        "episode",
        "granted_by",
        "granted_at",
        "grant_row",
        "login_at",
        "age",
        "rejection",
        "write",
    ]
    return Sessions(
        events=wide.select(*EVENTS.keys(), *extra),
        sessions=sessions.sessions(requests),
        grants=sessions.grants(requests),
        episodes=sessions.episodes(requests),
        rates=population.rates(requests),
        spans=events.group_by("system", maintain_order=True)
        .agg(begin=pl.col("timestamp").min(), end=pl.col("timestamp").max())
        .sort("system"),
    )


def _ids_from_messages(requests: pl.DataFrame, messages: pl.DataFrame) -> pl.DataFrame:
    """Device, session and user ids that only the application logged, joined by request id."""
    if messages.is_empty():
        return requests
    ids = ("device_id", "session_id", "user_id")
    told = (
        messages.filter(
            pl.col("request_id").is_not_null(), pl.any_horizontal(pl.col(name).is_not_null() for name in ids)
        )
        .group_by("system", "request_id", maintain_order=True)
        .agg(pl.col(name).drop_nulls().first().alias(f"_{name}") for name in ids)
    )
    return (
        requests.join(told, on=["system", "request_id"], how="left", maintain_order="left")
        .with_columns(pl.coalesce(name, f"_{name}").alias(name) for name in ids)
        .drop(f"_{name}" for name in ids)
    )


def _decide_token_calls(requests: pl.DataFrame) -> pl.DataFrame:
    """A `token` call is a refresh or a login, by what its device did before.

    It is a refresh where the device had a session, unless it has been to the authorization endpoint since; else a
    login.
    """
    name = pl.col("endpoint_class").cast(pl.String)
    protected = name.is_in([member.value for member in outcomes.PROTECTED])
    step = (
        pl.when(name == EndpointClass.AUTHORIZE.value)
        .then(pl.lit("authorize"))
        .when(
            protected | (name.is_in([EndpointClass.TOKEN.value, EndpointClass.LOGIN.value]) & (pl.col("status") < 300))
        )
        .then(pl.lit("session"))
        .when(name == EndpointClass.LOGOUT.value)
        .then(pl.lit("none"))
    )
    before = step.shift().forward_fill().over(order.DEVICE)
    decided = (
        pl.when(name == EndpointClass.TOKEN.value)
        .then(
            pl.when(before == "session")
            .then(pl.lit(EndpointClass.REFRESH.value))
            .otherwise(pl.lit(EndpointClass.LOGIN.value))
        )
        .otherwise(name)
    )
    return requests.with_columns(endpoint_class=decided.cast(requests.schema["endpoint_class"]))


def _explain(requests: pl.DataFrame, messages: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, Join]]:
    """Add `reason`; per system, tell how many refusals the messages explain."""
    own = reasons.reason(pl.col("reason_text"))
    bare = pl.col("reason_text").str.contains(r"(?i)^\s*bearer(\s+realm=\"[^\"]*\")?\s*$")
    # RFC 6750 section 3.1: a challenge without an error code answers a request without credentials.
    frame = requests.with_columns(
        reason=pl.when(bare).then(pl.lit(Reason.MISSING_TOKEN.value)).otherwise(own.cast(pl.String))
    )
    protected = [EndpointClass.REFRESH.value, *(member.value for member in outcomes.PROTECTED)]
    carries = pl.col("endpoint_class").cast(pl.String).is_in([*protected, EndpointClass.LOGIN.value])
    accepted = carries & pl.col("status").is_between(200, 299)
    frame = frame.with_columns(session_before=accepted.cum_sum().over(order.DEVICE) > 0)
    refused = frame.filter(
        pl.col("endpoint_class").cast(pl.String).is_in(protected),
        pl.col("status").is_in([*outcomes.REFUSED, 400, 403, 422]),
    )
    found = reasons.join(refused.filter(pl.col("reason").is_null()), messages, requests)
    frame = frame.join(
        found.select("row", "how", _joined=pl.col("reason").cast(pl.String)),
        on="row",
        how="left",
        maintain_order="left",
    ).with_columns(
        reason=pl.coalesce("reason", "_joined"),
        reason_how=pl.when(pl.col("reason").is_not_null()).then(pl.lit("log")).otherwise("how"),
    )
    certain = pl.col("status").is_in(outcomes.REFUSED) | (
        pl.col("endpoint_class").cast(pl.String) == EndpointClass.REFRESH.value
    )
    counted = frame.join(refused.select("row"), on="row", how="semi").filter(certain | pl.col("reason").is_not_null())
    joins = {
        system: Join(
            messages=messages.filter(pl.col("system") == system).height,
            denials=part.height,
            explained=part["reason"].count(),
            how=_count(part),
        )
        for (system,), part in counted.partition_by("system", as_dict=True).items()
    }
    return (
        frame.with_columns(reason=reasons.at_endpoint(pl.col("reason"), pl.col("endpoint_class"))).drop(
            "_joined", "how", "session_before"
        ),
        joins,
    )


def _count(part: pl.DataFrame) -> dict[str, int]:
    """How the reasons of these refusals were found; `log`: the access log's own field says so."""
    told = part.filter(pl.col("reason").is_not_null()).group_by("reason_how").len().sort("reason_how")
    return dict(zip(told["reason_how"].to_list(), told["len"].to_list(), strict=True))
