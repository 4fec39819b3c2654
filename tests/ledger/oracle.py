"""The formats once more, straight from their definitions, slow and sharing no code with what they check."""

from __future__ import annotations

import hashlib
import unicodedata


def json_text(value: object) -> str:
    """RFC 8785 by its rules, for what records may hold."""
    if value is True or value is False:
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return '"' + "".join(_character(c) for c in unicodedata.normalize("NFC", value)) + '"'
    if isinstance(value, list | tuple):
        return "[" + ",".join(json_text(item) for item in value) + "]"
    assert isinstance(value, dict), value
    keys = sorted((unicodedata.normalize("NFC", key), key) for key in value)
    keys.sort(key=lambda pair: _code_units(pair[0]))
    return "{" + ",".join(json_text(normal) + ":" + json_text(value[key]) for normal, key in keys) + "}"


def _character(c: str) -> str:
    short = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
    if c in short:
        return short[c]
    return f"\\u{ord(c):04x}" if ord(c) < 0x20 else c


def _code_units(text: str) -> list[int]:
    units = []
    for c in text:
        point = ord(c)
        if point >= 0x10000:
            units += [0xD800 + ((point - 0x10000) >> 10), 0xDC00 + ((point - 0x10000) & 0x3FF)]
        else:
            units.append(point)
    return units


def sha(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def split(n: int) -> int:
    """The largest power of two smaller than n (RFC 6962, 2.1)."""
    k = 1
    while 2 * k < n:
        k *= 2
    return k


def mth(data: list[bytes]) -> bytes:
    """Merkle Tree Hash of a list of leaf inputs, by the recursive definition."""
    if not data:
        return sha()
    if len(data) == 1:
        return sha(b"\x00", data[0])
    k = split(len(data))
    return sha(b"\x01", mth(data[:k]), mth(data[k:]))


def path(m: int, data: list[bytes]) -> list[bytes]:
    """PATH(m, D[n]) of RFC 6962, 2.1.1."""
    if len(data) == 1:
        return []
    k = split(len(data))
    if m < k:
        return [*path(m, data[:k]), mth(data[k:])]
    return [*path(m - k, data[k:]), mth(data[:k])]


def proof(m: int, data: list[bytes]) -> list[bytes]:
    """PROOF(m, D[n]) of RFC 6962, 2.1.2."""
    return subproof(m, data, True)


def subproof(m: int, data: list[bytes], whole: bool) -> list[bytes]:
    if m == len(data):
        return [] if whole else [mth(data)]
    k = split(len(data))
    if m <= k:
        return [*subproof(m, data[:k], whole), mth(data[k:])]
    return [*subproof(m - k, data[k:], False), mth(data[:k])]
