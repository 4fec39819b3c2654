"""A copy of the key store in one file that opens with a code on paper only, and what is merged back out of it."""

from __future__ import annotations

import os
import secrets
from base64 import b64decode, b64encode
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from timebank.config import OperatorError
from timebank.store.checkpoints import COPIED, EPOCH
from timebank.store.keys import write_whole

if TYPE_CHECKING:
    from pathlib import Path

    from timebank.store.keys import KeyStore

_HEAD: Final = b"timebank keys 1\n"
_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_CODE_LETTERS: Final = 32
_NONCE_BYTES: Final = 12
_TAKEN: Final = (".live", EPOCH)


class KeyCopy(msgspec.Struct, frozen=True, kw_only=True):
    """What is in a copy.

    Attributes:
        made_at: When it was made, UTC.
        tables: Rows of every table of the key store by its name; bytes in base 64.
        checkpoints: By name of file, the newest signed checkpoints that were kept beside the keys.
    """

    made_at: datetime
    tables: dict[str, list[list[str]]]
    checkpoints: dict[str, str]


def new_code() -> str:
    """Return a fresh code of 160 random bits: eight groups of four letters and digits, for paper."""
    letters = "".join(secrets.choice(_LETTERS) for _ in range(_CODE_LETTERS))
    return "-".join(letters[at : at + 4] for at in range(0, _CODE_LETTERS, 4))


def take_copy(keys: KeyStore, home: Path, *, now: datetime) -> KeyCopy:
    """Return everything that the key store has, and the checkpoints that are kept beside it."""
    folder = home / "checkpoints"
    kept = {
        path.name: path.read_text(encoding="utf-8")
        for path in (sorted(folder.iterdir()) if folder.is_dir() else ())
        if path.suffix in _TAKEN
    }
    tables = {name: [[_text(v) for v in row] for row in rows] for name, rows in keys.read_all().items()}
    return KeyCopy(made_at=now.astimezone(UTC), tables=tables, checkpoints=kept)


def write_copy(copy: KeyCopy, code: str, target: Path) -> None:
    """Write a sealed copy under its final name, whole or not at all; only its owner can read it.

    Raises:
        OperatorError: It is there already, or cannot be written.
    """
    nonce = secrets.token_bytes(_NONCE_BYTES)
    box = ChaCha20Poly1305(_key(code)).encrypt(nonce, msgspec.json.encode(copy), _HEAD)
    side = target.with_name(f"{target.name}.part")
    try:
        if target.exists():
            raise OperatorError(f"{target} is there already; name another file.")
        with open(os.open(side, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(_HEAD + nonce + box)
            file.flush()
            os.fsync(file.fileno())
        side.rename(target)
    except OSError as error:
        side.unlink(missing_ok=True)
        raise OperatorError(f"{target} cannot be written: {error.strerror}.") from error


def read_copy(source: Path, code: str) -> KeyCopy:
    """Open a sealed copy.

    Raises:
        OperatorError: It is none, or the code is not the one that was printed with it.
    """
    try:
        data = source.read_bytes()
    except OSError as error:
        raise OperatorError(f"{source} cannot be read: {error.strerror}.") from error
    if not data.startswith(_HEAD):
        raise OperatorError(f"{source} is no copy of keys that `timebank keys export` made.")
    nonce, box = data[len(_HEAD) :][:_NONCE_BYTES], data[len(_HEAD) + _NONCE_BYTES :]
    try:
        text = ChaCha20Poly1305(_key(code)).decrypt(nonce, box, _HEAD)
    except (InvalidTag, ValueError):
        raise OperatorError(f"The code does not open {source}, or the file was changed.") from None
    return msgspec.json.decode(text, type=KeyCopy)


def merge_copy(copy: KeyCopy, keys: KeyStore, home: Path) -> None:
    """Bring a copy into a key store: what that has already stays, and whoever was erased stays erased.

    Doing it again changes nothing.
    """
    keys.merge({name: [[_value(v) for v in row] for row in rows] for name, rows in copy.tables.items()})
    folder = home / "checkpoints"
    folder.mkdir(mode=0o700, exist_ok=True)
    for name, note in copy.checkpoints.items():
        path = folder / name
        if path.parent == folder and path.suffix in _TAKEN and not path.exists():
            write_whole(path if path.suffix == EPOCH else path.with_suffix(COPIED), note)


def _key(code: str) -> bytes:
    letters = "".join(sign for sign in code.upper() if sign.isalnum())
    # 160 random bits need no slow function to keep anybody from guessing.
    return sha256(b"timebank/keys/1\0" + letters.encode()).digest()


def _text(value: Any) -> str:
    return f"b:{b64encode(value).decode()}" if isinstance(value, bytes) else f"t:{value}"


def _value(text: str) -> bytes | str:
    return b64decode(text[2:]) if text.startswith("b:") else text[2:]
