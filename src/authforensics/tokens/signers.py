"""Who signed the tokens of a log: a handful of each kind is tried with the candidate keys, never all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from threading import Lock

from authforensics.tokens.candidates import Candidates
from authforensics.tokens.proof import Signer, prove
from authforensics.tokens.structure import read

#: Kinds that are told apart; who makes up more is no issuer.
_MOST = 1_000


class Samples:
    """A few tokens of each kind. For several threads at a time.

    Their texts are kept in memory only, until it is known who signed them.
    """

    #: Tokens of each kind: those with the lowest numbers, so that they are the same in whatever order they come.
    FEW = 8

    def __init__(self) -> None:
        self._kept: dict[int, dict[int, str]] = {}
        self._lock = Lock()

    def __iter__(self) -> Iterator[tuple[int, int, str]]:
        for kind, few in self._kept.items():
            yield from ((kind, token, text) for token, text in few.items())

    def add(self, tokens: Iterable[tuple[int, int, str]]) -> None:
        """Take in the kind, the number and the text of some tokens."""
        with self._lock:
            for kind, token, text in tokens:
                if kind not in self._kept and len(self._kept) >= _MOST:
                    continue
                few = self._kept.setdefault(kind, {})
                few[token] = text
                if len(few) > self.FEW:
                    del few[max(few)]

    def signed(self, candidates: Candidates) -> dict[int, Signer | None]:
        """Who signed them, by their numbers; None: none of the candidates that there are for such tokens."""
        found: dict[int, Signer | None] = {}
        for _, token, text in self:
            if token not in found:
                proof = prove(read(text), candidates)
                if proof.tried:
                    found[token] = proof.signer
        return found
