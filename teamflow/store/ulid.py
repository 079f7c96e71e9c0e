"""Identifiers of runs: 26 characters that sort by time (ULID, Crockford's base 32). Pure: time and chance are given."""

from __future__ import annotations

from typing import Final

ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def ulid(at: float, entropy: bytes) -> str:
    """`at` is a Unix time; `entropy` 10 random bytes. ValueError for another length."""
    if len(entropy) != 10:
        raise ValueError(f"10 bytes of entropy, not {len(entropy)}")
    value = (max(0, int(at * 1000)) & (2**48 - 1)) << 80 | int.from_bytes(entropy, "big")
    return "".join(ALPHABET[value >> shift & 31] for shift in range(125, -1, -5))
