"""The addresses that clients call, in the styles of different servers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Api:
    """The calls of one style, each `METHOD /path` with `{id}` for a number; what is listed twice is called twice."""

    login: str
    refresh: str
    logout: str
    stream: str
    calls: tuple[str, ...]
    public: tuple[str, ...] = ("GET /", "GET /assets/app-9c1f.js", "GET /assets/app-77ad.css", "GET /favicon.ico")


APIS: Mapping[str, Api] = MappingProxyType(
    {
        "rest": Api(
            login="POST /api/auth/login",
            refresh="POST /api/auth/refresh",
            logout="POST /api/auth/logout",
            stream="GET /api/stream",
            calls=(
                *("GET /api/orders", "GET /api/orders/{id}", "GET /api/inbox", "GET /api/profile", "GET /api/inbox"),
                *("POST /api/positions", "POST /api/positions", "PUT /api/profile/settings", "GET /api/places/{id}"),
                *("POST /api/orders", "GET /api/reports/{id}"),
            ),
        ),
        "php": Api(
            login="POST /mobile/login.php",
            refresh="POST /mobile/refresh_token.php",
            logout="POST /mobile/logout.php",
            stream="GET /mobile/events.php",
            calls=(
                *("GET /mobile/check_session.php", "POST /mobile/location.php", "GET /mobile/messages.php"),
                *("POST /mobile/location.php", "GET /mobile/friends.php", "GET /mobile/history.php?day={id}"),
                *("POST /mobile/messages.php", "GET /mobile/settings.php"),
            ),
        ),
        "versioned": Api(
            login="POST /v2/auth/sign-in",
            refresh="POST /v2/auth/tokens/refresh",
            logout="POST /v2/auth/sign-out",
            stream="GET /v2/live",
            calls=(
                *("GET /v2/feed", "GET /v2/feed", "GET /v2/items/{id}", "GET /v2/items/{id}/comments", "GET /v2/me"),
                *("POST /v2/items/{id}/likes", "PUT /v2/drafts/{id}", "DELETE /v2/drafts/{id}", "POST /v2/events"),
            ),
        ),
    }
)
