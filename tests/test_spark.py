"""The Spark engine says what the local one says, and what is missing for it is said in one line."""

from __future__ import annotations

import bz2
import gzip
import importlib.util
import os
import random
import re
import shutil
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

import proxied
from authforensics import collect, correlate, local, pipeline
from authforensics.collect.blocks import LEAST, Condition, ends_of, texts
from authforensics.errors import BadValue, InputError, NothingReadable, UsageError
from authforensics.partitions import WorkDirectory
from authforensics.schema import REASON, TEXT
from authforensics.spark import analyze, analyze_table, engine, jobs, reading, session
from recordings import recordings
from told import INCIDENT, analyzed_incident, said


def access_lines(count, seed=1):
    """Requests of some devices in a common format, some of them refused, refreshed and tried again."""
    chance = random.Random(seed)
    at = datetime(2025, 10, 2, 12, tzinfo=UTC)
    lines = []
    while len(lines) < count:
        at += timedelta(seconds=chance.random())
        device = chance.randrange(40)
        head = f"10.1.{device}.7 - user{device} [{at:%d/%b/%Y:%H:%M:%S} +0000]"
        tail = f'"-" "Courier/2.{device % 5}.0 (iOS 17.{device % 4})"'
        status = 401 if chance.random() < 0.05 else 200
        lines.append(f'{head} "GET /api/trips/{chance.randrange(10**6)} HTTP/1.1" {status} 512 {tail}')
        if status == 401 and chance.random() < 0.8:
            lines.append(f'{head} "POST /auth/refresh HTTP/1.1" {chance.choice((200, 200, 401))} 64 {tail}')
    return lines[:count]


# Without Spark


def test_what_is_missing_is_said_in_one_line(monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "pyspark" else real(name, *rest)
    )
    with pytest.raises(UsageError, match=r"^--engine spark needs PySpark: pip install 'authforensics\[spark\]'$"):
        session("local[2]")


def test_a_part_that_pyspark_needs_counts_as_missing(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *_rest: None if name == "pandas" else object())
    with pytest.raises(UsageError, match=r"pip install 'authforensics\[spark\]'"):
        session("local[2]")


@pytest.mark.parametrize(
    ("java", "told"),
    [
        (None, r"needs Java 17 or later, and JAVA_HOME=.* has none: .*apt install openjdk-17-jre-headless"),
        ('openjdk version "11.0.20" 2023-07-18', r"and .*bin/java is version 11: install Java 17"),
        ('java version "1.8.0_392"', r"is version 8"),
        ("what", r"of no known version"),
    ],
)
def test_without_the_right_java_it_says_which_one_and_how(java, told, monkeypatch, tmp_path):
    monkeypatch.setattr(importlib.util, "find_spec", lambda *_: object())
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    if java is not None:
        (tmp_path / "bin").mkdir()
        program = tmp_path / "bin" / "java"
        program.write_text(f"#!/bin/sh\necho '{java}' >&2\n")
        program.chmod(0o755)
    with pytest.raises(UsageError, match=told) as raised:
        session("local[2]")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("longest", [80, 3 << 20])
def test_a_plain_file_is_cut_where_the_local_engine_cuts_it(tmp_path, longest):
    chance = random.Random(longest)
    file = tmp_path / "access.log"
    with file.open("wb") as out:
        while out.tell() < 5 * LEAST // 2:
            out.write(b"x" * chance.randrange(longest) + b"\n" * chance.choice((1, 1, 1, 20_000)))
        out.write(b"no newline at the end")
    blocks = [len(data) for data in texts(file, LEAST, Condition())]
    ends = [sum(blocks[: place + 1]) for place in range(len(blocks))]
    assert len(ends) > 2
    assert list(ends_of(file, LEAST)) == ends


def test_fields_that_a_block_does_not_declare_are_those_of_the_block_above(tmp_path, monkeypatch):
    def lines(count, *, first):
        order = "cs-method cs-uri-stem" if first else "cs-uri-stem cs-method"
        call = "GET /a" if first else "/b GET"
        return [f"#Fields: date time {order} c-ip sc-status", *[f"2025-12-25 13:00:09 {call} 203.0.113.7 200"] * count]

    file = tmp_path / "u_ex251225.log"
    whole = [*lines(20_000, first=True), *lines(20_000, first=False), *lines(20_000, first=True)]
    file.write_text("\ufeff" + "\n".join(whole) + "\n")
    # Small blocks, and tasks that run here, one after the other.
    monkeypatch.setattr("authforensics.collect.blocks.LEAST", 100_000)
    monkeypatch.setattr("authforensics.collect.blocks.LINES", 1_000)
    monkeypatch.setattr(jobs, "run", lambda _spark, items, function: [function(item) for item in items])
    monkeypatch.setattr(reading, "_attempt", lambda: 0)
    found = collect.discover([file])
    settings = local.Settings(
        collect=collect.Options(), correlate=correlate.Options(), wanted=(), thresholds={}, work_dir=tmp_path
    )
    work = WorkDirectory(tmp_path)
    account, intake = reading.read_logs(None, found, settings, work)
    routes = pl.concat([pl.read_parquet(each)["route"].cast(pl.String) for each in intake.files])
    assert len(account.files[account.sources[0].source].counts) > 2
    assert dict(routes.value_counts().rows()) == {"/a": 40_000, "/b": 20_000}
    assert account.sources == collect.gather([file])[1].sources
    work.close()


# On Spark

CI = os.environ.get("CI") == "true"


@pytest.fixture(scope="module")
def spark():
    if not CI:
        pytest.importorskip("pyspark", reason="PySpark is not installed")
        if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
            pytest.skip("Java is not installed")
    started = session("local[2]")
    yield started
    started.stop()


@pytest.fixture(scope="module")
def incident():
    with analyzed_incident() as analysis:
        yield analysis


def same(spark, paths, **options):
    """Both engines, of the same logs, say the same; what they say."""
    local, other = pipeline.analyze(paths, **options), analyze(spark, paths, **options)
    try:
        assert said(other) == said(local)
        assert other.rejects.equals(local.rejects)
        return local.document
    finally:
        local.close()
        other.close()


@pytest.mark.slow
@pytest.mark.parametrize("recording", recordings(), ids=lambda one: one.id)
def test_every_recording_gives_the_same(spark, recording):
    assert same(spark, recording.path).systems


@pytest.mark.slow
def test_the_tables_are_the_same(spark, incident):
    other = analyze(spark, INCIDENT)
    assert other.events.equals(incident.events)
    assert other.sessions.equals(incident.sessions)
    device = incident.document.devices[0].device_id
    assert other.timeline(device).to_json() == incident.timeline(device).to_json()
    other.close()


@pytest.mark.slow
def test_files_of_many_blocks_and_many_partitions_give_the_same(spark, tmp_path):
    lines = access_lines(260_000)
    body = "\ufeff" + "\n".join(lines[:200_000]) + "\nwhat is this\n\n" + "\n".join(lines[200_000:])
    (tmp_path / "access.log").write_text(body, encoding="utf-8")
    assert len(list(ends_of(tmp_path / "access.log", LEAST))) > 1
    told = same(spark, tmp_path, memory=64 << 20)
    assert told.findings
    assert (told.sources[0].events, told.sources[0].rejects, told.sources[0].blank) == (260_000, 1, 1)


@pytest.mark.slow
def test_lines_of_two_exports_count_once_whatever_the_engine(spark, tmp_path):
    lines = [f"{line}\n" for line in access_lines(260_000)]
    (tmp_path / "a.log").write_text("".join(lines[:200_000]))
    (tmp_path / "b.log").write_text("".join(lines[30_000:]))
    assert len(list(ends_of(tmp_path / "b.log", LEAST))) > 1
    told = same(spark, tmp_path)
    assert {source.source: (source.events, source.duplicates) for source in told.sources} == {
        "a.log": (200_000, 0),
        "b.log": (60_000, 170_000),
    }


@pytest.mark.slow
def test_requests_that_two_logs_tell_of_count_once_whatever_the_engine(spark, tmp_path):
    count = proxied.write(tmp_path)
    told = same(spark, tmp_path)
    assert [one.duplicates for one in told.sources] == [0, count]
    assert told.systems[0].join.explained


@pytest.mark.slow
def test_compressed_damaged_and_foreign_files_give_the_same(spark, tmp_path):
    body = ("\n".join(access_lines(3_000)) + "\n").encode()
    (tmp_path / "access.log").write_bytes(body[: len(body) // 2].replace(b"\n", b"\r\n"))
    # Not the beginning of another: that would count as a copy.
    (tmp_path / "access.log.1.gz").write_bytes(gzip.compress(body[body.index(b"\n") + 1 :])[:-2_000])
    (tmp_path / "access.log.2.bz2").write_bytes(bz2.compress(body))
    (tmp_path / "bytes.log").write_bytes(b"\0\0" + body.replace(b"trips", b"tr\xffps"))
    (tmp_path / "empty.log").write_bytes(b"")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG" + bytes(range(256)))
    (tmp_path / "notes.txt").write_text("nothing\nof\ninterest\n")
    told = same(spark, tmp_path)
    notes = {source.source: source.note for source in told.sources}
    assert "breaks off" in notes["access.log.1.gz"]
    assert "not UTF-8" in notes["bytes.log"]
    assert not any(source.rejects for source in told.sources if source.source == "access.log")


@pytest.mark.slow
def test_messages_of_several_lines_are_not_cut(spark, tmp_path):
    lines = []
    for number in range(2_000):
        at = datetime(2025, 10, 2, 12, tzinfo=UTC) + timedelta(seconds=number / 2)
        lines.append(
            f"{at:%Y-%m-%d %H:%M:%S},{number % 1000:03d} ERROR app.auth: token rejected for user user{number % 40}"
        )
        lines += [
            "Traceback (most recent call last):",
            '  File "auth.py", line 7, in check',
            "jwt.ExpiredSignatureError: Signature has expired",
        ]
    (tmp_path / "access.log").write_text("\n".join(access_lines(2_000)) + "\n")
    (tmp_path / "app.log").write_text("\n".join(lines) + "\n")
    told = same(spark, tmp_path)
    assert {source.source: source.continuations for source in told.sources}["app.log"] == 6_000


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {"since": "20m"},
        {"since": "2025-12-25T04:30Z", "until": "2025-12-25T05:00Z", "only": ["signature_failure_burst"]},
        {"device_key": "client_ip+user_agent"},
        {"device_key": "user_id"},
        {"path": "^/api/", "status": "401,200-299"},
    ],
    ids=str,
)
def test_options_mean_the_same(spark, options):
    same(spark, INCIDENT, **options)


@pytest.mark.slow
def test_errors_are_the_same(spark, tmp_path):
    (tmp_path / "notes.txt").write_text("nothing\nof\ninterest\n")
    with pytest.raises(NothingReadable) as local:
        pipeline.analyze(tmp_path)
    with pytest.raises(NothingReadable) as other:
        analyze(spark, tmp_path)
    assert str(other.value) == str(local.value)
    with pytest.raises(BadValue, match="no line has a field 'custmer'"):
        analyze(spark, INCIDENT, device_key="custmer")


@pytest.mark.parametrize("master", ["foo", "local[2", "spark://nowhere", "http://localhost:7077"])
def test_a_master_that_is_none_is_refused(master):
    with pytest.raises(BadValue, match=rf"^--master {re.escape(master)}: expected local\[2\], spark://host:7077, yarn"):
        session(master)


def test_a_work_directory_that_is_not_shared_is_said_in_one_line(tmp_path):
    with pytest.raises(
        InputError, match=r"requests: what executors write there isn't seen by the driver; .*--work-dir$"
    ):
        engine._check_shared([tmp_path / "requests" / "0-0.parquet"])


@pytest.mark.slow
def test_an_error_on_an_executor_is_one_line(spark):
    def fails(number):
        raise InputError(f"no room for {number}")

    with pytest.raises(InputError, match=r"^no room for 0$"):
        jobs.run(spark, [0], fails)


@pytest.mark.slow
def test_numbers_categories_and_all_rows_of_a_key_survive_the_shuffle(spark, tmp_path):
    schema = {"name": TEXT, "id": pl.UInt64, "reason": REASON, "at": pl.Datetime("us", "UTC")}
    frame = pl.DataFrame(
        {
            "name": [f"d{n % 50}" for n in range(500)],
            "id": [2**64 - 1 - n for n in range(500)],
            "reason": ["other", None] * 250,
        },
        schema_overrides={name: schema[name] for name in ("name", "id", "reason")},
    ).with_columns(at=pl.lit(datetime(2025, 1, 1, tzinfo=UTC)).cast(schema["at"]))
    files = []
    for number, part in enumerate(frame.iter_slices(100)):
        files.append(tmp_path / f"{number}.parquet")
        part.write_parquet(files[-1])
    made = jobs.shuffle(
        spark,
        files,
        pl.read_parquet,
        keys=["name"],
        count=7,
        function=lambda _number, rows: {"rows": jobs.packed(rows)},
    )
    parts = [jobs.unpacked(pieces["rows"]) for _, pieces in made]
    assert len(parts) == 7
    assert sum(part["name"].n_unique() for part in parts) == 50
    assert pl.concat(parts).sort("id").equals(frame.sort("id"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("raised", "told"),
    [
        ("Cannot call methods on a stopped SparkContext.\nThis stopped ...", "no master answers"),
        ("Could not parse Master URL\n\tat org.apache", "Could not parse Master URL"),
    ],
)
def test_a_master_that_cannot_be_used_is_one_line(spark, raised, told, monkeypatch):
    def refuse(_builder):
        raise RuntimeError(raised)

    monkeypatch.setattr(type(spark).Builder, "getOrCreate", refuse)
    with pytest.raises(UsageError) as error:
        session("spark://localhost:1")
    assert str(error.value) == f"--master spark://localhost:1: Spark does not start there: {told}"


@pytest.mark.slow
@pytest.mark.parametrize("parts", [1, 3])
def test_a_spark_table_gives_what_it_gives_here(spark, incident, tmp_path, parts):
    incident.events.write_parquet(tmp_path / "events.parquet")
    told = analyze_table(spark.read.parquet(str(tmp_path / "events.parquet")).repartition(parts))
    assert told.document.findings
    assert said(told) == said(analyze_table(incident.events))
    told.close()


@pytest.mark.slow
def test_a_spark_table_without_line_numbers_is_numbered_by_partition(spark, incident, tmp_path):
    incident.events.drop("line_number").write_parquet(tmp_path / "events.parquet")
    told = analyze_table(spark.read.parquet(str(tmp_path / "events.parquet")))
    assert "access.log (part 0)" in {one.source for one in told.document.sources}
    assert len(told.document.findings) == len(incident.document.findings)
    told.close()


@pytest.mark.slow
def test_a_spark_table_that_cannot_be_used_is_refused(spark, incident, tmp_path):
    incident.events.write_parquet(tmp_path / "events.parquet")
    table = spark.read.parquet(str(tmp_path / "events.parquet"))
    with pytest.raises(BadValue, match="is there twice"):
        analyze_table(table.union(table))
    with pytest.raises(BadValue, match="the table has no column 'status'"):
        analyze_table(table.drop("status"))
    with pytest.raises(BadValue, match="unknown kind 'requests'"):
        analyze_table(table.selectExpr("timestamp", "status", "'requests' as kind"))
