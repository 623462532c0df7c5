"""Owns `syslog`: the traditional line of syslog daemons, with or without priority, also with a full time."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial

import polars as pl

from authforensics.collect.distinct import each_run_of
from authforensics.collect.format import Settings
from authforensics.collect.moments import moments
from authforensics.collect.peel_text import ISO, groups
from authforensics.collect.times import MOMENT
from authforensics.collect.wrapper import Peel, Wrapper, peeled
from authforensics.collect.yearless import read_yearless

# Reference: RFC 3164 section 4.1; https://www.rsyslog.com/doc/configuration/templates.html (RSYSLOG_FileFormat: a full
# time); journalctl's outputs short and short-iso. Daemons that write to a local socket leave out the host.
_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_SHORT = rf"{_MONTH} [ \d]\d \d{{2}}:\d{{2}}:\d{{2}}(?:\.\d{{1,9}})?"
_FRONT = rf"^(?:<\d{{1,3}}>)?(?:(?P<short>{_SHORT})|(?P<full>{ISO}))"
#: The level of an application's logger stands where the host or the tag does.
_LEVEL = r"(?:TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|CRITICAL|FATAL)"
_LOGGER = rf"(?:{_LEVEL} \S|(?:{_LEVEL}|(?i:silly|verbose|http|debug|info|warn|error)):)"
#: What an application says of a refusal or a failure, behind a time that a runtime put there: `Not Found: /api`. No
#: program is called so, and one without host or process id isn't written with a capital.
_SAID = r"(?:[A-Z][\w.]*:|[A-Z][a-z]+ [A-Z][a-z]+:|(?:[\w.:-]+ )?[\w.:]*(?:Error|Exception):)"
_WORDS = rf"^{ISO} (?:{_LOGGER}|{_SAID})"
_TAG = r"[^\s:\[\]\"{}]{1,64}(?:\[[^\]\s]{0,64}\])?:"
_LINE = rf"{_FRONT} (?:(?P<instance>[\w.:-]+) )?{_TAG}(?: (?P<inner>.*))?$"


def _prepare(sample: Sequence[str], settings: Settings) -> Peel | None:
    if not any(map(re.compile(_FRONT).match, sample)):
        return None

    def peel(lines: pl.Series) -> pl.DataFrame:
        parts = groups(lines.set(lines.str.contains(_WORDS).fill_null(value=False), None), _LINE)
        short = each_run_of(parts["short"], partial(_yearless, settings=settings), MOMENT).struct.unnest()
        example = parts["full"].first(ignore_nulls=True)
        full = moments(parts["full"], example if isinstance(example, str) else "", settings.tz)
        known = parts["short"].is_not_null()
        return peeled(parts.with_columns(short[name].zip_with(known, full[name]) for name in MOMENT))

    return peel


def _yearless(values: pl.DataFrame, settings: Settings) -> pl.DataFrame:
    return read_yearless(values.lazy(), pl.col("value"), settings).select(MOMENT.keys()).collect(engine="in-memory")


WRAPPER = Wrapper(
    name="syslog",
    title="syslog (RFC 3164), rsyslog, journalctl",
    samples=("<34>Oct 11 22:14:15 mymachine su[123]: hello world", "Oct  1 22:14:15 mymachine su: hello world"),
    prepare=_prepare,
    header=r"^-- .* --$",
)
