"""The one door: every command that writes to a book is gathered, decided and applied here, batch by batch.

While one batch of a group is on its way to the disk, the next one gathers: natural group commit,
no timer. A batch is one transaction: lock the group's head row, load what the batch names, decide
in memory, write everything in one statement, commit. The lock is in the database, so several
processes are correct, and so are two transactions of one process: while one is being written, the
next one stands at the lock already, and takes along whatever waits once it has it. Nothing here
remembers a balance from one batch to the next.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections import deque
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from timebank.errors import (
    GroupBusy,
    ImportUnderWay,
    KeyReused,
    OutcomeUnknown,
    Refusal,
    ServerFault,
    StoreAway,
    TooLarge,
)
from timebank.ledger.books import Books
from timebank.rules.commands import (
    Command,
)
from timebank.rules.decide import decide
from timebank.rules.named import Named, name_changed_askers, numbers_of, past_by_whom
from timebank.rules.outcome import Done
from timebank.rules.state import EXCHANGE, NOBODY, SetUp, State, Treasury
from timebank.store import book
from timebank.store.book import AnswerRow, Head, StoredAnswer
from timebank.store.checkpoints import receipt_code
from timebank.store.draws import (
    QUEUE_SEEN,
    delete_papers,
    find_contacts,
    find_draws,
    find_past,
    find_queues,
    insert_draws,
    insert_links,
    update_draws,
    upsert_hands,
)
from timebank.store.engine import (
    STORE_ERRORS,
    driver,
    is_locked_out,
    is_lost,
    is_our_fault,
    leave_clean,
)
from timebank.store.hours import find_hours, find_open_hours, set_hours_states, update_open_hours
from timebank.store.ids import id_of, random_ids
from timebank.store.jobs import seconds_locked
from timebank.store.notes import insert_notes
from timebank.store.setup import load_members, load_setup
from timebank.store.treasury import find_proposals, find_references, has_entries, write_treasury

if TYPE_CHECKING:
    from timebank.rules.people import Actor
    from timebank.services.tokens import Held
    from timebank.store.checkpoints import Checkpoints
    from timebank.store.engine import Database, Raw, Tx
    from timebank.store.keys import KeyStore

log = logging.getLogger(__name__)

#: Commands of one request, and of one transaction. A longer batch is no faster and locks longer.
BATCH_MAX = 5_000
GATHER_MAX = 1_000
#: Commands that are decided while the slice before them is on its way to the database; the first slice of
#: a batch that has several is shorter, since the database waits for it.
SLICE = 128
SLICE_FIRST = 32
#: Transactions that one group has under way: one that is written, one that waits for its turn.
LINES_MAX = 2
#: Seconds after which a busy group gives its connection back for others to have a turn.
HOLD_S = 0.1
#: Commands that wait for one group; beyond it the next is refused at once, with Retry-After.
QUEUE_MAX = 20_000

#: How a refusal is said: (HTTP status, problem details) in the language of whoever asked.
Render = Callable[[Refusal], tuple[int, dict[str, Any]]]


class NotConfirmed(Exception):
    """The token of a request does not open any more what it did; nothing of the request was looked at."""


class _Unconfirmed(Exception):
    """Some of a batch came with such tokens; nothing of the batch may be kept."""

    def __init__(self, gone: Collection[Held]) -> None:
        self.gone = gone


class Answer(NamedTuple):
    """What goes back to whoever asked: the bytes that were stored with the effect."""

    status: int
    body: bytes
    replayed: bool


@dataclass(slots=True, eq=False)
class _Submission:
    """One request on its way through the door."""

    commands: Sequence[Command]
    actor: Actor
    answer_id: UUID
    request_hash: bytes
    many: bool
    render: Render
    future: asyncio.Future[Answer]
    held: Held | None = None
    outcomes: list[Done | Refusal] = field(default_factory=list)
    sees_seq: bool = field(init=False)

    def __post_init__(self) -> None:
        self.sees_seq = self.actor.sees_seq


@dataclass(slots=True)
class _Group:
    """What waits for one group, and who is writing for it.

    Attributes:
        lines: Tasks that write for it, or stand at its lock to write next.
        at_lock: How many of them have not got the lock yet; they will take along what waits.
    """

    waiting: deque[_Submission] = field(default_factory=deque)
    commands_waiting: int = 0
    lines: set[asyncio.Task[None]] = field(default_factory=set)
    at_lock: int = 0
    setup: SetUp | None = None


class Writer:
    """Writes to the books of all groups, one batch at a time for each.

    Args:
        clock: Gives the moment now, aware; recorded_at is never earlier than the one before.
        random: Gives so many fresh random bytes.
    """

    def __init__(
        self,
        database: Database,
        keys: KeyStore,
        checkpoints: Checkpoints,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self.database = database
        self.keys = keys
        self.checkpoints = checkpoints
        self.clock = clock
        self.random = random
        self._groups: dict[UUID, _Group] = {}
        self._closing = False

    async def submit(
        self,
        group_id: UUID,
        commands: Sequence[Command],
        *,
        actor: Actor,
        key: str,
        request_hash: bytes,
        render: Render,
        many: bool = False,
        held: Held | None = None,
    ) -> Answer:
        """Have commands decided and written; return when that is on disk.

        The work goes on when the caller is cancelled: whoever hangs up finds out with the same key.

        Args:
            key: The request's Idempotency-Key; a known one gets its first answer again, byte by byte.
            request_hash: 32 bytes that say what was asked; a known key with another hash is refused.
            many: Whether the answer lists an outcome for each command, by position.
            held: Where the actor is only remembered: what is to be confirmed under the lock.

        Raises:
            NotConfirmed: It was not; nothing was written, and nothing is kept under the key.
            KeyReused: The key was used by this actor for something else.
            GroupBusy: Too much is waiting for this group; nothing was written.
            StoreAway: The database cannot be reached; nothing was written.
            OutcomeUnknown: The database went away during the commit; the key tells later.
            ServerFault: A mistake of ours; nothing was written, and the log says more.
            TooLarge: More commands than one request may bring.
        """
        assert actor.group_id == group_id, "an actor acts in one group only"
        assert many or len(commands) == 1, "a request of many commands says so"
        if len(commands) > BATCH_MAX:
            raise TooLarge(limit=BATCH_MAX)
        group = self._groups.get(group_id)
        if group is None:
            group = self._groups[group_id] = _Group()
        if self._closing or group.commands_waiting + len(commands) > QUEUE_MAX:
            raise GroupBusy
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        group.waiting.append(
            _Submission(
                commands, actor, answer_id(actor.account, key), request_hash, many, render, future, held
            )
        )
        group.commands_waiting += len(commands)
        if not group.lines or (
            not group.at_lock and len(group.lines) < LINES_MAX and self.database.has_line_to_spare()
        ):
            self._open_line(group_id, group)
        # Cancelling this leaves the submission where it is: the one who writes is another task.
        return await future

    async def post(
        self, group_id: UUID, requests: Sequence[tuple[Command, Actor, str, bytes]], *, render: Render
    ) -> list[Answer | Refusal]:
        """Write single requests as one batch, in one transaction; one answer or refusal each, in order."""
        group = self._groups.setdefault(group_id, _Group())
        loop = asyncio.get_running_loop()
        batch = [
            _Submission(
                (command,),
                actor,
                answer_id(actor.account, key),
                request_hash,
                False,
                render,
                loop.create_future(),
            )
            for command, actor, key, request_hash in requests
        ]
        async with self.database.lend() as connection:
            await self._answer_batch(connection, group_id, group, batch)
        return [
            error if isinstance(error := s.future.exception(), Refusal) else s.future.result() for s in batch
        ]

    async def write_within(
        self, tx: Tx, group_id: UUID, commands: Sequence[Command], *, actor: Actor, key: str
    ) -> list[Done | Refusal]:
        """Have commands decided and written inside a transaction that is under way, and under the group's lock.

        Whoever holds that transaction commits it; nobody gets an answer before.

        Args:
            key: What the outcomes are kept under.
        """
        connection = await driver(tx)
        submission = _Submission(
            commands,
            actor,
            answer_id(actor.account, key),
            sha256(repr(commands).encode()).digest(),
            True,
            _only_the_code,
            asyncio.get_running_loop().create_future(),
        )
        head, state = await self._load(connection, group_id, _Group(), [submission])
        await self._decide_and_apply(connection, head, state, [submission])
        return submission.outcomes

    async def close(self) -> None:
        """Take nothing new, finish what is waiting."""
        self._closing = True
        lines = [line for group in self._groups.values() for line in group.lines]
        await asyncio.gather(*lines, return_exceptions=True)

    # ------------------------------------------------------------ gathering

    def _open_line(self, group_id: UUID, group: _Group) -> None:
        group.at_lock += 1
        group.lines.add(asyncio.get_running_loop().create_task(self._run(group_id, group)))

    async def _run(self, group_id: UUID, group: _Group) -> None:
        """Write batch after batch until nothing waits; never raises. It is counted at the lock already."""
        line = asyncio.current_task()
        assert line is not None
        try:
            # Whoever stands at the lock takes along what waits; nobody need stand behind them.
            while group.waiting and group.at_lock == 1:
                try:
                    async with self.database.lend() as connection:
                        await self._run_for_a_while(connection, group_id, group)
                except Exception as error:
                    # Whatever it was, nobody may wait for an answer that never comes.
                    if not isinstance(error, StoreAway):
                        log.exception("the writer stumbled")
                    batch = _gather(group)
                    _settle(batch, [StoreAway()] * len(batch))
        finally:
            group.at_lock -= 1
            group.lines.discard(line)

    async def _run_for_a_while(self, connection: Raw, group_id: UUID, group: _Group) -> None:
        """Write batches on one connection, but give it back now and then: other groups may wait for one."""
        until = asyncio.get_running_loop().time() + HOLD_S
        while group.waiting and not is_lost(connection):
            await self._answer_next(connection, group_id, group)
            if asyncio.get_running_loop().time() > until:
                break

    async def _answer_next(self, connection: Raw, group_id: UUID, group: _Group) -> None:
        """Take the group's lock, and only then whatever waits by now."""
        refusal: Refusal | None = None
        try:
            await connection.execute(book.begin_batch(group_id))
        except STORE_ERRORS as error:
            if is_locked_out(error) and len(group.lines) > group.at_lock:
                # A batch of our own is on its way, and takes long.
                await leave_clean(connection)
                return
            await leave_clean(connection, after=error)
            refusal = await self._refused(group_id, group, error)
        group.at_lock -= 1
        batch = _gather(group)
        try:
            if refusal is not None:
                _settle(batch, [refusal] * len(batch))
            elif batch:
                await self._answer_batch(connection, group_id, group, batch, begun=True)
            else:
                await leave_clean(connection)
        finally:
            group.at_lock += 1

    async def _answer_batch(
        self,
        connection: Raw,
        group_id: UUID,
        group: _Group,
        batch: list[_Submission],
        *,
        begun: bool = False,
    ) -> None:
        try:
            answers = await self._write(connection, group_id, group, batch, begun=begun)
        except _Unconfirmed as error:
            # Once for each token that ended: it is not remembered again.
            rest = _turn_away(batch, error.gone)
            if rest:
                await self._answer_batch(connection, group_id, group, rest)
        except Refusal as refusal:
            _settle(batch, [refusal] * len(batch))
        except Exception as error:
            group.setup = None
            if len(batch) > 1:
                # Something in it is our mistake. Nobody else's request shall fail with it.
                log.warning("a batch of %d is written one by one: %s", len(batch), type(error).__name__)
                for submission in batch:
                    await self._answer_batch(connection, group_id, group, [submission])
            else:
                log.exception("a request was not written")
                _settle(batch, [ServerFault()])
        else:
            _settle(batch, answers)

    async def _write(
        self, connection: Raw, group_id: UUID, group: _Group, batch: list[_Submission], *, begun: bool
    ) -> list[Answer | Refusal]:
        """Write one batch; a second time, looking answers up first, if one of its keys is taken."""
        try:
            return await self._attempt(connection, group_id, group, batch, begun=begun)
        except book.KeyTakenError:
            return await self._attempt(connection, group_id, group, batch, look_up=True)

    async def _attempt(
        self,
        connection: Raw,
        group_id: UUID,
        group: _Group,
        batch: list[_Submission],
        *,
        begun: bool = False,
        look_up: bool = False,
    ) -> list[Answer | Refusal]:
        committing = False
        try:
            if not begun:
                await connection.execute(book.begin_batch(group_id))
            known: dict[UUID, StoredAnswer] = {}
            if look_up:
                known = await book.load_answers(connection, group_id, {s.answer_id for s in batch})
            fresh = _first_of_each_key(batch, known)
            head, state = await self._load(connection, group_id, group, fresh, _held_by(batch))
            answers = await self._decide_and_apply(connection, head, state, fresh)
            committing = True
            # In a failed transaction COMMIT answers ROLLBACK, and raises nothing.
            if await connection.execute("COMMIT") != "COMMIT":
                raise StoreAway
        except book.NotDurable as error:
            log.critical("%s: nothing is written until it is on again", error)
            raise StoreAway from error
        except STORE_ERRORS as error:
            if not committing and is_our_fault(error):
                raise
            await leave_clean(connection, after=error)
            if committing:
                group.setup = None
                log.warning(
                    "nobody knows whether a batch of %d was written: %s", len(batch), type(error).__name__
                )
                raise OutcomeUnknown from error
            raise await self._refused(group_id, group, error) from error
        finally:
            await leave_clean(connection)
        self.checkpoints.keep(group_id, head.seq, head.checkpoint)
        return _answer_all(batch, {a.answer_id: a for a in answers}, known)

    async def _refused(self, group_id: UUID, group: _Group, error: Exception) -> Refusal:
        """Say why nothing was written: for how long an import keeps everybody from it, or something else."""
        group.setup = None
        log.warning("a batch failed: %s", type(error).__name__)
        if is_locked_out(error):
            with suppress(StoreAway):
                if seconds := await seconds_locked(self.database, group_id, now=self.clock()):
                    return ImportUnderWay(seconds=seconds)
        return StoreAway()

    # ------------------------------------------------------------ load, decide, apply

    async def _load(
        self,
        connection: Raw,
        group_id: UUID,
        group: _Group,
        fresh: list[_Submission],
        held: Sequence[Held] = (),
    ) -> tuple[Head, State]:
        """Read every row that the batch names: one statement for each kind.

        Raises:
            _Unconfirmed: Some of what is remembered of tokens is true no more.
        """
        named = Named()
        for submission in fresh:
            if submission.actor.account:
                named.members.add(submission.actor.member_id)
            named.members.update(submission.actor.stands_in)
            for command in submission.commands:
                named.add(command, submission.actor)
        queues = await find_queues(connection, group_id) if named.decides else {}
        named.draws.update(*queues.values())
        draws, hands = await find_draws(connection, group_id, named.draws)
        named.members.update(name_changed_askers(named, hands))
        known = await book.load_known(connection, group_id, named.entries)
        hours = await find_hours(connection, group_id, named.entries)
        open_hours = await find_open_hours(connection, group_id, hours)
        for waiting in open_hours.waiting.values():
            named.members.update(waiting)
            named.units.add(EXCHANGE)
        treasury = await self._load_treasury(connection, group_id, named)

        # What is remembered of the set-up says which accounts these are. Only the head tells
        # whether that is still true; if not, it is read, and the accounts are read once more.
        setup = group.setup
        numbers = numbers_of(setup, named, known) if setup is not None else set()
        now = self.clock()
        head, accounts, confirmed = await book.load_confirmed(
            connection, group_id, numbers, [(one.digest, one.bearer) for one in held], now=now
        )
        if len(confirmed) < len(held):
            raise _Unconfirmed([one for at, one in enumerate(held) if at not in confirmed])
        if setup is None or setup.version != head.setup_version or not named.members <= setup.members.keys():
            setup = await self._refresh(connection, group, head, named)
            head, accounts = await book.load(connection, group_id, numbers_of(setup, named, known))

        limited = any(policy.terms.caps for policy in setup.policies.values())
        past = await find_past(connection, group_id, named.askers, now=now, limited=limited)
        contacts = await find_contacts(connection, group_id, named.contacts)
        today = now.astimezone(ZoneInfo(setup.zone_at(now))).date()
        state = State(
            setup=setup,
            books=Books(
                accounts=accounts,
                seq=head.seq,
                recorded_at=head.recorded_at,
                began_on=setup.began_on,
                today=today,
                known=known,
            ),
            now=now,
            today=today,
            ids=random_ids(self.random),
            salt=lambda: self.random(32),
            draws=draws,
            hands=hands,
            known=known,
            hours=hours,
            open_hours=open_hours,
            treasury=treasury,
            past=past_by_whom(past, setup),
            open_asks={(asker, draw.pot_id, draw.asked) for asker, own, draw in past if own and draw.is_open},
            contacts=contacts,
            queues=queues,
            long_queues=frozenset(pot for pot, queue in queues.items() if len(queue) >= QUEUE_SEEN),
        )
        return head, state

    async def _load_treasury(self, connection: Raw, group_id: UUID, named: Named) -> Treasury:
        """Read what the batch names of money beside the balances; most batches name nothing."""
        treasury = Treasury(
            references=await find_references(connection, self.keys, group_id, named.references),
            proposals=await find_proposals(connection, group_id, named.proposals),
        )
        if named.openings:
            treasury.has_entries = await has_entries(connection, group_id)
        for proposal in treasury.proposals.values():
            if "member" in proposal.body:
                named.members.add(UUID(proposal.body["member"]))
                named.units.add(EXCHANGE)
        return treasury

    async def _refresh(self, connection: Raw, group: _Group, head: Head, named: Named) -> SetUp:
        """Bring what is remembered of a group up to the head's version, with the members that are named."""
        setup = group.setup
        if setup is None or setup.version != head.setup_version:
            setup = group.setup = await load_setup(connection, head.group_id, head.setup_version)
        strangers = named.members - setup.members.keys()
        found = await load_members(connection, self.keys, head.group_id, strangers)
        # Who is not there is remembered, too, so that a wrong id costs one look-up and not one a batch.
        setup.members |= {member_id: found.get(member_id, NOBODY) for member_id in strangers}
        return setup

    async def _decide_and_apply(
        self, connection: Raw, head: Head, state: State, fresh: list[_Submission]
    ) -> list[AnswerRow]:
        """Decide everything in order and write it; return the answers as stored.

        A long batch is cut into slices: while the database writes one, the next is decided, in
        the same transaction and under the same lock, so that both cores work.
        """
        group_id, setup, books = head.group_id, state.setup, state.books
        sealing = _Sealing(head.seq + 1)
        *earlier, last = _cut(fresh, SLICE)
        sending: asyncio.Task[None] | None = None
        try:
            for cut in earlier:
                ready = book.ready_slice(group_id, self._decide_slice(head, state, sealing, cut))
                if sending is not None:
                    await sending
                sending = asyncio.create_task(book.append(connection, ready))
                # Let the task hand its bytes to the kernel before the next slice keeps us busy.
                await asyncio.sleep(0)
            part = self._decide_slice(head, state, sealing, last)
            head.checkpoint = self.checkpoints.sign(
                group_id, setup.origin, head.epoch, head.seq, head.frontier.root()
            )
            accounts = [books.accounts[number] for number in books.touched]
            ready = book.ready_to_settle(group_id, part, book.Settlement(head, accounts, books.days))
            if sending is not None:
                await sending
        except BaseException:
            if sending is not None:
                await asyncio.gather(sending, return_exceptions=True)
            raise
        await book.append(connection, ready)
        await self._apply_rest(connection, group_id, state)
        return sealing.answers

    def _decide_slice(self, head: Head, state: State, sealing: _Sealing, cut: _Cut) -> book.Slice:
        """Decide the commands of one slice in order, and make records and answers of them."""
        decisions, finished = cut
        for command, submission in decisions:
            submission.outcomes.append(decide(command, submission.actor, state))
        return self._seal(head, state, sealing, finished)

    def _seal(self, head: Head, state: State, sealing: _Sealing, finished: list[_Submission]) -> book.Slice:
        """Make records of what was decided since the last slice, and answers of what is finished."""
        written = state.written[sealing.written :]
        hours = state.new_hours[sealing.hours :]
        sealing.written, sealing.hours = len(state.written), len(state.new_hours)
        appended = book.seal_records(head, state.setup.book_id, written, self.random(32 * len(written)))
        sealing.commitments += appended.commitments
        answers = [_encode(submission, sealing) for submission in finished]
        sealing.answers += answers
        return book.Slice(answers, state.now, appended, written, hours)

    async def _apply_rest(self, connection: Raw, group_id: UUID, state: State) -> None:
        """Write the rows of which a batch has few: asks, hands, states, notes."""
        await insert_draws(connection, group_id, state.new_draws, now=state.now)
        new = {draw.draw_id for draw in state.new_draws}
        await update_draws(
            connection, group_id, [d for i, d in state.changed_draws.items() if i not in new], now=state.now
        )
        await upsert_hands(
            connection,
            group_id,
            [
                (draw, member, state.hands[draw][member], state.draws[draw].without_account)
                for draw, member in state.changed_hands
            ],
        )
        await set_hours_states(connection, group_id, state.changed_hours, state.open_hours.posted)
        await update_open_hours(connection, group_id, state.open_hours)
        await write_treasury(connection, self.keys, group_id, state.treasury, now=state.now)
        await insert_links(connection, group_id, state.new_links, now=state.now)
        fresh = [note.member_id for note in state.notes if note.of_ask and note.member_id in new]
        if fresh:
            # An ask without an account has a key of its own; one whose ask was never written opens nothing.
            await asyncio.to_thread(self.keys.create_member_keys, group_id, fresh)
        await insert_notes(connection, self.keys, group_id, state.notes)
        await delete_papers(connection, group_id, state.papers_gone)
        gone = [draw_id for draw_id in state.papers_gone if state.draws[draw_id].without_account]
        if gone:
            # Before the commit, as with people: what is gone from the database opens with nothing any more.
            await asyncio.to_thread(self.keys.erase_members, group_id, gone, now=state.now)


@dataclass(slots=True)
class _Sealing:
    """How far a batch is sealed: counts of what went into slices, and all commitments so far."""

    first_seq: int
    written: int = 0
    hours: int = 0
    commitments: list[bytes] = field(default_factory=list)
    answers: list[AnswerRow] = field(default_factory=list)


#: A slice of a batch: its commands with their submissions, and the submissions that end in it.
_Cut = tuple[list[tuple[Command, _Submission]], list[_Submission]]


def _cut(fresh: list[_Submission], size: int) -> list[_Cut]:
    """Cut a batch into slices of at most ``size`` commands; there is always one, perhaps empty."""
    commands: list[tuple[Command, _Submission]] = []
    finished: list[_Submission] = []
    cuts: list[_Cut] = [(commands, finished)]
    room = SLICE_FIRST if sum([len(submission.commands) for submission in fresh]) > size else size
    for submission in fresh:
        submission.outcomes = []
        for command in submission.commands:
            if len(commands) >= room:
                commands, finished, room = [], [], size
                cuts.append((commands, finished))
            commands.append((command, submission))
        finished.append(submission)
    return cuts


def answer_id(account: int, key: str) -> UUID:
    """Return the id under which an answer is kept: the same key of two people is two keys."""
    return id_of(sha256(b"%d\0%s" % (account, key.encode())).digest()[:16])


def _gather(group: _Group) -> list[_Submission]:
    """Take what waits, up to the size of one batch; a single large request goes alone if need be."""
    batch: list[_Submission] = []
    size = 0
    while group.waiting and (not batch or size + len(group.waiting[0].commands) <= GATHER_MAX):
        submission = group.waiting.popleft()
        size += len(submission.commands)
        batch.append(submission)
    group.commands_waiting -= size
    return batch


def _held_by(batch: list[_Submission]) -> list[Held]:
    """Return what is to be confirmed for a batch, each once."""
    return list({id(s.held): s.held for s in batch if s.held is not None}.values())


def _turn_away(batch: list[_Submission], gone: Collection[Held]) -> list[_Submission]:
    """Send those away whose token was not confirmed; return the others."""
    ids = {id(held) for held in gone}
    rest = []
    for submission in batch:
        if id(submission.held) not in ids:
            rest.append(submission)
        elif not submission.future.done():
            submission.future.set_exception(NotConfirmed())
            submission.future.exception()
    return rest


def _settle(batch: list[_Submission], answers: Sequence[Answer | Refusal]) -> None:
    for submission, answer in zip(batch, answers, strict=True):
        if submission.future.done():
            continue
        if isinstance(answer, Refusal):
            submission.future.set_exception(answer)
            # Whoever waited may have hung up; an exception that nobody fetches is not news.
            submission.future.exception()
        else:
            submission.future.set_result(answer)


def _first_of_each_key(batch: list[_Submission], known: dict[UUID, StoredAnswer]) -> list[_Submission]:
    """Return the submissions that must be decided: not answered before, one for each key."""
    fresh: dict[UUID, _Submission] = {}
    for submission in batch:
        if submission.answer_id not in known:
            fresh.setdefault(submission.answer_id, submission)
    return list(fresh.values())


def _answer_all(
    batch: list[_Submission], written: dict[UUID, AnswerRow], known: dict[UUID, StoredAnswer]
) -> list[Answer | Refusal]:
    """Give everybody in the batch their answer; a key that came twice is a replay the second time."""
    answers: list[Answer | Refusal] = []
    seen: set[UUID] = set()
    for submission in batch:
        answer = known.get(submission.answer_id) or written[submission.answer_id]
        replayed = submission.answer_id in known or submission.answer_id in seen
        seen.add(submission.answer_id)
        if answer.request_hash != submission.request_hash:
            answers.append(KeyReused())
        else:
            answers.append(Answer(answer.status, answer.body, replayed))
    return answers


def _only_the_code(refusal: Refusal) -> tuple[int, dict[str, Any]]:
    return 409, {"code": refusal.code}


def _encode(submission: _Submission, sealing: _Sealing) -> AnswerRow:
    """Return the bytes that say what became of a request, with a receipt for what was recorded."""
    said = [_say(submission, outcome, sealing) for outcome in submission.outcomes]
    if submission.many:
        status = 200
        body = _ENCODE({"outcomes": [{"status": status, **body} for status, body in said]})
    else:
        status, single = said[0]
        body = _ENCODE(single)
    return AnswerRow(submission.answer_id, submission.request_hash, status, body)


def _say(submission: _Submission, outcome: Done | Refusal, sealing: _Sealing) -> tuple[int, dict[str, Any]]:
    if isinstance(outcome, Refusal):
        return submission.render(outcome)
    body = outcome.body
    if outcome.seq:
        body["receipt"] = receipt_code(sealing.commitments[outcome.seq - sealing.first_seq])
        if submission.sees_seq:
            body["seq"] = outcome.seq
    return outcome.status, body


_ENCODE = msgspec.json.Encoder().encode
