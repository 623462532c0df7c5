"""`--engine` and `--master`: who runs the analysis, with which arguments, and what is closed after it."""

from __future__ import annotations

import signal
import sys
from types import ModuleType, SimpleNamespace

import pytest

from authforensics.errors import InputError


@pytest.fixture
def spark(calls, monkeypatch) -> SimpleNamespace:
    """A Spark that remembers what it was asked for."""
    asked = SimpleNamespace(masters=[], calls=[], stopped=0, error=None)

    def session(master):
        if asked.error is not None:
            raise asked.error
        asked.masters.append(master)
        return SimpleNamespace(stop=stop)

    def stop():
        asked.stopped += 1

    def analyze(started, paths, **options):
        asked.calls.append((started.stop, paths, options))
        return sys.modules["authforensics.pipeline"].analyze(paths, **options)

    module = ModuleType("authforensics.spark")
    module.session, module.analyze = session, analyze
    monkeypatch.setitem(sys.modules, "authforensics.spark", module)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield asked
    for number, handler in handlers.items():
        signal.signal(number, handler)


def test_this_machine_is_the_default(run, calls, spark):
    assert run("analyze", "access.log").code == 0
    assert run("analyze", "access.log", "--engine", "local").code == 0
    assert len(calls) == 2
    assert spark.calls == []


@pytest.mark.parametrize(("arguments", "master"), [([], None), (["--master", "local[2]"], "local[2]")])
def test_spark_gets_the_same_arguments(run, calls, spark, arguments, master):
    assert run("analyze", "access.log", "--memory", "1GiB", "--tz", "UTC").code == 0
    assert run("analyze", "access.log", "--memory", "1GiB", "--tz", "UTC", "--engine", "spark", *arguments).code == 0
    ((_, paths, options),) = spark.calls
    assert {"paths": paths, **options} == calls[0]
    assert (spark.masters, spark.stopped) == ([master], 1)


def test_spark_is_stopped_when_the_analysis_fails(run, spark, fail):
    fail(InputError("nothing to read"))
    assert run("analyze", "access.log", "--engine", "spark").code == 1
    assert spark.stopped == 1


def test_a_spark_that_cannot_start_is_one_line(run, spark):
    spark.error = InputError("--engine spark needs Java 17: install one")
    result = run("analyze", "access.log", "--engine", "spark")
    assert (result.code, result.err) == (1, "authforensics: error: --engine spark needs Java 17: install one\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--engine", "sprak"], "--engine: unknown engine 'sprak'; did you mean 'spark'?"),
        (["--master", "local[2]"], "--master: only --engine spark has a master"),
        (["--engine", "local", "--master", "local[2]"], "--master: only --engine spark has a master"),
        (
            ["--engine", "spark", "--master", " "],
            "--master: expected a URL such as local[2] or spark://host:7077, found nothing",
        ),
    ],
)
def test_wrong_usage_is_said_before_anything_starts(run, calls, spark, arguments, message):
    result = run("analyze", "access.log", *arguments)
    assert (result.code, result.err) == (2, f"authforensics: error: {message}\n")
    assert (calls, spark.masters) == ([], [])


@pytest.mark.parametrize("error", [None, OSError(28, "No space left on device")])
def test_an_analysis_is_closed_once_its_outputs_are_written(run, monkeypatch, error):
    made = []
    pipeline = sys.modules["authforensics.pipeline"]
    analyze = pipeline.analyze

    def to_html(self):
        assert not self.closed
        if error is not None:
            raise error
        return "report"

    monkeypatch.setattr(pipeline.Analysis, "to_html", to_html)
    monkeypatch.setattr(pipeline, "analyze", lambda *given, **named: made.append(analyze(*given, **named)) or made[0])
    assert run("analyze", "access.log").code == (0 if error is None else 1)
    assert made[0].closed
