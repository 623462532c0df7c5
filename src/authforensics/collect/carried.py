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
from authforensics.tokens.glance import LONGEST, glances
from authforensics.tokens.signers import Samples

#: Every JSON object in base64url begins so, unless white space follows its brace: the header of a token, its payload.
_MARK = "eyJ"
_AT = pl.col("line").str.find(_MARK, literal=True)
#: To look for it so is a third faster than to ask whether it is `in` a block.
_MARKED = re.compile(_MARK.encode())
#: Its rarest letter is found twenty times faster than all of it, unless there are more than so many in a block.
_RARE, _TRIES = _MARK[-1:].encode(), 1_000
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
#: What CARRIED tells of a token wherever it stands.
_CLAIMS = {name: dtype for name, dtype in CARRIED.items() if name not in {"token", "token_where", "besides"}}
#: What is remembered of a text that begins as a token does and ends at the first quote or space, `key` being its hash:
#: how many bytes of it are the token, and what that says; all null but `size`, if it is none.
_LOOKED_AT: dict[str, pl.DataType] = {
    "key": pl.UInt64(),
    "size": pl.UInt32(),
    "token": pl.UInt64(),
    "kind": pl.UInt64(),
    "whole": pl.Boolean(),
    **_CLAIMS,
    **{f"_{name}": TEXT for name in _IDS},
}


class Finder:
    """Finds tokens in the lines of a run; what it learned of one it remembers. For several threads at a time.

    `samples` are some of each kind: those that were refused are a kind of their own.
    """

    def __init__(self) -> None:
        self.samples = Samples()
        self._known = pl.DataFrame(schema=_LOOKED_AT)
        self._lock = Lock()

    def add(self, events: pl.DataFrame, lines: Text | pl.DataFrame) -> pl.DataFrame:
        """Fill in the columns of `CARRIED` of some events, and who they belong to, from the tokens in their lines.

        Args:
            events: some columns of COLLECTED, `line_number` and `status` among them.
            lines: the lines that they were made of.
        """
        if isinstance(lines, Text) and not _marked(lines.data):
            return events
        found = self._found(lines if isinstance(lines, pl.DataFrame) else lines.lines)
        if found.is_empty():
            return events
        told = events.select("line_number", "status").join(
            _chosen(found), on="line_number", how="left", maintain_order="left"
        )
        refused = told.filter(pl.col("status") == _REFUSED)["token"].unique()
        self.samples.add(_some(found.filter(pl.col("token").is_in(refused.implode())), refused=True))
        ids = [pl.coalesce(events[name].cast(TEXT), told[f"_{name}"]).alias(name) for name in _IDS if name in events]
        return events.with_columns(*(told[name] for name in CARRIED if name in events), *ids)

    def _found(self, lines: pl.DataFrame) -> pl.DataFrame:
        """The tokens in some lines: `line_number`, `before` (the bytes before it in the line), `rough` and _LOOKED_AT.

        In order of lines, unless some have several.
        """
        rest = lines.select("line_number", "line", at=_AT).drop_nulls("at")
        found = [pl.DataFrame(schema={"line_number": pl.UInt32, "before": pl.Binary, "rough": pl.Binary, **_LOOKED_AT})]
        for _ in range(_ROUNDS):
            if rest.is_empty():
                break
            cut = _next(rest)
            known = self._looked_at(cut)
            after = cut.select("line_number", line=pl.col("after").bin.slice(known["size"]).cast(pl.String))
            rest = after.with_columns(at=_AT).drop_nulls("at")
            told = cut.select("line_number", "before", "rough").hstack(known)
            found.append(told.filter(pl.col("token").is_not_null()) if told["token"].has_nulls() else told)
        return found[1] if len(found) == 2 else pl.concat(found)

    def _looked_at(self, cut: pl.DataFrame) -> pl.DataFrame:
        """What each of these texts is (`rough`, `key`): _LOOKED_AT, row by row."""
        known, key = self._known, cut["key"]
        places = _places(key, known["key"])
        if places.has_nulls():
            rows = places.is_null().arg_true()
            missed = key.gather(rows)
            new = rows.gather(missed.arg_unique())
            told = _told(key.gather(new), cut["rough"].gather(new).cast(pl.String))
            self.samples.add(_some(told.hstack([cut["rough"].gather(new)])))
            self._keep(told)
            places = places.scatter(rows, _places(missed, told["key"]) + known.height)
            known = pl.concat([known, told], rechunk=True)
        return known[places]

    def _keep(self, told: pl.DataFrame) -> None:
        """Remember this, if no other thread did meanwhile."""
        with self._lock:
            kept = self._known if self._known.height < _KNOWN else self._known.clear()
            new = told.join(kept.select("key"), on="key", how="anti", maintain_order="left")
            self._known = pl.concat([kept, new], rechunk=True)


def _marked(data: bytes) -> bool:
    """Whether there is a token in a block of lines, or what begins like one."""
    end = 0
    for _ in range(_TRIES):
        end = data.find(_RARE, end) + 1
        if not end:
            return False
        if data.endswith(_MARK.encode(), 0, end):
            return True
    return _MARKED.search(data, end) is not None


def _places(keys: pl.Series, known: pl.Series) -> pl.Series:
    """Where each of these keys is among the known ones; null: it isn't."""
    places = pl.DataFrame({"key": known}).with_row_index("place")
    return pl.DataFrame({"key": keys}).join(places, on="key", how="left", maintain_order="left")["place"]


def _told(keys: pl.Series, roughs: pl.Series) -> pl.DataFrame:
    """What some texts are that begin as tokens do: _LOOKED_AT."""
    end = pl.coalesce(pl.col("rough").str.find(_END), pl.col("rough").str.len_bytes()).clip(0, LONGEST)
    texts = pl.DataFrame({"key": keys, "rough": roughs}).with_columns(size=end)
    told = glances(texts.select(pl.col("rough").str.head("size").str.strip_chars_end(".")).to_series())
    told = told.with_columns(
        texts["key"],
        texts["size"],
        *(secrecy.identifying(told[name], name).alias(f"_{name}") for name in _IDS),
        *(secrecy.readable(told[name]) for name in _READABLE),
        # The same in every process, as all hashes of polars' are.
        kind=pl.struct(_KIND).hash(),
    )
    return told.select(pl.col(name).cast(dtype) for name, dtype in _LOOKED_AT.items())


def _next(lines: pl.DataFrame) -> pl.DataFrame:
    """What may be the first token of each line, which begins `at` so many bytes.

    Returns:
        `line_number`, `before` (the bytes before it in the line), `after` (from there on), `rough` (as far as it may
        reach), `key` (the hash of that).
    """
    cut = lines.with_columns(pl.col("line").cast(pl.Binary))
    begin = (pl.col("at").cast(pl.Int64) - _BEFORE).clip(0)
    cut = cut.select(
        "line_number",
        before=pl.col("line").bin.slice(begin, pl.min_horizontal("at", _BEFORE)),
        after=pl.col("line").bin.slice(pl.col("at")),
    )
    ends = [pl.col("after").cast(pl.String).str.find(end, literal=True) for end in _ENDS]
    rough = cut.select(pl.col("after").bin.head(pl.coalesce(pl.min_horizontal(ends), pl.col("after").bin.size())))
    return cut.with_columns(rough.to_series().alias("rough"), key=rough.to_series().hash())


def _some(found: pl.DataFrame, *, refused: bool = False) -> Iterator[tuple[int, int, str]]:
    """A few tokens of each kind, with their texts (`rough`); those that were `refused` as a kind of their own."""
    whole = found.filter("whole")
    few = whole.group_by("kind").agg(pl.col("token").unique().bottom_k(Samples.FEW)).explode("token")
    texts = whole.filter(pl.col("token").is_in(few["token"].implode())).unique("token", keep="any")
    text = pl.col("rough").bin.head("size").cast(pl.String).str.strip_chars_end(".")
    yield from ((2 * kind + refused, token, text) for kind, token, text in texts.select("kind", "token", text).rows())


def _chosen(found: pl.DataFrame) -> pl.DataFrame:
    """The token of each line that a request was made with, most likely.

    Returns:
        `line_number`, CARRIED and who it is of.
    """
    key = found["before"].hash()
    places = key.arg_unique()
    befores = [one.decode(errors="replace") for one in found["before"].gather(places)]
    told = pl.DataFrame({"key": key.gather(places), "text": pl.Series(befores, dtype=pl.String)})
    before = pl.col("text")
    rank = pl.when(before.str.contains(_FIRST)).then(0).when(before.str.contains(_LAST)).then(2).otherwise(1)
    told = told.with_columns(token_where=_where(before).cast(TEXT), rank=rank.cast(pl.UInt8)).drop("text")
    told = pl.DataFrame({"key": key}).join(told, on="key", how="left", maintain_order="left").drop("key")
    placed = found.drop("before", "rough", "key", "size", "kind").hstack(told)
    # A masked one, which nobody could use, stands nowhere.
    placed = placed.with_columns(token_where=pl.when("whole").then("token_where")).drop("whole")
    if placed["line_number"].is_sorted() and not placed.select((pl.col("line_number").diff() == 0).any()).item():
        return placed.with_columns(besides=pl.lit(None, CARRIED["besides"]))
    placed = placed.sort("line_number", "rank", maintain_order=True)
    placed = placed.unique(["line_number", "token", "token_where"], keep="first", maintain_order=True)
    first = placed.unique("line_number", keep="first", maintain_order=True)
    others = placed.filter(~pl.col("line_number").is_first_distinct(), pl.col("token_where").is_not_null())
    besides = others.group_by("line_number").agg(besides=pl.struct("token", "token_where", "expires_at"))
    return first.join(besides, on="line_number", how="left", maintain_order="left")


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
