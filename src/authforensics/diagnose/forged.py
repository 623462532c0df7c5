"""The incident that needs no refusal: a secret that everybody knows signs the tokens, so that anybody can make them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import polars as pl

from authforensics.diagnose.cause import Cause
from authforensics.diagnose.signed import Signed, by_candidate
from authforensics.diagnose.wording import plural
from authforensics.findings import Confidence, Finding, Incident, RootCause, Scope, Severity
from authforensics.schema import History
from authforensics.tokens.carried import Carried

TITLE = "Anybody can sign tokens"
CAUSE = "default_secret"


def incidents(signed: Signed, history: History, findings: Sequence[Finding], cause: Cause) -> list[Incident]:
    """One for each system that accepts what a default signed, of all devices with a session: their users can be forged.

    Where it refuses all of that, anybody may have made it: who knows a default tries it everywhere.

    Args:
        signed: who signed what the logs carry, and what became of it.
        history: that of all devices.
        findings: what was found.
        cause: that of all of them.
    """
    made = []
    for (system,), lines in sorted(signed.default_accepted().partition_by("system", as_dict=True).items()):
        mine = [one.id for one in findings if one.system == system and _by_default(one)]
        having = signed.sessions.filter(pl.col("system") == str(system)).cast(pl.String)["device_id"]
        alive = history.devices.filter(
            pl.col("system") == str(system), pl.col("device_id").cast(pl.String).is_in(having.implode())
        )
        why = _cause(cause, signed.carried, str(system), lines)
        made.append(_incident(str(system), lines, alive, mine, why))
    return made


def _by_default(one: Finding) -> bool:
    return one.detector == "token_exposed" and "default" in one.measures


def adopted(found: Sequence[Incident], made: Sequence[Incident], findings: Sequence[Finding]) -> list[Incident]:
    """All incidents: one that a default explains takes in what was found of it, and is as critical.

    Args:
        found: those of refusals.
        made: those of `incidents`; where one of `found` says the same of its system, it is enough.
        findings: what was found.
    """
    explained: set[str] = set()
    done: list[Incident] = []
    for one in found:
        mine = tuple(each.id for each in findings if each.system == one.system and _by_default(each))
        if not mine or one.system in explained or one.root_causes[0].cause != CAUSE:
            done.append(one)
            continue
        explained.add(one.system)
        update = {
            "findings": (*one.findings, *mine),
            "detectors": tuple(sorted({*one.detectors, "token_exposed"})),
            "severity": Severity.CRITICAL,
        }
        done.append(one.model_copy(update=update))
    return [*done, *(one for one in made if one.system not in explained)]


def _incident(
    system: str, lines: pl.DataFrame, alive: pl.DataFrame, findings: Sequence[str], cause: RootCause
) -> Incident:
    devices = alive["device_id"].cast(pl.String).sort().to_list()
    users = alive["user_id"].drop_nulls()
    first, last = lines.select(first=pl.col("timestamp").min(), last=pl.col("timestamp").max()).row(0)
    tokens = lines["token"].n_unique()
    identity = f"{system}\n{CAUSE}\n{first.isoformat()}"
    return Incident(
        id=f"incident-{hashlib.sha256(identity.encode()).hexdigest()[:10]}",
        system=system,
        title=TITLE,
        summary=(
            f"{plural(tokens, 'token')} of those tried {'is' if tokens == 1 else 'are'} signed with a secret that"
            f" everybody knows, and accepted: tokens can be forged for every user, of"
            f" {plural(len(devices), 'device')} with a session in these logs. Nothing needs to fail for that."
        ),
        detectors=("token_exposed",),
        severity=Severity.CRITICAL,
        first_seen=first,
        last_seen=last,
        ongoing=True,
        devices=len(devices),
        users=users.n_unique() if len(users) else None,
        device_ids=tuple(devices),
        devices_seen=len(devices),
        devices_recovered=0,
        devices_ill=0,
        requests_denied=0,
        writes_lost=0,
        device_seconds=0.0,
        findings=tuple(findings),
        scope=Scope(),
        phases=(),
        root_causes=(cause,),
    )


def _cause(cause: Cause, carried: Carried, system: str, lines: pl.DataFrame) -> RootCause:
    tried = carried.tried.filter(pl.col("system") == system)["token"].n_unique()
    told = tuple(
        f"proven: {count:,} of {plural(tried, 'token')} tried {'is' if count == 1 else 'are'} signed by {name}"
        f" ({carried.signers[name].what}) and accepted"
        for name, count in by_candidate(lines).items()
    )
    return RootCause(
        cause=CAUSE,
        title=cause.title,
        confidence=Confidence.HIGH,
        score=1.0,
        **{"for": told},
        against=(),
        missing=(),
        check=cause.check,
        remediation=cause.remediation,
    )
