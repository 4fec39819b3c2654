"""``timebank verify ADDRESS`` and ``timebank verify ARCHIVE``: what they say, and how they end."""

from __future__ import annotations

import argparse
import functools
import http.server
import random
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.public_books import Book, Files
from timebank import cli
from timebank.cli import verify
from timebank.config import OperatorError
from timebank.ledger.notes import seal_of
from timebank.ledger.public_log import CAREFUL, OPEN


def write(files: Files, folder: Path) -> None:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


class Quiet(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def book() -> Book:
    book = Book(random.Random(11), calm=True)
    book.close(OPEN, lines=40, others=[book.policy()])
    book.close(CAREFUL, lines=300)
    return book


@pytest.fixture
def folder(book: Book, tmp_path: Path) -> Path:
    write(book.files(), tmp_path / "g" / "garden" / "log")
    return tmp_path / "g" / "garden" / "log"


@pytest.fixture
def address(folder: Path) -> Iterator[str]:
    handler = functools.partial(Quiet, directory=str(folder.parents[2]))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/g/garden"
        server.shutdown()
        thread.join()


def test_a_log_is_checked_at_its_address_in_a_folder_and_in_an_archive(
    book: Book, folder: Path, address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    archive = tmp_path / "garden.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for name, data in book.files().items():
            file.writestr(f"log/{name}", data)

    for where in (address, f"{address}/log", str(folder), str(folder.parent), str(archive)):
        assert cli.main(["verify", where]) == 0
        out = capsys.readouterr().out
        assert f"the public log of {book.origin} is whole" in out
        assert f"{len(book.leaves):,} leaves" in out
        assert f"on its print: {seal_of((folder / 'checkpoint').read_text())}\n" in out
        assert "Not proved, here or anywhere: that what people wrote down is true." in out


def test_what_is_wrong_is_named_with_its_leaf(folder: Path, address: str, capsys: pytest.CaptureFixture[str]):
    bundle = folder / "tile" / "entries" / "000"
    data = bytearray(bundle.read_bytes())
    data[len(data) // 2] ^= 1
    bundle.write_bytes(data)

    assert cli.main(["verify", address]) == 1
    out = capsys.readouterr().out
    assert "SOMETHING IS WRONG" in out
    assert "leaf 1" in out


def test_a_checkpoint_is_kept_and_compared_with_the_next_time(
    book: Book, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    kept = tmp_path / "kept.txt"
    first = cli.main(["verify", str(folder), "--keep", str(kept)])
    assert first == 0
    assert "since you last looked" in capsys.readouterr().out
    assert kept.read_bytes() == book.note(-1)
    older = kept.read_bytes()

    book.close(CAREFUL, lines=5)
    write(book.files(), folder)
    assert cli.main(["verify", str(folder), "--keep", str(kept)]) == 0
    assert "Nothing of the" in capsys.readouterr().out
    assert kept.read_bytes() == book.note(-1) != older

    (folder / "checkpoint").write_bytes(older)
    assert cli.main(["verify", str(folder), "--keep", str(kept)]) == 1
    assert "older state" in capsys.readouterr().out
    assert kept.read_bytes() == book.note(-1)
    assert cli.main(["verify", str(folder), "--checkpoint", str(tmp_path / "kept.txt")]) == 1


def test_what_cannot_be_checked_is_neither_whole_nor_wrong(
    folder: Path, address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    nothing = tmp_path / "nothing"
    nothing.mkdir()
    no_note = tmp_path / "no_note"
    no_note.write_text("hello")
    for words in (
        [str(nothing)],
        [str(no_note)],
        [str(tmp_path / "absent.zip")],
        [f"{address}/elsewhere"],
        ["http://"],
        ["http://127.0.0.1:1/g/garden"],
        [str(folder), "--checkpoint", str(no_note)],
        [str(folder), "--checkpoint", str(tmp_path / "absent")],
    ):
        assert cli.main(["verify", *words]) == 2, words
        assert capsys.readouterr().err.startswith("timebank: ")


def test_checkpoints_that_were_kept_are_of_public_logs_only(tmp_path: Path):
    words = argparse.Namespace(where=None, checkpoint=None, keep=tmp_path / "kept.txt", group=None)

    assert not verify.works_outside(words)
    with pytest.raises(OperatorError, match="public logs"):
        verify.run(words)
