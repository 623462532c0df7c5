"""The names that products give to the same field, and which of a file's keys carry which field."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

#: By field, best first. A name matches a key as it stands, or in lower case with `_` for `-`; nested keys are
#: joined by dots.
FIELDS: dict[str, tuple[str, ...]] = {
    field: tuple(names.split())
    for field, names in {
        "client_ip": """
            client_ip clientip request.client_ip ClientHost ClientAddr ClientIP client.ip source.ip client.address
            remote_addr remote_ip request.remote_ip request.remote_addr req.ip req.remoteaddress remoteaddress
            downstream_remote_address downstream_direct_remote_address httprequest.remoteip network.peer.address
            source.address ip ipaddress clientaddress
        """,
        "forwarded": "xff forwardedfor x_forwarded_for",
        "request": "request request_line req",
        "method": """
            request_method method request.method RequestMethod req.method http.request.method httpmethod http_method
            ClientRequestMethod httprequest.requestmethod http.method verb
        """,
        "target": """
            request_uri RequestPath request.uri req.url url.original url.full ClientRequestURI
            httprequest.requesturl x_envoy_original_path uri url requesturi request.url http.target path url.path
            request.path req.path resourcepath ClientRequestPath http.url
        """,
        "query": "query_string args url.query requestquery is_args_args",
        "status": """
            status DownstreamStatus response_code status_code statuscode http.response.status_code res.statuscode
            res.status response.status response.status_code http.status_code response_status httprequest.status
            EdgeResponseStatus httpstatus http_status OriginStatus
        """,
        "bytes": """
            body_bytes_sent bytes_sent size DownstreamContentSize http.response.body.bytes http.response.bytes
            response.size responselength httprequest.responsesize bytes sentbytes res.contentlength
            res.headers.content_length
        """,
        "host": """
            vhost http_host request.host RequestHost authority url.domain ClientRequestHost server_name
            server.address req.headers.host host domain
        """,
        "user_agent": """
            http_user_agent user_agent user_agent.original ua useragent agent httprequest.useragent
            ClientRequestUserAgent http.user_agent
        """,
        "user_id": """
            sub user_id userid user.id uid user.sub claims.sub enduser.id req.user.id user remote_user
            ClientUsername user.name principal request.user_id
        """,
        "device_id": """
            device_id deviceid device.id installation_id installationid app_instance_id device_uuid deviceuuid udid
            device labels.device_id context.device_id
        """,
        "session_id": "session_id sessionid sid session.id session",
        "request_id": """
            request_id reqid req_id requestid http.request.id req.id correlation_id correlationid RayID request.id
            trace_id traceid trace.id transaction.id trace
        """,
        "upstream": "upstream_addr upstream_host ServiceURL upstream ServiceAddr serverrouted",
        "platform": "platform device.platform client.platform device.os user_agent.os.name os",
        "app_version": "app_version appversion app.version client_version clientversion service.app_version",
        "reason": """
            sent_http_www_authenticate www_authenticate upstream_http_www_authenticate resp_headers.www_authenticate
            downstream_www_authenticate origin_www_authenticate res.headers.www_authenticate
            response.headers.www_authenticate http.response.headers.www_authenticate error_reason authorizer.error
            authorize.error response_code_details
        """,
        "error": """
            err.message error.message exception.message error_description err.msg error_message errormessage err
            error exception exc_info reason cause
        """,
        "message": "msg message event text short_message",
    }.items()
}

#: What a request header says, however the product prefixes headers.
HEADERS: dict[str, str] = {
    "x_device_id": "device_id",
    "device_id": "device_id",
    "x_device_uuid": "device_id",
    "x_installation_id": "device_id",
    "x_app_instance_id": "device_id",
    "x_client_device_id": "device_id",
    "x_app_version": "app_version",
    "x_client_version": "app_version",
    "app_version": "app_version",
    "x_platform": "platform",
    "x_client_platform": "platform",
    "x_request_id": "request_id",
    "x_correlation_id": "request_id",
    "x_session_id": "session_id",
    "x_user_id": "user_id",
    "user_agent": "user_agent",
    "x_forwarded_for": "forwarded",
    "host": "host",
}
_HEADER = re.compile(
    r"^(?:http_|request_|(?:request|req|http\.request|httprequest)\.headers?\.|req_header_|headers?\.|http\.request\.header\.)?(\w+)$"
)

#: Milliseconds in one unit. `duration` alone says nothing of its unit: see `unit_of`.
DURATIONS: dict[str, float] = {
    "request_time": 1e3,
    "Duration": 1e-6,
    "event.duration": 1e-6,
    "responseTime": 1.0,
    "reqtime": 1e3,
    "reqtime_microsec": 1e-3,
    "request_time_us": 1e-3,
    "duration_ms": 1.0,
    "durationms": 1.0,
    "elapsed_ms": 1.0,
    "latency_ms": 1.0,
    "response_time_ms": 1.0,
    "duration_us": 1e-3,
    "latencies.request": 1.0,
    "responsetime": 1e3,
    "response_time": 1e3,
    "timetaken": 1e3,
    "httprequest.latency": 1e3,
    "latency": 1e3,
    "elapsed": 1.0,
    "duration": 1.0,
    "apptime": 1e3,
}

#: Which end of the request a time is.
TIMES: dict[str, bool] = {
    "msec": False,
    "ts": False,
    "@timestamp": False,
    "time": False,
    "time_iso8601": False,
    "time_local": False,
    "timestamp": False,
    "datetime": False,
    "date": False,
    "asctime": False,
    "event.end": False,
    "EdgeEndTimestamp": False,
    "requesttime": False,
    "requesttimeepoch": False,
    "StartUTC": True,
    "StartLocal": True,
    "start_time": True,
    "started_at": True,
    "event.start": True,
    "EdgeStartTimestamp": True,
    "begin_time": True,
    "end_time": False,
    "apache_time": True,
}


def fold(name: str) -> str:
    """The form in which names are compared."""
    return name.lower().replace("-", "_")


def matching(keys: Iterable[str], preferred: Mapping[str, str] | None = None) -> dict[str, list[str]]:
    """The keys that carry each field, best first; `preferred` says where a key means another field than elsewhere."""
    keys = list(dict.fromkeys(keys))
    exact = {key: key for key in keys}
    folded = {fold(key): key for key in reversed(keys)}
    found: dict[str, list[str]] = {}
    taken: set[str] = set()
    for key, field in (preferred or {}).items():
        if key in exact:
            found.setdefault(field, []).append(key)
            taken.add(key)
    for field, names in FIELDS.items():
        candidates = [exact.get(name) or folded.get(name) for name in names]
        candidates += [key for key in keys if _header(key) == field]
        for candidate in candidates:
            if candidate is not None and candidate not in taken:
                found.setdefault(field, []).append(candidate)
                taken.add(candidate)
    return found


def times_in(keys: Iterable[str]) -> dict[str, bool]:
    """The keys that are times, and whether each is the start of the request."""
    return {key: start for key in keys if (start := _lookup(key, TIMES)) is not None}


def duration_in(keys: Iterable[str]) -> tuple[str, float] | None:
    """The best key that is the request's duration, and the milliseconds in its unit."""
    keys = list(keys)
    known = {name: key for key in keys for name in (key, fold(key))}
    for name, unit in DURATIONS.items():
        if name in known and (name == known[name] or known[name] not in DURATIONS):
            return known[name], _unit(keys) if name == "duration" else unit
    return None


def wanted(key: str) -> bool:
    """Whether a key carries anything at all."""
    return bool(matching([key])) or _lookup(key, TIMES) is not None or duration_in([key]) is not None


def _unit(keys: list[str]) -> float:
    # Caddy writes seconds; Envoy and most loggers milliseconds.
    caddy = "ts" in keys and any(key.startswith("request.") for key in keys)
    return 1e3 if caddy else 1.0


def _header(key: str) -> str | None:
    match = _HEADER.match(fold(key))
    return HEADERS.get(match[1]) if match else None


def _lookup(key: str, table: Mapping[str, bool]) -> bool | None:
    return table.get(key, table.get(fold(key)))
