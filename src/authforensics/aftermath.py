"""What became of everything since a moment: reads the moment as users write it, and looks for proof from there on."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from authforensics import diagnose
from authforensics.collect.window import moment
from authforensics.devices import Recovery
from authforensics.document import Document
from authforensics.errors import BadValue
from authforensics.findings import iso
from authforensics.schema import History


def recovery(
    history: History, document: Document, endpoints: pl.DataFrame, after: str | datetime, tz: str | None
) -> Recovery:
    """Whether the devices of the document's incidents that were ill before `after` are well since.

    Args:
        history: that of all devices.
        document: of the same analysis.
        endpoints: the class of every endpoint.
        after: the moment; as a text, in the forms of `--since`.
        tz: the zone of a moment that names none; None: UTC.

    Raises:
        BadValue: it is no time, or nothing was logged before it.
    """
    begins = [one.first_seen for one in document.systems if one.first_seen]
    ends = [one.last_seen for one in document.systems if one.last_seen]
    text = after if isinstance(after, str) else after.isoformat()
    at = moment("after", text, max(ends, default=None), tz)
    if not begins or at <= min(begins):
        first = f"the first event is of {iso(min(begins))}" if begins else "there is no event"
        raise BadValue(f"--after: nothing was logged before {iso(at)}, so nobody can have been ill; {first}")
    return diagnose.recovery(history, document.incidents, endpoints, at)
