"""The wording of refusals: which words name which reason, and what some libraries mean by words that others share.

All patterns are for `reasons.plain` text: small letters and digits, one space between words, no quotes, so that
`Jwt_is_expired`, `JWTExpired` and `"exp" claim` are read as `jwt is expired`, `jwt expired` and `exp claim`. They leave
room for what libraries fill in and name no version. Words that anyone uses (expired, malformed, not found) count only
beside what they are said of: a coupon expires, too, and a file has no key.
"""

from __future__ import annotations

from authforensics.schema import Reason

_TOKEN = r"(?:tokens?|jwts?|jws|assertion)"
_CARRIED = r"(?:tokens?|jwts?|jws|session|cookie|credentials?|signature|assertion)"
_WITH = r"(?:missing|empty|nil)(?: (?:or|malformed|jwt|json|web|auth|access|bearer|refresh|id|session))*"
#: Tokens that a server looks up, not verifies.
_OPAQUE = r"(?:access|bearer|auth|api|opaque) tokens?"
_AUD = r"\baud(?:ience)?s?\b"
_ISS = r"\biss(?:uer)?\b"
_ALG = r"\balg(?:orithm)?\b"
_WRONG = r"(?:invalid|unexpected|wrong|incorrect|unknown|bad)"
#: Whose tokens are refused because of what became of them: not because of anything that the token says.
_STATE = r"(?:disabled|deactivated|blocked|locked|suspended|banned|inactive)"
_SUBJECT = r"(?:user|account|tenant|client|member)(?: account)?"
_REFUSED = (
    r"(?:refused|rejected|denied|unauthorized|forbidden|not allowed|(?:auth|authentication|login|refresh|token) failed)"
)
#: What a request comes with, or without.
_KINDS = r"(?: (?:an?|any|bearer|auth|access|jwt))*"
_CREDENTIALS = r"(?:token|jwt|credentials|authorization header)"

#: In this order: the first group with a match decides. Tokens and signatures of other kinds say nothing. A provider's
#: code is unmistakable. What speaks of permissions, passwords, clients or the kind of token is not a broken token,
#: whatever else it says. Who names several reasons names none (null). Then the cause before its effect (used twice:
#: revoked; key missing: signature not verified), the fault of one claim before faults of all tokens, and last the codes
#: that cover everything.
# Reference: the sources of PyJWT, python-jose, Authlib, simplejwt, flask-jwt-extended, php-jwt, lcobucci, tymon,
# league/oauth2-server, jsonwebtoken, jose, jjwt, java-jwt, nimbus, Spring Security, smallrye, golang-jwt, jwx, go-oidc,
# fosite, IdentityModel, Duende, OpenIddict, ruby-jwt, doorkeeper, jwt_verify_lib, Kong, APISIX, Keycloak, GoTrue,
# distribution's registry, Synapse, Keystone;
# https://learn.microsoft.com/en-us/entra/identity-platform/reference-error-codes (AADSTS);
# https://auth0.com/docs/deploy-monitor/logs/log-event-type-codes (ferrt, fertft)
RULES: tuple[tuple[Reason | None, tuple[str, ...]], ...] = (
    (
        None,
        (
            (
                r"\b(?:webhook|document|invoice|payment|notification|push|device|reset|confirmation|"
                r"invitation|page) (?:token|signature)\b"
            ),
            r"\brequest signature\b",
            # What a database says of its tables, whatever these hold.
            r"\b(?:constraint failed|violates(?: \w+){0,3} constraint|(?:integrity|operational) error)\b",
            r"\b(?:no such table|relation(?: \w+){1,6} does not exist)\b",
            r"\btoken bucket\b|\b(?:token|signature) (?:of|for)(?: the| a)? (?:webhook|document|invoice|payment)",
        ),
    ),
    (Reason.REFRESH_EXPIRED, (r"\baadsts(?:70008[24]?|70043)\b",)),
    (Reason.REFRESH_REVOKED, (r"\baadsts(?:5013[23]|50173|70000|5007[689]|50057)\b",)),
    (Reason.SIGNATURE_INVALID, (r"\baadsts(?:700027|50013|50006)\b",)),
    (Reason.TOKEN_EXPIRED, (r"\baadsts500133\b",)),
    (Reason.MALFORMED, (r"\baadsts50027\b",)),
    (Reason.OTHER, (r"\baadsts(?:5300[0-4]|50126|5005[38]|50034|50196|65001|54005|70002(?:22|15)?)\b",)),
    (
        Reason.OTHER,
        (
            r"\b[cx]srf\b(?: \w+){0,5} (?:mismatch|missing|failed|invalid|not match)\b",
            r"\b(?:missing|invalid|bad) [cx]srf\b",
            r"\b(?:insufficient|wrong|invalid|requires?)(?: \w+)? (?:scopes?|permissions?|privileges?|roles?)\b",
            r"\b(?:not|dont) have(?: \w+)? permission|\bnot (?:authorized|permitted) to\b|\brbac access denied",
            r"\b(?:invalid|incorrect|wrong|bad)(?: \w+){1,2} (?:or|and) password\b|\bgiven credentials",
            r"\b(?:bad|invalid|incorrect|wrong)(?: user| login| authentication)? (?:credentials|password)\b",
            r"\bclient (?:authentication|secret|credentials)\b|\b(?:invalid|wrong|authorized) client\b",
            r"\b(?:wrong|incorrect|expected|unexpected|any) (?:token )?type?\b",
            r"\btoken (?:type|use) (?:is|not|validation|mismatch)\b",
            r"\bun(?:known|recogni[sz]ed)(?: \w+)? token (?:type|format)\b",
            r"\bonly (?:non )?(?:refresh|access) tokens|\bnot an? (?:refresh|access|id) token|\bfresh token required",
            r"\bsubject invalid|\bdifferent from the session|\btoken belonging to",
            r"\bkey(?: provided)? is (?:too short|shorter)",
            r"\bnot secure enough",
            r"\bmaximum allowed expiration",
            r"\bvalue doesnt match the required one",
            r"\bconsent(?:ed)? (?:required|to use)|\bcode was already redeemed|\bgrant type specified",
            r"\bclient loop\b|\buse multi ?factor",
            r"\bauth (?:missing|invalid) (?:state|awsalb)|\bsession token error\b",
        ),
    ),
    (
        Reason.REFRESH_REUSED,
        (
            r"\bre ?use(?: was| is)? (?:detected|exceeded|exception)|\bdetect(?:ed)? re ?use",
            rf"\b{_TOKEN}(?: \w+){{0,7}} (?:already|previously) (?:been )?(?:used|redeemed|consumed|validated)",
            r"\b(?:consumed|used|redeemed) already|\btoken theft|\bferrt\b|^stale token\b",
            r"\brefresh token (?:because of multiple concurrent|please retry)|\bconcurrent token refresh",
            r"\brefresh token is invalid or could not be revoked",
        ),
    ),
    (
        Reason.REFRESH_REVOKED,
        (
            r"\bstale refresh token|\bsession expired (?:revoked|low aal)|\buser must sign in again",
            r"\bauthorization (?:grant|associated)(?: \w+){1,16} (?:invalid|no longer valid)\b",
        ),
    ),
    (None, (r"\b(?:invalid|revoked) or expired|\bexpired (?:or )?(?:invalid|revoked)\b",)),
    (
        Reason.KEY_NOT_FOUND,
        (
            r"\bno (?:applicable|matching|verification|signing|security|public|suitable) (?:\w+ )?keys?\b",
            r"\bno keys? (?:id|found)\b",
            (
                r"\b(?:(?:signing|public|verification|signature) keys?|the key id)(?: \w+){0,7} (?:not|"
                r"unresolvable|unavailable)\b"
            ),
            r"\b(?:unable|fail(?:ed)?) to \w+(?: \w+){0,3} (?:correct|algorithm for) key\b",
            (
                r"\b(?:find|locate|resolve)(?: (?:a|an|any|the))?(?: (?:matching|signing|public|"
                r"signature|verification))+ key"
            ),
            r"\b(?:match|with) kid\b|\bmatch key\b",
            r"\bkid\b(?: \w+){0,4} (?:missing|empty|unknown|mismatch|not|doesnt)\b",
            rf"\b(?:{_WRONG}|missing|no|provided)(?: \w+)? kid\b",
            r"\bjwks\b(?: \w+){0,9} (?:not|failed|doesnt|unavailable|timeout)\b|\b(?:requests to the|fetch) jwks\b",
            r"\bjson web key set\b|\bkeyfunc\b|\bjwt decoder instance",
            r"\bsecret(?: \w+){0,5} (?:not set|is required|must (?:have|be (?:set|provided)))\b",
            r"\b(?:missing|lacks|requires a)(?: jwt)? secret\b|\bsecret or (?:public|private) key (?:is not|callback)",
            r"\bkey (?:material )?(?:must not|may not|cannot) be empty|\bempty signer|\binvalid key (?:format|secret)",
            r"\buntrusted (?:key|jwk)\b|\b(?:unable to verify|verify jwk) certificate chain|\bget token signing key",
            r"\bno credentials found for given|\brelated consumer|\binvalid user key",
        ),
    ),
    (
        Reason.ALGORITHM_REJECTED,
        (
            (
                rf"\b(?:{_WRONG}|unsupported|disallowed|empty|different|missing|no)(?: (?:or|invalid|"
                rf"unsupported|jws|jwt|token|header|signing|signature))* {_ALG}"
            ),
            (
                rf"{_ALG}(?: \w+){{0,6}} (?:not (?:allowed|supported|valid|match)|doesnt match|missing|invalid|"
                rf"unsupported|mismatch)"
            ),
            r"\bsigning method\b|\bsignature type is not|\bunsigned(?: \w+)? token|\btoken has no signatures?\b",
            r"\bsigner mismatch|\bno matching verifier|\basymmetric key\b|\bkey is of invalid type",
        ),
    ),
    (
        Reason.NOT_YET_VALID,
        (
            r"\b(?:not yet|jwt not) (?:valid|active)\b|\bnot (?:valid|active) (?:yet|before|until)\b",
            r"\bnbf\b|\bnot to be used before\b",
            r"\biat (?:prior|not satisfied|claim timestamp|in the)|\binvalid iat\b",
            r"\bissued (?:in|at)(?: \w+){0,6} future\b|\bissued at time is more than",
            rf"\b{_TOKEN}(?: (?:cannot|cant|can not))?(?: be)? used (?:yet|before)|\bbefore use time|\bjwt early by",
        ),
    ),
    (
        Reason.REFRESH_EXPIRED,
        (r"\brefresh tokens?(?: \w+){0,6} expired|\bfixed limited lifetime",),
    ),
    (
        Reason.TOKEN_EXPIRED,
        (
            rf"\b{_CARRIED}(?: \w+){{0,6}} expired|\bexpired (?:\w+ )?(?:tokens?|jwts?|session|signature)\b",
            r"\bexp\b(?: \w+){0,5} (?:failed|not satisfied|past|expiration)\b|\bnot to be used after\b",
            (
                rf"\b(?:{_TOKEN}|max)(?: \w+){{0,3}} (?:is not active|no longer valid|(?:has|"
                rf"age) exceeded|run out|within its valid time)\b"
            ),
        ),
    ),
    (
        Reason.SIGNATURE_INVALID,
        (
            (
                r"\bsignatures?(?: \w+){0,6} "
                r"(?:failed|invalid|mismatch|raised|error|incorrect|(?:doesnt|does not) match|"
                r"not valid|(?:not be|cannot be) (?:verified|validated))\b"
            ),
            r"\b(?:invalid|bad|wrong|incorrect|failed|decoding)(?: (?:jwt|jws|token))? signature\b",
            r"\b(?:verify|validate)(?: (?:the|a|id|jwt|jws|token|message|using|any|of))* signatures?\b",
            r"\b(?:rsa|ecdsa|ed25519|hmac) verification error",
            r"\bverification failed (?:hmac|rsa|ecdsa)",
            r"\bjwt verification fails",
            r"\bcryptographic (?:primitive|operation)|\bdecryption (?:operation )?(?:failed|secret)",
            r"\bdecrypt(?: \w+){1,2} token",
            r"\bnot issued by this server|\bnot a recogni[sz]ed fernet token",
        ),
    ),
    (
        Reason.AUDIENCE_MISMATCH,
        (
            (
                rf"{_AUD}(?: \w+){{0,8}} (?:mismatch|invalid|doesnt|not (?:allowed|match|valid|"
                rf"satisfied|available|accepted))\b"
            ),
            rf"\b(?:{_WRONG}|expected|contain any|by this|not in|invalid claim)(?: jwt| token)? {_AUD}|\bin aud claim",
            r"\bnot intended for|\btoken intended for another|\bused with this resource|\bproject number",
        ),
    ),
    (
        Reason.ISSUER_MISMATCH,
        (
            rf"{_ISS}(?: \w+){{0,10}} (?:not|mismatch|invalid|doesnt|failed)\b",
            rf"\b(?:{_WRONG}|expected|untrusted)(?: jwt| token| claim)? {_ISS}",
            r"\bissued by (?:a different|the given)",
        ),
    ),
    (
        Reason.REFRESH_REVOKED,
        (
            r"\b(?:invalid|unknown) refresh token\b",
            r"\brefresh token (?:was |is )?(?:invalid|isnt valid|not found|does not exist)",
            r"\brefresh token(?: \w+){0,3} (?:revoked|not valid)\b",
        ),
    ),
    (
        Reason.REVOKED,
        (
            rf"\b{_REFUSED}(?: \w+){{0,6}} {_SUBJECT} (?:{_STATE}|deleted)\b",
            rf"\b{_REFUSED}(?: \w+){{0,6}} (?:{_STATE}|deleted) {_SUBJECT}\b",
        ),
    ),
    # Somebody did that just now.
    (None, (rf"\b(?:{_STATE}|deleted) (?:by (?:admin|operator|user)\b|successfully)",)),
    (
        Reason.REVOKED,
        (
            r"\b(?:tokens?|jwt|session|cookie|grant)(?: \w+){0,5} revoked\b|\brevoked(?: \w+)? token\b",
            rf"\b{_TOKEN}(?: \w+){{0,4}} (?:black ?listed|deny ?listed|invalidated)",
            r"\buntrusted(?: \w+)? token",
            rf"\b(?:unknown|unrecogni[sz]ed|no such) {_OPAQUE}\b|\binvalid access token passed\b",
            rf"\b{_OPAQUE}(?: (?:is|was|given|passed|provided))* (?:unknown|(?:un|not )recogni[sz]ed)\b",
            rf"\b{_OPAQUE}(?: (?:given|passed|provided))? (?:does not|doesnt) exist\b",
            r"^token (?:does not|doesnt) exist$",
            r"\btoken (?:was |is )?not found in (?:the )?(?:database|db|store|storage|redis)\b",
            r"\bauth invalid cookie",
            r"\bsession not (?:active|found)\b",
            r"\bsession (?:\w+ ){0,6}(?:does not exist|doesnt exist|terminated|invalidated)\b",
            r"\bsession (?:invalid for|doesnt have required)",
            rf"\b(?:user|account|tenant)(?: account)? {_STATE}\b",
            rf"\b{_SUBJECT} (?:is|was|has been)(?: \w+ly)? {_STATE}\b",
            r"\buser (?:from|corresponding to)(?: \w+){1,5} (?:does not exist|not found)",
            r"\bfor the given token",
            r"\bfind consumer for",
        ),
    ),
    (
        Reason.MISSING_TOKEN,
        (r"\bparsed from the request|\bmissing or malformed|\b(?:jws must be|jwt is not) a string",),
    ),
    (
        Reason.MALFORMED,
        (
            r"\bmissing(?: \w+){0,3} claims?\b|\b(?:has no|no mandatory)(?: \w+){1,2} claims?\b",
            r"\b(?:jwt|payload|iat|exp|parameter) must be an? (?:string|number|integer|json)",
            r"\b(?:tokens?|jwt|auth(?:orization)? header)(?: is)? malformed",
            r"\bmalformed (?:jwt|token|payload|auth(?:orization)? header)",
            r"\b(?:number of|not enough|too many|three|invalid) (?:segments?|parts)\b",
            r"\b\w+ (?:parts (?:in jwt|but got|header)|period characters)|\btwo dots\b|\bmissing the \w+ part\b",
            rf"\b(?:decode|parse|decoding|deserialize)(?: \w+){{0,3}} {_TOKEN}\b",
            r"\b(?:token|cookie) (?:could not|couldnt) be parsed|\bdecode error\b",
            r"\binvalid base64|\bbase64 decode",
            (
                r"\binvalid (?:compact|header|payload|crypto|claims|segment|jwt|token) (?:string|"
                r"padding|encoding|structure|format|jws|jwt|header)\b"
            ),
            r"\b(?:jwt|token) (?:header|payload) is an invalid",
            r"\bnot (?:a (?:valid )?jwt|well formed)\b|\bimproperly formatted token",
            r"\b(?:unrecognizable|bad|wrongly encoded) (?:token|signature)\b",
            r"\bmultiple (?:\w+ )?tokens\b|\bonly one method may be used to authenticate",
            r"\bauth(?:orization)? (?:header (?:is invalid|must contain)|type not)",
            r"\bbad(?: \w+){1,2} header\b",
            r"\bformat is authorization",
            r"\btokens in query\b",
            r"\bin the token payload",
            r"\b(?:subject|user id) (?:missing|not found) in",
            r"\brecognizable user",
            r"\binvalid exp value",
            r"\bvalue provided for claim",
            r"\btoken lifetime is invalid",
            r"\b(?:has no|missing an) expiration",
            r"\bmaximum token size|\bis after expires|\bmissing user key|\bnot contain whitespace",
        ),
    ),
    (
        None,
        (
            (
                r"\b(?:no|without)(?: \w+){0,2} (?:tokens?|credentials) (?:rotation|refresh|renewal|validation|check|"
                r"limit|bucket|left|needed|configured|cached|rotated|store)\b"
            ),
        ),
    ),
    (
        Reason.MISSING_TOKEN,
        (
            (
                rf"\bno{_KINDS} (?:tokens?|jwt|credentials|authorization(?: header| token)?) in (?:the )?(?:\w+ )?"
                r"(?:request|headers?|cookies?)\b"
            ),
            rf"\b(?:request|call|called|connection|came|sent)(?: \w+){{0,3}} without{_KINDS} {_CREDENTIALS}\b",
            rf"\bwithout (?:an? |any )?bearer token\b|\b(?:sent|carries|carried|contains) no{_KINDS} {_CREDENTIALS}\b",
            r"\bno (?:auth|bearer) token$|\b(?:unauthorized|exception) no (?:auth|access|bearer|jwt) token\b",
            rf"\b{_WITH} (?:tokens?|jwt|authorization|authentication|bearer|cookie|credentials?)\b",
            (
                r"\bno(?: \w+){0,3} (?:tokens?|jwt|authorization|authentication|credentials|cookies?)(?: \w+){0,2} "
                r"(?:found|provided|given|present|supplied|sent)\b"
            ),
            (
                r"\b(?:tokens?|jwt|authorization|auth header|cookie|credentials|auth session)(?: \w+){0,5} "
                r"(?:not (?:provided|found|present|supplied|sent)|missing|required|empty|null|be provided|undefined)\b"
            ),
            r"\bbe a null or an empty",
            r"^no (?:auth|authorization|access)(?: token)?\b|\bo auth \d+(?: \d+)? parameter",
        ),
    ),
    (Reason.REFRESH_EXPIRED, (r"\bfertft\b",)),
    (Reason.SIGNATURE_INVALID, (r"\bbad jwt\b",)),
    (Reason.REFRESH_REVOKED, (r"\binvalid grant\b",)),
    # Files, tables and buckets deny access, too.
    (
        Reason.OTHER,
        (
            r"\bauthorization (?:failure|denied) for\b",
            r"\bsecurity (?:\w+ ){1,2}(?:access|authorization) denied exception\b",
        ),
    ),
)

#: What a library says in words that would tell nothing, or something else, if another had said them. Its name is looked
#: for in what wrote the line (`COLLECTED.origin`), and in the text itself; both plain. These decide before `RULES`.
DIALECTS: dict[str, tuple[tuple[Reason, str], ...]] = {
    r"\bfirebase (?:php )?jwt\b": (
        (Reason.MALFORMED, r"\bmalformed (?:json|utf)"),
        (Reason.KEY_NOT_FOUND, r"\bhttp error(?: \w+){1,6} for uri"),
    ),
    r"\blcobucci\b": ((Reason.MALFORMED, r"\bdecoding from json"),),
    r"\bjson ?web ?token(?: error|s)?\b": ((Reason.MALFORMED, r"\binvalid token\b|\bbase64 error"),),
    r"\b(?:rest framework|simplejwt)\b": ((Reason.REVOKED, r"\buser not found|\binvalid token$|\buser is inactive"),),
    r"\bflask jwt extended\b": ((Reason.REVOKED, r"\bloading the user"),),
    r"\bjose\b|\bjwks timeout": ((Reason.KEY_NOT_FOUND, r"\brequest timed out"),),
    r"\boidc\b": ((Reason.KEY_NOT_FOUND, r"\b(?:fetching|get) keys"), (Reason.REVOKED, r"^invalid token$")),
    r"\bguardian\b": ((Reason.MISSING_TOKEN, r"\bunauthenticated$"),),
    r"\bkong\b|\bexpress oauth2 jwt bearer\b": ((Reason.MISSING_TOKEN, r"\bunauthorized$"),),
    r"\bsmallrye\b|\bsrjwt\d+": ((Reason.OTHER, r"\btoken is invalid$"),),
    r"\bjwt ?kit\b": ((Reason.TOKEN_EXPIRED, r"\bexpired$"), (Reason.NOT_YET_VALID, r"\btoo soon$")),
    r"\bduende\b": ((Reason.REVOKED, r"\bhas been disabled$"),),
    r"\b(?:warden|devise)\b": ((Reason.REVOKED, r"\bnil user"),),
    r"\b(?:go ?true|supabase)\b": ((Reason.MALFORMED, r"^refresh token is not valid"),),
    r"\betcd(?:server)?\b": ((Reason.REVOKED, r"\binvalid auth token"), (Reason.OTHER, r"\bpermission denied")),
    r"\bkeycloak\b": ((Reason.REVOKED, r"^invalid token$|\buser not found"),),
    r"\b(?:grant token|securetoken|identitytoolkit)\b": (
        (Reason.REFRESH_REVOKED, r"\btoken expired$|\buser not found"),
    ),
}
