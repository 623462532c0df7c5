"""Runs the state table over each device and sums up: its sessions, the tokens granted, its episodes of refusals.

Sessions, grants and episodes are numbered over all devices, so what a table says of them is put in its place by that
number: no joins, no groups. Turns are in order, so all of one are a run.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from itertools import product

import polars as pl

from authforensics import states
from authforensics.among import is_event
from authforensics.correlate.order import DEVICE, before, first_of, first_of_device, latest
from authforensics.schema import EPISODES, GRANTS, SESSIONS, STATE, Reason
from authforensics.states import AuthEvent, AuthState

_IGNORED = states.EVENTS.index(AuthEvent.IGNORED)
_WIDTH = len(states.EVENTS)
#: In seconds: no token that ships expires so soon after it was given. What is refused as expired by then is older
#: (pathologies A2), or two clocks differ by a lifetime (A4).
NEVER_EXPIRED = 5
#: The states from which only a login helps.
_DUE = (AuthState.REFRESH_DENIED.value, AuthState.ZOMBIE.value)
#: No state: what a few events lead to depends on the state before them.
_OPEN = len(states.STATES)


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


@cache
def _reached() -> pl.Series:
    """The state after three codes in a row, in the order of the codes, where it is the same from any state; else none.

    Most are: a loop is told from an expiry by its last three events.
    """
    after, _ = _steps()
    found = []
    for codes in product(range(2 * _WIDTH), repeat=3):
        ends = set(range(len(states.STATES)))
        for code in codes:
            ends = {after[state][code] for state in ends}
        found.append(ends.pop() if len(ends) == 1 else _OPEN)
    return pl.Series(found, dtype=pl.UInt8)


def add_states(turns: pl.DataFrame) -> pl.DataFrame:
    """Add `state`, the state of the device after each turn.

    An event that repeats the one before it leads nowhere new (a test holds the table to that), so only the first of
    each run takes a step.
    """
    after, idle = _steps()
    code = pl.when("straggler").then(_IGNORED).otherwise(pl.col("auth_event").to_physical()).cast(pl.UInt8)
    moving = pl.when("first").then(code + _WIDTH).when(~code.is_in(idle)).then(code).forward_fill()
    run = turns.select(code=moving).with_columns(run=pl.col("code").rle_id())
    codes = run.filter(first_of("run"))["code"]
    names = pl.Series("state", [state.value for state in states.STATES], dtype=STATE)
    return turns.with_columns(names.gather(_walked(codes, after).gather(run["run"])))


def _walked(codes: pl.Series, after: list[list[int]]) -> pl.Series:
    """The number of the state after each of some codes, the first of which is a device's first."""
    code = pl.col("code").cast(pl.UInt16)
    key = (code.shift(2, fill_value=0) * 2 * _WIDTH + code.shift(fill_value=0)) * 2 * _WIDTH + code
    known = _reached().gather(codes.to_frame("code").select(key).to_series())
    unknown = (known == _OPEN).arg_true()
    found, state = [], 0
    for before_it, code_of_it in zip(known.gather(unknown - 1), codes.gather(unknown), strict=True):
        state = after[state if before_it == _OPEN else before_it][code_of_it]
        found.append(state)
    return known.scatter(unknown, pl.Series(found, dtype=pl.UInt8)).cast(pl.UInt32)


def number_runs(turns: pl.DataFrame) -> pl.DataFrame:
    """Add to turns with `state` what the tables below are made of.

    `grant` counts the tokens a device was given, `session` its logins and logouts; `in_grant`, `in_session` and
    `in_episode` number those and its episodes over all devices. `granted_by`, `granted_at` and `grant_row` tell of the
    token held, and `rejection` marks the refusal of a token at its first use, unless it had the time to expire.
    """
    new = is_event(AuthEvent.LOGIN_OK, AuthEvent.REFRESH_OK) & ~pl.col("straggler")
    logged_out = pl.col("state") == AuthState.LOGGED_OUT.value
    opens = is_event(AuthEvent.LOGIN_OK) | (before(logged_out).fill_null(value=False) & ~logged_out)
    used = is_event(AuthEvent.API_OK, AuthEvent.API_DENIED, AuthEvent.REFRESH_DENIED) & ~pl.col("straggler")
    begins = pl.col("first") | first_of("episode")
    flow = turns.select(
        DEVICE,
        "first",
        new=new.fill_null(value=False),
        opens=opens.fill_null(value=False),
        used=used.cast(pl.UInt32).cum_sum(),
        in_grant=_number(pl.col("first") | new.fill_null(value=False)),
        in_session=_number(pl.col("first") | opens.fill_null(value=False)),
        in_episode=_number(begins),
    )
    first = flow.select(pl.arg_where(pl.col("first"))).to_series()
    given = flow.select(pl.arg_where(pl.col("first") | pl.col("new"))).to_series()
    told = pl.when(flow["new"].gather(given))
    grants = turns.select("auth_event", "timestamp", "row", used=flow["used"])[given].select(
        granted_by=told.then("auth_event"),
        granted_at=told.then("timestamp"),
        grant_row=told.then("row"),
        used_at="used",
    )
    aged = pl.col("timestamp") - pl.col("granted_at") > pl.duration(seconds=NEVER_EXPIRED)
    expired = ((pl.col("reason") == Reason.TOKEN_EXPIRED.value) & aged).fill_null(value=False)
    return (
        turns.hstack(grants[flow["in_grant"]])
        .with_columns(
            flow["in_grant"],
            flow["in_session"],
            flow["in_episode"],
            _own(flow, first, "in_grant", "new").alias("grant"),
            _own(flow, first, "in_session", "opens").alias("session"),
            rejection=is_event(AuthEvent.API_DENIED)
            & ~pl.col("straggler")
            & ~expired
            & pl.col("granted_at").is_not_null()
            # Nothing used the token between its grant, whose own count is that of the one before, and this call.
            & (flow["used"] - pl.col("used_at") == 1),
        )
        .drop("used_at")
    )


def _number(begins: pl.Expr) -> pl.Expr:
    return begins.cast(pl.UInt32).cum_sum() - 1


def _own(flow: pl.DataFrame, first: pl.Series, number: str, counted: str) -> pl.Series:
    """How many of a device's runs began with what is `counted`: `number` counts its `first` row as well."""
    before_it = flow.select(pl.col(number) + 1 - pl.col(counted).cast(pl.UInt32)).to_series().gather(first)
    return flow[number] + 1 - before_it.gather(flow[DEVICE])


def seconds(since: pl.Expr, until: pl.Expr) -> pl.Expr:
    """The seconds between two times.

    Rounded, because a division is not to the last bit the same in a frame of one row as in a longer one.
    """
    return ((until - since).dt.total_microseconds() / 1e6).round(6)


_AGE = seconds(pl.col("granted_at"), pl.col("timestamp"))
#: What each event has of its turn.
_SHARED = ("state", "session", "grant", "granted_by", "granted_at", "grant_row")


def spread(events: pl.DataFrame, turns: pl.DataFrame) -> pl.DataFrame:
    """Tell each of `events` what its turn knows, and its own `age`; `straggler` and `rejection` the turns only."""
    told = turns.select(*_SHARED, "straggler", "rejection")[events["turn"]]
    return events.hstack(told).with_columns(
        pl.col("straggler") & first_of("turn"), pl.col("rejection") & first_of("turn"), age=_AGE
    )


def sessions(turns: pl.DataFrame, names: pl.DataFrame) -> pl.DataFrame:
    """The SESSIONS table. `names` are `system` and `device_id` in order of `device`."""
    first, last = _ends(turns["in_session"])
    # What was ignored, and an accepted call after another, is no turn of its own.
    counted = {
        event.value: is_event(event) for event in states.EVENTS if event not in {AuthEvent.API_OK, AuthEvent.IGNORED}
    }
    ok = pl.when(is_event(AuthEvent.API_OK)).then("calls").otherwise(0)
    frame = (
        turns.select(DEVICE, "session", first_seen="timestamp")[first]
        .hstack(turns.select("state", last_seen="until")[last])
        .hstack(_counts(turns, "in_session", len(first), counted))
        .with_columns(
            _sums(turns.select(ok).to_series(), last).alias(AuthEvent.API_OK.value),
            _sums(turns.select(pl.col("requests") - pl.col("calls")).to_series(), last).alias(AuthEvent.IGNORED.value),
        )
    )
    return _conform(frame, names, SESSIONS)


def grants(turns: pl.DataFrame, names: pl.DataFrame) -> pl.DataFrame:
    """The GRANTS table: one row a token that a device was given, and what became of it."""
    first, _ = _ends(turns["in_grant"])
    held = turns.filter("acting", ~pl.col("straggler")).select(
        *("in_grant", "auth_event", "reason", "timestamp", "acted_until", "calls", "granted_at", "rejection")
    )
    _, last = _ends(held["in_grant"])
    ok, denied = is_event(AuthEvent.API_OK), is_event(AuthEvent.API_DENIED)
    accepted = held.filter(ok).select("in_grant", "calls", age=seconds(pl.col("granted_at"), pl.col("acted_until")))
    _, ends = _ends(accepted["in_grant"])
    accepted = accepted.select("in_grant", last_accepted_age="age", accepted="calls")[ends].with_columns(
        _sums(accepted["calls"], ends).alias("accepted")
    )
    refused = held.filter(denied).select("in_grant", first_refused_age=_AGE, refused_reason="reason")
    ended = held.filter(is_event(AuthEvent.REFRESH_DENIED)).select(
        "in_grant", refresh_denied_age=_AGE, refresh_denied_at="timestamp", refresh_denied_reason="reason"
    )
    kept = held["in_grant"].gather(last)
    frame = (
        turns.select(DEVICE, "grant", "granted_by", "granted_at")[first.gather(kept)]
        .with_columns(held["acted_until"].gather(last).alias("last_seen"))
        .hstack(_counts(held, "in_grant", len(first), {"refused": denied, "rejected": pl.col("rejection")})[kept])
    )
    for part in (accepted, refused, ended):
        frame = frame.hstack(_placed(part.filter(first_of("in_grant")), "in_grant", len(first), kept))
    return _conform(_in_line(frame), names, GRANTS)


def _in_line(grants: pl.DataFrame) -> pl.DataFrame:
    """Tell of each token where it stands among those of its device."""
    by_login = (pl.col("granted_by") == AuthEvent.LOGIN_OK.value).fill_null(value=False)
    own = pl.col(DEVICE) == pl.col(DEVICE).shift(-1)
    return grants.with_columns(first=first_of_device()).with_columns(
        pl.col("accepted").fill_null(0),
        login_at=latest(by_login, "granted_at"),
        # Refreshes since the login: this grant's number less that of the login's.
        refreshes=pl.col("grant") - latest(by_login, "grant"),
        rejected=pl.col("rejected") > 0,
        next_granted_at=pl.when(own).then(pl.col("granted_at").shift(-1)),
        next_granted_by=pl.when(own).then(pl.col("granted_by").shift(-1)),
    )


def episodes(turns: pl.DataFrame, names: pl.DataFrame) -> pl.DataFrame:
    """The EPISODES table: per device, each run between two accepted calls that holds a refusal."""
    current = ~pl.col("straggler")
    frame = turns.select(
        *("in_episode", "timestamp", "auth_event", "reason", "reason_how", "state", "straggler", "rejection"),
        *("granted_by", "write"),
        denied=is_event(AuthEvent.API_DENIED) & current,
        refresh_denied=is_event(AuthEvent.REFRESH_DENIED) & current,
    )
    refusals = frame.filter(pl.col("denied") | pl.col("refresh_denied")).select(
        "in_episode", "timestamp", "reason", "refresh_denied"
    )
    hit_first, hit_last = _ends(refusals["in_episode"])
    hit = refusals["in_episode"].gather(hit_first)
    first, last = _ends(turns["in_episode"])
    found = (
        turns.select(DEVICE, "episode")[first.gather(hit)]
        .hstack(_counts(frame, "in_episode", len(first), _deeds())[hit])
        # An accepted call or a logout ends an episode.
        .hstack(turns.select("auth_event", "state", closed_at="timestamp")[last.gather(hit)])
        .with_columns(
            refusals["timestamp"].gather(hit_first).alias("first_seen"),
            refusals["timestamp"].gather(hit_last).alias("last_seen"),
            closed_at=pl.when(is_event(AuthEvent.API_OK)).then("closed_at"),
            logged_out=is_event(AuthEvent.LOGOUT),
            session_seen=(pl.col("session_seen") > 0) | _proven(turns, names.height, last.gather(hit)),
        )
    )
    for name, rows in (("reason", refusals), ("refresh_reason", refusals.filter("refresh_denied"))):
        told = most_frequent(rows, "in_episode", "reason").rename({"reason": name})
        found = found.hstack(_placed(told, "in_episode", len(first), hit))
    found = found.hstack(_placed(_barred(turns), "in_episode", len(first), hit))
    return _conform(found, names, EPISODES)


def _barred(turns: pl.DataFrame) -> pl.DataFrame:
    """The episodes (`in_episode`) whose last login was refused where one was due, and when: `barred_at`."""
    denied = is_event(AuthEvent.LOGIN_DENIED) & pl.col("state").is_in(_DUE)
    tried = turns.select("in_episode", "timestamp", denied=denied, given=is_event(AuthEvent.LOGIN_OK)).filter(
        pl.col("denied") | pl.col("given")
    )
    _, last = _ends(tried["in_episode"])
    return tried[last].filter("denied").select("in_episode", barred_at="timestamp")


def _proven(turns: pl.DataFrame, devices: int, places: pl.Series) -> pl.Series:
    """Whether the device of each of the turns at these places was accepted, or given a token, before it."""
    proof = is_event(AuthEvent.API_OK, AuthEvent.LOGIN_OK, AuthEvent.REFRESH_OK)
    proofs = turns.select(DEVICE, proof=pl.int_range(pl.len(), dtype=pl.UInt32)).filter(turns.select(proof).to_series())
    first = _placed(proofs.filter(first_of_device()), DEVICE, devices, turns[DEVICE].gather(places))["proof"]
    return (first < places).fill_null(value=False)


def _deeds() -> dict[str, pl.Expr]:
    """What is counted in each episode."""
    current = ~pl.col("straggler")
    rejected, granted_by = pl.col("rejection"), pl.col("granted_by")
    shows_session = is_event(
        AuthEvent.LOGIN_OK, AuthEvent.REFRESH_OK, AuthEvent.REFRESH_DENIED, AuthEvent.REFRESH_FAILED
    )
    told = (pl.col("denied") | pl.col("refresh_denied")) & (pl.col("reason_how") != "class_time").fill_null(value=False)
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
        "session_seen": shows_session | told,
    }


def most_frequent(rows: pl.DataFrame, key: str, value: str) -> pl.DataFrame:
    """Per `key` the `value` that most rows have, of several the first in the enum's order; none without a value."""
    if rows[value].null_count() == rows.height:
        return rows.select(key, value).clear()
    counts = rows.filter(pl.col(value).is_not_null()).group_by(key, value).len()
    return counts.sort(key, "len", value, descending=[False, True, False]).filter(first_of(key)).select(key, value)


def _ends(key: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Where each run of a key begins, and where it ends."""
    first = key.to_frame("key").select(pl.arg_where(first_of("key"))).to_series()
    return first, first.shift(-1, fill_value=len(key)) - 1


def _counts(rows: pl.DataFrame, key: str, size: int, counted: Mapping[str, pl.Expr]) -> pl.DataFrame:
    """How many rows of each run of `key`, a number below `size`, are `counted`.

    Only those that are get looked at: a running total of all takes several times as long.
    """
    hits = rows.select(pl.col(key).alias("key"), **counted)
    none = pl.zeros(size, dtype=pl.UInt32, eager=True)
    counts = []
    for name in counted:
        runs = hits["key"].filter(hits[name]).rle().struct.unnest()
        counts.append(none.clone().scatter(runs["value"], runs["len"]).alias(name))
    return pl.DataFrame(counts)


def _sums(values: pl.Series, last: pl.Series) -> pl.Series:
    """The sum of `values` of each run, by where it ends: what a running total gained in it."""
    total = values.cast(pl.UInt32).cum_sum().gather(last)
    return total - total.shift(fill_value=0)


def _placed(rows: pl.DataFrame, key: str, size: int, wanted: pl.Series) -> pl.DataFrame:
    """The rows whose `key`, a number below `size`, is `wanted`, one each; nulls where there is none."""
    place = pl.repeat(None, size, dtype=pl.UInt32, eager=True).scatter(
        rows[key], pl.int_range(rows.height, dtype=pl.UInt32, eager=True)
    )
    return rows.drop(key).select(pl.all().gather(place.gather(wanted)))


def _conform(frame: pl.DataFrame, names: pl.DataFrame, schema: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """`frame` with the names of its devices, as `schema` wants it; texts stay categories."""
    texts = {"system", "device_id"}
    return (
        frame.hstack(names[frame[DEVICE]])
        .select(schema.keys())
        .cast({name: dtype for name, dtype in schema.items() if name not in texts})
    )
