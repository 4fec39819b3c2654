"""A dump of the database, without the key store, opens nothing: not a session, a card, a passkey or an app."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.authenticator import Device
from tests.cast import Cast
from tests.database import Dsn
from timebank.errors import NotSignedIn, SignInFailed
from timebank.services import cards, passkeys, sessions, totp
from timebank.services.passkeys import Place
from timebank.services.sessions import Sessions
from timebank.store.migrate import SUPERUSER

pytestmark = pytest.mark.database

HERE = Place("localhost", "http://localhost", "Riverside")


async def everything_in(dsn: Dsn) -> bytes:
    """Return all that a dump has, as text and with bytes in hex and as they are."""
    import asyncpg

    connection = await asyncpg.connect(**dsn(SUPERUSER))
    try:
        parts = []
        for schema, name in await connection.fetch(
            "SELECT schemaname, tablename FROM pg_tables WHERE schemaname IN ('people', 'timebank')"
        ):
            for row in await connection.fetch(f'SELECT * FROM {schema}."{name}"'):
                parts += [each if isinstance(each, bytes) else str(each).encode() for each in row.values()]
        return b"\n".join(parts)
    finally:
        await connection.close()


async def test_nothing_in_a_dump_signs_anybody_in(cast: Cast, fresh_dsn: Dsn) -> None:
    house, group_id, now = cast.house, cast.group_id, datetime.now(UTC)
    device = Device()
    session = await sessions.begin(house, group_id, cast.ids["ada"], way="card", strong=False, now=now)
    found = Sessions(house, clock=lambda: now)
    visitor = await found.find(group_id, session.secret)
    options = await passkeys.offer_add(house, visitor, HERE, now=now)
    session = await passkeys.add_passkey(
        house, visitor, session.secret, device.create(options), HERE, name="Canary-phone", now=now
    )
    visitor = await found.find(group_id, session.secret)
    offered = totp.offer_totp(house, visitor, group_name="Riverside", nickname="Ada")
    secret = base64.b32decode(offered.secret)
    session = await totp.add_totp(
        house, visitor, session.secret, nonce=offered.nonce, code=totp.code_at(secret, now), now=now
    )
    card = await cards.make_card(house, group_id, cast.ids["ada"], made_by=None, now=now)
    visitor = await found.find(group_id, session.secret)

    dump = await everything_in(fresh_dsn)

    numbers = device.key.public_key().public_numbers()
    for name, what in {
        "session": session.secret.encode(),
        "session bytes": base64.urlsafe_b64decode(session.secret + "="),
        "csrf": visitor.csrf.encode(),
        "card": card.code.encode(),
        "card plain": card.code.replace("-", "").encode(),
        "app": secret,
        "app text": offered.secret.encode(),
        "nonce": offered.nonce.encode(),
        "passkey id": device.credential_id,
        "passkey public key": numbers.x.to_bytes(32, "big"),
        "device name": b"Canary-phone",
        "nickname": b"Ada",
    }.items():
        assert what not in dump, name

    # What is there was looked at: the hashes are.
    assert (await _one(cast, "SELECT session_hash FROM people.sessions")) in dump
    # And a hash is no secret: whoever has one and no key store gets nowhere with it.
    digest = await _one(cast, "SELECT session_hash FROM people.sessions")
    with pytest.raises(NotSignedIn):
        await found.find(group_id, base64.urlsafe_b64encode(digest).rstrip(b"=").decode())
    digest = await _one(cast, "SELECT code_hash FROM people.cards")
    with pytest.raises(SignInFailed):
        await cards.sign_in(house, group_id, digest.hex(), key="k", now=now)


async def _one(cast: Cast, query: str) -> Any:
    async with cast.house.database.write_door(cast.group_id) as connection:
        found = await connection.fetchval(query)
        await connection.execute("ROLLBACK")
        return found
