"""The keys of a public log outside the key store: the recovery key from paper, and the others in a file for a move."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from uuid import UUID

    from timebank.store.keys import KeyStore

_FORMAT: Final = "timebank log keys, version 1"


class OldKeys(NamedTuple):
    """The keys that a server signed with.

    Attributes:
        log, live: Seeds of 32 bytes.
        recovery: The recovery key, if it never was put on paper.
    """

    log: bytes
    live: bytes
    recovery: bytes | None = None


class PaperKey(NamedTuple):
    """The recovery key, as it was typed in from paper."""

    recovery: bytes


class NoKeysError(ValueError):
    """A text is neither a recovery key nor a file with keys, or was mistyped."""


def read_paper(text: str) -> bytes:
    """Read a recovery key as ``timebank recovery-key`` prints it, however it is spaced and in letters of any size.

    Raises:
        NoKeysError: It is none.
    """
    letters = "".join(text.split()).replace("-", "").upper().replace("0", "O").replace("1", "I")
    try:
        secret = base64.b32decode(letters + "=" * (-len(letters) % 8))
    except ValueError:
        secret = b""
    if len(secret) != 32:
        raise NoKeysError("It is no recovery key, or a letter of it is missing.")
    return secret


def export_keys(keys: KeyStore, group_id: UUID) -> str:
    """Return the keys of a group's log for another server; whoever has them can sign as the group.

    Raises:
        LookupError: This store has none.
    """
    recovery = keys.recovery_key(group_id)
    told = {
        "format": _FORMAT,
        "live": keys.live_key(group_id).hex(),
        "log": keys.log_key(group_id).hex(),
        **({} if recovery is None else {"recovery": recovery.hex()}),
    }
    return json.dumps(told, indent=1) + "\n"


def read_introducer(text: str) -> OldKeys | PaperKey:
    """Read what ``export_keys`` wrote, or a recovery key.

    Raises:
        NoKeysError: It is neither.
    """
    if not text.lstrip().startswith("{"):
        return PaperKey(read_paper(text))
    try:
        told = json.loads(text)
        log, live = bytes.fromhex(told["log"]), bytes.fromhex(told["live"])
        recovery = bytes.fromhex(told["recovery"]) if "recovery" in told else None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise NoKeysError("It is no file with keys of a log.") from None
    if told.get("format") != _FORMAT or {len(log), len(live), len(recovery or log)} != {32}:
        raise NoKeysError("It is no file with keys of a log.")
    return OldKeys(log, live, recovery)
