"""Builds HAR recordings as browsers and proxies write them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

START = datetime(2026, 3, 1, 10, 0, tzinfo=UTC)
CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"


def har(entries: list[Any], name: str = "WebInspector", **fields: Any) -> dict[str, Any]:
    """A whole document."""
    return {"log": {"version": "1.2", "creator": {"name": name, "version": "537.36"}, **fields, "entries": entries}}


def entry(at: float, method: str, url: str, status: int, **more: Any) -> dict[str, Any]:
    """One entry, `at` seconds after the start.

    Args:
        at: when the request began.
        method: of the request.
        url: of the request.
        status: of the answer.
        more: `sends` and `gets` (headers), `body` (of the request: a dict is a form, a list of one JSON), `answer`
            (text, or an object as JSON), `took` (milliseconds); all else are fields of the entry.
    """
    sends = {"User-Agent": CHROME} | more.pop("sends", {})
    gets, body, answer = more.pop("gets", {}), more.pop("body", None), more.pop("answer", None)
    request = {"method": method, "url": url, "httpVersion": "h2", "headers": _headers(sends), "queryString": []}
    if isinstance(body, dict):
        form = "application/x-www-form-urlencoded"
        request["postData"] = {"mimeType": form, "params": _headers(body)}
    elif body is not None:
        request["postData"] = {"mimeType": "application/json", "text": json.dumps(body[0])}
    content: dict[str, Any] = {"size": 0, "mimeType": "application/json"}
    if answer is not None:
        content["text"] = answer if isinstance(answer, str) else json.dumps(answer)
    began = (START + timedelta(seconds=at)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {
        "_initiator": {"type": "script"},
        "cache": {},
        "request": request,
        "response": {"status": status, "statusText": "", "headers": _headers(gets), "content": content},
        "serverIPAddress": f"198.51.100.{int(at) % 250}",
        "startedDateTime": began,
        "time": more.pop("took", 80.0),
        "timings": {"send": 0, "wait": 80, "receive": 0},
        **more,
    }


def _headers(pairs: dict[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in pairs.items()]


def write(path: Any, document: Any, indent: int | None = 2) -> Any:
    """Put a document into a file."""
    path.write_text(json.dumps(document, indent=indent), encoding="utf-8")
    return path
