"""Makes up a day of traffic of any size, seeded, and knows which devices it put into a refresh loop.

A device opens its app in some of the day's quarters of an hour. Its token lives as long as such a quarter, so that its
first call is refused, it refreshes, calls again, and is served until it pauses. That makes each quarter of a device a
unit that needs no memory of the last one: lines are drawn by hashing, a window of the day at a time, by whole columns.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from zlib import crc32

import polars as pl

DAY, QUARTER, MINUTE = 86_400_000, 900_000, 60_000  # all times are milliseconds of the day
QUARTERS = 95  # the last one would reach into the next day
DEVICES, LINES_PER_DEVICE, SHARE_IN_LOOP = 20_000, 50, 0.03
WINDOW_LINES = 400_000
SCANNERS, VISITORS = 24, 2_000

#: How busy each hour is; the mean is about 1.
HOURS = [
    *(0.5, 0.4, 0.3, 0.3, 0.3, 0.4, 0.7, 1.0, 1.3, 1.2, 1.1, 1.1),
    *(1.4, 1.4, 1.1, 1.1, 1.1, 1.2, 1.4, 1.5, 1.6, 1.5, 1.2, 0.8),
]

#: Weight, method, path. `{id}` is a big number, `{n}` a small one.
APP = """
9 GET /api/v2/feed
6 GET /api/v2/feed?page={n}
5 GET /api/v2/me
7 GET /api/v2/notifications/unread
3 GET /api/v2/notifications?page={n}&size=20
7 GET /api/v2/products/{id}
4 GET /api/v2/products/{id}/reviews
3 GET /api/v2/products/{id}/availability
3 GET /api/v2/categories/{n}/products
2 GET /api/v2/search/suggestions?size={n}
4 GET /api/v2/cart
3 POST /api/v2/cart/items
1 DELETE /api/v2/cart/items/{id}
2 PUT /api/v2/cart/items/{id}
1 POST /api/v2/orders
3 GET /api/v2/orders
4 GET /api/v2/orders/{id}
2 GET /api/v2/orders/{id}/shipments
3 GET /api/v2/conversations
4 GET /api/v2/conversations/{id}/messages
2 POST /api/v2/conversations/{id}/messages
2 GET /api/v2/users/{id}/profile
2 PUT /api/v2/users/{id}/settings
2 POST /api/v2/events
2 GET /api/v2/wallet/balance
1 GET /api/v2/wallet/transactions?page={n}
2 GET /api/v2/addresses
1 PATCH /api/v2/addresses/{id}
"""
WEB = f"""
{APP}
8 GET /assets/app-5c2e91.js
5 GET /assets/vendor-b81f02.js
6 GET /assets/app-77ad10.css
9 GET /images/products/{{id}}.webp
3 GET /fonts/inter-latin.woff2
"""
VISITOR = """
9 GET /
5 GET /assets/app-5c2e91.js
5 GET /assets/vendor-b81f02.js
5 GET /assets/app-77ad10.css
9 GET /images/products/{id}.webp
2 GET /favicon.ico
6 GET /healthz
"""
SCAN = """
3 GET /.env
3 GET /wp-login.php
2 GET /.git/config
2 GET /phpmyadmin/index.php
2 GET /admin/{n}/login
2 GET /api/v2/users/{id}
2 GET /api/v2/me
1 GET /api/v2/orders
"""
REFRESH, LOGIN = 0, 1
_FIRST = ["POST /api/auth/refresh", "POST /api/auth/login"]

VERSIONS = [
    f"{major}.{minor}.{patch}" for major, minor in ((3, 8), (3, 9), (4, 0), (4, 1), (4, 2)) for patch in range(4)
]
PHONES = [
    *[f"(iPhone; iOS {system})" for system in ("16.7.10", "17.6.1", "18.0", "18.1.1", "18.2")],
    *[
        f"(Android {system}; {model})"
        for system in (12, 13, 14, 15)
        for model in ("SM-S921B", "SM-A546E", "Pixel 8", "Pixel 7a", "2312DRA50G", "CPH2581")
    ],
]
BROWSERS = [
    f"Mozilla/5.0 ({system}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{version}.0.0.0 Safari/537.36"
    for system in ("Windows NT 10.0; Win64; x64", "Macintosh; Intel Mac OS X 10_15_7", "X11; Linux x86_64")
    for version in range(124, 132)
]
SCANNER_AGENTS = ["curl/8.5.0", "Mozilla/5.0 zgrab/0.x", "python-requests/2.32.3", "-"]

_MASK = 2**64 - 1


@dataclass(frozen=True)
class Chance:
    """Numbers that look random and depend on nothing but the seed, the purpose and a key: the same on every machine."""

    seed: int

    def draw(self, key: str | pl.Expr, purpose: str, bound: int) -> pl.Expr:
        """A number below `bound` for each key."""
        key = pl.col(key) if isinstance(key, str) else key
        salt = (crc32(purpose.encode()) * 0x9E3779B97F4A7C15 + self.seed * 0xD1342543DE82EF95) & _MASK
        mixed = (key.cast(pl.UInt64) + _wide(salt)) * _wide(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed // _wide(2**31))) * _wide(0x94D049BB133111EB)
        return (mixed // _wide(2**33)) % _wide(bound)


def _wide(value: int) -> pl.Expr:
    return pl.lit(value, dtype=pl.UInt64)


@dataclass(frozen=True)
class Plan:
    """What happens in the day, before a line is written.

    `units` are the quarters of devices: `device`, `start`, `kind`, `calls`, `span`. `loops` are the planted ones:
    `device`, `start`, `gap`, `cycles`. `fill` lines are anybody else's.
    """

    lines: int
    chance: Chance
    actors: pl.DataFrame
    devices: int
    units: pl.DataFrame
    loops: pl.DataFrame
    fill: int

    @property
    def planted(self) -> dict[str, list[str]]:
        """The devices in a loop, as an analysis names them: by what the combined log and what the JSON log tells."""
        rows = self.actors[self.loops["device"].to_list()]
        return {
            "pairs": rows.select(pl.concat_str("ip", pl.lit("|"), "agent")).to_series().to_list(),
            "device_ids": rows["device_id"].to_list(),
        }


def plan(lines: int, seed: int = 1) -> Plan:
    """The day of exactly `lines` lines."""
    chance = Chance(seed)
    devices = max(100, min(DEVICES, lines // LINES_PER_DEVICE))
    loops = _loops(chance, devices, lines)
    units = _units(chance, devices, lines, loops)
    fill = lines - int(units["size"].sum()) - 2 * int(loops["cycles"].sum())
    if fill < 0:
        raise ValueError(f"{lines} lines are too few for the traffic of {devices} devices")
    return Plan(lines, chance, _actors(chance, devices), devices, units, loops, fill)


def _actors(chance: Chance, devices: int) -> pl.DataFrame:
    """One row each: devices first, then scanners, then visitors without a session."""
    count = devices + SCANNERS + VISITORS
    numbers = pl.DataFrame({"actor": pl.int_range(count, dtype=pl.UInt64, eager=True)})
    # Multiplying by an odd number keeps addresses distinct. 198.18.0.0/15 is set aside for benchmarks (RFC 2544).
    address = (pl.col("actor") * 48_271 + 11) % 131_072
    phone, version = pick(PHONES, chance.draw("actor", "phone", len(PHONES))), chance.draw("actor", "version", 20)
    browser = pick(BROWSERS, chance.draw("actor", "browser", len(BROWSERS)))
    scanner = pick(SCANNER_AGENTS, chance.draw("actor", "scanner", len(SCANNER_AGENTS)))
    web = (chance.draw("actor", "platform", 8) == 0) | (pl.col("actor") >= devices)
    known = pl.col("actor") < devices
    ids = [str(uuid.uuid5(uuid.NAMESPACE_OID, f"{chance.seed}/{number}")) for number in range(devices)]
    return numbers.select(
        ip=pl.format("198.{}.{}.{}", 18 + address // 65_536, address // 256 % 256, address % 256),
        agent=pl.when(~known & (pl.col("actor") < devices + SCANNERS))
        .then(scanner)
        .when(web)
        .then(browser)
        .otherwise(pl.concat_str(pl.lit("Shop/"), pick(VERSIONS, version), pl.lit(" "), phone)),
        web=web,
        device_id=pl.Series(ids + [""] * (count - devices)),
    )


def pick(values: list[str] | pl.Series, index: pl.Expr) -> pl.Expr:
    """The value at `index`."""
    return pl.lit(pl.Series(values)).gather(index)


def _loops(chance: Chance, devices: int, lines: int) -> pl.DataFrame:
    chosen = (
        pl.DataFrame({"device": pl.int_range(devices, dtype=pl.UInt64, eager=True)})
        .sort(chance.draw("device", "loops", 2**30), "device")
        .head(round(devices * SHARE_IN_LOOP))
        .sort("device")
    )
    mean = max(8, round(0.04 * lines / chosen.height))
    timed = chosen.with_columns(
        start=6 * 60 * MINUTE + chance.draw("device", "loop starts", 12 * 60 * MINUTE).cast(pl.Int64),
        cycles=(mean // 2 + chance.draw("device", "cycles", mean)).cast(pl.Int64),
    )
    # From 3 s to 4 min, the short ones more often; what doesn't fit into the rest of the day is hurried.
    gap = 3_000 * 2 ** (chance.draw("device", "gap", 632).cast(pl.Float64) / 100)
    return timed.with_columns(
        gap=pl.min_horizontal(gap, (DAY - 5 * MINUTE - pl.col("start")) / pl.col("cycles")).cast(pl.Int64)
    )


#: Kinds of units: how many calls are refused before the refresh. After `expelled` the refresh is refused too.
KINDS = {"expired": 1, "proactive": 0, "parallel": 2, "expelled": 1}
_EXPELLED = 3


def _units(chance: Chance, devices: int, lines: int, loops: pl.DataFrame) -> pl.DataFrame:
    target = 0.86 * lines / (devices * QUARTERS)
    share = min(0.6, target / 12)
    calls = max(2, round(target / share - 2.2))
    quarters = pl.DataFrame({"unit": pl.int_range(devices * QUARTERS, dtype=pl.UInt64, eager=True)}).with_columns(
        device=pl.col("unit") // QUARTERS
    )
    start = (pl.col("unit") % QUARTERS * QUARTER + chance.draw("device", "phase", QUARTER)).cast(pl.Int64)
    busy = pl.lit(pl.Series(HOURS)).gather(pl.col("start") // (60 * MINUTE))
    number = chance.draw("unit", "kind", 1_000)
    kind = pl.when(number < 880).then(0).when(number < 930).then(1).when(number < 985).then(2).otherwise(_EXPELLED)
    drawn = (
        quarters.with_columns(start=start)
        .filter(chance.draw("unit", "active", 1_000_000) < share * 1e6 * busy)
        .join(loops.select("device", loop="start"), on="device", how="left", maintain_order="left")
        .filter((pl.col("start") + QUARTER < pl.col("loop")).fill_null(value=True))
        .with_columns(
            kind=kind.cast(pl.UInt8),
            calls=1 + chance.draw("unit", "calls", 2 * calls - 1).cast(pl.Int64),
            span=(30_000 + chance.draw("unit", "span", 13 * MINUTE)).cast(pl.Int64),
        )
    )
    refusals = pl.lit(pl.Series(list(KINDS.values()))).gather("kind")
    head = refusals + 1 + (pl.col("kind") == _EXPELLED)
    return drawn.with_columns(refusals=refusals, head=head, size=head + pl.col("calls")).drop("loop")


def windows(day: Plan) -> Iterator[pl.DataFrame]:
    """The lines of the day, a window of it at a time, in order: `time`, `actor`, `key`, `route`, `thing`, `status`."""
    count = max(1, -(-day.lines // WINDOW_LINES))
    later: pl.DataFrame | None = None
    for number in range(count):
        begins, ends = DAY * number // count, DAY * (number + 1) // count
        inside = pl.col("start").is_between(begins, ends, closed="left")
        parts = [
            _served(day.units.filter(inside), day),
            _looping(day.loops, day, begins, ends),
            _strangers(day, day.fill * number // count, day.fill * (number + 1) // count, begins, ends),
        ]
        lines = pl.concat([*parts, *([] if later is None else [later])]).sort("time", "key")
        later = lines.filter(pl.col("time") >= ends)
        yield lines.filter(pl.col("time") < ends)


def _served(units: pl.DataFrame, day: Plan) -> pl.DataFrame:
    draw, place = day.chance.draw, pl.col("place")
    lines = (
        units.lazy()
        .with_columns(place=pl.int_ranges(0, "size"))
        .explode("place")
        .with_columns(
            key=pl.col("unit") * 8_192 + place.cast(pl.UInt64), web=pl.lit(day.actors["web"]).gather("device")
        )
    )
    first = pl.col("start") + place * 250 + draw("key", "first", 200).cast(pl.Int64)
    rest = pl.col("start") + 2_000 + draw("key", "when", 2**20).cast(pl.Int64) * pl.col("span") // 2**20
    same = (place == 0) | (place == pl.col("head"))  # what was refused is called again
    routes = (
        pl.when(place == pl.col("refusals"))
        .then(REFRESH)
        .when(place.is_between("refusals", "head", closed="none"))
        .then(LOGIN)
        .when(same)
        .then(_route("app", draw("unit", "route", 2**20)))
        .when((place < pl.col("head")) | ~pl.col("web"))
        .then(_route("app", draw("key", "route", 2**20)))
        .otherwise(_route("web", draw("key", "route", 2**20)))
    )
    thing = pl.when(same).then(draw("unit", "thing", 2**30)).otherwise(draw("key", "thing", 2**30))
    refused = (place < pl.col("refusals")) | ((place == pl.col("refusals")) & (pl.col("kind") == _EXPELLED))
    luck = draw("key", "status", 1_000)
    status = (
        pl.when(refused)
        .then(401)
        .when((place <= pl.col("head")) | (luck < 960))
        .then(200)
        .when(luck < 985)
        .then(304)
        .when(luck < 995)
        .then(404)
        .when(luck < 998)
        .then(422)
        .otherwise(500)
    )
    return _lines(
        lines, pl.when(place <= pl.col("head")).then(first).otherwise(rest), pl.col("device"), routes, status, thing
    )


def _looping(loops: pl.DataFrame, day: Plan, begins: int, ends: int) -> pl.DataFrame:
    draw, gap, cycle = day.chance.draw, pl.col("gap"), pl.col("cycle")

    def cycles_before(time: int) -> pl.Expr:
        return ((time - pl.col("start") + gap - 1) // gap).clip(0, pl.col("cycles"))

    lines = (
        loops.lazy()
        .with_columns(cycle=pl.int_ranges(cycles_before(begins), cycles_before(ends)))
        .explode("cycle", empty_as_null=False)
        .with_columns(step=pl.lit([0, 1]))
        .explode("step")
        .with_columns(
            key=(2**60 + pl.col("device") * 2**20 + cycle.cast(pl.UInt64)) * 2 + pl.col("step").cast(pl.UInt64)
        )
    )
    refreshed = pl.col("start") + cycle * gap + draw(pl.col("key") // 2, "jitter", 2**10).cast(pl.Int64) * gap // 2**12
    time = refreshed + pl.col("step") * (200 + draw("key", "delay", 1_800).cast(pl.Int64))
    route = pl.when(pl.col("step") == 0).then(REFRESH).otherwise(_route("app", draw("key", "route", 2**20)))
    status = pl.when(pl.col("step") == 0).then(200).otherwise(401)
    return _lines(lines, time, pl.col("device"), route, status, draw("key", "thing", 2**30))


def _strangers(day: Plan, first: int, last: int, begins: int, ends: int) -> pl.DataFrame:
    draw = day.chance.draw
    lines = pl.LazyFrame({"key": pl.int_range(first, last, dtype=pl.UInt64, eager=True) + 2**62})
    scan = draw("key", "scan", 10) == 0
    actor = (
        pl.when(scan)
        .then(day.devices + draw("key", "who", SCANNERS))
        .otherwise(day.devices + SCANNERS + draw("key", "who", VISITORS))
    )
    number = draw("key", "route", 2**20)
    route = pl.when(scan).then(_route("scan", number)).otherwise(_route("visitor", number))
    # Calls of the API without a token are refused; of what a scanner looks for there is nothing.
    api = pl.lit(pl.Series(_API)).gather("route")
    status = pl.when(~scan).then(200).when(api).then(401).otherwise(404)
    time = begins + (draw("key", "when", 2**30) * (ends - begins) // 2**30).cast(pl.Int64)
    lines = lines.with_columns(route=route)
    return _lines(lines, time, actor, pl.col("route"), status, draw("key", "thing", 2**30))


def _lines(
    lines: pl.LazyFrame, time: pl.Expr, actor: pl.Expr, route: pl.Expr, status: pl.Expr, thing: pl.Expr
) -> pl.DataFrame:
    return lines.select(
        time=time.cast(pl.Int64),
        actor=actor.cast(pl.UInt32),
        key="key",
        route=route.cast(pl.UInt16),
        thing=thing.cast(pl.UInt32),
        status=status.cast(pl.UInt16),
    ).collect()


def _tables() -> tuple[list[str], dict[str, list[int]]]:
    """All routes, and for each group the routes to draw from, as often as they weigh."""
    routes, groups = list(_FIRST), {}
    for name, text in {"app": APP, "web": WEB, "visitor": VISITOR, "scan": SCAN}.items():
        groups[name] = []
        for line in text.strip().splitlines():
            weight, _, route = line.partition(" ")
            if route and route not in routes:
                routes.append(route)
            groups[name] += [routes.index(route)] * int(weight or 0) if route else []
    return routes, groups


ROUTES, _GROUPS = _tables()
_API = ["/api/" in route for route in ROUTES]


def _route(group: str, number: pl.Expr) -> pl.Expr:
    return pl.lit(pl.Series(_GROUPS[group], dtype=pl.UInt16)).gather(number % len(_GROUPS[group]))
