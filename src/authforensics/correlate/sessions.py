"""Runs the state table over each device and sums up: its sessions, the tokens granted, its episodes of refusals."""

from __future__ import annotations

from itertools import accumulate

import polars as pl

from authforensics import states
from authforensics.correlate.order import DEVICE
from authforensics.schema import EPISODES, GRANTS, SESSIONS, STATE, Reason
from authforensics.states import AuthEvent, AuthState

_WRITES = ["POST", "PUT", "PATCH", "DELETE"]
_IGNORED = states.EVENTS.index(AuthEvent.IGNORED)
_WIDTH = len(states.EVENTS)
_NAMES = (pl.col("system").first(), pl.col("device_id").first())


def _is(*events: AuthEvent) -> pl.Expr:
    return pl.col("auth_event").cast(pl.String).is_in([event.value for event in events])


def add_states(events: pl.DataFrame) -> pl.DataFrame:
    """Add `state`, the state of the device after each event. `events` are in order of device and time."""
    fresh = pl.col(DEVICE) != pl.col(DEVICE).shift()
    coded = events.select(
        code=pl.when(pl.col("straggler")).then(_IGNORED).otherwise(pl.col("auth_event").to_physical().cast(pl.UInt8)),
        fresh=fresh.fill_null(value=True),
    )
    # A device's first event is coded beyond the table's width: it steps from `unknown` whatever stood before it.
    codes = coded.select(pl.col("code") + pl.when("fresh").then(_WIDTH).otherwise(0).cast(pl.UInt8))["code"].to_list()
    table = states.CODES
    after = [
        [table[_WIDTH * state + code] for code in range(_WIDTH)] + [table[code] for code in range(_WIDTH)]
        for state in range(len(states.STATES))
    ]
    stepped = list(accumulate(codes, lambda state, code: after[state][code], initial=0))[1:]
    names = pl.Series("state", [state.value for state in states.STATES], dtype=STATE)
    return events.with_columns(state=names.gather(pl.Series(stepped, dtype=pl.UInt32)))


def number_runs(events: pl.DataFrame) -> pl.DataFrame:
    """Add what the tables below group by.

    `grant` counts the tokens a device was given, `session` its logins and logouts, `episode` the calls accepted:
    between two of those lies one episode. `granted_by` and `granted_at` tell of the token held, `age` its seconds
    since, and `rejection` marks the refusal of a token at its first use.
    """
    new = _is(AuthEvent.LOGIN_OK, AuthEvent.REFRESH_OK) & ~pl.col("straggler")
    name = pl.col("auth_event").cast(pl.String)
    numbered = events.lazy().with_columns(
        grant=new.cum_sum().over(DEVICE),
        session=(
            _is(AuthEvent.LOGIN_OK)
            | (pl.col("state") == AuthState.LOGGED_OUT.value).shift().over(DEVICE).fill_null(value=False)
            & (pl.col("state") != AuthState.LOGGED_OUT.value)
        )
        .cum_sum()
        .over(DEVICE),
        episode=(_is(AuthEvent.API_OK, AuthEvent.LOGOUT))
        .shift()
        .over(DEVICE)
        .fill_null(value=False)
        .cum_sum()
        .over(DEVICE),
        granted_by=pl.when(new).then(name).forward_fill().over(DEVICE),
        grant_row=pl.when(new).then("row").forward_fill().over(DEVICE),
        granted_at=pl.when(new).then("timestamp").forward_fill().over(DEVICE),
        login_at=pl.when(_is(AuthEvent.LOGIN_OK)).then("timestamp").forward_fill().over(DEVICE),
    )
    used = _is(AuthEvent.API_OK, AuthEvent.API_DENIED, AuthEvent.REFRESH_DENIED) & ~pl.col("straggler")
    first_use = used & (used.cum_sum().over(DEVICE, "grant") == 1) & pl.col("granted_at").is_not_null()
    expired = (pl.col("reason").cast(pl.String) == Reason.TOKEN_EXPIRED.value).fill_null(value=False)
    return numbered.with_columns(
        age=(pl.col("timestamp") - pl.col("granted_at")).dt.total_microseconds() / 1e6,
        rejection=first_use & _is(AuthEvent.API_DENIED) & ~expired,
        write=pl.col("method").is_in(_WRITES),
    ).collect()


def sessions(events: pl.DataFrame) -> pl.DataFrame:
    """The SESSIONS table."""
    counts = {event.value: _is(event).sum().cast(pl.UInt32) for event in states.EVENTS}
    return (
        events.group_by(DEVICE, "session", maintain_order=True)
        .agg(
            *_NAMES,
            first_seen=pl.col("timestamp").first(),
            last_seen=pl.col("timestamp").last(),
            **counts,
            state=pl.col("state").last(),
        )
        .with_columns(pl.col("session").cast(pl.UInt32))
        .select(SESSIONS.keys())
    )


def grants(events: pl.DataFrame) -> pl.DataFrame:
    """The GRANTS table: one row a token that a device was given, and what became of it."""
    held = events.filter(~_is(AuthEvent.IGNORED), ~pl.col("straggler"))
    ok = _is(AuthEvent.API_OK)
    denied = _is(AuthEvent.API_DENIED)
    refresh_denied = _is(AuthEvent.REFRESH_DENIED)
    return (
        held.group_by(DEVICE, "grant", maintain_order=True)
        .agg(
            *_NAMES,
            granted_by=pl.col("granted_by").first(),
            granted_at=pl.col("granted_at").first(),
            login_at=pl.col("login_at").first(),
            refreshes=pl.col("grant").first().cast(pl.UInt32),
            accepted=ok.sum(),
            last_accepted_age=pl.col("age").filter(ok).max(),
            refused=denied.sum(),
            first_refused_age=pl.col("age").filter(denied).first(),
            refused_reason=pl.col("reason").filter(denied).first(),
            rejected=pl.col("rejection").any(),
            refresh_denied_age=pl.col("age").filter(refresh_denied).first(),
            refresh_denied_at=pl.col("timestamp").filter(refresh_denied).first(),
            refresh_denied_reason=pl.col("reason").filter(refresh_denied).first(),
            last_seen=pl.col("timestamp").last(),
        )
        .with_columns(
            # Refreshes since the login: this grant's number less that of the login's.
            refreshes=(
                pl.col("refreshes")
                - pl.when(pl.col("granted_by") == AuthEvent.LOGIN_OK.value)
                .then("refreshes")
                .forward_fill()
                .over(DEVICE)
            ),
            next_granted_at=pl.col("granted_at").shift(-1).over(DEVICE),
            next_granted_by=pl.col("granted_by").shift(-1).over(DEVICE),
        )
        .select(GRANTS.keys())
        .cast(GRANTS)  # type: ignore[arg-type]
    )


def episodes(events: pl.DataFrame) -> pl.DataFrame:
    """The EPISODES table: per device, each run between two accepted calls that holds a refusal."""
    denied = _is(AuthEvent.API_DENIED) & ~pl.col("straggler")
    refresh_denied = _is(AuthEvent.REFRESH_DENIED) & ~pl.col("straggler")
    any_denied = denied | refresh_denied
    by_refresh = pl.col("granted_by") == AuthEvent.REFRESH_OK.value
    rejected_refresh = pl.col("rejection") & by_refresh
    rejected_login = pl.col("rejection") & (pl.col("granted_by") == AuthEvent.LOGIN_OK.value)
    after_refresh_denied = denied & (pl.col("state") == AuthState.ZOMBIE.value)
    reason = pl.col("reason").filter(any_denied).drop_nulls()
    closed = _is(AuthEvent.API_OK)
    evidence_of_session = (
        pl.col("accepted_before")
        | _is(AuthEvent.LOGIN_OK, AuthEvent.REFRESH_OK, AuthEvent.REFRESH_DENIED, AuthEvent.REFRESH_FAILED)
        | (any_denied & pl.col("reason").is_not_null() & (pl.col("reason_how") != "class_time"))
    )
    frame = events.with_columns(
        accepted_before=(
            _is(AuthEvent.API_OK, AuthEvent.LOGIN_OK, AuthEvent.REFRESH_OK).cum_sum().shift(fill_value=0).over(DEVICE)
            > 0
        )
    )
    return (
        frame.filter(any_denied.any().over(DEVICE, "episode"))
        .group_by(DEVICE, "episode", maintain_order=True)
        .agg(
            *_NAMES,
            first_seen=pl.col("timestamp").filter(any_denied).first(),
            last_seen=pl.col("timestamp").filter(any_denied).last(),
            closed_at=pl.col("timestamp").filter(closed).last(),
            logged_out=_is(AuthEvent.LOGOUT).any(),
            state=pl.col("state").last(),
            denied=denied.sum(),
            writes=(denied & pl.col("write")).sum(),
            refresh_ok=(_is(AuthEvent.REFRESH_OK) & ~pl.col("straggler")).sum(),
            refresh_denied=refresh_denied.sum(),
            refresh_failed=_is(AuthEvent.REFRESH_FAILED).sum(),
            login_ok=_is(AuthEvent.LOGIN_OK).sum(),
            rejected_refresh=rejected_refresh.sum(),
            rejected_login=rejected_login.sum(),
            zombie_denied=after_refresh_denied.sum(),
            reason=reason.mode().sort().first(),
            refresh_reason=pl.col("reason").filter(refresh_denied).drop_nulls().mode().sort().first(),
            session_seen=evidence_of_session.any(),
        )
        .select(EPISODES.keys())
        .cast(EPISODES)  # type: ignore[arg-type]
    )
