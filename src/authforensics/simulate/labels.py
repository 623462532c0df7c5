"""What single devices did, by what they and the servers know of it: the detectors that should see each.

A device must be seen for what it plainly did, and may be for what is on the edge; no label depends on any detector. How
much is plain is decided here alone (`_PLAIN`), far beyond the edge.

Where the log tells no reasons, what only a reason could tell from something ordinary is on the edge, too: a 403 or 422
that is about the token, and not about a permission or a form; calls refused before the first sign that there ever was a
session, as a visitor's are; and an old refresh token sent in place of the one that was given long ago, when a session
that is over at its age looks the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from authforensics.schema import Reason
from authforensics.simulate.record import Exchange, Kind

#: How often something must have happened to be plain.
_PLAIN = {
    "refresh_loop": 3,
    "login_loop": 3,
    "zombie_client": 12,
    "retry_without_refresh": 12,
    "refresh_retry_loop": 5,
    "concurrent_refresh": 3,
    "lost_refresh_response": 1,
    "refresh_churn": 15,
    "early_rejection": 3,
    "silent_expiry": 3,
    "logged_out_reuse": 4,
    "malformed_token": 5,
    "premature_logout": 1,
    "session_shared": 10,
    "token_exposed": 1,
}
#: On the edge before that, but not at all below this.
_EDGE = {"zombie_client": 3, "retry_without_refresh": 3, "refresh_retry_loop": 2, "refresh_churn": 3}
_PLAIN_ZOMBIE_SECONDS = 700.0
_REUSED_WEIGHT = 3
#: A call that is repeated makes at least one in so many of the refused ones.
_SHARE_OF_RETRIES = 3
_LATE = 6.0
_LONG_AGO = 30.0
_UNAUTHORIZED = 401

#: Why a new token may be refused for a while.
_SOON = {Reason.NOT_YET_VALID, Reason.REVOKED}

Exchanges = Sequence[Exchange]
Found = Iterator[tuple[str, int]]
Rule = Callable[[Exchanges], Found]


def labels(exchanges: Exchanges, *, shared: bool, told: bool = True) -> dict[str, bool]:
    """The detectors that may see a device: True where they must.

    Args:
        exchanges: what the log has of the device, in the order in which it ended.
        shared: somebody else has its session, too.
        told: the log tells why requests were refused.
    """
    found = _found(exchanges, _RULES, shared=shared)
    seen = found if told else _found(_plain(exchanges), _BY_SIGHT, shared=shared)
    known = [name for name, times in sorted(found.items()) if times >= _EDGE.get(name, 1)]
    must = {name: seen[name] >= _PLAIN[name] for name in known}
    if must.get("retry_without_refresh") and must.get("zombie_client"):
        must["zombie_client"] = False
    return must


def _found(exchanges: Exchanges, rules: Sequence[Rule], *, shared: bool) -> Counter[str]:
    """How often each thing happened."""
    found: Counter[str] = Counter()
    for rule in rules:
        for name, times in rule(exchanges):
            found[name] = max(found[name], times)
    if shared:
        # Two of one model look like one that changes its network; and one's logout like the other's.
        of_agents = Counter(one.agent for one in exchanges)
        found["session_shared"] = min(of_agents.values()) if len(of_agents) > 1 else 1
        found["logged_out_reuse"] = max(found["logged_out_reuse"], 1)
    return found


def _plain(exchanges: Exchanges) -> Exchanges:
    """Those that speak for themselves where no reason is told."""
    proofs = (at for at, one in enumerate(exchanges) if one.accepted or one.issued or one.kind is Kind.REFRESH)
    first = next(proofs, len(exchanges))
    calls = [one.kind is Kind.API and one.refused for one in exchanges]
    return [
        one
        for at, (one, call) in enumerate(zip(exchanges, calls, strict=True))
        if not call or (at > first and one.status == _UNAUTHORIZED)
    ]


def _expired(one: Exchange) -> bool:
    """Refused for nothing but its age."""
    return one.reason is Reason.TOKEN_EXPIRED and one.fault is None


def _loops(exchanges: Exchanges) -> Found:
    """Tokens refused right after a refresh or a login, with none accepted in between, or very many in all."""
    again = total = logins = 0
    seen: set[int] = set()
    retried: set[int] = set()
    for one in exchanges:
        if one.accepted:
            again = logins = 0
        elif one.kind is Kind.API and one.refused and not _expired(one):
            if one.intent == "again" and one.reason in _SOON:
                yield "refresh_loop", 1  # it may become good by waiting
            elif one.intent == "again":
                # Calls that were under way together are refused with one token.
                new = one.grant not in retried
                retried.add(one.grant)
                again, total = again + new, total + new
                yield "refresh_loop", max(again, total // 3)
            if one.fresh_by is Kind.LOGIN and one.grant not in seen:
                seen.add(one.grant)
                logins += 1
                yield "login_loop", logins


def _dead_ends(exchanges: Exchanges) -> Found:
    """Calls refused one after the other, with no new token in between."""
    run: list[Exchange] = []
    same: Counter[tuple[str, str]] = Counter()
    for one in exchanges:
        if one.accepted or one.issued:
            run, same = [], Counter()
        elif one.kind is Kind.REFRESH:
            same = Counter()
            run = run if one.refused else []
        elif one.kind is Kind.API and one.refused and one.grant:
            run.append(one)
            same[one.method, one.path] += 1
            often = same[one.method, one.path]
            alone = often * _SHARE_OF_RETRIES >= len(run)
            yield "retry_without_refresh", often if alone else min(often, _PLAIN["retry_without_refresh"] - 1)
            lasted = one.ended - run[0].ended
            if lasted > _LATE:
                plain = lasted >= _PLAIN_ZOMBIE_SECONDS
                yield "zombie_client", len(run) if plain else min(len(run), _PLAIN["zombie_client"] - 1)


def _refreshes(exchanges: Exchanges) -> Found:
    """Refreshes denied again and again, at once, in vain, or far too early."""
    denied = again = early = overlaps = 0
    refused_at = 0.0
    lost: set[int] = set()
    before: list[Exchange] = []
    for one in (one for one in exchanges if one.kind in {Kind.REFRESH, Kind.LOGIN}):
        if one.kind is Kind.LOGIN:
            if one.issued:
                denied = again = 0
            continue
        if one.issued:
            denied = again = 0
        elif one.refused:
            # Those that were under way together are one attempt.
            denied, again = denied + 1, again + (again == 0 or one.started > refused_at)
            refused_at = one.ended
        yield "refresh_retry_loop", max(again, min(denied, _PLAIN["refresh_retry_loop"] - 1))
        if one.issued and not one.received:
            lost.add(one.grant)
        if one.grant in lost and one.reason is Reason.REFRESH_REUSED:
            yield "lost_refresh_response", 1
        if one.intent != "lazy" and one.issued and one.age and one.lifetime and one.age < 0.1 * one.lifetime:
            early += 1
            yield "refresh_churn", early
        others = _beside(one, before)
        if others and one.grant:
            reused = any(each.reason is Reason.REFRESH_REUSED for each in (one, *others))
            overlaps += _REUSED_WEIGHT if reused else 1
            yield "concurrent_refresh", overlaps
        before.append(one)


def _beside(one: Exchange, before: Exchanges) -> Exchanges:
    """Earlier ones with its token that it ran beside."""
    return [other for other in before[-8:] if other.grant == one.grant and one.started < other.ended]


def _not_kept(exchanges: Exchanges) -> Found:
    """Refused for a token used before, by who was given another one long ago and is the same client."""
    newest: Exchange | None = None
    before: list[Exchange] = []
    for one in (one for one in exchanges if one.kind in {Kind.REFRESH, Kind.LOGIN}):
        if one.kind is Kind.LOGIN:
            newest = None if one.issued else newest
            continue
        if one.issued and one.received:
            newest = one
        elif one.reason is Reason.REFRESH_REUSED and newest is not None and not _beside(one, before):
            own = newest.agent == one.agent and newest.issued != one.grant
            yield "lost_refresh_response", int(own and one.started - newest.ended > _LONG_AGO)
        before.append(one)


def _early(exchanges: Exchanges) -> Found:
    """New tokens refused at first and accepted later; plainly so by the same call: another may ask for less."""
    first = {one.grant: one for one in reversed(exchanges) if one.kind is Kind.API and one.refused and one.fresh_by}
    accepted = {one.grant: one for one in exchanges if one.accepted}
    same = {(one.grant, _call(one)): one for one in exchanges if one.accepted}
    found = [one for grant, one in first.items() if grant in accepted and accepted[grant].started > one.ended]
    again = [(one, same.get((one.grant, _call(one)))) for one in found if one.reason in _SOON]
    soon = sum(later is not None and later.started > one.ended for one, later in again)
    yield "early_rejection", max(soon, min(len(found), _PLAIN["early_rejection"] - 1))


def _call(one: Exchange) -> str:
    """Its path, whatever it is about."""
    return "/".join(part for part in one.path.split("?")[0].split("/") if not part.isdigit())


def _single(exchanges: Exchanges) -> Found:
    """What one request shows by itself."""
    found = Counter(name for one in exchanges for name in _shows(one))
    yield from found.items()


def _shows(one: Exchange) -> Iterator[str]:
    if one.intent == "no_cookie":
        yield "silent_expiry"
    if one.logged_out is not None and one.started > one.logged_out + _LATE and one.kind in {Kind.API, Kind.REFRESH}:
        yield "logged_out_reuse"
    if one.reason is Reason.MALFORMED:
        yield "malformed_token"
    if one.intent == "overreaction":
        yield "premature_logout"
    if one.token is not None:
        yield "token_exposed"


def _dies(exchanges: Exchanges) -> Found:
    """Sessions seen from their login on that expire with no refresh: as without a cookie, though the token is sent."""
    begun = {one.family for one in exchanges if one.kind is Kind.LOGIN and one.issued}
    begun -= {one.family for one in exchanges if one.kind is Kind.REFRESH}
    expired = {one.family for one in exchanges if one.kind is Kind.API and one.reason is Reason.TOKEN_EXPIRED}
    yield "silent_expiry", min(len(begun & expired), _PLAIN["silent_expiry"] - 1)


#: What the log shows, whether or not it tells reasons.
_BY_SIGHT: tuple[Rule, ...] = (_loops, _dead_ends, _refreshes, _early, _dies, _single)
_RULES = (*_BY_SIGHT, _not_kept)

_SIGNING = {Reason.SIGNATURE_INVALID, Reason.KEY_NOT_FOUND, Reason.ALGORITHM_REJECTED}
#: What a device must have met to be one of those that a detector of fleets counts.
MET: dict[str, Callable[[Exchange], bool]] = {
    "signature_failure_burst": lambda one: one.reason in _SIGNING,
    "expired_refresh_storm": lambda one: one.kind is Kind.REFRESH and one.reason is Reason.REFRESH_EXPIRED,
    "refresh_stampede": lambda one: one.kind is Kind.REFRESH,
    "denial_surge": lambda one: one.refused or one.status >= 400,
    "login_failure_surge": lambda one: one.kind is Kind.LOGIN and not one.issued,
    "mass_logout": lambda one: one.refused or one.kind is Kind.LOGIN,
}


def of_fleet(detector: str, exchanges: Exchanges) -> bool:
    """Whether a device, by what it met of a fault, is one of those that a detector of whole fleets should count."""
    met = MET.get(detector)
    return met is None or any(map(met, exchanges))
