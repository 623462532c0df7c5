"""Tokens: what one says and what is wrong with it, when it counts, and which candidate key signed it.

Nothing here verifies for anybody: that a candidate signed a token says where it comes from, not that it may be trusted.
No text that leaves this package holds a part of a signature or of a key.
"""

from __future__ import annotations

from authforensics.tokens.remark import Remark
from authforensics.tokens.structure import Token, read

__all__ = ["Remark", "Token", "read"]
