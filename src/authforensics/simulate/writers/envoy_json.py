"""Owns `envoy_json`: Envoy's access log as JSON, as gateways and meshes set it up."""

from __future__ import annotations

import json

from authforensics.schema import Reason
from authforensics.simulate.record import Exchange
from authforensics.simulate.writer import DEVICE_ID, MILLISECONDS, REASON, REQUEST_ID, Page, Writer

# Reference: jwt_verify_lib's messages, as Envoy writes them: jwt_authn_access_denied{Jwt_is_expired}
_DETAILS = {
    Reason.SIGNATURE_INVALID: "Jwt_verification_fails",
    Reason.TOKEN_EXPIRED: "Jwt_is_expired",
    Reason.NOT_YET_VALID: "Jwt_not_yet_valid",
    Reason.MALFORMED: "Jwt_is_not_in_the_form_of_Header.Payload.Signature_with_two_dots_and_3_sections",
    Reason.ALGORITHM_REJECTED: "Header_alg_is_not_implemented",
    Reason.KEY_NOT_FOUND: "Jwks_doesn't_have_key_to_match_kid_or_alg_from_Jwt",
    Reason.AUDIENCE_MISMATCH: "Audiences_in_Jwt_are_not_allowed",
    Reason.ISSUER_MISMATCH: "Jwt_issuer_is_not_configured",
    Reason.MISSING_TOKEN: "Jwt_is_missing",
}


def _line(one: Exchange, page: Page) -> str:
    began = page.at(one.started)
    details = "via_upstream" if one.instance else "direct_response"
    if REASON in page.tells and one.refused and one.reason in _DETAILS:
        details = f"jwt_authn_access_denied{{{_DETAILS[one.reason]}}}"
    fields = {
        "start_time": f"{began:%Y-%m-%dT%H:%M:%S}.{began.microsecond // 1000:03d}Z",
        "method": one.method,
        "path": one.path,
        "protocol": "HTTP/2",
        "response_code": one.status,
        "response_code_details": details,
        "response_flags": "-",
        "bytes_sent": one.size,
        "duration": round((one.ended - one.started) * 1000),
        "upstream_host": one.instance,
        "downstream_remote_address": f"{one.address}:{40000 + one.size}",
        "user_agent": one.agent,
        "authority": "api.courier.example",
        "request_id": page.seen(REQUEST_ID, one.request_id),
        "x_device_id": page.seen(DEVICE_ID, one.actor.device_id),
        "x_app_version": one.version if one.actor.known else None,
    }
    return json.dumps({name: value for name, value in fields.items() if value is not None})


WRITER = Writer(
    "Envoy's access log as JSON", "json", False, frozenset({DEVICE_ID, REQUEST_ID, REASON, MILLISECONDS}), _line
)
