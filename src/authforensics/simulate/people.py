"""Who there is: devices with their users, addresses and user agents."""

from __future__ import annotations

from collections.abc import Iterator

from authforensics.simulate.chance import Chance
from authforensics.simulate.record import Actor
from authforensics.simulate.scenario import Group

_IPHONES = ("iOS 17.6.1", "iOS 18.0", "iOS 18.1.1")
_ANDROIDS = ("Android 13; SM-A546E", "Android 14; Pixel 8", "Android 14; SM-S921B", "Android 15; 2312DRA50G")
_SYSTEMS = ("Windows NT 10.0; Win64; x64", "Macintosh; Intel Mac OS X 10_15_7", "X11; Linux x86_64")
_BROWSERS = ("128.0.0.0", "129.0.0.0", "130.0.0.0", "131.0.0.0")
_PER_NETWORK = 200


def agent(platform: str, version: str, chance: Chance) -> str:
    """The user agent of a device."""
    if platform == "ios":
        return f"Courier/{version} (iPhone; {chance.pick(_IPHONES)}; Scale/3.00)"
    if platform == "android":
        return f"Courier/{version} ({chance.pick(_ANDROIDS)}) okhttp/4.12.0"
    system, browser = chance.pick(_SYSTEMS), chance.pick(_BROWSERS)
    return f"Mozilla/5.0 ({system}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{browser} Safari/537.36"


def updated(text: str, old: str | None, new: str) -> str:
    """The user agent after an update of the app; a browser's stays."""
    return text.replace(f"Courier/{old} ", f"Courier/{new} ")


def address(chance: Chance) -> str:
    """Where a device may be when it changes its network."""
    # 198.18.0.0/15 is set aside for tests (RFC 2544).
    return f"198.19.{chance.whole(0, 255)}.{chance.whole(1, 254)}"


def devices(group: Group, number: int, first: int, seed: int) -> Iterator[Actor]:
    """The devices of a group, which is the `number`-th and has `first` devices before it."""
    for index in range(group.count):
        chance = Chance(seed, "device", first + index)
        platform = chance.weighted(group.platforms)
        version = chance.weighted(group.versions)
        home = first + index
        own = f"198.18.{home // _PER_NETWORK}.{home % _PER_NETWORK + 1}"
        yield Actor(
            name=f"{group.name}-{index:04d}",
            user=f"u{number}{index // group.devices_per_user:05d}",
            platform=platform,
            version=version,
            address=own if group.nat == 1 else f"203.0.113.{1 + (home // group.nat) % 254}",
            agent=agent(platform, version, chance),
            group=group.name,
            device_id=chance.hex(16),
        )
