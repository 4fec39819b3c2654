"""The public page as data and as HTML: it folds, it keeps quiet about people, it is small."""

from __future__ import annotations

import dataclasses
import re
from datetime import date, timedelta
from html.parser import HTMLParser

import pytest

from tests.web.fixture_books import AS_OF, EMPTY_BOOK, GROUP, lively_book
from timebank.i18n import Language, language
from timebank.ledger.units import Unit
from timebank.rules.publication import PublicBook, PublicPot
from timebank.web.book_page import LINES_SHOWN, BookPage, Leaf, book_page
from timebank.web.files import static_files
from timebank.web.pages import render

EN, ES = language("en"), language("es")
RTL = dataclasses.replace(EN, direction="rtl")


def page_of(book: PublicBook, spoken: Language = EN) -> BookPage:
    return book_page(book, spoken, explicit=False)


def html_of(book: PublicBook, spoken: Language = EN) -> str:
    template = "public.html" if book.period else "public_empty.html"
    return render(template, page_of(book, spoken), spoken).decode()


def leaves(page: BookPage) -> tuple[Leaf, Leaf]:
    spread = page.spreads[0]
    assert spread.recto
    assert spread.verso
    return spread.recto, spread.verso


def minutes_of(text: str) -> int:
    hours, minutes = text.replace(",", "").split(":")
    return 60 * int(hours) + int(minutes)


def cents_of(text: str) -> int:
    return int(text.replace(",", "").replace(".", ""))


@pytest.mark.parametrize("per_day", [0, 4, 40])
def test_every_table_folds_to_the_figure_above_it(per_day):
    hours, money = leaves(page_of(lively_book(available=(50_000, 98_650_00), per_day=per_day)))

    for leaf, read in ((hours, minutes_of), (money, cents_of)):
        flow, lines = leaf.flow, leaf.lines
        assert flow
        assert lines
        running = read(flow.before)
        for row in flow.rows:
            running += read(row.came_in) - read(row.went_out)
            assert read(row.left) == running
        assert read(flow.total.left) == running == read(lines.closing)
        assert sum(read(row.came_in) for row in flow.rows) == read(flow.total.came_in)

        shown = [row for day in lines.days for row in day.rows]
        came_in = sum(read(row.came_in) for row in shown if row.came_in)
        went_out = sum(read(row.went_out) for row in shown if row.went_out)
        came_in += read(lines.more_in) if lines.more_in else 0
        went_out += read(lines.more_out) if lines.more_out else 0
        assert (came_in, went_out) == (read(lines.came_in), read(lines.went_out))
        assert read(lines.opening) + came_in - went_out == read(lines.closing)
        assert read(lines.available) + read(lines.promised_part) == read(lines.closing)


def test_many_lines_are_counted_and_not_shown():
    hours, _ = leaves(page_of(lively_book(available=(500_000, 98650), per_day=60)))

    assert hours.lines
    assert sum(len(day.rows) for day in hours.lines.days) == LINES_SHOWN
    assert re.fullmatch(r"\d+ more lines", hours.lines.more)


def test_no_lines_of_a_day_tell_their_order():
    book = lively_book(per_day=5)
    shuffled = dataclasses.replace(book, lines=tuple(reversed(book.lines)))

    assert html_of(shuffled) == html_of(book)


@pytest.mark.parametrize("spoken", [EN, ES, RTL])
@pytest.mark.parametrize("available", [(8790, 98650), (-720, -5000), (0, 0), (-720, 0)])
def test_no_page_shows_a_minus(spoken, available):
    html = html_of(lively_book(available=available), spoken)

    text = re.sub(r"<[^>]*>", " ", html)
    assert not re.search(r"[-−]\d", text.replace("data:", "")), re.findall(r".{20}[-−]\d.{9}", text)


def test_below_zero_is_said_in_words():
    hours, money = leaves(page_of(lively_book(available=(-720, -5000))))

    assert hours.pot
    assert money.pot
    assert hours.pot.figures[0].name == "asked ahead of giving"
    assert money.pot.figures[0].name == "short by"
    assert hours.pot.figures[0].machine == "PT12H"
    assert "ahead of giving" in hours.pot.bar_sentence


@pytest.mark.parametrize("spoken", [EN, ES])
def test_the_page_has_no_words_that_age(spoken):
    aging = {
        "en": ("today", "yesterday", "tomorrow", "last week", "this week", " ago", "recently", "now "),
        "es": ("hoy", "ayer", "mañana", "la semana pasada", "esta semana", "hace "),
    }[spoken.code]

    for book in (lively_book(), EMPTY_BOOK):
        text = re.sub(r"<[^>]*>", " ", html_of(book, spoken)).lower()
        found = [word for word in aging if re.search(rf"(?<!\w){re.escape(word.strip())}(?!\w)", text)]
        assert not found


def test_the_page_says_as_of_when_and_when_the_next_one_comes():
    html = html_of(lively_book())

    assert "Sunday 27 September 2026" in html
    assert "after Monday 28 September" in html


def test_before_the_first_close_the_page_says_when_the_first_figures_come():
    html = html_of(EMPTY_BOOK)

    assert "The first page is written after Saturday 1 June." in html
    assert "Rules of the hours pot" in html
    assert "available" not in html


def test_each_language_is_a_link_without_a_cookie():
    page = page_of(lively_book(), ES)

    assert [(link.name, link.href, link.current) for link in page.languages] == [
        ("English", "?lang=en", False),
        ("Español", "?lang=es", True),
    ]
    assert book_page(lively_book(), ES, explicit=True).query == "?lang=es"
    assert page.query == ""


def test_every_byte_of_the_page_and_its_styles_is_below_100_kb():
    styles = sum(len(file.content) for name, file in static_files().items() if "forms" not in name)
    busiest = lively_book(available=(900_000, 9_000_000), per_day=400)

    for spoken in (EN, ES, RTL):
        assert len(html_of(busiest, spoken).encode()) + styles < 100_000


class Outline(HTMLParser):
    """What a page is made of, as far as these tests ask."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]


@pytest.mark.parametrize("book", [lively_book(), EMPTY_BOOK], ids=["lively", "empty"])
@pytest.mark.parametrize("spoken", [EN, ES, RTL])
def test_no_script_no_inline_style_nothing_from_elsewhere_no_id_twice(book, spoken):
    outline = Outline(html_of(book, spoken))

    assert "script" not in outline.tags
    assert "style" not in outline.tags
    assert not [name for _, name, _ in outline.attributes if name == "style" or name.startswith("on")]
    loaded = [value for tag, name, value in outline.attributes if tag == "link" and name == "href"]
    loaded += [value for _, name, value in outline.attributes if name == "src"]
    assert loaded
    assert all(value.startswith("/static/") for value in loaded)
    ids = [value for _, name, value in outline.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    references = [v for _, n, value in outline.attributes if n == "aria-labelledby" for v in value.split()]
    references += [value[1:] for _, n, value in outline.attributes if n == "href" and value.startswith("#")]
    assert set(references) <= set(ids)


def test_what_a_group_wrote_cannot_become_markup():
    evil = "<script>alert(1)</script>"
    book = lively_book()
    group = dataclasses.replace(GROUP, name=f"Us {evil}")
    lines = tuple(dataclasses.replace(line, category=evil) for line in book.lines)

    html = html_of(dataclasses.replace(book, group=group, lines=lines))

    assert evil not in html
    assert "&lt;script&gt;" in html


def test_right_to_left_turns_the_page_round():
    html = html_of(lively_book(), RTL)

    assert '<html lang="en" dir="rtl">' in html
    assert "dir=" not in html_of(lively_book()).split("<body>")[0]


def test_a_group_without_money_says_so():
    group = dataclasses.replace(GROUP, units=GROUP.units[:1], pots=GROUP.pots[:1])

    html = html_of(dataclasses.replace(lively_book(), group=group))

    assert "This group keeps no pot of money." in html


def test_several_pots_are_told_apart_by_number():
    pots = (*GROUP.pots, PublicPot("strike", "EUR", 2), PublicPot("pounds", "GBP", 1))
    group = dataclasses.replace(GROUP, pots=pots, units=(*GROUP.units, Unit("GBP", "money", 2)))

    page = page_of(dataclasses.replace(lively_book(), group=group))

    titles = [leaf.pot_title for spread in page.spreads for leaf in (spread.recto, spread.verso) if leaf]
    assert titles == ["Hours in the pot", "Money in pot 1", "Money in pot 2", "Money in pot 3"]
    assert b"This group keeps no pot" not in render("public.html", page, EN), "beside the second one of money"


def test_a_box_that_several_pots_share_is_shown_once():
    book = lively_book()
    money = book.balance("money")
    assert money is not None
    group = dataclasses.replace(GROUP, pots=(*GROUP.pots, PublicPot("strike", "EUR", 2)))
    empty = dataclasses.replace(money, pot="strike", available=0, promised=0)

    page = page_of(dataclasses.replace(book, group=group, balances=(*book.balances, empty)))

    money_of = [leaf.pot for spread in page.spreads for leaf in (spread.verso,) if leaf and leaf.pot]
    assert [bool(pot.places) for pot in money_of] == [False, True]
    assert money_of[1].where == "Where it is, of all pots together"
    assert [leaf.pot.where for leaf in leaves(page_of(book)) if leaf.pot and leaf.pot.places] == [
        "Where it is"
    ]


def test_a_pot_without_a_line_has_its_table_still():
    book = lively_book()
    silent = dataclasses.replace(book, lines=(), flows=(), line_flows=())

    hours, _ = leaves(page_of(silent))

    assert hours.flow
    assert len(hours.flow.rows) == 8
    assert hours.flow.before == hours.flow.total.left


def test_a_young_book_says_why_its_first_column_is_short():
    group = dataclasses.replace(GROUP, began_on=AS_OF - timedelta(days=9))
    book = lively_book(days=10)

    hours, _ = leaves(page_of(dataclasses.replace(book, group=group)))

    assert hours.flow
    assert hours.flow.captions[1] == "The book begins on 18 September, so the first column is shorter."
    assert [row.days for row in hours.flow.rows] == ["18–20 Sep", "21–27 Sep"]


def test_one_day_is_one_day():
    group = dataclasses.replace(GROUP, began_on=AS_OF)
    book = dataclasses.replace(lively_book(days=1), group=group, lines_from=AS_OF)

    html = html_of(book)

    assert re.search(r"On 27 September, <b>", html)
    assert date(2026, 9, 26) < AS_OF
