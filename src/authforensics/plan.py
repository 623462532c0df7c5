"""What an analysis is to do: the caller's choices and the configuration, checked and put together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from authforensics import collect, correlate, detect, local
from authforensics.collect.deploys import read_deploys
from authforensics.collect.mapped import declared
from authforensics.config import Config
from authforensics.errors import BadValue, UnknownName
from authforensics.findings import Deploy
from authforensics.tokens.candidates import environment, gather
from authforensics.tokens.said import said

Paths = Sequence[str | Path] | str | Path


@dataclass(frozen=True)
class Plan:
    """What is to be done, checked: what the caller chose, and what follows from it and the configuration.

    `variables` are those of the dotenv file that was named; None: none was. `shown` gives what is shown of a token in
    lines of evidence, in place of its shape.
    """

    chosen: Mapping[str, object]
    device_key: str | None
    place: str
    settings: local.Settings
    deploys: tuple[Deploy, ...] = ()
    variables: Mapping[str, str | None] | None = field(default=None, repr=False)
    shown: Callable[[str], str | None] | None = None


def planned(
    settings: Config,
    *,
    format: str | None = None,
    log_format: str | None = None,
    nginx_conf: str | Path | None = None,
    tz: str | None,
    since: str | None,
    until: str | None,
    path: str | None,
    status: str | None,
    device: Sequence[str] | str,
    device_key: str | None,
    only: Sequence[str],
    skip: Sequence[str],
    strict: bool = False,
    memory: int | None,
    work_dir: str | Path | None,
    deploys: str | Path | None = None,
    env_file: str | Path | None = None,
    secrets: str | Path | None = None,
    jwks: Sequence[str | Path] | str | Path = (),
    show_claims: bool = False,
    fingerprint_key: bytes | None = None,
) -> Plan:
    """Check what the caller chose, by the names of `analyze`'s arguments; they win over the configuration.

    Raises:
        UsageError: a name, time or zone that can't be used, the list of deploys, or a file of keys.
    """
    chosen: dict[str, Any] = {"format": format, "log_format": log_format, "tz": tz, "since": since, "until": until}
    chosen |= {"path": path, "status": status, "device": listed(device), "device_key": device_key}
    chosen |= {"only": list(only), "skip": list(skip), "strict": strict, "nginx_conf": nginx_conf and str(nginx_conf)}
    chosen |= {"deploys": deploys and str(deploys), "env_file": env_file and str(env_file)}
    chosen |= {
        "secrets": secrets and str(secrets),
        "jwks": [str(one) for one in listed(jwks)],
        "show_claims": show_claims,
    }
    variables = None if env_file is None else environment(Path(env_file))
    key_sets = [Path(one) for one in listed(jwks)]
    candidates = gather(environment=variables, secrets=None if secrets is None else Path(secrets), key_sets=key_sets)
    wanted = detect.chosen(only, skip)
    detect.check_thresholds(settings.thresholds, settings.place)
    if settings.format is not None and settings.format not in collect.formats():
        raise UnknownName("format", settings.format, collect.formats(), where=settings.place("format"))
    if log_format is not None and format not in {None, "log_format"}:
        raise BadValue(f"log_format and format '{format}' exclude each other: the string is the format")
    key = device_key or settings.device_key
    given = format is not None or log_format is not None  # here, whatever the file says of either
    return Plan(
        chosen=chosen,
        device_key=key,
        place="--device-key" if device_key else settings.place("device_key") or "device_key",
        settings=local.Settings(
            collect=collect.Options(
                format=format if given else settings.format,
                log_format=log_format if given else settings.log_format,
                nginx_conf=chosen["nginx_conf"],
                tz=tz or settings.zone,
                zones=() if tz else settings.zones,
                columns=declared(settings),
                since=since or settings.since,
                until=until or settings.until,
                path=path or settings.path,
                status=status or settings.status,
                device=tuple(listed(device) or settings.device),
                strict=strict,
                device_field=None if key in correlate.RUNGS else key,
            ),
            correlate=correlate.Options(
                device_key=key if key in correlate.RUNGS or key is None else "device_id",
                endpoints=settings.endpoints,
                systems=settings.systems,
                fingerprint_key=fingerprint_key,
            ),
            wanted=tuple(wanted.values()),
            thresholds=settings.thresholds,
            memory=local.MEMORY if memory is None else memory,
            work_dir=None if work_dir is None else Path(work_dir),
            candidates=candidates,
        ),
        variables=variables,
        shown=said if show_claims else None,
        deploys=() if deploys is None else read_deploys(deploys, tz or settings.zone),
    )


def listed(given: Paths) -> list[Any]:
    """One or several, as a list."""
    return [given] if isinstance(given, str | Path) else list(given)
