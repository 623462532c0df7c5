"""How right the analysis is: simulates scenarios, analyses their logs, and compares with what is true of them.

A log comes in variants: with device ids or without (`id`, `noid`), exact to a millisecond or a second (`ms`, `s`), and
with the application's log beside it or without (`app`, `access`). The four of `VARIANTS` have each value of each of the
three twice, once with each value of each other one.

What counts:

- An incident is found if one is reported that overlaps it in time and shares half of its own devices, or half of the
  true ones. Each reported one is counted for one true incident, the one whose devices it meets best.
- A device must be found by a detector if it plainly did what that detector looks for, and may be if it is on the edge;
  the simulator decides that by what the device did, and knows no detector. Precision: of the devices found, those that
  must or may be. Recall: of those that must be, the ones found. Where the log doesn't tell devices apart, an identity
  is right if one of the devices behind it is. Detectors of whole fleets are counted by incidents: found is one beside
  which they report something, wrong is a report beside none. `token_exposed` is said of a log and counted once a log.
  What needs reasons (`signature_failure_burst`,
  `malformed_token`) isn't missed in a log that tells none, and `denial_surge` and `mass_logout` not where other
  findings are about most devices of the incident: one is for what these leave over, the other only informs.
- What a log can't show at all (`unseen` in the truth says why) is no incident to be found in it, and a device need not be
  found by a detector there; a report of it is no false one.
- An onset is in time from the first effect to the first one that the log shows for what it is, and 30 s around; see
  `authforensics.simulate.shown`.
- A cause is right if the scenario names it. `undetermined` is right where the scenario says that this log does not
  suffice, and wrong elsewhere.
- Alarms are findings on healthy days, and on other days those about devices that nothing is wrong with.
- A lifetime is right if the interval given contains one that was in force.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from authforensics import pipeline, simulate
from authforensics.simulate import Simulated
from benchmarks.judging import Judged, judge

VARIANTS = ("id-ms-app", "id-s-access", "noid-ms-access", "noid-s-app")


#: As many processes as the machine that the bound on time is meant for has processors.
PROCESSES = 2


def in_parallel(names: Sequence[str], seeds: Sequence[int], variants: Sequence[str] = VARIANTS) -> list[Judged]:
    """All scenarios with all seeds, in two processes."""
    # Two processes share two processors better than two threads of each do.
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POLARS_MAX_THREADS", "1")
        with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as pool:
            started = [pool.submit(run, name, seed, variants) for seed in seeds for name in names]
            return [judged for one in started for judged in one.result()]


def run(name: str, seed: int, variants: Iterable[str] = VARIANTS) -> list[Judged]:
    """One scenario, in some variants of its logs."""
    simulated = simulate.simulate(name, seed)
    return [_run(simulated, variant) for variant in variants]


def _run(simulated: Simulated, variant: str) -> Judged:
    identity, resolution, logs = variant.split("-")
    usual = simulated.scenario.logs
    wanted = {
        "device_id": identity == "id",
        "resolution": resolution,
        "application": (usual.application or "pino") if logs == "app" else None,
    }
    with tempfile.TemporaryDirectory() as folder:
        simulated.write(Path(folder), usual.model_copy(update=wanted))
        began = time.process_time()
        analysis = pipeline.analyze(Path(folder) / "logs")
        seconds = time.process_time() - began
        truth = json.loads((Path(folder) / "truth.json").read_text(encoding="utf-8"))
        judged = judge(truth, analysis.document, variant, seconds)
        analysis.close()
    return judged


def described(one: Judged) -> Iterator[str]:
    """A run in lines: the first says it all, the others what is wrong."""
    found = sum(met.given is not None for met in one.incidents)
    told = [
        f"{one.scenario} seed {one.seed} {one.variant}: {found} of {len(one.incidents)} incidents, {len(one.given)} given"
    ]
    for met in one.incidents:
        if met.given is None:
            told.append(f"{met.cause} NOT FOUND")
            continue
        told.append(
            f"{met.cause}: {'right' if met.right else 'WRONG'} {met.given.cause} {met.given.confidence}"
            f" {met.given.score:.2f}, rank {met.rank or '-'}, onset {met.onset_error:+.1f} s"
            f", devices {met.precision:.2f}/{met.recall:.2f} of {met.devices}"
        )
    told += [f"alarms {one.alarms}"] if one.alarms else []
    told += [f"{kind} lifetime {'inside' if right else 'OUTSIDE'}" for kind, right in sorted(one.lifetimes.items())]
    yield "; ".join(told)
    for name, counts in sorted(one.detectors.items()):
        ill = counts.wrong or counts.missed
        yield (
            f"    {'!' if ill else ' '} {name}: right {len(counts.right)}, wrong {len(counts.wrong)},"
            f" missed {len(counts.missed)} of {len(counts.missed) + counts.hit}"
            + (f"; wrong {', '.join(counts.wrong[:4])}" if counts.wrong else "")
            + (f"; missed {', '.join(counts.missed[:4])}" if counts.missed else "")
        )
    for given in one.given:
        if not given.right:
            mark = "MISLEADS" if given.misleads else "besides"
            yield (
                f"      {mark}: {given.severity} '{given.title}' {given.devices} devices, {given.cause}"
                f" {given.confidence} {given.score:.2f}; about {', '.join(given.about) or 'nothing'}"
            )


def main(arguments: Sequence[str]) -> None:
    """Run some scenarios and print what came of them."""
    parser = argparse.ArgumentParser(prog="accuracy", description="How right the analysis of simulated logs is.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="scenarios, or parts of their names; by default all")
    parser.add_argument("--seeds", default="1", metavar="N[,N]", help="by default 1")
    parser.add_argument("--variants", default=VARIANTS[0], metavar="NAME[,NAME]", help=f"all, or some like {VARIANTS}")
    parser.add_argument("--brief", action="store_true", help="one line a run")
    chosen = parser.parse_args(arguments)
    known = list(simulate.packaged())
    exact = [name for name in chosen.names if name in known]
    names = [
        name
        for name in known
        if not chosen.names or name in exact or any(part in name for part in chosen.names if part not in known)
    ]
    variants = VARIANTS if chosen.variants == "all" else tuple(chosen.variants.split(","))
    for name in names:
        for seed in chosen.seeds.split(","):
            for judged in run(name, int(seed), variants):
                lines = list(described(judged))
                print("\n".join(lines[:1] if chosen.brief else lines), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
