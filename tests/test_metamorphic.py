"""What must not matter does not: times shifted, names changed, files cut and mixed, healthy devices, another format."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from authforensics import simulate
from authforensics.document import Document
from authforensics.pipeline import analyze
from authforensics.simulate import Simulated
from authforensics.simulate.scenario import read
from authforensics.simulate.writer import DEVICE_ID, MILLISECONDS, REASON, REQUEST_ID, writers
from proxied import by_proxy
from simulate_small import SMALL, TEXT

TELLS = (DEVICE_ID, MILLISECONDS, REASON, REQUEST_ID)
#: A day's length apart, all windows that patterns are counted in lie as before.
DAY = timedelta(days=1)
FEW = settings(max_examples=2, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)


def lines(run: Simulated, form: str = "nginx_json") -> list[str]:
    return run.lines(writers()[form], TELLS)


def read_back(folder: Path, files: dict[str, Sequence[str]]) -> Document:
    """The document of some files, in the order in which they are named."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text("".join(f"{line}\n" for line in text), encoding="utf-8")
    return analyze([folder / name for name in files]).document


def of(run: Simulated, folder: Path, form: str = "nginx_json") -> Document:
    return read_back(folder, {"access.log": lines(run, form)})


def findings(document: Document, later: timedelta = timedelta(0), name: Callable[[str], str] = str) -> list[tuple]:
    """What is found, by whom, when and how often, `later` taken back and devices called as before."""
    return sorted(
        (
            *(one.detector, name(one.device_id or ""), one.devices, one.count, one.severity.value),
            *(one.confidence.value, one.first_seen - later, one.last_seen - later, one.ongoing, one.reason or ""),
        )
        for one in document.findings
    )


def incidents(document: Document, later: timedelta = timedelta(0), name: Callable[[str], str] = str) -> list[tuple]:
    """Incidents with their devices, and all their causes as they rank."""
    return sorted(
        (
            *(one.title, one.severity.value, one.first_seen - later, one.last_seen - later, one.ongoing),
            *(one.requests_denied, one.devices_recovered, one.devices_ill, one.writes_lost),
            sorted(map(name, one.device_ids)),
            [(cause.cause, cause.confidence.value, cause.score) for cause in one.root_causes],
        )
        for one in document.incidents
    )


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Document:
    document = of(SMALL, tmp_path_factory.mktemp("base"))
    causes = [one.root_causes[0].cause for one in document.incidents]
    assert {"malformed_header", "signing_key_mismatch"} <= set(causes)
    assert len(document.findings) > 20
    return document


def same(document: Document, base: Document) -> None:
    assert findings(document) == findings(base)
    assert incidents(document) == incidents(base)


@pytest.mark.parametrize(
    "later",
    [pytest.param(37 * DAY, marks=pytest.mark.slow), -400 * DAY, 3 * DAY + timedelta(hours=1)],
    ids=str,
)
def test_when_it_happened_does_not_matter(base, tmp_path, later):
    scenario = SMALL.scenario.model_copy(update={"start": SMALL.scenario.start + later})
    document = of(replace(SMALL, scenario=scenario), tmp_path)
    assert findings(document, later) == findings(base)
    assert incidents(document, later) == incidents(base)


def test_what_devices_are_called_does_not_matter(base, tmp_path):
    ids = {found for line in lines(SMALL) for found in re.findall(r'"[^"]*device[^"]*": "([0-9a-f]{16})"', line)}
    names = {one: f"phone-{number:03}" for number, one in enumerate(sorted(ids, key=lambda one: one[::-1]))}
    assert len(names) > 20
    back = {new: old for old, new in names.items()}
    renamed = [re.sub(r"\b[0-9a-f]{16}\b", lambda hit: names.get(hit[0], hit[0]), line) for line in lines(SMALL)]
    document = read_back(tmp_path, {"access.log": renamed})

    def as_before(device: str) -> str:
        return back.get(device, device)

    assert findings(document, name=as_before) == findings(base)
    assert incidents(document, name=as_before) == incidents(base)


def test_what_paths_are_called_does_not_matter(base, tmp_path):
    paths = {"/api/inbox": "/api/orders", "/api/positions": "/api/parcels", "/api/profile": "/api/settings"}
    text = lines(SMALL)
    for old, new in paths.items():
        text = [line.replace(old, new) for line in text]
    assert text != lines(SMALL)
    same(read_back(tmp_path, {"access.log": text}), base)


def test_what_an_application_says_hours_later_is_no_request(base, tmp_path):
    # By a clock that is nine hours ahead, as where Django's TIME_ZONE sets that of the process.
    later = max(one.last_seen for one in base.sources if one.last_seen) + timedelta(hours=9)
    said = [f"{later:%Y-%m-%d %H:%M:%S},{number:03} INFO worker: reports are made" for number in range(20)]
    document = read_back(tmp_path, {"access.log": lines(SMALL), "app.log": said})
    assert sum(one.events for one in document.sources) == sum(one.events for one in base.sources) + 20
    assert any(one.ongoing for one in base.incidents)
    same(document, base)


def _hexadecimal(number: int) -> str:
    return f"{random.Random(number).getrandbits(28):07x}"


def _words(number: int) -> str:
    return "-".join(random.Random(number).choices(("blue", "green", "shirt", "shoe", "xl", "new", "old"), k=5))


@pytest.mark.parametrize("name", [_hexadecimal, _words], ids=["hexadecimal", "words"])
def test_what_ids_in_paths_look_like_does_not_matter(tmp_path, name):
    text = lines(SMALL)

    def with_ids(called: Callable[[int], str]) -> list[str]:
        return [
            re.sub(r"(/api/(?:inbox|orders|positions|profile))(?=[\" ?])", rf"\1/{called(number)}", line)
            for number, line in enumerate(text)
        ]

    document = read_back(tmp_path / "numbers", {"access.log": with_ids(str)})
    assert any(one.route == "/api/inbox/{id}" and one.denied for one in document.endpoints)
    same(read_back(tmp_path / "other", {"access.log": with_ids(name)}), document)


@FEW
@given(cuts=st.lists(st.integers(1, 2_800), max_size=4, unique=True), seed=st.integers(0, 1 << 16))
def test_how_files_are_cut_and_ordered_does_not_matter(base, tmp_path_factory, cuts, seed):
    text, ends = lines(SMALL), [0, *sorted(cuts), None]
    parts = [text[begin:end] for begin, end in pairwise(ends)]
    order = list(range(len(parts)))
    random.Random(seed).shuffle(order)
    same(read_back(tmp_path_factory.mktemp("cut"), {f"access-{one}.log": parts[one] for one in order}), base)


def test_one_file_a_server_is_the_same_as_one_file_for_all(base, tmp_path):
    """What two servers log is in two files; only lines of one millisecond have no order then, and there are none."""
    text = lines(SMALL)
    same(read_back(tmp_path, {"web-1.log": text[::2], "web-2.log": text[1::2]}), base)


def test_the_log_of_the_server_behind_the_proxy_changes_nothing(base, tmp_path):
    behind = by_proxy(lines(SMALL, "combined"))
    document = read_back(tmp_path, {"access.log": lines(SMALL), "app.log": behind})
    same(document, base)
    (system,), (before,) = document.systems, base.systems
    assert (system.requests, system.identity, system.join) == (before.requests, before.identity, before.join)
    (source,) = [one for one in document.sources if one.source == "app.log"]
    assert (source.events, source.duplicates) == (0, len(behind))
    assert source.note == f"{len(behind):,} requests are in access.log, too: counted there"


def test_nor_does_one_that_was_written_in_another_zone(base, tmp_path):
    """Werkzeug writes neither a zone nor who called."""

    def later(hit: re.Match[str]) -> str:
        return f"[{datetime.strptime(hit[1], '%d/%b/%Y:%H:%M:%S %z') + timedelta(hours=2):%d/%b/%Y %H:%M:%S}]"

    behind = [
        re.sub(r'" (\d+) .*', r'" \1 -', re.sub(r"\[(\S+ \+0000)\]", later, line))
        for line in by_proxy(lines(SMALL, "combined"))
    ]
    document = read_back(tmp_path, {"access.log": lines(SMALL), "server.log": behind})
    same(document, base)
    (system,), (before,) = document.systems, base.systems
    assert (system.requests, system.last_seen) == (before.requests, before.last_seen)
    (offset,) = system.offsets
    assert (offset.source, offset.seconds, offset.how) == ("server.log", pytest.approx(7200, abs=1), "requests")
    assert offset.note.endswith("server.log carries no zone and isn't of UTC, but of UTC+02:00: --tz +02:00")


def test_a_log_that_tells_devices_apart_counts_whichever_side_it_is_of(base, tmp_path):
    files = {"access.log": lines(SMALL, "combined"), "app.log": lines(SMALL)}
    document = read_back(tmp_path, files)
    same(document, base)
    assert {one.source: one.duplicates for one in document.sources} == {"access.log": len(lines(SMALL)), "app.log": 0}


HEALTHY = "healthy = true\n" + TEXT.partition("[[faults]]")[0].replace("mistypes = 0.5", "")


def test_healthy_devices_beside_them_change_neither_findings_nor_causes(base, tmp_path):
    healthy = simulate.run(read(HEALTHY, "healthy.toml"), "healthy", 7)
    assert not of(healthy, tmp_path / "alone").findings
    both = sorted([*lines(SMALL), *lines(healthy)], key=lambda line: re.search(r'"msec": "([\d.]+)"', line)[1])
    document = read_back(tmp_path / "both", {"access.log": both})
    # How many there are is part of what a severity means, and a score may hang on a share.
    assert [one[:4] + one[5:] for one in findings(document)] == [one[:4] + one[5:] for one in findings(base)]
    assert causes(document) == causes(base)


def causes(document: Document) -> list[tuple]:
    """Whom each incident hits since when, and why."""
    return sorted(
        (sorted(one.device_ids), one.first_seen, one.root_causes[0].cause, one.root_causes[0].confidence.value)
        for one in document.incidents
    )


@pytest.mark.slow
@pytest.mark.parametrize("form", ["envoy_json", "ltsv"])
def test_the_format_does_not_matter(tmp_path, form):
    """Of two formats that tell the same, beside one application log."""
    told = {"nginx_json": [], form: []}
    for name in told:
        files = {"access.log": SMALL.lines(writers()[name], {*TELLS} - {REASON}), "app.log": lines(SMALL, "pino")}
        document = read_back(tmp_path / name, files)
        assert len(document.findings) > 20
        told[name] = document
    one, other = told.values()
    assert [found[:4] + found[-2:] for found in findings(one)] == [found[:4] + found[-2:] for found in findings(other)]
    # Formats round times and durations to a millisecond each.
    for found, again in zip(findings(one), findings(other), strict=True):
        assert all(abs(found[at] - again[at]) <= timedelta(milliseconds=2) for at in (6, 7))
    assert [(who, *why) for who, _, *why in causes(one)] == [(who, *why) for who, _, *why in causes(other)]


#: Patterns of one device and of many, such that count in windows and such that compare devices.
SCENARIOS = ("refresh_endpoint_broken", "healthy_mass_logout", "rotation_race", "cookie_expires_first")


@pytest.mark.slow
@pytest.mark.parametrize("name", SCENARIOS)
def test_nothing_of_that_matters_to_whole_scenarios(tmp_path, name):
    run = simulate.simulate(name, 3)
    text = lines(run)
    before = read_back(tmp_path / "before", {"access.log": text})
    scenario = run.scenario.model_copy(update={"start": run.scenario.start + 100 * DAY})
    shifted = of(replace(run, scenario=scenario), tmp_path / "shifted")
    assert findings(shifted, 100 * DAY) == findings(before)
    assert incidents(shifted, 100 * DAY) == incidents(before)
    third = len(text) // 3
    same(
        read_back(
            tmp_path / "cut", {"c.log": text[2 * third :], "a.log": text[:third], "b.log": text[third : 2 * third]}
        ),
        before,
    )
    renamed = [re.sub(r"\b[0-9a-f]{16}\b", lambda hit: f"phone-{hit[0][::-1]}", line) for line in text]
    document = read_back(tmp_path / "renamed", {"access.log": renamed})

    def as_before(device: str) -> str:
        return device.removeprefix("phone-")[::-1]

    assert findings(document, name=as_before) == findings(before)
    assert incidents(document, name=as_before) == incidents(before)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(simulate.packaged())[::6])
def test_logs_of_the_same_requests_are_told_from_those_of_servers_that_share_them(tmp_path, name):
    """Of a whole scenario each: requests arrive as they do when clients wait, retry, refresh and give up."""
    text = simulate.simulate(name, 3).lines(writers()["combined"], ())
    mirrored = read_back(tmp_path / "mirrored", {"access.log": text, "app.log": by_proxy(text)})
    assert {one.source: one.duplicates for one in mirrored.sources} == {"access.log": 0, "app.log": len(text)}
    rng = random.Random(name)
    deals = {"random": [rng.randrange(2) for _ in text], "in turn": [number % 2 for number in range(len(text))]}
    deals["by address"] = [sum(line.split(" ", 1)[0].encode()) % 2 for line in text]
    for how, places in deals.items():
        files = {f"{one}.log": [line for line, at in zip(text, places, strict=True) if at == one] for one in (0, 1)}
        assert not any(one.duplicates for one in read_back(tmp_path / how, files).sources), how


@pytest.mark.slow
@pytest.mark.parametrize("name", SCENARIOS)
def test_windows_of_patterns_may_begin_anywhere(tmp_path, name):
    """The same is found, and explained; where a window begins may make one hit more or less of a surge."""
    run, later = simulate.simulate(name, 3), timedelta(seconds=137)
    before = of(run, tmp_path / "before")
    scenario = run.scenario.model_copy(update={"start": run.scenario.start + later})
    after = of(replace(run, scenario=scenario), tmp_path / "after")
    alone = [[one for one in found if one[1]] for found in (findings(after, later), findings(before))]
    assert alone[0] == alone[1]
    of_many = [[one.detector for one in document.findings if one.device_id is None] for document in (after, before)]
    assert of_many[0] == of_many[1]
    told = [[why for _, _, *why in causes(document)] for document in (after, before)]
    assert told[0] == told[1]
