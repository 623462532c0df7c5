"""Owns the program: its commands, its exit codes, and the one line that every error becomes."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated

import typer

from authforensics.cli.analyze import analyze
from authforensics.cli.explain import explain
from authforensics.cli.formats import formats
from authforensics.cli.messages import say
from authforensics.cli.signals import Stopped, stopping
from authforensics.cli.simulate import simulate
from authforensics.cli.terminal import close_stdout
from authforensics.cli.timeline import timeline
from authforensics.cli.token import token
from authforensics.cli.verify import verify
from authforensics.errors import AuthforensicsError, UsageError

PROGRAM = "authforensics"
FAILED, USAGE = 1, 2

app = typer.Typer(
    name=PROGRAM,
    help="Find token and refresh pathologies in API access logs and application logs, and explain the incident.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command(short_help="Analyse logs and explain the incident.")(analyze)
app.command(short_help="Explain a name, or how a log line is read.")(explain)
app.command(short_help="List the formats, or say what files are.")(formats)
app.command(short_help="Write the logs of a simulated incident.")(simulate)
app.command(short_help="Show what one device did.")(timeline)
app.command(short_help="Read a token, and say who signed it.")(token)
app.command(short_help="Tell whether it is over, with proof.")(verify)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"authforensics {version('authforensics')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Find token and refresh pathologies in API access logs and application logs, and explain the incident."""


def main() -> int:
    """Run the command line; returns the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    code = run(sys.argv[1:])
    _flush()
    return code


def run(arguments: list[str]) -> int:
    """Run the command line; returns the exit code, and every error has become a line on standard error.

    Raises:
        Stopped: by a signal.
    """
    try:
        return app(arguments, prog_name=PROGRAM, standalone_mode=False) or 0
    except (Stopped, KeyboardInterrupt):
        raise
    except BaseException as error:
        # What fails once a signal has arrived fails for that.
        if stopping():
            raise Stopped from error
        return _said(error, arguments)


def _said(error: BaseException, arguments: list[str]) -> int:
    if isinstance(error, AuthforensicsError):
        say("error", str(error))
        return USAGE if isinstance(error, UsageError) else FAILED
    if isinstance(error, typer.TyperException):
        return _usage(error)
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else ""
        say("error", f"{place}{error.strerror or error}")
        return FAILED
    if isinstance(error, MemoryError):
        say("error", "out of memory")
        return FAILED
    return _bug(error, arguments)


def _usage(error: typer.TyperException) -> int:
    message = error.format_message()
    if message:
        context = getattr(error, "ctx", None)
        command = context.command_path if context else PROGRAM
        say("error", f"{message.rstrip('.')}; see '{command} --help'")
    return USAGE


def _bug(error: BaseException, arguments: list[str]) -> int:
    """A bug: its message may quote the log, so only its place is told, with -vv the way there."""
    if "-vv" in arguments:
        sys.stderr.write("".join(_way(error)))
    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(frame.filename).name}:{frame.lineno}"
    say("error", f"internal error at {place}: {type(error).__name__}; please report it (-vv shows where it came from)")
    return FAILED


def _way(error: BaseException) -> Iterator[str]:
    """A traceback without what exceptions say and without values: places in the code, and names of exceptions."""
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None:
        yield from _way(before)
        yield "\nand then:\n"
    yield from traceback.format_tb(error.__traceback__)
    yield f"{type(error).__name__} (what it says is left out: it may quote the log)\n"


def _flush() -> None:
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        close_stdout()
