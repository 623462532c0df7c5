"""The flow in one page: collect → correlate → detect → diagnose → document; and `Analysis`, what a user holds."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import polars as pl

from authforensics import assembly, collect, correlate, detect, diagnose
from authforensics.config import Config
from authforensics.document import Document, Lifetimes, Run, Source, Timeline, Tokens
from authforensics.errors import BadValue, UnknownName
from authforensics.findings import Finding, Incident, Severity, iso
from authforensics.schema import EVENTS, FINDINGS, Sessions

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

Paths = Sequence[str | Path] | str | Path
Progress = Callable[[str, int], None]


def analyze(
    paths: Paths,
    *,
    format: str | None = None,
    log_format: str | None = None,
    tz: str | None = None,
    since: str | None = None,
    until: str | None = None,
    device_key: str | None = None,
    only: Sequence[str] = (),
    skip: Sequence[str] = (),
    config: Config | None = None,
    strict: bool = False,
    progress: Progress | None = None,
) -> Analysis:
    """Read logs and say what is happening to whose sessions, since when, why, and whether it is over.

    Args:
        paths: files, directories, globs, or "-" for standard input.
        format: force a format by name; by default each file's is detected.
        log_format: an nginx `log_format` or Apache `LogFormat` string.
        tz: IANA name of the zone of times that carry none; UTC is assumed by default.
        since: leave out what is earlier: an ISO time, "2h" before the last event, "now-2h".
        until: leave out what is later.
        device_key: what tells devices apart, in place of the identity ladder's choice: a rung of it, or a field of the
            log.
        only: detectors to run; by default all.
        skip: detectors not to run.
        config: the configuration file, loaded; arguments win over it.
        strict: make any input that can't be read whole an error.
        progress: called after each file with its name and the bytes read so far.

    Raises:
        UsageError: a path, name, time or zone that can't be used.
        InputError: nothing could be read; under `strict`, anything could not.
    """
    began, clock = datetime.now(UTC), monotonic()
    settings = config or Config()
    wanted = detect.chosen(only, skip)
    detect.check_thresholds(settings.thresholds, settings.place)
    if settings.format is not None and settings.format not in collect.formats():
        raise UnknownName("format", settings.format, collect.formats(), where=settings.place("format"))
    if log_format is not None and format not in {None, "log_format"}:
        raise BadValue(f"log_format and format '{format}' exclude each other: the string is the format")
    key = device_key or settings.device_key
    options = collect.Options(
        # A string given here is the format, whatever the file says of either.
        format=format if format is not None or log_format is not None else settings.format,
        log_format=log_format if log_format is not None or format is not None else settings.log_format,
        tz=tz or settings.tz,
        since=since or settings.since,
        until=until or settings.until,
        strict=strict,
        device_field=None if key in correlate.RUNGS else key,
    )
    collected = collect.collect(_listed(paths), options, progress)
    if options.device_field is not None and not collected.events["device_id"].count():
        place = "--device-key" if device_key else settings.place("device_key")
        rungs = ", ".join(correlate.RUNGS)
        raise BadValue(f"{place}: no line has a field '{key}'; name a key of the log, or one of {rungs}")
    correlated = correlate.correlate(
        collected.events,
        correlate.Options(
            device_key=key if key in correlate.RUNGS or key is None else "device_id",
            endpoints=settings.endpoints,
            systems=settings.systems,
        ),
    )
    sessions = correlated.sessions
    lifetimes = {
        str(system): diagnose.infer(part)
        for (system,), part in sessions.grants.partition_by("system", as_dict=True).items()
    }
    found = detect.find(sessions, wanted.values(), settings.thresholds)
    incidents = diagnose.diagnose(sessions, found, lifetimes)
    document = _document(collected, correlated, lifetimes, found, incidents)
    chosen: dict[str, object] = {"format": format, "log_format": log_format, "tz": tz, "since": since, "until": until}
    chosen |= {"device_key": device_key, "only": list(only), "skip": list(skip), "strict": strict}
    run = Run(
        version=version("authforensics"),
        started_at=began,
        seconds=round(monotonic() - clock, 3),
        options={name: value for name, value in chosen.items() if value},
    )
    return Analysis(document=document(run), rejects=collected.rejects, correlated=correlated, collected=collected)


def _listed(paths: Paths) -> list[str | Path]:
    return [paths] if isinstance(paths, str | Path) else list(paths)


def _document(
    collected: collect.Collected,
    correlated: correlate.Correlated,
    lifetimes: Mapping[str, Lifetimes],
    found: Sequence[Finding],
    incidents: Sequence[Incident],
) -> Callable[[Run], Document]:
    """Everything but the run; the text of evidence and of timelines is fetched from the files here, in one pass."""
    sessions = correlated.sessions
    worst: dict[str, Severity] = {one: incident.severity for incident in incidents for one in incident.findings}
    findings = [_capped(one, worst.get(one.id, Severity.LOW)) for one in found]
    devices, omitted = assembly.devices(sessions, findings, incidents)
    marks = assembly.marks_of(sessions, devices, findings)
    lines = _lines(collected, assembly.lines_wanted(findings, marks))
    sources = tuple(_in_system(source, correlated.folders) for source in collected.sources)
    timelines = assembly.timelines(sessions, devices, marks, lines)
    systems = assembly.systems(
        sessions,
        messages=correlated.messages,
        sources=sources,
        identities=correlated.identities,
        lifetimes=lifetimes,
        joins=correlated.joins,
        out_of_order=correlated.out_of_order,
    )
    verdict = diagnose.verdict(
        incidents,
        diagnose.tally(sessions),
        systems=len(systems),
        told=correlated.messages.select("timestamp", "reason"),
    )
    return lambda run: Document(
        run=run,
        verdict=verdict,
        systems=systems,
        sources=sources,
        endpoints=assembly.endpoints(correlated.endpoints),
        rates=assembly.rates(sessions.rates),
        populations=assembly.populations(correlated.populations),
        findings=tuple(assembly.with_text(one, lines) for one in findings),
        incidents=tuple(incidents),
        tokens=Tokens(),
        devices=devices,
        devices_omitted=omitted,
        timelines=timelines,
        timelines_omitted=len(devices) + omitted - len(timelines),
    )


def _capped(finding: Finding, severity: Severity) -> Finding:
    """A finding is never worse than its incident; one that belongs to none is low."""
    return finding if finding.severity.rank <= severity.rank else finding.model_copy(update={"severity": severity})


def _in_system(source: Source, folders: Mapping[str, str]) -> Source:
    return source.model_copy(update={"system": folders.get(source.system, source.system)})


def _lines(collected: collect.Collected, wanted: pl.DataFrame) -> dict[tuple[str, int], str]:
    fetched = collect.fetch_lines(collected.files, wanted)
    return {(source, number): text for source, number, text in fetched.select("source", "line_number", "text").rows()}


@dataclass(frozen=True)
class Analysis:
    """The document, the frames it was made from, and ways to show them."""

    document: Document
    rejects: pl.DataFrame
    correlated: correlate.Correlated
    collected: collect.Collected

    @cached_property
    def events(self) -> pl.DataFrame:
        """The EVENTS table: requests and messages of all systems, in order of time."""
        return _events(self.correlated)

    @property
    def sessions(self) -> pl.DataFrame:
        """The SESSIONS table."""
        return self.correlated.sessions.sessions.sort("system", "device_id", "session")

    @cached_property
    def findings(self) -> pl.DataFrame:
        """The FINDINGS table."""
        return findings_frame(self.document.findings)

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

        return figures.device_timeline(self.document, self._timeline(device, system))

    def _timeline(self, device: str, system: str | None) -> Timeline:
        sessions = self.correlated.sessions
        mine = sessions.events.filter(pl.col("device_id") == device)
        if system is not None:
            mine = mine.filter(pl.col("system") == system)
        if mine.is_empty():
            raise UnknownName("device", device, sessions.events["device_id"].unique().to_list()[:10000])
        name = mine["system"][0]
        mine = mine.filter(pl.col("system") == name)
        marks = mine.with_columns(omitted=pl.lit(0))
        lines = _lines(self.collected, assembly.lines_wanted((), marks))
        return assembly.timeline(name, device, mine, marks, lines)

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


def _events(correlated: correlate.Correlated) -> pl.DataFrame:
    requests = correlated.sessions.events.select("row", *EVENTS.keys())
    told = correlated.messages
    present = [name for name in EVENTS if name in told.columns]
    messages = told.select("row", *present).with_columns(
        pl.lit(None, dtype).alias(name) for name, dtype in EVENTS.items() if name not in present
    )
    return pl.concat([requests, messages.select("row", *EVENTS.keys())]).sort("timestamp", "row").drop("row")


def findings_frame(findings: Sequence[Finding]) -> pl.DataFrame:
    """Findings as the FINDINGS table; `measures` and `evidence` are JSON text."""
    rows: list[dict[str, Any]] = []
    for one in findings:
        row = one.model_dump(mode="python", by_alias=True)
        row["measures"] = json.dumps(row["measures"], ensure_ascii=False)
        row["evidence"] = json.dumps(
            [{**line, "timestamp": iso(line["timestamp"])} for line in row["evidence"]], ensure_ascii=False
        )
        rows.append({name: row[name] for name in FINDINGS})
    return pl.DataFrame(rows, schema=FINDINGS, orient="row")


def read_events(
    paths: Paths,
    *,
    format: str | None = None,
    log_format: str | None = None,
    tz: str | None = None,
    since: str | None = None,
    until: str | None = None,
    strict: bool = False,
) -> pl.DataFrame:
    """Read logs into COLLECTED events; the options are those of `collect.Options`. Nothing is judged yet."""
    options = collect.Options(format=format, log_format=log_format, tz=tz, since=since, until=until, strict=strict)
    return collect.collect(_listed(paths), options).events


def sessionize(events: pl.DataFrame, device_key: str | None = None) -> Sessions:
    """Make sessions of COLLECTED events: who, what, why, and in which state; `Sessions.sessions` is the table."""
    return correlate.correlate(events, correlate.Options(device_key=device_key)).sessions


def run_detectors(sessions: Sessions, only: Sequence[str] = (), skip: Sequence[str] = ()) -> pl.DataFrame:
    """Run detectors over sessions; FINDINGS with each detector's own severity, and evidence without text."""
    return findings_frame(detect.find(sessions, detect.chosen(only, skip).values()))
