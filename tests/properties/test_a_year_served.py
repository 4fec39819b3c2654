"""Whoever polls all that a server shows for a year ties no draw to a person or a day, and still has pages to read.

``TIMEBANK_TEST_YEAR=full`` lives whole years of groups of every size, under both ways of publishing that hide anything.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.database import Server
from tests.properties.served_year import API, Seen, live, open_life
from tests.properties.test_a_year_outside import DRAWS, KNOWS, PEOPLE
from tests.properties.year_outside import ANYBODY, FIRST, Group, attack, longest_wait, share_with_draws
from timebank.rules.readiness import Way
from timebank.services import published
from timebank.services.published import PublicFigures
from timebank.store import live as live_store

FULL = os.environ.get("TIMEBANK_TEST_YEAR") == "full"
#: (preset, people, draws a month, weeks)
GROUPS = (
    [
        (preset, people, draws, 52)
        for preset in ("careful", "sheltered")
        for people in PEOPLE
        for draws in DRAWS
    ]
    if FULL
    else [("careful", 12, 12, 6), ("sheltered", 5, 12, 6)]
)


def seen_by(seen: Seen, knows: tuple[Any, ...]) -> list[Any]:
    """Return what somebody saw who is nobody, a friend of theirs, somebody who asked, or who joined to look."""
    more = {(ANYBODY,): seen.to_asker, (1,): seen.to_member}.get(knows, [])
    return [*seen.pages, *more]


@pytest.mark.parametrize(("preset", "people", "draws", "weeks"), GROUPS)
async def test_nobody_who_polls_finds_out_who_drew_when_or_under_sheltered_how_much(
    cluster: Server,
    database_template: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    preset: str,
    people: int,
    draws: int,
    weeks: int,
):
    way = Way.of(preset)
    async with open_life(
        cluster, database_template, tmp_path, way, monkeypatch, whole_every=3 if FULL else 1000
    ) as life:
        seen = await live(life, Group(people=people, draws=draws, gifts=2, seed=1), weeks=weeks)

    print(
        f"{preset}, {people} people, {draws} draws a month: {seen.polls} polls, {seen.changes} changes, "
        f"{len(seen.cells)} cells, fewest {min((cell.people for cell in seen.cells), default=0)}, "
        f"longest wait {longest_wait(seen.pages)}, "
        f"weeks with draws {share_with_draws([page for page in seen.pages if page.first_day >= FIRST]):.2f}"
    )
    assert seen.wrong == []
    assert seen.moved == []
    assert seen.compared > 100
    assert seen.changes == len(seen.pages) < seen.polls
    for knows in KNOWS:
        score = attack(seen_by(seen, knows), way, knows=knows)
        assert score.draws > draws * weeks // 8
        assert (score.persons, score.days, score.amounts) == (0, 0, 0), knows
    # The truth behind every figure that was published, and that something was.
    assert [cell for cell in seen.cells if cell.people < way.people] == []
    assert seen.cells
    # The score counts together with this: nothing waits for ever.
    assert longest_wait(seen.pages) <= (91 if preset == "careful" else 182)
    if FULL and (preset, draws) == ("careful", 12):
        assert share_with_draws([page for page in seen.pages if page.first_day >= FIRST]) >= 0.5


async def test_the_same_visitor_finds_out_everything_where_one_address_shows_the_pot_as_it_is(
    cluster: Server, database_template: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    really = published.read_public_group

    async def tells(database: Any, slug: str) -> PublicFigures:
        figures, group_id = await really(database, slug), await database.group_id(slug)
        async with database.read(group_id) as tx:
            now = {pot.code: pot for pot in await live_store.list_pots(tx, group_id)}
        return replace(
            figures,
            balances=tuple(
                replace(pot, available=now[pot.pot].available, promised=now[pot.pot].promised)
                for pot in figures.balances
            ),
        )

    monkeypatch.setattr(published, "read_public_group", tells)
    way = Way.of("careful")
    async with open_life(cluster, database_template, tmp_path, way, monkeypatch) as life:
        seen = await live(life, Group(people=12, draws=12, gifts=2, seed=1), weeks=52 if FULL else 4)

    # It was another one although no page was turned, and all the others were not.
    assert set(seen.moved) == {f"GET {API}/balances"}
    score = attack(seen.pages, way)
    assert score.draws > 10
    assert score.persons >= score.draws
    assert score.days >= score.draws
    assert score.amounts > 0
