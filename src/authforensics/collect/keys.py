"""How the keys of different products are compared: their case, their hyphens, the objects that they are put into."""

from __future__ import annotations

import re

#: Objects in which products put what others have at the top. Reference: Azure's resource logs; Serilog's JsonFormatter;
#: Log4j's JsonLayout; OpenTelemetry's log data model; Cloud Logging's jsonPayload; GELF's underscore; .NET's
#: JsonConsoleFormatter; tracing's JSON; express-winston; Vercel's log drains
ENVELOPE = re.compile(
    r"^(?:properties\.|attributes\.|jsonpayload\.|fields\.|contextmap\.|mdc\.|extra\.|context\.|logattributes\.|data\."
    r"|record\.|detail\.|params\.|metadata\.|payload\.|ctx\.|http_request\.|access\.|state\.|span\.|meta\.|proxy\.|_)+(?=.)"
)

#: What stands before a name that says whether the request or the answer to it has what is named.
_SIDE = re.compile(r"^(?:http[._])?(?:(?P<request>request|req)|response|resp|res)[._](?=.)")


def fold(name: str) -> str:
    """The form in which names are compared."""
    return name.lower().replace("-", "_")


def bare(name: str) -> str:
    """A folded name without the object that it is put into."""
    return ENVELOPE.sub("", fold(name))


def sided(name: str) -> tuple[str, bool]:
    """A folded name without what says whose it is, and whether that is the request: else it is the answer.

    A name that doesn't say so is empty.
    """
    match = _SIDE.match(folded := fold(name))
    return ("", False) if match is None else (folded[match.end() :], match["request"] is not None)
