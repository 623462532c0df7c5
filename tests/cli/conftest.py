"""A pipeline that answers at once, and a way to run the command line in this process."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, NamedTuple

import polars as pl
import pytest

from authforensics.cli import app
from authforensics.document import Document


@dataclass
class FakeAnalysis:
    """What the command line needs of an analysis."""

    document: Document
    events: pl.DataFrame = field(default_factory=lambda: pl.DataFrame({"path": ["/api"], "user_agent": ["okhttp"]}))
    rejects: pl.DataFrame = field(default_factory=lambda: pl.DataFrame({"text": ["?"]}))
    sessions: pl.DataFrame = field(default_factory=lambda: pl.DataFrame({"device_id": ["ios-0012"]}))
    findings: pl.DataFrame = field(default_factory=lambda: pl.DataFrame({"id": ["f1"]}))
    environment_files: tuple[str, ...] = ()
    closed: bool = False

    def close(self) -> None:
        self.closed = True

    def to_html(self) -> str:
        return "<!doctype html><title>report</title>"

    def to_markdown(self) -> str:
        return "# Fresh tokens are refused — 日本\n"

    def to_json(self) -> str:
        return self.document.to_json()


class Result(NamedTuple):
    """How a run ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def calls(monkeypatch, document) -> list[dict[str, Any]]:
    """The calls of the pipeline, which is replaced by one that answers with `document`; an `error` is raised."""
    made: list[dict[str, Any]] = []

    def analyze(paths, **options):
        made.append({"paths": paths, **options})
        return FakeAnalysis(document)

    pipeline = ModuleType("authforensics.pipeline")
    pipeline.analyze = analyze
    pipeline.Analysis = FakeAnalysis
    console = ModuleType("authforensics.report.console")
    console.render = lambda document, report, verbose=0: f"SUMMARY {document.verdict.headline} report={report}"
    monkeypatch.setitem(sys.modules, "authforensics.pipeline", pipeline)
    monkeypatch.setitem(sys.modules, "authforensics.report.console", console)
    return made


@pytest.fixture
def fail(calls, monkeypatch) -> Callable[[BaseException], None]:
    """Make the pipeline raise."""

    def arrange(error: BaseException) -> None:
        def analyze(paths, **options):
            raise error

        monkeypatch.setattr(sys.modules["authforensics.pipeline"], "analyze", analyze)

    return arrange


@pytest.fixture
def run(calls, monkeypatch, tmp_path, capsysbinary) -> Callable[..., Result]:
    """Run the command line in an empty directory with one log in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("COLUMNS", "100")
    (tmp_path / "access.log").write_text("a line\n", encoding="utf-8")

    def call(*arguments: str) -> Result:
        code = app.run(list(arguments))
        out, err = capsysbinary.readouterr()
        return Result(code, out.decode(), err.decode())

    return call
