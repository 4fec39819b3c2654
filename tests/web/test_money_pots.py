"""Treasurers of a group with several pots and currencies: every form says which pot, and nothing mixes them up."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest_asyncio

from tests.cast import Cast, Stage, house, make_cast, stage, today
from tests.web.member import forms_of, signed_in, text_of
from tests.web.test_money import write_down
from timebank.rules.set_up import MINUTES, NewHeldPlace, NewPot
from timebank.services.house import House

__all__ = ["house", "stage", "today"]


@pytest_asyncio.fixture(loop_scope="session")
async def cast(house: House) -> Cast:
    """The cast in a group with two pots of hours, two of euros, and one of pounds."""
    return await make_cast(
        house,
        datetime.now(UTC),
        currencies=("EUR", "GBP"),
        pots=(
            NewPot("hours", MINUTES),
            NewPot("kitchen", MINUTES),
            NewPot("money", "EUR"),
            NewPot("spare", "EUR"),
            NewPot("pounds", "GBP"),
        ),
        held_places=(NewHeldPlace("cash-box", "cash", "EUR"), NewHeldPlace("tin", "cash", "GBP")),
    )


async def test_every_form_says_which_pot_and_money_of_two_kinds_is_not_mixed(
    stage: Stage, today: str
) -> None:
    ed = await signed_in(stage, "ed")
    form = await ed.get("/money/in")
    fields = {"amount": "10", "held": "cash-box", "day": today}
    assert "Money, British pounds" in text_of(form)
    assert "Money, pot 2" in text_of(form)

    for more, field in (({}, "pot"), ({"pot": "pounds"}, "held"), ({"pot": "hours"}, "pot")):
        wrong = await ed.send(form, "/in", **fields, **more)
        assert (wrong.status_code, f'href="#{field}"' in wrong.text) == (422, True), more
    receipt = await ed.follow(await write_down(ed, form, "/in", **fields, pot="spare"))
    assert "Which pot Money, pot 2" in text_of(receipt)
    carry = await ed.send(
        await ed.get("/money/carry"), "/carry", source="cash-box", held="tin", amount="1", day=today
    )
    assert (carry.status_code, 'href="#held"' in carry.text) == (422, True)

    count = await ed.get("/money/places/cash-box")
    assert "Which pot bears a difference?" in text_of(count)
    nobody = await ed.send(count, "/cash-box", amount="9")
    assert (nobody.status_code, 'href="#pot"' in nobody.text) == (422, True)
    foreign = await ed.send(count, "/cash-box", amount="9", pot="pounds")
    assert (foreign.status_code, 'href="#pot"' in foreign.text) == (422, True)
    check = await ed.send(count, "/cash-box", amount="9", pot="spare")
    assert "Which pot bears it Money, pot 2" in text_of(check)
    hub = await ed.get("/money")
    assert "British pounds" in text_of(hub)
    assert "All places 10.00" in text_of(hub)


async def test_a_steward_moves_hours_between_pots_and_money_only_a_treasurer(
    stage: Stage, today: str
) -> None:
    bo, ed = await signed_in(stage, "bo"), await signed_in(stage, "ed")
    form = await bo.get("/money/pots")
    assert "Someone’s time, pot 2" in text_of(form)
    assert 'value="spare"' not in form.text
    fields = {"amount": "1:30", "pot": "hours", "to": "kitchen", "day": today}

    for more, field in (({"to": "hours"}, "to"), ({"pot": "money"}, "pot"), ({"amount": "x"}, "amount")):
        wrong = await bo.send(form, "/pots", **{**fields, **more})
        assert (wrong.status_code, f'href="#{field}"' in wrong.text) == (422, True), more
    proposed = await write_down(bo, form, "/pots", **fields)
    at = proposed.headers["location"].removeprefix("/g/riverside")
    page = await ed.get(at)
    assert "From one pot to another" in text_of(page)
    assert "1 h 30 min" in text_of(page)
    signed = await ed.follow(await ed.send(page, at.rpartition("/")[2], say="sign"))
    assert "It is signed, and in the book" in text_of(signed)
    assert [form for form in forms_of(signed) if "second" in form.action and "say" in form.names] == []
    mixed = await ed.send(
        await ed.get("/money/pots"), "/pots", amount="1", pot="spare", to="pounds", day=today
    )
    assert (mixed.status_code, 'href="#to"' in mixed.text) == (422, True)
