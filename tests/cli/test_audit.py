"""``timebank audit``: from a key to a signature, over HTTP, and what it says when something is wrong."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import contextmanager
from datetime import date, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.cast import house, make_cast
from tests.services.book_with_clock import MARCH_2, Book
from timebank import cli
from timebank.ledger.notes import parse_note
from timebank.rules.commands import GiveMoney
from timebank.services.audit_book import open_book
from timebank.services.audit_host import AuditHost, AuditRefused
from timebank.services.log_sources import HttpLog, NoLogError
from timebank.services.members import grant_role

__all__ = ["house"]

TOKEN = "tb_" + "x" * 43


@pytest_asyncio.fixture(loop_scope="session")
async def book(house: Any) -> AsyncIterator[Book]:
    book = Book(await make_cast(house, MARCH_2))
    await grant_role(house, book.group_id, book.cast.ids["flo"], "auditor", now=MARCH_2)
    await book.write("ed", GiveMoney("money", 5000, "EUR", "bank", None, date(2026, 3, 2)))
    await book.draw("ada", 800)
    book.now += timedelta(days=1)
    await book.close()
    yield book
    await book.writer.close()


class Host(BaseHTTPRequestHandler):
    """Serves a log and the opened book to whoever has the token, and takes keys and cosignatures."""

    log: Path
    opened: bytes
    taken: dict[str, bytes]

    def do_GET(self) -> None:
        if self.path.startswith("/api/"):
            known = self.headers["Authorization"] == f"Bearer {TOKEN}"
            assert self.path == "/api/v1/groups/garden/audit/book"
            self._answer(200 if known else 401, self.opened if known else b"{}")
            return
        file = self.log / self.path.removeprefix("/g/garden/log/")
        self._answer(200, file.read_bytes()) if file.is_file() else self._answer(404, b"")

    def do_POST(self) -> None:
        self.taken[self.path] = self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(204 if self.path.startswith("/g/") else 201, b"")

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serving(host: type[Host]) -> Any:
    with ThreadingHTTPServer(("127.0.0.1", 0), host) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/g/garden"
        finally:
            # Else what a test finds would be waited for, and not told.
            server.shutdown()
            thread.join()


async def test_an_audit_from_its_key_to_its_signature(
    book: Book, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    await book.save_log(tmp_path)
    _, lines = await open_book(book.house, await book.cast.actor("flo"), now=book.now)
    opened = b"".join([piece async for piece in lines])
    taken: dict[str, bytes] = {}
    host = type("ThisHost", (Host,), {"log": tmp_path / "log", "opened": opened, "taken": taken})
    (tmp_path / "token").write_text(TOKEN + "\n")
    (tmp_path / "other").write_text("tb_other")

    async def audit(*words: str, token: str = "token") -> tuple[int, str]:
        more = ["--token-file", str(tmp_path / token)] if words[0] in {"introduce", "open"} else []
        line = ["audit", "--folder", str(tmp_path / "mine"), *words, *more]
        code = await asyncio.to_thread(cli.main, line)
        said = capsys.readouterr()
        return code, said.out + said.err

    with serving(host) as address:
        code, said = await audit("open", address)
        assert (code, "has no key yet. Make one: timebank audit begin NAME" in said) == (1, True)
        assert (await audit("begin", "auditor.example/flo"))[0] == 0
        code, said = await audit("begin", "auditor.example/flo")
        assert (code, "has a key already" in said) == (1, True)
        assert (await audit("introduce", address))[0] == 0
        assert b"auditor.example/flo+" in taken["/api/v1/groups/garden/audit/key"]
        code, said = await audit("open", address, token="other")
        assert (code, "does not know this token" in said) == (2, True)

        code, said = await audit("open", address)
        assert code == 0, said
        assert "every record fits" in said
        assert "I opened every record up to this size" in said
        signed = parse_note(taken["/g/garden/log/cosignatures"])
        assert signed.text == parse_note((tmp_path / "log" / "checkpoint").read_bytes()).text
        assert [one.name for one in signed.signatures][1:] == ["auditor.example/flo"]
        assert "auditor.example/flo" in (await audit("show"))[1]

        # The group moves to another address: the audit goes on from what it knows of this log.
        with serving(host) as moved:
            code, said = await audit("open", moved)
            assert code == 0, said
            assert f"leaves, at {moved}" in (await audit("show"))[1]
            other = (tmp_path / "log" / "checkpoint").read_bytes()
            (tmp_path / "log" / "checkpoint").write_bytes(other.replace(b"\n", b"/other\n", 1))
            code, said = await audit("open", moved)
            assert (code, "that was kept is of another log" in said) == (1, True)
            (tmp_path / "log" / "checkpoint").write_bytes(other)

        # The host shows another record than it published, and the last one not at all.
        taken.clear()
        host.opened = opened.replace(b'\\"amount\\":800', b'\\"amount\\":801')
        code, said = await audit("open", address)
        assert (code, "SOMETHING IS WRONG" in said, taken) == (1, True, {})
        assert "[live_checkpoint]" in said
        host.opened = opened[:-200]
        assert (await audit("open", address))[0] == 2, (
            "it was cut off: nothing is known, neither good nor bad"
        )
        assert taken == {}


@pytest.mark.parametrize("status", [404, 499, 599])
def test_a_host_that_refuses_in_whatever_way_is_told_of_in_a_sentence(status: int):
    class Refusing(Host):
        def do_POST(self) -> None:
            self._answer(status, b"")

    said = "there is no such group" if status == 404 else f"it answered {status}"
    with serving(Refusing) as address, pytest.raises(AuditRefused, match=said):
        AuditHost(address, TOKEN).introduce("key")


@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1", "[::1]:1"])
def test_a_token_goes_nowhere_in_clear_but_to_this_machine(host: str):
    assert AuditHost(f"http://{host}/g/garden", TOKEN).log_url == f"http://{host}/g/garden"
    assert AuditHost("https://pot.example/g/garden", TOKEN).log_url == "https://pot.example/g/garden"
    with pytest.raises(AuditRefused, match="not https"):
        AuditHost(f"http://pot.example/{host}/g/garden", TOKEN)


@pytest.mark.parametrize("port", ["x", "0", "99999", "]"])
def test_an_address_that_is_none_is_said_to_be_none(port: str):
    with pytest.raises(AuditRefused, match="is no address"):
        AuditHost(f"https://pot.example:{port}/g/garden", TOKEN)
    with pytest.raises(NoLogError, match="is no address"):
        HttpLog(f"https://pot.example:{port}/g/garden")
