"""The directory for temporary files: private, gone afterwards, and named where it is the trouble."""

from __future__ import annotations

import gc
import os
from contextlib import suppress

import polars as pl
import pytest

from authforensics import partitions
from authforensics.errors import InputError
from authforensics.partitions import Partitions, WorkDirectory


def test_no_work_directory_can_be_made(tmp_path):
    with pytest.raises(InputError, match="no work directory can be made there"):
        _ = WorkDirectory(tmp_path / "no such").path


def test_a_work_directory_is_private_and_gone_with_its_object(tmp_path):
    work = WorkDirectory(tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert work.path.stat().st_mode & 0o077 == 0
    (work.path / "table").touch()
    assert list(tmp_path.iterdir()) == [work.path]
    del work
    gc.collect()
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_made_while_its_directory_is_removed_goes_too(tmp_path, monkeypatch):
    work, late, rmdir = WorkDirectory(tmp_path), [], os.rmdir
    (work.path / "early").touch()

    def slow(path, **options):
        if not late:
            late.append(next(tmp_path.iterdir()) / "late")
            late[0].touch()
        rmdir(path, **options)

    monkeypatch.setattr(os, "rmdir", slow)
    work.close()
    assert late
    assert list(tmp_path.iterdir()) == []


def test_a_closed_work_directory_is_made_anew_when_used_again(tmp_path):
    work = WorkDirectory(tmp_path)
    first = work.path
    work.close()
    work.close()
    assert list(tmp_path.iterdir()) == []
    assert work.path != first
    work.close()


def test_all_work_directories_can_be_removed_at_once(tmp_path):
    works = [WorkDirectory(tmp_path) for _ in range(3)]
    for work in works:
        (work.path / "inner").mkdir()
    partitions.remove_all()
    assert list(tmp_path.iterdir()) == []
    for work in works:
        work.close()


@pytest.mark.parametrize(
    ("fail", "what"),
    [
        (lambda: _raise(OSError(28, "No space left on device")), "no room for temporary files"),
        (lambda: _raise(OSError(122, "Disk quota exceeded")), "no room for temporary files"),
        (lambda: _raise(OSError(5, "Input/output error")), r"can't be used any more \(Input/output error\)"),
        (lambda: _raise(pl.exceptions.ComputeError("parquet: IO: File too large (os error 27)")), "no room"),
    ],
)
def test_what_is_wrong_with_a_work_directory_names_its_place(tmp_path, fail, what):
    work = WorkDirectory(tmp_path)
    message = f"^{tmp_path}: .*{what}.*--work-dir"
    with pytest.raises(InputError, match=message), partitions.room(work.path / "table"):
        fail()


def test_what_has_nothing_to_do_with_it_stays_what_it_is(tmp_path):
    with pytest.raises(pl.exceptions.ComputeError, match="a bug"), partitions.room(tmp_path):
        raise pl.exceptions.ComputeError("a bug")
    assert partitions.trouble(FileNotFoundError(2, "No such file or directory", "/logs/access.log")) is None


def test_a_table_that_is_read_too_late_is_told_of(tmp_path):
    home = tmp_path / "with a space"
    home.mkdir()
    work = WorkDirectory(home)
    table = Partitions({"number": pl.Int64()}, 2, work, "table")
    table.add(pl.DataFrame({"number": [1, 2, 3], "partition": [0, 1, 0]}))
    assert table.load(0)["number"].to_list() == [1, 3]
    lazy = table.scan_all()
    partitions.remove_all()
    with pytest.raises(InputError, match=f"^{home}: the temporary files there"):
        table.load(1)
    with pytest.raises(FileNotFoundError) as caught:
        lazy.collect()
    assert str(partitions.trouble(caught.value)).startswith(f"{home}: the temporary files there")
    with suppress(InputError):
        work.close()


def _raise(error: Exception) -> None:
    raise error
