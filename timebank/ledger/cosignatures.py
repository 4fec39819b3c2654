"""What a witness or an auditor says of a checkpoint, and when (C2SP tlog-cosignature, ``cosignature/v1``)."""

from __future__ import annotations

from typing import Final

from timebank.ledger.notes import NotANote, Sign, Signature, Verify, key_id

COSIGNATURE: Final = 0x04
"""Signature type of a timestamped Ed25519 cosignature."""

SECONDS_MAX: Final = 2**63 - 1
_TIMESTAMP_BYTES: Final = 8


def cosigned_message(text: str, at: int) -> bytes:
    """Return what a cosigner signs: that this was the newest checkpoint it knew at a moment.

    Args:
        text: The checkpoint's text without signatures.
        at: Seconds since 1970, UTC.
    """
    assert 0 <= at <= SECONDS_MAX, at
    return f"cosignature/v1\ntime {at}\n{text}".encode()


def cosign(text: str, name: str, public_key: bytes, sign: Sign, *, at: int) -> Signature:
    """Return a cosignature, ready to stand below a checkpoint.

    Args:
        text: The checkpoint's text without signatures.
        name: Name of the cosigner's key.
        public_key: Its 32 bytes.
        sign: Signs with it.
        at: Seconds since 1970, UTC.
    """
    signature = sign(cosigned_message(text, at))
    return Signature(
        name, key_id(name, public_key, COSIGNATURE), at.to_bytes(_TIMESTAMP_BYTES, "big") + signature
    )


def cosigned_at(signature: Signature) -> int:
    """Return when a cosignature says that it was made, in seconds since 1970.

    Raises:
        NotANote: It is none.
    """
    if len(signature.signature) != _TIMESTAMP_BYTES + 64:
        raise NotANote("a cosignature has 72 bytes")
    at = int.from_bytes(signature.signature[:_TIMESTAMP_BYTES], "big")
    if at > SECONDS_MAX:
        raise NotANote("a cosignature from beyond time")
    return at


def cosignature_verifier(verify: Verify) -> Verify:
    """Return what verifies cosignatures over a note's text, given what verifies plain Ed25519."""

    def verify_cosignature(signature: bytes, text: bytes) -> bool:
        try:
            at = cosigned_at(Signature("", b"", signature))
        except NotANote:
            return False
        return verify(signature[_TIMESTAMP_BYTES:], cosigned_message(text.decode(), at))

    return verify_cosignature
