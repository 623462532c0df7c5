"""What the result tells of devices: whether they recovered, how their apps behave, and what one of them did."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from authforensics.findings import Finding, Frozen, Moment


class Client(Frozen):
    """How one version of an app behaves after a refusal: devices that met one, by what they did.

    `right`: refreshed once and then, where that was refused as well, went to the login and sent nothing any more.
    `undecided`: the log does not show what they did next. The others did at least one of: refreshing again before a
    login (`refreshed_again`), doing so again and again with tokens that are refused (`looped`), never refreshing
    (`never_refreshed`), calling on after it was over (`kept_calling`), writes among these calls (`kept_writing`),
    calling on without a credential (`unauthenticated`). `weak`: how many of the devices are told by nothing but address
    and user agent, so that one may be several.
    """

    system: str
    platform: str | None
    app_version: str | None
    devices: int = Field(ge=1)
    right: int
    undecided: int
    refreshed_again: int
    looped: int
    never_refreshed: int
    kept_calling: int
    kept_writing: int
    unauthenticated: int
    weak: int

    @property
    def wrong(self) -> int:
        """Devices that did not do what they should."""
        return self.devices - self.right - self.undecided


class RecoveryCell(Frozen):
    """Devices of a platform that were refused by a class of endpoints before the moment, by what they are since.

    `well`: accepted on an endpoint that had refused it (a refresh: granted, and an accepted call after it); `ill`:
    still refused; `unproven`: seen, but neither; `unseen`. `new`: ill since then only, and not among `devices`.
    `endpoints` are those that refuse the ill, most refusals first.
    """

    system: str
    platform: str | None
    endpoint_class: str
    devices: int
    well: int
    ill: int
    unproven: int
    unseen: int
    new: int
    endpoints: tuple[str, ...] = ()

    @property
    def proven(self) -> bool:
        """Whether some device proves it well, and none is ill."""
        return self.well > 0 and not self.ill and not self.new


class IllDevice(Frozen):
    """A device that is ill after the moment: `refused` so often since, the last time by `endpoint`, for `reason`.

    `new`: it was not ill before.
    """

    system: str
    device_id: str
    platform: str | None
    app_version: str | None
    refused: int
    last_refused: Moment
    endpoint: str
    reason: str | None
    new: bool


Outcome = Literal["recovered", "ill", "unproven", "unseen", "nothing"]


class Recovery(Frozen):
    """Whether what was ill before `after` is well since.

    `recovered`: every cell is proven. `ill`: some device is. `unseen`: of some platform that was ill no device was seen
    since. `unproven`: a cell lacks proof. `nothing`: no device was ill, before or since. The counts are of devices,
    each at its worst over the cells: ill, unproven, unseen, well; `new` are not among `devices`.
    """

    after: Moment
    outcome: Outcome
    headline: str
    devices: int
    well: int
    ill: int
    unproven: int
    unseen: int
    new: int
    cells: tuple[RecoveryCell, ...]
    ill_devices: tuple[IllDevice, ...] = ()
    ill_devices_omitted: int = 0


class Entry(Frozen):
    """A request of a device, or a run of requests alike: `count` of them, the first one told.

    `state` is that after it; `begins` and `ends` are findings (their ids) whose time begins or ends here, `inside` how
    many it lies within. A straggler was made before the last verdict was in, and says nothing about the token held.
    """

    first_seen: Moment
    last_seen: Moment
    count: int
    auth_event: str
    reason: str | None
    method: str | None
    route: str | None
    status: int | None
    state: str
    straggler: bool
    source: str
    line_number: int
    begins: tuple[str, ...] = ()
    ends: tuple[str, ...] = ()
    inside: int = 0


class Journal(Frozen):
    """What one device did, in order: `entries` stand for `told` requests, but for `omitted` in their middle.

    Of its `requests` the others say nothing about its session (static files, preflights, failures of the server).
    """

    system: str
    device_id: str
    platform: str | None
    app_version: str | None
    state: str
    requests: int
    denied: int
    told: int
    findings: tuple[Finding, ...]
    entries: tuple[Entry, ...]
    omitted: int = 0
