"""Which files are found, how they are called, and what is left alone."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from authforensics import collect as stage
from authforensics.collect import Options
from authforensics.collect.discover import discover
from authforensics.errors import BadValue, InputError, MissingInput, NothingReadable, UnknownName
from collecting import collect


def line(clock: str, path: str = "/api/me", status: int = 200) -> str:
    return f'203.0.113.7 - - [25/Dec/2025:{clock} +0000] "GET {path} HTTP/1.1" {status} 5 "-" "curl/8.5.0"\n'


def notes(collected) -> dict[str, str | None]:
    return {source.source: source.note for source in collected.sources}


def test_directories_are_walked_in_order_and_hidden_folders_are_not_entered(tmp_path):
    for name in ("b/access.log", "a/z.log", "a/a.log", ".git/config", "node_modules/x.log"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(line("13:00:00"))
    assert [found.source for found in discover([tmp_path])] == ["a/a.log", "a/z.log", "b/access.log"]


def test_a_system_is_the_folder_and_generic_names_get_their_parent(tmp_path):
    shop = tmp_path / "shop" / "logs"
    shop.mkdir(parents=True)
    (shop / "access.log").write_text(line("13:00:00"))
    assert [found.system for found in discover([shop])] == ["shop/logs"]
    assert [found.system for found in discover([shop / "access.log"])] == ["shop/logs"]
    assert [(found.source, found.system) for found in discover([tmp_path / "shop"])] == [
        ("logs/access.log", "shop/logs")
    ]


def test_two_folders_are_two_systems_under_their_common_root(tmp_path):
    for name in ("api", "web"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "access.log").write_text(line("13:00:00"))
    collected = collect([tmp_path / "api", tmp_path / "web"])
    assert [(source.source, source.system) for source in collected.sources] == [
        ("api/access.log", "api"),
        ("web/access.log", "web"),
    ]
    assert collected.events["system"].to_list() == ["api", "web"]


def test_a_file_given_twice_is_read_once(tmp_path):
    log = tmp_path / "access.log"
    log.write_text(line("13:00:00"))
    (tmp_path / "link.log").symlink_to(log)
    assert collect([log, tmp_path]).events.height == 1


def test_globs_are_expanded_and_brackets_in_a_name_are_no_glob(tmp_path):
    for name in ("a.log", "b.log", "c[1].log"):
        (tmp_path / name).write_text(line("13:00:00"))
    assert len(collect([str(tmp_path / "?.log")]).sources) == 2
    assert collect([str(tmp_path / "c[1].log")]).events.height == 1


@pytest.mark.parametrize("name", ["nowhere.log", "no*.log"])
def test_an_input_that_does_not_exist_is_the_callers_mistake(tmp_path, name):
    with pytest.raises(MissingInput, match=r"no.*\.log"):
        collect([tmp_path / name])


def test_standard_input_is_spooled(monkeypatch):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(line("13:00:00").encode())))
    collected = collect(["-"])
    assert (collected.sources[0].source, collected.events.height) == ("-", 1)
    assert collected.files["-"].path.exists()


def test_a_rotated_set_is_ordered_by_time_not_by_name(tmp_path):
    (tmp_path / "access.log").write_text(line("15:00:00"))
    (tmp_path / "access.log.1").write_text(line("14:00:00"))
    (tmp_path / "access.log.2").write_text(line("13:00:00"))
    (tmp_path / "access.log.10").write_text(line("12:00:00"))
    collected = collect([tmp_path])
    assert [source.source for source in collected.sources] == [
        "access.log.10",
        "access.log.2",
        "access.log.1",
        "access.log",
    ]
    assert collected.events["timestamp"].is_sorted()


def test_what_is_no_log_is_named_and_left_alone(tmp_path):
    (tmp_path / "access.log").write_text(line("13:00:00"))
    (tmp_path / ".env").write_text("SECRET_KEY=abc\n")
    (tmp_path / ".hidden.log").write_text(line("13:00:00"))
    (tmp_path / "README.md").write_text("# Logs\n")
    (tmp_path / "deploy.sh").write_text("#!/bin/sh\n")
    (tmp_path / "run").write_text("#!/bin/sh\necho\n")
    (tmp_path / "settings").write_text("SECRET_KEY=abc\nDEBUG=1\n")
    (tmp_path / "package.json").write_text('{\n  "name": "x"\n}\n')
    (tmp_path / "core").write_bytes(b"\x7fELF\0\0\0")
    (tmp_path / "empty.log").write_text("")
    (tmp_path / "blank.log").write_text("\n\n")
    (tmp_path / "poem.txt").write_text("no log\nat all\n")
    collected = collect([tmp_path])
    said = notes(collected)
    assert said.pop("access.log") is None
    assert {name: note.partition(":")[0] for name, note in said.items()} == {
        ".env": "looks like an environment file, not a log",
        ".hidden.log": "hidden file",
        "README.md": "looks like a document, not a log",
        "deploy.sh": "looks like source code, not a log",
        "run": "looks like a script, not a log",
        "settings": "looks like an environment file, not a log",
        "package.json": "no known log format",
        "core": "binary",
        "empty.log": "empty",
        "blank.log": "blank lines only",
        "poem.txt": "no known log format",
    }
    assert all(source.lines == 0 and source.format is None for source in collected.sources if source.note)
    assert "abc" not in repr(collected.sources)


def test_a_guess_that_is_too_weak_is_named(tmp_path):
    (tmp_path / "mixed.log").write_text(line("13:00:00") + "something else\n" * 9)
    with pytest.raises(NothingReadable, match=r"best guess combined at 10%"):
        collect([tmp_path])


def test_nothing_readable_names_files_and_reasons(tmp_path):
    (tmp_path / "a.log").write_text("")
    (tmp_path / "b.log").write_bytes(b"\0\0")
    with pytest.raises(NothingReadable, match=r"a\.log: empty; b\.log: binary"):
        collect([tmp_path])
    (tmp_path / "none").mkdir()
    with pytest.raises(NothingReadable, match="no files"):
        collect([tmp_path / "none"])


def test_a_forced_format_is_used_whatever_it_matches(tmp_path):
    (tmp_path / "mixed.log").write_text(line("13:00:00") + "something else\n" * 9)
    (source,) = collect([tmp_path], Options(format="combined")).sources
    assert (source.events, source.rejects, source.confidence) == (1, 9, 0.099)


@pytest.mark.parametrize("name", ["common", "combined"])
def test_a_forced_format_is_used_though_no_line_of_the_sample_is_one(tmp_path, name):
    (tmp_path / "late.log").write_text("something else\n" * 3000 + line("13:00:00"))
    (source,) = collect([tmp_path], Options(format=name)).sources
    assert (source.events, source.rejects) == (1, 3000)


def test_a_forced_format_whose_lines_need_a_head_is_not_guessed(tmp_path):
    (tmp_path / "late.log").write_text("a,b,c,d,e\n" * 9)
    with pytest.raises(NothingReadable, match="no columns for a time and for a status or message among a, b"):
        collect([tmp_path], Options(format="csv"))


def test_an_unknown_format_names_the_nearest(tmp_path):
    (tmp_path / "a.log").write_text(line("13:00:00"))
    with pytest.raises(UnknownName, match="did you mean 'combined'"):
        collect([tmp_path], Options(format="combind"))


@pytest.mark.parametrize(
    "options",
    [{"tz": "Mars/Base"}, {"since": "soon"}, {"until": "2025-13-01"}, {"log_format": "no variables"}],
)
def test_a_bad_value_is_the_callers_mistake(tmp_path, options):
    (tmp_path / "a.log").write_text(line("13:00:00"))
    with pytest.raises(BadValue, match=next(iter(options.values())).replace("+", ".")):
        collect([tmp_path], Options(**options))


def test_progress_is_told_after_each_block_and_file(tmp_path):
    for name in ("a.log", "b.log"):
        (tmp_path / name).write_text(line("13:00:00"))
    told = []
    nothing = stage.Digest(("timestamp",), lambda events: events)
    stage.collect(stage.discover([tmp_path]), nothing, lambda _events: None, progress=told.append)
    size = len(line("13:00:00"))
    assert [(step.source, step.files, step.size) for step in told] == [
        ("a.log", 0, size),
        ("a.log", 1, size),
        ("b.log", 1, 2 * size),
        ("b.log", 2, 2 * size),
    ]
    assert {(step.all_files, step.all_size) for step in told} == {(2, 2 * size)}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_said(tmp_path):
    (tmp_path / "a.log").write_text(line("13:00:00"))
    (tmp_path / "b.log").write_text(line("13:00:00"))
    (tmp_path / "b.log").chmod(0)
    source = collect([tmp_path]).sources[1]
    assert source.broken
    assert "Permission denied" in source.note
    tmp_path.chmod(0)
    try:
        with pytest.raises(InputError, match="can't be read"):
            collect([tmp_path])
    finally:
        tmp_path.chmod(0o700)


def test_a_file_that_refuses_to_open_becomes_a_broken_source(tmp_path, monkeypatch):
    (tmp_path / "a.log").write_text(line("13:00:00"))
    (tmp_path / "b.log").write_text(line("13:00:00"))
    opened = Path.open

    def refuse(path, *arguments, **named):
        if path.name == "b.log":
            raise PermissionError(13, "Permission denied")
        return opened(path, *arguments, **named)

    monkeypatch.setattr(Path, "open", refuse)
    source = collect([tmp_path]).sources[1]
    assert (source.source, source.broken, source.note) == ("b.log", True, "can't be read: Permission denied")


def test_a_directory_inside_that_cannot_be_read_is_said(tmp_path, monkeypatch):
    (tmp_path / "a.log").write_text(line("13:00:00"))
    (tmp_path / "shut").mkdir()
    scanned = os.scandir

    def refuse(path):
        if Path(path).name == "shut":
            raise PermissionError(13, "Permission denied", str(path))
        return scanned(path)

    monkeypatch.setattr(os, "scandir", refuse)
    source = next(source for source in collect([tmp_path]).sources if source.source == "shut")
    assert (source.broken, source.note) == (True, "this directory can't be read: Permission denied")
    with pytest.raises(InputError, match="shut: this directory can't be read"):
        collect([tmp_path / "shut"])


def test_a_pipe_is_spooled_and_one_in_a_directory_is_passed_over(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "a.log").write_text(line("13:00:00"))
    assert [source.source for source in collect([tmp_path]).sources] == ["a.log"]
    reader, writer = os.pipe()
    os.write(writer, line("13:00:00").encode())
    os.close(writer)
    assert collect([f"/dev/fd/{reader}"]).events.height == 1
    os.close(reader)


@pytest.mark.parametrize(
    ("line", "what"),
    [
        (
            "tls 2.0 2018-12-20T02:59:40 net/lb/c6e7 g3d4 72.21.218.154:51341 172.100.100.185:443 5 2 98 246 -",
            "network",
        ),
        ("2024-01-01T00:00:00.000000Z 203.0.113.7 51341 443 TLSv1.2 ECDHE-RSA-AES128-GCM-SHA256 0.1", "connection log"),
    ],
)
def test_a_file_of_lines_that_are_no_requests_is_said_to_be_so(tmp_path, line, what):
    (tmp_path / "lb.log").write_text(f"{line}\n" * 5)
    with pytest.raises(NothingReadable, match=f"no request in it: .*{what}.*not a request"):
        collect([tmp_path])
