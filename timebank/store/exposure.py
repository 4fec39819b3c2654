"""What every column would tell somebody who takes the machine away, in classes with a sentence each.

A column without a class is a red test: whoever adds one decides what it gives away.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from timebank.errors import N_
from timebank.store.tables import metadata


class Kind(NamedTuple):
    """A class of columns.

    Attributes:
        without_keys: What it tells whoever has the database and not the key store, as after the theft of a backup.
        with_keys: What it tells whoever has both, as after the seizure of a machine that is not encrypted.
    """

    without_keys: str
    with_keys: str


KINDS: Final[dict[str, Kind]] = {
    "public": Kind(
        N_("What anybody can read on the public page anyway."),
        N_("The same."),
    ),
    "group": Kind(
        N_("What the group is called, how it is set up and by which rules it decides."),
        N_("The same."),
    ),
    "book": Kind(
        N_(
            "How much moved on which day between which account numbers. The numbers are random; whoever remembers an entry by its day and amount can follow that number."
        ),
        N_("The same, by name, of everybody who was not erased."),
    ),
    "tie": Kind(
        N_("That several rows are about one and the same person, by a random id, without telling who."),
        N_("Who that is, unless they were erased."),
    ),
    "clear": Kind(
        N_(
            "States, kinds and moments around such an id: when somebody joined, asked, signed in or carried a duty."
        ),
        N_("The same, by name."),
    ),
    "sealed": Kind(
        N_("Its length, and that it is there. It opens with no key but one in the key store."),
        N_(
            "Everything in it: nicknames, which accounts are whose, notes, contacts, payout details, mail addresses, files of imports, and what signs people in."
        ),
    ),
    "blind": Kind(
        N_("Nothing. Two that are the same are about the same name, address or reference."),
        N_("Whether a name, address or reference that somebody tries is here."),
    ),
    "guess": Kind(
        N_(
            "Whether a note or a whole request says exactly what somebody guesses; of a short note that can be tried out."
        ),
        N_("The same."),
    ),
    "hash": Kind(
        N_("Nothing: hashes of long random secrets, which nobody can try out."),
        N_("Nothing."),
    ),
    "proof": Kind(
        N_("Whether a record that somebody has is in this book; checkpoints also tell how long the book is."),
        N_(
            "The same; and with the signing key a forged book could be signed, which witnesses and receipts find out."
        ),
    ),
}

#: By table, the columns of each class; group_id is a random id of the group and is left out everywhere.
CLASSES: Final[dict[str, str]] = {
    "people.ask_links": "hash link_hash, blind code_index contact_index, tie draw_id, clear issue issued_at",
    "people.ask_notes": "sealed box, guess salt, tie draw_id about_id, clear what",
    "people.card_makers": "tie member_id made_by",
    "people.cards": "blind code_hash, hash used_key, tie card_id member_id made_by,"
    " clear recovers made_at expires_at used_at",
    "people.draw_looks": "tie look_id draw_id member_id, clear what looked_at",
    "people.duty_proposals": "tie duty_id member_id proposed_by signed_by, clear roles state proposed_at expires_at"
    " ended_at",
    "people.import_papers": "sealed box, tie import_id member_id, clear what number part expires_on",
    "people.invitations": "hash secret_hash, tie invitation_id made_by, clear roles uses_max uses made_at"
    " expires_at revoked_at",
    "people.invited": "tie member_id invitation_id, clear joined_at",
    "people.join_requests": "sealed nickname_box words_box, hash secret_hash, tie request_id, clear state asked_at"
    " expires_at decided_at entered_at",
    "people.looks": "tie whose looker, clear looked_on what",
    "people.mail": "sealed address_box, blind address_index, tie member_id, clear confirmed_at",
    "people.mail_asks": "blind nickname_index address_index, hash browser_hash, tie ask_id, clear language created_at",
    "people.mail_links": "hash link_hash, blind bound_to, tie member_id, clear what created_at expires_at used_at",
    "people.member_roles": "tie member_id, clear role since until",
    "people.members": "sealed nickname_box accounts_box code_box, blind nickname_index code_index,"
    " tie member_id household_id, clear state joined_on signs_in",
    "people.notes": "sealed box, guess salt, tie about_id member_id, clear what expires_on",
    "people.outbox": "sealed box, tie mail_id member_id, clear state tries created_at next_try_at useless_at ended_at",
    "people.passkeys": "sealed box, blind credential_index, tie passkey_id member_id, clear sign_count added_at",
    "people.recoveries": "tie recovery_id member_id stopped_by, clear state asked_at due_at ended_at",
    "people.sessions": "hash session_hash, tie session_id member_id, clear way strong begun_at turned_at proved_at"
    " seen_at",
    "people.spent_challenges": "hash challenge_hash, clear expires_at",
    "people.stand_ins": "tie stand_in_id stand_in member_id consent_by, clear scopes consent since expires_at until"
    " ended_at",
    "people.tokens": "hash token_hash, tie token_id member_id, clear scopes created_at expires_at revoked_at",
    "people.totps": "sealed box, tie member_id, clear last_step added_at wrong wait_until",
    "people.tries": "blind try_key, clear tried healed_at open_at day",
    "timebank.account_days": "book account_id effective_on debits credits reversal_debits reversal_credits",
    "timebank.accounts": "book account_id kind unit pot_account floor closed debits credits reversal_debits"
    " reversal_credits",
    "timebank.answers": "guess answer_id request_hash, clear status body answered_at",
    "timebank.book_heads": "proof seq frontier recorded_at epoch checkpoint, group setup_version",
    "timebank.closes": "book period first_day last_day through_seq closed_at",
    "timebank.auditor_keys": "tie member_id, group name key, clear introduced_at withdrawn_at",
    "timebank.draw_hands": "tie draw_id member_id, clear asked approved paid two_people theirs stepped_aside objected"
    " not_own without_account",
    "timebank.draws": "tie draw_id, book pot_id category needed_by state policy_version amount_asked amount_agreed"
    " amount_promised amount_handed amount_released asked_at changed_at agreed_at queued_at promised_on due_at"
    " without_account warnings",
    "timebank.entries": "tie draw_id, book seq entry_id kind source effective_on recorded_at category reverses_seq",
    "timebank.groups": "group slug name origin book_id began_on time_zone languages preset categories time_bank"
    " created_at rounding_minutes rounding_up confirm_days words member_list joining categories_retired"
    " next_time_zone next_time_zone_from witnesses",
    "timebank.held_places": "group held_id code kind number unit account_id",
    "timebank.hours": "tie draw_id, book hours_id seq state giver_account receiver_account minutes effective_on category"
    " logged_by logged_at",
    "timebank.hours_questions": "book question_id hours_id asked_by minutes state asked_at",
    "timebank.hours_waiting": "tie hours_id giver_id receiver_id",
    "timebank.import_columns": "group header_hash layout columns",
    "timebank.imports": "tie import_id member_id, clear state created_at changed_at, group options summary,"
    " book first_seq last_seq",
    "timebank.jobs": "tie job_id about_id asked_by, clear kind runner state phase done total cancel refusal created_at"
    " started_at changed_at locked_until",
    "timebank.money_references": "blind reference_index, book entry_id held_account amount",
    "timebank.policies": "group pot_id version agreed_on terms",
    "timebank.pots": "group pot_id code unit number pot_account promised_account shared_account",
    "timebank.proposals": "tie proposed_by signed_by, book proposal_id kind body state entry_id proposed_at changed_at",
    "timebank.published_balances": "public period pot unit available promised given drawn came_in went_out",
    "timebank.published_checkpoints": "public period size frontier note",
    "timebank.published_cosignatures": "public size name line cosigned_at said",
    "timebank.published_flows": "public period pot kind unit came_in went_out lines",
    "timebank.published_groups": "public slug name languages preset began_on first_close_on units pots held people"
    " gifts_wait",
    "timebank.published_held": "public period place kind number unit amount",
    "timebank.published_leaves": "public leaf_index period commitment leaf hash",
    "timebank.published_lines": "public period line_id kind category day arrived_late changes",
    "timebank.published_nodes": "public level node_index hash",
    "timebank.published_periods": "public period first_day last_day next_close_on lines preset",
    "timebank.published_policies": "public pot version agreed_on terms",
    "timebank.published_slugs": "public slug",
    "timebank.publishing": "group from_day preset people gifts_wait decided_at",
    "timebank.records": "proof seq salt commitment, book kind record",
    "timebank.settings_history": "group change_id changed_at before after, book changed_by",
    "timebank.transfers": "book seq leg debit_account credit_account amount debit_balance credit_balance",
    "timebank.waiting": "book seq recorded_on preset people gifts_wait",
}

#: What lies beside the database, and what each gives away by itself.
BESIDE: Final[dict[str, str]] = {
    "keys/keys.sqlite": N_("with the database, everything that is sealed; by itself, random ids and keys"),
    "keys/erased.txt": N_("that somebody was erased, when, and under which random id they were here"),
    "keys/days/": N_("today's key of the counts of tries: who tried what today, if one guesses who"),
    "checkpoints/": N_("how long each book is, and what it was signed with last"),
    "logs/": N_("what anybody can read in the public log anyway, and which of its leaves are padding"),
    "setup.key": N_("a link that makes a group, until it was used"),
    "postgres.log, log of the server": N_("when it ran and what went wrong; no name and no address"),
    "backups/": N_("the database as above, without the keys, as it was up to 30 days ago"),
    "sealed copies of keys": N_(
        "nothing without the code on the paper; with it, what keys/keys.sqlite gives away"
    ),
    "memory of the running server": N_("keys, and what it is answering just now"),
}


def columns_by_class() -> dict[str, dict[str, list[str]]]:
    """Return the columns of every table by class, as the schema has them.

    Raises:
        LookupError: A column has no class or two, or one is written down that is not there.
    """
    found: dict[str, dict[str, list[str]]] = {kind: {} for kind in KINDS}
    for table in sorted(metadata.tables.values(), key=lambda one: (str(one.schema), one.name)):
        name = f"{table.schema}.{table.name}"
        told = _read(name)
        there = sorted(column.name for column in table.columns if column.name != "group_id")
        if sorted(column for _, column in told) != there:
            raise LookupError(f"{name}: give each column of {there} one class; it has {told}")
        for kind, column in told:
            found[kind].setdefault(name, []).append(column)
    if unknown := CLASSES.keys() - {f"{one.schema}.{one.name}" for one in metadata.tables.values()}:
        raise LookupError(f"there are no such tables: {sorted(unknown)}")
    return found


def _read(table: str) -> list[tuple[str, str]]:
    parts = [part.split() for part in CLASSES.get(table, "").split(",")]
    return [(kind, column) for kind, *columns in filter(None, parts) for column in columns]


def tell() -> str:
    """Return a page for whoever keeps the server: what a seizure would reveal, with and without the keys."""
    found = columns_by_class()
    lines = [
        "# What a seizure of this machine would reveal",
        "",
        "`timebank doctor --seizure` prints this page, and hosts find it under *The machine*; it is made from the schema of the database, of which every",
        "column has a class. Encrypt the disk: then a machine that is switched off reveals none of this.",
        "",
        "| class | the database alone | with the key store |",
        "|---|---|---|",
        *(f"| {kind} | {one.without_keys} | {one.with_keys} |" for kind, one in KINDS.items()),
        "",
        "Who was erased is in neither: their key is destroyed, their boxes are empty, and their accounts are",
        "numbers that nothing leads to. Addresses of the network and names of devices are nowhere, nor are passwords.",
        "",
        "## Beside the database",
        "",
        "| what | what it gives away |",
        "|---|---|",
        *(f"| {what} | {gives} |" for what, gives in BESIDE.items()),
        "",
        "## Column by column",
    ]
    for kind, tables in found.items():
        lines += ["", f"### {kind}", "", "| table | columns |", "|---|---|"]
        lines += [
            f"| `{table}` | {', '.join(f'`{c}`' for c in columns)} |" for table, columns in tables.items()
        ]
    return "\n".join(lines) + "\n"
