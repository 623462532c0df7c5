"""Which candidate signed a token: every algorithm, with the right key and with wrong ones."""

from __future__ import annotations

import base64
import json

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from authforensics.errors import BadValue, MissingInput
from authforensics.tokens import candidates, environment, read
from authforensics.tokens.candidates import Candidates, gather, published
from authforensics.tokens.proof import prove
from tokens.made import CLAIMS, KEY, of, signed

PAIRS = {
    "RSA": lambda: rsa.generate_private_key(65537, 2048),
    "P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "P-521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "secp256k1": lambda: ec.generate_private_key(ec.SECP256K1()),
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
    "Ed448": ed448.Ed448PrivateKey.generate,
}
ALGORITHMS = [
    *((f"{kind}{size}", "RSA") for kind in ("RS", "PS") for size in (256, 384, 512)),
    *(("ES256", "P-256"), ("ES384", "P-384"), ("ES512", "P-521"), ("ES256K", "secp256k1")),
    *(("EdDSA", "Ed25519"), ("EdDSA", "Ed448")),
]


@pytest.fixture(scope="module")
def pairs():
    return {name: (make(), make()) for name, make in PAIRS.items()}


def public(key):
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def signer(token, known=Candidates()):  # noqa: B008
    return prove(read(token), known).signer


@pytest.mark.parametrize(("algorithm", "kind"), ALGORITHMS)
def test_a_pair_is_told_from_another(algorithm, kind, pairs, tmp_path):
    right, wrong = pairs[kind]
    token = signed(key=right, algorithm=algorithm)
    (tmp_path / "wrong.pem").write_bytes(public(wrong))
    (tmp_path / "right.pem").write_bytes(public(right))
    assert signer(token, gather(key_sets=[tmp_path / "wrong.pem"])) is None
    found = signer(token, gather(key_sets=[tmp_path / "wrong.pem", tmp_path / "right.pem"]))
    assert (found.name, found.origin) == ("right.pem", "configured")


def test_a_private_key_is_as_good_as_its_public_half(pairs, tmp_path):
    right = pairs["P-256"][0]
    text = right.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    known = gather(environment={"JWT_PRIVATE_KEY": text.replace("\n", "\\n")})
    assert signer(signed(key=right, algorithm="ES256"), known).name == "env:JWT_PRIVATE_KEY"


def test_a_key_set_is_searched_by_kid_and_without(pairs, tmp_path):
    one, other = pairs["RSA"]
    jwks = [
        {**jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid}
        for key, kid in ((one, "old"), (other, "new"))
    ]
    (tmp_path / "jwks.json").write_text(json.dumps({"keys": [*jwks, {"kid": "?"}]}))
    known = gather(key_sets=[tmp_path / "jwks.json"])
    assert known.notes == (f"{tmp_path / 'jwks.json'}: key 3 has no kty, and is left out",)
    assert signer(signed(key=other, algorithm="RS256", kid="new"), known).name == "jwks:new"
    strange = signer(signed(key=other, algorithm="RS256", kid="old"), known)
    assert (strange.name, strange.what) == ("jwks:new", "its kid is 'new', the token names 'old'")
    third = signed(key=PAIRS["RSA"](), algorithm="RS256", kid="next")
    assert "do not include its kid 'next'" in prove(read(third), known).why_not
    assert "name them with --jwks" in prove(read(third), Candidates()).why_not


def test_a_public_key_taken_for_a_secret_is_critical(pairs, tmp_path):
    key = public(pairs["RSA"][0])
    (tmp_path / "key.pem").write_bytes(key)
    claims = of().rsplit(".", 1)[0].encode()
    import hashlib
    import hmac

    made = base64.urlsafe_b64encode(hmac.digest(key, claims, hashlib.sha256)).rstrip(b"=").decode()
    found = signer(f"{claims.decode()}.{made}", gather(key_sets=[tmp_path / "key.pem"]))
    assert (found.origin, found.what) == ("published_default", "a public key taken for a shared secret")


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
@pytest.mark.parametrize(
    ("key", "how"),
    [
        (KEY, ""),
        (f"{KEY}\n", "with a line end"),
        (f"{KEY}\r\n", "with a line end of Windows"),
        (f'"{KEY}"', "with double quotes around it"),
        (f"{KEY}_refresh", "with _refresh behind it"),
        (base64.b64decode(KEY), "decoded from base64"),
    ],
)
def test_a_secret_is_known_however_it_was_changed(algorithm, key, how):
    found = signer(signed(key=key, algorithm=algorithm), gather(environment={"OTHER": "x" * 40, "SECRET_KEY": KEY}))
    assert (found.name, found.origin, found.how) == ("env:SECRET_KEY", "configured", how)


@pytest.mark.parametrize(
    ("key", "name", "what"),
    [
        ("ACCESS_SECRET", "the literal ACCESS_SECRET", "a variable's name as its own fallback"),
        ("MY_OWN_NAME", "the literal MY_OWN_NAME", "a variable's name as its own fallback"),
        ("${JWT_SECRET}", "the literal ${JWT_SECRET}", "a placeholder that nobody filled in"),
        ("undefined", "the literal undefined", "what a missing variable becomes"),
        ("your-256-bit-secret", "a published default", "a secret of public code or a tutorial"),
    ],
)
def test_defaults_that_everybody_knows_are_found(key, name, what):
    found = signer(signed(key=key), gather(environment={"MY_OWN_NAME": ""}))
    assert (found.name, found.origin, found.what) == (name, "published_default", what)


def test_every_published_secret_is_found():
    for secret in published()[::97]:
        assert signer(signed(key=secret)).origin == "published_default"


def test_who_is_unknown_stays_unknown():
    proof = prove(read(signed(key="Zk3!" * 12)), gather(environment={"SECRET_KEY": KEY}))
    assert proof.signer is None
    assert proof.tried > 2_000
    assert (
        prove(read(of(header={"alg": "none"}, signature="")), Candidates()).why_not == "nobody signed it: alg is none"
    )
    assert "its signature is missing" in prove(read(signed()[:-43]), Candidates()).why_not


def test_a_long_token_is_tried_with_named_secrets_only():
    long = {**CLAIMS, "groups": ["g" * 40] * 1000}
    known = gather(environment={"SECRET_KEY": KEY})
    assert signer(signed(long), known).name == "env:SECRET_KEY"
    assert "published defaults are tried" in prove(read(signed(long, key="secret")), known).why_not


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("jwks.json", "{", r"jwks.json:1: expected a JSON Web Key Set"),
        ("jwks.json", "[1]", r"jwks.json: expected an object with a list named 'keys'"),
    ],
)
def test_a_file_that_is_no_key_set_is_named(name, text, told, tmp_path):
    (tmp_path / name).write_text(text)
    with pytest.raises(BadValue, match=told):
        gather(key_sets=[tmp_path / name])


def test_a_file_of_secrets_is_told_by_its_lines(tmp_path):
    (tmp_path / "secrets").write_text(f"first\n\n{KEY}\n")
    assert signer(signed(), gather(secrets=tmp_path / "secrets")).name == "secrets:3"
    with pytest.raises(MissingInput, match="does not exist"):
        gather(secrets=tmp_path / "nothing")


def test_a_dotenv_file_is_read_without_its_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME_OF_IT", "leaked")
    (tmp_path / ".env").write_text("export A='x y' # c\nB=${HOME_OF_IT}\nC\nD=\n")
    assert candidates.environment(tmp_path / ".env") == {"A": "x y", "B": "${HOME_OF_IT}", "C": None, "D": ""}
    (tmp_path / ".env").write_text("A=1\n\nB='open secret\n")
    with pytest.raises(BadValue, match=r"\.env:3: expected NAME=value") as error:
        candidates.environment(tmp_path / ".env")
    assert "open secret" not in str(error.value)


@pytest.mark.parametrize(
    ("variables", "lacking"),
    [
        ({"SECRET_KEY": "x"}, ("ACCESS_SECRET", "REFRESH_SECRET")),
        ({"SECRET_KEY": "x", "REFRESH_SECRET": ""}, ("ACCESS_SECRET", "REFRESH_SECRET")),
        ({"JWT_ACCESS_SECRET": "x", "JWT_REFRESH_SECRET": "y"}, ()),
        ({"JWT_SECRET": "x", "JWT_REFRESH_SECRET": "y"}, ("ACCESS_SECRET",)),
        ({"DB_PASSWORD": "x"}, ()),
    ],
)
def test_what_an_environment_lacks_is_told_where_it_has_a_signing_secret(variables, lacking):
    assert environment.unset(variables) == lacking
