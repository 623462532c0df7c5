"""Odd names, devices, full disks, padding and format strings that say too little."""

from __future__ import annotations

import errno
import gzip
import io
import os
import shutil
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from authforensics.collect import Options, fetch_lines
from authforensics.collect.compiled import compile_layout
from authforensics.collect.discover import discover
from authforensics.errors import BadValue, InputError, MissingInput
from collecting import collect

LINE = b'203.0.113.7 - - [25/Dec/2025:13:00:00 +0000] "GET /api/me HTTP/1.1" 200 5 "-" "curl/8.5.0"\n'


def undecodable(folder: Path, name: bytes) -> Path:
    path = Path(os.fsdecode(os.fsencode(folder) + b"/" + name))
    try:
        path.write_bytes(LINE * 3)
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    return path


def stdin(monkeypatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(data)))


def test_a_file_whose_name_is_no_utf8_is_read_and_its_lines_fetched_again(tmp_path):
    undecodable(tmp_path, b"bad\xff.log")
    (tmp_path / "good.log").write_bytes(LINE)
    collected = collect([tmp_path])
    assert [(source.source, source.events) for source in collected.sources] == [("bad\\xff.log", 3), ("good.log", 1)]
    fetched = fetch_lines(collected.files, collected.events.select("source", "line_number"))
    assert fetched["text"].to_list() == [LINE.decode().rstrip()] * 4


def test_folders_whose_name_is_no_utf8_name_a_system(tmp_path):
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/b\xe4r"))
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    (folder / "access.log").write_bytes(LINE)
    (source,) = collect([folder]).sources
    assert (source.system, source.source) == ("b\\xe4r", "access.log")


def test_a_name_spelled_like_another_stays_apart(tmp_path):
    undecodable(tmp_path, b"bad\xff.log")
    (tmp_path / "bad\\xff.log").write_bytes(LINE)
    collected = collect([tmp_path])
    assert sorted((source.source, source.events) for source in collected.sources) == [
        ("bad\\xff.log", 1),
        ("bad\\xff.log (2)", 3),
    ]
    assert set(collected.files) == {"bad\\xff.log", "bad\\xff.log (2)"}


@pytest.mark.parametrize(
    ("layout", "missing"),
    [
        ("$foo $bar", r"has no time \(\$time_local, .*\) and no status \(\$status\)"),
        ("$remote_addr [$time_local]", r"has no status \(\$status\)$"),
        ('"$request" $status', r"has no time \(\$time_local"),
        ("%h %l", r"has no time \(%t\) and no status \(%>s\)"),
        ("%h %t", r"has no status \(%>s\)$"),
        ('{"ip":"$remote_addr","st":$status}', r"has no time"),
        ("", "neither nginx variables"),
    ],
)
def test_a_layout_without_time_or_status_is_refused(layout, missing):
    with pytest.raises(BadValue, match=missing):
        compile_layout(layout)


@pytest.mark.parametrize(
    "layout",
    [
        "$msec $status",
        "$time_iso8601 ${status}",
        "%t %>s",
        "%{%Y-%m-%dT%T}t %s",
        '{"t":"$msec","st":$status}',
        '{"time":"$date_gmt","status":"$x"}',
    ],
)
def test_a_layout_with_both_is_taken(layout):
    assert compile_layout(layout).names


def test_an_empty_path_is_not_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("access.log").write_bytes(LINE)
    with pytest.raises(MissingInput, match="empty path"):
        collect([""])


def test_a_full_temporary_directory_is_named(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(shutil, "copyfileobj", full)
    stdin(monkeypatch, LINE)
    with pytest.raises(InputError) as raised:
        collect(["-"])
    assert str(raised.value) == (
        f"standard input: no room for it in {tmp_path} (No space left on device); name a directory with room: --work-dir"
    )


def test_no_temporary_directory_at_all_is_said(monkeypatch):
    def none(**_):
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found")

    monkeypatch.setattr(tempfile, "mkstemp", none)
    stdin(monkeypatch, LINE)
    with pytest.raises(InputError, match=r"^standard input: no temporary directory .*--work-dir"):
        collect(["-"])


def test_standard_input_that_fails_or_is_closed_is_said(monkeypatch):
    class Failing(io.BytesIO):
        def read(self, *_):
            raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=Failing()))
    with pytest.raises(InputError, match=r"^standard input: can't be read: Input/output error$"):
        collect(["-"])
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(MissingInput, match="standard input is closed"):
        collect(["-"])


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null", "/dev/urandom"])
def test_a_device_is_refused(device):
    if not Path(device).is_char_device():
        pytest.skip(f"no {device} here")
    with pytest.raises(BadValue, match=rf"^{device}: expected a file, .* found a device$"):
        discover([device])


def test_a_device_or_pipe_behind_a_link_in_a_directory_is_passed_over(tmp_path):
    (tmp_path / "access.log").write_bytes(LINE)
    (tmp_path / "endless.log").symlink_to("/dev/zero")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "waits.log").symlink_to("pipe")
    (tmp_path / "gone.log").symlink_to("nowhere")
    assert [found.source for found in discover([tmp_path])] == ["access.log", "gone.log"]


def test_a_file_in_a_directory_that_may_be_listed_only_is_said(tmp_path, monkeypatch):
    for name in ("a.log", "b.log"):
        (tmp_path / name).write_bytes(LINE)
    looked, opened = Path.is_file, Path.open

    def refuse(real):
        def call(path, *arguments, **named):
            if path.name == "b.log":
                raise PermissionError(errno.EACCES, "Permission denied", str(path))
            return real(path, *arguments, **named)

        return call

    monkeypatch.setattr(Path, "is_file", refuse(looked))
    monkeypatch.setattr(Path, "open", refuse(opened))
    assert [(source.source, source.note) for source in collect([tmp_path]).sources] == [
        ("a.log", None),
        ("b.log", "can't be read: Permission denied"),
    ]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("bad_byte", [b"", b"\xff"])
def test_nuls_before_a_line_are_padding_and_no_client(tmp_path, packed, bad_byte):
    agent = LINE.replace(b"curl", b"curl" + bad_byte)
    data = LINE * 100 + b"\0" * 4096 + agent + b"\0" * 512 + b"\n" + LINE
    log = tmp_path / "access.log"
    log.write_bytes(gzip.compress(data) if packed else data)
    collected = collect([log])
    (source,) = collected.sources
    assert (source.events, source.blank, source.rejects) == (102, 1, 0)
    assert collected.events["client_ip"].unique().to_list() == ["203.0.113.7"]
    wanted = collected.events.filter(collected.events["line_number"] == 101).select("source", "line_number")
    assert fetch_lines(collected.files, wanted)["text"][0].startswith("203.0.113.7 ")


def test_a_format_string_reads_what_it_says(tmp_path):
    (tmp_path / "access.log").write_text("2025-12-25T13:00:00+00:00 200\n")
    assert collect([tmp_path], Options(log_format="$time_iso8601 $status")).sources[0].format == "log_format"
