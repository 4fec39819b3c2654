"""The set-up of a group as the write door needs it: pots, places, policies and special accounts."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import TYPE_CHECKING
from uuid import UUID

from timebank.rules.policies import read_policy
from timebank.rules.state import HeldPlace, MemberAccounts, Pot, Rounding, SetUp
from timebank.store.members import open_accounts

if TYPE_CHECKING:
    from timebank.store.engine import Raw
    from timebank.store.keys import KeyStore

_GROUP = """
    SELECT book_id, origin, began_on, time_zone, categories, time_bank, confirm_days, rounding_minutes, rounding_up,
           next_time_zone, next_time_zone_from
      FROM timebank.groups
     WHERE group_id = $1
"""
_POTS = """
    SELECT pot_id, code, unit, number, pot_account, promised_account, shared_account
      FROM timebank.pots
     WHERE group_id = $1
  ORDER BY number, code
"""
_HELD = """
    SELECT held_id, code, kind, number, unit, account_id
      FROM timebank.held_places
     WHERE group_id = $1
"""
_SPECIAL = """
    SELECT kind, unit, account_id
      FROM timebank.accounts
     WHERE group_id = $1
       AND kind IN ('outside', 'custody', 'opening', 'adjustment')
"""
_POLICIES = """
    SELECT pot_id, version, terms::text AS terms
      FROM timebank.policies
     WHERE group_id = $1
"""
_MEMBERS = """
    SELECT member_id, state, accounts_box, signs_in, household_id
      FROM people.members
     WHERE group_id = $1
       AND member_id = ANY($2::uuid[])
"""


async def load_setup(connection: Raw, group_id: UUID, version: int) -> SetUp:
    """Return a group's set-up; the caller holds the head lock under which ``version`` is true."""
    group = await connection.fetchrow(_GROUP, group_id)
    assert group is not None, group_id
    return SetUp(
        version=version,
        group_id=group_id,
        book_id=group["book_id"],
        origin=group["origin"],
        began_on=group["began_on"],
        time_zone=group["time_zone"],
        categories=frozenset(group["categories"]),
        time_bank=group["time_bank"],
        confirm_days=group["confirm_days"],
        rounding=Rounding(group["rounding_minutes"], up=group["rounding_up"]),
        next_time_zone=(
            (group["next_time_zone_from"], group["next_time_zone"]) if group["next_time_zone"] else None
        ),
        pots={row["code"]: Pot(*row) for row in await connection.fetch(_POTS, group_id)},
        held={row["code"]: HeldPlace(*row) for row in await connection.fetch(_HELD, group_id)},
        policies={
            (row["pot_id"], row["version"]): read_policy(row["version"], json.loads(row["terms"]))
            for row in await connection.fetch(_POLICIES, group_id)
        },
        special={
            (row["kind"], row["unit"]): row["account_id"]
            for row in await connection.fetch(_SPECIAL, group_id)
        },
    )


async def load_members(
    connection: Raw, keys: KeyStore, group_id: UUID, member_ids: Collection[UUID]
) -> dict[UUID, MemberAccounts]:
    """Return the account numbers of these members, by id; unknown and erased ones are left out."""
    members = {}
    for member_id, state, box, signs_in, household_id in await connection.fetch(
        _MEMBERS, group_id, list(member_ids)
    ):
        accounts = open_accounts(keys, group_id, member_id, box)
        if accounts is not None:
            members[member_id] = MemberAccounts(state == "active", accounts, signs_in, household_id)
    return members
