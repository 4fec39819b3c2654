"""The public pages over HTTP: headers, caches, languages, and what is not there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from tests.web.fixture_books import EMPTY_BOOK, lively_book
from timebank.edge.problems import refusal_of, status_of
from timebank.errors import UnknownGroup
from timebank.services.published import PublicFigures
from timebank.web.files import static_files
from timebank.web.public import PUBLIC_PAGES, error_page


@pytest.fixture
def books(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Books by address, served instead of those of a database."""
    shelf = {"millbank-lane": lively_book(), "new": EMPTY_BOOK}

    async def read_book(_database: object, slug: str) -> Any:
        if slug not in shelf:
            raise UnknownGroup
        return shelf[slug]

    async def read_group(_database: object, slug: str) -> PublicFigures:
        book = await read_book(None, slug)
        return PublicFigures(book.group, book.period, book.balances, book.held)

    async def read_joining(_database: object, _group_id: object) -> str:
        return "request"

    monkeypatch.setattr("timebank.web.public.read_joining", read_joining)
    monkeypatch.setattr("timebank.web.public.read_public_book", read_book)
    monkeypatch.setattr("timebank.web.public.read_public_group", read_group)
    return shelf


class Addresses:
    """A database that knows no more than that there are groups."""

    async def group_id(self, slug: str) -> str:
        return slug


@pytest.fixture
def client(books: dict[str, Any]) -> Iterator[TestClient[Litestar]]:
    def answer(request: Any, error: Exception) -> Any:
        refusal = refusal_of(error, request.method)
        return error_page(request, refusal, status_of(refusal))

    app = Litestar(
        PUBLIC_PAGES, exception_handlers={Exception: answer}, openapi_config=None, logging_config=None
    )
    app.state.database = Addresses()
    with TestClient(app) as made:
        yield made


PAGES = [
    "/",
    "/patterns",
    "/g/millbank-lane",
    "/g/new",
    "/g/millbank-lane/join",
    "/g/new/give",
    "/g/new/join",
]


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_for_everybody_and_sets_no_cookie(client, path):
    answer = client.get(path)

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "set-cookie" not in answer.headers
    assert answer.headers["cache-control"] == "public, max-age=60"
    assert answer.headers["vary"] == "accept-language"
    assert answer.headers["content-security-policy"] == (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    )
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", PAGES)
def test_who_has_the_page_already_gets_nothing_more(client, path):
    first = client.get(path)
    etag = first.headers["etag"]

    for sent in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        again = client.get(path, headers={"if-none-match": sent})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == etag
    assert client.get(path, headers={"if-none-match": '"other"'}).content == first.content


@pytest.mark.parametrize("path", PAGES)
def test_head_is_get_without_a_body(client, path):
    whole, head = client.get(path), client.head(path)

    assert head.status_code == 200
    assert head.content == b""
    assert {k: v for k, v in head.headers.items() if k != "date"} == {
        k: v for k, v in whole.headers.items() if k != "date"
    }


def test_the_same_page_is_the_same_bytes(client):
    assert client.get("/g/millbank-lane").content == client.get("/g/millbank-lane").content


def test_the_address_chooses_the_language_then_the_browser_then_the_group(client):
    def language_of(path: str, accept: str = "") -> str:
        answer = client.get(path, headers={"accept-language": accept})
        assert f'<html lang="{answer.headers["content-language"]}"' in answer.text
        return answer.headers["content-language"]

    assert language_of("/g/millbank-lane?lang=es", "en") == "es"
    assert language_of("/g/millbank-lane", "es-AR,en;q=0.5") == "es"
    assert language_of("/g/millbank-lane", "tlh") == "en"
    assert language_of("/g/millbank-lane?lang=xx", "es") == "es"


def test_a_chosen_language_goes_on_to_the_next_page(client):
    assert 'href="/g/millbank-lane/give?lang=es"' in client.get("/g/millbank-lane?lang=es").text
    assert 'href="/g/millbank-lane/give"' in client.get("/g/millbank-lane").text


def test_every_static_file_may_be_kept_for_ever(client):
    for name, file in static_files().items():
        answer = client.get(f"/static/{name}")
        assert answer.status_code == 200, name
        assert answer.content == file.content
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["content-type"] == file.media_type
        assert (
            client.get(f"/static/{name}", headers={"if-none-match": answer.headers["etag"]}).status_code
            == 304
        )


def test_a_page_names_only_files_that_are_there(client):

    for path in PAGES:
        for address in re.findall(r'"(/static/[^"]+)"', client.get(path).text):
            assert client.get(address).status_code == 200, address


@pytest.mark.parametrize(
    "path",
    [
        "/g/nobody",
        "/g/nobody/ask",
        "/g/millbank-lane/admin",
        "/static/css/parts.css",
        "/static/../config.py",
        "/nope",
    ],
)
def test_what_is_not_there_is_said_in_words(client, path):
    answer = client.get(path, headers={"accept-language": "es"})

    assert answer.status_code == 404
    assert answer.headers["cache-control"] == "no-store"
    assert "Aquí no hay" in answer.text
    assert "<script" not in answer.text


def test_the_start_page_lists_no_group(client):
    text = client.get("/").text

    assert "/g/" not in text
    assert "millbank" not in text.lower()


def test_nobody_writes_here(client):
    for method in ("post", "put", "delete", "patch"):
        assert getattr(client, method)("/g/millbank-lane").status_code in {404, 405}


def test_every_style_sheet_is_closed_where_it_is_opened():
    for name, file in static_files().items():
        if name.endswith(".css"):
            css = re.sub(r"/\*.*?\*/", "", file.content.decode(), flags=re.DOTALL)
            depth = 0
            for sign in re.findall(r"[{}]", css):
                depth += 1 if sign == "{" else -1
                # A page has margins of its own within what is for print only.
                assert 0 <= depth <= 3, name
            assert depth == 0, name
            assert "url(" not in css, name
            assert "@import" not in css, name


def test_no_style_sheet_names_a_colour_but_the_tokens():
    for name, file in static_files().items():
        if name.endswith(".css") and not re.search(r"tokens|print", name):
            assert not re.findall(r"#[0-9a-fA-F]{3,8}\b", file.content.decode()), name


def test_no_style_sheet_knows_left_from_right():
    for name, file in static_files().items():
        if name.endswith(".css"):
            css = file.content.decode()
            assert not re.findall(
                r"(?:margin|padding|border)-(?:left|right)|text-align: (?:left|right)", css
            ), name


def test_what_is_not_there_is_said_under_the_head_of_the_group_that_is(client):
    missing = client.get("/g/millbank-lane/nothing?lang=es")
    assert missing.status_code == 404
    assert missing.headers["content-language"] == "es"
    assert missing.text.count('href="/g/millbank-lane?lang=es"') == 2, "its head, and the way out"
    assert "Millbank Lane" in missing.text

    for path in ("/nothing", "/g/nobody-here", "/g/nobody-here/nothing"):
        nowhere = client.get(path)
        assert nowhere.status_code == 404, path
        assert "Millbank Lane" not in nowhere.text
        assert nowhere.text.count('href="/"') == 2, path
