"""A group's public log as its server has it: every leaf, hash and signature, and an end for each period of the book."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from timebank.ledger.canonical import NotCanonical, canonical
from timebank.ledger.notes import NotANote, parse_checkpoint, parse_note, seal_of
from timebank.ledger.public_check import PublicCheck, WrongLeaf
from timebank.ledger.public_log import padding_commitment, policy_path
from timebank.ledger.tree import Frontier, leaf_hash
from timebank.rules.set_up import published_terms
from timebank.services.public_log import Growth
from timebank.services.public_verify import is_signed, verify_with
from timebank.store import whole_log as store

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from timebank.store.engine import Raw
    from timebank.store.whole_log import CheckpointRow, LeafRow, LogCut

    Find = Callable[[str, int], None]

LOG_WHOLE: Final = "log_whole"
PROMISE: Final = (
    "The public log is whole and signed, as anybody would check it; each period has its closing in it, and no "
    "leaf is of nothing."
)
LOST: Final = (
    "of {count} leaves of the public log what they were of: a restore lost them, and the log says so"
)


class WholeLog:
    """One check of a public log under way.

    Args:
        log_key: The verifier key with which this server signs; None if it has none.
        find: Told what is wrong, and of which record, 0 for the log as a whole.
    """

    def __init__(self, connection: Raw, group_id: UUID, log_key: str | None, find: Find) -> None:
        self._connection = connection
        self._group_id = group_id
        self._log_key = log_key
        self._find = find
        self._growth = Growth(Frontier(), [], [])
        self._texts: dict[str, bytes] = {}
        self._check = PublicCheck(verify=verify_with, read=self._texts.get)
        self.unproved: list[str] = []
        self.seal = ""

    async def run(self) -> None:
        """Read the log once, and say the first thing that is wrong with it."""
        cut = await store.take_log_cut(self._connection, self._group_id)
        if not cut.checkpoints and not cut.unexplained and cut.lost == 1:
            # A group of before there was a log, which begins with its next close.
            return
        self._texts |= _texts(cut)
        if not await self._walk(cut):
            return
        newest = cut.checkpoints[-1]
        self.seal = seal_of(newest.note) if newest.period else ""
        self._compare_nodes(cut)
        self._compare_records(cut)
        self._compare_keys(cut)

    async def _walk(self, cut: LogCut) -> bool:
        """Take every leaf, and compare with each checkpoint on the way; say whether all was well."""
        notes = list(cut.checkpoints)
        if [note.period for note in notes] != list(range(len(notes))) or not notes:
            self._find("the periods of the log are not numbered from 0 without a gap", 0)
            return False
        if cut.leaves != notes[-1].size:
            # Whether leaves or the checkpoint of the last period went missing, nobody can tell.
            self._find(f"the public log has {cut.leaves} leaves, its newest checkpoint {notes[-1].size}", 0)
            return False
        async for page in store.list_log(self._connection, self._group_id, notes[-1].period):
            for leaf in page:
                why = self._take(leaf, notes)
                if why:
                    self._find(f"leaf {leaf.at} of the public log: {why}", 0)
                    return False
        if notes:
            self._find(f"the public log ends before the checkpoint of its period {notes[0].period}", 0)
        return not notes

    def _take(self, row: LeafRow, notes: list[CheckpointRow]) -> str:
        """Take the next leaf; return what is wrong with it, or nothing."""
        if row.at != self._check.size:
            return "the one before it is not there, or is there twice"
        if not notes or row.period != notes[0].period:
            return "it is not of the period that it stands in"
        if row.hash != leaf_hash(row.leaf):
            return "its bytes and its hash are not the same"
        try:
            if self._check.add(row.leaf).commitment != row.commitment:
                return "its bytes have another commitment than its row"
        except WrongLeaf as error:
            return error.why
        self._growth.append(row.hash)
        if self._check.size == notes[0].size:
            return self._compare_note(notes.pop(0))
        return ""

    def _compare_note(self, row: CheckpointRow) -> str:
        frontier = self._growth.frontier
        if row.frontier != frontier.to_bytes():
            return f"the tree that ends with it is not that of period {row.period}"
        try:
            note = parse_note(row.note)
            told = parse_checkpoint(note.text)
        except NotANote:
            return f"the checkpoint of period {row.period} is none"
        genesis = self._check.genesis
        if not self._check.whole or genesis is None:
            return f"period {row.period} ends with it, and it is no closing"
        if (told.origin, told.size, told.root) != (genesis.origin, row.size, frontier.root()):
            return f"the checkpoint of period {row.period} is of another log"
        if not is_signed(note, self._check.keys.log_key):
            return f"the checkpoint of period {row.period} is not signed with the key that counted then"
        return ""

    def _compare_nodes(self, cut: LogCut) -> None:
        if cut.nodes_twice:
            self._find("a hash of the public log is there twice", 0)
        right = {(node.level, node.place): node.hash for node in self._growth.nodes}
        for where in sorted(right.keys() | cut.nodes.keys()):
            if right.get(where) != cut.nodes.get(where):
                self._find(
                    f"hash {where[1]} of level {where[0]} of the public log is not that of its leaves", 0
                )
                return

    def _compare_records(self, cut: LogCut) -> None:
        if cut.lost is not None:
            self._find("it should have a leaf in the public log, and has none", cut.lost)
        padding = {
            padding_commitment(salt) for record in (*cut.closings, *cut.restored) for salt in _salts(record)
        }
        strange = {at: commitment for commitment, at in cut.unexplained.items() if commitment not in padding}
        told = [_fields(record).get("published_lost", 0) for record in cut.restored]
        lost = sum(one for one in told if type(one) is int)
        if strange and len(strange) == lost:
            self.unproved.append(LOST.format(count=lost))
        elif strange and lost:
            self._find(
                f"{len(strange)} leaves are of no record, and the book says that a restore lost {lost}", 0
            )
        elif strange:
            self._find(f"leaf {min(strange)} of the public log is of no record, and no padding", 0)
        elif len(padding) != len(cut.unexplained):
            self._find("padding of the public log is missing that the closings speak of", 0)

    def _compare_keys(self, cut: LogCut) -> None:
        counts = self._check.keys.log_key
        introduced = {str(_fields(record).get("new")) for record in cut.new_keys}
        if self._log_key is not None and self._log_key != counts and self._log_key not in introduced:
            self._find("the public log is signed with another key than this server's", 0)


def _texts(cut: LogCut) -> dict[str, bytes]:
    texts = {}
    for (pot, version), terms in cut.terms.items():
        try:
            texts[policy_path(pot, version)] = canonical(published_terms(terms))
        except (NotCanonical, TypeError, KeyError, AttributeError, ValueError):
            # A text that is none is missing to whoever reads it.
            continue
    return texts


def _fields(record: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(record)
    except ValueError:
        return {}
    return fields if isinstance(fields, dict) else {}


def _salts(record: bytes) -> list[bytes]:
    padding = _fields(record).get("padding", [])
    try:
        salts = [bytes.fromhex(salt) for salt in padding]
    except (TypeError, ValueError):
        return []
    return [salt for salt in salts if len(salt) == 32]
