"""Owns where results go: checked before the analysis, written whole or not at all after it."""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Self

from authforensics.cli.signals import Stopped, cleaned_by, undivided
from authforensics.errors import BadValue, UnknownName

if TYPE_CHECKING:
    from authforensics.analysis import Analysis

REPORT = "authforensics-report.html"
STDOUT = "-"
EXPORT_FORMATS = ("csv", "parquet")
#: Characters of a file's name that its temporary name has, too: file systems allow 255 bytes.
_LONGEST_NAME = 50


@dataclass(frozen=True)
class Outputs:
    """Where the results of one run go. None: not wanted; `-`: standard output."""

    html: Path | None
    json: str | None
    markdown: str | None
    export: Path | None
    export_format: str

    @classmethod
    def plan(
        cls,
        *,
        html: Path | None,
        no_html: bool,
        json: str | None,
        markdown: str | None,
        export: Path | None,
        export_format: str,
    ) -> Self:
        """Resolve the defaults.

        Raises:
            BadValue: options that exclude each other.
            UnknownName: no such export format.
        """
        if html is not None and no_html:
            raise BadValue("--html and --no-html exclude each other")
        if json == markdown == STDOUT:
            raise BadValue("--json - and --markdown - both want standard output; give one of them a file")
        if html is not None and str(html) == STDOUT:
            raise BadValue("--html: expected a file, found '-'; only --json and --markdown can go to standard output")
        if export_format not in EXPORT_FORMATS:
            raise UnknownName("export format", export_format, EXPORT_FORMATS, "--export-format")
        report = None if no_html else html or Path(REPORT)
        return cls(html=report, json=json, markdown=markdown, export=export, export_format=export_format)

    def check(self, inputs: Sequence[str]) -> None:
        """Find out before the analysis what could not be written after it.

        Raises:
            BadValue: says which option, and what is wrong with its path.
        """
        # Unlike that of Path, this isfile passes over what can't be looked at: reading it says why.
        files = [name for name in inputs if name != STDOUT and os.path.isfile(name)]  # noqa: PTH113
        taken = {Path(name).resolve(): "an input" for name in files}
        for option, path in self._files():
            _check_file(option, path)
            place = path.resolve()
            if place in taken:
                raise BadValue(f"{option}: {path} is {taken[place]} as well")
            taken[place] = f"the file of {option}"
        if self.export is not None:
            _check_folder("--export", self.export)

    def write(self, analysis: Analysis) -> list[Path]:
        """Write every file; returns those that the summary doesn't name."""
        texts: dict[str, Callable[[], str]] = {
            "--html": analysis.to_html,
            "--json": analysis.to_json,
            "--markdown": analysis.to_markdown,
        }
        with staged() as stage:
            for option, path in self._files():
                stage(path, text_writer(texts[option]()))
            if self.export is not None:
                from authforensics.cli.export import table_writers

                for name, writer in table_writers(analysis, self.export_format).items():
                    stage(self.export / name, writer)
        files = [path for option, path in self._files() if option != "--html"]
        return files if self.export is None else [*files, self.export]

    def piped(self, analysis: Analysis) -> bytes | None:
        """What standard output gets instead of the summary."""
        if self.json == STDOUT:
            return analysis.to_json().encode(errors="backslashreplace")
        if self.markdown == STDOUT:
            return analysis.to_markdown().encode(errors="backslashreplace")
        return None

    def _files(self) -> list[tuple[str, Path]]:
        wanted = [("--html", self.html), ("--json", self.json), ("--markdown", self.markdown)]
        return [(option, Path(path)) for option, path in wanted if path is not None and str(path) != STDOUT]


def text_writer(text: str) -> Writer:
    """What writes `text`, whatever it holds."""
    data = text.encode(errors="backslashreplace")

    def write(file: BinaryIO) -> None:
        file.write(data)

    return write


def _check_file(option: str, path: Path) -> None:
    hint = "; --no-html writes no report" if option == "--html" else ""
    if path.is_dir():
        raise BadValue(f"{option}: expected a file, {path} is a directory")
    if _is_stream(path):
        return
    folder = path.resolve().parent
    if not folder.is_dir():
        raise BadValue(f"{option}: no directory {path.parent} to write {path.name} to")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise BadValue(f"{option}: directory {path.parent} can't be written to{hint}")


def _check_folder(option: str, path: Path) -> None:
    if path.exists() and not path.is_dir():
        raise BadValue(f"{option}: expected a directory, {path} is a file")
    if not path.exists() and not path.parent.is_dir():
        raise BadValue(f"{option}: no directory {path.parent} to make {path.name} in")
    if not os.access(path if path.exists() else path.parent, os.W_OK | os.X_OK):
        raise BadValue(f"{option}: directory {path} can't be written to")


def _is_stream(path: Path) -> bool:
    """Whether it's a device or a pipe, which is written to and never replaced."""
    return path.exists() and not path.is_file() and not path.is_dir()


#: What writes a file that is open.
Writer = Callable[[BinaryIO], None]
Stage = Callable[[Path, Writer], None]


@contextmanager
def staged() -> Iterator[Stage]:
    """Files written under temporary names beside their own, renamed together at the end, or removed.

    Yields:
        A function of the final path and of what writes a file, which is called at once with the temporary one. Links
        are followed; devices and pipes are written to last.
    """
    pending: dict[Path, Path] = {}
    streams: list[tuple[Path, Writer]] = []
    made: list[Path] = []
    # What is removed by one thread must not be made anew by another: there is no file from then on, and none opened
    # but here.
    making, over = threading.Lock(), threading.Event()

    def opened(path: Path) -> BinaryIO:
        with making:
            if over.is_set():
                raise Stopped
            if not path.parent.exists():
                made.append(path.parent)
                path.parent.mkdir()
            # Before it is made: a signal may come at any moment.
            pending[path] = path.with_name(f".{path.name[:_LONGEST_NAME]}.{secrets.token_hex(8)}.tmp")
            return pending[path].open("xb")

    def stage(path: Path, write: Writer) -> None:
        if _is_stream(path):
            streams.append((path, write))
            return
        with _naming(path), opened(path.resolve()) as file:
            write(file)

    def remove() -> None:
        with making:
            over.set()
            for temporary in pending.values():
                temporary.unlink(missing_ok=True)
            for folder in made:
                with suppress(OSError):
                    folder.rmdir()

    with cleaned_by(remove):
        yield stage
        with undivided():
            for path, temporary in list(pending.items()):
                with _naming(path):
                    temporary.replace(path)
                del pending[path]
            made.clear()
        for path, write in streams:
            with _naming(path), path.open("wb") as file:
                write(file)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Errors name the file that the caller asked for: the system names none, or the temporary one."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error
