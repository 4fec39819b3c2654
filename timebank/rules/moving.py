"""What of a group travels row by row when it moves with its own book and log, and how each thing is called."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

Kind = Literal["id", "day", "moment", "whole", "yes_or_no", "text", "hex", "json", "texts"]


class Cells(NamedTuple):
    """A column of a moved table; an empty cell of one that is optional is nothing."""

    name: str
    kind: Kind
    optional: bool = False


class MovedTable(NamedTuple):
    """One table of the group, as it travels.

    Attributes:
        file: Name of its file in an archive.
        table: Name in the database.
        order: What its rows are sorted by; together they are never the same twice.
    """

    file: str
    table: str
    columns: tuple[Cells, ...]
    order: tuple[str, ...]


def _moved(file: str, table: str, order: str, columns: str) -> MovedTable:
    """Read ``name:kind`` words; ``?`` behind a kind is optional."""
    cells = []
    for word in columns.split():
        name, _, kind = word.partition(":")
        cells.append(Cells(name, kind.removesuffix("?"), kind.endswith("?")))  # type: ignore[arg-type]
    return MovedTable(file, f"timebank.{table}", tuple(cells), tuple(order.split()))


#: In an order in which each finds what it refers to. An account has its name in the archive in front.
MOVED: Final = (
    _moved(
        "moved_accounts.csv", "accounts", "account_id",
        "account:text account_id:whole kind:text unit:text pot_account:whole floor:whole? closed:yes_or_no",
    ),
    _moved(
        "moved_pots.csv", "pots", "pot_id",
        "pot_id:id code:text unit:text number:whole pot_account:whole promised_account:whole shared_account:whole",
    ),
    _moved(
        "moved_places.csv", "held_places", "held_id",
        "held_id:id code:text kind:text number:whole unit:text account_id:whole",
    ),
    _moved(
        "moved_policies.csv", "policies", "pot_id version",
        "pot_id:id version:whole agreed_on:day terms:json",
    ),
    _moved(
        "moved_settings.csv", "settings_history", "change_id",
        "change_id:id changed_at:moment changed_by:whole before:json after:json",
    ),
    _moved(
        "moved_draws.csv", "draws", "draw_id",
        "draw_id:id pot_id:id category:text needed_by:day? state:text policy_version:whole amount_asked:whole"
        " amount_agreed:whole amount_promised:whole amount_handed:whole amount_released:whole asked_at:moment"
        " changed_at:moment agreed_at:moment? queued_at:moment? promised_on:day? due_at:moment?"
        " without_account:yes_or_no warnings:texts",
    ),
    _moved(
        "moved_hands.csv", "draw_hands", "draw_id member_id",
        "draw_id:id member_id:id asked:yes_or_no approved:yes_or_no paid:yes_or_no two_people:yes_or_no"
        " theirs:yes_or_no stepped_aside:yes_or_no objected:yes_or_no not_own:yes_or_no without_account:yes_or_no",
    ),
    _moved(
        "moved_auditor_keys.csv", "auditor_keys", "name",
        "name:text key:text member_id:id introduced_at:moment withdrawn_at:moment?",
    ),
    _moved(
        "moved_hours_waiting.csv", "hours_waiting", "hours_id",
        "hours_id:id giver_id:id receiver_id:id",
    ),
    _moved(
        "moved_questions.csv", "hours_questions", "question_id",
        "question_id:id hours_id:id asked_by:whole minutes:whole state:text asked_at:moment",
    ),
    _moved(
        "moved_proposals.csv", "proposals", "proposal_id",
        "proposal_id:id kind:text body:json state:text proposed_by:id signed_by:id? entry_id:id?"
        " proposed_at:moment changed_at:moment",
    ),
    _moved(
        "moved_imports.csv", "imports", "import_id",
        "import_id:id state:text options:json summary:json member_id:id? created_at:moment changed_at:moment"
        " first_seq:whole? last_seq:whole?",
    ),
    _moved(
        "moved_publishing.csv", "publishing", "from_day",
        "from_day:day preset:text people:whole gifts_wait:yes_or_no decided_at:moment",
    ),
    _moved(
        "moved_waiting.csv", "waiting", "seq",
        "seq:whole recorded_on:day preset:text people:whole gifts_wait:yes_or_no",
    ),
    _moved(
        "moved_closes.csv", "closes", "period",
        "period:whole first_day:day last_day:day through_seq:whole closed_at:moment",
    ),
    _moved(
        "published_policies.csv", "published_policies", "pot version",
        "version:whole pot:text agreed_on:day terms:json",
    ),
    _moved(
        "published_periods.csv", "published_periods", "period",
        "period:whole first_day:day last_day:day next_close_on:day lines:whole preset:text",
    ),
    _moved(
        "published_balances.csv", "published_balances", "period pot",
        "period:whole pot:text unit:text available:whole promised:whole given:whole drawn:whole came_in:whole"
        " went_out:whole",
    ),
    _moved(
        "published_held.csv", "published_held", "period place",
        "period:whole place:text kind:text number:whole unit:text amount:whole",
    ),
    _moved(
        "published_flows.csv", "published_flows", "period pot kind",
        "period:whole pot:text kind:text unit:text came_in:whole went_out:whole lines:whole",
    ),
    _moved(
        "published_lines.csv", "published_lines", "period line_id",
        "period:whole line_id:id kind:text category:text day:day? arrived_late:yes_or_no changes:json",
    ),
    _moved(
        "published_checkpoints.csv", "published_checkpoints", "period",
        "period:whole size:whole note:text",
    ),
    _moved(
        "published_cosignatures.csv", "published_cosignatures", "size name",
        "size:whole name:text line:text cosigned_at:moment said:text",
    ),
    _moved(
        "published_group.csv", "published_groups", "name",
        "languages:texts name:text preset:text began_on:day first_close_on:day units:json pots:json held:json"
        " people:whole gifts_wait:yes_or_no",
    ),
)  # fmt: skip
BY_TABLE: Final = {moved.table.removeprefix("timebank."): moved for moved in MOVED}

PAGED: Final = frozenset({"published_lines"})
"""Tables too long for memory; their rows never change once their period is closed."""
NOT_AS_THEY_ARE: Final = frozenset({"accounts", "published_checkpoints", "published_groups"})
"""Tables whose rows are not simply those of the archive: something is added, or left out."""
