"""The names that products give to the same field, and which of a file's keys carry which field."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from authforensics.collect.keys import ENVELOPE, bare, fold, sided
from authforensics.collect.units import duration_in

#: By field, best first. A name matches a key as it stands, or in lower case with `_` for `-`; nested keys are
#: joined by dots.
FIELDS: dict[str, tuple[str, ...]] = {
    field: tuple(names.split())
    for field, names in {
        "client_ip": """
            client_ip clientip request.client_ip ClientHost ClientAddr ClientIP client.ip source.ip client.address
            remote_addr remote_ip request.remote_ip request.remote_addr req.ip req.remoteaddress remoteaddress
            downstream_remote_address downstream_direct_remote_address httprequest.remoteip network.peer.address
            http.client_ip net.peer.ip net.sock.peer.addr source.address id.orig_h req.remote_ip remoteip remoteaddr
            remote_host ip ipaddress ip_address client_addr client_address clientaddress source_ip sourceip remote
            identity.sourceip request.ip c_ip cip request_ip network.client.ip
            calleripaddress srcip cliip remote_address client.addr remotehost
        """,
        "forwarded": "xff forwardedfor x_forwarded_for forwarded_for",
        "request": "request request_line requestline requested_url req",
        "method": """
            request_method method request.method RequestMethod req.method http.request.method httpmethod http_method
            ClientRequestMethod httprequest.requestmethod http.method verb requestmethod req_method http_request_method
            http.details.method cs_method csmethod request_verb
            reqmethod httprequest.method
        """,
        "target": """
            request_uri RequestPath request.uri req.originalurl req.url url.original url.full ClientRequestURI
            httprequest.requesturl x_envoy_original_path originalrequesturiwithargs originalurl original_url uri
            url requesturi request.url request_url requesturl req.uri http.target path url.path
            request.path request_path req.path req_path requested_uri ClientRequestPath http.url url_path resourcepath
            requestpath cs_uri_stem csuristem http.url_details.path http_request_path
            httprequest.path
        """,
        "route_key": "routekey route_key",
        "grant": "grant_type granttype",
        "query": "query_string querystring args url.query requestquery is_args_args query http.query url_query"
        " cs_uri_query csuriquery requestquerystring",
        "status": """
            status DownstreamStatus response_code status_code statuscode http.response.status_code res.statuscode
            res.status response.status response.status_code response.statuscode http.status_code response_status
            httprequest.status EdgeResponseStatus httpstatus httpstatuscode http_status http_status_code http.status
            response_statuscode resp_status status_num OriginStatus OriginResponseStatus sc_status scstatus
            elb_status_code elb_response_code http_response.status httpresponse.status request.statuscode
            http.statuscode properties.responsecode responsestatuscode http_response_code api.statuscode
        """,
        "bytes": """
            body_bytes_sent bytes_sent size DownstreamContentSize http.response.body.bytes http.response.bytes
            response.size responselength httprequest.responsesize bytes sentbytes res.contentlength
            res.headers.content_length EdgeResponseBytes response_body_len response_body_size response_size
            http.response_content_length content_length contentlength resp_body_size bytes_out response.length sc_bytes
            scbytes response_bytes txbytes http.response.written
        """,
        "host": """
            vhost http_host request.host RequestHost authority url.domain ClientRequestHost originalhost server_name
            req.host server.address req.headers.host http.host net.host.name domainname host domain
            x_host_header cs_host cs(host) cshost requesthost
        """,
        "user_agent": """
            http_user_agent user_agent user_agent.original ua useragent agent httprequest.useragent
            ClientRequestUserAgent http.user_agent http.useragent request_user_agent identity.useragent req.useragent
            http.useragent_details.useragent request.user_agent cs_user_agent cs(user_agent)
            clientua requestuseragent request.headers.useragent request.useragent
        """,
        "user_id": """
            sub user_id userid user.id uid user.sub claims.sub enduser.id req.user.id user remote_user
            ClientUsername user.name principal request.user_id enduser_id usr.id auth_event.actor_id consumer.custom_id
            consumer.username consumer.id authenticated_entity.consumer_id authenticated_entity.id
            authorizer.principalid authorizer.claims.sub authorizer.sub principalid csusername
        """,
        "device_id": """
            device_id deviceid device.id installation_id installationid app_instance_id device_uuid deviceuuid udid
            device labels.device_id context.device_id
        """,
        "session_id": "session_id sessionid sid session.id session session_state",
        "request_id": """
            request_id reqid req_id requestid http.request.id req.id correlation_id correlationid RayID request.id
            response.headers.x_kong_request_id http.request_id httprequest.requestid req.requestid aws_request_id
            extendedrequestid requestcontext.requestid transactionid transaction_id trackingreference fastly_req_id
            trace_id traceid trace.id otel.trace_id @tr transaction.id correlation.id trace insertid
        """,
        "upstream": """
            upstream_addr upstream_host ServiceURL upstream ServiceAddr serverrouted OriginIP httprequest.serverip
            upstream_address backend_addr backend
        """,
        "platform": "platform device.platform client.platform device.os user_agent.os.name os",
        "app_version": "app_version appversion app.version client_version clientversion service.app_version",
        "reason": """
            authorizer.error authorizererror authorizer_error authorize.error authorizeerror authorize_error
            error_reason response_code_details auth_error jsonpayload.statusdetails statusdetails auth_reason
        """,
        "code": """
            error_code errorcode err.code error.code x_sb_error_code
        """,
        "response_type": "error.responsetype errorresponsetype responsetype error_response_type",
        "error": """
            err.message error.message exception.message error_description err.msg error_message errormessage
            integrationerrormessage integrationerror integration.error thrown.message thrown.extendedstacktrace
            thrown.localizedmessage error.stack_trace exception.stacktrace error.stack errorverbose error_verbose err
            error exception @x exc_info stack_trace meta.stack reason cause error_details
        """,
        "message": """
            msg renderedmessage @m message event body text short_message body.stringvalue @mt messagetemplate
            full_message log.message payload.message event_message log
        """,
        "thrown": """
            err.type error.type err.name error.name error.class exception.type exception.class exception_class
            thrown.name exc_type
        """,
        "logger": "logger logger_name loggername log.logger sourcecontext",
    }.items()
}

#: What requests have and what answers have, whatever their object is called: `http.request.remoteaddr` is an address.
_OF_REQUESTS = {"client_ip", "forwarded", "method", "target", "query", "host", "user_agent"}
_OF_ANSWERS = {"status", "bytes"}
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
    "x_real_ip": "forwarded",
    "cf_connecting_ip": "forwarded",
    "true_client_ip": "forwarded",
    "host": "host",
}
#: What a response header says. Reference: RFC 6750 section 3; https://clerk.com/docs (x-clerk-auth-reason).
RESPONSE_HEADERS: dict[str, str] = {"www_authenticate": "reason", "x_clerk_auth_reason": "reason"}
_HEADER = re.compile(
    r"^(?:http_|req_|request_(?:headers?[_.])?|(?:request|req|http\.request|httprequest|http)\.headers?\.|req_headers?[_.]"
    r"|requestheaders\.|headers?\.|http\.request\.header\.)?(\w+)$"
)
_RESPONSE_HEADER = re.compile(
    r"^(?:sent_http_|upstream_http_|downstream_|origin_|resp(?:onse)?_?headers?[_.]|res_?headers?[_.]|res_|response_"
    r"|(?:res|resp|response|http\.response)\.headers?\.)?(\w+)$"
)

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
    "@t": False,
    "timemillis": False,
    "instant.epochsecond": False,
    "timeunixnano": False,
    "observedtimeunixnano": False,
    "eventtime": False,
    "event_time": False,
    "logtime": False,
    "log_time": False,
    "log.time": False,
    "date_time": False,
    "createdat": False,
    "created_at": False,
    "timestamp_ms": False,
    "timestampms": False,
    "ts_ms": False,
    "unixtime": False,
    "epoch": False,
    "iso8601": False,
    "time_unix": False,
    "receivetimestamp": False,
    "timegenerated": False,
    # Reference: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-variables-for-access-logging.html
    "requesttime": True,
    "requesttimeepoch": True,
    "request_time_epoch": True,
    "identity.requesttime": True,
    "StartLocal": True,
    "StartUTC": True,
    "start_time": True,
    "started_at": True,
    "event.start": True,
    "EdgeStartTimestamp": True,
    "begin_time": True,
    "end_time": False,
    "apache_time": True,
    "requestdatetime": True,
    "reqtimesec": True,
    "timestampinms": False,
    "timeutc": False,
}


#: Times in two numbers: seconds and, for each, its nanoseconds. Reference: Log4j's JsonLayout
NANOS = {"instant.epochSecond": "instant.nanoOfSecond"}
#: The two ends of one request.
SPANS = {
    "EdgeStartTimestamp": "EdgeEndTimestamp",
    "event.start": "event.end",
    "start_time": "end_time",
    "begin_time": "end_time",
}
#: Keys that have the status of requests, or else the number of an error. Reference:
#: https://learn.microsoft.com/azure/azure-monitor/reference/tables/apprequests
_CODES = {"code", "resultcode", "responsecode"}
#: What tells that a key called `code` is the status of requests, not the number of an error; and in how many values.
# Reference: RFC 9110 section 15
_HTTP_STATUS, _MOST = re.compile(r"[1-5][0-9]{2}(?:\.0)?"), 0.8
#: Keys that mean something else beside others. Reference: Zeek's base/protocols/http/main.zeek;
#: https://docs.aws.amazon.com/athena/latest/ug/querying-alb-logs.html
BESIDE: dict[str, dict[str, str]] = {
    "id.orig_h": {"uid": "connection"},
    "elb_status_code": {"target_ip": "upstream"},
    "elb_response_code": {"backend_ip": "upstream"},
}
#: When a collector got a line, if that is all there is. Reference:
#: https://learn.microsoft.com/azure/azure-monitor/logs/log-standard-columns
_COLLECTED = "timegenerated"
#: Keys that make others the start of the request. Reference: Zeek's base/protocols/http/main.zeek;
#: https://cloud.google.com/load-balancing/docs/https/https-logging-monitoring; https://linkerd.io/2/features/access-logging/
_STARTS = {
    "id.orig_h": ("ts", "@timestamp"),
    "httprequest.requestmethod": ("timestamp",),
    "total_ns": ("timestamp",),
}


def matching(keys: Iterable[str], preferred: Mapping[str, str] | None = None) -> dict[str, list[str]]:
    """The keys that carry each field, best first; `preferred` says where a key means another field than elsewhere."""
    keys = list(dict.fromkeys(keys))
    known: tuple[dict[str, list[str]], ...] = ({}, {}, {})
    for key in keys:
        for table, name in zip(known, (key, fold(key), bare(key)), strict=True):
            table.setdefault(name, []).append(key)
    sides: dict[tuple[str, bool], list[str]] = {}
    for key in keys:
        sides.setdefault(sided(key), []).append(key)
    found: dict[str, list[str]] = {}
    taken: set[str] = set()
    beside = {key: field for mark, meant in BESIDE.items() if mark in keys for key, field in meant.items()}
    for key, field in (beside | dict(preferred or {})).items():
        if key in known[0]:
            found.setdefault(field, []).append(key)
            taken.add(key)
    headers = {key: carried for key in keys if (carried := _header(key)) is not None}
    for field, names in FIELDS.items():
        candidates = [key for table in known for name in names for key in table.get(name, ())]
        if field in _OF_REQUESTS | _OF_ANSWERS:
            candidates += [key for name in names for key in sides.get((name, field in _OF_REQUESTS), ())]
        own = [key for key, said in headers.items() if said == field]
        # What the answer itself says comes before what others say of it.
        for candidate in own + candidates if field == "reason" else candidates + own:
            if candidate not in taken:
                found.setdefault(field, []).append(candidate)
                taken.add(candidate)
    return found


def is_code(key: str) -> bool:
    """Whether a key may be the status of requests, or the number of an error."""
    return key.lower() in _CODES


def code_in(values: Mapping[str, Sequence[str]]) -> str | None:
    """The key `code` or `resultCode` if its values are statuses, of requests that have no other; None if there is none.

    Args:
        values: some values of each key that are not empty.
    """
    told = matching(values)
    if "status" in told or told.keys().isdisjoint({"method", "target", "request"}):
        return None
    return next((key for key in values if is_code(key) and _are_statuses(values[key])), None)


def _are_statuses(values: Sequence[str]) -> bool:
    statuses = [code for code in values if _HTTP_STATUS.fullmatch(code)]
    return bool(statuses) and len(statuses) >= _MOST * len(values)


def operation_in(code: str, keys: Iterable[str]) -> str | None:
    """The key that names the operation, with its method, beside a status called like this.

    Reference: https://learn.microsoft.com/azure/azure-monitor/reference/tables/apprequests
    """
    return next((key for key in keys if key.lower() == "name"), None) if code.lower() == "resultcode" else None


def times_in(keys: Iterable[str]) -> dict[str, bool]:
    """The keys that are times, the likeliest first, and whether each is the start of the request."""
    keys = list(keys)
    folded = {fold(key) for key in keys}
    starts = {name for mark, names in _STARTS.items() if mark in folded for name in names}
    times = {key: start for key in keys if (start := _lookup(key, TIMES)) is not None}
    own = {key: start for key, start in times.items() if bare(key) != _COLLECTED}
    times = own or times
    return {key: start or fold(key) in starts for key, start in sorted(times.items(), key=lambda item: _rank(item[0]))}


def wanted(key: str) -> bool:
    """Whether a key carries anything at all."""
    return (
        key in NANOS.values()
        or bool(matching([key]))
        or _lookup(key, TIMES) is not None
        or duration_in([key]) is not None
        or any(key in meant for meant in BESIDE.values())
    )


def _rank(key: str) -> int:
    names = list(TIMES)
    return next(names.index(name) for name in (key, fold(key), bare(key)) if name in TIMES)


def _header(key: str) -> str | None:
    name = fold(key)
    for pattern, known in ((_HEADER, HEADERS), (_RESPONSE_HEADER, RESPONSE_HEADERS)):
        match = pattern.match(name) or pattern.match(ENVELOPE.sub("", name))
        if match and match[1] in known:
            return known[match[1]]
    return None


def _lookup(key: str, table: Mapping[str, bool]) -> bool | None:
    return table.get(key, table.get(fold(key), table.get(bare(key))))
