"""``timebank witness``: from a key to evidence, on the command line."""

from __future__ import annotations

import random
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.public_books import Book, Files
from timebank import cli
from timebank.cli.witness import make_server
from timebank.ledger.public_log import OPEN
from timebank.services.witness import Witness


def write(files: Files, folder: Path) -> None:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


@pytest.fixture
def book() -> Book:
    book = Book(random.Random(21), calm=True)
    book.close(OPEN, lines=5)
    return book


def test_a_witness_from_its_key_to_its_evidence(
    book: Book, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    log, folder = tmp_path / "log", tmp_path / "witness"
    write(book.files(), log)

    def witness(*words: str) -> tuple[int, str]:
        code = cli.main(["witness", "--folder", str(folder), *words])
        said = capsys.readouterr()
        return code, said.out + said.err

    assert witness("poll")[0] == 1, "there is no key yet"
    assert witness("begin", "witness.example/ada")[0] == 0
    assert witness("add", str(tmp_path / "nothing"))[0] == 2
    assert witness("add", str(log))[0] == 0
    assert witness("poll") == (0, f"{book.origin}: {book.ends[-1]} leaves, as before; cosigned.\n")

    older = book.note(-1)
    book.close(OPEN, lines=5, others=[book.restored(), book.new_key()])
    write(book.files(), log)
    code, said = witness("poll", book.origin)
    assert code == 0
    assert "restored from a backup: epoch 2" in said
    assert "new key (rotation)" in said
    code, said = witness("show", book.origin)
    assert said.startswith(book.note(-1).decode())
    assert "witness.example/ada" in said

    (log / "checkpoint").write_bytes(older)
    code, said = witness("poll")
    assert code == 1
    assert "REFUSED (rollback)" in said
    assert "REFUSED (rollback)" in witness("show")[1]
    (log / "checkpoint").unlink()
    assert witness("poll")[0] == 2, "nothing was seen, neither good nor bad"


class Host(BaseHTTPRequestHandler):
    """Serves a log, and takes cosignatures."""

    files: Files
    taken: list[bytes]

    def do_GET(self) -> None:
        data = self.files.get(self.path.removeprefix("/g/garden/log/"))
        self.send_response(404 if data is None else 200)
        self.send_header("Content-Length", str(len(data or b"")))
        self.end_headers()
        self.wfile.write(data or b"")

    def do_POST(self) -> None:
        assert self.path == "/g/garden/log/cosignatures"
        self.taken.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_cosigned_checkpoints_are_sent_to_the_host_and_served(book: Book, tmp_path: Path):
    host = type("ThisHost", (Host,), {"files": book.files(), "taken": []})
    folder = str(tmp_path / "witness")
    with ThreadingHTTPServer(("127.0.0.1", 0), host) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        address = f"http://127.0.0.1:{server.server_port}/g/garden"
        for words in (["begin", "witness.example/bo"], ["add", address], ["poll", address], ["submit"]):
            assert cli.main(["witness", "--folder", folder, *words]) == 0
        server.shutdown()
        thread.join()
    witness = Witness(Path(folder))
    (watched,) = witness.list_watched()
    assert host.taken == [watched.note]

    with make_server(witness, 0) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        base = f"http://127.0.0.1:{server.server_port}"
        with urllib.request.urlopen(f"{base}/{watched.folder}/checkpoint") as answer:
            assert answer.read() == watched.note
        body = b"old %d\n\n%s" % (book.ends[-1], book.note(-1))
        with urllib.request.urlopen(f"{base}/add-checkpoint", body) as answer:
            assert answer.read().decode().startswith("— witness.example/bo ")
        server.shutdown()
        thread.join()
