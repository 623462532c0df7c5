"""The layouts in which the same traffic is written, to be read one beside the other: all that the tool reads as lines.

A layout is a line with places in it: `<ip>` is replaced by the address of who called, and so on.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import polars as pl

from benchmarks.logs import clock, details
from benchmarks.traffic import Plan, pick, plan, windows

#: What all others are compared with.
TEXT = "combined"
_PLACE = re.compile(r"<(\w+)>")
_CLF, _ISO, _SPACED, _EPOCH = "%d/%b/%Y:%H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "epoch"


@dataclass(frozen=True)
class Form:
    """A layout: the format that reads it, a line, how `<clock>` is written ("epoch" in seconds), what is above all lines.

    `log_format` is what has to be said of it, `whole` whether no record has several lines.
    """

    format: str
    line: str
    clock: str
    head: str = ""
    log_format: str | None = None
    whole: bool = True

    def path(self, folder: Path, lines: int) -> Path:
        """Where the log of so many records is; of another layout it has another name."""
        return folder / f"form-{lines}-{crc32(repr(self).encode()):08x}.log"

    def render(self, written: pl.DataFrame, day: Plan) -> pl.DataFrame:
        """A column of lines, from what every format writes."""
        names = _PLACE.findall(self.line)
        values = _values(day, clock(self.clock))
        text = _PLACE.sub("{}", self.line.replace("{", "{{").replace("}", "}}"))
        return written.select(pl.format(text, *(values[name] for name in names)))


def _values(day: Plan, times: pl.Series) -> dict[str, pl.Expr]:
    """What is put in the places."""
    draw, target, agent = day.chance.draw, pl.col("target"), pl.col("agent")
    digits = [f"{number:04x}" for number in range(2**16)]
    hexes = [pick(digits, draw("key", f"id {part}", 2**16)) for part in range(8)]
    lasted = draw("key", "duration", 397) + 3
    device = pick(day.actors["device_id"], pl.col("actor"))
    failed = pl.col("status").is_in([401, 403])
    return {
        **{name: pl.col(name) for name in ("ip", "agent", "method", "target", "status", "bytes")},
        "clock": pick(times, pl.col("second")),
        "ms": _digits(draw("key", "milliseconds", 1_000), 3),
        "us": _digits(draw("key", "microseconds", 1_000_000), 6),
        "lasted": lasted,
        "seconds": pl.format("0.{}", _digits(lasted, 3)),
        "micros": lasted * 1_000 + draw("key", "micros", 1_000),
        "port": 1_024 + draw("key", "port", 60_000),
        "path": target.str.extract(r"^([^?]*)"),
        "query": target.str.extract(r"\?(.*)$").fill_null("-"),
        "agent_plus": agent.str.replace_all(" ", "+", literal=True),
        "upstream": pick(["10.0.3.11:8080", "10.0.3.12:8080", "10.0.3.13:8080"], draw("key", "upstream", 3)),
        "server": pick(["s1", "s2", "s3"], draw("key", "upstream", 3)),
        "id": pl.concat_str(hexes),
        "id24": pl.concat_str(hexes[:6]),
        "uuid": pl.concat_str(hexes[0], hexes[1], pl.lit("-"), pl.concat_str(hexes[2:6], separator="-"), *hexes[6:8]),
        "device": pl.when(device == "").then(pl.lit("-")).otherwise(device),
        "user": pl.col("actor") + 1_000,
        "level": pl.when(failed).then(pl.lit("WARNING")).otherwise(pl.lit("INFO")),
        "said": pl.when(failed).then(pl.lit("token refused: expired")).otherwise(pl.lit("token accepted")),
        "event": pl.when(failed).then(pl.lit("REFRESH_TOKEN_ERROR")).otherwise(pl.lit("REFRESH_TOKEN")),
    }


def _digits(number: pl.Expr, places: int) -> pl.Expr:
    return number.cast(pl.String).str.zfill(places)


_ALB = (
    "https <clock>.<us>Z app/shop/50dc6c495c0c9188 <ip>:<port> <upstream> 0.001 <seconds> 0.000 <status> <status> 312"
    ' <bytes> "<method> https://api.shop.example:443<target> HTTP/1.1" "<agent>" ECDHE-RSA-AES128-GCM-SHA256 TLSv1.2'
    " arn:aws:elasticloadbalancing:us-east-2:123456789012:targetgroup/shop/73e2d6bc24d8a067"
    ' "Root=1-58337281-<id24>" "api.shop.example"'
    ' "arn:aws:acm:us-east-2:123456789012:certificate/12345678-1234-1234-1234-123456789012"'
    ' 1 <clock>.<us>Z "forward" "-" "-" "<upstream>" "<status>" "-" "-" TID_<id>'
)
_ELB = (
    "<clock>.<us>Z shop <ip>:<port> <upstream> 0.000073 <seconds> 0.000057 <status> <status> 29 <bytes>"
    ' "<method> https://api.shop.example:443<target> HTTP/1.1" "<agent>" ECDHE-RSA-AES128-GCM-SHA256 TLSv1.2'
)
_OWNER = "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be"
_S3 = (
    f"{_OWNER} shop-files [<clock> +0000] <ip> - <id> REST.GET.OBJECT <path>"
    ' "<method> <target> HTTP/1.1" <status> - <bytes> 4406583 <lasted> 28 "-" "<agent>" -'
    " s9lzHYrFp76ZVxRcpX9+5cjAnEH2ROuNkd2BHfIa6UkFVdtjf5mKR3/eTPFvsiP/XV/VLi31234= SigV4 ECDHE-RSA-AES128-GCM-SHA256"
    " AuthHeader shop-files.s3.us-west-1.amazonaws.com TLSV1.2 - -"
)
_HAPROXY = (
    "<ip>:<port> [<clock>.<ms>] web~ api/<server> 0/0/1/<lasted>/<lasted> <status> <bytes> - - ---- 4/3/1/1/0 0/0{}"
    ' "<method> <target> HTTP/1.1"'
)
_IIS = (
    "date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) cs(Referer) sc-status"
    " sc-substatus sc-win32-status time-taken"
)
_CLOUDFRONT = (
    "date time x-edge-location sc-bytes c-ip cs-method cs(Host) cs-uri-stem sc-status cs(Referer) cs(User-Agent)"
    " cs-uri-query cs(Cookie) x-edge-result-type x-edge-request-id x-host-header cs-protocol cs-bytes time-taken"
)
_ZEEK = (
    "ts uid id.orig_h id.orig_p id.resp_h id.resp_p trans_depth method host uri referrer version user_agent origin"
    " request_body_len response_body_len status_code status_msg info_code info_msg tags username"
)
_KEYCLOAK = (
    '<clock>,<ms> WARN  [org.keycloak.events] (executor-thread-1) type="<event>", realmId="5d2c", realmName="shop",'
    ' clientId="app", userId="<user>", sessionId="<uuid>", ipAddress="<ip>", error="invalid_token",'
    ' reason="<said>", grant_type="refresh_token", refresh_token_type="Refresh", client_auth_method="client-secret"'
)
_INGRESS = (
    '<ip> - - [<clock> +0000] "<method> <target> HTTP/1.1" <status> <bytes> "-" "<agent>" 312 <seconds>'
    " [shop-api-80] [] <upstream> <bytes> <seconds> <status> <id>"
)

FORMS: dict[str, Form] = {
    TEXT: Form(
        "combined", '<ip> - - [<clock> +0000] "<method> <target> HTTP/1.1" <status> <bytes> "-" "<agent>"', _CLF
    ),
    "common": Form("common", '<ip> - - [<clock> +0000] "<method> <target> HTTP/1.1" <status> <bytes>', _CLF),
    "combined, X-Forwarded-For": Form(
        "combined",
        '10.0.0.7 - - [<clock> +0000] "<method> <target> HTTP/1.1" <status> <bytes> "-" "<agent>" "<ip>"',
        _CLF,
    ),
    "combined, ingress-nginx": Form("combined", _INGRESS, _CLF),
    "alb": Form("alb", _ALB, _ISO),
    "elb": Form("elb", _ELB, _ISO),
    "s3": Form("s3", _S3, _CLF),
    "haproxy": Form("haproxy", _HAPROXY.format(""), _CLF),
    "haproxy, captured headers": Form("haproxy", _HAPROXY.format(" {<agent>|api.shop.example}"), _CLF),
    "envoy": Form(
        "envoy",
        '[<clock>.<ms>Z] "<method> <target> HTTP/1.1" <status> - 0 <bytes> <lasted> 2 "<ip>" "<agent>" "<uuid>"'
        ' "api.shop.example" "<upstream>"',
        _ISO,
    ),
    "istio": Form(
        "istio",
        '[<clock>.<ms>Z] "<method> <target> HTTP/1.1" <status> - via_upstream - "-" 0 <bytes> <lasted> 2 "<ip>"'
        ' "<agent>" "<uuid>" "api.shop.example" "<upstream>" inbound|8080|| 127.0.0.6:<port> <upstream> <ip>:0 - default',
        _ISO,
    ),
    "squid": Form(
        "squid",
        "<clock>.<ms>    <lasted> <ip> TCP_MISS/<status> <bytes> <method> http://api.shop.example<target> -"
        " HIER_DIRECT/10.0.3.11 application/json",
        _EPOCH,
    ),
    "w3c, IIS": Form(
        "w3c",
        "<clock> 10.0.0.5 <method> <path> <query> 443 - <ip> <agent_plus> - <status> 0 0 <lasted>",
        _SPACED,
        f"#Fields: {_IIS}\n",
    ),
    "w3c, CloudFront": Form(
        "w3c",
        "<clock>\tFRA2\t<bytes>\t<ip>\t<method>\td1.cloudfront.net\t<path>\t<status>\t-\t<agent_plus>\t<query>\t-\tMiss"
        "\t<id>\tapi.shop.example\thttps\t312\t<seconds>",
        "%Y-%m-%d\t%H:%M:%S",
        f"#Version: 1.0\n#Fields: {_CLOUDFRONT}\n",
    ),
    "zeek": Form(
        "zeek",
        "<clock>.<us>\tCeiiLO1yCRSPcWlCx9\t<ip>\t<port>\t10.0.0.5\t80\t1\t<method>\tapi.shop.example\t<target>\t-\t1.1"
        "\t<agent>\t-\t0\t<bytes>\t<status>\tx\t-\t-\t(empty)\t-",
        _EPOCH,
        "#separator \\x09\n#fields\t" + _ZEEK.replace(" ", "\t") + "\n",
    ),
    "ltsv": Form(
        "ltsv",
        "time:<clock> +0000\thost:<ip>\treq:<method> <target> HTTP/1.1\tstatus:<status>\tsize:<bytes>\tua:<agent>"
        "\treqtime:<seconds>\tdevice_id:<device>",
        _CLF,
    ),
    "logfmt, Heroku": Form(
        "logfmt",
        '<clock>.<us>+00:00 heroku[router]: at=info method=<method> path="<target>" host=shop.herokuapp.com'
        ' request_id=<uuid> fwd="<ip>" dyno=web.1 connect=1ms service=<lasted>ms status=<status> bytes=<bytes>'
        " protocol=https",
        _ISO,
    ),
    "logfmt, lograge": Form(
        "logfmt",
        "method=<method> path=<target> format=json controller=Api::V2 action=show status=<status> duration=<lasted>.25"
        " view=0.11 db=2.20 ip=<ip> user_id=<user> request_id=<uuid> time=<clock>Z",
        _ISO,
    ),
    "logfmt, slog": Form(
        "logfmt",
        'time=<clock>.<ms>Z level=INFO msg=request method=<method> path="<target>" status=<status> duration_ms=<lasted>'
        ' remote_addr=<ip>:<port> user_agent="<agent>" trace_id=<id>',
        _ISO,
    ),
    "csv": Form(
        "csv",
        '<clock>.<ms>Z,<ip>,<method>,<target>,<status>,"<agent>",<uuid>,<lasted>',
        _ISO,
        "timestamp,client_ip,method,path,status,user_agent,request_id,duration_ms\n",
    ),
    "csv, tabs": Form(
        "csv",
        "<clock>.<ms>Z\t<ip>\t<method>\t<target>\t<status>\t<agent>\t<uuid>\t<lasted>",
        _ISO,
        "timestamp\tclient_ip\tmethod\tpath\tstatus\tuser_agent\trequest_id\tduration_ms\n",
    ),
    "inferred": Form(
        "inferred",
        '[<clock>,<ms>] status=<status> client=<ip> "<method> <target> HTTP/2.0" took <lasted>ms "<agent>"',
        _SPACED,
    ),
    "inferred, bars": Form(
        "inferred",
        "<clock>.<ms>Z | <ip> | <method> | <target> | <status> | <seconds> | <agent>",
        _ISO,
    ),
    "log_format, nginx": Form(
        "log_format",
        '<ip> - - [<clock> +0000] "<method> <target> HTTP/1.1" <status> <bytes> "<agent>" <seconds> <upstream>'
        ' "<device>" Tokyo',
        _CLF,
        log_format='$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_user_agent"'
        ' $request_time $upstream_addr "$http_x_device_id" $geoip_city',
    ),
    "log_format, Apache": Form(
        "log_format",
        'shop.example:443 <ip> - - [<clock> +0000] "<method> <target> HTTP/1.1" <status> <bytes> "<agent>" <micros>'
        " <device> -",
        _CLF,
        log_format='%v:%p %h %l %u %t \\"%r\\" %>s %O \\"%{User-Agent}i\\" %D %{X-Device-Id}i %{WWW-Authenticate}o',
    ),
    "morgan": Form("morgan", "<clock>.<ms>Z <method> <target> <status> <lasted>.411 ms - <bytes>", _ISO),
    "uvicorn": Form(
        "uvicorn", '<clock>,<ms> INFO:     <ip>:<port> - "<method> <target> HTTP/1.1" <status> OK', _SPACED
    ),
    "gin": Form(
        "gin",
        '[GIN] <clock> | <status> | <lasted>.411ms | <ip> | <method>     "<target>"',
        "%Y/%m/%d - %H:%M:%S",
    ),
    "uwsgi": Form(
        "uwsgi",
        "[pid: 17|app: 0|req: 1/1] <ip> () {40 vars in 512 bytes} [<clock>] <method> <target> => generated <bytes> bytes"
        " in <lasted> msecs (HTTP/1.1 <status>) 3 headers in 120 bytes (1 switches on core 0)",
        "%a %b %e %H:%M:%S %Y",
    ),
    "iis": Form(
        "iis",
        "<ip>, -, <clock>, W3SVC2, WEB1, 172.21.13.45, <lasted>, 163, <bytes>, <status>, 0, <method>, <path>, <query>,",
        "%m/%d/%Y, %H:%M:%S",
    ),
    "actix": Form(
        "actix",
        '[<clock>Z INFO  actix_web::middleware::logger] <ip> "<method> <target> HTTP/1.1" <status> <bytes> "-" "<agent>"'
        " <seconds>000",
        _ISO,
    ),
    "tornado": Form(
        "tornado",
        "[I <clock> web:2348] <status> <method> <target> (<ip>) <lasted>.41ms",
        "%y%m%d %H:%M:%S",
        whole=False,
    ),
    "nestjs": Form(
        "nestjs",
        "[Nest] 4711  - <clock>     LOG [HTTP] <method> <target> <status> <bytes> - <agent> <ip>",
        "%m/%d/%Y, %I:%M:%S %p",
        whole=False,
    ),
    "sanic": Form(
        "sanic",
        "[<clock> +0000] - (sanic.access)[INFO][<ip>:<port>]: <method> http://api.shop.example<target>  <status> <bytes>",
        _SPACED,
        whole=False,
    ),
    "ktor": Form(
        "ktor",
        "<clock>.<ms> [eventLoopGroupProxy-4-1] INFO  ktor.application - <status> OK: <method> - <path> in <lasted>ms",
        _SPACED,
        whole=False,
    ),
    "aspnet": Form(
        "aspnet",
        "<clock> info: Microsoft.AspNetCore.Hosting.Diagnostics[2]\n      Request finished HTTP/1.1 <method>"
        " https://api.shop.example<target> - <status> <bytes> application/json <lasted>.2340ms",
        _SPACED,
        whole=False,
    ),
    "keycloak": Form("keycloak", _KEYCLOAK, _SPACED, whole=False),
    "monolog": Form(
        "monolog",
        '[<clock>] production.<level>: <said> {"userId":<user>,"ip":"<ip>","request_id":"<uuid>"} []',
        _SPACED,
        whole=False,
    ),
    "python_logging": Form(
        "python_logging",
        "<clock>,<ms> - app.auth - <level> - <said> user_id=<user> <method> <path>",
        _SPACED,
        whole=False,
    ),
    "structlog": Form(
        "structlog",
        "<clock>.<us>Z [info     ] request_finished               [app.access] client_ip=<ip> duration=<seconds>"
        " method=<method> path=<target> status=<status> user_agent='<agent>' user_id=<user>",
        _ISO,
        whole=False,
    ),
    "error_log": Form(
        "error_log",
        '<clock> [error] 17#17: *19 <said>, client: <ip>, server: , request: "<method> <target> HTTP/1.1",'
        ' host: "shop.example"',
        "%Y/%m/%d %H:%M:%S",
        whole=False,
    ),
    "php_error": Form(
        "php_error",
        "[<clock> Asia/Tokyo] [auth] check_session: <said> uid=<user> path=<path>",
        "%d-%b-%Y %H:%M:%S",
        whole=False,
    ),
    "java_logging": Form(
        "java_logging",
        "<clock>.<ms> WARNING [http-nio-8080-exec-7] app.TokenFilter.doFilter <said> user_id=<user>",
        "%d-%b-%Y %H:%M:%S",
        whole=False,
    ),
    "ruby_logger": Form(
        "ruby_logger", "W, [<clock>.<us> #33305]  WARN -- : [<uuid>] <said> user_id=<user>", _ISO, whole=False
    ),
    "rails": Form(
        "rails",
        'I, [<clock>.<us> #33305]  INFO -- : [<uuid>] Started <method> "<target>" for <ip> at <clock> +0000\n'
        "I, [<clock>.<us> #33305]  INFO -- : [<uuid>] Processing by ApiController#show as JSON\n"
        "I, [<clock>.<us> #33305]  INFO -- : [<uuid>] Completed <status> in <lasted>ms (Views: 0.2ms)",
        _ISO,
        whole=False,
    ),
}


def write(folder: Path, lines: int) -> None:
    """Write what is not there yet. A file that is there has been written whole."""
    day = plan(lines)
    parts = [details(part, day).collect() for part in windows(day)]
    for form in FORMS.values():
        path = form.path(folder, lines)
        if path.exists():
            continue
        unfinished = path.with_suffix(".part")
        with unfinished.open("wb") as file:
            file.write(form.head.encode())
            for part in parts:
                form.render(part, day).write_csv(file, include_header=False, quote_style="never")
        unfinished.rename(path)


if __name__ == "__main__":
    write(Path(sys.argv[1]), int(sys.argv[2]))
