"""What leaves the product by whichever exit, held against the real command line: no secret, and hostile text as text."""

from __future__ import annotations

import csv
import json
import re
import unicodedata
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType

import polars as pl
import pytest
from pages import unpacked

from commanded import START, Analyze, combined, runner


class Exits:
    """All that one analysis writes, as text by its name."""

    def __init__(self, analyze: Analyze, logs: Path, out: Path) -> None:
        """Write everything that can be written about `logs` to `out`."""
        self.ran = analyze(
            "-vv", "--color", "always", "--html", out / "r.html", "--json", out / "r.json", "--markdown", out / "r.md",
            "--export", out / "parquet", logs,
        )  # fmt: skip
        again = analyze("-vv", "--no-html", "--export", out / "csv", "--export-format", "csv", logs)
        strict = analyze("-vv", "--no-html", "--strict", logs)
        texts = {"terminal": self.ran.stdout, "stderr": self.ran.stderr}
        texts |= {"plain": again.stdout + again.stderr, "strict": strict.stdout + strict.stderr}
        for path in sorted(out.rglob("*")):
            if path.suffix == ".parquet":
                texts[path.name] = json.dumps(pl.read_parquet(path).to_dicts(), default=str, ensure_ascii=False)
            elif path.is_file():
                texts[path.name] = path.read_text(encoding="utf-8")
        self.figures = json.loads(unpacked(texts["r.html"], "figures"))
        texts["figures"] = "\n".join(_strings(self.figures)).replace("<br>", "")
        self.texts = MappingProxyType(texts)
        self.tables = sorted((out / "csv").glob("*.csv"))


def _strings(value: object) -> Iterator[str]:
    """Every string in what was JSON, as a browser gets it."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, item in value.items():
            yield name
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)


HEADER = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"
PAYLOAD = "eyJzdWIiOiI0MiIsImV4cCI6MTc2NjY2NjY2Nn0"


class Secrets:
    """Makes secrets, each another one, and remembers them."""

    def __init__(self) -> None:
        """Nothing made yet."""
        self.made: list[str] = []

    def _next(self, length: int) -> str:
        digits = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
        state = len(self.made) + 1
        letters = []
        for _ in range(length):
            state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
            letters.append(digits[(state >> 40) % len(digits)])
        self.made.append("x1Y" + "".join(letters))
        return self.made[-1]

    def opaque(self) -> str:
        """An opaque token."""
        return self._next(29)

    def jwt(self) -> str:
        """A token of which the signature must not leave."""
        return f"{HEADER}.{PAYLOAD}.{self._next(40)}"


def _forms(secrets: Secrets) -> list[str]:
    """Every form in which a secret is known to be written, each with its own."""
    forms = Path(__file__).with_name("secret_forms.txt").read_text().splitlines()
    return [form.replace("SECRET", secrets.opaque()) for form in forms]


def _access_log(secrets: Secrets) -> str:
    jwt, opaque = secrets.jwt, secrets.opaque
    lines: list[str] = []
    for device in range(12):
        agent, ip = f"shop/1.0 ({device})", f"192.0.2.{device}"
        for round_ in range(4):
            second = round_ * 30 + device
            refresh = f"/api/refresh_token?refresh_token={opaque()}&client_secret={opaque()}"
            call = (
                f"/api/items?access_token={jwt()}&api_key={opaque()}&password={opaque()}&code={opaque()}#token={jwt()}"
            )
            lines += [
                combined(second, refresh, ip=ip, agent=agent),
                combined(second + 9, call, 401, ip=ip, agent=agent),
            ]
    lines += [combined(300 + number, f"/api/verify/{jwt()}", 401) for number in range(3)]
    odd = [combined(310, f"/x/{form}", 401, agent=f"a {form}") for form in _forms(secrets) if '"' not in form]
    lines += [line for line in odd if "\\" not in line]
    lines += [combined(320, "/x", 401, agent=f"app Bearer {jwt()}", ip=f"192.0.2.{number}") for number in range(12)]
    rejected = (
        *_forms(secrets),
        f"rubbish {jwt()}",
        f"Authorization: Bearer {opaque()}",
        f"Cookie: session={opaque()}; other={opaque()}",
        f"Set-Cookie: sid={opaque()}; Path=/",
        f'{{"refresh_token": "{opaque()}", "password": "{opaque()}", "cut',
        f"10.0.0.1 - - [no time] GET /x?token={opaque()}",
    )
    return "\n".join([*lines, *rejected]) + "\n"


def _json_log(secrets: Secrets) -> str:
    jwt, opaque = secrets.jwt, secrets.opaque
    lines = []
    for device in range(12):
        for step in range(8):
            refresh = step % 2 == 0
            entry: dict[str, object] = {
                "time": (START + timedelta(seconds=step * 20 + device)).isoformat(),
                "remote_addr": "198.51.100.7",
                "method": "POST" if refresh else "GET",
                "path": "/api/refresh_token" if refresh else f"/api/items?access_token={opaque()}",
                "status": 200 if refresh else 401,
                "device_id": f"device-{device}",
                "authorization": f"Bearer {opaque()}",
                "cookie": f"session={opaque()}; csrf={opaque()}",
                "headers": {"Authorization": f"Bearer {jwt()}", "Cookie": f"sid={opaque()}"},
                "request_body": {"refresh_token": opaque(), "password": opaque()},
                "error": f"invalid signature: {jwt()}",
                "referer": f"https://shop.example/back?code={opaque()}",
            }
            lines.append(json.dumps(entry))
    named = ("user_id", "request_id", "host", "upstream_addr", "user_agent", "app_version", "platform", "device_id")
    for step, name in enumerate(
        (*named, "remote_addr", "session_id", "path", "username", "trace_id", "message", "status")
    ):
        at = (START + timedelta(seconds=200 + step)).isoformat()
        entry = {"time": at, "remote_addr": "198.51.100.7", "method": "GET", "path": "/api/items", "status": 401}
        lines += [json.dumps(entry | {name: form}) for form in (jwt(), f"Bearer {jwt()}", f"/x?token={opaque()}")]
    return "\n".join(lines) + "\n"


def _application_log(secrets: Secrets) -> str:
    jwt, opaque = secrets.jwt, secrets.opaque
    messages = (
        f"JWT decode failed: invalid signature {jwt()}",
        f"invalid signature, Authorization: Bearer {opaque()}",
        f"invalid signature, Cookie: session={opaque()}",
        f"invalid signature token={opaque()} password={opaque()} api_key={opaque()}",
        f'invalid signature {{"access_token": "{opaque()}"}}',
        *(f"invalid signature: {form}" for form in _forms(secrets)),
    )
    lines = [
        f"{START + timedelta(seconds=9 + number):%Y-%m-%d %H:%M:%S},000 - app.auth - WARNING - {message}"
        for number, message in enumerate(messages)
    ]
    trace = ["Traceback (most recent call last):", f'    decode("{jwt()}")', f"InvalidSignatureError: {jwt()}"]
    return "\n".join([*lines, *trace]) + "\n"


@pytest.fixture
def analyze(tmp_path: Path) -> Analyze:
    """Run `analyze` in an empty working directory."""
    return runner(tmp_path / "work")


def _pieces(text: str) -> set[str]:
    """All runs of 12 letters and digits, as the secrets are made of."""
    runs = set(re.findall(r"[A-Za-z0-9]{12,}", text))
    return {run_[start : start + 12] for run_ in runs for start in range(len(run_) - 11)}


def test_no_secret_of_the_logs_leaves_by_any_exit(analyze: Analyze, tmp_path: Path) -> None:
    logs, out, secrets = tmp_path / "logs", tmp_path / "out", Secrets()
    (logs / "web").mkdir(parents=True)
    (logs / "api").mkdir()
    (logs / "web" / "access.log").write_text(_access_log(secrets))
    (logs / "api" / "access.json.log").write_text(_json_log(secrets))
    (logs / "api" / "app.log").write_text(_application_log(secrets))
    out.mkdir()
    exits = Exits(analyze, logs, out)
    assert exits.ran.returncode == 0, exits.ran.stderr
    document = json.loads(exits.texts["r.json"])
    assert document["findings"], "the logs must give findings, or no evidence would be shown"
    assert sum(source["rejects"] for source in document["sources"]) >= 6
    assert len(exits.texts) >= 15
    assert "/api/refresh_token" in exits.texts["figures"], "a log line must be drawn, or nothing of it could leak"
    pieces = {secret[start : start + 12] for secret in secrets.made for start in range(len(secret) - 11)}
    leaks = {name: sorted(_pieces(text) & pieces)[:3] for name, text in exits.texts.items()}
    assert not {name: found for name, found in leaks.items() if found}


HOSTILE = (
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(2)>",
    '"\' onmouseover=alert(3) x="',
    "\x1b]0;PWN\x07\x1b[2J\x1b[31mred",
    "\x9b31mred",
    "\u202eevil\u2066x",
    "[bold red]markup[/] [/red][link=http://evil.example]x[/link]",
    '=HYPERLINK("http://evil.example","x")',
    "+cmd|' /C calc'!A0",
    "@SUM(1+1)",
    "`code` ``` | a | <!-- x --> [l](http://evil.example)",
    '"},"x":{"y":"\\',
    "{{7*7}}${7*7}%s{0}",
    "line1\nline2\r\u2028end",
    '<a href="javascript:alert(4)">x</a>',
)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Exits:
    """What is written about a log that is hostile in every field, and whose devices loop."""
    base = tmp_path_factory.mktemp("hostile")
    logs, out = base / "logs", base / "out"
    logs.mkdir()
    out.mkdir()
    lines = []
    for number, text in enumerate(HOSTILE):
        for step in range(8):
            refresh = step % 2 == 0
            entry = dict.fromkeys(("user_id", "host", "upstream_addr", "app_version", "platform", "request_id"), text)
            entry |= {
                "time": (START + timedelta(seconds=step * 20 + number)).isoformat(),
                "remote_addr": "198.51.100.7",
                "method": "POST" if refresh else "GET",
                "path": "/api/refresh_token" if refresh else f"/api/x/{text}",
                "device_id": text,
                "user_agent": text,
                "error": f"invalid signature {text}",
            }
            lines.append(json.dumps({**entry, "status": 200 if refresh else 401}))
    lines += ["not a line: " + text.replace("\n", " ") for text in HOSTILE]
    (logs / "access.json.log").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return Exits(runner(base / "work"), logs, out)


def _invisible(text: str, allowed: str) -> set[str]:
    return {char for char in text if char not in allowed and unicodedata.category(char) in {"Cc", "Cf", "Zl", "Zp"}}


def test_hostile_text_does_not_drive_the_terminal(hostile: Exits) -> None:
    assert hostile.ran.returncode == 0, hostile.ran.stderr
    assert json.loads(hostile.texts["r.json"])["findings"]
    for name in ("plain", "strict", "stderr"):
        assert not _invisible(hostile.texts[name], "\n"), name
    colored = re.sub(r"\x1b\[[\d;]*m", "", hostile.texts["terminal"])
    assert not _invisible(colored, "\n")
    assert "[bold red]markup" in hostile.texts["plain"]


def test_hostile_text_is_no_markup_in_the_report(hostile: Exits) -> None:
    page = hostile.texts["r.html"]
    for live in ("<script>alert", "<img src=x", '<a href="javascript', "<a href='javascript"):
        assert live not in page
    assert page.count("</script") == page.count("<script")
    seen = re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
    assert not _invisible(seen, "\n\t")


def test_hostile_text_is_no_markup_in_the_figures(hostile: Exits) -> None:
    assert hostile.figures["devices"]
    drawn = [one["figure"] for one in hostile.figures["devices"]]
    drawn += [one[name] for one in hostile.figures["systems"] for name in ("fleet", "denials")]
    for text in _strings(drawn):
        for live in ("<script", "<img", "<a "):
            assert live not in text
        assert not _invisible(text, "\n")
    assert any("&lt;script&gt;alert(1)" in text for text in _strings(drawn))


def test_hostile_text_stays_text_in_markdown(hostile: Exits) -> None:
    text = re.sub(r"^(`{3,})\w*\n.*?^\1`*$", "", hostile.texts["r.md"], flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", text)
    for live in ("<img", "<script", "<a href", "](http://evil"):
        assert live not in re.sub(r"\\[<\[\]()]", "", text), live
    assert not _invisible(hostile.texts["r.md"], "\n")


def test_no_cell_of_an_exported_table_is_a_formula(hostile: Exits) -> None:
    assert len(hostile.tables) == 4
    cells = 0
    for path in hostile.tables:
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.reader(file):
                cells += len(row)
                formulas = [cell for cell in row if cell[:1] in {*"=+-@\t\r"} and not re.fullmatch(r"-[\d.]+", cell)]
                assert not formulas, path.name
        assert not _invisible(path.read_text(encoding="utf-8"), "\n"), path.name
    assert cells > 1000


def test_hostile_text_comes_through_json_unchanged(hostile: Exits) -> None:
    document = json.loads(hostile.texts["r.json"])
    assert {one["device_id"] for one in document["devices"]} >= {HOSTILE[0], HOSTILE[1], HOSTILE[11]}
