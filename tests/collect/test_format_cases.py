"""Every format has cases, and each case's lines become exactly the events and rejects it says."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from authforensics.collect import Options, formats
from collecting import collect

FOLDER = Path(__file__).parent.parent / "cases" / "formats"
CASES = {path.stem: tomllib.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.toml"))}


def _shown(value: object) -> object:
    if hasattr(value, "isoformat"):
        return value.isoformat().replace("+00:00", "Z")
    return round(value, 6) if isinstance(value, float) else value


@pytest.mark.parametrize("name", CASES)
def test_lines_become_exactly_these_events_and_rejects(name, tmp_path):
    case = CASES[name]
    log = tmp_path / "case.log"
    log.write_text("\n".join(case["lines"]) + "\n", encoding="utf-8")
    options = {key: case[key] for key in ("format", "log_format", "tz") if key in case}
    collected = collect([log], Options(**options))
    (source,) = collected.sources
    events = [
        {
            key: _shown(value)
            for key, value in row.items()
            if value is not None and key not in {"system", "source", "route", "origin"}
        }
        for row in collected.events.iter_rows(named=True)
    ]
    assert source.format == name.partition(".")[0]
    assert events == case.get("events", [])
    assert collected.rejects.select("line_number", "reason").to_dicts() == case.get("rejects", [])
    counted = (source.lines, source.continuations, source.blank, source.header)
    assert counted == (len(case["lines"]), *(case.get(key, 0) for key in ("continuations", "blank", "header")))


def test_every_format_has_a_case_and_every_case_a_format():
    assert {name.partition(".")[0] for name in CASES} == set(formats())


@pytest.mark.parametrize("name", [name for name, form in formats().items() if form.samples])
def test_a_format_is_recognized_by_its_own_samples(name, tmp_path):
    log = tmp_path / "sample.log"
    log.write_text("\n".join(formats()[name].samples) + "\n", encoding="utf-8")
    (source,) = collect([log]).sources
    assert (source.format, source.rejects) == (name, 0)
    assert source.confidence >= 0.9


def test_a_format_is_called_after_its_module():
    assert all(form.name == name for name, form in formats().items())


#: What the cases of a format have, taken together: a line of each kind that its lines can be.
PARTS = {
    "five lines": lambda case: len(case["lines"]) >= 5,
    "a 401": lambda case: any(event.get("status") == 401 for event in case.get("events", [])),
    "a malformed line": lambda case: bool(case.get("rejects")),
    "a value that is missing": lambda case: len({frozenset(event) for event in case.get("events", [])}) > 1,
    "an escape": lambda case: any(re.search(r'\\|""|[%#][0-9A-F]{2}', line) for line in case["lines"]),
}


@pytest.mark.parametrize("name", formats())
def test_the_cases_of_a_format_are_complete(name):
    """Five lines, a 401, a malformed line, a null and an escape; a case says why its format `lacks` one of them."""
    own = [case for product, case in CASES.items() if product.partition(".")[0] == name]
    lacks = {part: why for case in own for part, why in case.get("lacks", {}).items()}
    missing = {part for part, has in PARTS.items() if not any(map(has, own))}
    assert missing == set(lacks)
    assert all(lacks.values())


@pytest.mark.parametrize("name", [name for name in CASES if name.startswith("json.")])
def test_the_case_of_each_product_that_writes_json_is_complete(name):
    assert len(CASES[name]["lines"]) >= 5
    assert CASES[name].get("rejects") or name == "json.nginx_names"
