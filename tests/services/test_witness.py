"""A witness: goes on with every honest log, and finds in one poll whatever a host with the key may try."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from tests.public_books import Book, Files, new_secret, write_log
from timebank.ledger.cosignatures import COSIGNATURE, cosignature_verifier, cosigned_at
from timebank.ledger.notes import key_id, parse_checkpoint, parse_note, read_verifier_key, verified
from timebank.ledger.public_log import CAREFUL, OPEN, SHELTERED, RestoredLeaf
from timebank.ledger.tiles import consistency_from_tiles
from timebank.services.public_verify import verify_with
from timebank.services.witness import Cosigned, Evidence, Witness, WitnessError

URL = "https://open.example/g/garden"
NOW = 1_795_000_000


class InMemory:
    """Files of a log in a dictionary."""

    def __init__(self, files: Files) -> None:
        self.read = files.get

    def expect(self, names: object) -> None:
        """Everything is here already."""


def grown(seed: int, *, periods: int = 2) -> Book:
    book = Book(random.Random(seed), calm=True)
    for _ in range(periods):
        book.close(OPEN, lines=10)
    return book


@pytest.fixture
def book() -> Book:
    return grown(5)


@pytest.fixture
def witness(tmp_path: Path, book: Book) -> Witness:
    witness = Witness.begin(tmp_path / "witness", "witness.example/ada", bytes(range(32)))
    verdict, _ = witness.add(URL, InMemory(book.files()), at=NOW)
    assert verdict.ok
    return witness


def poll(witness: Witness, files: Files, *, at: int = NOW + 300) -> Cosigned | Evidence:
    return witness.poll(witness.find(URL), InMemory(files), at=at)


def refused(witness: Witness, files: Files) -> Evidence:
    """Poll, and be sure that a refusal changed nothing of what is known."""
    before = witness.find(URL)
    found = poll(witness, files)
    assert isinstance(found, Evidence), found
    assert witness.find(URL) == before
    assert (found.path / "known").read_bytes() == before.note
    assert (found.path / "shown").read_bytes() == files.get("checkpoint", b"")
    assert found.path in [one.path for one in witness.list_evidence()]
    return found


# ---------------------------------------------------------------- honest logs


def test_a_log_that_goes_on_is_cosigned_with_the_time(witness: Witness, book: Book):
    book.close(CAREFUL, lines=400)

    found = poll(witness, book.files())

    assert isinstance(found, Cosigned)
    assert (found.before, found.size) == (book.ends[-2], book.ends[-1])
    name, tag, key = read_verifier_key(witness.key, COSIGNATURE)
    verify = cosignature_verifier(lambda signature, message: verify_with(key, signature, message))
    (own,) = verified(parse_note(found.note), {(name, tag): verify})
    assert cosigned_at(own) == NOW + 300
    assert found.note.startswith(book.note(-1)), "the log's own signature stays"
    assert witness.find(book.origin).note == found.note
    assert witness.list_evidence() == []


def test_a_log_that_did_not_grow_is_cosigned_anew(witness: Witness, book: Book):
    first = witness.find(URL).note

    found = poll(witness, book.files())

    assert isinstance(found, Cosigned)
    assert (found.before, found.size) == (book.ends[-1], book.ends[-1])
    assert found.note != first


def test_new_keys_are_followed_and_told(witness: Witness, book: Book):
    for reason in ("rotation", "lost", "moved"):
        book.close(SHELTERED, others=[book.new_key(reason=reason)])
        if reason == "rotation":
            continue
        found = poll(witness, book.files())
        assert isinstance(found, Cosigned)
        assert found.accepted.new_keys[-1].reason == reason
        assert witness.find(URL).known.keys.log_key == found.accepted.new_keys[-1].new


def test_an_honest_restore_is_accepted_and_told(witness: Witness, book: Book):
    book.close(OPEN, others=[book.restored()])

    found = poll(witness, book.files())

    assert isinstance(found, Cosigned)
    assert [type(one) for one in found.accepted.restores] == [RestoredLeaf]
    assert found.accepted.restores[0].epoch == 2


@pytest.mark.parametrize("seed", range(6))
def test_random_logs_are_followed_period_by_period(tmp_path: Path, seed: int):
    book = Book(random.Random(seed))
    witness = Witness.begin(tmp_path / "witness", "witness.example/ada", bytes(32))
    witness.add(URL, InMemory(book.files()), at=NOW)
    for _ in range(6):
        for _ in range(book.chance.randrange(1, 4)):
            book.close()
        assert isinstance(poll(witness, book.files()), Cosigned)


# ---------------------------------------------------------------- what a host with the key may try


def test_history_written_anew_with_the_key_is_refused_in_one_poll_and_proved(witness: Witness, book: Book):
    book.close(OPEN, lines=3)
    leaves = list(book.leaves)
    leaves[3] = leaves[3].replace(b'"v":1', b'"v":1')[:-60] + b"x" * 60
    files = write_log(leaves, book.secret, files=book.policies)

    found = refused(witness, files)

    assert (found.kind, found.proves) == ("fork", True)
    # The evidence holds by itself: the kept files have the new root, and do not begin with the old one.
    kept = {
        p.relative_to(found.path / "log").as_posix(): p.read_bytes()
        for p in (found.path / "log").rglob("*.p/*")
    }
    about = json.loads((found.path / "about.json").read_text())
    assert about["witness_key"] == witness.key
    old, new = (parse_checkpoint(parse_note((found.path / n).read_bytes()).text) for n in ("known", "shown"))
    assert consistency_from_tiles(old.size, new.size, kept.__getitem__)


def test_two_histories_of_the_same_size_are_refused_and_proved(witness: Witness, book: Book):
    other = grown(5, periods=1)
    other.chance = random.Random(77)
    other.close(OPEN, lines=10)
    assert other.ends == book.ends

    found = refused(witness, other.files())

    assert (found.kind, found.proves) == ("fork", True)


def test_yesterdays_backup_shown_as_today_is_refused(witness: Witness, book: Book):
    found = refused(witness, book.files(at=1))

    assert found.kind == "rollback"
    assert not found.proves, "the older checkpoint was right once"


def test_yesterdays_backup_that_went_on_is_refused_and_proved(witness: Witness):
    restored = grown(5, periods=1)
    restored.chance = random.Random(77)
    restored.close(OPEN, lines=40)
    restored.close(OPEN, lines=40, others=[restored.restored()])

    found = refused(witness, restored.files())

    assert (found.kind, found.proves) == ("fork", True)


def test_another_key_is_refused_and_proves_nothing_against_the_group(witness: Witness, book: Book):
    book.close(OPEN)
    found = refused(witness, write_log(book.leaves, new_secret(random.Random(8)), files=book.policies))

    assert (found.kind, found.proves) == ("not_signed", False)


def test_a_key_that_nobody_introduced_is_refused(witness: Witness, book: Book):
    key = book.new_key()
    book.close(OPEN, others=[key._replace(signature=bytes(64))])

    assert refused(witness, book.files()).kind == "not_its_files"


def test_another_log_at_the_same_address_is_refused(witness: Witness):
    other = Book(random.Random(6), calm=True, origin="open.example/g/other")
    other.close(OPEN)

    assert refused(witness, other.files()).kind == "other_log"


@pytest.mark.parametrize("lost", ["tile/entries/", "tile/0/"])
def test_files_that_are_not_those_of_the_checkpoint_are_refused(witness: Witness, book: Book, lost: str):
    book.close(OPEN)
    whole = book.files()

    without = {path: data for path, data in whole.items() if not path.startswith(lost)}
    other = {path: b"xx" + data[2:] if path.startswith(lost) else data for path, data in whole.items()}

    assert refused(witness, without).kind == "not_its_files"
    assert refused(witness, other).kind == "not_its_files"
    assert isinstance(poll(witness, whole), Cosigned), "a host that was broken is forgiven"


@pytest.mark.parametrize("shown", [b"", b"hello", b"open.example/g/garden\n1\n\n"])
def test_what_is_no_checkpoint_is_refused(witness: Witness, shown: bytes):
    assert refused(witness, {"checkpoint": shown}).kind == "not_its_files"


def test_the_same_evidence_is_kept_once(witness: Witness, book: Book):
    first = refused(witness, book.files(at=1))
    again = refused(witness, book.files(at=1))

    assert first == again
    assert witness.list_evidence() == [first]


# ---------------------------------------------------------------- beginning


def test_only_a_whole_log_with_the_key_that_was_given_is_watched(tmp_path: Path, book: Book):
    witness = Witness.begin(tmp_path / "w", "witness.example/ada", bytes(32))
    broken = {**book.files(), "checkpoint": b""}
    verdict, note = witness.add(URL, InMemory(broken), at=NOW)
    assert (verdict.ok, note, witness.list_watched()) == (False, b"", [])
    with pytest.raises(WitnessError, match="another key"):
        witness.add(URL, InMemory(book.files()), at=NOW, key="open.example/g/garden+00000000+AAAA")

    verdict, _ = witness.add(URL, InMemory(book.files()), at=NOW)
    assert verdict.ok

    with pytest.raises(WitnessError, match="already"):
        witness.add(URL, InMemory(book.files()), at=NOW)
    with pytest.raises(WitnessError, match="not watched"):
        witness.find("https://open.example/g/other")


def test_a_witness_begins_once_with_a_name_that_is_one(tmp_path: Path):
    with pytest.raises(WitnessError, match="timebank witness begin NAME"):
        Witness(tmp_path / "w")
    with pytest.raises(WitnessError, match="no name"):
        Witness.begin(tmp_path / "w", "Ada of the garden", bytes(32))
    made = Witness.begin(tmp_path / "w", "witness.example/ada", bytes(32))
    with pytest.raises(WitnessError, match="already"):
        Witness.begin(tmp_path / "w", "witness.example/ada", bytes(32))

    assert Witness(tmp_path / "w").key == made.key
    assert (tmp_path / "w" / "witness.json").stat().st_mode & 0o777 == 0o600


# ---------------------------------------------------------------- add-checkpoint (C2SP tlog-witness)


def request(old: int, proof: tuple[bytes, ...], note: bytes) -> bytes:
    import base64

    lines = [f"old {old}".encode(), *(base64.b64encode(one) for one in proof)]
    return b"\n".join(lines) + b"\n\n" + note


def test_a_log_may_send_its_checkpoint_with_a_proof(witness: Witness, book: Book):
    old = book.ends[-1]
    book.close(OPEN, lines=300)
    files = book.files()
    proof = consistency_from_tiles(old, book.ends[-1], files.__getitem__)

    status, line = witness.add_checkpoint(request(old, proof, files["checkpoint"]), at=NOW)

    assert status == 200
    note = parse_note(files["checkpoint"] + line.encode())
    assert note.signatures[-1].key_id == key_id(
        witness.name, read_verifier_key(witness.key, COSIGNATURE)[2], 4
    )
    assert witness.find(URL).known.checkpoint.size == book.ends[-1]
    assert witness.add_checkpoint(request(old, proof, files["checkpoint"]), at=NOW) == (
        409,
        f"{book.ends[-1]}\n",
    )


def test_a_checkpoint_that_does_not_go_on_is_answered_as_the_specification_has_it(
    witness: Witness, book: Book
):
    old = book.ends[-1]
    other = grown(5, periods=1)
    other.chance = random.Random(77)
    other.close(OPEN, lines=10)
    book.close(OPEN)
    files = book.files()
    proof = consistency_from_tiles(old, book.ends[-1], files.__getitem__)
    thief = write_log(book.leaves, new_secret(random.Random(1)), files=book.policies)
    stranger = write_log(book.leaves, book.secret, origin="open.example/g/other")
    before = witness.find(URL)

    def answer(*parts) -> int:
        return witness.add_checkpoint(request(*parts), at=NOW)[0]

    assert answer(old, proof, stranger["checkpoint"]) == 404
    assert answer(old, proof, thief["checkpoint"]) == 403
    assert answer(book.ends[-1] + 1, proof, files["checkpoint"]) == 400
    assert answer(0, (), files["checkpoint"]) == 409
    assert answer(old, proof[:-1], files["checkpoint"]) == 422
    assert answer(old, (b"short", *proof[1:]), files["checkpoint"]) == 422
    assert answer(old, (), other.files()["checkpoint"]) == 409
    assert answer(old, (bytes(32),) * 64, files["checkpoint"]) == 400
    for body in (
        b"",
        b"old\n\n",
        b"old 01\n\n",
        b"old 1\n!\n\n",
        b"new 1\n\n" + files["checkpoint"],
        b"old \xb2\n\n",
    ):
        assert witness.add_checkpoint(body, at=NOW)[0] == 400
    assert witness.find(URL) == before
    assert [one.kind for one in witness.list_evidence()] == ["fork"]
