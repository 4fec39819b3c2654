"""The rules of every pot in plain words, with every version there was; for everybody."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from litestar import Request, route
from litestar.enums import HttpMethod
from litestar.params import FromPath
from litestar.types import ASGIApp

from timebank.services.published import read_public_rules
from timebank.web.book_page import LanguageLink, language_links, rules_title
from timebank.web.policy_diff import DiffLine, FieldDiff, fields_diff, words_diff
from timebank.web.policy_words import rules_in_words
from timebank.web.public import public_language, public_reply

if TYPE_CHECKING:
    from collections.abc import Sequence

    from litestar.handlers import HTTPRouteHandler

    from timebank.i18n import Language
    from timebank.ledger.units import Unit
    from timebank.rules.publication import PublicGroup, PublicPolicy, PublicPot

RULES: Final = "/rules"


@dataclass(frozen=True, slots=True)
class VersionView:
    """One version; ``lines`` and ``fields`` say what it changed, empty for the first."""

    version: str
    agreed_on: str
    rules: tuple[str, ...]
    lines: tuple[DiffLine, ...]
    fields: tuple[FieldDiff, ...]


@dataclass(frozen=True, slots=True)
class PotRules:
    """The rules of one pot: those in force, and the versions before; ``code`` is the pot's."""

    code: str
    title: str
    now: VersionView
    before: tuple[VersionView, ...]


@dataclass(frozen=True, slots=True)
class RulesPage:
    """Every pot's rules; ``data`` is where programs read them."""

    name: str
    href: str
    languages: tuple[LanguageLink, ...]
    pots: tuple[PotRules, ...]
    data: str


@route("/g/{slug:str}/rules", http_method=[HttpMethod.GET, HttpMethod.HEAD], include_in_schema=False)
async def rules_page(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """Show the rules and their history."""
    group, policies = await read_public_rules(request.app.state.database, slug)
    chosen, explicit = public_language(request, group)
    query = f"?lang={chosen.code}" if explicit else ""
    units = {unit.code: unit for unit in group.units}
    page = RulesPage(
        name=group.name,
        href=f"/g/{slug}{query}",
        languages=language_links(group, chosen),
        pots=tuple(
            _pot(group, pot, units[pot.unit], policies[pot.pot], chosen)
            for pot in group.pots
            if policies[pot.pot]
        ),
        data=f"/api/v1/groups/{slug}/policies/",
    )
    return public_reply("rules.html", page, chosen)


RULES_PAGES: Final[list[HTTPRouteHandler]] = [rules_page]


def _pot(
    group: PublicGroup, pot: PublicPot, unit: Unit, versions: Sequence[PublicPolicy], chosen: Language
) -> PotRules:
    views = [
        _version(policy, versions[place + 1] if place + 1 < len(versions) else None, unit, chosen)
        for place, policy in enumerate(versions)
    ]
    return PotRules(pot.pot, rules_title(group, pot, unit, chosen), views[0], tuple(views[1:]))


def _version(policy: PublicPolicy, before: PublicPolicy | None, unit: Unit, chosen: Language) -> VersionView:
    rules = rules_in_words(policy.terms, unit, chosen)
    return VersionView(
        version=chosen.number(policy.version),
        agreed_on=chosen.day_month_year(policy.agreed_on),
        rules=rules,
        lines=words_diff(rules_in_words(before.terms, unit, chosen), rules, chosen) if before else (),
        fields=fields_diff(before.terms, policy.terms) if before else (),
    )
