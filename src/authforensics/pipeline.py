"""The flow in one page: collect → correlate → detect → diagnose → document."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from time import monotonic

import polars as pl

from authforensics import assembly, collect, correlate, detect, diagnose, exposure, local, timelines
from authforensics.analysis import Analysis
from authforensics.config import Config
from authforensics.document import Document, Lifetimes, Run, Tokens
from authforensics.errors import BadValue
from authforensics.findings import CLOCK, Deploy, Finding, Incident, Severity, duration
from authforensics.parallel import beside
from authforensics.partitions import WorkDirectory
from authforensics.plan import Paths, Plan, listed, planned
from authforensics.schema import History, Sessions
from authforensics.tokens import environment

Progress = collect.Progress
#: Partitions of which the diagnosis takes so little memory that lines can be read beside it.
_FEW = 16


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
    env_file: str | Path | None = None,
    secrets: str | Path | None = None,
    jwks: Sequence[str | Path] | str | Path = (),
    show_claims: bool = False,
    fingerprint_key: bytes | None = None,
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
        env_file: a dotenv file: which of its secrets signed tokens of the logs, and what is wrong with them.
        secrets: a file with secrets to be tried, one a line.
        jwks: files with public keys to be tried: JSON Web Key Sets, or PEM.
        show_claims: show what tokens say in lines of evidence, without their signatures.
        fingerprint_key: by which tokens get their `token_id` in the table of events, and devices that are told apart by
            their session their name: the same in every run that has the same key. By default it comes from the logs.
        progress: called after each block of lines.

    Raises:
        UsageError: a path, name, time or zone that can't be used, or a file of keys.
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
        env_file=env_file,
        secrets=secrets,
        jwks=jwks,
        show_claims=show_claims,
        fingerprint_key=fingerprint_key,
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
    carried = studied.carried
    started = correlate.restarts(studied.ground.clocks.set_right(studied.messages), plan.deploys)
    set_back = tuple(
        Deploy(time=one.before, name=f"{CLOCK}{source}, by {duration(one.seconds)}")
        for source, found in studied.collected.setbacks.items()
        for one in found
    )
    deploys = tuple(sorted((*plan.deploys, *started, *set_back), key=lambda one: one.time))
    formats = local.kinds(studied.collected)
    crowds = diagnose.crowds(history)
    with beside(lambda: _lifetimes(studied, history, crowds)) as lived:
        found = detect.conclude(
            studied.studies.observed,
            detect.fleet_of(history.devices, history.spans, carried, formats),
            plan.settings.wanted,
            plan.settings.thresholds,
        )
        # As a rule the devices shown are those with most findings, whatever the incidents: their lines can be read.
        few = len(history.events) <= _FEW
        read = partial(_drawn, studied, history, found, (), plan=plan, threads=1)
        with beside(read) if few else nullcontext() as told:
            unset = () if plan.variables is None else environment.unset(plan.variables)
            signers = diagnose.signed(carried, history.events, studied.messages, unset)
            lifetimes = lived()
            incidents = diagnose.diagnose(history, found, lifetimes, deploys, signers, crowded=crowds.keys())
            drawn = told() if told else None
    diagnosed = monotonic()
    tokens = exposure.tokens(carried, plan.variables, plan.settings.candidates.notes)
    document = _document(
        studied,
        history,
        lifetimes,
        found,
        incidents,
        plan=plan,
        deploys=deploys,
        tokens=tokens,
        known=drawn,
        crowds=crowds,
    )
    ended = monotonic()
    took = {**stages, "diagnose": diagnosed - clock, "document": ended - diagnosed}
    run = Run(
        version=version("authforensics"),
        started_at=began,
        seconds=round(sum(took.values()), 3),
        stages={name: round(seconds, 3) for name, seconds in took.items()},
        partitions=studied.requests.count,
        options={name: value for name, value in plan.chosen.items() if value},
    )
    return Analysis(document=document(run), studied=studied, history=history, plan=plan)


def _lifetimes(studied: local.Studied, history: History, crowds: Collection[str]) -> dict[str, Lifetimes]:
    """How long the tokens of each system live. Of `crowds` their own claims only tell that."""
    claimed = studied.studies.small("claimed")
    return {
        system: diagnose.claimed.applied(
            claimed,
            system,
            Lifetimes()
            if system in crowds
            else diagnose.infer(
                history.grants.filter(pl.col("system") == system), history.devices.filter(pl.col("system") == system)
            ),
        )
        for system in history.spans["system"].cast(pl.String).to_list()
    }


def _drawn(
    studied: local.Studied,
    history: History,
    found: Sequence[Finding],
    incidents: Sequence[Incident],
    *,
    plan: Plan,
    threads: int | None = None,
) -> timelines.Drawn:
    """What timelines are drawn from, if these are the incidents."""
    listed, _ = assembly.devices(history, found, incidents)
    return timelines.drawn(history, studied.collected, found, listed, plan.shown, threads=threads)


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
    plan: Plan,
    deploys: tuple[Deploy, ...],
    tokens: Tokens,
    known: timelines.Drawn | None,
    crowds: Mapping[str, diagnose.Crowd],
) -> Callable[[Run], Document]:
    """Everything but the run; `known` is what timelines are drawn from, if the devices shown are those expected.

    What was not read before, or of others, is read here.
    """
    worst: dict[str, Severity] = {one: incident.severity for incident in incidents for one in incident.findings}
    graded = detect.graded()
    findings = [
        one if one.detector in graded else assembly.capped(one, worst.get(one.id, Severity.LOW)) for one in found
    ]
    devices, omitted = assembly.devices(history, findings, incidents)
    if known is None or timelines.with_timeline(devices) != known.of:
        known = _drawn(studied, history, findings, incidents, plan=plan)
    folders = studied.ground.folders
    sources = tuple(
        source.model_copy(update={"system": folders.get(source.system, source.system)})
        for source in studied.collected.sources
    )
    told = timelines.timelines(known.trails, devices, known.marks, known.lines)
    systems = assembly.systems(
        history,
        messages=studied.heard,
        sources=sources,
        identities=local.identities(studied, history.devices),
        lifetimes=lifetimes,
        joins=correlate.joins(studied.studies.small("refusals"), studied.heard),
        out_of_order=local.out_of_order(studied),
        offsets=studied.ground.clocks.offsets,
        crowds={name: str(one) for name, one in crowds.items()},
    )
    verdict = diagnose.verdict(
        incidents,
        diagnose.tally(history, studied.table, rows=not incidents),
        systems=len(systems),
        told=studied.messages.select("timestamp", "reason"),
        crowds=crowds,
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
        findings=tuple(assembly.with_text(one, known.lines) for one in findings),
        incidents=tuple(incidents),
        deploys=deploys,
        tokens=tokens,
        clients=tuple(one for one in clients if one.system not in crowds),
        clients_omitted=clients_omitted,
        devices=devices,
        devices_omitted=omitted,
        timelines=told,
        timelines_omitted=len(devices) + omitted - len(told),
    )


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
