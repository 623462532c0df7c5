"""The README tells the truth: its generated parts, its commands and their output, its code, its links, its names.

`UPDATE_README=1 python -m pytest tests/test_readme.py` writes the generated parts and the output of the commands anew.
"""

from __future__ import annotations

import ast
import doctest
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
import typer

from authforensics import collect, detect, diagnose, schema, states
from authforensics.cli.app import app
from authforensics.config import load
from authforensics.document import Document

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
UPDATE = bool(os.environ.get("UPDATE_README"))
_PART = re.compile(r"(<!-- generated: (?P<name>[\w-]+) -->\n)(?P<body>.*?)(<!-- end -->)", re.DOTALL)
_FENCE = re.compile(r"^```(?P<kind>\w+)\n(?P<body>.*?)^```$", re.DOTALL | re.MULTILINE)
#: Stands for lines that are not shown: `[... 12 lines left out ...]`.
_CUT = re.compile(r"^\[\.\.\. \d+ lines left out \.\.\.\]$", re.MULTILINE)
_TOOK = re.compile(r";\s+took\s+[\d.]+\s+(?:ms|s)(?:\s+\d+\s+s)?\.")
#: How many lines of a command's output are shown, at its head and at its end; of all others, every line.
_SHOWN = {"make demo": (7, 1)}


def _row(*cells: object) -> str:
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"


def _table(head: tuple[str, ...], rows: Iterator[tuple[object, ...]]) -> str:
    return "\n".join([_row(*head), "|" + "---|" * len(head), *(_row(*row) for row in rows)])


def _formats() -> str:
    return _table(("`--format`", "What it is"), ((f"`{name}`", form.title) for name, form in collect.formats().items()))


def _thresholds(detector: detect.Detector) -> str:
    return ", ".join(f"`{one.name}` {one.value:g} {one.unit}" for one in detector.thresholds)


def _detectors() -> str:
    known = detect.detectors().items()
    return _table(("Detector", "What it sees", "Thresholds"), ((f"`{n}`", d.title, _thresholds(d)) for n, d in known))


def _causes() -> str:
    known = diagnose.known_causes().items()
    return _table(("Cause", "What it says"), ((f"`{name}`", cause.title) for name, cause in known))


def _states() -> str:
    return _table(("State", "The device"), ((f"`{state}`", meaning) for state, meaning in states.MEANING.items()))


def _diagram() -> str:
    return f"```mermaid\n{states.mermaid()}\n```"


def _help() -> str:
    return f"```text\n{_run('authforensics analyze --help', ROOT).rstrip()}\n```"


def _tables() -> str:
    tables = {
        "events": schema.EVENTS,
        "rejects": schema.REJECTS,
        "sessions": schema.SESSIONS,
        "findings": schema.FINDINGS,
    }
    return _table(
        ("Table", "Columns"), ((f"`{n}`", ", ".join(f"`{c}`" for c in columns)) for n, columns in tables.items())
    )


def _endpoint_classes() -> str:
    return ", ".join(f"`{name}`" for name in schema.EndpointClass)


GENERATED: dict[str, Callable[[], str]] = {
    "formats": _formats,
    "detectors": _detectors,
    "causes": _causes,
    "states": _states,
    "diagram": _diagram,
    "help": _help,
    "tables": _tables,
    "endpoint-classes": _endpoint_classes,
}


@cache
def _recipe(target: str) -> str:
    """The command that a target of the Makefile runs, as `make` prints it."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    (recipe,) = re.findall(rf"^{target}:.*\n\t(.+)$", text, re.MULTILINE)
    return recipe.replace("$(BIN)", ".venv/bin")


def _run(command: str, folder: Path) -> str:
    """The output of a command, its standard error included, where `authforensics` and its Python are this one's."""
    made = re.fullmatch(r"make (\w+)", command)
    shown, command = (f"{_recipe(made[1])}\n", _recipe(made[1])) if made else ("", command)
    command = re.sub(r"\.venv/bin/python|(?<![\w./-])authforensics(?= )", '"$PYTHON"', command, count=1)
    if not made:
        command = command.replace('"$PYTHON"', '"$PYTHON" -m authforensics', 1)
    path = os.pathsep.join(filter(None, (str(ROOT / "src"), os.environ.get("PYTHONPATH"))))
    kept = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "FORCE_COLOR"}}
    environment = {**kept, "PYTHON": sys.executable, "PYTHONPATH": path, "PYTHONUTF8": "1"}
    done = subprocess.run(
        ["sh", "-c", command],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        check=False,
    )
    return shown + done.stdout


def _fences(kind: str) -> list[str]:
    return [match["body"] for match in _FENCE.finditer(README.read_text(encoding="utf-8")) if match["kind"] == kind]


def _named(kind: str) -> dict[str, str]:
    """The code blocks of a kind that begin with a comment that names their file."""
    found = ((re.match(r"# (\S+\.\w+)\n", body), body) for body in _fences(kind))
    return {match[1]: body for match, body in found if match}


def _commands() -> list[str]:
    return [line[2:] for body in _fences("console") for line in body.splitlines() if line.startswith("$ ")]


def _timeless(output: str) -> str:
    return _TOOK.sub("; took 1.0 s.", output)


def _cut(command: str, output: str) -> str:
    """What the README shows of a command's output."""
    shown, lines = _SHOWN.get(command), output.splitlines()
    if shown is None:
        return "".join(f"{line}\n" for line in lines)
    head, tail = shown
    hidden = f"[... {len(lines) - head - tail} lines left out ...]"
    return "".join(f"{line}\n" for line in [*lines[:head], hidden, *lines[-tail:]])


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A directory as a clone is, as far as the commands can tell."""
    path = tmp_path_factory.mktemp("clone")
    shutil.copytree(ROOT / "sample_logs", path / "sample_logs")
    return path


@pytest.fixture(scope="module", autouse=True)
def updated(folder) -> None:
    if not UPDATE:
        return
    text = README.read_text(encoding="utf-8")
    text = _PART.sub(lambda part: f"{part[1]}{GENERATED[part['name']]()}\n{part[4]}", text)

    def anew(fence: re.Match[str]) -> str:
        commands = [line[2:] for line in fence["body"].splitlines() if line.startswith("$ ")]
        told = "".join(f"$ {one}\n{_cut(one, _run(one, folder))}" for one in commands)
        return f"```console\n{told}```" if fence["kind"] == "console" else fence[0]

    README.write_text(_FENCE.sub(anew, text), encoding="utf-8")


@pytest.mark.parametrize("name", GENERATED)
def test_a_generated_part_is_up_to_date(name):
    parts = {part["name"]: part["body"] for part in _PART.finditer(README.read_text(encoding="utf-8"))}
    assert set(parts) == set(GENERATED)
    assert parts[name] == f"{GENERATED[name]()}\n"


@pytest.mark.parametrize("command", _commands())
def test_a_command_prints_what_is_shown(command, folder):
    (told,) = [
        output
        for body in _fences("console")
        for shown, output in re.findall(r"^\$ (.+)\n((?:(?!\$ ).*\n)*)", body, re.MULTILINE)
        if shown == command
    ]
    assert _timeless(told) == _timeless(_cut(command, _run(command, folder)))


def test_only_what_is_said_to_be_shortened_is():
    cut = [command for body in _fences("console") if _CUT.search(body) for command in re.findall(r"^\$ (.+)", body)]
    assert cut == list(_SHOWN)


def test_the_code_gives_what_is_shown(folder, monkeypatch):
    monkeypatch.chdir(folder)
    names: dict[str, object] = {}
    assert _fences("pycon")
    for body in _fences("pycon"):
        case = doctest.DocTestParser().get_doctest(body, names, "README", str(README), 0)
        assert doctest.DocTestRunner().run(case, clear_globs=False).failed == 0
        names |= case.globs


def test_every_code_block_is_checked():
    """Python and TOML name their file, and are put there by a test below; no other kind is used."""
    kinds = {match["kind"] for match in _FENCE.finditer(README.read_text(encoding="utf-8"))}
    assert kinds == {"console", "pycon", "python", "toml", "text", "mermaid"}
    for kind in ("python", "toml"):
        assert len(_named(kind)) == len(_fences(kind))
    assert len(_fences("text")) == len(_fences("mermaid")) == 1


def test_the_configuration_file_is_valid(tmp_path):
    path = tmp_path / "authforensics.toml"
    path.write_text(_named("toml")["authforensics.toml"], encoding="utf-8")
    config = load(path)
    detect.check_thresholds(config.thresholds, config.place)
    text = README.read_text(encoding="utf-8")
    assert [
        name for name in type(config).model_fields if f"`{name}`" not in text and name not in config.model_fields_set
    ] == []


def test_the_examples_of_extensions_work(tmp_path):
    """Put where the README says, they pass the tests that every format, detector and cause must pass."""
    for name in ("pyproject.toml", "README.md", "src", "tests"):
        ignore = shutil.ignore_patterns("__pycache__", "recordings")
        source = ROOT / name
        shutil.copytree(source, tmp_path / name, ignore=ignore) if source.is_dir() else shutil.copy(source, tmp_path)
    modules = _named("python")
    cases = {name: body for name, body in _named("toml").items() if name.startswith("tests/")}
    for name, body in {**modules, **cases}.items():
        assert not (tmp_path / name).exists(), name
        (tmp_path / name).write_text(body, encoding="utf-8")
    examples = {Path(name).stem for name in modules}
    assert {Path(name).name.partition(".")[0] for name in cases} == examples
    runners = [
        "tests/collect/test_format_cases.py",
        "tests/detect/test_detector_cases.py",
        "tests/diagnose/test_cause_cases.py",
        "tests/test_explained.py",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", " or ".join(sorted(examples)), *runners],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) >= len(cases) + len(examples)


def test_every_link_and_picture_is_there():
    links = re.findall(r"\]\(([^)#]+)", re.sub(_FENCE, "", README.read_text(encoding="utf-8")))
    inside = [link for link in links if "://" not in link]
    assert {"docs/report.png", "docs/timeline.png", "notebooks/01-first-look.ipynb"} <= set(inside)
    assert [link for link in inside if not (ROOT / link).exists()] == []


def test_every_picture_is_small_and_described():
    text = README.read_text(encoding="utf-8")
    for alt, path in re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", text):
        assert len(alt) > 60, path
        assert (ROOT / path).stat().st_size < 250_000, path


def _exit_codes() -> set[int]:
    """The codes that `cli` can end with, by its own constants."""
    from authforensics.cli import analyze, app, signals, verify

    severities = {10 + rank for rank, _ in enumerate(analyze.FAIL_ON, 1)}
    caught = {signals.SIGNALLED + number for number in signals.numbers()}
    return {0, app.FAILED, app.USAGE, verify.NOT_RECOVERED, verify.NOT_SEEN, *caught, *severities}


def test_every_exit_code_is_told():
    (table,) = re.findall(r"\| Exit code \|.*\n\|---.*\n((?:\|.*\n)+)", README.read_text(encoding="utf-8"))
    told = {int(code) for line in table.splitlines() for code in re.findall(r"\d+", line.split("|")[1])}
    assert told == _exit_codes()


def test_every_part_of_the_document_is_told():
    text = README.read_text(encoding="utf-8")
    assert [name for name in Document.model_json_schema(by_alias=True)["properties"] if f"`{name}`" not in text] == []


def test_every_public_name_is_told():
    tree = ast.parse((ROOT / "src" / "authforensics" / "analysis.py").read_text(encoding="utf-8"))
    (analysis,) = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Analysis"]
    methods = [node.name for node in analysis.body if isinstance(node, ast.FunctionDef) and node.name[0] != "_"]
    text = README.read_text(encoding="utf-8")
    assert [name for name in methods if f"analysis.{name}" not in text] == []
    package = ast.parse((ROOT / "src" / "authforensics" / "__init__.py").read_text(encoding="utf-8"))
    (names,) = [node.value for node in package.body if isinstance(node, ast.Assign) and node.targets[0].id == "__all__"]
    assert [
        name
        for name in ast.literal_eval(names)
        if name != "Analysis" and f"`{name}`" not in text and f".{name}(" not in text
    ] == []


def test_every_compression_is_named():
    from authforensics.collect import compression

    assert [name for name in compression._MAGIC if name not in README.read_text(encoding="utf-8")] == []


def test_what_is_not_there_is_not_told():
    """No option or command in the text that the program doesn't have."""
    commands = typer.main.get_command(app).commands.values()
    shown = {option for command in commands for one in command.params for option in (*one.opts, *one.secondary_opts)}
    text = _FENCE.sub("", README.read_text(encoding="utf-8"))
    options = set(re.findall(r"`(--[a-z-]+)", text))
    assert options - shown == {"--help"}


def test_the_change_log_knows_this_version_and_what_it_finds():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"\n## {project['version']}" in text
    assert [name for name in (*detect.detectors(), *diagnose.known_causes()) if f"`{name}`" not in text] == []
