"""Fastify tells of a request in two lines: joined if they are of one process and no other stands between."""

from __future__ import annotations

import json
from collections.abc import Callable

import polars as pl
import pytest

from authforensics.collect import Options
from authforensics.collect.format import Cutting
from authforensics.collect.formats import fastify
from authforensics.schema import Kind
from collecting import collect

TIME = 1772359323000


def line(request: str | None, msg: str, at: int, pid: int = 1, **more: object) -> str:
    ids = {} if request is None else {"reqId": request}
    return json.dumps({"level": 30, "time": TIME + at, "pid": pid, "hostname": "api", **ids, **more, "msg": msg})


def called(request: str | None, url: str, at: int, pid: int = 1) -> str:
    told = {"method": "GET", "url": url, "remoteAddress": "203.0.113.7"}
    return line(request, "incoming request", at, pid, req=told)


def answered(request: str | None, status: int, at: int, pid: int = 1) -> str:
    return line(request, "request completed", at, pid, res={"statusCode": status}, responseTime=1.5)


def requests(lines: list[str], read: Callable[[list[str]], pl.DataFrame]) -> list[tuple[int, str, int]]:
    told = read(lines).filter(pl.col("kind").cast(pl.String) == Kind.REQUEST.value)
    return told.select("line_number", "target", "status").rows() if told.height else []


def prepared() -> Cutting:
    made = fastify.FORMAT.prepare([called("a", "/", 0), answered("a", 200, 1)], Options().settings())
    assert isinstance(made, Cutting)
    return made


def one_by_one(lines: list[str]) -> pl.DataFrame:
    frame = pl.DataFrame({"line_number": range(1, len(lines) + 1), "line": lines})
    return prepared().parse(frame.lazy()).collect()


def at_once(lines: list[str]) -> pl.DataFrame:
    cut = prepared().cut("\n".join(lines).encode())
    assert cut is not None
    return cut[0].collect().with_row_index("line_number", offset=1)


@pytest.mark.parametrize("read", [one_by_one, at_once])
@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([called("a", "/x", 0), answered("a", 401, 1)], [(2, "/x", 401)]),
        (
            [called("a", "/x", 0), called("b", "/y", 1), answered("b", 200, 2), answered("a", 401, 3)],
            [(3, "/y", 200), (4, "/x", 401)],
        ),
        # The same id of two processes, and again of one.
        (
            [called("a", "/x", 0), called("a", "/y", 1, 2), answered("a", 401, 2), answered("a", 200, 3, 2)],
            [(3, "/x", 401), (4, "/y", 200)],
        ),
        (
            [called("a", "/x", 0), answered("a", 401, 1), called("a", "/y", 2), answered("a", 200, 3)],
            [(2, "/x", 401), (4, "/y", 200)],
        ),
        # The answer to a call that was lost, a call without an answer, and what has no id.
        ([called("a", "/x", 0), answered("a", 401, 1), answered("a", 200, 2)], [(2, "/x", 401)]),
        ([answered("a", 401, 0), called("a", "/x", 1)], []),
        ([called("a", "/x", 0), called("a", "/y", 1), answered("a", 200, 2)], [(3, "/y", 200)]),
        ([called(None, "/x", 0), answered(None, 401, 1)], []),
        ([called("a", "/x", 0)], []),
        ([answered("a", 401, 0)], []),
    ],
)
def test_an_answer_is_joined_with_the_call_before_it(read, lines, expected):
    assert requests(lines, read) == expected


def test_an_error_that_has_both_is_no_request_of_its_own_beside_the_answer():
    request, error = {"method": "GET", "url": "/x"}, {"type": "Error", "message": "gone"}
    thrown = line("a", "gone", 1, req=request, res={"statusCode": 500}, err=error)
    told = one_by_one([called("a", "/x", 0), thrown, answered("a", 500, 2)])
    assert told["kind"].cast(pl.String).to_list() == ["message", "message", "request"]
    assert told["message"].to_list() == ["incoming request", "gone", None]
    alone = one_by_one([called("a", "/x", 0), thrown])
    assert alone["kind"].cast(pl.String).to_list() == ["message", "request"]


def test_the_last_lines_of_a_container_are_joined_too(tmp_path):
    lines = [called("a", "/x", 0), answered("a", 401, 1)]
    wrapped = [json.dumps({"log": one + "\n", "stream": "stdout", "time": "2026-03-01T10:02:04Z"}) for one in lines]
    (tmp_path / "container.log").write_text("\n".join(wrapped) + "\n")
    read = collect([tmp_path])
    assert (read.sources[0].format, read.sources[0].wrapper) == ("fastify", "docker")
    assert read.events.select("kind", "path", "status").rows() == [("message", "/x", None), ("request", "/x", 401)]


def test_every_line_is_an_event_and_those_of_two_blocks_are_not_joined(tmp_path, monkeypatch):
    lines = [called("a", "/x", 0), answered("a", 401, 1)] * 3
    (tmp_path / "a.log").write_text("\n".join(lines) + "\n")
    (source,) = collect([tmp_path]).sources
    assert (source.format, source.events, source.lines) == ("fastify", 6, 6)
    monkeypatch.setattr("authforensics.collect.blocks.LINES", 3)
    monkeypatch.setattr("authforensics.collect.blocks.LEAST", 1)
    read = collect([tmp_path])
    assert read.sources[0].events == 6
    kinds = read.events.sort("line_number")["kind"].cast(pl.String).to_list()
    assert kinds.count("request") in {1, 2}
    assert not any(kinds[place] == "request" for place in (0, 2, 4))
