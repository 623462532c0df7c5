"""Platform and app version of a client, from its user agent: looked at once per distinct string.

Browsers are told by ua-parser; the strings of mobile HTTP stacks, which it knows little of, by patterns of our own.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import NamedTuple
from urllib.parse import unquote

import polars as pl
from ua_parser import BasicResolver, Parser
from ua_parser.loaders import load_lazy_builtins

from authforensics.schema import TEXT

# Reference: Alamofire's HTTPHeader.defaultUserAgent: App/1.2 (bundle.id; build:3; iOS 17.5.1) Alamofire/5.9.1
# Custom strings of Android and .NET apps put the system first or the model: App/1.2 (Android 14; Pixel 8; build 3)
_APP = re.compile(r"^(?P<name>[^/()]{1,80}?)\s*/(?P<version>\d[\w.+-]*)\s*\((?P<details>[^)]*)\)")
# Reference: CFNetwork's default: CFBundleName/CFBundleVersion CFNetwork/1498.700.2 Darwin/23.6.0 (build number, not the
# version)
_CFNETWORK = re.compile(r"^(?P<name>[^/]{1,80})/(?P<version>\d[\w.]*)\s.*CFNetwork/")
# An app's own token behind a WebView's string, or before a stack's: App/2.0.90 at the end, App/1.6 Dalvik/2.1.0
_DALVIK = re.compile(r"^(?:(?P<name>[A-Za-z][\w .-]{0,60})/(?P<version>\d[\w.-]*)\s+)?Dalvik/")
_IOS = re.compile(r"\b(iOS|iPhone|iPadOS|iPad|watchOS|tvOS)\b|CFNetwork/.*Darwin/", re.IGNORECASE)
_ANDROID = re.compile(r"\bAndroid\b|\bokhttp/|\bDalvik/|\bCronet/", re.IGNORECASE)
_MAC = re.compile(r"CFNetwork/.*x86_64|\bmacOS\b|Macintosh")
_SERVER = re.compile(
    r"^(Go-http-client|python-|Python/|axios/|node-fetch|node$|got |undici|Apache-HttpClient|Java-http-client|Java/"
    r"|ReactorNetty|GuzzleHttp|Faraday|RestSharp|Ruby|libwww-perl|aiohttp|httpx)",
    re.IGNORECASE,
)
_TOOL = re.compile(
    r"^(curl|Wget|PostmanRuntime|insomnia|HTTPie|Fuzz Faster)|(HealthChecker|kube-probe|UptimeRobot|Pingdom)",
    re.IGNORECASE,
)


class Client(NamedTuple):
    """`platform`: ios, android, macos, web, server, tool, or null; `app_version` as the user agent writes it."""

    platform: str | None
    app_version: str | None


@lru_cache(maxsize=65536)
def client(user_agent: str) -> Client:
    """What a user agent tells; unknown stays null."""
    text = user_agent.strip()
    if not text or text == "-":
        return Client(None, None)
    if _TOOL.search(text):
        return Client("tool", None)
    if _SERVER.search(text):
        return Client("server", None)
    if text.startswith("Mozilla/"):
        return _browser(text)
    version = None
    for pattern in (_DALVIK, _APP, _CFNETWORK):
        if (match := pattern.match(unquote(text))) is not None:
            version = match["version"]
            break
    if _MAC.search(text) and not re.search(r"\biOS\b", text):
        return Client("macos", version)
    if _IOS.search(text):
        return Client("ios", version)
    if _ANDROID.search(text):
        return Client("android", version)
    return Client(None, version)


@cache
def _systems() -> Parser:
    """Tells the operating system, and nothing else: to look for browser and model, too, takes twenty times as long."""
    _, systems, _ = load_lazy_builtins()
    return Parser(BasicResolver(([], systems, [])))


def _browser(text: str) -> Client:
    """A browser or a WebView. The version is the app's, so a browser has none."""
    system = _systems().parse_os(text)
    family = system.family if system else ""
    inside = re.search(r"(?:Safari/[\d.]+|Mobile/\w+)\s+(?P<name>[A-Za-z]\w+)/(?P<version>\d[\w.]*)", text)
    app = inside["version"] if inside and inside["name"] not in {"Safari", "Mobile", "Version", "Edg", "OPR"} else None
    web_view = "; wv)" in text or (family == "iOS" and "Safari/" not in text)
    if web_view or app:
        return Client({"iOS": "ios", "Android": "android"}.get(family, "web"), app)
    return Client("web", None)


def add_clients(requests: pl.DataFrame) -> pl.DataFrame:
    """Fill `platform` and `app_version` where the log itself doesn't have them."""
    agents = requests["user_agent"].drop_nulls().unique()
    known = [client(agent) for agent in agents.cast(pl.String).to_list()]
    table = pl.DataFrame(
        {
            "user_agent": agents,
            "_platform": pl.Series([entry.platform for entry in known], dtype=pl.String),
            "_version": pl.Series([entry.app_version for entry in known], dtype=pl.String),
        }
    ).with_columns(pl.col("_platform", "_version").cast(TEXT))
    return (
        requests.join(table, on="user_agent", how="left", maintain_order="left")
        .with_columns(
            platform=pl.coalesce(pl.col("platform").cast(TEXT), "_platform"),
            app_version=pl.coalesce(pl.col("app_version").cast(TEXT), "_version"),
        )
        .drop("_platform", "_version")
    )
