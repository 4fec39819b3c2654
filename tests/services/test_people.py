"""Setting up groups, joining, duties, tokens, and being forgotten: through the services."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.cast import Cast, a_group
from timebank.errors import (
    DateInFuture,
    FieldInvalid,
    NeedsRole,
    NeedsScope,
    NicknameTaken,
    NotSignedIn,
    Refusal,
    SlugTaken,
    UnknownMember,
    UnknownToken,
)
from timebank.rules.set_up import MINUTES, NewHeldPlace, NewPot, Terms
from timebank.services.groups import create_group
from timebank.services.house import House
from timebank.services.members import (
    NewMember,
    add_member,
    add_members,
    erase_member,
    find_member,
    grant_role,
    revoke_role,
    set_state,
)
from timebank.services.tokens import find_actor, make_token, revoke_token

NOW = datetime.now(UTC)


async def rows(house: House, group_id: UUID, query: str, *values: Any) -> Sequence[Any]:
    async with house.database.write_door(group_id) as connection:
        found: Sequence[Any] = await connection.fetch(query, *values)
        await connection.execute("ROLLBACK")
        return found


async def setup_version(house: House, group_id: UUID) -> int:
    found = await rows(house, group_id, "SELECT setup_version FROM timebank.book_heads")
    version: int = found[0][0]
    return version


async def kinds(house: House, group_id: UUID) -> list[str]:
    return [row[0] for row in await rows(house, group_id, "SELECT kind FROM timebank.records ORDER BY seq")]


async def actor_of(house: House, group_id: UUID, token: str, *, now: datetime = NOW) -> Any:
    return await find_actor(house, group_id, token, now=now)


# ---------------------------------------------------------------- groups


async def test_a_new_group_has_its_accounts_its_first_records_and_a_signed_checkpoint(house: House) -> None:
    group_id = await create_group(house, a_group(), origin="bank.example/g/riverside", now=NOW)

    accounts = await rows(
        house,
        group_id,
        'SELECT kind, unit, floor, account_id FROM timebank.accounts ORDER BY kind COLLATE "C", unit COLLATE "C"',
    )
    assert [tuple(row)[:3] for row in accounts] == [
        ("adjustment", "EUR", None),
        ("adjustment", "minutes", None),
        ("custody", "EUR", None),
        ("held", "EUR", 0),
        ("held", "EUR", 0),
        ("opening", "EUR", None),
        ("opening", "minutes", None),
        ("outside", "EUR", None),
        ("outside", "minutes", None),
        ("pot", "EUR", 0),
        ("pot", "minutes", None),
        ("promised", "EUR", 0),
        ("promised", "minutes", 0),
        ("shared", "EUR", None),
        ("shared", "minutes", None),
    ]
    assert len({row["account_id"] for row in accounts}) == len(accounts)
    assert max(row["account_id"] for row in accounts) > 2**40, "numbers are random, not counted"
    assert await kinds(house, group_id) == ["genesis", "policy", "policy"]
    head = (await rows(house, group_id, "SELECT seq, checkpoint FROM timebank.book_heads"))[0]
    assert head["seq"] == 3
    assert head["checkpoint"].startswith("bank.example/g/riverside/live\n3\n")


async def test_the_first_record_opens_every_account_that_the_group_begins_with(house: House) -> None:
    group = a_group(pots=(NewPot("hours", MINUTES, floor=-600), NewPot("money", "EUR")))
    group_id = await create_group(house, group, origin="bank.example/g/riverside", now=NOW)

    first = (await rows(house, group_id, "SELECT record FROM timebank.records WHERE seq = 1"))[0]["record"]

    said = json.loads(first)["accounts"]
    accounts = await rows(house, group_id, "SELECT account_id, kind, unit, floor FROM timebank.accounts")
    assert [one["number"] for one in said] == sorted(row["account_id"] for row in accounts)
    assert {(one["number"], one["kind"], one["unit"], one.get("floor")) for one in said} == set(
        map(tuple, accounts)
    )
    owners = {one["owner"]: one["kind"] for one in said if one["kind"] in ("pot", "held")}
    assert owners == {"hours": "pot", "money": "pot", "eur-cash-1": "held", "eur-bank-1": "held"}
    assert {one["kind"] for one in said if "owner" not in one} == {
        *("outside", "custody", "opening", "adjustment")
    }
    assert b"cash-box" not in first, "what a group calls a place may name somebody"


async def test_an_address_is_taken_once_and_a_refused_group_leaves_no_trace(house: House) -> None:
    first = await create_group(house, a_group(), origin="a", now=NOW)

    second = uuid4()
    with pytest.raises(SlugTaken):
        await create_group(house, a_group(), origin="b", now=NOW, group_id=second)

    assert await house.database.group_id("riverside") == first
    assert not await rows(house, second, "SELECT 1 FROM timebank.groups")
    assert not await rows(house, second, "SELECT 1 FROM timebank.accounts")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"slug": "R"}, "slug"),
        ({"slug": "r"}, "slug"),
        ({"slug": "a--b"}, "slug"),
        ({"slug": "a" * 64}, "slug"),
        ({"name": "  "}, "name"),
        ({"name": "x" * 121}, "name"),
        ({"name": "a\u202eb"}, "name"),
        ({"languages": ()}, "languages"),
        ({"languages": ("english",)}, "languages"),
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
        ({"time_zone": "../etc/passwd"}, "time_zone"),
        ({"categories": ()}, "categories"),
        ({"categories": ("a", "a")}, "categories"),
        ({"preset": "secret"}, "preset"),
        ({"currencies": ("eur",)}, "currencies"),
        ({"currencies": ("ZZZ",)}, "currencies"),
        ({"pots": ()}, "pots"),
        ({"pots": (NewPot("hours", "USD"),)}, "pots"),
        ({"pots": (NewPot("money", "EUR", floor=-1),)}, "pots"),
        ({"pots": (NewPot("hours", MINUTES, terms=Terms(approvals=())),)}, "pots"),
        ({"pots": (NewPot("hours", MINUTES, terms=Terms(approvals=((5, 1),))),)}, "pots"),
        ({"held_places": (NewHeldPlace("cash-box", "shoe", "EUR"),)}, "held_places"),
        ({"held_places": (NewHeldPlace("cash-box", "cash", "minutes"),)}, "held_places"),
    ],
)
async def test_what_cannot_be_a_group_is_refused_by_field(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(FieldInvalid) as refusal:
        await create_group(None, a_group(**changes), origin="x", now=NOW)  # type: ignore[arg-type]

    assert refusal.value.params["field"] == field


async def test_a_group_cannot_begin_tomorrow() -> None:
    tomorrow = (NOW + timedelta(days=2)).date()
    with pytest.raises(DateInFuture):
        await create_group(None, a_group(began_on=tomorrow), origin="x", now=NOW)  # type: ignore[arg-type]


# ---------------------------------------------------------------- members


async def test_a_member_row_says_nothing_without_the_key(house: House, cast: Cast) -> None:
    ada = cast.ids["ada"]
    row = (await rows(house, cast.group_id, "SELECT * FROM people.members WHERE member_id = $1", ada))[0]

    found = await find_member(house, cast.group_id, nickname=" aDA", now=NOW)

    assert found.member_id == ada
    assert found.nickname == "Ada"
    assert set(found.accounts) == {"minutes", "EUR"}
    flat = b"".join(value for value in row.values() if isinstance(value, bytes))
    assert b"Ada" not in flat
    assert str(found.accounts["minutes"]).encode() not in flat
    boxes = await rows(house, cast.group_id, "SELECT length(nickname_box) FROM people.members")
    assert len(set(boxes)) == 1, "a box does not tell how long the name is"


async def test_a_nickname_is_letters_and_no_tricks(house: House, cast: Cast) -> None:
    before = await setup_version(house, cast.group_id)

    for nickname in (
        *("", "   ", "x" * 41, "a\nb", "a\u0000b", "a\u202eb", "\u2066a", "a\u200bb", "\ud800", "\ue000"),
        *("\u3164", "\u200d"),
    ):
        with pytest.raises(FieldInvalid):
            await add_member(house, cast.group_id, nickname, now=NOW)

    assert await setup_version(house, cast.group_id) == before


async def test_names_of_all_the_world_are_names(house: House, cast: Cast) -> None:
    before = await setup_version(house, cast.group_id)
    names = ["Zoë", "José 2", "عائشة", "李", "👩\u200d👩\u200d👧", "O'Neil-Smith", "x" * 40]

    for nickname in names:
        member_id = await add_member(house, cast.group_id, nickname, now=NOW)
        assert (await find_member(house, cast.group_id, member_id=member_id, now=NOW)).nickname == nickname

    assert await setup_version(house, cast.group_id) == before + len(names)


async def test_a_nickname_in_another_spelling_is_taken(house: House, cast: Cast) -> None:
    with pytest.raises(NicknameTaken):
        await add_member(house, cast.group_id, "ADA", now=NOW)

    await add_member(house, cast.other_group_id, "ADA", now=NOW)


async def test_time_bank_groups_give_everybody_an_exchange_account(house: House) -> None:
    group_id = await create_group(house, a_group(time_bank=True), origin="x", now=NOW)

    member_id = await add_member(house, group_id, "Ada", now=NOW)

    member = await find_member(house, group_id, member_id=member_id, now=NOW)
    assert set(member.accounts) == {"minutes", "EUR", "exchange:minutes"}
    assert len(set(member.accounts.values())) == 3


async def test_who_joined_is_in_the_book_as_numbers_and_no_number_is_tied_to_another(
    house: House, cast: Cast
) -> None:
    several, one = [NewMember(name) for name in ("Ida", "Jo", "Kit", "Lu")], [NewMember("Max")]

    ids = await add_members(house, cast.group_id, several, now=NOW)
    ids += await add_members(house, cast.group_id, one, now=NOW, actor=7)

    records = await rows(
        house, cast.group_id, "SELECT record FROM timebank.records WHERE kind = 'joined' ORDER BY seq"
    )
    *_, together, alone = (json.loads(row["record"]) for row in records)
    assert (together["actor"], alone["actor"]) == (0, 7)
    for said, members in ((together, ids[:4]), (alone, ids[4:])):
        assert set(said) == {"accounts", "actor", "kind", "recorded_at", "v"}
        assert all(set(account) == {"kind", "number", "unit"} for account in said["accounts"])
        numbers = [account["number"] for account in said["accounts"]]
        found = [
            await find_member(house, cast.group_id, member_id=member_id, now=NOW) for member_id in members
        ]
        assert numbers == sorted(number for member in found for number in member.accounts.values())


async def test_members_who_could_not_join_leave_no_record(house: House, cast: Cast) -> None:
    before = await kinds(house, cast.group_id)

    with pytest.raises(NicknameTaken):
        await add_members(house, cast.group_id, [NewMember("Ida"), NewMember("Ada")], now=NOW)

    assert await kinds(house, cast.group_id) == before
    assert before == ["genesis", "policy", "policy", "joined", "role", "role", "role"]


# ---------------------------------------------------------------- duties


async def test_a_duty_counts_from_the_next_request_and_so_does_losing_it(house: House, cast: Cast) -> None:
    before = await setup_version(house, cast.group_id)
    assert (await cast.actor("ada")).roles == {"member"}

    await grant_role(house, cast.group_id, cast.ids["ada"], "steward", now=NOW)
    assert (await cast.actor("ada")).roles == {"member", "steward"}
    await grant_role(house, cast.group_id, cast.ids["ada"], "steward", now=NOW)

    await revoke_role(house, cast.group_id, cast.ids["ada"], "steward", now=NOW + timedelta(microseconds=1))
    assert (
        await actor_of(house, cast.group_id, cast.tokens["ada"], now=NOW + timedelta(seconds=1))
    ).roles == {"member"}
    assert await setup_version(house, cast.group_id) == before + 3
    assert (await kinds(house, cast.group_id))[-2:] == ["role", "role"]


async def test_duties_are_in_the_book_by_account_number_only(house: House, cast: Cast) -> None:
    records = await rows(house, cast.group_id, "SELECT record FROM timebank.records WHERE kind = 'role'")
    said = [json.loads(row["record"]) for row in records]
    bo = await find_member(house, cast.group_id, member_id=cast.ids["bo"], now=NOW)

    assert sorted(line["role"] for line in said) == ["steward", "steward", "treasurer"]
    assert bo.accounts["minutes"] in [line["account"] for line in said]
    assert str(cast.ids["bo"]) not in json.dumps(said)


async def test_a_duty_that_does_not_exist_is_refused(house: House, cast: Cast) -> None:
    for role in ("member", "king", ""):
        with pytest.raises(FieldInvalid):
            await grant_role(house, cast.group_id, cast.ids["ada"], role, now=NOW)
    with pytest.raises(UnknownMember):
        await grant_role(house, cast.group_id, cast.ids["cy"], "steward", now=NOW)


async def test_checks_name_what_is_missing(cast: Cast) -> None:
    ada = await cast.actor("ada")
    ada.require_role("steward", "member")
    ada.require_scope("read")

    with pytest.raises(NeedsRole) as role:
        ada.require_role("steward", "treasurer")
    with pytest.raises(NeedsScope) as scope:
        ada.require_scope("seq")

    assert role.value.params == {"role": "steward"}
    assert scope.value.params == {"scope": "seq"}
    assert not ada.sees_seq
    assert dataclasses.replace(ada, scopes=frozenset({"seq"})).sees_seq
    assert (await cast.actor("bo")).sees_live


# ---------------------------------------------------------------- tokens


async def test_a_token_is_shown_once_and_kept_as_a_hash(house: House, cast: Cast) -> None:
    made = await make_token(house, cast.group_id, cast.ids["ada"], {"read"}, now=NOW)

    assert made.token.startswith("tb_")
    assert len(made.token) == 46
    stored = await rows(house, cast.group_id, "SELECT * FROM people.tokens")
    assert made.token not in repr([tuple(row) for row in stored])
    actor = await actor_of(house, cast.group_id, made.token)
    assert actor.member_id == cast.ids["ada"]
    assert actor.scopes == {"read"}
    assert actor.account == actor.accounts["minutes"]


async def refused(house: House, group_id: UUID, token: str, *, now: datetime = NOW) -> Refusal:
    with pytest.raises(NotSignedIn) as refusal:
        await actor_of(house, group_id, token, now=now)
    return refusal.value


async def test_every_token_that_does_not_hold_looks_the_same(house: House, cast: Cast) -> None:
    ends = await make_token(
        house, cast.group_id, cast.ids["ada"], {"read"}, now=NOW, expires_at=NOW + timedelta(hours=1)
    )
    ended = await make_token(house, cast.group_id, cast.ids["ada"], {"read"}, now=NOW)
    await revoke_token(house, cast.group_id, ended.token_id, now=NOW)
    await set_state(house, cast.group_id, cast.ids["flo"], "suspended")

    refusals = [
        await refused(house, cast.group_id, "tb_" + "x" * 43),
        await refused(house, cast.group_id, ""),
        await refused(house, cast.group_id, "\udcff"),
        await refused(house, cast.group_id, cast.tokens["cy"]),
        await refused(house, cast.group_id, ended.token),
        await refused(house, cast.group_id, ends.token, now=NOW + timedelta(hours=1)),
        await refused(house, cast.group_id, cast.tokens["flo"]),
    ]

    assert all(refusal == NotSignedIn() for refusal in refusals)
    await actor_of(house, cast.group_id, ends.token)
    with pytest.raises(UnknownToken):
        await revoke_token(house, cast.group_id, ended.token_id, now=NOW)


async def test_a_token_is_for_scopes_that_exist_and_members_who_are_here(house: House, cast: Cast) -> None:
    for scopes in ((), ("admin",), ("read", "admin")):
        with pytest.raises(FieldInvalid):
            await make_token(house, cast.group_id, cast.ids["ada"], scopes, now=NOW)
    with pytest.raises(UnknownMember):
        await make_token(house, cast.group_id, cast.ids["cy"], ("read",), now=NOW)


# ---------------------------------------------------------------- leaving


async def test_whoever_comes_back_finds_their_nickname_or_a_refusal(house: House, cast: Cast) -> None:
    await set_state(house, cast.group_id, cast.ids["ada"], "left")
    await refused(house, cast.group_id, cast.tokens["ada"])
    await add_member(house, cast.group_id, "Ada", now=NOW)

    with pytest.raises(NicknameTaken):
        await set_state(house, cast.group_id, cast.ids["ada"], "active")
    with pytest.raises(FieldInvalid):
        await set_state(house, cast.group_id, cast.ids["ada"], "erased")


async def test_an_erased_person_is_gone_everywhere_and_the_book_says_so_by_number(
    house: House, cast: Cast
) -> None:
    ada = cast.ids["ada"]
    accounts = (await find_member(house, cast.group_id, member_id=ada, now=NOW)).accounts
    await grant_role(house, cast.group_id, ada, "steward", now=NOW - timedelta(seconds=1))

    await erase_member(house, cast.group_id, ada, now=NOW)
    await erase_member(house, cast.group_id, ada, now=NOW)

    await refused(house, cast.group_id, cast.tokens["ada"])
    member = await find_member(house, cast.group_id, member_id=ada, now=NOW)
    assert (member.state, member.nickname, member.accounts, member.roles) == ("erased", None, {}, ())
    assert house.keys.find_member_key(cast.group_id, ada) is None
    assert [line.member_id for line in house.keys.list_erased()] == [ada]
    notices = await rows(house, cast.group_id, "SELECT record FROM timebank.records WHERE kind = 'erasure'")
    assert len(notices) == 1
    assert json.loads(notices[0]["record"])["accounts"] == sorted(accounts.values())
    with pytest.raises(UnknownMember):
        await find_member(house, cast.group_id, nickname="Ada", now=NOW)
    with pytest.raises(UnknownMember):
        await set_state(house, cast.group_id, ada, "active")
    with pytest.raises(UnknownMember):
        await erase_member(house, cast.group_id, cast.ids["cy"], now=NOW)
    await add_member(house, cast.group_id, "Ada", now=NOW)


async def test_a_group_begins_on_the_day_of_its_own_time_zone(house: House) -> None:
    late = datetime(2026, 3, 1, 23, 30, tzinfo=UTC)

    await create_group(house, a_group(began_on=date(2026, 3, 2)), origin="x", now=late)

    with pytest.raises(DateInFuture):
        await create_group(
            house, a_group("other", began_on=date(2026, 3, 2), time_zone="America/Lima"), origin="x", now=late
        )
