"""The flow in one page: collect → correlate → detect → diagnose → document; and `Analysis`, what a user holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

import polars as pl

from authforensics import aftermath, assembly, collect, correlate, detect, diagnose, journal, local
from authforensics.config import Config
from authforensics.devices import Journal, Recovery
from authforensics.document import Document, Lifetimes, Run, Tokens
from authforensics.errors import BadValue
from authforensics.findings import Deploy, Finding, Incident, Severity
from authforensics.partitions import WorkDirectory
from authforensics.plan import Paths, Plan, listed, planned
from authforensics.schema import History, Sessions

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

Progress = collect.Progress


def analyze(
    paths: Paths,
    *,
    format: str | None = None,
    log_format: str | None = None,
    nginx_conf: str | Path | None = None,
    tz: str | None = None,
    since: str | None = None,
    until: str | None = None,
    path: str | None = None,
    status: str | None = None,
    device: Sequence[str] | str = (),
    device_key: str | None = None,
    only: Sequence[str] = (),
    skip: Sequence[str] = (),
    config: Config | None = None,
    strict: bool = False,
    memory: int | None = None,
    work_dir: str | Path | None = None,
    deploys: str | Path | None = None,
    progress: Progress | None = None,
) -> Analysis:
    """Read logs and say what is happening to whose sessions, since when, why, and whether it is over.

    Logs that fit in `memory` are studied there. Of larger ones the events are put into partitions by device, in a
    directory that is gone when the analysis is, and studied one partition after the other. Both give the same.

    Args:
        paths: files, directories, globs, or "-" for standard input.
        format: force a format by name; by default each file's is detected.
        log_format: an nginx `log_format` or Apache `LogFormat` string.
        nginx_conf: a configuration of nginx that says which file has which `log_format`.
        tz: IANA name of the zone of times that carry none; UTC is assumed by default.
        since: leave out what is earlier: an ISO time, "2h" before the last event, "now-2h".
        until: leave out what is later.
        path: leave out requests of other paths: a regular expression, searched in the path and in the route.
        status: leave out requests of other statuses: "401", "4xx", "200-299", several separated by commas.
        device: leave out lines that don't name one of these as their device, session, user or client address.
        device_key: what tells devices apart, in place of the identity ladder's choice: a rung of it, or a field of the
            log.
        only: detectors to run; by default all.
        skip: detectors not to run.
        config: the configuration file, loaded; arguments win over it.
        strict: make any input that can't be read whole an error.
        memory: about how many bytes the events being worked with may take; 512 MiB by default.
        work_dir: where to make that directory; the system's for temporary files by default.
        deploys: a file of what was deployed or restarted when: CSV or JSON lines with `time` and `name`.
        progress: called after each block of lines.

    Raises:
        UsageError: a path, name, time or zone that can't be used.
        InputError: nothing could be read; under `strict`, anything could not; there is no room in `work_dir`.
    """
    began = datetime.now(UTC)
    plan = planned(
        config or Config(),
        format=format,
        log_format=log_format,
        nginx_conf=nginx_conf,
        tz=tz,
        since=since,
        until=until,
        path=path,
        status=status,
        device=device,
        device_key=device_key,
        only=only,
        skip=skip,
        strict=strict,
        memory=memory,
        work_dir=work_dir,
        deploys=deploys,
    )
    studied = local.study_logs(listed(paths), plan.settings, progress)
    try:
        return concluded(studied, plan, began, studied.seconds)
    except BaseException:
        studied.work.close()
        raise


def concluded(studied: local.Studied, plan: Plan, began: datetime, stages: Mapping[str, float]) -> Analysis:
    """What follows from the study of all devices: findings, incidents, causes, the document.

    Args:
        studied: what an engine found out about the devices.
        plan: what was to be done.
        began: when the run began.
        stages: the seconds that each stage took so far.
    """
    if plan.settings.collect.device_field is not None and not studied.named:
        raise _no_such_field(plan)
    clock = monotonic()
    history = studied.studies.history(studied.ground)
    found = detect.conclude(
        studied.studies.observed,
        detect.fleet_of(history.devices, history.spans),
        plan.settings.wanted,
        plan.settings.thresholds,
    )
    lifetimes = {
        system: diagnose.infer(
            history.grants.filter(pl.col("system") == system), history.devices.filter(pl.col("system") == system)
        )
        for system in history.spans["system"].cast(pl.String).to_list()
    }
    incidents = diagnose.diagnose(history, found, lifetimes, plan.deploys)
    diagnosed = monotonic()
    document = _document(studied, history, lifetimes, found, incidents, deploys=plan.deploys)
    ended = monotonic()
    told = {**stages, "diagnose": diagnosed - clock, "document": ended - diagnosed}
    run = Run(
        version=version("authforensics"),
        started_at=began,
        seconds=round(sum(told.values()), 3),
        stages={name: round(seconds, 3) for name, seconds in told.items()},
        partitions=studied.requests.count,
        options={name: value for name, value in plan.chosen.items() if value},
    )
    return Analysis(document=document(run), studied=studied, history=history, plan=plan)


def _no_such_field(plan: Plan) -> BadValue:
    """That `device_key` is neither a rung of the identity ladder nor a field that any line has."""
    rungs = ", ".join(correlate.RUNGS)
    return BadValue(f"{plan.place}: no line has a field '{plan.device_key}'; name a key of the log, or one of {rungs}")


def _document(
    studied: local.Studied,
    history: History,
    lifetimes: Mapping[str, Lifetimes],
    found: Sequence[Finding],
    incidents: Sequence[Incident],
    *,
    deploys: tuple[Deploy, ...],
) -> Callable[[Run], Document]:
    """Everything but the run; the text of evidence and of timelines is fetched from the files here, in one pass."""
    worst: dict[str, Severity] = {one: incident.severity for incident in incidents for one in incident.findings}
    findings = [assembly.capped(one, worst.get(one.id, Severity.LOW)) for one in found]
    devices, omitted = assembly.devices(history, findings, incidents)
    trails = assembly.trails(history, devices)
    marks = assembly.marks_of(trails, findings)
    lines = assembly.lines(studied.collected, assembly.lines_wanted(findings, marks))
    folders = studied.ground.folders
    sources = tuple(
        source.model_copy(update={"system": folders.get(source.system, source.system)})
        for source in studied.collected.sources
    )
    timelines = assembly.timelines(trails, devices, marks, lines)
    systems = assembly.systems(
        history,
        messages=studied.heard,
        sources=sources,
        identities=local.identities(studied, history.devices),
        lifetimes=lifetimes,
        joins=correlate.joins(studied.studies.small("refusals"), studied.heard),
        out_of_order=local.out_of_order(studied),
        offsets=studied.ground.clocks.offsets,
    )
    verdict = diagnose.verdict(
        incidents,
        diagnose.tally(history, rows=not incidents),
        systems=len(systems),
        told=studied.messages.select("timestamp", "reason"),
    )
    clients, clients_omitted = diagnose.behavior.merge(studied.studies.small("behavior"), history.counts)
    return lambda run: Document(
        run=run,
        verdict=verdict,
        systems=systems,
        sources=sources,
        endpoints=assembly.endpoints(studied.table),
        rates=assembly.rates(history.rates),
        populations=assembly.populations(history.populations),
        findings=tuple(assembly.with_text(one, lines) for one in findings),
        incidents=tuple(incidents),
        deploys=deploys,
        tokens=Tokens(),
        clients=clients,
        clients_omitted=clients_omitted,
        devices=devices,
        devices_omitted=omitted,
        timelines=timelines,
        timelines_omitted=len(devices) + omitted - len(timelines),
    )


@dataclass(frozen=True)
class Analysis:
    """The document, what it was made from, and ways to show it."""

    document: Document
    studied: local.Studied
    history: History
    plan: Plan

    @property
    def rejects(self) -> pl.DataFrame:
        """The REJECTS table."""
        return self.studied.collected.rejects

    @cached_property
    def events(self) -> pl.DataFrame:
        """The EVENTS table: requests and messages of all systems, in order of time. Reads the files once more."""
        return local.all_events(self.studied, self.plan.settings)

    @cached_property
    def sessions(self) -> pl.DataFrame:
        """The SESSIONS table."""
        sessions = self.history.sessions.collect(engine="streaming").cast({"system": pl.String, "device_id": pl.String})
        return sessions.sort("system", "device_id", "session")

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

        found = journal.systems_of(self.history, device, system)[0]
        drawn = journal.timeline(self.history, self.studied.collected, found, device, thinned=False)
        return figures.device_timeline(self.document, drawn)

    def journal(self, device: str, system: str | None = None) -> Journal:
        """What one device did, request by request, as `authforensics timeline` prints it.

        Raises:
            UnknownName: there is no such device (in `system`, if that is given).
        """
        found = journal.systems_of(self.history, device, system)[0]
        return journal.journal(self.history, self.document.findings, found, device)

    def verify(self, after: str | datetime) -> Recovery:
        """Whether the devices that were ill before a moment are proven well since.

        Args:
            after: the moment; as a text, in the forms of `since`.

        Raises:
            BadValue: it is no time, or nothing was logged before it.
        """
        tz = self.plan.settings.collect.tz
        return aftermath.recovery(self.history, self.document, self.studied.table, after, tz)

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


def read_events(
    paths: Paths,
    *,
    format: str | None = None,
    log_format: str | None = None,
    nginx_conf: str | Path | None = None,
    tz: str | None = None,
    since: str | None = None,
    until: str | None = None,
    path: str | None = None,
    status: str | None = None,
    device: Sequence[str] | str = (),
    device_key: str | None = None,
    config: Config | None = None,
    strict: bool = False,
    work_dir: str | Path | None = None,
    progress: Progress | None = None,
) -> pl.DataFrame:
    """Read logs into COLLECTED events, all of them in memory; nothing is judged yet.

    The options are those of `analyze`. Of `device_key` a field of the log counts here; for a rung of the identity
    ladder ask `sessionize`.

    Raises:
        UsageError, InputError: as `analyze` does.
    """
    plan = planned(
        config or Config(),
        format=format,
        log_format=log_format,
        nginx_conf=nginx_conf,
        tz=tz,
        since=since,
        until=until,
        path=path,
        status=status,
        device=device,
        device_key=device_key,
        only=(),
        skip=(),
        strict=strict,
        memory=None,
        work_dir=work_dir,
    )
    work = WorkDirectory(plan.settings.work_dir)
    try:
        found = collect.discover(listed(paths), lambda: work.path, progress)
        events, _ = collect.gather_found(found, plan.settings.collect, progress)
    finally:
        work.close()
    if plan.settings.collect.device_field is not None and events["device_id"].null_count() == events.height:
        raise _no_such_field(plan)
    return events


def sessionize(events: pl.DataFrame, device_key: str | None = None) -> Sessions:
    """Make sessions of COLLECTED events: who, what, why, and in which state; `Sessions.sessions` is the table."""
    return correlate.correlate(events, correlate.Options(device_key=device_key)).sessions


def run_detectors(sessions: Sessions, only: Sequence[str] = (), skip: Sequence[str] = ()) -> pl.DataFrame:
    """Run detectors over sessions; FINDINGS with each detector's own severity, and evidence without text."""
    return assembly.findings_frame(detect.find(sessions, detect.chosen(only, skip).values()))
