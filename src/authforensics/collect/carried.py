"""Finds the tokens that lines carry, wherever in a line they stand, and what these say of themselves.

A token becomes a number by which it is told from others, its claims become columns, and its text goes no further. Most
logs carry none, which is seen from a whole block of lines at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import reduce
from threading import Lock

import polars as pl

from authforensics.collect import secrecy
from authforensics.collect.blocks import Text
from authforensics.schema import CARRIED, TEXT
from authforensics.tokens.glance import LONGEST, SAID, glances
from authforensics.tokens.signers import Samples

#: Every JSON object in base64url begins so, unless white space follows its brace: the header of a token, its payload.
_MARK = "eyJ"
#: To look for it so is a third faster than to ask whether it is `in` a block.
_MARKED = re.compile(_MARK.encode())
#: What follows most tokens; and all that no token has. To look for the first in every line, and for the others once in
#: each text, is several times faster than to look for these in every line.
_ENDS, _END = ('"', " "), r"[^A-Za-z0-9_.-]"
#: Tokens of a line that are looked at.
_ROUNDS = 4
#: How much of a line before a token tells where it stands; and what names it: `name=`, `"name":"`, `Bearer `.
_BEFORE = 48
_NAME = r"([A-Za-z0-9_$.-]{1,32})(?:\\*[\"'])?\s*[=:]\s*(?:\\*[\"'])?(?:Bearer(?: |%20|\+))?$"
_IN_QUERY = r"[?&][A-Za-z0-9_.~%\[\]-]*=$"
_IN_HEADER = r"(?i)(?:authorization|(?:bearer|dpop|jwt|token)(?: |%20|\+)|x-[a-z-]+token[\"']?[:=]\s?[\"']?)$"
_IN_COOKIE = r"(?i)(?:cookie|; )[^?&]*$"
#: Of several in one line, that which is sent for access comes first, that for a refresh last.
_FIRST, _LAST = r"(?i)(?:authorization|bearer|access).{0,16}$", r"(?i)(?:refresh|id_?token|csrf|state).{0,16}$"
#: Tokens that are remembered: what was said of them is looked up where they come again.
_KNOWN = 400_000
_IDS = ("user_id", "session_id", "device_id")
_READABLE = ("algorithm", "key_id", "token_type", "issuer", "audience", "jti")
#: What mints tokens that differ in these may have another key.
_KIND = ("algorithm", "key_id", "issuer", "shape")
_REFUSED = 401


class Finder:
    """Finds tokens in the lines of a run; what it learned of one it remembers. For several threads at a time.

    `samples` are some of each kind: those that were refused are a kind of their own.
    """

    def __init__(self) -> None:
        self.samples = Samples()
        self._known = pl.DataFrame(schema={**SAID, "kind": pl.UInt64})
        self._lock = Lock()

    def add(self, events: pl.DataFrame, lines: Text | pl.DataFrame) -> pl.DataFrame:
        """Fill in the columns of `CARRIED` of some events, and who they belong to, from the tokens in their lines.

        Args:
            events: some columns of COLLECTED, `line_number` and `status` among them.
            lines: the lines that they were made of.
        """
        if isinstance(lines, Text) and _MARKED.search(lines.data) is None:
            return events
        found, texts = _found(lines if isinstance(lines, pl.DataFrame) else lines.lines)
        said = self._said(texts)
        if said.is_empty():
            return events
        found = _chosen(found.join(said, on="token", how="inner", maintain_order="left"))
        beside = found.select(
            "line_number",
            *(pl.col(name).cast(dtype) for name, dtype in CARRIED.items()),
            *(pl.col(name).alias(f"_{name}") for name in _IDS),
        )
        joined = events.drop(CARRIED).join(beside, on="line_number", how="left", maintain_order="left")
        refused = joined.filter(pl.col("status") == _REFUSED)["token"].drop_nulls().unique()
        self.samples.add(_some(said, texts, refused))
        ids = [pl.coalesce(name, f"_{name}").cast(TEXT).alias(name) for name in _IDS]
        return joined.with_columns(ids).select(events.columns)

    def _said(self, texts: pl.DataFrame) -> pl.DataFrame:
        """What these tokens say; what is no token isn't there."""
        known = self._known
        new = texts.join(known.select("token"), on="token", how="anti")
        if not new.is_empty():
            told = glances(new["candidate"]).drop_nulls("token")
            told = told.with_columns(
                # The same in every process, as all hashes of polars' are.
                pl.struct(_KIND).hash().alias("kind"),
                *(secrecy.identifying(told[name], name) for name in _IDS),
                *(secrecy.readable(told[name]) for name in _READABLE),
            )
            with self._lock:
                kept = self._known if self._known.height < _KNOWN else self._known.clear()
                self._known = pl.concat([kept, told]).unique("token", keep="any")
            known = pl.concat([known, told])
        return known.join(texts.select("token"), on="token", how="semi")


def _some(said: pl.DataFrame, texts: pl.DataFrame, refused: pl.Series) -> Iterator[tuple[int, int, str]]:
    """A few tokens of each kind; those that were refused once more, as a kind of their own."""
    whole = said.filter("whole").select("kind", "token").sort("token")
    for denied, some in enumerate((whole, whole.filter(pl.col("token").is_in(refused.implode())))):
        few = some.group_by("kind", maintain_order=True).head(Samples.FEW).join(texts, on="token")
        yield from ((2 * kind + denied, token, text) for kind, token, text in few.rows())


def _found(lines: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The lines that may have tokens, and these.

    Returns:
        `line_number`, `before` (the bytes before it in the line), `token`, in order of lines; and `token`,
        `candidate` (its text).
    """
    rest = lines.select("line_number", "line").filter(pl.col("line").str.contains(_MARK, literal=True))
    places, texts = [], []
    for _ in range(_ROUNDS):
        place, ended, rest = _next(rest)
        places.append(place)
        texts.append(ended)
        if rest.is_empty():
            break
    return pl.concat(places), pl.concat(texts).unique("token", keep="any")


def _next(lines: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """The first token of each line, and what may hold another: `line_number`, the `line` after it."""
    cut = lines.with_columns(pl.col("line").cast(pl.Binary), at=pl.col("line").str.find(_MARK, literal=True))
    begin = (pl.col("at").cast(pl.Int64) - _BEFORE).clip(0)
    cut = cut.select(
        "line_number",
        before=pl.col("line").bin.slice(begin, pl.min_horizontal("at", _BEFORE)),
        after=pl.col("line").bin.slice(pl.col("at")).cast(pl.String),
    )
    ends = [pl.col("after").str.find(end, literal=True) for end in _ENDS]
    cut = cut.with_columns(end=pl.coalesce(pl.min_horizontal(ends), pl.col("after").str.len_bytes()))
    rough = cut.select(pl.col("after").cast(pl.Binary).bin.slice(0, "end").cast(pl.String)).to_series()
    cut = cut.with_columns(key=rough.hash())
    ended = _ended(pl.DataFrame({"key": cut["key"], "rough": rough})[cut["key"].arg_unique()])
    cut = cut.join(ended.select("key", "token", "size"), on="key", how="left", maintain_order="left")
    after = pl.col("after").cast(pl.Binary).bin.slice("size").cast(pl.String)
    rest = cut.select("line_number", line=after).filter(pl.col("line").str.contains(_MARK, literal=True))
    return cut.select("line_number", "before", "token"), ended.select("token", "candidate"), rest


def _ended(texts: pl.DataFrame) -> pl.DataFrame:
    """What may be tokens, each cut where it ends for certain, and its `size`."""
    end = pl.coalesce(pl.col("rough").str.find(_END), pl.col("rough").str.len_bytes()).clip(0, LONGEST)
    ended = texts.select("key", candidate=pl.col("rough").str.head(end).str.strip_chars_end("."), size=end)
    return ended.with_columns(token=pl.col("candidate").hash())


def _chosen(found: pl.DataFrame) -> pl.DataFrame:
    """One token a line, that which a request was made with, most likely; and `token_where`."""
    befores = found.select("before").unique()
    told = befores.with_columns(text=pl.Series([one.decode(errors="replace") for one in befores["before"]]))
    before = pl.col("text")
    rank = pl.when(before.str.contains(_FIRST)).then(0).when(before.str.contains(_LAST)).then(2).otherwise(1)
    told = told.with_columns(token_where=_where(before), rank=rank.cast(pl.UInt8)).drop("text")
    placed = found.join(told, on="before", how="left", maintain_order="left")
    # A masked one, which nobody could use, stands nowhere.
    placed = placed.with_columns(token_where=pl.when("whole").then("token_where"))
    if placed["line_number"].is_sorted() and not placed.select((pl.col("line_number").diff() == 0).any()).item():
        return placed
    return placed.sort("line_number", "rank", maintain_order=True).unique("line_number", keep="first")


def _where(before: pl.Expr) -> pl.Expr:
    """Where a token stands and what it is called there: `query access_token`, `header`, `cookie sid`, `field jwt`."""
    name = before.str.extract(_NAME, 1)
    kinds = {"query": before.str.contains(_IN_QUERY), "header": before.str.contains(_IN_HEADER)}
    kinds |= {"cookie": before.str.contains(_IN_COOKIE), "field": name.is_not_null()}
    kind = reduce(
        lambda otherwise, one: pl.when(one[1]).then(pl.lit(one[0])).otherwise(otherwise),
        reversed(kinds.items()),
        pl.lit("message"),
    )
    return pl.concat_str(kind, name, separator=" ", ignore_nulls=True)
