"""Changing the rules of a pot: a plain form, then the rules in words with what is different, and only then a version."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Final

from litestar import Request, post, route
from litestar.params import FromPath
from litestar.types import ASGIApp

from timebank.errors import N_, UnknownPage
from timebank.rules.policies import COUNT_MAX, TEXT_MAX
from timebank.rules.policy_presets import PRESETS, preset_terms
from timebank.services.overview import today_of
from timebank.services.policies import agree_policy
from timebank.services.published import read_public_rules
from timebank.web.book_page import rules_title
from timebank.web.forms import LOOK, field_text
from timebank.web.inside import Inside
from timebank.web.policy_diff import DiffLine, FieldDiff, fields_diff, words_diff
from timebank.web.policy_form import fields_of, read_policy_form, rows_of
from timebank.web.policy_words import MONDAY, rules_in_words
from timebank.web.private import PrivatePage
from timebank.web.rooms import GROUP, Way, ways
from timebank.web.sending import KEY_FIELD, act, new_key
from timebank.web.sign_in import PROOF
from timebank.web.stewards import READ, Option, done, steward_reads, steward_sends
from timebank.web.words import Amounts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from litestar.handlers import HTTPRouteHandler

    from timebank.i18n import Language
    from timebank.ledger.units import Unit
    from timebank.rules.publication import PublicPolicy

_SIZE_MAX: Final = 64 * 1024
_FIELDS_MAX: Final = 160
#: What is no part of the terms.
_NOT_TERMS: Final = frozenset({"csrf", KEY_FIELD, LOOK, "say", "base"})

_PRESET_NAMES: Final[Mapping[str, str]] = {
    "trust": N_("Trust first"),
    "two": N_("Two signatures"),
    "circle": N_("Consent circle"),
    "time_bank": N_("Time bank only"),
}
_SELECTS: Final[Mapping[str, Mapping[str, str]]] = {
    "who": {"members": N_("members"), "anyone": N_("anyone with the link")},
    "per": {"person": N_("one person"), "household": N_("one household")},
    "period": {
        "month": N_("in a calendar month"),
        "year": N_("in a calendar year"),
        "days": N_("in so many days:"),
    },
    "roles": {"steward": N_("steward"), "treasurer": N_("treasurer"), "auditor": N_("auditor")},
    "receipts": {
        "never": N_("never asked for"),
        "optional": N_("may come along"),
        "above": N_("looked at above an amount"),
    },
    "scarcity": {"refuse": N_("not now"), "queue": N_("a place in the queue")},
    "rhythm_every": {
        "": N_("any day"),
        "week": N_("every week"),
        "fortnight": N_("every second week"),
        "month": N_("every month"),
    },
    "yes_no": {"no": N_("no"), "yes": N_("yes")},
    "beyond": {"": N_("as if it were asked anew"), "yes": N_("it reaches whoever asked"), "no": N_("no")},
    "limit_then": {"talk": N_("a talk with a steward"), "pause": N_("a pause")},
}

#: Which fields stand in which part of the form; a name that ends with a hyphen begins those of a row.
_PARTS: Final[Mapping[str, tuple[str, ...]]] = {
    "limits": ("cap-",),
    "deciding": ("tier-", "consent_hours"),
    "short": ("reserve", "scarcity"),
    "handing": ("beyond", "limit_", "rhythm_", "two_people", "receipts", "promise_days", "keep_days"),
    "words": ("surplus_", "stewards_"),
}
#: A browser sends an answer of these even where nobody gave one.
_ALWAYS_SENT: Final = ("-per", "-period", "-roles", "rhythm_weekday", "limit_then")


@dataclass(frozen=True, slots=True)
class EditorPage:
    """The form.

    Attributes:
        unit: What amounts are written in: ``hours : minutes``, ``euros``.
        values: What stands in each field; ``chosen`` is what is ticked, by field.
        faults: What is wrong, in the order of the form.
        open: The parts that stand open, since something is wrong or different there; the others are folded.
        tiers, caps: How many rows to show.
        selects: The answers of each select, by its name.
    """

    name: str
    href: str
    ways: tuple[Way, ...]
    title: str
    back: str
    action: str
    key: str
    base: str
    is_time: bool
    unit: str
    values: Mapping[str, str]
    chosen: Mapping[str, tuple[str, ...]]
    faults: tuple[tuple[str, str], ...]
    wrong: Mapping[str, str]
    open: frozenset[str]
    tiers: int
    caps: int
    selects: Mapping[str, tuple[Option, ...]]
    weekdays: tuple[Option, ...]
    presets: tuple[tuple[str, str], ...]
    count_max: str
    text_max: int


@dataclass(frozen=True, slots=True)
class PreviewPage:
    """The rules as they would be, and what is different; ``carried`` are the fields of the form.

    Attributes:
        stale: Whether somebody published another version meanwhile.
        is_same: Whether nothing is different.
    """

    name: str
    href: str
    ways: tuple[Way, ...]
    title: str
    action: str
    key: str
    base: str
    carried: tuple[tuple[str, str], ...]
    version: str
    rules: tuple[str, ...]
    lines: tuple[DiffLine, ...]
    fields: tuple[FieldDiff, ...]
    stale: bool
    is_same: bool
    fault: str


@dataclass(frozen=True, slots=True)
class _Pot:
    """The pot whose rules are changed."""

    code: str
    unit: Unit
    title: str
    newest: PublicPolicy


@route("/g/{slug:str}/group/rules/{pot:str}", http_method=READ, include_in_schema=False)
async def editor_page(request: Request[Any, Any, Any], slug: FromPath[str], pot: FromPath[str]) -> ASGIApp:
    """Show the form with the rules in force, or with those of a preset."""
    here = await steward_reads(request, slug, f"{GROUP}/rules/{pot}")
    if isinstance(here, PrivatePage):
        return here
    found = await _find(request, here, pot)
    preset = _presets(found.unit).get(request.query_params.get("from", ""))
    return _editor(here, found, fields_of(preset or found.newest.terms, found.unit, here.chosen), {})


@post("/g/{slug:str}/group/rules/{pot:str}", include_in_schema=False)
async def change_rules(request: Request[Any, Any, Any], slug: FromPath[str], pot: FromPath[str]) -> ASGIApp:
    """Show what a form would change; or publish it."""
    here, fields = await steward_sends(request, slug, size_max=_SIZE_MAX, fields_max=_FIELDS_MAX)
    found = await _find(request, here, pot)
    said = field_text(fields, "say")
    if said == "change":
        return _editor(here, found, fields, {})
    form = read_policy_form(fields, found.unit, here.chosen)
    if form.faults:
        return _editor(here, found, fields, form.faults, status=422)
    stale = field_text(fields, "base") != str(found.newest.version)
    if said != "agree" or stale:
        # Sent twice, because the first answer was lost: it is done.
        if said == "agree" and found.newest.terms == form.terms:
            return done(here, GROUP, "agreed")
        return _preview(here, found, fields, form.terms, stale=stale, status=409 if stale else 200)
    _, today = await today_of(here.door.house, here.actor.group_id, now=here.door.clock())
    sent = await act(
        here,
        fields,
        ("policy", pot, form.terms, found.newest.version),
        lambda once: agree_policy(here.door.house, here.actor, pot, form.terms, agreed_on=today, once=once),
    )
    if sent.is_refused:
        return _preview(here, found, fields, form.terms, fault=sent.sentence, status=sent.status)
    return done(here, GROUP, "agreed")


POLICY_EDITOR_PAGES: Final[list[HTTPRouteHandler]] = [editor_page, change_rules]


async def _find(request: Request[Any, Any, Any], here: Inside, code: str) -> _Pot:
    group, policies = await read_public_rules(request.app.state.database, here.group.slug)
    pot = next((pot for pot in group.pots if pot.pot == code), None)
    if pot is None or not policies[code]:
        raise UnknownPage
    unit = next(unit for unit in group.units if unit.code == pot.unit)
    return _Pot(code, unit, rules_title(group, pot, unit, here.chosen), policies[code][0])


def _presets(unit: Unit) -> Mapping[str, Mapping[str, Any]]:
    found = preset_terms(unit.code, whole=10**unit.digits)
    return {name: found[name].as_json() for name in PRESETS if name in found}


# ---------------------------------------------------------------- pages


def _editor(
    here: Inside,
    pot: _Pot,
    fields: Mapping[str, Sequence[str]],
    faults: Mapping[str, str],
    *,
    status: int = 200,
) -> PrivatePage:
    chosen, path = here.chosen, here.path(f"{GROUP}/rules/{pot.code}")
    mark = "&" if here.query else "?"
    page = EditorPage(
        name=here.group.name,
        href=here.href,
        ways=ways(here, GROUP),
        title=pot.title,
        back=here.path(GROUP),
        action=path,
        key=new_key(),
        base=str(pot.newest.version),
        is_time=pot.unit.kind == "time",
        unit=Amounts(pot.unit, chosen).column_unit,
        values={name: next(iter(values), "") for name, values in fields.items()},
        chosen={name: tuple(values) for name, values in fields.items()},
        faults=tuple(faults.items()),
        wrong=faults,
        open=_open_parts(fields, fields_of(pot.newest.terms, pot.unit, here.chosen), faults),
        tiers=rows_of(fields, "tier"),
        caps=rows_of(fields, "cap"),
        selects={
            name: tuple(Option(value, chosen.say(label)) for value, label in options.items())
            for name, options in _SELECTS.items()
        },
        weekdays=_weekdays(chosen),
        presets=tuple(
            (f"{path}{mark}from={name}", chosen.say(_PRESET_NAMES[name])) for name in _presets(pot.unit)
        ),
        count_max=chosen.number(COUNT_MAX),
        text_max=TEXT_MAX,
    )
    return here.page("policy_editor.html", page, status=status, with_script=True)


def _open_parts(
    fields: Mapping[str, Sequence[str]], in_force: Mapping[str, Sequence[str]], faults: Mapping[str, str]
) -> frozenset[str]:
    """Return the parts of the form in which something is wrong, or other than the rules in force."""
    # A form shows only what its pot can have; rows that went away are different all the same.
    shown = {*fields, *(name for name in in_force if name.startswith(("cap-", "tier-")))}
    different = {
        name
        for name in shown
        if _filled(fields.get(name)) != _filled(in_force.get(name))
        and (_filled(in_force.get(name)) or not name.endswith(_ALWAYS_SENT))
    }
    return frozenset(
        part
        for part, begins in _PARTS.items()
        if any(name.startswith(begins) for name in {*different, *faults})
    )


def _filled(values: Sequence[str] | None) -> list[str]:
    return sorted(value.strip() for value in values or () if value.strip())


def _weekdays(chosen: Language) -> tuple[Option, ...]:
    return tuple(
        Option(str(day + 1), chosen.weekday_name(date.fromordinal(MONDAY.toordinal() + day)))
        for day in range(7)
    )


def _preview(
    here: Inside,
    pot: _Pot,
    fields: Mapping[str, list[str]],
    terms: Mapping[str, Any],
    *,
    stale: bool = False,
    fault: str = "",
    status: int = 200,
) -> PrivatePage:
    chosen = here.chosen
    before = pot.newest.terms
    rules, was = rules_in_words(terms, pot.unit, chosen), rules_in_words(before, pot.unit, chosen)
    changed = fields_diff(before, terms, Amounts(pot.unit, chosen))
    page = PreviewPage(
        name=here.group.name,
        href=here.href,
        ways=ways(here, GROUP),
        title=pot.title,
        action=here.path(f"{GROUP}/rules/{pot.code}"),
        key=new_key() if fault or stale else field_text(fields, KEY_FIELD),
        base=str(pot.newest.version),
        carried=tuple(
            (name, value)
            for name, values in fields.items()
            if name not in _NOT_TERMS and not name.startswith(PROOF)
            for value in values
        ),
        version=chosen.number(pot.newest.version + 1),
        rules=rules,
        lines=words_diff(was, rules, chosen),
        fields=changed,
        stale=stale,
        is_same=not changed,
        fault=fault,
    )
    return here.page("policy_preview.html", page, status=status)
