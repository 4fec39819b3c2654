"""Every page, for everybody who may see it, in every language: whole, plain, in the words of the house.

The pages come from the application's routes (``walk``), so that a page which somebody adds is looked at, too.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from gettext import NullTranslations
from html import unescape
from typing import Any
from urllib.parse import parse_qs

import pytest
import pytest_asyncio
from jinja2 import StrictUndefined, meta
from litestar.routes import HTTPRoute

import timebank.i18n
from tests.api.test_matrix import matrix
from tests.database import Server, copied, run
from tests.web.crawl import LEFT_BY_LOOKING, all_that_is_kept, changed, every_look, look_at
from tests.web.reading import Reading
from tests.web.walk import Page, Walk, open_walk
from timebank.i18n import SOURCE_LANGUAGE, language, language_codes
from timebank.rules.people import Actor
from timebank.services.live import read_live
from timebank.store.engine import Database
from timebank.store.groups import bump_setup_version
from timebank.store.migrate import SUPERUSER
from timebank.web import who_sees
from timebank.web.pages import environment

#: The way out of pages about asking leads away from us on purpose.
AWAY = {"https://www.wikipedia.org/"}
#: An app of the reader's own opens this one.
OPENED_BY_APPS = "otpauth://"

#: What Arabic writes in front of a word without a space: and, so, for, with, as, the.
AR = "[وف]?(?:لل|[بلك]?(?:ال)?)"
ARABIC_POINTS = re.compile("[\u064b-\u0652\u0640]")
#: PRODUCT.md: never in the interface, by language.
FORBIDDEN = {
    "en": (
        r"payments?",
        r"debts?",
        r"ow(?:e|es|ed|ing)",
        r"(?:un)?deserv\w+",
        r"beneficiar\w+",
        r"recipients?",
        r"don(?:or|ors|ate|ated|ation|ations)",
        r"charit\w+",
        r"negative",
        r"users?",
        r"your (?:net|balance)",
        r"needy",
    ),
    "es": (
        r"pagos?",
        r"deudas?",
        r"deudor\w*",
        r"adeud\w+",
        r"merecedor\w*",
        r"beneficiari\w+",
        r"destinatari\w+",
        r"donantes?",
        r"donaci\w+",
        r"caridad",
        r"negativ[oa]s?",
        r"usuari\w+",
        r"(?:su|tu) saldo",
    ),
    "fr": (
        r"pa(?:iements?|yer|yez|yé[es]*)",
        r"dettes?",
        r"(?:dé)?biteu\w+",
        r"méri(?:te|tant)\w*",
        r"bénéficiaires?",
        r"destinataires?",
        r"donat(?:eur|rice)s?",
        r"dons?",
        r"charit\w+",
        r"négati(?:f|ve)s?",
        r"utilisat(?:eur|rice)s?",
        r"(?:votre|ton) solde",
    ),
    "pt": (
        r"pagamentos?",
        r"pag(?:ar|ue|o|a|os|as)",
        r"dívidas?",
        r"deve(?:dor\w*|ndo)",
        r"merec\w+",
        r"beneficiári\w+",
        r"destinatári\w+",
        r"doa(?:dor\w*|ção|ções|r)",
        r"caridade",
        r"negativ[oa]s?",
        r"usuári\w+",
        r"(?:seu|teu) saldo",
    ),
    "ar": (
        rf"{AR}مدفوعات",
        rf"{AR}دفعات",
        rf"{AR}ديون\w*",
        rf"{AR}دين",
        rf"{AR}مدين(?:ون|ين)?",
        rf"{AR}مديون\w*",
        r"[وف]?[يتنأا]?ستحق\w*",
        rf"{AR}(?:مستحق|استحقاق|جدير)\w*",
        rf"{AR}(?:مستفيد|مستلم|متلق)\w*",
        rf"{AR}(?:[يتنأ]?تبرع|متبرع|مانح)\w*",
        rf"{AR}(?:صدق(?:ة|ات)|خيري\w*|إحسان)",
        rf"{AR}(?:سالب|سلبي)\w*",
        rf"{AR}مستخدم\w*",
        r"[وف]?[بل]?رصيد(?:ك|كم)",
        rf"{AR}(?:محتاج\w*|معوز\w*|فقير|فقراء)",
    ),
}
MINUS = re.compile(r"(?<![\w\-−–])[-−]\s?\d")
ESCAPED_TWICE = re.compile(r"&amp;(?:[a-z]+|#x?[0-9a-f]+);|&lt;/?(?:b|i|a|bdi|span|strong|em|p|br|code)\b")
NOT_SAID = re.compile(r"%\(\w+\)|\{\{|\}\}|\{%|\bundefined\b|<built-in|object at 0x")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def walk(
    cluster: Server, database_template: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Walk]:
    async with (
        copied(cluster, database_template) as dsn,
        open_walk(dsn, tmp_path_factory.mktemp("walk")) as opened,
    ):
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def pages(walk: Walk) -> dict[str, list[Page]]:
    """Every page in every language; which templates they were made of is noted, and which sentences were not there."""
    made = environment()
    with pytest.MonkeyPatch.context() as patch, other_catalogues(Noting):
        real = made.get_template

        def note(name: str, *more: Any, **most: Any) -> Any:
            SHOWN.add(name)
            return real(name, *more, **most)

        patch.setattr(made, "get_template", note)
        return {code: await walk.pages(code) for code in language_codes()}


@contextmanager
def other_catalogues(made: Callable[[str, NullTranslations], NullTranslations]) -> Iterator[None]:
    """Let other translations stand in for those of each language.

    Args:
        made: Returns them for a language and its own ones.
    """
    real = timebank.i18n._catalogue
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timebank.i18n, "_catalogue", lambda code: made(code, real(code)))
        language.cache_clear()
        try:
            yield
        finally:
            patch.undo()
            language.cache_clear()


class Noting(NullTranslations):
    """The translations of a language, which note what is looked up and is not among them."""

    def __init__(self, code: str, real: NullTranslations) -> None:
        super().__init__()
        self.code, self.real = code, real

    def gettext(self, message: str) -> str:
        return self._noted(message, self.real.gettext(message))

    def ngettext(self, one: str, many: str, count: int) -> str:
        return self._noted(one, self.real.ngettext(one, many, count))

    def _noted(self, message: str, said: str) -> str:
        known = getattr(self.real, "_catalog", {})
        if self.code != SOURCE_LANGUAGE and not {message, (message, 0), (message, 1)} & known.keys():
            LEFT_IN_ENGLISH.add((self.code, message))
        return said


#: (language, sentence) of what pages looked up and did not find.
LEFT_IN_ENGLISH: set[tuple[str, str]] = set()


def all_of(pages: dict[str, list[Page]]) -> Iterator[tuple[str, Page, Reading]]:
    for code, found in pages.items():
        for page in found:
            yield code, page, Reading(page.html)


def test_every_page_is_there_for_whoever_may_see_it_in_every_language(pages: dict[str, list[Page]]) -> None:
    by_language = {
        code: {page.name: page.answer.status_code for page in found} for code, found in pages.items()
    }
    got = by_language["en"]
    assert len(pages["en"]) == len(got) > 60
    assert {name: status for name, status in got.items() if name.startswith("GET ") and status != 200} == {}
    assert {200, 403, 404, 405, 422} <= set(got.values()) <= {200, 400, 403, 404, 405, 409, 422}
    for code, found in by_language.items():
        assert found == got, code


def test_no_page_of_another_language_falls_back_to_english(pages: dict[str, list[Page]]) -> None:
    assert sorted(LEFT_IN_ENGLISH) == []
    assert pages.keys() > {"en"}


#: The templates that the walk came by.
SHOWN: set[str] = set()
#: Where something happens once, or a sample would have to: looked at in tests of their own.
SHOWN_ELSEWHERE = {"setup_done.html"}


def test_every_template_compiles_and_is_shown_by_a_page_of_this_walk_or_known_to_be_elsewhere(
    pages: dict[str, list[Page]],
) -> None:
    made = environment()
    assert made.undefined is StrictUndefined
    used = set()
    for name in made.list_templates():
        source = made.loader.get_source(made, name)[0]  # type: ignore[union-attr]
        made.from_string(source)
        used |= {one for one in meta.find_referenced_templates(made.parse(source)) if one}

    assert set(made.list_templates()) - SHOWN - used == SHOWN_ELSEWHERE


def test_every_page_is_marked_with_its_language(pages: dict[str, list[Page]]) -> None:
    for code, page, read in all_of(pages):
        said = [value for tag, name, value in read.attributes if (tag, name) == ("html", "lang")]
        assert said == [code], (page.name, said)
        ways = [value for tag, name, value in read.attributes if (tag, name) == ("html", "dir")]
        assert ways == (["rtl"] if language(code).direction == "rtl" else []), page.name


def test_whoever_is_nobody_here_finds_every_page_in_every_language_on_the_page_itself(
    pages: dict[str, list[Page]],
) -> None:
    looked_at = set()
    for code, page, read in all_of(pages):
        if page.viewer != "anonymous" or page.answer.request.method != "GET":
            continue
        looked_at.add(page.route)
        offered = re.findall(
            r'<a href="(\?[^"]*)" lang="([^"]+)"( dir="[^"]+")? hreflang="\2"([^>]*)>', page.html
        )
        tongues = {
            tongue: (parse_qs(href[1:].replace("&amp;", "&"))["lang"], "aria-current" in more)
            for href, tongue, _, more in offered
        }
        assert tongues == {each: ([each], each == code) for each in language_codes()}, page.name
        assert all(language(tongue).name in read.text for tongue in tongues), page.name
    assert len(looked_at) > 15, looked_at


def test_no_text_is_escaped_twice_or_left_unfilled(pages: dict[str, list[Page]]) -> None:
    wrong = []
    for code, page, read in all_of(pages):
        wrong += [(code, page.name, found.group()) for found in ESCAPED_TWICE.finditer(page.html)]
        wrong += [(code, page.name, found.group()) for found in NOT_SAID.finditer(read.text)]
    assert wrong == []


def test_no_page_says_what_the_house_does_not_say(pages: dict[str, list[Page]]) -> None:
    wrong = set()
    for code, page, read in all_of(pages):
        text = ARABIC_POINTS.sub("", read.text)
        for word in FORBIDDEN[code]:
            for found in re.finditer(rf"(?<!\w){word}(?!\w)", text, re.IGNORECASE):
                around = text[max(0, found.start() - 30) : found.end() + 20]
                wrong.add((code, page.route, around))
    assert sorted(wrong) == []


def test_no_figure_on_any_page_has_a_minus(pages: dict[str, list[Page]]) -> None:
    wrong = set()
    for code, page, read in all_of(pages):
        for words in read.words:
            if not {"pre", "code", "script", "style"} & set(words.tags) and MINUS.search(words.text):
                wrong.add((code, page.name, words.text.strip()[:80]))
    assert sorted(wrong) == []


def test_no_page_has_a_script_or_a_style_inside_or_asks_anybody_else(pages: dict[str, list[Page]]) -> None:
    wrong = []
    for _, page, read in all_of(pages):
        for tag, name, value in read.attributes:
            if name == "style" or name.startswith("on") or tag == "style":
                wrong.append((page.name, tag, name))
            loads = name == "src" or (tag == "link" and name == "href")
            if loads and not value.startswith("/static/"):
                wrong.append((page.name, tag, value))
            leads = name in {"href", "action", "formaction"} and tag != "link"
            if leads and re.match(r"(?:[a-z]+:|//)", value) and not value.startswith((*AWAY, OPENED_BY_APPS)):
                wrong.append((page.name, tag, value))
        if any("script" in words.tags for words in read.words):
            wrong.append((page.name, "script", "has text"))
    assert wrong == []


def test_every_id_is_there_once_and_whatever_is_pointed_at_is_there(pages: dict[str, list[Page]]) -> None:
    wrong = []
    for page in pages["en"]:
        read = Reading(page.html)
        ids = [value for _, name, value in read.attributes if name == "id"]
        wrong += [(page.name, "twice", one) for one in set(ids) if ids.count(one) > 1]
        pointed = [
            one
            for _, name, value in read.attributes
            if name in {"for", "aria-labelledby", "aria-describedby", "form"}
            for one in value.split()
        ]
        pointed += [v[1:] for _, n, v in read.attributes if n == "href" and v.startswith("#") and len(v) > 1]
        wrong += [(page.name, "nowhere", one) for one in set(pointed) - set(ids)]
    assert wrong == []


# ---------------------------------------------------------------- who sees what


def deeds(walk: Walk) -> list[tuple[re.Pattern[str], str]]:
    """Return what the address of a form looks like, and the handler that takes it."""
    found = []
    for route in walk.world.app.routes:
        if isinstance(route, HTTPRoute) and not route.path.startswith("/api/"):
            handlers = route.route_handler_map
            pattern = re.compile(re.sub(r"\{\w+\}", "[^/]+", route.path_format))
            # A word in an address is meant before anything that could stand there.
            found += [(pattern, handlers["POST"][0].handler_name)] if "POST" in handlers else []
    return sorted(found, key=lambda each: each[0].pattern.count("[^/]+"))


def test_every_form_that_writes_says_who_sees_what(walk: Walk, pages: dict[str, list[Page]]) -> None:
    handlers, silent, met = deeds(walk), set(), set()
    for page in pages["en"]:
        told = set(" ".join(re.findall(r'data-who-sees="([^"]*)"', page.html)).split())
        for head, body in re.findall(r'<form\b([^>]*method="post"[^>]*)>(.*?)</form>', page.html, re.DOTALL):
            if "<button" not in body:
                continue  # signed already: nothing can be pressed
            address = unescape(re.search(r'action="([^"]*)"', head)[1]).partition("?")[0]  # type: ignore[index]
            name = next(name for pattern, name in handlers if pattern.fullmatch(address))
            deed = f"{name}.{address.rpartition('/')[2]}"
            met.add(name)
            if name in who_sees.NOTHING_TO_SAY:
                continue
            shows = 'class="sight' in page.html and {name, deed} & set(who_sees.SHOWN)
            if not shows and not {name, deed} & told:
                silent.add((page.name, deed))
    assert sorted(silent) == []
    assert len(met) > 35


def test_what_is_said_of_several_deeds_at_once_is_true_of_each(pages: dict[str, list[Page]]) -> None:
    for page in pages["en"]:
        for several in re.findall(r'data-who-sees="([^"]*)"', page.html):
            assert len({who_sees.WHO_SEES[deed] for deed in several.split()}) == 1, several


# ---------------------------------------------------------------- nothing is left untranslated


class Pseudo(NullTranslations):
    """A language in which every sentence that is looked up is marked, and nothing else is."""

    def gettext(self, message: str) -> str:
        return f"⟦{message}⟧"

    def ngettext(self, one: str, many: str, count: int) -> str:
        return f"⟦{one if count == 1 else many}⟧"


#: Words that are no sentences of ours: names that people gave, codes, names of programs and of formats.
DATA = re.compile(
    r"\b(?:riverside|hillside|young|person|newcomer|ada|flo|kit|y member|soup|timebank|example|localhost|https?|english|español|العربية|français|português|"
    r"python3?|py|json|csv|eur|url|uuid)\b",
    re.IGNORECASE,
)
#: As Babel writes days in the language whose catalogue is replaced.
DAYS = re.compile(
    r"\b(?:lunes|martes|miércoles|jueves|viernes|sábado|domingo|de|enero|febrero|marzo|abril|mayo|junio|julio|agosto|"
    r"septiembre|octubre|noviembre|diciembre|ene|feb|mar|abr|may|jun|jul|ago|sept?|oct|nov|dic|euros?)\b",
    re.IGNORECASE,
)


async def test_no_sentence_of_any_page_is_kept_from_the_translators(walk: Walk) -> None:
    with other_catalogues(lambda *_: Pseudo()):
        pages = await walk.pages("es")
    left = set()
    for page in pages:
        marked = page.html
        while (next_ := re.sub(r"⟦[^⟦⟧]*⟧", " ", marked)) != marked:
            marked = next_
        for words in Reading(marked).words:
            text = DAYS.sub(" ", DATA.sub(" ", words.text))
            if not {"pre", "code", "bdi", "q", "option"} & set(words.tags) and re.search(
                r"[^\W\d_]{3,}", text
            ):
                left.add((page.route, words.text.strip()[:80]))
    assert sorted(left) == []


# ---------------------------------------------------------------- looking changes nothing


async def test_no_get_of_a_page_or_of_the_api_changes_anything_whoever_sends_it(
    walk: Walk, pages: dict[str, list[Page]]
) -> None:
    await walk.sign_in()
    looks = await every_look(walk)
    await walk.world.app.state.workshop.idle()
    # The checkpoint of what was written to make all this comes to its file a little later.
    await walk.world.app.state.door.house.checkpoints.idle()
    before = await all_that_is_kept(walk.dsn, walk.home)
    said = [(look, (await look_at(walk.world, look)).status_code) for look in looks]
    # Once more, whatever there was to see: some things happen at a first look, and others at each.
    seen = {(look.route, look.ask.path.get("slug", "")): look for look, status in said if status < 400}
    again = [(await look_at(walk.world, look)).status_code for look in seen.values()]

    assert changed(before, await all_that_is_kept(walk.dsn, walk.home)) == {}
    assert {*LEFT_BY_LOOKING, "timebank.book_heads", "timebank.entries"} <= before.keys()
    assert {route for method, route in matrix() if method == "GET"} == {route for route, _ in seen}
    assert [look for look, status in said if status >= 500] == []
    assert max(again) < 400


async def test_a_get_that_writes_is_noticed(walk: Walk, monkeypatch: pytest.MonkeyPatch) -> None:
    async def write_and_read(database: Database, actor: Actor, **more: Any) -> Any:
        async with walk.world.house.database.tx(actor.group_id) as tx:
            await bump_setup_version(tx, actor.group_id)
        return await read_live(database, actor, **more)

    before = await all_that_is_kept(walk.dsn, walk.home)
    monkeypatch.setattr("timebank.api.live.read_live", write_and_read)
    await walk.world.stage.get("ada", "/live")

    assert changed(before, await all_that_is_kept(walk.dsn, walk.home)) == {"timebank.book_heads": (1, 1)}


# ---------------------------------------------------------------- a group's own word


async def test_every_page_of_a_group_calls_the_pot_what_the_group_calls_it(walk: Walk) -> None:
    word = """
        UPDATE timebank.published_groups
           SET pots = (SELECT jsonb_agg(pot || '{"word": "%s"}') FROM jsonb_array_elements(pots) AS pot)
         WHERE slug = 'riverside'
    """
    await run(walk.dsn, SUPERUSER, word % "kitty")
    try:
        pages = [page for page in await walk.pages("es") if "/g/riverside" in page.url]
    finally:
        await run(walk.dsn, SUPERUSER, word % "pot")

    # What timebank is, and the choice of the word itself, are the same for every group.
    said = {page.name: re.sub(r"bote común", "", Reading(page.html).text) for page in pages}
    left = {name: re.findall(r".{,30}\bbotes?\b.{,30}", text, re.IGNORECASE) for name, text in said.items()}
    assert {name: found for name, found in left.items() if found} == {}
    assert sum("la hucha" in text for text in said.values()) > 30
