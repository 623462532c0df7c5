"""The right format is found for files made of the lines of all cases, in mixed and damaged folders.

That it is found for the lines of each case is tested with the cases.
"""

from __future__ import annotations

import gzip
import json
import os
import random
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from authforensics.collect.compression import ZstdDecompressor
from authforensics.collect.wrapper import wrappers
from authforensics.document import Source
from authforensics.errors import NothingReadable
from collecting import collect

if hasattr(ZstdDecompressor, "decompressobj"):
    from zstandard import compress as zstd_compress
else:
    from compression.zstd import compress as zstd_compress

CASES = Path(__file__).parent.parent / "cases"
FORMATS = {path.stem: tomllib.loads(path.read_text(encoding="utf-8")) for path in sorted((CASES / "formats").glob("*"))}
WRAPPERS = {
    path.stem: tomllib.loads(path.read_text(encoding="utf-8")) for path in sorted((CASES / "wrappers").glob("*"))
}
#: From here on an answer counts as sure: a wrong one is no guess, but an error.
SURE = 0.5
FOLDERS, FILES, QUICK = 30, 12, 6
#: All but the layouts that only `--log-format` tells.
PLAIN = [name for name, case in FORMATS.items() if "log_format" not in case]
#: Documents and tables that are taken apart into lines of their own: nobody wraps these.
WHOLE = {"har", "events"}
FOREIGN = (
    "Listening on port 8080",
    "-" * 40,
    "",
    "  ",
    "Segmentation fault (core dumped)",
    "reopening logs ...",
    "\ufeff",
)
PACK = {"": lambda data: data, ".gz": gzip.compress, ".zst": zstd_compress}


@dataclass(frozen=True)
class Made:
    """A file of a mixed folder: which case its lines are of, and what is around them."""

    name: str
    case: str
    wrapper: str | None
    data: bytes

    @property
    def wanted(self) -> str:
        return self.case.partition(".")[0]


def wrapped(name: str, line: str) -> str:
    """A line inside of a wrapper."""
    around = WRAPPERS[name]["around"]
    table = '"' + line.replace('"', '""') + '"'
    marks = {"%text%": line, "%json%": json.dumps(line), "%json_line%": json.dumps(line + "\n"), "%csv%": table}
    for mark, text in {**marks, "%object%": line}.items():
        around = around.replace(mark, text)
    return around


def several(case: str, chance: random.Random) -> list[str]:
    """The lines of a case a few times over, in their order; most of the malformed ones are left out."""
    lines = FORMATS[case]["lines"]
    bad = {reject["line_number"] for reject in FORMATS[case].get("rejects", [])}
    repeated = [
        line
        for _ in range(chance.randint(2, 8))
        for number, line in enumerate(lines, 1)
        if number not in bad or chance.random() < 0.2
    ]
    return [line for line in repeated if line]


def damaged(lines: Sequence[str], first: int, chance: random.Random) -> list[str]:
    """With foreign and blank lines between them, the line at `first` and the last one cut off."""
    made = list(lines)
    if chance.random() < 0.3:
        made[first] = made[first][chance.randrange(len(made[first])) :]
    if chance.random() < 0.3:
        made[-1] = made[-1][: chance.randrange(len(made[-1]))]
    for _ in range(len(made) // 20):
        made.insert(chance.randrange(first + 1, len(made) + 1), chance.choice(FOREIGN))
    return made


def folder(seed: int, size: int = FILES) -> list[Made]:
    """The first files of a mixed folder: formats and wrappers by chance, under names that tell neither."""
    chance = random.Random(seed)
    each = random.Random("all in turn").sample(PLAIN, len(PLAIN))
    files = []
    for number in range(size):
        case = each[(seed * FILES + number) % len(each)]
        lines = several(case, chance)
        around = [name for name, own in WRAPPERS.items() if "around" in own]
        outside = chance.choice([name for name in around if all(fits(name, line) for line in lines)])
        wrapper = outside if chance.random() < 0.4 and case.partition(".")[0] not in WHOLE else None
        before: list[str] = []
        if wrapper is not None:
            lines, before = [wrapped(wrapper, line) for line in lines], WRAPPERS[wrapper].get("before", [])
        # Without its header lines a table is none: they are no part of what is cut off.
        first = len(before) + FORMATS[case].get("header", 0)
        text = "\n".join(damaged([*before, *lines], min(first, len(lines) - 1), chance)) + "\n"
        suffix = chance.choice(("", "", "", ".gz", ".zst"))
        name = f"{chance.choice(('access', 'app', 'error', 'api'))}.log.{number}{chance.choice(('', suffix))}"
        files.append(Made(name, case, wrapper, PACK[suffix](text.encode())))
    return files


def fits(wrapper: str, line: str) -> bool:
    """Whether a wrapper can hold the line: some hold objects only."""
    return "%object%" not in WRAPPERS[wrapper]["around"] or (line.startswith("{") and line.endswith("}"))


def right(source: Source, made: Made) -> bool:
    """Whether format and outermost wrapper are what they were made of; colours are peeled off as well."""
    outer = (source.wrapper or "").replace("ansi > ", "").partition(" > ")[0]
    wrapper = None if made.wrapper is None else made.wrapper.partition(".")[0]
    return source.format == made.wanted and (wrapper in {None, "ansi"} or outer == wrapper)


def itself(wrapper: str, source: Source) -> bool:
    """Whether a file was read by the names of its wrapper's own objects or columns, what is inside as their messages.

    What holds any text in an object of its own is known by its own names, too; Google's has requests beside them.
    """
    return (wrapper == "gcp" or wrappers()[wrapper].taken == "if known") and source.format in {"json", "csv"}


def told(seed: int, path: Path, size: int = FILES) -> list[tuple[Made, Source]]:
    """What is said of each file of a mixed folder."""
    files = folder(seed, size)
    for made in files:
        (path / made.name).write_bytes(made.data)
        os.utime(path / made.name, (datetime(2026, 6, 1, tzinfo=UTC).timestamp(),) * 2)
    sources = {source.source: source for source in collect([path]).sources}
    return [(made, sources[made.name]) for made in files]


def wrong(pairs: Sequence[tuple[Made, Source]]) -> list[str]:
    return [
        f"{made.name}: {made.wrapper} > {made.case} was taken for {source.wrapper} > {source.format} "
        f"at {source.confidence:.0%} ({source.note})"
        for made, source in pairs
        if not right(source, made)
    ]


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ('INFO:     203.0.113.7:0 - "GET /api/me HTTP/1.1" 401 Unauthorized', "uvicorn"),
        ("GET /api/me 401 5.123 ms - 12", "morgan"),
        ("GET /api/me 401", None),
        ("token of user 7 refused", None),
    ],
)
def test_of_lines_that_lack_nothing_but_a_time_that_is_said(line, name, tmp_path):
    (tmp_path / "app.log").write_text(f"{line}\n" * 10)
    with pytest.raises(
        NothingReadable, match=f"lines of {name}, but none tells a time" if name else "no known log format"
    ):
        collect([tmp_path])


TIMELESS = 'INFO:     203.0.113.7:0 - "GET /api/me HTTP/1.1" 200 OK\n'
RECORD = (
    "2026-03-02 10:00:{:02},461 - app - ERROR - Uncaught exception\nTraceback (most recent call last):\n"
    '  File "/srv/app.py", line 7, in f\njwt.exceptions.InvalidAudienceError: Audience doesn\'t match\n'
)


@pytest.mark.parametrize("beginning", [TIMELESS, "unpacking a package\n"])
def test_what_tells_a_time_is_read_also_behind_a_beginning_that_tells_none(beginning, tmp_path):
    records = "".join(RECORD.format(second % 60) + TIMELESS for second in range(200))
    (tmp_path / "app.log").write_text(beginning * 1000 + records)
    collected = collect([tmp_path])
    (source,) = collected.sources
    assert (source.format, source.rejects, collected.events.height) == ("python_logging", 1200, 200)
    assert collected.events["message"].str.ends_with("Audience doesn't match").all()
    said = "not its lines of uvicorn, which have none: `docker logs -t`"
    assert (said in (source.note or "")) == (beginning == TIMELESS)


def test_a_few_times_further_on_make_no_log(tmp_path):
    (tmp_path / "app.log").write_text(TIMELESS * 1000 + RECORD.format(1) + TIMELESS * 1000 + "so much for that\n" * 90)
    with pytest.raises(NothingReadable, match="lines of uvicorn, but none tells a time"):
        collect([tmp_path])


@pytest.mark.parametrize("name", WRAPPERS)
def test_odd_lines_of_a_wrapper_are_never_surely_something_else(name, tmp_path):
    """A case of a wrapper has all kinds of lines inside: what they are can't be told, but what is around them can."""
    own = name.partition(".")[0]
    (tmp_path / "case").write_text("\n".join(WRAPPERS[name]["lines"]) + "\n", encoding="utf-8")
    (tmp_path / "log").write_text(FORMATS["combined.nginx"]["lines"][0] + "\n", encoding="utf-8")
    source = next(source for source in collect([tmp_path]).sources if source.source == "case")
    sure = source.format is not None and source.confidence >= SURE
    assert itself(own, source) or not sure or own in (source.wrapper or "").split(" > ")


def test_a_mixed_folder_is_told_apart(tmp_path):
    assert wrong(told(0, tmp_path, QUICK)) == []


def test_a_first_line_that_is_cut_off_hides_nothing_that_is_in_front_of_the_others(tmp_path):
    request = '203.0.113.7 - - [25/Dec/2025:13:00:09 +0000] "GET /api/me HTTP/2.0" {} 17 {}'
    ends = ['401 54 "-" "okhttp/4.12.0"', '"api@docker" "http://10.1.2.3:3000" 2ms'], ["- - - -", "- - 0ms"]
    lines = [f"/var/log/nginx/access.log:17:{request.format(*end)}" for end in ends] * 6
    (tmp_path / "found.txt").write_text("\n".join([lines[0][35:], *lines[1:]]) + "\n", encoding="utf-8")
    (source,) = collect([tmp_path]).sources
    assert (source.format, source.wrapper, source.rejects) == ("combined", "grep", 1)


@pytest.mark.slow
def test_mixed_folders_are_told_apart(tmp_path):
    pairs = []
    for seed in range(FOLDERS):
        (tmp_path / f"{seed}").mkdir()
        pairs += told(seed, tmp_path / f"{seed}")
    failed = wrong(pairs)
    share = 1 - len(failed) / len(pairs)
    figure = f"{len(pairs) - len(failed)} of {len(pairs)} files in {FOLDERS} folders: {share:.1%} have the right format"
    sys.stdout.write("\n".join((figure, *failed, "")))
    assert share >= 0.99, figure
    sure = [(made, source) for made, source in pairs if source.confidence >= SURE]
    outside = [(made.wrapper.partition(".")[0], source) if made.wrapper else None for made, source in sure]
    odd = [pair for pair, own in zip(sure, outside, strict=True) if own is None or not itself(*own)]
    assert wrong(odd) == []
