"""Owns `journald`: the journal of systemd as JSON; what is no plain text is a list of bytes there."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from authforensics.collect.format import Settings
from authforensics.collect.peel_json import by_keys
from authforensics.collect.wrapper import Peel, Wrapper

# Reference: https://systemd.io/JOURNAL_EXPORT_FORMATS/ (JSON), https://www.freedesktop.org/software/systemd/man/latest/systemd.journal-fields.html
_KEYS = {
    "inner": ("MESSAGE",),
    "at": ("_SOURCE_REALTIME_TIMESTAMP", "__REALTIME_TIMESTAMP"),
    "instance": ("_HOSTNAME",),
}
_BYTES = r"^\[\d{1,3}(?:, ?\d{1,3})*\]$"
_HEX = pl.Series([f"{byte:02x}" for byte in range(256)])


def _text(messages: pl.Series) -> pl.Series:
    places = messages.str.contains(_BYTES).fill_null(value=False).arg_true()
    if places.is_empty():
        return messages
    numbers = messages.gather(places).str.extract_all(r"\d+")
    byte = pl.element().cast(pl.UInt16).clip(0, 255).replace(ord("\n"), ord(" "))
    digits = numbers.list.eval(byte.replace_strict(list(range(256)), _HEX, return_dtype=pl.String)).list.join("")
    # All of them at once, line by line.
    text = bytes.fromhex(digits.str.join("0a").item()).decode(errors="replace")
    return messages.clone().scatter(places, pl.Series(text.split("\n"), dtype=pl.String))


def _prepare(sample: Sequence[str], settings: Settings) -> Peel | None:
    text = pl.col("inner").map_batches(_text, return_dtype=pl.String, is_elementwise=True)
    return by_keys(_KEYS, ('"MESSAGE"', '"__REALTIME_TIMESTAMP"'), [text])(sample, settings)


WRAPPER = Wrapper(
    name="journald",
    title="journalctl -o json",
    samples=('{"__REALTIME_TIMESTAMP":"1772359323123456","_HOSTNAME":"web1","MESSAGE":"hello world"}',),
    prepare=_prepare,
)
