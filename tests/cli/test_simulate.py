"""`simulate`: lists scenarios, writes one, and says what is wrong with what was asked."""

from __future__ import annotations

import json

import pytest

from authforensics import simulate

OWN = 'title = "own"\nhealthy = true\nhours = 0.3\n[[clients]]\nname = "phones"\ncount = 5\narrives = [-0.5, 0.1]\n'


@pytest.fixture
def own(tmp_path):
    (tmp_path / "own.toml").write_text(OWN, encoding="utf-8")
    return "own.toml"


def test_without_a_scenario_all_are_listed(run):
    code, out, err = run("simulate")
    assert (code, err) == (0, "")
    assert [line.split()[0] for line in out.splitlines()] == list(simulate.packaged())


def test_logs_and_truth_are_written_and_told(run, own, tmp_path):
    code, out, err = run("simulate", own, "--out", "made", "--seed", "3")
    assert (code, out) == (0, "")
    made = ["logs/access.log", "logs/app.log", "deploys.jsonl", "truth.json"]
    assert [line.rpartition("made/")[2] for line in err.splitlines()] == made
    truth = json.loads((tmp_path / "made" / "truth.json").read_text(encoding="utf-8"))
    assert (truth["scenario"], truth["seed"], truth["incidents"]) == ("own", 3, [])
    assert truth["logs"]["access.log"]["tells"] == ["device_id", "milliseconds", "request_id"]


def test_a_log_tells_as_much_as_is_asked(run, own, tmp_path):
    options = ["--format", "ltsv", "--application", "none", "--no-device-id", "--no-request-id", "--resolution", "s"]
    assert run("simulate", own, "--out", "made", *options).code == 0
    assert sorted(path.name for path in (tmp_path / "made" / "logs").iterdir()) == ["access.log"]
    truth = json.loads((tmp_path / "made" / "truth.json").read_text(encoding="utf-8"))
    assert truth["logs"] == {
        "access.log": {"format": "ltsv", "writer": "ltsv", "lines": truth["logs"]["access.log"]["lines"], "tells": []}
    }
    first = (tmp_path / "made" / "logs" / "access.log").read_text(encoding="utf-8").splitlines()[0]
    assert "device_id:-" in first
    assert "time:[07/Oct/2025:05:0" in first


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["healthy_quite", "--out", "x"], "unknown scenario 'healthy_quite'; did you mean 'healthy_quiet'?"),
        (["own.toml"], "--out DIR is missing"),
        (["--out", "x"], "no scenario is named"),
        (["own.toml", "--out", "x", "--format", "pino"], "unknown access log 'pino'; known: alb"),
        (["own.toml", "--out", "x", "--application", "pyno"], "did you mean 'pino'?"),
        (["own.toml", "--out", "x", "--resolution", "us"], "'us'"),
        (["other.toml", "--out", "x"], "other.toml: scenario can't be read"),
    ],
)
def test_what_is_wrong_is_one_line(run, own, tmp_path, arguments, told):
    code, out, err = run("simulate", *arguments)
    assert (code, out) == (2, "")
    assert told in err
    assert err.count("\n") == 1
    assert not (tmp_path / "x").exists()
