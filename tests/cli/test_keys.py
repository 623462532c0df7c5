"""Candidate keys on the command line: where they are named, what is wrong with their files, what is only offered."""

from __future__ import annotations

import builtins
import io
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from authforensics import plan
from authforensics.config import Config
from authforensics.errors import UsageError
from tokens.made import KEY, signed

NOTHING = dict.fromkeys(("tz", "since", "until", "path", "status", "device_key", "memory", "work_dir"))


@pytest.mark.parametrize("command", [["analyze"], ["verify", "--after", "2025-12-25"], ["timeline", "--device", "a"]])
def test_files_of_keys_are_handed_on(run, calls, command):
    run(*command, "access.log", "--env-file", ".env", "--secrets", "s.txt", "--jwks", "a.json", "--jwks", "b.pem")
    given = {name: calls[0][name] for name in ("env_file", "secrets", "jwks")}
    assert given == {"env_file": Path(".env"), "secrets": Path("s.txt"), "jwks": [Path("a.json"), Path("b.pem")]}


@pytest.mark.parametrize(
    ("option", "text", "told"),
    [
        ("env_file", "A=1\nopen secret\n", ":2: expected NAME=value"),
        ("env_file", None, "does not exist"),
        ("secrets", None, "does not exist"),
        ("jwks", "{\n open secret", ":2: expected a JSON Web Key Set (RFC 7517) or PEM"),
        ("jwks", "[]", "expected an object with a list named 'keys'"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_before_any_log_is_read(option, text, told, tmp_path):
    file = tmp_path / "keys"
    if text is not None:
        file.write_text(text)
    with pytest.raises(UsageError) as error:
        plan.planned(Config(), **NOTHING, device=(), only=(), skip=(), **{option: file})
    assert f"{file}" in str(error.value)
    assert told in str(error.value)
    assert "open secret" not in str(error.value)


def test_no_secret_is_in_what_a_plan_shows_of_itself(tmp_path):
    (tmp_path / ".env").write_text(f"SECRET_KEY={KEY}\n")
    made = plan.planned(Config(), **NOTHING, device=(), only=(), skip=(), env_file=tmp_path / ".env")
    assert made.settings.candidates.secrets == (("env:SECRET_KEY", KEY),)
    assert KEY not in repr(made)


@pytest.fixture
def opened(monkeypatch):
    """The names of all files that Python opens."""
    names = []

    def watch(module, name):
        real = getattr(module, name)

        def spy(file, *arguments, **options):
            names.append(os.fspath(file) if not isinstance(file, int) else file)
            return real(file, *arguments, **options)

        monkeypatch.setattr(module, name, spy)

    for module, name in ((builtins, "open"), (io, "open"), (os, "open")):
        watch(module, name)
    return names


def test_a_dotenv_file_among_the_logs_is_offered_and_not_opened(tmp_path, opened, monkeypatch, capsys):
    from authforensics.cli import app

    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / ".env").write_text(f"SECRET_KEY={KEY}\n")
    line = {
        "time": "2025-12-25T04:00:00Z",
        "method": "GET",
        "status": 200,
        "remote_addr": "192.0.2.1",
        "device_id": "a",
    }
    texts = [json.dumps({**line, "path": f"/api/a?token={signed()}"}) for _ in range(5)]
    (logs / "access.log").write_text("\n".join(texts) + "\n")
    monkeypatch.chdir(tmp_path)
    opened.clear()
    assert app.run(["analyze", "logs", "--no-html"]) == 0
    shown = capsys.readouterr()
    assert "found logs/.env, and did not open it: to prove who signed the tokens, add --env-file logs/.env" in shown.err
    assert any(str(name).endswith("access.log") for name in opened)
    assert not [name for name in opened if str(name).endswith(".env")]
    assert app.run(["analyze", "logs", "--no-html", "--env-file", "logs/.env"]) == 0
    shown = capsys.readouterr()
    assert "did not open" not in shown.err
    assert "signed by env:SECRET_KEY (yours)" in shown.out
    assert KEY not in shown.out + shown.err


def test_keys_that_were_left_out_are_told(run, document, monkeypatch):
    import sys

    noted = document.model_copy(update={"tokens": document.tokens.model_copy(update={"notes": ("key 3 is left out",)})})
    real = sys.modules["authforensics.pipeline"].analyze
    monkeypatch.setattr(
        sys.modules["authforensics.pipeline"], "analyze", lambda *a, **o: replace(real(*a, **o), document=noted)
    )
    assert "warning: key 3 is left out" in run("analyze", "access.log", "--no-html").err
