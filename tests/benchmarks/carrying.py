"""Writes one log twice: with a token in each line, and with a text in its place that is as long and says nothing."""

from __future__ import annotations

import base64
import json
import random
import secrets
import string
import sys
import time
from pathlib import Path

#: Each token lives for twenty lines, in the mean.
LINES, TOKENS, USERS = 1_000_000, 50_000, 5_000
BEGIN = 1_766_636_800
_LETTERS = string.ascii_letters + string.digits + "-_"


def _encoded(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value, separators=(",", ":")).encode()).rstrip(b"=").decode()


def _token(number: int, drawn: random.Random) -> str:
    claims = {
        "iss": "https://auth.example.com",
        "aud": "shop",
        "sub": f"user-{number % USERS}",
        "iat": BEGIN + number,
        "exp": BEGIN + number + 900,
        "jti": f"{drawn.getrandbits(64):016x}",
    }
    head = _encoded({"alg": "HS256", "typ": "JWT", "kid": "2025-12"})
    return f"{head}.{_encoded(claims)}.{base64.urlsafe_b64encode(drawn.randbytes(32)).rstrip(b'=').decode()}"


def write(folder: Path, lines: int) -> None:
    """`tokens.log` and `opaque.log`, unless they are there."""
    if all((folder / name).exists() for name in ("tokens.log", "opaque.log")):
        return
    drawn = random.Random(7)
    tokens = [_token(number, drawn) for number in range(lines * TOKENS // LINES)]
    opaque = ["".join(drawn.choices(_LETTERS, k=len(token))) for token in tokens]
    draft = secrets.token_hex(4)
    with (folder / f"tokens.{draft}").open("w") as one, (folder / f"opaque.{draft}").open("w") as other:
        for number in range(lines):
            which = drawn.randrange(len(tokens))
            user = which % USERS
            at = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(BEGIN + number * 0.08))
            status = 401 if number % 300 == 0 else 200
            call = f'"GET /api/items/{number % 99} HTTP/1.1" {status} 123 "-" "okhttp/4.9" "Bearer '
            begin = f"10.{user % 200}.{user // 200}.7 - - [{at}] {call}"
            one.write(f'{begin}{tokens[which]}"\n')
            other.write(f'{begin}{opaque[which]}"\n')
    for name in ("tokens", "opaque"):
        (folder / f"{name}.{draft}").rename(folder / f"{name}.log")


if __name__ == "__main__":
    write(Path(sys.argv[1]), int(sys.argv[2]))
