"""`Analysis`, what a user holds: the document, the tables, single devices, and ways to show them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from secrets import token_bytes
from typing import TYPE_CHECKING

import polars as pl

from authforensics import aftermath, assembly, collect, journal, local
from authforensics.devices import Journal, Recovery
from authforensics.document import Document, Timeline
from authforensics.errors import UnknownName
from authforensics.events import all_events
from authforensics.findings import Incident
from authforensics.plan import Plan
from authforensics.pseudonyms import Pseudonyms
from authforensics.schema import History

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


@dataclass(frozen=True)
class Analysis:
    """The document, what it was made from, and ways to show it.

    `names` gives pseudonyms, if it is `anonymized`; `told` is the document with the names of the logs then.
    """

    document: Document
    studied: local.Studied
    history: History
    plan: Plan
    names: Pseudonyms | None = None
    told: Document | None = None

    def anonymized(self, key: bytes | None = None) -> Analysis:
        """The same with pseudonyms for client addresses and users, and for devices that are named after them.

        Args:
            key: what makes the pseudonyms: the same key, the same ones; by default a new one that nobody knows.
        """
        people = self.studied.requests.scan_all().select("user_id", "client_ip").unique().collect(engine="streaming")
        users = pl.concat([people["user_id"], self.studied.messages["user_id"]]).drop_nulls().unique().cast(pl.String)
        addresses = people["client_ip"].drop_nulls().unique().cast(pl.String)
        names = Pseudonyms(key or token_bytes(32), users, addresses)
        own = self.document if self.told is None else self.told
        return replace(self, document=names.record(own), names=names, told=own)

    def _hidden(self, frame: pl.DataFrame) -> pl.DataFrame:
        return frame if self.names is None else self.names.frame(frame)

    def systems_of(self, device: str) -> list[str]:
        """The systems that have a device of this name; one as a rule.

        Raises:
            UnknownName: none has; offers others.
        """
        return self._places(device)[0]

    def _places(self, device: str, system: str | None = None) -> tuple[list[str], str]:
        """The systems of a device and its name in the logs; if these are hidden, it may be called by its pseudonym."""
        if self.names is None:
            return journal.systems_of(self.history, device, system), device
        known = {self.names.name(one): one for one in self.history.devices["device_id"].unique().cast(pl.String)}
        real = known.get(device, device)
        try:
            return journal.systems_of(self.history, real, system), real
        except UnknownName:
            raise UnknownName("device", device, [*sorted(known)[:3], "…"]) from None

    def _timeline(self, device: str, system: str | None, *, thinned: bool) -> Timeline:
        (found, *_), real = self._places(device, system)
        drawn = journal.timeline(
            self.history, self.studied.collected, found, real, thinned=thinned, shown=self.plan.shown
        )
        return drawn if self.names is None else self.names.record(drawn)

    @property
    def rejects(self) -> pl.DataFrame:
        """The REJECTS table."""
        return self._hidden(self.studied.collected.rejects)

    @cached_property
    def events(self) -> pl.DataFrame:
        """The EVENTS table: requests and messages of all systems, in order of time. Reads the files once more."""
        return self._hidden(all_events(self.studied, self.plan.settings))

    @cached_property
    def sessions(self) -> pl.DataFrame:
        """The SESSIONS table."""
        sessions = self.history.sessions.collect(engine="streaming").cast({"system": pl.String, "device_id": pl.String})
        return self._hidden(sessions.sort("system", "device_id", "session"))

    @property
    def environment_files(self) -> tuple[str, ...]:
        """Dotenv files among the logs, which are not opened: one may be named as `env_file`."""
        return collect.environment_files(self.studied.found, self.studied.collected.sources)

    def close(self) -> None:
        """Remove the temporary files, if there are any; the document stays, the tables don't."""
        self.studied.work.close()

    @cached_property
    def findings(self) -> pl.DataFrame:
        """The FINDINGS table."""
        return assembly.findings_frame(self.document.findings)

    @property
    def incidents(self) -> tuple[Incident, ...]:
        """The incidents, the worst first."""
        return self.document.incidents

    def timeline(self, device: str, system: str | None = None) -> Figure:
        """One device over time, complete: its states as bands, its requests as marks.

        Raises:
            UnknownName: there is no such device (in `system`, if that is given).
        """
        from authforensics.report import figures

        return figures.device_timeline(self.document, self._timeline(device, system, thinned=False))

    def journal(self, device: str, system: str | None = None) -> Journal:
        """What one device did, request by request, as `authforensics timeline` prints it.

        Raises:
            UnknownName: there is no such device (in `system`, if that is given).
        """
        (found, *_), real = self._places(device, system)
        own = self.document if self.told is None else self.told
        told = journal.journal(self.history, own.findings, found, real)
        return told if self.names is None else self.names.record(told)

    def device_page(self, device: str, system: str | None = None) -> str:
        """One device as a page by itself: its figure and its journal.

        Raises:
            UnknownName: there is no such device (in `system`, if that is given).
        """
        from authforensics.report import html

        return html.device(self.document, self.journal(device, system), self._timeline(device, system, thinned=True))

    def verify(self, after: str | datetime) -> Recovery:
        """Whether the devices that were ill before a moment are proven well since.

        Args:
            after: the moment; as a text, in the forms of `since`.

        Raises:
            BadValue: it is no time, or nothing was logged before it.
        """
        tz = self.plan.settings.collect.tz
        own = self.document if self.told is None else self.told
        found = aftermath.recovery(self.history, own, self.studied.table, after, tz)
        return found if self.names is None else self.names.record(found)

    def to_html(self) -> str:
        """The report: one page that needs nothing else."""
        from authforensics.report import html

        return html.render(self.document)

    def to_markdown(self) -> str:
        """The report for a ticket."""
        from authforensics.report import markdown

        return markdown.render(self.document)

    def to_json(self) -> str:
        """The document."""
        return self.document.to_json()

    def _repr_html_(self) -> str:
        """What a notebook shows: verdict, incidents and causes, without the page around them."""
        from authforensics.report import html

        return html.fragment(self.document)
