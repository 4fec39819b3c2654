"""Two programs that check a public log: each finds whatever was done to it, and both say the same."""

from __future__ import annotations

import importlib.util
import os
import random
import re
import zipfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from types import ModuleType

import pytest

from tests.public_books import (
    IN_A_FILE,
    IN_THE_LEAVES,
    Book,
    Files,
    another_leaf,
    new_secret,
    public,
    random_book,
    signed,
    tamper_with_leaves,
    write_log,
)
from timebank.ledger.notes import seal_of, verifier_key
from timebank.ledger.public_log import CAREFUL, OPEN, SHELTERED, ClosingLeaf, read_leaf
from timebank.ledger.tiles import TILE_WIDTH, bundle, entries_path, tiles_at
from timebank.services.public_verify import LogVerdict, NotACheckpointError, check_log, verify_with

SCRIPT = Path(__file__).parents[2] / "frontend" / "download" / "check_book.py"
BOOKS = int(os.environ.get("TIMEBANK_TEST_BOOKS", "60"))


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("check_book", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


OTHER = load()


class InMemory:
    """Files of a log in a dictionary."""

    def __init__(self, files: Files) -> None:
        self.read = files.get

    def expect(self, names: object) -> None:
        """Everything is here already."""


def ours(files: Files, kept: bytes | None = None) -> LogVerdict:
    return check_log(InMemory(files), kept=kept)


def both(files: Files, kept: bytes | None = None) -> tuple[bool, int | None]:
    """Return what both programs say: whether the log is whole, and the first wrong leaf."""
    verdict = ours(files, kept)
    complaints, _ = OTHER.check(files.get, kept)
    here = verdict.ok, next((finding.leaf for finding in verdict.findings), None)
    there = not complaints, next((leaf for leaf, _ in complaints), None)
    assert here == there, (verdict.findings, complaints)
    return here


def said(files: Files, kept: bytes | None = None) -> str:
    assert not both(files, kept)[0]
    return "; ".join(finding.what for finding in ours(files, kept).findings)


# ---------------------------------------------------------------- at random


@pytest.fixture
def reading_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each program work out once what depends on the bytes of one leaf or signature alone: books differ in few."""
    once = lru_cache(maxsize=4000)
    monkeypatch.setattr("timebank.ledger.public_check.read_leaf", once(read_leaf))
    monkeypatch.setattr("timebank.services.public_verify.verify_with", once(verify_with))
    for name in ("take_leaf_apart", "signature_fits"):
        monkeypatch.setattr(OTHER, name, once(getattr(OTHER, name)))


@pytest.mark.usefixtures("reading_once")
@pytest.mark.parametrize("part", range(4))
def test_both_programs_agree_on_random_books_and_find_whatever_was_done_to_them(part: int):
    for seed in range(part, BOOKS, 4):
        chance = random.Random(seed)
        book = random_book(chance, chance.randrange(1, 5) if seed % 20 else 24)
        files = book.files()
        kept = book.note(chance.randrange(len(book.ends)))
        assert both(files) == (True, None), seed
        assert both(files, kept) == (True, None), seed
        for how in IN_A_FILE:
            changed = dict(files)
            how(changed, chance, chance.choice(sorted(changed)))
            assert not both(changed)[0], (seed, how)
        _tamper(book, files, chance)


def _tamper(book: Book, files: Files, chance: random.Random) -> None:
    oldest = book.note(0)
    for how in IN_THE_LEAVES:
        leaves, at = tamper_with_leaves(how, book.leaves, chance)
        if leaves == book.leaves or not leaves:
            continue
        # Who has the files and not the key: entries alone, entries and tiles, or with a key of their own.
        thief = new_secret(chance)
        alone, rehashed = dict(files), write_log(leaves, thief, files=book.policies)
        for tile in tiles_at(len(book.leaves), 0):
            first = tile.number * TILE_WIDTH
            entries = leaves[first : first + TILE_WIDTH]
            alone[entries_path(tile.number, tile.width)] = bundle(entries) if entries else b""
        found, leaf = both(alone)
        assert not found, how
        assert leaf == min(at, len(book.leaves) - 1), how
        assert not both(rehashed)[0], how
        old_note = {**rehashed, "checkpoint": files["checkpoint"]}
        assert not both(old_note)[0], how
        # With the key the log may look whole; whoever kept a checkpoint of what is gone sees it.
        forged = write_log(leaves, book.secret, files=book.policies)
        if at < book.ends[-1]:
            assert not both(forged, files["checkpoint"])[0], how
        both(forged)
        both(forged, oldest)
    for _ in range(6):
        # A host that writes nonsense and signs it: whatever it is, both say the same of it.
        leaves = list(book.leaves)
        at = chance.choice([number for number, leaf in enumerate(leaves) if len(leaf) > 95])
        leaves[at] = another_leaf(leaves[at], chance)
        both(write_log(leaves, book.secret, files=book.policies))


@pytest.mark.parametrize(
    "what", ["tile/0/", "tile/1/", "tile/2/", "tile/entries/", "policies/", "checkpoint"]
)
def test_every_kind_of_file_is_looked_at(what: str):
    chance = random.Random(7)
    book = random_book(chance, 2)
    while "tile/1/000.p/3" not in (files := book.files()):
        book.close(OPEN, lines=200)
    files["tile/2/000.p/1"] = b"h" * 32
    names = [name for name in files if name.startswith(what)]
    if what == "tile/2/":
        # A log of this size has no such tile, so nobody reads it.
        assert both(files) == (True, None)
        return
    assert names
    for name in names:
        for how in IN_A_FILE:
            changed = dict(files)
            how(changed, chance, name)
            assert not both(changed)[0], name


# ---------------------------------------------------------------- one by one


def some_book() -> Book:
    book = Book(random.Random(3), calm=True)
    book.close(OPEN, lines=12, others=[book.policy()])
    book.close(CAREFUL, lines=20, others=[book.new_key(reason="lost")])
    return book


def finish(book: Book) -> Book:
    book.close(SHELTERED, lines=5)
    book.close(CAREFUL, lines=3, others=[book.restored()])
    return book


@pytest.fixture
def book() -> Book:
    return finish(some_book())


def forged(book: Book, change: Callable[[bytes], bytes], *, at: Callable[[bytes], bool]) -> tuple[Files, int]:
    """Return a log in which somebody with the key changed the last leaf that is so, and which leaf it was."""
    place = max(number for number, leaf in enumerate(book.leaves) if at(leaf))
    leaves = list(book.leaves)
    leaves[place] = change(leaves[place])
    assert leaves[place] != book.leaves[place]
    return write_log(leaves, book.secret, files=book.policies), place


def is_closing(preset: str) -> Callable[[bytes], bool]:
    return lambda leaf: b'"closing"' in leaf and b'"preset":"%s"' % preset.encode() in leaf


def replace(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    return lambda leaf: re.sub(old, new, leaf, count=1)


@pytest.mark.parametrize(
    ("preset", "old", "new", "why"),
    [
        (CAREFUL, rb'"closing":\{"available":-?', rb'"closing":{"available":1', "does not add up"),
        (CAREFUL, rb'"in":', rb'"in":9', "came in and went out"),
        (CAREFUL, rb'"lines":', rb'"lines":1', "other lines"),
        (CAREFUL, rb'"opening":\{"available":-?', rb'"opening":{"available":1', "does not open"),
        (CAREFUL, rb'"amount":', rb'"amount":1', "what is held"),
        (CAREFUL, rb'"first_day":"....-..-..', rb'"first_day":"2020-01-01', "first day"),
        (CAREFUL, rb'"period":', rb'"period":1', "does not follow period"),
        (CAREFUL, rb'"preset":"careful"', rb'"preset":"open"', "does not show"),
        (CAREFUL, rb'"policies":\[.*?\]', rb'"policies":[{"pot":"hours","version":99}]', "never published"),
        (SHELTERED, rb'"out":', rb'"out":1', "does not add up"),
        (SHELTERED, rb'"opening":-?', rb'"opening":1', "does not open"),
        (SHELTERED, rb'"pot":"money","unit"', rb'"pot":"moneyx","unit"', "is gone"),
        (SHELTERED, rb'"unit":"minutes"', rb'"unit":"weeks"', "is gone"),
    ],
)
def test_a_figure_that_does_not_follow_is_found_though_the_host_signed_it(
    book: Book, preset: str, old: bytes, new: bytes, why: str
):
    files, place = forged(book, replace(old, new), at=is_closing(preset))

    assert both(files) == (False, place)
    assert why in said(files)


def test_a_line_that_was_changed_is_found_at_the_close_of_its_period(book: Book):
    files, place = forged(
        book,
        replace(rb'"available":-?', rb'"available":7'),
        at=lambda leaf: b'"day"' in leaf and b'"available"' in leaf,
    )

    assert both(files) == (False, book.ends[1] - 1)
    assert place < book.ends[1] - 1


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        (rb'"reason":"lost"', rb'"reason":"stolen"', "not signed"),
        (rb'"signature":"..', rb'"signature":"00', "not signed"),
        (rb'"recovery":"..', rb'"recovery":"00', "recovery key"),
    ],
)
def test_a_new_key_that_nobody_introduced_is_found(book: Book, old: bytes, new: bytes, why: str):
    files, place = forged(book, replace(old, new), at=lambda leaf: b'"kind":"key"' in leaf)

    assert both(files) == (False, place)
    assert why in said(files)


def test_a_key_that_is_replaced_twice_in_a_period_is_found(book: Book):
    secret = book.secret
    first = book.new_key()
    book.secret = secret
    second = book.new_key()
    book.close(CAREFUL, others=[first, second])
    later = max(first.commitment, second.commitment).hex().encode()

    found = both(book.files())

    assert found == (False, next(place for place, leaf in enumerate(book.leaves) if later in leaf))


def test_what_a_line_does_to_no_pot_of_the_group_is_found(book: Book):
    files, _ = forged(
        book,
        replace(rb'"pot":"[a-z]+"', rb'"pot":"other"'),
        at=lambda leaf: b'"day"' in leaf and b'"pot"' in leaf,
    )

    assert both(files) == (False, book.ends[1] - 1)
    assert "no pot of this group" in said(files)


def test_an_epoch_that_was_before_is_found(book: Book):
    book.close(CAREFUL, others=[book.restored()])
    files, place = forged(book, replace(rb'"epoch":3', rb'"epoch":2'), at=lambda leaf: b'"epoch":3' in leaf)

    assert both(files) == (False, place)


def test_the_checkpoint_is_signed_with_the_key_of_its_own_close(book: Book):
    at = 2
    before, after = book.secrets[at - 1], book.secrets[at]
    leaves = book.leaves[: book.ends[at]]
    assert public(before) != public(after)

    assert both(write_log(leaves, after, files=book.policies)) == (True, None)
    assert "not signed" in said(write_log(leaves, before, files=book.policies))


def test_the_newest_checkpoint_of_another_log_is_found(book: Book):
    files = write_log(book.leaves, book.secret, origin="open.example/g/other", files=book.policies)

    assert "another log" in said(files)


@pytest.mark.parametrize("cut", [1, 2, 16])
def test_a_log_that_ends_within_a_period_is_found(book: Book, cut: int):
    assert "middle of a period" in said(write_log(book.leaves[:-cut], book.secret, files=book.policies))


@pytest.mark.parametrize("preset", [OPEN, SHELTERED])
def test_what_a_restore_lost_is_taken_out_once_and_only_where_the_log_tells_of_it(preset: str):
    book = Book(random.Random(3), calm=True)
    book.close(preset, lines=5)
    restored = book.restored()._replace(lost=3)
    while b'"lost":' not in book.leaves[-1]:
        book.close(preset, lines=5, others=[restored])
        restored = book.restored()._replace(lost=3)
    assert both(book.files()) == (True, None)

    def without(before: bytes, after: bytes) -> Files:
        start = book.ends[-2]
        leaves = [leaf.replace(before, after) if at >= start else leaf for at, leaf in enumerate(book.leaves)]
        assert leaves != book.leaves
        return write_log(leaves, book.secret, files=book.policies)

    assert "nothing says that the book was restored" in said(without(b'"lost":3,', b'"lost":0,'))
    lost = re.search(rb'"lost":(\{[^}]*\}|-?[0-9]+),"opening"', book.leaves[-1])
    assert lost is not None
    assert "does not add up" in said(without(lost[0], b'"opening"'))


def test_an_empty_log_and_none_at_all_are_found():
    secret = new_secret(random.Random(1))

    assert "empty" in said(write_log([], secret))
    assert "no checkpoint" in said({})
    assert "checkpoint is none" in said({"checkpoint": b"hello\n"})


def test_a_whole_log_is_told_with_its_key_and_what_there_was(book: Book):
    verdict = ours(book.files(), book.note(2))

    assert verdict.ok
    assert verdict.keys is not None
    assert verdict.keys.log_key == verifier_key(book.origin, public(book.secret))
    assert (verdict.seen.leaves, verdict.seen.periods, verdict.kept) == (book.ends[-1], 4, book.ends[2])
    assert [one.epoch for one in verdict.seen.restores] == [2]
    assert verdict.seen.new_keys == 1


# ---------------------------------------------------------------- with a checkpoint that was kept


def test_a_log_goes_on_from_every_checkpoint_that_was_ever_kept(book: Book):
    for at in range(len(book.ends)):
        assert both(book.files(), book.note(at)) == (True, None)


def test_an_older_state_shown_as_if_it_were_todays_is_found(book: Book):
    assert "older state" in said(book.files(at=2), book.note(3))


def test_another_history_of_the_same_length_is_found(book: Book):
    other = some_book()
    other.chance = random.Random(4)
    finish(other)
    assert book.files(at=2) == other.files(at=2)
    assert both(other.files()) == (True, None)

    assert "history was changed" in said(other.files(), book.note(3))
    assert both(other.files(), book.note(2)) == (True, None)


def test_a_kept_checkpoint_that_the_log_never_signed_is_found(book: Book):
    real = book.files(at=2)["checkpoint"].split(b"\n")
    size, root = int(real[1]), OTHER.from_base64(real[2].decode())
    thief = new_secret(random.Random(9))

    assert "not signed" in said(book.files(), signed(book.origin, size, root, thief))
    assert "another log" in said(book.files(), signed("open.example/g/other", size, root, book.secrets[2]))


@pytest.mark.parametrize("kept", [b"", b"hello", b"a\nb\nc\n\n"])
def test_what_is_no_checkpoint_cannot_be_compared_with(book: Book, kept: bytes):
    with pytest.raises(NotACheckpointError):
        ours(book.files(), kept)
    with pytest.raises(OTHER.CannotCheck):
        OTHER.check(book.files().get, kept)


# ---------------------------------------------------------------- the downloaded program by itself


def written(files: Files, folder: Path) -> Path:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def test_the_second_program_reads_folders_and_archives(
    book: Book, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    files = book.files()
    folder = written(files, tmp_path / "log")
    archive = tmp_path / "garden.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for name, data in files.items():
            file.writestr(f"log/{name}", data)
    kept = tmp_path / "kept.txt"
    kept.write_bytes(book.note(1))

    for where in (folder, tmp_path, archive):
        assert OTHER.main([str(where), "--checkpoint", str(kept)]) == 0
        assert f"leaves:   {len(book.leaves)}" in capsys.readouterr().out

    (folder / "tile" / "0" / "000.p" / next(iter(os.listdir(folder / "tile" / "0" / "000.p")))).write_bytes(
        b""
    )
    assert OTHER.main([str(folder)]) == 1
    assert "leaf 0" in capsys.readouterr().out


def test_the_second_program_tells_of_which_page_a_printed_seal_is(
    book: Book, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    folder = written(book.files(), tmp_path / "log")
    seals = [seal_of(book.note(closing).decode()) for closing in range(1, len(book.ends))]
    days = [leaf.last_day for leaf in map(read_leaf, book.leaves) if isinstance(leaf, ClosingLeaf)]

    assert OTHER.main([str(folder)]) == 0
    assert f"seal:     {seals[-1]} " in capsys.readouterr().out
    for seal, day in zip(seals, days, strict=True):
        assert OTHER.main([str(folder), "--seal", seal.replace(" ", "").lower()]) == 0
        assert f"the page as of {day}." in capsys.readouterr().out

    assert OTHER.main([str(folder), "--seal", "AAAA AAAA AAAA AAAA"]) == 1
    assert "no page of this log ever had the seal" in capsys.readouterr().out


def test_the_second_program_shares_no_code_with_the_first():
    text = SCRIPT.read_text(encoding="utf-8")

    assert not re.search(r"^\s*(import|from)\s+timebank", text, re.MULTILINE)
    packages = set(re.findall(r"^(?:import|from)\s+([a-z0-9_]+)", text, re.MULTILINE))
    import sys

    assert packages - set(sys.stdlib_module_names) == {"cryptography"}
