"""Conventions that no linter knows: they hold by being checked."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "authforensics"
MODULES = sorted(PACKAGE.rglob("*.py"))
MAX_LINES = 400
VAGUE_NAMES = {"common", "helper", "helpers", "manager", "misc", "util", "utils"}
#: One row at a time in Python is what this tool must never do with log lines.
ROW_BY_ROW = {"iter_rows", "iter_slices", "itertuples", "map_elements", "map_rows"}
GENERATED = (".venv", ".git", ".hypothesis", "__pycache__", "build", "dist")
#: Put together here, so that this file doesn't hold what it forbids.
MACHINE_PATHS = re.compile("|".join(("/" + "work/", "[.]" + "library", "/" + "home/[a-z]", "/" + "Users/[a-z]")))


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def _nodes(path: Path) -> list[ast.AST]:
    """All that a module is made of, looked at by several tests."""
    return list(ast.walk(_tree(path)))


def _own_files() -> list[Path]:
    """The files of the repository: those git knows or would add, else all that are not generated."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode == 0:
        return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]
    return [path for path in ROOT.rglob("*") if path.is_file() and not set(path.parts) & set(GENERATED)]


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_a_module_fits_in_one_head(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_LINES


def test_no_module_is_named_after_nothing():
    formats = PACKAGE / "collect" / "formats"  # one of them is called common
    vague = [path for path in MODULES if path.stem.strip("_") in VAGUE_NAMES and path.parent != formats]
    assert vague == []


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_what_is_public_says_what_it_is(path):
    tree = _tree(path)
    silent = [] if ast.get_docstring(tree) else ["the module"]
    for node in tree.body:
        is_definition = isinstance(node, ast.FunctionDef | ast.ClassDef)
        if is_definition and not node.name.startswith("_") and not ast.get_docstring(node):
            silent.append(node.name)
    assert silent == []


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_a_module_opens_with_one_line(path):
    assert (ast.get_docstring(_tree(path)) or "").partition("\n\n")[0].strip().endswith((".", "!", "?"))


def test_nothing_goes_row_by_row():
    used = [
        f"{_name(path)}:{node.lineno} {node.attr}"
        for path in MODULES
        for node in _nodes(path)
        if isinstance(node, ast.Attribute) and node.attr in ROW_BY_ROW
    ]
    assert used == []


def test_nobody_imports_from_the_package_root():
    submodules = {path.stem for path in PACKAGE.iterdir()}
    found = [
        f"{_name(path)}:{node.lineno}"
        for path in MODULES
        for node in _nodes(path)
        if (isinstance(node, ast.Import) and any(alias.name == "authforensics" for alias in node.names))
        or (
            isinstance(node, ast.ImportFrom)
            and node.module == "authforensics"
            and not {alias.name for alias in node.names} <= submodules
        )
    ]
    assert found == []


@pytest.mark.parametrize("banned", ["print", "input", "breakpoint"])
def test_only_the_command_line_talks(banned):
    found = [
        f"{_name(path)}:{node.lineno}"
        for path in MODULES
        if PACKAGE / "cli" not in path.parents
        for node in _nodes(path)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == banned
    ]
    assert found == []


def _imports(packages: set[str]) -> Iterator[Path]:
    """The modules that import one of `packages`."""
    for path in MODULES:
        for node in _nodes(path):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if any(name.split(".")[0] in packages for name in names):
                yield path


def test_nothing_reaches_for_the_network():
    network = {"aiohttp", "ftplib", "http", "httpx", "requests", "smtplib", "socket", "urllib3"}
    assert [_name(path) for path in _imports(network)] == []


def test_no_file_knows_the_machine_it_was_written_on():
    found = []
    for path in _own_files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [f"{_name(path)}:{text.count(chr(10), 0, hit.start()) + 1}" for hit in MACHINE_PATHS.finditer(text)]
    assert found == []


@pytest.mark.parametrize("name", ["README.md", "LICENSE", "CHANGELOG.md", "Makefile", "src/authforensics/py.typed"])
def test_what_a_stranger_looks_for_is_there(name):
    assert (ROOT / name).is_file()


def test_every_sample_tells_its_story():
    folders = [path for path in (ROOT / "sample_logs").iterdir() if path.is_dir()]
    assert len(folders) >= 3
    for folder in (ROOT / "sample_logs", *folders):
        assert (folder / "README.md").is_file(), folder
    for folder in folders:
        assert (folder / "expected.toml").is_file(), folder


def test_the_samples_stay_small():
    files = [path for path in (ROOT / "sample_logs").rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 3_000_000
    assert not any(path.is_symlink() for path in files)


def _locked(name: str) -> dict[str, str]:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    pins = (re.match(r"([\w.-]+)==(\S+)", line) for line in lines)
    return {pin[1]: pin[2] for pin in pins if pin}


def test_the_locks_hold_every_dependency_with_hashes_and_no_address():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = [re.match(r"[\w.-]+", line)[0] for line in project["project"]["dependencies"]]
    wanted_for_development = [
        re.match(r"[\w.-]+", line)[0] for line in project["project"]["optional-dependencies"]["dev"]
    ]
    names = ("requirements.lock", "requirements-dev.lock", "requirements-all.lock")
    run_time, development, everything = map(_locked, names)
    assert set(wanted) <= set(run_time)
    assert set(wanted_for_development) - {"authforensics"} <= set(development)
    assert run_time.items() <= development.items() <= everything.items()
    for line in (line for lines in project["project"]["optional-dependencies"].values() for line in lines):
        assert line.startswith("authforensics") or re.match(r"[\w.-]+", line)[0] in everything
    for name in names:
        text = (ROOT / name).read_text(encoding="utf-8")
        assert text.count("==") <= text.count("--hash=sha256:")
        assert not re.search(r"https?:|file:|--(extra-)?index-url|--find-links", text)


def test_the_wheel_holds_what_is_not_python():
    """What the package needs at run time lies inside the package folder, which the wheel takes whole."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"] == ["src/authforensics"]


def test_the_import_contracts_see_every_layer():
    """A folder without modules would make the contracts hold for nothing."""
    for folder in ("collect", "correlate", "detect", "diagnose", "report", "cli"):
        assert list((PACKAGE / folder).glob("*.py")), folder


def test_python_is_new_enough_to_mean_what_is_written():
    assert sys.version_info >= (3, 11)
