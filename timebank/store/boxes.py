"""Sealed boxes: what is personal, encrypted under one member's key and tied to the place it lies in."""

from __future__ import annotations

import hmac
import secrets
from hashlib import sha256
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from timebank.rules.names import folded

if TYPE_CHECKING:
    from uuid import UUID

#: First byte of every box, so that another cipher can follow without guessing.
_VERSION = b"\x01"
_NONCE_BYTES = 12


class BoxBrokenError(Exception):
    """A box was changed, moved to another place, or sealed with another key."""


def seal(key: bytes, text: bytes, *, group_id: UUID, table: str, row: UUID, column: str) -> bytes:
    """Return a box that only opens with this key and only in this place.

    ChaCha20-Poly1305 and not AES-GCM, because a host may be a small board whose processor has
    no AES instructions. Nonces are random: a member's key seals thousands of boxes, not 2^32.

    Args:
        key: The member's 32 bytes from the key store.
        text: What to hide; its length stays visible (box = text + 29 bytes).
        group_id: Group that the row belongs to.
        table: Name of the table with its schema, such as ``people.members``.
        row: Id of the row.
        column: Name of the column.
    """
    nonce = secrets.token_bytes(_NONCE_BYTES)
    place = _place(group_id, table, row, column)
    return _VERSION + nonce + ChaCha20Poly1305(key).encrypt(nonce, text, place)


def open_box(key: bytes, box: bytes, *, group_id: UUID, table: str, row: UUID, column: str) -> bytes:
    """Return what was sealed.

    Raises:
        BoxBrokenError: If box, key or place are not the ones of the sealing.
    """
    if box[:1] != _VERSION or len(box) < 1 + _NONCE_BYTES + 16:
        raise BoxBrokenError(f"{table}.{column}")
    place = _place(group_id, table, row, column)
    try:
        return ChaCha20Poly1305(key).decrypt(box[1 : 1 + _NONCE_BYTES], box[1 + _NONCE_BYTES :], place)
    except InvalidTag:
        raise BoxBrokenError(f"{table}.{column}") from None


def blind_index(key: bytes, value: str, *, what: str = "nickname") -> bytes:
    """Return 32 bytes by which a nickname, or something else, is found again without being stored.

    Spellings that look or sound the same to a person have the same index: case, Unicode form and
    the number of spaces do not count.
    """
    return hmac.new(key, b"timebank/%b/1\0" % what.encode() + folded(value).encode(), sha256).digest()


def blind_reference(key: bytes, reference: str) -> bytes:
    """Return 32 bytes by which the reference of a bank is found again without being stored; as blind_index."""
    return hmac.new(key, b"timebank/reference/1\0" + folded(reference).encode(), sha256).digest()


def code_index(key: bytes, code: str) -> bytes:
    """Return 32 bytes by which a member's short code is found again; never those of a nickname."""
    return hmac.new(key, b"timebank/member-code/1\0" + code.encode(), sha256).digest()


def _place(group_id: UUID, table: str, row: UUID, column: str) -> bytes:
    # Ids have a fixed length and names no zero bytes, so no two places share these bytes.
    return group_id.bytes + row.bytes + table.encode() + b"\0" + column.encode()
