"""The same document whatever the partitions, the blocks, the order of the files and their compression."""

from __future__ import annotations

import gzip
import random
import shutil
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import proxied
from authforensics import collect, local
from authforensics.collect import blocks
from authforensics.config import Config
from authforensics.errors import InputError
from authforensics.partitions import Partitions, Table, WorkDirectory
from authforensics.pipeline import analyze
from examples import examples

ROOT = Path(__file__).parents[1]
SAMPLES = sorted(path for path in (ROOT / "sample_logs").rglob("*") if path.is_file() and path.suffix != ".md")
#: What each partition may hold, by how many there are of the sample logs.
MEMORY = {1: 1 << 40, 2: 38 << 20, 7: 8 << 20, 40: 1_350_000}


def told(analysis) -> str:
    """The document without what may differ."""
    return analysis.document.model_copy(update={"run": None, "sources": ()}).model_dump_json(by_alias=True)


@pytest.fixture(scope="module")
def in_one_piece() -> str:
    return told(analyze(SAMPLES, memory=MEMORY[1]))


CUTS = {
    "memory": st.sampled_from(list(MEMORY.values())),
    "block": st.sampled_from([100_000, 300_000, 1 << 20]),
    "seed": st.integers(0, 1 << 16),
    "packed": st.sets(st.sampled_from(range(len(SAMPLES)))),
}
FEW = examples(0.05, list(HealthCheck))
MANY = examples(0.5, list(HealthCheck))


def cut(folder: Path, memory: int, block: int, seed: int, packed: set[int]) -> str:
    """The document of the samples in `folder`, cut and compressed like this."""
    paths = []
    for number, sample in enumerate(SAMPLES):
        path = folder / sample.relative_to(ROOT / "sample_logs")
        path.parent.mkdir(parents=True, exist_ok=True)
        if number in packed and sample.suffix != ".gz":
            # Names show in the evidence, so the name stays.
            path.write_bytes(gzip.compress(sample.read_bytes()))
        else:
            shutil.copy(sample, path)
        paths.append(path)
    random.Random(seed).shuffle(paths)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "MOST", block)
        # However many processors the tests have: several blocks are read at a time.
        patch.setattr(pl, "thread_pool_size", lambda: 3)
        analysis = analyze(paths, memory=memory, work_dir=folder)
    document = told(analysis)
    analysis.close()
    assert not [path for path in folder.iterdir() if path.name.startswith("authforensics-")]
    return document


@FEW
@given(**CUTS)
def test_how_the_logs_are_cut_does_not_show(in_one_piece, tmp_path_factory, memory, block, seed, packed):
    assert cut(tmp_path_factory.mktemp("logs"), memory, block, seed, packed) == in_one_piece


@pytest.mark.slow
@MANY
@given(**CUTS)
def test_however_the_logs_are_cut_it_does_not_show(in_one_piece, tmp_path_factory, memory, block, seed, packed):
    assert cut(tmp_path_factory.mktemp("logs"), memory, block, seed, packed) == in_one_piece


def test_so_many_partitions_are_really_made():
    lines = local._lines(collect.discover(SAMPLES))
    texts = [gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes() for path in SAMPLES]
    # How far compressed ones go is a guess.
    assert lines == pytest.approx(sum(text.count(b"\n") for text in texts), rel=0.5)
    counts = {local._partitions(lines, size) for size in MEMORY.values()}
    assert len(counts) == len(MEMORY)
    assert 1 in counts
    assert max(counts) > 20


@pytest.mark.parametrize("width", [10, 1000])
def test_as_many_partitions_are_made_however_long_the_lines_are(tmp_path, width):
    line = '203.0.113.7 - - [25/Dec/2025:13:00:00 +0000] "GET /{} HTTP/1.1" 200 5 "-" "App/1"\n'
    log = tmp_path / "access.log"
    log.write_text("".join(line.format(f"{number}{'a' * width}") for number in range(3000)))
    assert local._lines(collect.discover([log])) == pytest.approx(3000, rel=0.02)


def test_a_guess_that_turns_out_wrong_is_mended(tmp_path):
    """The first block has no device ids, the others do; and a login without one belongs to its device."""
    early = '{{"time":"2025-12-25T10:00:{:02}Z","remote_addr":"203.0.113.{}","http_user_agent":"App/1","method":"GET","uri":"/api/me","status":200}}\n'
    late = '{{"time":"2025-12-25T11:{:02}:{:02}Z","remote_addr":"203.0.113.{}","http_user_agent":"App/1","method":"GET","uri":"/api/me","status":200,"device_id":"d-{}"}}\n'
    log = tmp_path / "access.log"
    text = "".join(early.format(number, number % 5) for number in range(30))
    text += "".join(late.format(number // 60, number % 60, number % 5, number % 5) for number in range(600))
    log.write_text(text)
    whole = analyze(log)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "MOST", 2_000)
        parts = analyze(log, memory=100_000)
    assert parts.studied.requests.count > 3
    assert told(parts) == told(whole)
    assert whole.document.systems[0].identity.devices == 5
    assert parts.events.equals(whole.events)
    assert parts.sessions.equals(whole.sessions)


def test_requests_that_two_logs_tell_of_count_once_however_they_are_cut(tmp_path):
    count = proxied.write(tmp_path, "nginx/access.log", "server/app.log")
    alone, whole = analyze(tmp_path / "nginx"), analyze(tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "MOST", 50_000)
        parts = analyze(tmp_path, memory=1 << 20)
    assert parts.studied.requests.count > 1
    assert told(parts) == told(whole)
    assert [one.duplicates for one in whole.document.sources] == [0, count]
    (system,), (before,) = whole.document.systems, alone.document.systems
    assert (system.requests, system.identity.devices) == (before.requests, before.identity.devices)
    assert system.out_of_order == before.out_of_order
    # What only the server knows.
    assert before.join.explained == 0
    assert system.join.explained > 0.9 * system.join.denials
    assert parts.events.equals(whole.events)
    assert whole.events.height == alone.events.height
    assert whole.events["reason"].count() > 0


def test_only_the_lines_that_belong_elsewhere_move(tmp_path):
    """A line in fifty has no device id; most of those have an address that only one device uses."""
    line = '{{"time":"2025-12-25T11:{:02}:{:02}Z","remote_addr":"203.0.113.{}","http_user_agent":"App/1","method":"GET","uri":"/api/me","status":200{}}}\n'
    log = tmp_path / "access.log"
    with log.open("w") as file:
        for number in range(3000):
            device = number * 7 % 90
            # Two devices share each of the last addresses.
            address = device if device < 80 else device // 2 * 2
            name = "" if number % 50 == 0 else f',"device_id":"d-{device}"'
            file.write(line.format(number // 60, number % 60, address, name))
    written: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        write = Partitions.write
        patch.setattr(Partitions, "write", lambda self: (written.append(self._rows), write(self))[1])
        parts = analyze(log, memory=500_000)
    whole = analyze(log)
    assert parts.studied.requests.count > 3
    assert 3000 < sum(written) <= 3000 + 3000 // 50
    assert told(parts) == told(whole)
    assert parts.events.equals(whole.events)
    keys = {rung.key for rung in whole.document.systems[0].identity.ladder}
    assert keys == {"device_id", "client_ip+user_agent"}


def test_endpoints_that_only_the_other_partitions_teach_are_learned(tmp_path):
    """Of many devices each refreshes once, at an endpoint of no telling name."""
    line = '203.0.113.{} - - [25/Dec/2025:13:{:02}:{:02} +0000] "{} HTTP/1.1" {} 5 "-" "App/1"\n'
    log = tmp_path / "access.log"
    text = ""
    for number in range(200):
        for second, call, status in ((1, "GET /api/a", 401), (2, "POST /api/q", 200), (3, "GET /api/a", 200)):
            text += line.format(number, number % 60, second, call, status)
    log.write_text(text)
    whole, parts = analyze(log), analyze(log, memory=20_000)
    assert parts.studied.requests.count > 10
    assert {one.route: one.endpoint_class for one in whole.document.endpoints}["/api/q"] == "refresh"
    assert told(parts) == told(whole)


@pytest.mark.slow
def test_the_tables_of_parts_are_those_of_the_whole():
    whole, parts = analyze(SAMPLES), analyze(SAMPLES, memory=MEMORY[7], config=Config())
    assert parts.studied.requests.count > 3
    assert parts.events.equals(whole.events)
    assert parts.sessions.equals(whole.sessions)
    device = whole.document.devices[0].device_id
    assert parts.timeline(device).to_json() == whole.timeline(device).to_json()


def test_partitions_hold_what_was_put_in(tmp_path):
    schema = {"name": pl.String(), "number": pl.Int64(), "nothing": pl.Int8()}
    work = WorkDirectory(tmp_path)
    kept = Partitions(schema, 3, work, "kept")
    for begin in range(0, 90, 30):
        numbers = list(range(begin, begin + 30))
        frame = pl.DataFrame(
            {"name": [str(number) for number in numbers], "number": numbers, "nothing": [None] * 30}, schema=schema
        )
        kept.add(frame.with_columns(partition=(pl.col("number") % 3).cast(pl.UInt16)))
        kept.write()
    for number in range(3):
        assert kept.load(number)["number"].to_list() == list(range(number, 90, 3))
        assert kept.load(number).schema == pl.Schema(schema)
    assert kept.scan_all().collect().height == 90
    work.close()
    assert list(tmp_path.iterdir()) == []


def test_columns_of_any_kind_come_back(tmp_path):
    """Those of one value or none, floats that equal another or not themselves, categories of many numbers, one row."""
    text = pl.Categorical(pl.Categories("test"))
    schema = {
        "row": pl.Int64(),
        "text": text,
        "kind": pl.Enum(["a", "b"]),
        "one": text,
        "zero": pl.Float32(),
        "nan": pl.Float64(),
        "flag": pl.Boolean(),
    }
    frame = pl.DataFrame(
        {
            "row": list(range(70_000)),
            "text": [None, *(f"t{number}" for number in range(1, 70_000))],
            "kind": ["a", "b"] * 35_000,
            "one": ["x"] * 70_000,
            "zero": [0.0, -0.0] * 35_000,
            "nan": [float("nan"), 1.0] * 35_000,
            "flag": [True] * 70_000,
        },
        schema=schema,
    )
    work = WorkDirectory(tmp_path)
    for name, part in (("all", frame), ("few", frame[:200]), ("one", frame[:1]), ("none", frame[:0])):
        kept = Partitions(schema, 2, work, name)
        kept.add(part.with_columns(partition=pl.lit(1, pl.UInt16)))
        table = Table(schema, work, f"{name} table")
        table.add(0, part)
        for found in (kept.load(1), kept.scan(1).collect(), table.scan().collect(), table.part(0)):
            assert_frame_equal(found, part, check_exact=True)
            assert found["zero"].reinterpret(dtype=pl.UInt32).equals(part["zero"].reinterpret(dtype=pl.UInt32))
    work.close()


@pytest.mark.parametrize("share", [0, 3, 97, 100])
def test_rows_move_to_where_they_belong(tmp_path, share):
    work = WorkDirectory(tmp_path)
    kept = Partitions({"number": pl.Int64(), "one": pl.Int64()}, 3, work, "kept")
    numbers = pl.DataFrame({"number": range(300), "one": [1] * 300})
    kept.add(numbers.with_columns(partition=(pl.col("number") % 3).cast(pl.UInt16)))
    here = pl.when(pl.col("number") % 100 < share).then(2).otherwise(pl.col("number") % 3)
    kept.deal(["number"], lambda rows: rows.select(here.cast(pl.UInt16)).to_series())
    expected = numbers.with_columns(at=here)
    for number in range(3):
        wanted = expected.filter(at=number)["number"].to_list()
        assert sorted(kept.load(number)["number"]) == wanted
        assert sorted(kept.scan(number).collect()["number"]) == wanted
    assert sorted(kept.scan_all().collect()["number"]) == list(range(300))
    work.close()


def test_a_directory_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match=r"gone.*--work-dir"):
        _ = WorkDirectory(tmp_path / "gone").path
