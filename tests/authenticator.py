"""A passkey in software: makes credentials and signs challenges as a device does (ES256, no attestation)."""

from __future__ import annotations

import base64
import json
import secrets
import struct
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

UP, UV, AT = 0x01, 0x04, 0x40


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def cbor(value: Any) -> bytes:
    """Return the few kinds of CBOR that a device speaks (RFC 8949)."""
    if isinstance(value, int):
        return _head(0, value) if value >= 0 else _head(1, -1 - value)
    if isinstance(value, bytes):
        return _head(2, len(value)) + value
    if isinstance(value, str):
        return _head(3, len(value.encode())) + value.encode()
    assert isinstance(value, dict), value
    return _head(5, len(value)) + b"".join(cbor(key) + cbor(item) for key, item in value.items())


def _head(major: int, size: int) -> bytes:
    if size < 24:
        return bytes([major << 5 | size])
    if size < 256:
        return bytes([major << 5 | 24, size])
    return bytes([major << 5 | 25]) + struct.pack(">H", size)


class Device:
    """One passkey on one device.

    Attributes:
        counts: Whether it counts its signatures; many do not.
        asks: Whether it asks for a finger or a code.
    """

    def __init__(self, origin: str = "http://localhost", *, counts: bool = False, asks: bool = True) -> None:
        self.origin = origin
        self.counts = counts
        self.asks = asks
        self.count = 0
        self.credential_id = secrets.token_bytes(32)
        self.handle = b""
        self.key = ec.generate_private_key(ec.SECP256R1())

    def create(self, options: Any, **changes: Any) -> dict[str, Any]:
        """Answer ``navigator.credentials.create``."""
        asked = options["publicKey"]
        self.handle = unb64(asked["user"]["id"])
        numbers = self.key.public_key().public_numbers()
        cose = {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}
        data = self._data(changes.get("host", asked["rp"]["id"]), AT)
        data += bytes(16) + struct.pack(">H", len(self.credential_id)) + self.credential_id + cbor(cose)
        return self._answer(
            {
                "clientDataJSON": b64(self._client("webauthn.create", asked["challenge"], changes)),
                "attestationObject": b64(cbor({"fmt": "none", "attStmt": {}, "authData": data})),
            }
        )

    def get(self, options: Any, **changes: Any) -> dict[str, Any]:
        """Answer ``navigator.credentials.get``."""
        asked = options["publicKey"]
        client = self._client("webauthn.get", asked["challenge"], changes)
        data = self._data(changes.get("host", asked["rpId"]), 0)
        signature = self.key.sign(data + sha256(client).digest(), ec.ECDSA(SHA256()))
        handle = changes.get("handle", self.handle)
        return self._answer(
            {
                "clientDataJSON": b64(client),
                "authenticatorData": b64(data),
                "signature": b64(changes.get("signature", signature)),
                **({"userHandle": b64(handle)} if handle else {}),
            }
        )

    def _answer(self, response: dict[str, Any]) -> dict[str, Any]:
        return {
            "id": b64(self.credential_id),
            "rawId": b64(self.credential_id),
            "type": "public-key",
            "authenticatorAttachment": "platform",
            "clientExtensionResults": {},
            "response": response,
        }

    def _client(self, kind: str, challenge: str, changes: dict[str, Any]) -> bytes:
        said = {
            "type": changes.get("type", kind),
            "challenge": changes.get("challenge", challenge),
            "origin": changes.get("origin", self.origin),
            "crossOrigin": False,
        }
        return json.dumps(said, separators=(",", ":")).encode()

    def _data(self, host: str, more: int) -> bytes:
        self.count += self.counts
        flags = UP | (UV if self.asks else 0) | more
        return sha256(host.encode()).digest() + struct.pack(">BI", flags, self.count)
