"""From the record of an identity provider, a proxy or a balancer to the reason of the refusal."""

from __future__ import annotations

import json

import polars as pl
import pytest

from authforensics.correlate import condense, reasons
from collecting import collect

_AUTH0 = {"date": "2026-03-01T10:02:03.123Z", "ip": "203.0.113.7", "user_id": "auth0|42", "details": {}}


def auth0(code: str) -> str:
    kind, _, description = code.partition(": ")
    told = _AUTH0 | {"type": kind, "log_id": "900"} | ({"description": description} if description else {})
    return json.dumps({"log_id": "900", "data": told})


def okta(code: str) -> str:
    kind, _, reason = code.partition(": ")
    return json.dumps(
        {
            "actor": {"id": "0oa1", "type": "PublicClientApp"},
            "client": {"ipAddress": "203.0.113.7"},
            "displayMessage": "OAuth2 token request",
            "eventType": kind,
            "outcome": {"result": "FAILURE", "reason": reason or None},
            "published": "2026-03-01T10:02:03.123Z",
            "uuid": "u-1",
            "debugContext": {"debugData": {"grantType": "refresh_token", "requestUri": "/oauth2/default/v1/token"}},
        }
    )


def entra(code: str) -> str:
    return json.dumps(
        {
            "id": "s-1",
            "createdDateTime": "2026-03-01T10:02:03Z",
            "appId": "a-1",
            "ipAddress": "203.0.113.7",
            "isInteractive": False,
            "userId": "u-1",
            "status": {"errorCode": int(code)},
        }
    )


def keycloak(code: str) -> str:
    error, _, reason = code.partition(": ")
    told = f'error="{error}"' + (f', reason="{reason}"' if reason else "")
    return (
        '2026-03-01 10:02:03,123 WARN  [org.keycloak.events] (executor-thread-1) type="REFRESH_TOKEN_ERROR",'
        f' realmId="5d2c", clientId="app", userId="null", ipAddress="203.0.113.7", {told}, grant_type="refresh_token"'
    )


def cloudtrail(code: str) -> str:
    error, _, message = code.partition(": ")
    return json.dumps(
        {
            "eventVersion": "1.08",
            "eventTime": "2026-03-01T10:02:03Z",
            "eventSource": "cognito-idp.amazonaws.com",
            "eventName": "InitiateAuth",
            "awsRegion": "eu-west-1",
            "sourceIPAddress": "203.0.113.7",
            "errorCode": error,
            "errorMessage": message,
            "requestParameters": {"authFlow": "REFRESH_TOKEN_AUTH"},
            "requestID": "r-1",
        }
    )


def firebase(code: str) -> str:
    return json.dumps(
        {
            "insertId": "i-1",
            "jsonPayload": {
                "@type": "type.googleapis.com/google.cloud.identitytoolkit.logging.RequestLog",
                "methodName": "google.cloud.identitytoolkit.v1.SecureToken.GrantToken",
                "requestMetadata": {"callerIp": "203.0.113.7"},
                "status": {"code": 3, "message": code},
            },
            "timestamp": "2026-03-01T10:02:03.123456Z",
        }
    )


def supabase(code: str) -> str:
    error, _, message = code.partition(": ")
    return json.dumps(
        {
            "level": "info",
            "time": "2026-03-01T10:02:03Z",
            "msg": "request completed",
            "component": "api",
            "method": "POST",
            "path": "/token?grant_type=refresh_token",
            "remote_addr": "203.0.113.7",
            "status": 400,
            "error_code": error,
            "error": message or None,
        }
    )


#: By product what its records say, and what that means.
# Reference: https://auth0.com/docs/deploy-monitor/logs/log-event-type-codes;
# https://developer.okta.com/docs/reference/api/event-types/; OAuthErrorException.java and Errors.java of Keycloak;
# https://learn.microsoft.com/en-us/entra/identity-platform/reference-error-codes;
# https://supabase.com/docs/guides/auth/debugging/error-codes;
# https://firebase.google.com/docs/reference/rest/auth#section-refresh-token
CODES = {
    auth0: {
        "fertft": "refresh_expired",
        "ferrt": "refresh_reused",
        "ferrt: Unsuccessful Refresh Token exchange, reused refresh token detected": "refresh_reused",
    },
    okta: {
        "app.oauth2.as.token.detect_reuse": "refresh_reused",
        "app.oauth2.token.detect_reuse": "refresh_reused",
        "app.oauth2.as.token.grant: invalid_grant": "refresh_revoked",
        "app.oauth2.as.token.grant: invalid_client": "other",
    },
    entra: {
        **dict.fromkeys(("700082", "700084", "70008", "70043"), "refresh_expired"),
        **dict.fromkeys(("50173", "50132", "50133", "70000", "50076", "50078", "50079", "50057"), "refresh_revoked"),
        **dict.fromkeys(("700027", "50013", "50006"), "signature_invalid"),
        **dict.fromkeys(("53003", "50126", "50053", "50034", "50196", "65001", "54005", "70002", "7000222"), "other"),
        "500133": "refresh_expired",
        "50027": "malformed",
    },
    keycloak: {
        "invalid_token": "refresh_revoked",
        "invalid_token: Token is not active": "refresh_expired",
        "invalid_token: Session not active": "refresh_revoked",
        "invalid_token: Stale token": "refresh_reused",
        "invalid_token: Maximum allowed refresh token reuse exceeded": "refresh_reused",
        "user_session_not_found": "refresh_revoked",
        "session_expired": "refresh_expired",
        "invalid_client_credentials": "other",
    },
    cloudtrail: {
        "NotAuthorizedException: Refresh Token has expired": "refresh_expired",
        "NotAuthorizedException: Refresh Token has been revoked": "refresh_revoked",
        "NotAuthorizedException: Invalid Refresh Token": "refresh_revoked",
        "RefreshTokenReuseException: ": "refresh_reused",
    },
    firebase: {
        "TOKEN_EXPIRED": "refresh_revoked",
        "USER_DISABLED": "refresh_revoked",
        "USER_NOT_FOUND": "refresh_revoked",
        "INVALID_REFRESH_TOKEN": "refresh_revoked",
    },
    supabase: {
        "refresh_token_not_found": "refresh_revoked",
        "refresh_token_already_used": "refresh_reused",
        "session_expired": "refresh_expired",
        "session_not_found": "refresh_revoked",
        "bad_jwt": "signature_invalid",
        "bad_jwt: invalid JWT: unable to parse or verify signature, token is expired": "refresh_expired",
        "no_authorization": "missing_token",
        "user_banned": "refresh_revoked",
    },
}


@pytest.mark.parametrize("line", CODES, ids=lambda line: line.__name__)
def test_a_code_of_a_provider_becomes_its_reason(line, tmp_path):
    log = tmp_path / "provider.log"
    log.write_text("".join(line(code) + "\n" for code in CODES[line]), encoding="utf-8")
    narrow = condense.requests(collect([log]).events)
    assert narrow.height == len(CODES[line])
    assert narrow["status"].min() >= 400
    assert narrow["route"].cast(pl.String).str.contains("refresh_token", literal=True).all()
    found = narrow.select(reasons.at_endpoint(pl.col("reason"), pl.lit("refresh")).cast(pl.String))["reason"]
    assert dict(zip(CODES[line], found, strict=True)) == CODES[line]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("jwt_authn_access_denied{Jwt_is_expired}", "token_expired"),
        ("jwt_authn_access_denied{Jwt_verification_fails}", "signature_invalid"),
        ("jwt_authn_access_denied{Jwks_doesn't_have_key_to_match_kid_or_alg_from_Jwt}", "key_not_found"),
        ("jwt_authn_access_denied{Audiences_in_Jwt_are_not_allowed}", "audience_mismatch"),
        ("jwt_authn_access_denied{Jwt_is_missing}", "missing_token"),
        ("rbac_access_denied_matched_policy[none]", "other"),
        ("ext_authz_denied", None),
        ("via_upstream", None),
        ("AuthInvalidCookie", "revoked"),
        ("AuthMissingStateParam", "other"),
        ("AuthInvalidAWSALBAuthNonce", "other"),
        ("UNAUTHORIZED", None),
        ("EXPIRED_TOKEN", "token_expired"),
        ("MISSING_AUTHENTICATION_TOKEN", "missing_token"),
        ("The request signature we calculated does not match the signature you provided.", None),
        ("The incoming token has expired", "token_expired"),
        ("session-token-expired", "token_expired"),
        ("session-token-missing", "missing_token"),
        ("session-token-nbf", "not_yet_valid"),
        ("token-type-mismatch", "other"),
        ("Bearer", "missing_token"),
        ('Bearer realm="shop token expired"', "missing_token"),
        (
            'Bearer error="invalid_token", error_description="The token expired at \'03/01/2026 10:00\'"',
            "token_expired",
        ),
        ('Bearer realm="shop", error="invalid_token"', None),
        ('Bearer error="insufficient_scope", scope="orders:write"', "other"),
        ('DPoP error="use_dpop_nonce"', None),
        ('Basic realm="intranet"', None),
    ],
)
def test_what_a_proxy_or_a_challenge_says(text, reason):
    assert reasons.classify(pl.Series([text])).to_list() == [reason]
