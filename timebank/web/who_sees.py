"""Who sees what of every form that writes: by the function that publishes, or by a sentence that never changes.

Every handler of a page that takes a form is in one of three tables. A test walks the application's routes and fails
for one that is in none, and all pages as they are shown, and fails for a form that says nothing of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from timebank.errors import N_

if TYPE_CHECKING:
    from collections.abc import Mapping

    #: (who, what they see), in the order in which they are read.
    Rows = tuple[tuple[str, str], ...]

_PUBLIC: Final = N_("The public")
_STEWARDS: Final = N_("Stewards")
_MEMBERS: Final = N_("Members")
_ELSE: Final = N_("Everybody else")
_YOU: Final = N_("You")
_ABOUT: Final = N_("Whoever it is about")
_ASKED: Final = N_("Whoever asked")

_NOTHING: Final = N_("Nothing.")
_BOOK: Final = N_("Nothing. The book says that it happened, without a name.")
_FOUND: Final = N_(
    "Whoever writes exactly this name or code finds the person. There is a list only if the group wanted one."
)
_TIE: Final = N_("The same, among their settings: either of the two can end it.")
_WRITTEN_DOWN: Final = N_("That you looked is written down, and they can read it.")
_JOINED: Final = N_("The nickname, and the day on which they joined.")

_OF_DUTIES: Final[Rows] = (
    (_PUBLIC, _BOOK),
    (_STEWARDS, N_("Who has which duty, and which ones wait for a second yes.")),
    (_ABOUT, N_("Their duty, from their next step on.")),
)
_OF_CARDS: Final[Rows] = (
    (_PUBLIC, _NOTHING),
    (_STEWARDS, N_("That there is a card, and until when. Whoever prints it sees it once.")),
    (_ABOUT, N_("The card, among their ways in.")),
)
_OF_NAMES: Final[Rows] = (
    (_PUBLIC, _NOTHING),
    (_STEWARDS, N_("The new name or code, in the list of people.")),
    (_MEMBERS, _FOUND),
)
_OF_HOUSEHOLDS: Final[Rows] = (
    (_PUBLIC, _NOTHING),
    (_STEWARDS, N_("Who belongs together, and nothing else about it.")),
    (_ABOUT, N_("That they are tied to a household, in the file with their data.")),
)
_OF_TIES: Final[Rows] = (
    (_PUBLIC, _BOOK),
    (_STEWARDS, N_("Who stands in for whom, for what, and until when.")),
    (_ABOUT, _TIE),
)
_OF_STATES: Final[Rows] = (
    (_PUBLIC, _BOOK),
    (_STEWARDS, N_("Whether somebody is here, suspended or gone.")),
    (_ABOUT, N_("Whether they can sign in.")),
)
_OF_INVITATIONS: Final[Rows] = (
    (_PUBLIC, _NOTHING),
    (_STEWARDS, N_("That you made it, and how many joined by it. Not who.")),
    (N_("Whoever has it"), N_("That it opens nothing any more.")),
)
_OF_WAYS_IN: Final[Rows] = (
    (_PUBLIC, _NOTHING),
    (
        _STEWARDS,
        N_("Whether there is a way in, and printed cards with their days. Never when or where you sign in."),
    ),
    (_YOU, N_("What you sign in with, and where you are signed in.")),
)
_OF_LOOKS: Final[Rows] = ((_PUBLIC, _NOTHING), (_ASKED, _WRITTEN_DOWN))
_OF_ASKS: Final[Rows] = (
    (_PUBLIC, N_("Nothing by this. An ask that is not met is never shown.")),
    (_STEWARDS, N_("What you say here, without your name.")),
)
_OF_PLACES: Final[Rows] = (
    (_PUBLIC, _BOOK),
    (N_("Stewards and treasurers"), N_("That the place is closed, or used again.")),
)
_OF_FILES: Final[Rows] = (
    (_ELSE, _NOTHING),
    (_YOU, N_("What is in the files. They are sealed with your key.")),
)
_OF_UNDOING: Final[Rows] = (
    (
        _PUBLIC,
        N_(
            "Nothing, if it never came into the book. Else, once it was published, a second line that takes the first "
            "one back. No name, no time, no note."
        ),
    ),
    (_ABOUT, N_("Both lines, in their statement.")),
)

#: By handler, or handler and what stands last in its address: what shows the same whatever is written.
WHO_SEES: Final[Mapping[str, Rows]] = {
    "ask_step": _OF_ASKS,
    "act_on_import.check": _OF_FILES,
    "act_on_import.drop": _OF_FILES,
    "act_on_import.options": _OF_FILES,
    "act_on_import.stop": _OF_FILES,
    "act_on_import.undo": _OF_UNDOING,
    "act_on_request": ((_ELSE, N_("Nothing new. What is taken back is gone for everybody.")),),
    "answer_duty": _OF_DUTIES,
    "answer_request": (
        (_PUBLIC, _BOOK),
        (_STEWARDS, _JOINED),
        (_ASKED, N_("The answer, at the address that they kept. Not who gave it.")),
    ),
    "change_person.card": _OF_CARDS,
    "change_person.card-revoke": _OF_CARDS,
    "change_person.code": _OF_NAMES,
    "change_person.give": _OF_DUTIES,
    "change_person.household": _OF_HOUSEHOLDS,
    "change_person.leave": _OF_STATES,
    "change_person.nickname": _OF_NAMES,
    "change_person.resume": _OF_STATES,
    "change_person.stand-in": _OF_TIES,
    "change_person.stand-in-end": _OF_TIES,
    "change_person.suspend": _OF_STATES,
    "change_person.take": _OF_DUTIES,
    "change_person.vouch": _OF_DUTIES,
    "change_settings.code": _OF_NAMES,
    "came_back": (
        (_PUBLIC, N_("That so much came back into the pot. No name.")),
        (_ASKED, N_("That it went back to the pot.")),
    ),
    "change_settings.language": (
        (_ELSE, _NOTHING),
        (_YOU, N_("The pages in this language, wherever you are signed in.")),
    ),
    "change_settings.nickname": _OF_NAMES,
    "change_settings.tie": _OF_TIES,
    "change_ways_in": _OF_WAYS_IN,
    "close_place": _OF_PLACES,
    "enter": ((_PUBLIC, _BOOK), (_STEWARDS, _JOINED), (_MEMBERS, _FOUND)),
    "find": (
        (_PUBLIC, _NOTHING),
        (_ABOUT, N_("If you wrote a code: that you found them by it, and on which day.")),
    ),
    "forget_recovery": ((_ELSE, _NOTHING), (_YOU, N_("Nothing here any more: the key is on your paper."))),
    "give_back": (
        (_PUBLIC, N_("That so much is free again, and promised no more. No name.")),
        (_ASKED, N_("That it went back to the pot.")),
    ),
    "go.forget": (
        (_PUBLIC, _BOOK),
        (_STEWARDS, N_("That somebody was forgotten. Your name is gone for them, too.")),
        (_MEMBERS, N_("Nobody finds you any more.")),
    ),
    "go.leave": (
        (_PUBLIC, _BOOK),
        (_STEWARDS, N_("Whether somebody is here, suspended or gone.")),
        (_MEMBERS, N_("Nobody finds you any more.")),
    ),
    "load_example": ((_PUBLIC, N_("An invented group with its own public page, beside yours.")),),
    "make_example_tokens": (
        (_ELSE, _NOTHING),
        (_YOU, N_("Tokens and cards of invented people, this once.")),
    ),
    "make_link": (
        (_ELSE, _NOTHING),
        (_YOU, N_("The link, this once. Nothing of what is private in the new group.")),
    ),
    "new_link": (
        (_PUBLIC, _NOTHING),
        (_ASKED, N_("The one before leads nowhere then. That you made it is written down.")),
    ),
    "reopen_place": _OF_PLACES,
    "revoke": _OF_INVITATIONS,
    "show_papers": _OF_LOOKS,
    "show_who": _OF_LOOKS,
    "undo_written": _OF_UNDOING,
}

#: By handler: forms that show it for what stands in them, and what says so.
SHOWN: Final[Mapping[str, str]] = {
    "act_on_import.post": "the lines as they would be written stand above it, and the public's part below them",
    "answer_hours": "hours_sight",
    "ask_the_pot": "draw_sight",
    "ask_to_join": "join_requests: what is written, as stewards will read it",
    "carry": "rules.previews.money_line",
    "change_group": "settings_words, beside what was published so far",
    "change_rules": "policy_words, as the rules are published",
    "count": "rules.previews.money_line",
    "decide": "draw_sight",
    "hand_in": "nothing is written yet: a sentence on the form",
    "hand_it_over": "draw_sight",
    "invite": "a sentence on the form",
    "join": "join: the name as it will be found",
    "log_help": "log_sight",
    "log_many": "log_sight",
    "open_place": "a sentence on the form",
    "propose_move": "rules.previews.money_line",
    "propose_out": "rules.previews.money_line",
    "send_by_link": "draw_sight",
    "set_up": "first_sight",
    "settle_hours": "hours_sight",
    "sign": "rules.previews.money_line",
    "take_money_in": "rules.previews.money_line",
    "undo_entry": "rules.previews.undo_line",
    "undo_log": "hours_sight",
}

#: By handler: forms that show nothing, and why that is right.
NOTHING_TO_SAY: Final[Mapping[str, str]] = {
    "mail_ask": "asks for a way in, and looks the same whether there is one",
    "mail_confirmed": "says yes to what the same person wrote among their settings",
    "mail_link_used": "signs in",
    "prove": "proves who it is, and changes nothing",
    "sign_in": "signs in",
    "sign_out": "signs out",
    "take": "takes what a witness signed; no page sends it",
}


def who_sees(deed: str) -> Rows:
    """Return who sees what of a deed; its sentences are still to be said in the language of the page."""
    return WHO_SEES[deed]
