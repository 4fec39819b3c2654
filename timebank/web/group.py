"""What the group says about itself: one form, a look at what would be different, and who changed what when."""

from __future__ import annotations

import zoneinfo
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from litestar import Request, post, route
from litestar.params import FromPath
from litestar.types import ASGIApp

from timebank.errors import N_, FieldInvalid, Refusal, UnknownPage
from timebank.i18n import language, language_codes
from timebank.rules.readiness import period_end
from timebank.rules.set_up import WORDS
from timebank.rules.settings import Change, Settings, change_settings, difference
from timebank.services.next_close import LATE_SHOWN, NextClose, read_next_close
from timebank.services.overview import read_names_of_accounts, read_rules
from timebank.services.published import read_public_rules
from timebank.services.settings import SettingsNow, read_history, read_settings, write_settings
from timebank.services.setup import ROUNDINGS
from timebank.web.book_page import publishing_in_words, rules_title
from timebank.web.close_page import CLOSE
from timebank.web.forms import LOOK, Answer, field_text
from timebank.web.inside import Inside
from timebank.web.private import PrivatePage
from timebank.web.rooms import GROUP, Way, ways
from timebank.web.rules_page import RULES
from timebank.web.sending import KEY_FIELD, act, new_key
from timebank.web.settings_words import JOINING, NAMES, rounding_of, setting_in_words
from timebank.web.setup import PRESET_WORDS, ROUNDING_WORDS, Choices, time_zone_choices
from timebank.web.sign_in import PROOF
from timebank.web.stewards import READ, Option, done, done_in_words, steward_reads, steward_sends
from timebank.web.words import category_in_words, pot_in_words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from litestar.handlers import HTTPRouteHandler

    from timebank.i18n import Language
    from timebank.store.settings import HistoryRow

_FIELDS_MAX: Final = 250
_NOT_ANSWERS: Final = frozenset({"csrf", KEY_FIELD, LOOK, "say"})
_HISTORY: Final = 20

#: What to do about a field, by the field that the rules name.
_ADVICE: Final[Mapping[str, str]] = {
    "name": N_("Write the name in plain letters, without line breaks or invisible signs"),
    "languages": N_("Choose the languages of your group"),
    "time_zone": N_("Choose a time zone from the list"),
    "categories_add": N_("Write another word: this one is there already, or cannot be shown"),
    "categories_retire": N_("Keep at least one kind of help"),
    "confirm_days": N_("Write a number of days from 1 to 90"),
    "people": N_("Write a number from 3 (month by month: 5) to 50, or leave it empty"),
}
#: The field of the form that stands for a field of the rules.
_FIELD_OF: Final = {"categories_add": "category", "categories_retire": "keep"}


#: Which fields of the form are folded away together.
_FOLDED: Final[Mapping[str, frozenset[str]]] = {
    "kinds": frozenset({"keep", "back", "category", "rounding", "confirm_days"}),
    "joining": frozenset({"joining", "member_list", "time_zone"}),
    "public": frozenset({"preset", "people", "gifts_wait"}),
}


class PotRules(NamedTuple):
    """The rules of a pot: where they are changed, what they are called, and their version and day."""

    href: str
    title: str
    version: str
    agreed_on: str


class ChangeLine(NamedTuple):
    """One setting that is different: what it is called, what it said, what it says."""

    name: str
    was: str
    now: str


class HistoryLine(NamedTuple):
    """One change of the past."""

    when: str
    who: str
    lines: tuple[ChangeLine, ...]


@dataclass(frozen=True, slots=True)
class GroupPage:
    """The form of settings, with ways to the rules and the close.

    Attributes:
        waits: What begins on a later day, in words.
        rules: Those of each pot.
        next_close: When it comes, and how much of it is about closed days.
        open: What of the form is not folded away, since something is wrong or different there.
        time_bank: Whether silence can be a yes.
        more_href: The next page of the history; empty on the last.
    """

    name: str
    href: str
    ways: tuple[Way, ...]
    told: str
    faults: tuple[tuple[str, str], ...]
    waits: tuple[str, ...]
    rules: tuple[PotRules, ...]
    rules_href: str
    close_href: str
    next_close: str
    open: frozenset[str]
    time_bank: bool
    action: str
    key: str
    group_name: Answer
    first_language: tuple[Option, ...]
    languages: tuple[Option, ...]
    language_fault: str
    time_zones: tuple[Choices, ...]
    words: tuple[Option, ...]
    keep: tuple[Option, ...]
    keep_fault: str
    bring_back: tuple[Option, ...]
    category: Answer
    roundings: tuple[Option, ...]
    confirm_days: Answer
    joining: tuple[Option, ...]
    member_list: bool
    presets: tuple[Option, ...]
    people: Answer
    gifts_wait: bool
    history: tuple[HistoryLine, ...]
    more_href: str


@dataclass(frozen=True, slots=True)
class GroupPreviewPage:
    """What would be different; ``publishing`` says how the public page comes out then, and ``begins`` from when."""

    name: str
    href: str
    ways: tuple[Way, ...]
    action: str
    key: str
    carried: tuple[tuple[str, str], ...]
    lines: tuple[ChangeLine, ...]
    publishing: tuple[str, ...]
    begins: str
    stays: str
    public: str
    fault: str


@route("/g/{slug:str}/group", http_method=READ, include_in_schema=False)
async def group_page(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """Show what the group says about itself."""
    here = await steward_reads(request, slug, GROUP)
    if isinstance(here, PrivatePage):
        return here
    told = done_in_words(request, here.chosen)
    return await _page(here, told=told, before=request.query_params.get("before", ""))


@post("/g/{slug:str}/group", include_in_schema=False)
async def change_group(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """Show what a form would change; or change it."""
    here, fields = await steward_sends(request, slug, fields_max=_FIELDS_MAX)
    found = await read_settings(here.door.house, here.actor, now=here.door.clock())
    if field_text(fields, "say") == "change":
        return await _page(here, fields=fields)
    said = _said(found)
    saves = field_text(fields, "say") == "save"
    change, faults = _change(said, fields, here.chosen)
    if saves and set(change.categories_add) <= set(said.categories):
        change = change._replace(categories_add=())
    after, refused = change_settings(said, change, time_zones_known=zoneinfo.available_timezones())
    faults |= _told(refused, here.chosen)
    if saves and not faults and after == said:
        # Sent twice, because the first answer was lost: it is done.
        return done(here, GROUP, "changed")
    if not faults and after == said:
        faults["name"] = here.chosen.say(N_("Nothing is different so far"))
    if faults:
        return await _page(here, fields=fields, faults=faults, status=422)
    if not saves:
        return _preview(here, fields, said, after, found)
    sent = await act(
        here,
        fields,
        ("settings", change),
        lambda once: write_settings(here.door.house, here.actor, once, change),
    )
    if sent.is_refused:
        return _preview(here, fields, said, after, found, fault=sent.sentence, status=sent.status)
    return done(here, GROUP, "changed")


GROUP_PAGES: Final[list[HTTPRouteHandler]] = [group_page, change_group]


def _said(found: SettingsNow) -> Settings:
    """Return what the group said last: what waits for its day is said, too."""
    said = found.settings
    if found.next_zone is not None:
        said = replace(said, time_zone=found.next_zone.name)
    return replace(said, **found.next_way._asdict()) if found.next_way is not None else said


def _change(
    said: Settings, fields: Mapping[str, list[str]], chosen: Language
) -> tuple[Change, dict[str, str]]:
    """Return what a form would have different, and what is wrong with it by field of the form."""
    faults: dict[str, str] = {}

    def different(value: Any, before: Any) -> Any:
        return None if value == before else value

    first = field_text(fields, "language")
    more = [code for code in fields.get("languages", ()) if code != first]
    languages = (*([first] if first else []), *more)
    # What somebody added since the form was shown has no tick in it, and stays.
    gone = set(fields.get("shown", ())) - set(fields.get("keep", ()))
    added = [each for each in said.categories_retired if each in fields.get("back", ())]
    if field_text(fields, "category").strip():
        added.append(field_text(fields, "category"))
    rounding = ROUNDINGS.get(field_text(fields, "rounding"), (said.rounding_minutes, said.rounding_up))
    days, people = field_text(fields, "confirm_days").strip(), field_text(fields, "people").strip()
    if not (days.isdecimal() and len(days) <= 4):
        faults["confirm_days"] = chosen.say(_ADVICE["confirm_days"])
        days = str(said.confirm_days)
    if people and not (people.isdecimal() and len(people) <= 4):
        faults["people"] = chosen.say(_ADVICE["people"])
        people = ""
    preset = field_text(fields, "preset") or said.preset
    # Another preset begins with the number that it asks for, unless another one was written.
    least = int(people) if people and (preset == said.preset or int(people) != said.people) else None
    change = Change(
        name=different(field_text(fields, "name"), said.name),
        languages=different(languages, said.languages),
        time_zone=different(field_text(fields, "time_zone") or said.time_zone, said.time_zone),
        categories_add=tuple(added),
        categories_retire=tuple(each for each in said.categories if each in gone),
        rounding_minutes=different(rounding[0], said.rounding_minutes),
        rounding_up=different(rounding[1], said.rounding_up),
        confirm_days=different(int(days), said.confirm_days),
        words=different(field_text(fields, "words") or said.words, said.words),
        preset=different(preset, said.preset),
        member_list=different("member_list" in fields, said.member_list),
        joining=different(field_text(fields, "joining") or said.joining, said.joining),
        people=different(least, said.people) if preset == said.preset else least,
        gifts_wait=different("gifts_wait" in fields, said.gifts_wait),
    )
    return change, faults


def _told(refused: Sequence[Refusal], chosen: Language) -> dict[str, str]:
    faults = {}
    for refusal in refused:
        field = str(refusal.params.get("field", "name")) if isinstance(refusal, FieldInvalid) else "name"
        advice = _ADVICE.get(field)
        faults[_FIELD_OF.get(field, field)] = chosen.say(advice) if advice else chosen.refusal(refusal)
    return faults


# ---------------------------------------------------------------- the page


def _fields_of(said: Settings) -> dict[str, list[str]]:
    """Return the fields that stand for the settings, as a browser would send them."""
    return {
        "name": [said.name],
        "language": list(said.languages[:1]),
        "languages": list(said.languages[1:]),
        "time_zone": [said.time_zone],
        "words": [said.words],
        "keep": list(said.categories),
        "shown": list(said.categories),
        "rounding": [rounding_of(said.rounding_minutes, up=said.rounding_up)],
        "confirm_days": [str(said.confirm_days)],
        "joining": [said.joining],
        "preset": [said.preset],
        "people": [str(said.people)] if said.people else [],
        **({"member_list": ["yes"]} if said.member_list else {}),
        **({"gifts_wait": ["yes"]} if said.gifts_wait else {}),
    }


async def _page(
    here: Inside,
    *,
    fields: Mapping[str, list[str]] | None = None,
    faults: Mapping[str, str] | None = None,
    told: str = "",
    before: str = "",
    status: int = 200,
) -> PrivatePage:
    house, chosen, now = here.door.house, here.chosen, here.door.clock()
    found = await read_settings(house, here.actor, now=now)
    said, wrong = _said(found), faults or {}
    fields = fields or _fields_of(said)
    units = {unit.code: unit for unit in here.group.units}

    def options(name: str, known: Mapping[str, str]) -> tuple[Option, ...]:
        return tuple(
            Option(value, chosen.say(label), value in fields.get(name, ())) for value, label in known.items()
        )

    def answer(name: str) -> Answer:
        return Answer(field_text(fields, name), wrong.get(name, ""))

    codes = dict.fromkeys((*language_codes(), *said.languages))
    now_of_each = (await read_public_rules(house.database, here.group.slug))[1]
    history, more = await _history(here, before, found.settings.time_zone)
    page = GroupPage(
        name=here.group.name,
        href=here.href,
        ways=ways(here, GROUP),
        told=told,
        faults=tuple(wrong.items()),
        waits=_waits(found, chosen),
        rules=tuple(
            PotRules(
                here.path(f"{GROUP}/rules/{pot.pot}"),
                rules_title(here.group, pot, units[pot.unit], chosen),
                chosen.number(now_of_each[pot.pot][0].version),
                chosen.day_month_year(now_of_each[pot.pot][0].agreed_on),
            )
            for pot in here.group.pots
            if now_of_each.get(pot.pot)
        ),
        rules_href=here.path(RULES),
        close_href=here.path(CLOSE),
        next_close=_next_close(await read_next_close(house, here.actor), chosen),
        open=_open(fields, _fields_of(said), wrong),
        time_bank=(await read_rules(house, here.actor.group_id)).time_bank,
        action=here.path(GROUP),
        key=new_key(),
        group_name=answer("name"),
        first_language=tuple(
            Option(code, _language_name(code), code in fields.get("language", ())) for code in codes
        ),
        languages=tuple(
            Option(code, _language_name(code), code in fields.get("languages", ())) for code in codes
        ),
        language_fault=wrong.get("languages", ""),
        time_zones=time_zone_choices(field_text(fields, "time_zone"), chosen),
        words=tuple(
            Option(word, pot_in_words(word, chosen), word in fields.get("words", ())) for word in WORDS
        ),
        keep=tuple(
            Option(each, category_in_words(each, chosen), each in fields.get("keep", ()))
            for each in said.categories
        ),
        keep_fault=wrong.get("keep", ""),
        bring_back=tuple(
            Option(each, category_in_words(each, chosen), each in fields.get("back", ()))
            for each in said.categories_retired
        ),
        category=answer("category"),
        roundings=_roundings(field_text(fields, "rounding"), said, chosen),
        confirm_days=answer("confirm_days"),
        joining=options("joining", JOINING),
        member_list="member_list" in fields,
        presets=options("preset", PRESET_WORDS),
        people=answer("people"),
        gifts_wait="gifts_wait" in fields,
        history=history,
        more_href=more,
    )
    return here.page("group.html", page, status=status, with_script=True)


def _open(
    fields: Mapping[str, Sequence[str]], said: Mapping[str, Sequence[str]], wrong: Mapping[str, str]
) -> frozenset[str]:
    """Return the parts of the form in which something is wrong, or different from what was said."""
    different = {
        name for name in {*fields, *said} if list(fields.get(name) or ()) != list(said.get(name) or ())
    }
    return frozenset(part for part, names in _FOLDED.items() if not names.isdisjoint({*different, *wrong}))


def _next_close(found: NextClose, chosen: Language) -> str:
    said = [chosen.weekday(found.ends_on)]
    if found.late and found.last_day is not None:
        count = len(found.late)
        late = chosen.say_many(
            "%(count)s entry is about a closed day", "%(count)s entries are about closed days", count
        )
        if count == LATE_SHOWN:
            late = chosen.say(
                N_("%(count)s entries or more are about closed days"), count=chosen.number(count)
            )
        said.append(late)
    return " · ".join(said)


def _language_name(code: str) -> str:
    return language(code).name if code in language_codes() else code


def _roundings(current: str, said: Settings, chosen: Language) -> tuple[Option, ...]:
    if current not in ROUNDING_WORDS:
        current = rounding_of(said.rounding_minutes, up=said.rounding_up)
    known = [Option(each, chosen.say(words), each == current) for each, words in ROUNDING_WORDS.items()]
    if current not in ROUNDING_WORDS:
        # A step that only the API gives stays as it is.
        known.insert(0, Option(current, chosen.hours(int(current.partition("-")[0])), chosen=True))
    return tuple(known)


def _waits(found: SettingsNow, chosen: Language) -> tuple[str, ...]:
    said = []
    if found.next_zone is not None:
        said.append(
            chosen.say(
                N_("From tomorrow on, days are days in %(zone)s."),
                zone=found.next_zone.name.replace("_", " "),
            )
        )
    if found.next_way is not None and found.way_from is not None:
        said.append(
            chosen.say(
                N_("What is written from %(day)s on comes out in another way: %(way)s."),
                day=chosen.weekday(found.way_from),
                way=setting_in_words("preset", found.next_way.preset, chosen),
            )
        )
    return tuple(said)


async def _history(here: Inside, before: str, time_zone: str) -> tuple[tuple[HistoryLine, ...], str]:
    after = None
    if before:
        moment, _, change = before.partition("_")
        try:
            after = datetime.fromtimestamp(int(moment) / 1e6, UTC), UUID(change)
        except (OverflowError, ValueError):
            raise UnknownPage from None
    page = await read_history(here.door.house, here.actor, after=after, limit=_HISTORY)
    names = await read_names_of_accounts(
        here.door.house, here.actor, [row.changed_by for row in page.changes]
    )
    lines = tuple(_history_line(row, names, ZoneInfo(time_zone), here.chosen) for row in page.changes)
    if page.next is None:
        return lines, ""
    moment_of, change_id = page.next
    place = f"{round(moment_of.timestamp() * 1e6)}_{change_id}"
    return lines, here.path(GROUP) + ("&" if here.query else "?") + f"before={place}#history"


def _history_line(row: HistoryRow, names: Mapping[int, str], zone: ZoneInfo, chosen: Language) -> HistoryLine:
    who = names.get(row.changed_by)
    if who is None:
        who = (
            chosen.say(N_("Somebody who has left"))
            if row.changed_by
            else chosen.say(N_("Whoever keeps the server"))
        )
    return HistoryLine(
        chosen.weekday(row.changed_at.astimezone(zone).date()),
        who,
        _lines(row.before, row.after, chosen),
    )


def _lines(before: Mapping[str, Any], after: Mapping[str, Any], chosen: Language) -> tuple[ChangeLine, ...]:
    return tuple(
        ChangeLine(
            chosen.say(label),
            setting_in_words(name, before.get(name, ""), chosen),
            setting_in_words(name, after[name], chosen),
        )
        for name, label in NAMES.items()
        if name in after
    )


# ---------------------------------------------------------------- the preview


def _preview(
    here: Inside,
    fields: Mapping[str, list[str]],
    said: Settings,
    after: Settings,
    found: SettingsNow,
    *,
    fault: str = "",
    status: int = 200,
) -> PrivatePage:
    chosen = here.chosen
    was, now_is = difference(said, after)
    publishing: tuple[str, ...] = ()
    begins = stays = ""
    if after.way != said.way:
        publishing = publishing_in_words(replace(here.group, **after.way._asdict()), chosen)
        today = here.door.clock().astimezone(ZoneInfo(found.settings.time_zone)).date()
        from_day = period_end(found.settings.preset, today).toordinal() + 1
        begins = chosen.say(
            N_("It holds for what is written from %(day)s on."),
            day=chosen.weekday(today.fromordinal(from_day)),
        )
        stays = chosen.say(
            N_("What was written before comes out as it was promised then; what is out stays out.")
        )
    public = (
        chosen.say(N_("Name and languages, from the next close on."))
        if {"name", "languages"} & set(now_is)
        else chosen.say(N_("Nothing at once."))
    )
    page = GroupPreviewPage(
        name=here.group.name,
        href=here.href,
        ways=ways(here, GROUP),
        action=here.path(GROUP),
        key=new_key() if fault else field_text(fields, KEY_FIELD),
        carried=tuple(
            (name, value)
            for name, values in fields.items()
            if name not in _NOT_ANSWERS and not name.startswith(PROOF)
            for value in values
        ),
        lines=_lines(was, now_is, chosen),
        publishing=publishing,
        begins=begins,
        stays=stays,
        public=public,
        fault=fault,
    )
    return here.page("group_preview.html", page, status=status)
