"""Which message of an application explains which refused request: by id, by client, by place in one file, by time."""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from authforensics.correlate.outcomes import REFUSED
from authforensics.correlate.reasons import JOIN_SECONDS, stem
from authforensics.schema import EndpointClass, Reason

#: Rounds in which messages that want the same request try the next nearest one.
_ROUNDS = 3
#: Seconds between two bursts of refusals and messages in one file; how much more often these must begin with a message
#: and end with a refusal than the other way round, for the file to tell the reason first.
_PAUSE_SECONDS, _MORE_OFTEN = 1.0, 4
#: Where there are more messages a refusal, some of them are told twice.
_ONCE = 1.2
#: What messages name clients by, the most telling first.
_CLIENT = ("device_id", "user_id", "client_ip")


def _kind(endpoint_class: pl.Expr) -> pl.Expr:
    name = endpoint_class.cast(pl.String)
    return (
        pl.when(name == EndpointClass.REFRESH.value)
        .then(pl.lit("refresh"))
        .when(name == EndpointClass.LOGIN.value)
        .then(pl.lit("login"))
        .when(name == EndpointClass.CHALLENGE.value)
        .then(pl.lit("challenge"))
        .otherwise(pl.lit("api"))
    )


def join(refused: pl.DataFrame, messages: pl.DataFrame, known_ids: pl.DataFrame) -> pl.DataFrame:
    """Which message explains which refused request.

    By time or place a message explains one at most; by id, those of that id.

    Args:
        refused: `row`, `system`, `source`, `timestamp`, `request_id`, `client_ip`, `user_id`, `device_id`, `route`,
            `endpoint_class`, `status`, `clock`, and `session_before`: whether its device had been accepted before, so
            that it has a token to be refused.
        messages: MESSAGES with `row`; those without a reason are passed over.
        known_ids: `system`, `request_id` of all requests, refused or not, that a message has: it speaks of no other.

    Returns:
        `row` (of the request), `reason`, `how` (`request_id`, `path_time` or `class_time`), `message_row`.
    """
    told = messages.filter(pl.col("reason").is_not_null()).rename({"row": "message_row"})
    stems = stem(pl.col("route").cast(pl.String))
    told = told.with_columns(pl.col("stem", "hint").cast(pl.String))
    wanted = refused.drop("reason", strict=False).with_columns(stem=stems, hint=_kind(pl.col("endpoint_class")))
    files = _reason_first(wanted, told)
    wanted, told = wanted.join(files, on="source", how="left"), told.join(files, on="source", how="left")
    found = (
        wanted.filter(pl.col("request_id").is_not_null())
        .join(
            told.select("system", "request_id", "reason", "message_row"),
            on=["system", "request_id"],
            how="inner",
            maintain_order="left",
        )
        .unique("row", keep="first", maintain_order=True)
        .select("row", "reason", "message_row", how=pl.lit("request_id"))
    )
    told = told.join(known_ids, on=["system", "request_id"], how="anti", maintain_order="left")
    known = wanted.select("system", "stem").unique()
    named = told.join(known, on=["system", "stem"], how="semi", maintain_order="left")
    vague = told.join(known, on=["system", "stem"], how="anti", maintain_order="left")
    vague = vague.filter(pl.col("reason").cast(pl.String) != Reason.OTHER.value)  # It may speak of any other call.
    for client in _CLIENT:
        found = _matched(found, wanted, named, vague, ["system", client])
    strangers = _strangers(told, found)
    named, vague = (side.join(strangers, on="message_row", how="anti") for side in (named, vague))
    return _matched(found, wanted, named, vague, ["system"])


def _matched(
    found: pl.DataFrame, wanted: pl.DataFrame, named: pl.DataFrame, vague: pl.DataFrame, keys: list[str]
) -> pl.DataFrame:
    """`found`, with what else is found among requests and messages that are the same in `keys`.

    Args:
        found: `row`, `reason`, `message_row`, `how`.
        wanted: the refused requests.
        named: the messages that name a path.
        vague: the others.
        keys: what must be known of both.
    """
    # A 400 or 403 of the API has many meanings: neither time nor place alone ties a message to it.
    placed = wanted.filter(pl.col("status").is_in(REFUSED) | (pl.col("hint") == "refresh"))
    # Nor does time alone to the first call of a protocol.
    plain = placed.filter(pl.col("hint") != "challenge")
    # Who names no kind of endpoint may speak of any.
    free, every = vague.filter(pl.col("hint") == "api"), pl.lit("api").alias("hint")
    for how, pair, requests, messages, key in (
        ("path_time", _by_place, wanted, named, "stem"),
        ("path_time", _by_time, wanted, named, "stem"),
        ("class_time", _by_place, placed, vague.filter(pl.col("hint") != "api"), "hint"),
        ("class_time", _by_place, placed.with_columns(every), free, "hint"),
        ("class_time", _by_time, plain, vague, "hint"),
        ("class_time", _by_time, plain.with_columns(every), _said_once(free, placed), "hint"),
    ):
        asked, saying = requests.drop_nulls([*keys, key]), messages.drop_nulls([*keys, key])
        if asked.is_empty() or saying.is_empty():
            continue
        asked = asked.join(found, on="row", how="anti", maintain_order="left")
        saying = saying.join(found, on="message_row", how="anti", maintain_order="left")
        pairs = pair(asked, saying, [*keys, key])
        found = pl.concat([found, pairs.select("row", "reason", "message_row", how=pl.lit(how))])
    return found


def _said_once(messages: pl.DataFrame, refused: pl.DataFrame) -> pl.DataFrame:
    """Those of systems whose messages don't speak of more refusals than there are.

    Others tell each several times: a trace names it in two lines, two loggers write it. What is left of these says
    nothing of other calls.
    """
    counts = refused.group_by("system").agg(calls=pl.len())
    often = messages.group_by("system").len().join(counts, on="system", how="left")
    once = often.filter(pl.col("len") <= _ONCE * pl.col("calls").fill_null(0))
    return messages.join(once, on="system", how="semi", maintain_order="left")


def _strangers(told: pl.DataFrame, found: pl.DataFrame) -> pl.DataFrame:
    """Messages that name a client none of whose refusals they explain, in logs where most explain one: `message_row`.

    Where few do, the application knows clients by other names than the access log: by the address of a proxy, say.
    """
    explains = pl.col("message_row").is_in(found["message_row"].implode())
    named = told.filter(pl.any_horizontal(pl.col(name).is_not_null() for name in _CLIENT)).with_columns(
        explains=explains
    )
    known = 2 * pl.col("explains").sum().over("source") > pl.len().over("source")
    return named.filter(known & ~pl.col("explains")).select("message_row")


def _reason_first(wanted: pl.DataFrame, told: pl.DataFrame) -> pl.DataFrame:
    """The sources that log a call below the reason why it was refused: `source`, and the same as `file`.

    Their bursts of refusals begin with a reason and end with a call.
    """
    lines = _lines(wanted, told, ["source"]).with_columns(file="source")
    paused = pl.col("timestamp").diff().abs() > timedelta(seconds=_PAUSE_SECONDS)
    bursts = (
        lines.with_columns(burst=paused.fill_null(value=False).cum_sum().over("source"))
        .group_by("source", "file", "burst", maintain_order=True)
        .agg(first=pl.col("says").first(), last=pl.col("says").last())
    )
    before, after = pl.col("first") & ~pl.col("last"), ~pl.col("first") & pl.col("last")
    return (
        bursts.group_by("source", "file")
        .agg(before=before.sum(), after=after.sum())
        .filter(pl.col("before") > _MORE_OFTEN * pl.col("after"))
        .select("source", "file")
    )


def _lines(wanted: pl.DataFrame, told: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    """Refused requests and messages by line: `keys`, `timestamp`, `line`, `says` (whether it is a message)."""
    calls = wanted.select(*keys, "timestamp", line="row", says=pl.lit(value=False))
    return pl.concat([calls, told.select(*keys, "timestamp", line="message_row", says=pl.lit(value=True))]).sort("line")


def _by_place(wanted: pl.DataFrame, told: pl.DataFrame, key: list[str]) -> pl.DataFrame:
    """Pair messages with requests of the same `key` and `file` that stand next below them.

    Of several in a row the last ones count: those above them speak of calls that are logged nowhere.
    """
    keys = [*key, "file"]
    lines = _lines(wanted.drop_nulls("file"), told.drop_nulls("file"), keys)
    says = pl.col("says")
    lines = lines.with_columns(group=(says & ~says.shift(fill_value=False)).cum_sum().over(keys)).filter(
        pl.col("group") > 0
    )
    keys = [*keys, "group"]
    surplus = (2 * says.sum().cast(pl.Int64) - pl.len()).clip(lower_bound=0).over(keys)
    place = pl.int_range(pl.len()).over([*keys, "says"]) - pl.when("says").then(surplus).otherwise(0)
    lines = lines.with_columns(place=place)
    pairs = lines.filter(~says).join(lines.filter(says), on=[*keys, "place"], suffix="_told", maintain_order="left")
    near = (pl.col("timestamp") - pl.col("timestamp_told")).abs() <= timedelta(seconds=JOIN_SECONDS)
    pairs = pairs.filter(near).select(row="line", message_row="line_told")
    return pairs.join(told.select("message_row", "reason"), on="message_row", how="left", maintain_order="left")


def _by_time(wanted: pl.DataFrame, told: pl.DataFrame, key: list[str]) -> pl.DataFrame:
    """Pair messages with requests of the same `key`: within one second in order, then with the nearest in time."""
    requests = wanted.select("row", "timestamp", "clock", "session_before", *key)
    messages = told.select("timestamp", "clock", "reason", *key, "message_row")
    pairs = [_same_second(requests, messages, key)]
    for _ in range(_ROUNDS):
        requests = requests.join(pairs[-1], on="row", how="anti", maintain_order="left")
        messages = messages.join(pairs[-1], on="message_row", how="anti", maintain_order="left")
        pairs.append(_nearest(requests, messages, key))
    return pl.concat(pairs)


def _same_second(requests: pl.DataFrame, messages: pl.DataFrame, key: list[str]) -> pl.DataFrame:
    """Where a clock tells seconds only, the k-th message of a second belongs to the k-th refusal of that second.

    Devices that had a session come first: who has none has no token that could have expired. What says that no token
    was sent is of those without, as far as there are any.
    """
    untold = messages["reason"].cast(pl.String).eq_missing(Reason.MISSING_TOKEN.value)
    anonymous = _in_order(requests.filter(~pl.col("session_before")), messages.filter(untold), key)
    others = requests.join(anonymous, on="row", how="anti", maintain_order="left")
    rest = messages.join(anonymous, on="message_row", how="anti", maintain_order="left")
    likely_first = others.sort("session_before", "timestamp", "row", descending=[True, False, False])
    return pl.concat([anonymous, _in_order(likely_first, rest, key)])


def _in_order(requests: pl.DataFrame, messages: pl.DataFrame, key: list[str]) -> pl.DataFrame:
    own = [*key, "_second"]
    asked, told = (one.with_columns(_second=pl.col("timestamp").dt.truncate("1s")) for one in (requests, messages))
    asked, told = (one.with_columns(_rank=pl.int_range(pl.len()).over(own)) for one in (asked, told))
    pairs = asked.join(told, on=[*own, "_rank"], how="inner", suffix="_told", maintain_order="left")
    return pairs.filter(pl.max_horizontal("clock", "clock_told") >= 1).select("row", "reason", "message_row")


def _nearest(requests: pl.DataFrame, messages: pl.DataFrame, key: list[str]) -> pl.DataFrame:
    """Each message takes the request nearest in time; of several messages for one request the nearest stays."""
    pairs = (
        messages.sort("timestamp", "message_row")
        .join_asof(
            requests.sort("timestamp", "row").with_columns(_at="timestamp"),
            on="timestamp",
            by=key,
            strategy="nearest",
            tolerance=f"{int(JOIN_SECONDS * 1000)}ms",
            check_sortedness=False,
        )
        .filter(pl.col("row").is_not_null())
        .with_columns(_distance=(pl.col("_at") - pl.col("timestamp")).abs())
    )
    return (pairs.sort("_distance", "message_row").unique("row", keep="first", maintain_order=True)).select(
        "row", "reason", "message_row"
    )
