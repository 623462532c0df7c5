"""What versions of an app do after a refusal, in words and cells: the mobile team's part, alike in every output."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from authforensics.report import wording

if TYPE_CHECKING:
    from authforensics.devices import Client
    from authforensics.document import Document

#: Fewer devices than this are told as numbers: a share of them says little.
FEW = 10
#: So many devices that do wrong are worth a word where there is no incident.
_SOME = 3
RIGHT = "Right is: refused, refresh once, refused again, show the login; and send nothing more before somebody logs in."
#: What a client may do that it should not, by field.
HEADS = {
    "refreshed_again": "Refresh again",
    "looped": "Loop",
    "never_refreshed": "Never refresh",
    "kept_calling": "Call on",
    "kept_writing": "Write on",
    "unauthenticated": "Call without token",
}
_DEEDS = {
    "looped": "refresh in a loop with tokens that are refused",
    "refreshed_again": "refresh more than once",
    "never_refreshed": "never refresh",
    "kept_calling": "call on after it is over",
    "unauthenticated": "call on without a token",
}


def name(client: Client) -> str:
    """Platform and version."""
    return " ".join(part for part in (client.platform, client.app_version) if part) or "unknown client"


def share(count: int, client: Client) -> str:
    """How many of the devices: as a number and a share, or as `2 of 3` where they are few; nothing for none."""
    if not count:
        return ""
    if client.devices < FEW:
        return f"{count} of {client.devices}"
    return f"{wording.number(count)} ({wording.percent(count, client.devices)})"


def at_fault(document: Document) -> list[Client]:
    """The versions with devices that did wrong, those with most of them first."""
    found = [one for one in document.clients if one.wrong]
    return sorted(found, key=lambda one: -one.wrong)


def worth_a_word(document: Document) -> list[Client]:
    """The same, where an incident makes each of them count; else only those that are no single device."""
    return [one for one in at_fault(document) if document.incidents or one.wrong >= _SOME]


def sentence(client: Client) -> str:
    """What devices of a version do wrong, and how many of them."""
    deeds = list(_deeds(client))
    do = "does" if client.wrong == 1 else "do"
    return f"{wording.number(client.wrong)} of {wording.count(client.devices, 'device')} {do} wrong: {', '.join(deeds)}"


def _deeds(client: Client) -> Iterator[str]:
    for field, words in _DEEDS.items():
        count = getattr(client, field)
        if field == "refreshed_again":
            count -= client.looped
        if count <= 0:
            continue
        writes = f" ({wording.number(client.kept_writing)} with writes)" if client.kept_writing else ""
        yield f"{wording.number(count)} {words}{writes if field == 'kept_calling' else ''}"


def notes(clients: Sequence[Client]) -> Iterator[str]:
    """What is to be known before these numbers are trusted."""
    weak, devices = sum(one.weak for one in clients), sum(one.devices for one in clients)
    if weak:
        told = "all" if weak == devices else f"{wording.number(weak)} of {wording.number(devices)}"
        yield f"Only address and user agent tell {told} of these devices apart: one of them may be several."
    if any(one.devices < FEW for one in clients):
        yield f"Versions with fewer than {FEW} devices that were refused say little."
