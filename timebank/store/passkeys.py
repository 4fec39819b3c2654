"""Passkeys in SQL: sealed public keys that are found by a blind index, and challenges that were answered."""

from __future__ import annotations

import hmac
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from timebank.errors import PasskeyTaken
from timebank.store.boxes import open_box, seal

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from timebank.store.engine import Tx
    from timebank.store.keys import KeyStore

_TABLE = "people.passkeys"

#: 40 characters of four bytes; every name is padded to it, so that a box does not tell its length.
_NAME_BYTES = 160


class PasskeyRow(NamedTuple):
    """A row of people.passkeys; the box opens with the member's own key."""

    passkey_id: UUID
    credential_index: bytes
    member_id: UUID
    box: bytes
    sign_count: int
    added_at: datetime


class Passkey(NamedTuple):
    """What is in the box: the name that its owner gave it, and the credential with its public key."""

    name: str
    credential: bytes


def credential_index(keys: KeyStore, group_id: UUID, credential_id: bytes) -> bytes:
    """Return 32 bytes by which a passkey is found again without its id being stored."""
    return hmac.new(keys.index_key(group_id), b"timebank/passkey/1\0" + credential_id, sha256).digest()


def seal_passkey(key: bytes, group_id: UUID, passkey_id: UUID, passkey: Passkey) -> bytes:
    """Return the box of a passkey whose name has at most 40 characters."""
    name = passkey.name.encode()
    assert len(name) <= _NAME_BYTES, "checked before"
    data = name.ljust(_NAME_BYTES, b"\0") + passkey.credential
    return seal(key, data, group_id=group_id, table=_TABLE, row=passkey_id, column="box")


def open_passkey(keys: KeyStore, group_id: UUID, row: PasskeyRow) -> Passkey | None:
    """Return what is in the box, or None if its owner was erased.

    Raises:
        BoxBrokenError: It is not this passkey's box.
    """
    key = keys.find_member_key(group_id, row.member_id)
    if key is None:
        return None
    data = open_box(key, row.box, group_id=group_id, table=_TABLE, row=row.passkey_id, column="box")
    return Passkey(data[:_NAME_BYTES].rstrip(b"\0").decode(), data[_NAME_BYTES:])


async def insert_passkey(tx: Tx, group_id: UUID, passkey: PasskeyRow) -> None:
    """Insert a passkey of a member who is there.

    Raises:
        PasskeyTaken: It is here already; the transaction cannot go on.
    """
    try:
        await tx.execute(
            text("""
                INSERT INTO people.passkeys (group_id, passkey_id, credential_index, member_id, box,
                                             sign_count, added_at)
                VALUES (:group_id, :passkey_id, :credential_index, :member_id, :box, :sign_count, :added_at)
            """),
            {"group_id": group_id, **passkey._asdict()},
        )
    except IntegrityError as error:
        if "passkey_once" in str(error.orig):
            raise PasskeyTaken from error
        raise


async def find_passkey(tx: Tx, group_id: UUID, index: bytes) -> PasskeyRow | None:
    """Return the passkey with a blind index, locked until the transaction ends, or None."""
    row = (
        await tx.execute(
            text("""
                SELECT passkey_id, credential_index, member_id, box, sign_count, added_at
                  FROM people.passkeys
                 WHERE group_id = :group_id
                   AND credential_index = :index
                   FOR UPDATE
            """),
            {"group_id": group_id, "index": index},
        )
    ).one_or_none()
    return None if row is None else PasskeyRow(*row)


async def list_passkeys(tx: Tx, group_id: UUID, member_id: UUID) -> list[PasskeyRow]:
    """Return a member's passkeys, oldest first."""
    rows = await tx.execute(
        text("""
            SELECT passkey_id, credential_index, member_id, box, sign_count, added_at
              FROM people.passkeys
             WHERE group_id = :group_id
               AND member_id = :member_id
          ORDER BY added_at, passkey_id
        """),
        {"group_id": group_id, "member_id": member_id},
    )
    return [PasskeyRow(*row) for row in rows]


async def note_sign_count(tx: Tx, group_id: UUID, passkey_id: UUID, sign_count: int) -> None:
    """Note what a device counted."""
    await tx.execute(
        text("""
            UPDATE people.passkeys
               SET sign_count = :sign_count
             WHERE group_id = :group_id
               AND passkey_id = :passkey_id
        """),
        {"group_id": group_id, "passkey_id": passkey_id, "sign_count": sign_count},
    )


async def delete_passkey(tx: Tx, group_id: UUID, member_id: UUID, passkey_id: UUID) -> bool:
    """Take a passkey away; False if this member has none with this id."""
    result = await tx.execute(
        text("""
            DELETE FROM people.passkeys
             WHERE group_id = :group_id
               AND member_id = :member_id
               AND passkey_id = :passkey_id
        """),
        {"group_id": group_id, "member_id": member_id, "passkey_id": passkey_id},
    )
    return bool(result.rowcount)


async def spend_challenge(
    tx: Tx, group_id: UUID, challenge_hash: bytes, *, expires_at: datetime, now: datetime
) -> bool:
    """Note that a challenge was answered; False if it was before. Those that expired are swept."""
    await tx.execute(
        text("DELETE FROM people.spent_challenges WHERE group_id = :group_id AND expires_at < :now"),
        {"group_id": group_id, "now": now},
    )
    result = await tx.execute(
        text("""
            INSERT INTO people.spent_challenges (group_id, challenge_hash, expires_at)
            VALUES (:group_id, :challenge_hash, :expires_at)
       ON CONFLICT ON CONSTRAINT challenge_once DO NOTHING
        """),
        {"group_id": group_id, "challenge_hash": challenge_hash, "expires_at": expires_at},
    )
    return bool(result.rowcount)
