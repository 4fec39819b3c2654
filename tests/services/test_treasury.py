"""Money between two people with duties: proposed by one, signed by another, and where it lies meanwhile."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from datetime import date
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg
import pytest
import pytest_asyncio

from tests.services.ledger_desk import LedgerDesk, ledger_desk
from timebank.errors import NeedsRole
from timebank.rules.commands import (
    ClosePlace,
    Command,
    CorrectEntry,
    CountHeld,
    ExpireProposal,
    GiveMoney,
    Instead,
    LogHours,
    MoveHeld,
    OpenPlace,
    ProposeOpening,
    ProposeOut,
    ProposePotMove,
    SignProposal,
    WithdrawProposal,
)
from timebank.rules.proposals import PROPOSAL_STATES
from timebank.services.close import close_period
from timebank.services.house import House
from timebank.services.treasury import due_proposals, list_held, list_proposals

pytestmark = pytest.mark.database

STALE = {"fresh": False}


@pytest_asyncio.fixture(loop_scope="session")
async def desk(house: House) -> AsyncIterator[LedgerDesk]:
    async with ledger_desk(house) as desk:
        yield desk


def today(desk: LedgerDesk) -> date:
    return desk.now.astimezone(ZoneInfo("Europe/Madrid")).date()


def money(desk: LedgerDesk, amount: int = 1000, reference: str = "", **more: Any) -> GiveMoney:
    values = {"pot": "money", "currency": "EUR", "held": "cash-box", "giver": None, **more}
    return GiveMoney(amount=amount, effective_on=today(desk), reference=reference, **values)


# ---------------------------------------------------------------- the same reference twice


async def test_the_same_reference_twice_is_caught_and_names_the_entry_before(desk: LedgerDesk) -> None:
    first = await desk.done("ed", money(desk, 1000, "NOTPROVIDED 17"))

    again = await desk.send("hal", money(desk, 1000, " notprovided  17 "))

    assert (again["status"], again["code"]) == (409, "reference_known")
    assert again["params"] == {"entry": first["entry"]}
    await desk.done("ed", money(desk, 1001, "NOTPROVIDED 17"))
    await desk.done("ed", money(desk, 1000, "NOTPROVIDED 17", held="bank"))
    await desk.done("ed", money(desk, 1000))
    await desk.done("ed", money(desk, 1000))
    await desk.done("ed", money(desk, 1000, "NOTPROVIDED 17", again=True))
    assert await desk.refused("ed", money(desk, 1000, "NOTPROVIDED 17")) == "reference_known"
    assert b"NOTPROVIDED" not in b"".join(
        bytes(row[0]) for row in await desk.rows("SELECT reference_index FROM timebank.money_references")
    )


async def test_a_reference_follows_what_was_corrected(desk: LedgerDesk) -> None:
    wrong = UUID((await desk.done("ed", money(desk, 1000, "rent A")))["entry"])
    await desk.done("ed", CorrectEntry(wrong, "typo", Instead(amount=1100)))

    assert await desk.refused("ed", money(desk, 1100, "rent A")) == "reference_known"
    right = UUID((await desk.done("ed", money(desk, 1000, "rent A")))["entry"])
    await desk.done("ed", CorrectEntry(right, "never came"))
    await desk.done("ed", money(desk, 1000, "rent A"))


# ---------------------------------------------------------------- places


async def test_a_place_is_opened_filled_emptied_closed_and_opened_again(desk: LedgerDesk) -> None:
    await desk.done("ed", money(desk, 1000))
    said = await desk.done("ed", OpenPlace("shoe-box", "cash", "EUR"))
    assert (said["held"], said["kind"]) == ("shoe-box", "cash")
    assert await desk.refused("ed", OpenPlace("shoe-box", "bank", "EUR")) == "place_taken"
    assert await desk.refused("ed", OpenPlace("Shoe Box", "bank", "EUR")) == "field_invalid"
    assert await desk.refused("ed", OpenPlace("yen-box", "cash", "JPY")) == "field_invalid"
    assert await desk.refused("ada", OpenPlace("other", "cash", "EUR")) == "needs_role"
    assert await desk.refused("ed", OpenPlace("other", "cash", "EUR"), **STALE) == "step_up_needed"

    await desk.done("ed", MoveHeld("cash-box", "shoe-box", 400, "EUR"))
    assert await desk.refused("ed", ClosePlace("shoe-box")) == "place_not_empty"
    await desk.done("ed", MoveHeld("shoe-box", "bank", 400, "EUR"))
    await desk.done("ed", ClosePlace("shoe-box"))
    assert (await desk.done("ed", ClosePlace("shoe-box")))["closed"] is True
    assert await desk.refused("ed", money(desk, 5, held="shoe-box")) == "account_closed"
    await desk.verified()
    await desk.done("bo", ClosePlace("shoe-box", reopen=True))
    await desk.done("ed", money(desk, 5, held="shoe-box"))

    assert await desk.nets() == {
        "hours": 0,
        "money": 1005,
        "rent": 0,
        "pounds": 0,
        "cash-box": 600,
        "shoe-box": 5,
        "bank": 400,
        "tin": 0,
    }
    await desk.verified()


async def test_money_is_carried_by_a_treasurer_who_is_there_and_never_more_than_there_is(
    desk: LedgerDesk,
) -> None:
    await desk.done("ed", money(desk, 1000))
    move = MoveHeld("cash-box", "bank", 300, "EUR")
    assert await desk.refused("bo", move) == "needs_role"
    assert await desk.refused("ed", move, **STALE) == "step_up_needed"
    assert await desk.refused("ed", move._replace(amount=1001)) == "below_floor"
    assert await desk.refused("ed", move._replace(target="cash-box")) == "field_invalid"
    assert await desk.refused("ed", move._replace(target="tin")) == "unknown_held_place"

    await desk.done("ed", move)

    nets = await desk.nets()
    assert (nets["cash-box"], nets["bank"], nets["money"]) == (700, 300, 1000)


async def test_a_period_closed_before_a_place_was_opened_still_verifies(desk: LedgerDesk) -> None:
    await desk.done("ed", money(desk, 1000))
    desk.wait(days=2)
    await close_period(desk.house, desk.group_id, now=desk.now)
    await desk.done("ed", OpenPlace("shoe-box", "cash", "EUR"))
    await desk.done("ed", MoveHeld("cash-box", "shoe-box", 400, "EUR"))
    desk.wait(days=2)
    await close_period(desk.house, desk.group_id, now=desk.now)

    await desk.verified()
    shown = await desk.rows("SELECT period, place, amount FROM timebank.published_held WHERE unit = 'EUR'")
    assert ("eur-cash-2", 400) in {(place, amount) for _, place, amount in shown}
    assert "shoe" not in str(shown)


# ---------------------------------------------------------------- counting


async def test_a_count_that_is_right_needs_nobody_else(desk: LedgerDesk) -> None:
    await desk.done("ed", money(desk, 1000))

    said = await desk.done("ed", CountHeld("cash-box", 1000, "EUR", reason="Friday"))

    assert (said["state"], said["book"]) == ("right", 1000)
    assert (await desk.done("bo", CountHeld("tin", 0, "GBP")))["state"] == "right"
    assert await desk.rows("SELECT FROM timebank.proposals") == []
    assert await desk.refused("ada", CountHeld("cash-box", 1000, "EUR")) == "needs_role"
    assert await desk.refused("ed", CountHeld("nowhere", 1, "EUR")) == "unknown_page"
    assert await desk.refused("ed", CountHeld("cash-box", -1, "EUR")) == "amount_out_of_range"
    assert await desk.refused("ed", CountHeld("cash-box", 1, "GBP")) == "unit_mismatch"
    assert await desk.refused("ed", CountHeld("cash-box", 1, "EUR", pot="pounds")) == "unknown_pot"


async def test_a_difference_is_borne_by_the_pot_that_was_named_once_another_one_signs(
    desk: LedgerDesk,
) -> None:
    await desk.done("ed", money(desk, 1000))
    said = await desk.done("ed", CountHeld("cash-box", 940, "EUR", pot="rent"))
    assert (await desk.nets())["cash-box"] == 1000
    proposal = UUID(said["proposal"])
    assert await desk.refused("ed", SignProposal(proposal)) == "own_proposal"
    assert await desk.refused("bo", SignProposal(proposal, count_of="bank")) == "unknown_proposal"
    assert await desk.refused("bo", SignProposal(proposal), **STALE) == "step_up_needed"
    assert await desk.refused("ada", SignProposal(proposal)) == "needs_role"
    await desk.done("ed", money(desk, 7))

    await desk.done("bo", SignProposal(proposal, count_of="cash-box"))

    nets = await desk.nets()
    assert (nets["cash-box"], nets["money"], nets["rent"]) == (947, 1007, -60)
    said = await desk.done("bo", CountHeld("cash-box", 1010, "EUR", pot="rent"))
    await desk.done("ed", SignProposal(UUID(said["proposal"])))
    nets = await desk.nets()
    assert (nets["cash-box"], nets["money"], nets["rent"]) == (1010, 1007, 3)
    kinds = await desk.rows("SELECT kind FROM timebank.entries WHERE source = 'proposal' ORDER BY seq")
    assert kinds == [("counted_missing",), ("counted_found",)]
    await desk.verified()


# ---------------------------------------------------------------- two people


async def test_money_leaves_without_an_ask_only_by_two_people_and_never_below_the_floor(
    desk: LedgerDesk,
) -> None:
    await desk.done("ed", money(desk, 1000))
    out = ProposeOut("money", 1200, "EUR", "cash-box", reason="bank fee")
    assert await desk.refused("bo", out) == "needs_role"
    assert await desk.refused("ed", out._replace(category="war")) == "unknown_category"
    assert await desk.refused("ed", out._replace(amount=0)) == "amount_out_of_range"
    assert await desk.refused("ed", out._replace(effective_on=date(2999, 1, 1))) == "date_in_future"
    proposal = UUID((await desk.done("ed", out))["proposal"])
    assert await desk.refused("bo", SignProposal(proposal)) == "below_floor"

    await desk.done("ed", money(desk, 200))
    said = await desk.done("hal", SignProposal(proposal))

    assert (said["state"], said["amount"], said["currency"]) == ("signed", 1200, "EUR")
    nets = await desk.nets()
    assert (nets["money"], nets["cash-box"]) == (0, 0)
    assert await desk.refused("bo", SignProposal(proposal)) == "proposal_not_open"
    await desk.verified()


async def test_pots_pass_on_to_pots_of_the_same_unit(desk: LedgerDesk) -> None:
    await desk.done("ed", money(desk, 1000))
    move = ProposePotMove("money", "rent", 300, "EUR")
    assert await desk.refused("bo", move) == "needs_role"
    assert await desk.refused("ed", move._replace(target="pounds")) == "unknown_pot"
    assert await desk.refused("ed", move._replace(target="money")) == "field_invalid"

    await desk.done("bo", SignProposal(UUID((await desk.done("ed", move))["proposal"])))

    nets = await desk.nets()
    assert (nets["money"], nets["rent"], nets["cash-box"]) == (700, 300, 1000)
    await desk.verified()


async def test_openings_are_one_persons_while_the_book_is_empty_and_two_peoples_later(
    desk: LedgerDesk,
) -> None:
    hours = ProposeOpening("hours", 600, "minutes")
    euros = ProposeOpening("money", 5000, "EUR", held="bank")
    flo = ProposeOpening("", 90, "minutes", member=desk.ids["flo"], received=True)
    assert await desk.refused("ed", hours) == "needs_role"
    assert await desk.refused("bo", euros) == "needs_role"
    assert await desk.refused("bo", hours, **STALE) == "step_up_needed"
    assert await desk.refused("ed", euros._replace(held="")) == "field_invalid"
    assert await desk.refused("bo", flo._replace(pot="hours")) == "field_invalid"
    assert await desk.refused("bo", flo._replace(member=desk.group_id)) == "unknown_member"
    assert (await desk.done("bo", hours))["state"] == "posted"
    assert (await desk.done("ed", euros))["state"] == "posted"
    assert (await desk.done("bo", flo))["state"] == "posted"
    assert await desk.exchanged("flo") == (0, 90)
    await desk.done("ed", money(desk, 1))

    late = UUID((await desk.done("bo", flo._replace(received=False, amount=30)))["proposal"])
    await desk.done("di", SignProposal(late))

    assert await desk.exchanged("flo") == (30, 90)
    nets = await desk.nets()
    assert (nets["hours"], nets["money"], nets["bank"]) == (600, 5001, 5000)
    await desk.verified()


async def test_several_currencies_stay_apart(desk: LedgerDesk) -> None:
    await desk.done("ed", money(desk, 700, pot="pounds", currency="GBP", held="tin"))
    await desk.done("ed", money(desk, 1000))
    out = await desk.done("ed", ProposeOut("pounds", 200, "GBP", "tin"))
    assert await desk.refused("ed", ProposeOut("pounds", 200, "GBP", "cash-box")) == "unknown_held_place"
    assert await desk.refused("ed", ProposeOut("pounds", 200, "EUR", "cash-box")) == "unknown_pot"
    await desk.done("bo", SignProposal(UUID(out["proposal"])))

    nets = await desk.nets()
    assert (nets["pounds"], nets["tin"], nets["money"], nets["cash-box"]) == (500, 500, 1000, 1000)
    await desk.verified()


async def test_the_database_itself_lets_nobody_sign_their_own(desk: LedgerDesk) -> None:
    await desk.done("ed", money(desk, 1000))
    proposal = UUID((await desk.done("ed", ProposeOut("money", 5, "EUR", "cash-box")))["proposal"])

    with pytest.raises(asyncpg.CheckViolationError, match="nobody_signs_their_own"):
        await desk.rows(
            """UPDATE timebank.proposals SET state = 'signed', signed_by = proposed_by, entry_id = proposal_id
                WHERE proposal_id = $1""",
            proposal,
        )
    with pytest.raises(asyncpg.CheckViolationError, match="signed_is_posted"):
        await desk.rows("UPDATE timebank.proposals SET state = 'signed' WHERE proposal_id = $1", proposal)


async def test_of_two_signatures_at_once_one_counts(desk: LedgerDesk) -> None:
    await desk.done("ed", money(desk, 1000))
    proposal = UUID((await desk.done("ed", ProposeOut("money", 300, "EUR", "cash-box")))["proposal"])

    answers = await asyncio.gather(
        *[desk.send(name, SignProposal(proposal)) for name in ("bo", "di", "hal", "ed", "bo", "di")]
    )

    assert sorted(answer["status"] for answer in answers) == [200, 409, 409, 409, 409, 409] or sorted(
        answer["status"] for answer in answers
    ) == [200, 403, 409, 409, 409, 409]
    assert (await desk.nets())["money"] == 700


async def test_what_nobody_signs_in_time_ends(desk: LedgerDesk) -> None:
    await desk.done("ed", money(desk, 1000))
    proposal = UUID((await desk.done("ed", ProposeOut("money", 300, "EUR", "cash-box")))["proposal"])
    desk.wait(days=30, seconds=-1)
    assert await due_proposals(desk.house, desk.group_id, now=desk.now) == []
    assert await desk.refused("group", ExpireProposal(proposal)) == "not_your_proposal"
    desk.wait(seconds=2)
    assert await desk.refused("bo", SignProposal(proposal)) == "proposal_not_open"

    due = await due_proposals(desk.house, desk.group_id, now=desk.now)
    assert due == [ExpireProposal(proposal)]
    assert (await desk.done("group", due[0]))["state"] == "expired"
    assert await desk.refused("group", due[0]) == "proposal_not_open"


async def test_every_state_of_a_proposal_can_be_left_and_no_step_is_done_twice(desk: LedgerDesk) -> None:
    """Walk every act by everybody from every state, for every kind of proposal."""
    await desk.done("ed", money(desk, 100_000))
    await desk.done("ada", LogHours(None, None, None, 60, today(desk), "cooking"))
    kinds: dict[str, tuple[str, Command]] = {
        "count": ("ed", CountHeld("cash-box", 5, "EUR")),
        "money_out": ("ed", ProposeOut("money", 5, "EUR", "cash-box")),
        "pot_move": ("ed", ProposePotMove("money", "rent", 5, "EUR")),
        "opening": ("bo", ProposeOpening("hours", 5, "minutes")),
    }
    acts: dict[str, Callable[[UUID], Command]] = {
        "sign": SignProposal,
        "withdraw": WithdrawProposal,
        "expire": ExpireProposal,
    }
    seen: set[tuple[str, str]] = set()
    left: set[tuple[str, str]] = set()
    todo: deque[tuple[str, tuple[tuple[str, str], ...]]] = deque((kind, ()) for kind in kinds)
    while todo:
        kind, path = todo.popleft()
        proposal = await _propose(desk, kinds[kind], path, acts)
        (state,) = (await desk.rows("SELECT state FROM timebank.proposals WHERE proposal_id = $1", proposal))[
            0
        ]
        if (kind, state) in seen:
            continue
        seen.add((kind, state))
        for who in ("ed", "hal", "bo", "ada", "group"):
            for name, act in acts.items():
                if name == "expire" and who == "group" and state == "open":
                    desk.wait(days=31)
                before = await desk.trace()
                said = await desk.send(who, act(proposal))
                if said["status"] >= 400:
                    assert said["status"] in {403, 409}, (kind, state, who, name, said)
                    assert await desk.trace() == before
                    duty = who in {"ed", "hal", "bo"} and name != "expire"
                    if duty and name not in PROPOSAL_STATES[state]:
                        assert said["code"] == "proposal_not_open", (kind, state, who, name, said)
                    continue
                assert said["state"] == PROPOSAL_STATES[state][name]
                left.add((kind, state))
                todo.append((kind, (*path, (who, name))))
                proposal = await _propose(desk, kinds[kind], path, acts)

    assert seen == {(kind, state) for kind in kinds for state in PROPOSAL_STATES}
    assert left == {(kind, "open") for kind in kinds}
    await desk.verified()


async def _propose(
    desk: LedgerDesk,
    command: tuple[str, Command],
    path: tuple[tuple[str, str], ...],
    acts: dict[str, Callable[[UUID], Command]],
) -> UUID:
    if isinstance(command[1], CountHeld):
        await desk.done("ed", money(desk, 50))
    proposal = UUID((await desk.done(*command))["proposal"])
    for who, name in path:
        if name == "expire":
            desk.wait(days=31)
        await desk.done(who, acts[name](proposal))
    return proposal


# ---------------------------------------------------------------- lists


async def test_those_with_a_duty_see_where_money_is_and_what_waits(desk: LedgerDesk) -> None:
    await desk.done("ed", money(desk, 1000))
    first = (await desk.done("ed", ProposeOut("money", 5, "EUR", "cash-box", reason="a fee")))["proposal"]
    second = (await desk.done("ed", ProposePotMove("money", "rent", 5, "EUR")))["proposal"]
    bo = await desk.actor("bo", scopes=frozenset({"read"}))
    ada = await desk.actor("ada", scopes=frozenset({"read"}))

    held = {place.code: place.amount for place in await list_held(desk.house, bo)}
    assert held == {"cash-box": 1000, "bank": 0, "tin": 0}
    page = await list_proposals(desk.house, bo)
    assert [str(seen.proposal.proposal_id) for seen in page.proposals] == [second, first]
    assert [seen.why for seen in page.proposals] == ["", "a fee"]
    one = await list_proposals(desk.house, bo, limit=1)
    two = await list_proposals(desk.house, bo, limit=1, after=one.next)
    assert [str(p.proposals[0].proposal.proposal_id) for p in (one, two)] == [second, first]
    assert two.next is None
    assert len((await list_proposals(desk.house, bo, kind="pot_move", state="open")).proposals) == 1
    assert (await list_proposals(desk.house, bo, state="signed")).proposals == ()
    for read in (list_held(desk.house, ada), list_proposals(desk.house, ada)):
        with pytest.raises(NeedsRole):
            await read
