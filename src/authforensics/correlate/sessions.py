"""Runs the state table over each device and sums up: its sessions, the tokens granted, its episodes of refusals."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from itertools import accumulate

import polars as pl

from authforensics import states
from authforensics.correlate.order import DEVICE, before, count, is_event, latest
from authforensics.schema import EPISODES, GRANTS, SESSIONS, STATE, Reason
from authforensics.states import AuthEvent, AuthState

_IGNORED = states.EVENTS.index(AuthEvent.IGNORED)
_WIDTH = len(states.EVENTS)


@cache
def _steps() -> tuple[list[list[int]], list[int]]:
    """The table by state and code, and the codes that change no state.

    A device's first event is coded beyond the table's width: it steps from `unknown` whatever stood before it.
    """
    table = states.CODES
    after = [
        [table[_WIDTH * state + code] for code in range(_WIDTH)] + [table[code] for code in range(_WIDTH)]
        for state in range(len(states.STATES))
    ]
    idle = [code for code in range(_WIDTH) if all(row[code] == state for state, row in enumerate(after))]
    return after, idle


def add_states(turns: pl.DataFrame) -> pl.DataFrame:
    """Add `state`, the state of the device after each turn.

    An event that repeats the one before it leads nowhere new (a test holds the table to that), so only the first of
    each run takes a step.
    """
    after, idle = _steps()
    code = pl.when("straggler").then(_IGNORED).otherwise(pl.col("auth_event").to_physical()).cast(pl.UInt8)
    moving = pl.when("first").then(code + _WIDTH).when(~code.is_in(idle)).then(code).forward_fill()
    run = turns.select(code=moving).with_columns(new=(pl.col("code") != pl.col("code").shift()).fill_null(value=True))
    codes = run.filter("new")["code"].to_list()
    stepped = list(accumulate(codes, lambda state, code: after[state][code], initial=0))[1:]
    names = pl.Series("state", [state.value for state in states.STATES], dtype=STATE)
    reached = names.gather(pl.Series(stepped, dtype=pl.UInt32))
    return turns.with_columns(reached.gather(run.select(pl.col("new").cast(pl.UInt32).cum_sum() - 1).to_series()))


def number_runs(turns: pl.DataFrame) -> pl.DataFrame:
    """Add to turns with `state` what the tables below group by.

    `grant` counts the tokens a device was given, `session` its logins and logouts; `in_grant`, `in_session` and
    `in_episode` number those and its episodes over all devices. `granted_by`, `granted_at`, `grant_row` and `login_at`
    tell of the token held, `age` and `acted_age` the seconds since it was given until the turn and its last call, and
    `rejection` marks the refusal of a token at its first use.
    """
    new = is_event(AuthEvent.LOGIN_OK, AuthEvent.REFRESH_OK) & ~pl.col("straggler")
    login = is_event(AuthEvent.LOGIN_OK)
    logged_out = pl.col("state") == AuthState.LOGGED_OUT.value
    numbered = turns.with_columns(
        grant=count(new),
        session=count(login | (before(logged_out).fill_null(value=False) & ~logged_out)),
        granted_by=latest(new, "auth_event"),
        granted_at=latest(new, "timestamp"),
        grant_row=latest(new, "row"),
        login_at=latest(login, "timestamp"),
    )
    used = is_event(AuthEvent.API_OK, AuthEvent.API_DENIED, AuthEvent.REFRESH_DENIED) & ~pl.col("straggler")
    expired = (pl.col("reason") == Reason.TOKEN_EXPIRED.value).fill_null(value=False)
    return (
        numbered.with_columns(
            in_grant=_number("grant"),
            in_session=_number("session"),
            in_episode=_number("episode"),
            age=_seconds("timestamp"),
            acted_age=_seconds("acted_until"),
            _used=used.cast(pl.UInt32).cum_sum(),
        )
        .with_columns(
            rejection=is_event(AuthEvent.API_DENIED)
            & ~pl.col("straggler")
            & ~expired
            & pl.col("granted_at").is_not_null()
            # Nothing used the token between its grant, whose own count is that of the one before, and this call.
            & (pl.col("_used") - latest(new, "_used") == 1).fill_null(value=False)
        )
        .drop("_used")
    )


def _number(name: str) -> pl.Expr:
    new = pl.col("first") | (pl.col(name) != pl.col(name).shift()).fill_null(value=True)
    return (new.cast(pl.UInt32).cum_sum() - 1).set_sorted()


def _seconds(until: str) -> pl.Expr:
    # Rounded, because a division is not to the last bit the same in a frame of one row as in a longer one.
    return ((pl.col(until) - pl.col("granted_at")).dt.total_microseconds() / 1e6).round(6)


#: What each event has of its turn.
_SHARED = ("state", "session", "grant", "granted_by", "granted_at", "grant_row", "login_at")


def spread(events: pl.DataFrame, turns: pl.DataFrame) -> pl.DataFrame:
    """Tell each of `events` what its turn knows, and its own `age`; `straggler` and `rejection` the turns only."""
    own = (pl.col("turn") != pl.col("turn").shift()).fill_null(value=True)
    told = turns.select(*_SHARED, "straggler", "rejection")[events["turn"]]
    return events.hstack(told).with_columns(
        pl.col("straggler") & own, pl.col("rejection") & own, age=_seconds("timestamp")
    )


def sessions(turns: pl.DataFrame, names: pl.DataFrame) -> pl.DataFrame:
    """The SESSIONS table. `names` are `system` and `device_id` in order of `device`."""
    counts = {event.value: is_event(event) for event in states.EVENTS}
    counts[AuthEvent.API_OK.value] = pl.when(is_event(AuthEvent.API_OK)).then("calls").otherwise(0)
    counts[AuthEvent.IGNORED.value] = pl.col("requests") - pl.col("calls")
    frame = _sum_up(
        turns,
        "in_session",
        first={DEVICE: DEVICE, "session": "session", "first_seen": "timestamp"},
        last={"last_seen": "until", "state": "state"},
        sums=counts,
    )
    return _conform(frame, names, SESSIONS)


def grants(turns: pl.DataFrame, names: pl.DataFrame) -> pl.DataFrame:
    """The GRANTS table: one row a token that a device was given, and what became of it."""
    held = turns.filter("acting", ~pl.col("straggler")).with_columns(first=_begins("in_grant"))
    ok = is_event(AuthEvent.API_OK)
    frame = _sum_up(
        held,
        "in_grant",
        first={name: name for name in (DEVICE, "in_grant", "grant", "granted_by", "granted_at", "login_at")},
        last={"last_accepted_age": latest(ok, "acted_age"), "last_seen": "acted_until"},
        sums={
            "accepted": pl.when(ok).then("calls").otherwise(0),
            "refused": is_event(AuthEvent.API_DENIED),
            "rejected": pl.col("rejection"),
        },
    )
    for event, named in (
        (AuthEvent.API_DENIED, {"first_refused_age": "age", "refused_reason": "reason"}),
        (
            AuthEvent.REFRESH_DENIED,
            {"refresh_denied_age": "age", "refresh_denied_at": "timestamp", "refresh_denied_reason": "reason"},
        ),
    ):
        first = held.filter(is_event(event)).filter(_begins("in_grant")).select("in_grant", **named)
        frame = frame.join(first, on="in_grant", how="left", maintain_order="left")
    by_login = pl.col("granted_by") == AuthEvent.LOGIN_OK.value
    own = pl.col(DEVICE) == pl.col(DEVICE).shift(-1)
    frame = frame.with_columns(first=_begins(DEVICE)).with_columns(
        # Refreshes since the login: this grant's number less that of the login's.
        refreshes=pl.col("grant") - latest(by_login.fill_null(value=False), "grant"),
        rejected=pl.col("rejected") > 0,
        next_granted_at=pl.when(own).then(pl.col("granted_at").shift(-1)),
        next_granted_by=pl.when(own).then(pl.col("granted_by").shift(-1)),
    )
    return _conform(frame, names, GRANTS)


def episodes(turns: pl.DataFrame, names: pl.DataFrame) -> pl.DataFrame:
    """The EPISODES table: per device, each run between two accepted calls that holds a refusal."""
    current = ~pl.col("straggler")
    proof = is_event(AuthEvent.API_OK, AuthEvent.LOGIN_OK, AuthEvent.REFRESH_OK)
    frame = turns.with_columns(
        denied=is_event(AuthEvent.API_DENIED) & current,
        refresh_denied=is_event(AuthEvent.REFRESH_DENIED) & current,
        accepted_before=before(latest(proof, pl.lit(value=True))).fill_null(value=False),
    ).with_columns(any_denied=pl.col("denied") | pl.col("refresh_denied"))
    refusals = frame.filter("any_denied")
    hit = _sum_up(
        refusals,
        "in_episode",
        first={"in_episode": "in_episode", "first_seen": "timestamp"},
        last={"last_seen": "timestamp"},
        sums={},
    )
    inside = frame.join(hit.select("in_episode"), on="in_episode", how="semi", maintain_order="left")
    found = _sum_up(
        inside,
        "in_episode",
        first={DEVICE: DEVICE, "episode": "episode"},
        # An accepted call or a logout ends an episode.
        last={
            "closed_at": pl.when(is_event(AuthEvent.API_OK)).then("timestamp"),
            "logged_out": is_event(AuthEvent.LOGOUT),
            "state": "state",
        },
        sums=_deeds(),
    ).hstack(hit)
    for name, rows in (("reason", refusals), ("refresh_reason", refusals.filter("refresh_denied"))):
        told = most_frequent(rows, "in_episode", "reason").rename({"reason": name})
        found = found.join(told, on="in_episode", how="left", maintain_order="left")
    return _conform(found.with_columns(pl.col("session_seen") > 0), names, EPISODES)


def _deeds() -> dict[str, pl.Expr]:
    """What is counted in each episode."""
    current = ~pl.col("straggler")
    rejected, granted_by = pl.col("rejection"), pl.col("granted_by")
    shows_session = is_event(
        AuthEvent.LOGIN_OK, AuthEvent.REFRESH_OK, AuthEvent.REFRESH_DENIED, AuthEvent.REFRESH_FAILED
    )
    told = pl.col("any_denied") & (pl.col("reason_how") != "class_time").fill_null(value=False)
    return {
        "denied": pl.col("denied"),
        "writes": pl.col("denied") & pl.col("write"),
        "refresh_ok": is_event(AuthEvent.REFRESH_OK) & current,
        "refresh_denied": pl.col("refresh_denied"),
        "refresh_failed": is_event(AuthEvent.REFRESH_FAILED),
        "login_ok": is_event(AuthEvent.LOGIN_OK),
        "rejected_refresh": rejected & (granted_by == AuthEvent.REFRESH_OK.value),
        "rejected_login": rejected & (granted_by == AuthEvent.LOGIN_OK.value),
        "zombie_denied": pl.col("denied") & (pl.col("state") == AuthState.ZOMBIE.value),
        "session_seen": pl.col("accepted_before") | shows_session | told,
    }


def most_frequent(rows: pl.DataFrame, key: str, value: str) -> pl.DataFrame:
    """Per `key` the `value` that most rows have, of several the first in the enum's order; none without a value."""
    counts = rows.filter(pl.col(value).is_not_null()).group_by(key, value).len()
    return counts.sort(key, "len", value, descending=[False, True, False]).filter(_begins(key)).select(key, value)


def _begins(key: str) -> pl.Expr:
    return (pl.col(key) != pl.col(key).shift()).fill_null(value=True)


def _sum_up(
    rows: pl.DataFrame,
    key: str,
    *,
    first: Mapping[str, str],
    last: Mapping[str, str | pl.Expr],
    sums: Mapping[str, pl.Expr],
) -> pl.DataFrame:
    """One row a run of `key`: values of its `first` row and its `last`, and `sums`.

    Sums are what a running total gained in the run: that takes a tenth of the time of summing group by group.
    """
    totals = {name: value.cast(pl.UInt32).fill_null(0).cum_sum() for name, value in sums.items()}
    begins = rows.select(_begins(key)).to_series()
    lasts = rows.select(**last, **totals).filter(begins.shift(-1, fill_value=True))
    return (
        rows.select(**first)
        .filter(begins)
        .hstack(lasts.with_columns(pl.col(name) - pl.col(name).shift(fill_value=0) for name in sums))
    )


def _conform(frame: pl.DataFrame, names: pl.DataFrame, schema: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """`frame` with the names of its devices, as `schema` wants it; texts stay categories."""
    texts = {"system", "device_id"}
    return (
        frame.hstack(names[frame[DEVICE]])
        .select(schema.keys())
        .cast({name: dtype for name, dtype in schema.items() if name not in texts})
    )
