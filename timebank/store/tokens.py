"""API tokens in SQL: hashes only, and the one look-up that every signed-in request makes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import text

from timebank.store.engine import inside
from timebank.store.stand_ins import NO_TIES, find_ties

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from timebank.store.engine import Pool, Tx


class TokenRow(NamedTuple):
    """A row of people.tokens; the token itself is nowhere."""

    token_id: UUID
    token_hash: bytes
    member_id: UUID
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


class Bearer(NamedTuple):
    """Who came with a token that holds now; ``stands_in`` says for whom they may act, and in what.

    ``roles`` are in the order of their names, so that two look-ups of the same duties are equal.
    """

    member_id: UUID
    scopes: Sequence[str]
    roles: Sequence[str]
    accounts_box: bytes
    stands_in: Mapping[UUID, frozenset[str]] = NO_TIES


async def insert_token(tx: Tx, group_id: UUID, token: TokenRow) -> None:
    """Insert a token of a member who is there."""
    await tx.execute(
        text("""
            INSERT INTO people.tokens (group_id, token_hash, token_id, member_id, scopes,
                                       created_at, expires_at, revoked_at)
            VALUES (:group_id, :token_hash, :token_id, :member_id, CAST(:scopes AS text[]),
                    :created_at, :expires_at, :revoked_at)
        """),
        {"group_id": group_id, **token._asdict()},
    )


async def revoke_token(tx: Tx, group_id: UUID, token_id: UUID, *, now: datetime) -> bool:
    """End a token from this moment on; False if there is none with this id that still holds."""
    result = await tx.execute(
        text("""
            UPDATE people.tokens
               SET revoked_at = :now
             WHERE group_id = :group_id
               AND token_id = :token_id
               AND revoked_at IS NULL
        """),
        {"group_id": group_id, "token_id": token_id, "now": now},
    )
    return bool(result.rowcount)


async def list_tokens(tx: Tx, group_id: UUID, member_id: UUID) -> list[TokenRow]:
    """Return a member's tokens, newest first, ended ones too."""
    rows = await tx.execute(
        text("""
            SELECT token_id, token_hash, member_id, scopes, created_at, expires_at, revoked_at
              FROM people.tokens
             WHERE group_id = :group_id
               AND member_id = :member_id
          ORDER BY created_at DESC, token_id
        """),
        {"group_id": group_id, "member_id": member_id},
    )
    return [TokenRow(*row) for row in rows]


_FIND_BEARERS = """
    SELECT t.token_hash, t.member_id, t.scopes,
           ARRAY(SELECT r.role
                   FROM people.member_roles AS r
                  WHERE r.group_id = $1
                    AND r.member_id = t.member_id
                    AND r.since <= $3
                    AND (r.until IS NULL OR r.until > $3)
               ORDER BY r.role) AS roles,
           m.accounts_box
      FROM people.tokens AS t
      JOIN people.members AS m ON m.group_id = t.group_id AND m.member_id = t.member_id
     WHERE t.group_id = $1
       AND t.token_hash = ANY($2::bytea[])
       AND t.revoked_at IS NULL
       AND (t.expires_at IS NULL OR t.expires_at > $3)
       AND m.state = 'active'
"""


async def find_bearers(
    pool: Pool, group_id: UUID, token_hashes: Collection[bytes], *, now: datetime
) -> dict[bytes, Bearer]:
    """Return who holds which token in this group at this moment, with the duties of this moment.

    An unknown token costs the same statements as a known one, and is left out.

    Raises:
        StoreAway: The database cannot be reached.
    """
    async with inside(pool, group_id) as connection:
        rows = await connection.fetch(_FIND_BEARERS, group_id, list(token_hashes), now)
        # One more statement, only where somebody carries the role that a tie gives.
        acting = [row[1] for row in rows if "stand_in" in row[3]]
        ties = await find_ties(connection, group_id, acting, now=now) if acting else {}
    return {row[0]: Bearer(row[1], row[2], row[3], row[4], ties.get(row[1], NO_TIES)) for row in rows}


#: Whether tokens still open what they opened at their last look-up: a part of a statement of the writer, which
#: holds the group's lock by then. Each position of the arrays is one token; those that hold come back.
STILL_HELD: Final = """
    ARRAY(SELECT u.at::integer
            FROM unnest({hashes}::bytea[], {members}::text::uuid[], {scopes}::text[], {roles}::text[], {boxes}::bytea[])
            WITH ORDINALITY AS u (token_hash, member_id, scopes, roles, accounts_box, at)
            JOIN people.tokens AS t ON t.group_id = $1 AND t.token_hash = u.token_hash
            JOIN people.members AS m ON m.group_id = $1 AND m.member_id = t.member_id
           WHERE t.revoked_at IS NULL
             AND (t.expires_at IS NULL OR t.expires_at > {now})
             AND m.state = 'active'
             AND t.member_id = u.member_id
             AND t.scopes = u.scopes::text[]
             AND m.accounts_box = u.accounts_box
             AND u.roles::text[] = ARRAY(SELECT r.role
                                           FROM people.member_roles AS r
                                          WHERE r.group_id = $1
                                            AND r.member_id = t.member_id
                                            AND r.since <= {now}
                                            AND (r.until IS NULL OR r.until > {now})
                                       ORDER BY r.role))
"""


def held_arguments(held: Sequence[tuple[bytes, Bearer]]) -> list[Any]:
    """Return hashes, members, scopes, roles and boxes of remembered tokens, as STILL_HELD takes them."""
    return [
        [digest for digest, _ in held],
        "{" + ",".join([str(bearer.member_id) for _, bearer in held]) + "}",
        ["{" + ",".join(bearer.scopes) + "}" for _, bearer in held],
        ["{" + ",".join(bearer.roles) + "}" for _, bearer in held],
        [bearer.accounts_box for _, bearer in held],
    ]
