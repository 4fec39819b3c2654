"""What deciding a command leads to: an answer with its entry, or a refusal."""

from __future__ import annotations

from hashlib import sha256
from typing import Any, NamedTuple


class Done(NamedTuple):
    """A command that was accepted.

    Attributes:
        status: 200 or 201, what HTTP will say.
        body: What the answer says; the receipt is added when the record's bytes are sealed.
        seq: The record that shows it, 0 when nothing was recorded.
    """

    status: int
    body: dict[str, Any]
    seq: int


def text_hash(salt: bytes, text: str) -> str:
    """Return what a record says of free text: hex SHA-256(salt || UTF-8 text), "" for no text.

    With the salt gone the hash says nothing, so erasing the salt erases the text's last trace.
    """
    return sha256(salt + text.encode("utf-8")).hexdigest() if text else ""
