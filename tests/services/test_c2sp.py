"""Our log, read by somebody else's code: sumdb/note and sumdb/tlog of the Go team, as Debian packages them."""

from __future__ import annotations

import base64
import json
import os
import random
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.public_books import Book, Files, new_secret, public
from timebank.ledger.cosignatures import cosign
from timebank.ledger.notes import format_note, parse_note, verifier_key
from timebank.ledger.public_log import CAREFUL, OPEN
from timebank.ledger.tiles import consistency_from_tiles, inclusion_from_tiles, root_at
from timebank.ledger.tree import leaf_hash

PROGRAM = Path(__file__).parents[1] / "c2sp" / "check_log.go"
GOPATH = Path("/usr/share/gocode")
WITNESS = new_secret(random.Random(99))

pytestmark = pytest.mark.skipif(
    shutil.which("go") is None or not (GOPATH / "src/golang.org/x/mod/sumdb/tlog").is_dir(),
    reason="Debian's golang-go and golang-golang-x-mod-dev are not installed",
)


@pytest.fixture(scope="session")
def check(tmp_path_factory: pytest.TempPathFactory) -> Callable[[dict[str, Any]], tuple[bool, str]]:
    """Build the program once; ask it and return whether it was content, and what it said."""
    folder = tmp_path_factory.mktemp("go")
    program = folder / "check_log"
    variables = {
        "GO111MODULE": "off",
        "GOPATH": str(GOPATH),
        "GOCACHE": str(folder / "cache"),
        "CGO_ENABLED": "0",
    }
    built = subprocess.run(
        ["go", "build", "-o", program, PROGRAM],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr

    def ask(question: dict[str, Any]) -> tuple[bool, str]:
        done = subprocess.run(
            [program], input=json.dumps(question), capture_output=True, text=True, check=False
        )
        return done.returncode == 0, done.stdout + done.stderr

    return ask


def write(files: Files, folder: Path) -> None:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def proof(index: int, hash_: bytes, path: tuple[bytes, ...]) -> dict[str, Any]:
    return {"Index": index, "Hash": b64(hash_), "Path": [b64(one) for one in path]}


@pytest.fixture(scope="module")
def book() -> Book:
    book = Book(random.Random(31), calm=True)
    for lines in (3, 300, 250, 1200, 40):
        book.close(
            OPEN if lines % 2 else CAREFUL, lines=lines, others=[book.new_key()] if lines == 250 else []
        )
    return book


def question(book: Book, folder: Path, at: int = -1) -> dict[str, Any]:
    """Return what there is to check at one of the checkpoints: the log, cosigned, and proofs of ours."""
    files = book.files(at=at)
    size = book.ends[at]
    cosigned = parse_note(files["checkpoint"])
    own = cosign(cosigned.text, "witness.example/ada", public(WITNESS), WITNESS.sign, at=1_795_000_000)
    files["checkpoint"] = format_note(cosigned.text, (*cosigned.signatures, own)).encode()
    write(files, folder)
    read = files.__getitem__
    places = sorted({0, 1, size // 2, 255, 256, size - 1} & set(range(size)))
    older = sorted({1, 2, size // 2 or 1, 255, 256, size - 1, *book.ends} & set(range(1, size)))
    return {
        "Folder": str(folder),
        "Key": verifier_key(book.origin, public(book.secrets[at])),
        "Cosigner": "witness.example/ada",
        "Public": b64(public(WITNESS)),
        "Included": [
            proof(i, leaf_hash(book.leaves[i]), inclusion_from_tiles(i, size, read)) for i in places
        ],
        "Goes": [
            proof(old, root_at(old, book.files(at=book.ends.index(old)).__getitem__), path)
            for old in older
            if old in book.ends
            for path in [consistency_from_tiles(old, size, read)]
        ],
    }


def test_checkpoints_tiles_bundles_and_proofs_of_ours_are_taken_by_the_go_teams_code(
    check, book: Book, tmp_path: Path
):
    for at, size in enumerate(book.ends):
        asked = question(book, tmp_path / str(at), at)
        if at:
            assert asked["Goes"]

        assert check(asked) == (True, f"ok {size}\n")


def test_wrong_proofs_of_ours_would_not_be(check, book: Book, tmp_path: Path):
    asked = question(book, tmp_path)
    asked["Wrong"] = [{**one, "Hash": b64(bytes(32))} for one in asked["Included"]]
    asked["Wrong"] += [{**one, "Path": one["Path"][:-1]} for one in asked["Included"]]
    asked["WrongGoes"] = [{**one, "Hash": b64(bytes(32))} for one in asked["Goes"]]
    assert check(asked)[0]

    # The guards themselves: a right proof among the wrong ones is noticed.
    asked["Wrong"] = asked["Included"][:1]
    assert check(asked) == (False, "a wrong proof was taken\n")


@pytest.mark.parametrize("what", ["checkpoint", "tile/0/", "tile/1/", "tile/entries/"])
def test_a_changed_byte_is_found_by_the_go_teams_code_too(check, book: Book, tmp_path: Path, what: str):
    asked = question(book, tmp_path)
    path = next(path for path in sorted(tmp_path.rglob("*")) if path.is_file() and what in path.as_posix())
    data = bytearray(path.read_bytes())
    data[40] ^= 1
    path.write_bytes(data)

    assert not check(asked)[0]


def test_another_key_is_refused_by_the_go_teams_code(check, book: Book, tmp_path: Path):
    asked = question(book, tmp_path)

    assert not check({**asked, "Key": verifier_key(book.origin, public(WITNESS))})[0]
    assert not check({**asked, "Public": b64(public(book.secret))})[0]
