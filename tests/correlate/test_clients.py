"""Platform and app version from user agents: of mobile stacks by our patterns, of browsers by the library."""

from __future__ import annotations

import pytest

from authforensics.correlate.clients import Client, client


@pytest.mark.parametrize(
    ("agent", "platform", "version"),
    [
        ("Ferry/2.9.1 (com.example.ferry; build:2910; iOS 17.5.1) Alamofire/5.9.1", "ios", "2.9.1"),
        ("Night Bus/1.5.4 (com.example.nightbus; build:1; iOS 26.1.0) Alamofire/5.10.2", "ios", "1.5.4"),
        ("Ferry/5400 CFNetwork/1498.700.2 Darwin/23.6.0", "ios", "5400"),
        ("Night%20Bus/9 CFNetwork/1406.0.4 Darwin/22.4.0", "ios", "9"),
        ("Ferry/12 CFNetwork/1206 Darwin/20.1.0 (x86_64)", "macos", "12"),
        ("Ferry/2.9.1 (Android 14; Pixel 8; build 2910) okhttp/4.12.0", "android", "2.9.1"),
        ("okhttp/4.12.0", "android", None),
        ("Dalvik/2.1.0 (Linux; U; Android 13; SM-A042M Build/TP1A.220624.014)", "android", None),
        ("Ferry/1.6.0-debug Dalvik/2.1.0 (Linux; U; Android 14; SM-S928W Build/UP1A)", "android", "1.6.0-debug"),
        ("Ferry/9.41.0 (iPhone; iOS 17.5.1; Scale/2.00)", "ios", "9.41.0"),
        ("FerryMobile/2023.1.0 (Android 13; SDK 33; Model SM-F926B)", "android", "2023.1.0"),
        (
            (
                "Mozilla/5.0 (Linux; Android 14; SM-G991U Build/UP1A; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 "
                "Chrome/132.0.6834.163 Mobile Safari/537.36 Ferry/2.0.90"
            ),
            "android",
            "2.0.90",
        ),
        (
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 15_2 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 "
                "Ferry/11.10.8 (build:11100008; iOS 15.2)"
            ),
            "ios",
            "11.10.8",
        ),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/122.0.0.0 Safari/537.36",
            "web",
            None,
        ),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.1 Safari/605.1.15",
            "web",
            None,
        ),
        (
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 "
                "Mobile/15E148 Safari/604.1"
            ),
            "web",
            None,
        ),
        ("Go-http-client/2.0", "server", None),
        ("python-requests/2.28.1", "server", None),
        ("curl/8.5.0", "tool", None),
        ("ELB-HealthChecker/2.0", "tool", None),
        ("Dart/2.16 (dart:io)", None, "2.16"),
        ("something else", None, None),
        ("-", None, None),
        ("", None, None),
    ],
)
def test_a_user_agent(agent, platform, version):
    assert client(agent) == Client(platform, version)
