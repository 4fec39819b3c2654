"""Floors bind decisions, not facts: the book can always say that money is missing, and gives away no more for it."""

from __future__ import annotations

import pytest

from tests.ledger.notation import Stage, played

STORIES = {
    "nothing is promised from an empty money pot": """
        promise food 1 d1              | ! below_floor account=pot available=0 asked=1
        money ada.eur food cash 100    |
        promise food 101 d1            | ! below_floor account=pot available=100 asked=101
        promise food 100 d1            | ada.eur -100  food.promised 100  cash 100  custody 100
        promise food 1 d2              | ! below_floor account=pot available=0 asked=1
        out food cash 1                | ! below_floor account=pot available=0 asked=1
        move food rent 1               | ! below_floor account=pot available=0 asked=1
    """,
    "nobody is handed more than is promised, and no place gives what it does not hold": """
        money ada.eur food cash 100    |
        promise food 60 d1             |
        hand food cash 61 d1           | ! below_floor account=promised available=60 asked=61
        release food 61 d1             | ! below_floor account=promised available=60 asked=61
        hand food bank 10 d1           | ! below_floor account=held available=0 asked=10
        carry bank cash 1              | ! below_floor account=held available=0 asked=1
        hand food cash 60 d1           | ada.eur -100  food 40  food.shared 60  cash 40  custody 40
    """,
    "a counted loss while money is promised": """
        money ada.eur food cash 100    |
        promise food 90 d1             | ada.eur -100  food 10  food.promised 90  cash 100  custody 100
        # 30 are gone: a fact, so the pot is short by 20.
        missing food cash 30           | ada.eur -100  food -20  food.promised 90  adjustment 30  cash 70  custody 70
        # It promises nothing more ...
        promise food 1 d2              | ! below_floor account=pot available=0 asked=1
        # ... and hands over no more than it has itself: 90 promised - 20 short = 70.
        hand food cash 71 d1           | ! below_floor account=pot available=70 asked=71
        hand food cash 70 d1           | ada.eur -100  food -20  food.promised 20  food.shared 70  adjustment 30
        hand food cash 1 d1            | ! below_floor account=pot available=0 asked=1
        # Giving back is never refused, nor is giving in.
        release food 5 d1              | ada.eur -100  food -15  food.promised 15  food.shared 70  adjustment 30
        money bo.eur food cash 10      | ada.eur -100  bo.eur -10  food -5  food.promised 15  food.shared 70  adjustment 30  cash 10  custody 10
        hand food cash 10 d1           | ada.eur -100  bo.eur -10  food -5  food.promised 5  food.shared 80  adjustment 30
    """,
    "two pots in one cash box, one of them short": """
        money ada.eur food cash 100    |
        money bo.eur rent cash 100     |
        promise food 100 d1            |
        missing food cash 40           | ada.eur -100  bo.eur -100  food -40  food.promised 100  rent 100  adjustment 40  cash 160  custody 160
        # The box holds 160, but only 60 of them are food's own.
        hand food cash 61 d1           | ! below_floor account=pot available=60 asked=61
        hand food cash 60 d1           | ada.eur -100  bo.eur -100  food -40  food.promised 40  food.shared 60  rent 100  adjustment 40  cash 100  custody 100
        hand food cash 1 d1            | ! below_floor account=pot available=0 asked=1
        # Nothing of it touches the other pot.
        promise rent 100 d2            |
        hand rent cash 100 d2          | ada.eur -100  bo.eur -100  food -40  food.promised 40  food.shared 60  rent.shared 100  adjustment 40
    """,
    "the correction of money in that is promised already": """
        m: money ada.eur food cash 100 |
        promise food 80 d1             | ada.eur -100  food 20  food.promised 80  cash 100  custody 100
        correct m                      | food -80  food.promised 80
        promise food 1 d2              | ! below_floor account=pot available=0 asked=1
        hand food cash 1 d1            | ! below_floor account=pot available=0 asked=1
        release food 80 d1             | nothing
    """,
    "the correction of money in to a smaller sum, with part of it promised": """
        m: money ada.eur food cash 100                |
        promise food 80 d1                            |
        correct m + money ada.eur food cash 60        | ada.eur -60  food -20  food.promised 80  cash 60  custody 60
        hand food cash 61 d1                          | ! below_floor account=pot available=60 asked=61
    """,
    "the correction of money banked meanwhile says where the money is now": """
        m: money ada.eur food cash 100     |
        carry cash bank 100                | ada.eur -100  food 100  bank 100  custody 100
        correct m                          | ! below_floor account=held available=0 asked=100
        correct m cash=bank                | nothing
    """,
    "a chain is judged as a whole: first back, then right": """
        m: money ada.eur food cash 100                        |
        carry cash bank 60                                    |
        # Taking 100 back from the cash box alone is not possible, only 40 are there ...
        correct m                                             | ! below_floor account=held available=40 asked=100
        # ... but with 70 put in again it is.
        correct m + money ada.eur food cash 70                | ada.eur -70  food 70  cash 10  bank 60  custody 70
    """,
    "a decision in a chain is judged by what the chain leaves": """
        money ada.eur food cash 100              |
        m: move food rent 90                     | ada.eur -100  food 10  rent 90  cash 100  custody 100
        missing food cash 50                     | ada.eur -100  food -40  rent 90  adjustment 50  cash 50  custody 50
        # Food is short by 40; with the right move it is short by 20 only: better than before.
        correct m + n: move food rent 70         | ada.eur -100  food -20  rent 70  adjustment 50  cash 50  custody 50
        # Another correction would make it worse than it is: refused, although its first step would not be.
        correct n + move food rent 71            | ! below_floor account=pot available=0 asked=1
    """,
    "an hours pot has no floor unless the group sets one": """
        promise pot 600 d1      | pot -600  pot.promised 600
        move pot garden 30      | pot -630  pot.promised 600  garden 30
    """,
    "undoing a hand-over and handing over less, in a pot that is short": """
        money ada.eur food cash 100              |
        promise food 100 d1                      |
        h: hand food cash 60 d1                  |
        missing food cash 40                     | ada.eur -100  food -40  food.promised 40  food.shared 60  adjustment 40
        undo h + hand food cash 50 d1            | ada.eur -100  food -40  food.promised 50  food.shared 50  adjustment 40  cash 10  custody 10
    """,
}


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
def test_floors(story: str) -> None:
    played(story)


def test_a_group_may_set_a_floor_for_its_hours_and_a_reserve_for_its_money():
    stage = Stage()
    stage.names["pot"].floor = -120
    stage.names["food"].floor = 25

    stage.play("""
        promise pot 121 d1            | ! below_floor account=pot available=120 asked=121
        promise pot 120 d1            | pot -120  pot.promised 120
        fulfil bo pot 60 d1           | bo -60  pot -60  pot.promised 60  pot.shared 60
        money ada.eur food cash 100   |
        promise food 76 d2            | ! below_floor account=pot available=75 asked=76
        promise food 75 d2            |
    """)

    assert stage.findings() == []


def test_a_floor_set_above_the_balance_refuses_only_what_makes_it_worse():
    stage = Stage()
    stage.play("""
        give ada pot 10
        promise pot 5 d1
    """)

    stage.names["pot"].floor = 100

    stage.play("""
        promise pot 1 d2              | ! below_floor account=pot available=0 asked=1
        fulfil bo pot 5 d1            | ada -10  bo -5  pot 10  pot.shared 5
        release pot 1 d1              | ! below_floor account=promised available=0 asked=1
        missing food cash 1           | ! below_floor account=held available=0 asked=1
    """)


def test_the_pot_never_promises_the_same_minute_twice():
    stage = Stage()
    stage.names["pot"].floor = 0
    stage.play("""
        give ada pot 120
        promise pot 90 d1
    """)

    refusal = stage.refused("promise pot 31 d2")

    assert refusal.params == {"account": "pot", "available": 30, "asked": 31}
    assert refusal.retryable
    assert stage.balances() == {"ada": -120, "pot": 30, "pot.promised": 90}
