"""Idempotency-Key: what makes sending a request twice the same as sending it once."""

from __future__ import annotations

from hashlib import sha256
from typing import Final

from timebank.errors import KeyInvalid, KeyMissing

KEY_LENGTH_MAX: Final = 255


def check_key(keys: list[bytes]) -> str:
    """Return the key of a request.

    Args:
        keys: Every Idempotency-Key header of the request.

    Raises:
        KeyMissing: There is none.
        KeyInvalid: There is more than one, or it is empty, too long or not printable ASCII.
    """
    if not keys:
        raise KeyMissing
    key = keys[0]
    if len(keys) > 1 or not 1 <= len(key) <= KEY_LENGTH_MAX or not key.isascii():
        raise KeyInvalid
    text = key.decode("ascii")
    if not text.isprintable() or text.isspace():
        raise KeyInvalid
    return text


def request_hash(method: str, path: bytes, body: bytes) -> bytes:
    """Return 32 bytes that tell two requests under one key apart.

    Method and path are kept from running into the body by bytes that neither of them can have.
    """
    return sha256(b"%b\n%b\n%b" % (method.encode("ascii"), path, body)).digest()
