"""Every row of the posting table, with every balance after it."""

from __future__ import annotations

import pytest

from tests.ledger.notation import played

TABLE = {
    "help given to the pot, by a member or by somebody outside": """
        give ada pot 120        | ada -120  pot 120
        give outside pot 30     | ada -120  outside -30  pot 150
    """,
    "help to someone, the pot answering: the pot stays as it was": """
        give ada pot 60         | ada -60  pot 60
        answer bo pot 45        | ada -60  bo -45  pot 60  pot.shared 45
        answer outside pot 15   | ada -60  bo -45  outside -15  pot 60  pot.shared 60
    """,
    "help between people, time-bank mode": """
        exchange ada.x bo.x 90  | ada.x -90  bo.x 90
        exchange bo.x ada.x 120 | ada.x 30   bo.x -30
    """,
    "money in": """
        money ada.eur food cash 5000     | ada.eur -5000  food 5000  cash 5000  custody 5000
        money outside.eur rent bank 2000 | ada.eur -5000  outside.eur -2000  food 5000  rent 2000  cash 5000  bank 2000  custody 7000
    """,
    "promise and release, of hours that nobody has given yet": """
        promise pot 90 d1       | pot -90  pot.promised 90
        release pot 30 d1       | pot -60  pot.promised 60
        release pot 60 d1       | nothing
    """,
    "promise and release, of money": """
        money ada.eur food cash 100 | ada.eur -100  food 100  cash 100  custody 100
        promise food 80 d1          | ada.eur -100  food 20  food.promised 80  cash 100  custody 100
        release food 80 d1          | ada.eur -100  food 100  cash 100  custody 100
    """,
    "hours draw fulfilled in parts: the helper gives the same hours back": """
        promise pot 90 d1       | pot -90  pot.promised 90
        fulfil bo pot 60 d1     | bo -60  pot -30  pot.promised 30  pot.shared 60
        fulfil cy pot 30 d1     | bo -60  cy -30  pot.shared 90
    """,
    "hours beyond a promise go to the asker if the policy allows them at once": """
        promise pot 60 d1          | pot -60  pot.promised 60
        fulfil bo pot 90 d1 beyond | bo -90  pot.shared 90
        fulfil bo pot 15 d1 beyond | bo -105  pot.shared 105
    """,
    "hours beyond a promise stay in the pot if not": """
        promise pot 60 d1       | pot -60  pot.promised 60
        fulfil bo pot 90 d1     | bo -90  pot 30  pot.shared 60
        fulfil bo pot 15 d1     | bo -105  pot 45  pot.shared 60
    """,
    "money draw handed over in parts": """
        money ada.eur food cash 100 |
        promise food 80 d1          | ada.eur -100  food 20  food.promised 80  cash 100  custody 100
        hand food cash 50 d1        | ada.eur -100  food 20  food.promised 30  food.shared 50  cash 50  custody 50
        hand food cash 30 d1        | ada.eur -100  food 20  food.shared 80  cash 20  custody 20
    """,
    "hand-over undone while the draw is open: it is promised again": """
        money ada.eur food cash 100 |
        promise food 80 d1          |
        h: hand food cash 50 d1     | ada.eur -100  food 20  food.promised 30  food.shared 50  cash 50  custody 50
        undo h                      | ada.eur -100  food 20  food.promised 80  cash 100  custody 100
        hand food cash 80 d1        | ada.eur -100  food 20  food.shared 80  cash 20  custody 20
    """,
    "hand-over undone after the draw is closed: it is the pot's again": """
        money ada.eur food cash 100 |
        promise food 80 d1          |
        h: hand food cash 80 d1     | ada.eur -100  food 20  food.shared 80  cash 20  custody 20
        close d1                    |
        undo h cash=bank            | ada.eur -100  food 100  cash 20  bank 80  custody 100
    """,
    "fulfilment undone while the draw is open": """
        promise pot 60 d1           |
        f: fulfil bo pot 45 d1      | bo -45  pot -15  pot.promised 15  pot.shared 45
        undo f                      | pot -60  pot.promised 60
    """,
    "fulfilment undone after the draw is closed, with hours beyond it": """
        promise pot 60 d1             |
        f: fulfil bo pot 90 d1 beyond | bo -90  pot.shared 90
        close d1                      |
        undo f                        | nothing
    """,
    "fulfilment undone after the draw is closed, with hours that stayed in the pot": """
        give ada pot 10         |
        promise pot 60 d1       |
        f: fulfil bo pot 90 d1  | ada -10  bo -90  pot 40  pot.shared 60
        close d1                |
        undo f                  | ada -10  pot 10
    """,
    "money returned from a draw": """
        money ada.eur food cash 100 |
        promise food 80 d1          |
        hand food cash 80 d1        | ada.eur -100  food 20  food.shared 80  cash 20  custody 20
        return food bank 30 d1      | ada.eur -100  food 50  food.shared 50  cash 20  bank 30  custody 50
    """,
    "money out without a draw": """
        money ada.eur food bank 100 |
        out food bank 5             | ada.eur -100  outside.eur 5  food 95  bank 95  custody 95
    """,
    "moving money from place to place": """
        money ada.eur food cash 100 |
        carry cash bank 70          | ada.eur -100  food 100  cash 30  bank 70  custody 100
    """,
    "moving between pots, money: where it lies does not change": """
        money ada.eur food cash 100 |
        move food rent 40           | ada.eur -100  food 60  rent 40  cash 100  custody 100
    """,
    "moving between pots, hours": """
        give ada pot 50             |
        move pot garden 60          | ada -50  pot -10  garden 60
    """,
    "counted difference, missing and found": """
        money ada.eur food cash 100 |
        missing food cash 15        | ada.eur -100  adjustment 15  food 85  cash 85  custody 85
        found food bank 20          | ada.eur -100  adjustment -5  food 105  cash 85  bank 20  custody 105
    """,
    "opening: hours and money of a pot": """
        open pot pot 600            | opening -600  pot 600
        open money food bank 9000   | opening -600  pot 600  opening.eur -9000  food 9000  bank 9000  custody 9000
    """,
    "opening: exchange accounts, both directions": """
        open gave ada.x 120         | ada.x -120  opening 120
        open received bo.x 120      | ada.x -120  bo.x 120
    """,
    "correction of help": """
        g: give ada pot 60          | ada -60  pot 60
        correct g                   | nothing
    """,
    "correction that carries the right entry": """
        g: answer ada pot 60                | ada -60  pot.shared 60
        correct g + answer ada pot 45       | ada -45  pot.shared 45
    """,
    "correction of an opening, an exchange, a carrying and a moving": """
        o: open received bo.x 120   | bo.x 120  opening -120
        e: exchange ada.x bo.x 30   | bo.x 150  ada.x -30  opening -120
        correct o                   | bo.x 30  ada.x -30
        correct e                   | nothing
        money ada.eur food cash 100 |
        c: carry cash bank 70       |
        m: move food rent 40        | ada.eur -100  food 60  rent 40  cash 30  bank 70  custody 100
        correct c                   | ada.eur -100  food 60  rent 40  cash 100  custody 100
        correct m                   | ada.eur -100  food 100  cash 100  custody 100
    """,
}


@pytest.mark.parametrize("table", TABLE.values(), ids=TABLE)
def test_every_row_of_the_posting_table(table: str) -> None:
    played(table)


def test_what_was_corrected_is_neither_given_nor_drawn():
    stage = played("""
        g: give ada pot 60
        give ada pot 30
        correct g
        money ada.eur food cash 100
        promise food 80 d1
        h: hand food cash 50 d1
        undo h
        hand food cash 40 d1
        return food cash 15 d1
        e: exchange ada.x bo.x 30
        exchange bo.x ada.x 20
        correct e
    """)

    assert stage.names["ada"].given == 30
    assert stage.names["ada.eur"].given == 100
    assert stage.names["food.shared"].received == 25
    assert (stage.names["ada.x"].given, stage.names["ada.x"].received) == (0, 20)
    assert (stage.names["bo.x"].given, stage.names["bo.x"].received) == (20, 0)


def test_entries_tell_the_balances_after_each_of_their_transfers():
    stage = played("give ada pot 60")

    (entry,) = stage.happen("answer bo pot 45")

    assert entry.balances == ((-45, 105), (60, 45))
