"""Owns what runs an analysis, this machine or Spark, and what is cleaned up after it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from authforensics.cli.signals import cleaned_by, handle_again, undivided
from authforensics.errors import BadValue

if TYPE_CHECKING:
    from authforensics.analysis import Analysis

LOCAL, SPARK = ENGINES = ("local", "spark")


#: Takes the arguments of `pipeline.analyze`.
Engine: TypeAlias = "Callable[..., Analysis]"


def check_master(master: str | None, engine: str) -> None:
    """Find out whether `--master` means anything.

    Raises:
        BadValue: it doesn't.
    """
    if master is not None and engine != SPARK:
        raise BadValue(f"--master: only --engine {SPARK} has a master")
    if master is not None and not master.strip():
        raise BadValue("--master: expected a URL such as local[2] or spark://host:7077, found nothing")


@contextmanager
def engine_named(name: str, master: str | None) -> Iterator[Engine]:
    """The engine of that name, ready to be called; what it leaves behind is removed at the end.

    Raises:
        InputError: it can't be started; its temporary files can't be used any more.
    """
    import polars as pl

    from authforensics.partitions import remove_all, trouble

    try:
        with cleaned_by(remove_all):
            if name == SPARK:
                with _spark(master) as run:
                    yield run
            else:
                from authforensics.pipeline import analyze

                yield analyze
    except (OSError, pl.exceptions.ComputeError) as error:
        # Tables that were put aside are read at any time, wherever they are asked for.
        told = trouble(error)
        if told is None:
            raise
        raise told from error


@contextmanager
def _spark(master: str | None) -> Iterator[Engine]:
    from authforensics.spark import analyze, session

    # A Spark that is interrupted while it starts stays behind.
    with undivided():
        started = session(master)
    handle_again()
    try:
        yield partial(analyze, started)
    finally:
        started.stop()
