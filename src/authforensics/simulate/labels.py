"""What single devices did, by what they and the servers know of it: the detectors that should see each.

A device must be seen for what it plainly did, and may be for what is on the edge; no label depends on any detector. How
much is plain is decided here alone (`_PLAIN`), far beyond the edge.

Where the log tells no reasons, what only a reason could tell from something ordinary is on the edge, too: a 403 or 422
that is about the token, and not about a permission or a form; calls refused before the first sign that there ever was a
session, as a visitor's are; and an old refresh token sent long after another was given, whether or not that arrived,
when a session that is over at its age looks the same; and a new token refused beside a call that is accepted.

Where it has no device ids, so is what only they show (`UNNAMED` says why); what a device did at one address is then
that of another one than at the next; and of a token that was used before nobody can tell who did that, a copy of the
session or the client itself, which doesn't know; but one that sends such tokens again and again keeps none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from math import inf

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
#: No refresh token expires so soon.
_YOUNG = 180.0
#: A log may tell whole seconds only.
_BESIDE = 2.0
#: An answer takes a moment to arrive, and to be known to another tab.
_ON_ITS_WAY = 0.5
_UNAUTHORIZED = 401

#: What a session is used for.
_USES = {Kind.API, Kind.REFRESH}
#: Why a new token may be refused for a while.
_SOON = {Reason.NOT_YET_VALID, Reason.REVOKED}

#: What no log without device ids can show, and why.
UNNAMED = {
    "session_shared": "two clients of one session, each with its own address and user agent, are two devices to a log"
    " that has nothing else to tell devices apart",
}

Exchanges = Sequence[Exchange]
Found = Iterator[tuple[str, int]]
Rule = Callable[[Exchanges], Found]


def labels(exchanges: Exchanges, *, shared: bool, told: bool = True, named: bool = True) -> dict[str, bool]:
    """The detectors that may see a device: True where they must.

    Args:
        exchanges: what the log has of the device, in the order in which it ended.
        shared: somebody else has its session, too.
        told: the log tells why requests were refused.
        named: it has device ids.
    """
    found = _found(exchanges, _RULES if named or not told else (*_RULES, _used_before), shared=shared)
    seen = found
    if not (told and named):
        rules = (*_BY_SIGHT, _early, _lost, _never_kept) if told else (*_BY_SIGHT, _early_alone, _lost_lately)
        parts = [exchanges] if named else _places(exchanges)
        seen = Counter[str]()
        for part in parts:
            seen |= _found(part if told else _plain(part), rules, shared=shared)
    known = [name for name, times in sorted(found.items()) if times >= _EDGE.get(name, 1)]
    must = {name: seen[name] >= _PLAIN[name] and (named or name not in UNNAMED) for name in known}
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


def _places(exchanges: Exchanges) -> list[list[Exchange]]:
    """What a device did at each address and with each user agent: as many devices to a log that has only these."""
    parts: dict[tuple[str, str], list[Exchange]] = {}
    for one in exchanges:
        parts.setdefault((one.address, one.agent), []).append(one)
    return list(parts.values())


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
        if one.intent != "lazy" and one.issued and one.age and one.lifetime and one.age < 0.1 * one.lifetime:
            early += 1
            yield "refresh_churn", early
        others = _beside(one, before)
        if others and one.grant:
            reused = any(each.reason is Reason.REFRESH_REUSED for each in (one, *others))
            overlaps += _REUSED_WEIGHT if reused else 1
            yield "concurrent_refresh", overlaps
        elif one.grant and _beside(one, before, _ON_ITS_WAY):
            yield "concurrent_refresh", 1
        before.append(one)


def _beside(one: Exchange, before: Exchanges, after: float = 0.0) -> Exchanges:
    """Earlier ones with its token that it ran beside, or not so many seconds `after` their end."""
    return [other for other in before[-8:] if other.grant == one.grant and one.started < other.ended + after]


def _lost(exchanges: Exchanges, within: float = inf) -> Found:
    """Refused for a token whose successor never arrived, so many seconds after that was given."""
    given: dict[int, float] = {}
    for one in (one for one in exchanges if one.kind is Kind.REFRESH):
        if one.issued and not one.received:
            given[one.grant] = one.ended
        elif one.reason is Reason.REFRESH_REUSED and one.grant in given:
            yield "lost_refresh_response", int(one.started - given[one.grant] <= within)


def _lost_lately(exchanges: Exchanges) -> Found:
    """The same, too soon for anything to expire."""
    yield from _lost(exchanges, _YOUNG)


def _not_kept(exchanges: Exchanges) -> Found:
    """Refused for a token used before, by who was given another one long ago and is the same client."""
    newest: Exchange | None = None
    before: list[Exchange] = []
    times = 0
    for one in (one for one in exchanges if one.kind in {Kind.REFRESH, Kind.LOGIN}):
        if one.kind is Kind.LOGIN:
            newest = None if one.issued else newest
            continue
        if one.issued and one.received:
            newest = one
        elif one.reason is Reason.REFRESH_REUSED and newest is not None and not _beside(one, before):
            own = newest.agent == one.agent and newest.issued != one.grant
            times += own and one.started - newest.ended > _LONG_AGO
            yield "lost_refresh_response", times
        before.append(one)


def _never_kept(exchanges: Exchanges) -> Found:
    """The same, but for the first time: nobody else did that over and over."""
    for name, times in _not_kept(exchanges):
        yield name, times - 1


def _used_before(exchanges: Exchanges) -> Found:
    """Refused for a token that somebody had used."""
    yield "lost_refresh_response", sum(one.reason is Reason.REFRESH_REUSED for one in exchanges)


def _early(exchanges: Exchanges, alone: float = -inf) -> Found:
    """New tokens refused at first and accepted later; plainly so by the same call: another may ask for less.

    Plain are those that nothing else was accepted with for so many seconds: `alone`.
    """
    refused = [one for one in exchanges if one.kind is Kind.API and one.refused]
    first = {one.grant: one for one in reversed(refused) if one.fresh_by}
    accepted = {one.grant: one for one in exchanges if one.accepted}
    soonest = {one.grant: one for one in reversed(exchanges) if one.accepted}
    same = {(one.grant, _call(one)): one for one in exchanges if one.accepted}
    found = [one for grant, one in first.items() if grant in accepted and accepted[grant].started > one.ended]
    again = [(one, same.get((one.grant, _call(one)))) for one in found if one.reason in _SOON]
    again = [(one, later) for one, later in again if soonest[one.grant].ended - one.ended >= alone]
    soon = sum(later is not None and later.started > one.ended for one, later in again)
    # Of calls sent together another one may have been accepted before.
    others = {one.grant for one in refused if one.reason in _SOON and one.grant in accepted} - set(first)
    yield "early_rejection", max(soon, min(len(found) + len(others), _PLAIN["early_rejection"] - 1))


def _early_alone(exchanges: Exchanges) -> Found:
    """The same; without a reason, a call refused beside one that is accepted may have been sent with the old token."""
    yield from _early(exchanges, _BESIDE)


def _call(one: Exchange) -> str:
    """Its path, whatever it is about: a list and one item of it are two calls."""
    return "/".join("*" if part.isdigit() else part for part in one.path.split("?")[0].split("/"))


def _outlived(exchanges: Exchanges) -> Found:
    """Sent with a session after its logout: plainly so before the next login, after which it is this one's turn."""
    plain = times = 0
    login = -inf
    for one in exchanges:
        if one.kind is Kind.LOGIN and one.issued:
            login = one.ended
        elif one.logged_out is not None and one.started > one.logged_out + _LATE and one.kind in _USES:
            times, plain = times + 1, plain + (login < one.logged_out)
            yield "logged_out_reuse", max(plain, min(times, _PLAIN["logged_out_reuse"] - 1))


def _single(exchanges: Exchanges) -> Found:
    """What one request shows by itself."""
    found = Counter(name for one in exchanges for name in _shows(one))
    yield from found.items()


def _shows(one: Exchange) -> Iterator[str]:
    if one.intent == "no_cookie":
        yield "silent_expiry"
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
_BY_SIGHT: tuple[Rule, ...] = (_loops, _dead_ends, _refreshes, _dies, _outlived, _single)
_RULES = (*_BY_SIGHT, _early, _lost, _not_kept)

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
