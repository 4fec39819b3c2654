"""Imports: a group's past comes in whole, from files that other programs wrote, or not at all.

Files are read and rehearsed before anything is locked: every line that is wrong is told, and nothing
is written. A real run then is one transaction (services.long_batch) that also says "done".
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, Literal
from uuid import UUID

import msgspec

from timebank.errors import (
    FieldInvalid,
    ImportHasFaults,
    ImportNotUndoable,
    ImportUnderWay,
    JobNotOpen,
    KeyReused,
    NeedsRole,
    Refusal,
    TooLarge,
    UnknownImport,
    UnknownMember,
)
from timebank.ledger import posting
from timebank.ledger.entries import Draft, EntryKind
from timebank.ledger.units import MINUTES
from timebank.rules.imports import SOURCE
from timebank.rules.names import EMPTY
from timebank.rules.set_up import TOO_MANY
from timebank.rules.written import shown
from timebank.services import jobs
from timebank.services.import_plan import Plan, make_plan
from timebank.services.import_report import ImportOptions, Report, Source
from timebank.services.jobs import Teller
from timebank.services.long_batch import LongBatch, long_batch, rehearsal
from timebank.services.members import actor_of, join, make_keys
from timebank.services.pages import Page, sift
from timebank.store import book
from timebank.store import imports as store
from timebank.store.engine import STORE_ERRORS, is_locked_out
from timebank.store.groups import bump_setup_version
from timebank.store.hours import find_hours
from timebank.store.ids import id_of
from timebank.store.imports import ImportRow
from timebank.store.jobs import JobRow, find_last_job, list_groups

if TYPE_CHECKING:
    from timebank.rules.people import Actor
    from timebank.services.house import House

#: When an import was handed in, and its id.
ImportPlace = tuple[datetime, UUID]
STATES: Final = ("new", "checked", "posted", "undone", "dropped")

UPLOAD_MAX: Final = 16 * 1024 * 1024
FILES_MAX: Final = 5
KEPT_DAYS: Final = 7
#: What is sealed of options: it is written in the files, or is what they are called.
_WORDS: Final = ("columns", "files", "sheet")
_STEP: Final = 500
#: Lines a second that are written while the book is locked, until it is known better.
_LINES_PER_SECOND: Final = 6_000
#: Whoever writes looks that often whether somebody asked it to stop.
_STOP_WITHIN_S: Final = 2


# ---------------------------------------------------------------- from the terminal


async def import_files(
    house: House,
    group_id: UUID,
    sources: Sequence[Source],
    options: ImportOptions,
    *,
    clock: Callable[[], datetime],
    dry_run: bool,
    show: jobs.Show | None = None,
    step_back: Callable[[int], None] = lambda _pid: None,
) -> tuple[Report, UUID | None]:
    """Import files for the host, all or nothing.

    Returns:
        What was found, and the id of the import; None when nothing was written: the run was dry,
        or every line is in the book already.

    Raises:
        ImportHasFaults: Lines need mending; its attribute ``report`` says which.
        JobRunning: Long work of this group is under way.
        JobCancelled: Somebody stopped it.
    """
    import_id = house.new_id()
    if dry_run:
        teller = Teller(clock=clock, show=show)
        return (await _rehearse(house, group_id, sources, options, teller, actor=None))[1], None
    async with jobs.doing(
        house, group_id, clock=clock, kind="post", about_id=import_id, show=show, step_back=step_back
    ) as teller:
        plan, report = await _rehearse(house, group_id, sources, options, teller, actor=None)
        _require_clean(report)
        if not plan.booked and not plan.newcomers:
            return report, None
        async with house.database.dial(group_id) as line:
            await store.insert_import(
                line,
                group_id,
                import_id,
                options=_without_words(_options_kept(options)),
                member_id=None,
                now=clock(),
            )
        await _post(house, group_id, import_id, plan, options, report, teller, actor=None)
    return report, import_id


class HasFaults(ImportHasFaults):
    """The same refusal, with the report for whoever runs the command."""

    report: Report


def _require_clean(report: Report) -> None:
    if report.fault_count:
        refusal = HasFaults(count=report.fault_count)
        refusal.report = report
        raise refusal


# ---------------------------------------------------------------- from the API and the page


@dataclass(frozen=True, slots=True)
class Import:
    """An import as those see it who may.

    Attributes:
        job: The newest work about it.
        report: What was found; None before, and once its papers are gone.
    """

    row: ImportRow
    job: JobRow | None
    report: Report | None


def import_id_of(actor: Actor, key: str) -> UUID:
    """Return the id of the import that a member hands in under a key; another member's is another one."""
    return id_of(sha256(b"timebank/import\0%d\0%s" % (actor.account, key.encode())).digest()[:16])


def options_of(row: ImportRow) -> ImportOptions:
    """Return how an import is read and booked; of a row whose options were opened."""
    return msgspec.convert(row.options, ImportOptions, strict=False)


def expires_on(row: ImportRow) -> date:
    """Return the last day on which an import that is not posted can be looked at."""
    return row.created_at.date() + timedelta(days=KEPT_DAYS)


async def hand_in(
    house: House,
    actor: Actor,
    files: Sequence[tuple[str, bytes]],
    options: ImportOptions,
    *,
    import_id: UUID,
    now: datetime,
) -> bool:
    """Keep files, sealed, and ask for them to be checked; handing in the same import again changes nothing.

    Args:
        import_id: Follows from the request's key, so that a second try finds the first.

    Returns:
        Whether it was not there before.

    Raises:
        NeedsRole: The actor is neither steward nor treasurer.
        TooLarge, FieldInvalid: Too much, too many, or nothing.
        KeyReused: Other files or options were handed in as this import.
        JobRunning: Long work of this group is under way.
    """
    actor.require_role("steward", "treasurer")
    if not 1 <= len(files) <= FILES_MAX:
        raise FieldInvalid(field="files", why=TOO_MANY if files else EMPTY)
    if sum(len(data) for _, data in files) > UPLOAD_MAX:
        raise TooLarge(limit=UPLOAD_MAX)
    key = house.keys.find_member_key(actor.group_id, actor.member_id)
    assert key is not None, "whoever acts has a key"
    said = _options_kept(options) | {
        "files": [shown(name) for name, _ in files],
        "request": _fingerprint(house, files, options),
    }
    kept = _seal_options(key, actor.group_id, import_id, said)
    async with house.database.dial(actor.group_id) as line, line.transaction():
        if not await store.insert_import(
            line, actor.group_id, import_id, options=kept, member_id=actor.member_id, now=now
        ):
            before = await store.find_import(line, actor.group_id, import_id)
            if before is None or before.options.get("request") != kept["request"]:
                raise KeyReused
            return False
        await store.delete_expired_papers(line, actor.group_id, today=now.date())
        for number, (_, data) in enumerate(files):
            await store.insert_paper(
                line,
                key,
                actor.group_id,
                import_id,
                "file",
                number,
                data,
                member_id=actor.member_id,
                expires_on=now.date() + timedelta(days=KEPT_DAYS),
            )
        await jobs.insert_waiting(
            house, line, actor.group_id, "check", import_id, now=now, asked_by=actor.member_id
        )
    return True


def _fingerprint(house: House, files: Sequence[tuple[str, bytes]], options: ImportOptions) -> str:
    """Return what tells two requests under one key apart, and tells nobody else anything about the files."""
    said = json.dumps([_options_kept(options), [[name, sha256(data).hexdigest()] for name, data in files]])
    return house.keys.derive("import request", said.encode()).hex()


async def find_import(house: House, actor: Actor, import_id: UUID) -> Import:
    """Return an import with its report, for who handed it in; for others of the duty without it.

    Raises:
        NeedsRole: The actor is neither steward nor treasurer.
        UnknownImport: There is none with this id.
    """
    actor.require_role("steward", "treasurer")
    async with house.database.dial(actor.group_id) as line:
        row = await store.find_import(line, actor.group_id, import_id)
        if row is None:
            raise UnknownImport
        job = await find_last_job(line, actor.group_id, import_id)
        report = None
        if row.member_id == actor.member_id:
            key = house.keys.find_member_key(actor.group_id, actor.member_id)
            assert key is not None, "whoever acts has a key"
            parts = [
                part async for part in store.read_paper(line, key, actor.group_id, import_id, "report", 0)
            ]
            report = msgspec.json.decode(b"".join(parts), type=Report) if parts else None
        return Import(_opened(house, actor.group_id, row), job, report)


async def list_imports(
    house: House,
    actor: Actor,
    *,
    after: ImportPlace | None = None,
    limit: int = 50,
    state: str | None = None,
) -> Page[ImportRow, ImportPlace]:
    """Return a page of the group's imports, newest first.

    Args:
        after: Moment and id of the last one of the page before; None begins.
        state: Only imports in this state; None is all.

    Raises:
        NeedsScope, NeedsRole
    """
    actor.require_scope("read")
    actor.require_role("steward", "treasurer")
    async with house.database.dial(actor.group_id) as line:

        async def read(place: ImportPlace | None, size: int) -> list[tuple[ImportRow, ImportPlace]]:
            rows = await store.list_imports(line, actor.group_id, before=place, limit=size)
            return [(row, (row.created_at, row.import_id)) for row in rows]

        keep = None if state is None else lambda row: row.state == state
        return await sift(read, after=after, limit=limit, keep=keep)


async def ask_for(
    house: House, actor: Actor, import_id: UUID, kind: Literal["check", "post", "undo"], *, now: datetime
) -> None:
    """Ask the server to check, post or undo an import; asking again while it is being done changes nothing.

    Raises:
        NeedsRole: The actor is neither steward nor treasurer, or lacks the duty for what is to be undone.
        UnknownImport, JobRunning
        JobNotOpen: The import is in a state in which that is not possible.
        ImportNotUndoable: It is not posted, or was undone before.
    """
    actor.require_role("steward", "treasurer")
    async with house.database.dial(actor.group_id) as line, line.transaction():
        row = await store.find_import(line, actor.group_id, import_id, lock=True)
        if row is None:
            raise UnknownImport
        job = await find_last_job(line, actor.group_id, import_id)
        if job is not None and job.is_open and job.kind == kind:
            return
        if kind == "undo":
            _require_undoable(row)
            _require_duty_to_undo(actor, row)
        elif row.state not in {"new", "checked"} or row.member_id != actor.member_id:
            raise JobNotOpen(state=row.state)
        elif kind == "post" and (row.state != "checked" or row.summary.get("faults")):
            raise JobNotOpen(state="new" if row.state == "new" else "refused")
        await jobs.insert_waiting(
            house, line, actor.group_id, kind, import_id, now=now, asked_by=actor.member_id
        )


def _require_undoable(row: ImportRow) -> None:
    if row.state != "posted":
        raise ImportNotUndoable(state=row.state)
    if row.options.get("archive"):
        # Its people, pots and asks came along; only what is an entry has a mirror.
        raise ImportNotUndoable(state="archive")


def _require_duty_to_undo(actor: Actor, row: ImportRow) -> None:
    """Refuse to take hours back from who is no steward, and money from who is no treasurer."""
    actor.require_role("steward", "treasurer")
    for total in row.summary.get("totals", ()):
        role = "steward" if total["unit"] == MINUTES else "treasurer"
        if role not in actor.roles:
            raise NeedsRole(role=role)


async def change_options(
    house: House, actor: Actor, import_id: UUID, options: ImportOptions, *, now: datetime
) -> None:
    """Have an import read and booked in another way: it is checked again, and nothing is uploaded again.

    Raises:
        NeedsRole, UnknownImport, JobRunning
        JobNotOpen: It was posted or dropped, or somebody else handed it in.
    """
    actor.require_role("steward", "treasurer")
    async with house.database.dial(actor.group_id) as line, line.transaction():
        row = await store.find_import(line, actor.group_id, import_id, lock=True)
        if row is None:
            raise UnknownImport
        if row.state not in {"new", "checked"} or row.member_id != actor.member_id:
            raise JobNotOpen(state=row.state)
        key = house.keys.find_member_key(actor.group_id, actor.member_id)
        assert key is not None, "whoever acts has a key"
        said = _opened(house, actor.group_id, row).options | _options_kept(options)
        # What was found when it was read in the other way says nothing about this one.
        await store.update_import(
            line,
            actor.group_id,
            import_id,
            state="new",
            now=now,
            options=_seal_options(key, actor.group_id, import_id, said),
        )
        await jobs.insert_waiting(
            house, line, actor.group_id, "check", import_id, now=now, asked_by=actor.member_id
        )


async def stop_work(house: House, actor: Actor, import_id: UUID, *, now: datetime) -> None:
    """Ask the work about an import to stop, if there is any; nothing of it is kept then.

    Raises:
        NeedsRole, UnknownImport
    """
    found = await find_import(house, actor, import_id)
    if found.job is not None and found.job.is_open:
        with suppress(JobNotOpen):
            await jobs.cancel(house, actor.group_id, import_id, now=now)


async def drop_import(house: House, actor: Actor, import_id: UUID, *, now: datetime) -> None:
    """Let an import go that was not posted: its files are gone at once, and work on it stops.

    Raises:
        NeedsRole, UnknownImport
        JobNotOpen: It was posted before.
        ImportUnderWay: It is being written, and has not stopped yet.
    """
    await stop_work(house, actor, import_id, now=now)
    async with house.database.dial(actor.group_id) as line:
        try:
            async with line.transaction():
                row = await store.find_import(line, actor.group_id, import_id, lock=True)
                assert row is not None, "imports are never deleted"
                if row.state in {"posted", "undone"}:
                    raise JobNotOpen(state=row.state)
                await store.update_import(line, actor.group_id, import_id, state="dropped", now=now)
                await store.delete_papers(line, actor.group_id, import_id)
        except STORE_ERRORS as error:
            if is_locked_out(error):
                raise ImportUnderWay(seconds=_STOP_WITHIN_S) from error
            raise


async def forget_expired(house: House, *, now: datetime) -> None:
    """Let the papers of every group be gone whose week is over."""
    for group_id in await list_groups(house.database):
        async with house.database.write_door(group_id) as connection:
            await store.delete_expired_papers(connection, group_id, today=now.date())
            await connection.execute("COMMIT")


# ---------------------------------------------------------------- what the server's worker does


async def check_import(house: House, group_id: UUID, import_id: UUID, teller: Teller) -> None:
    """Read and rehearse what was handed in, and keep what was found."""
    row, options, sources, actor = await _papers(house, group_id, import_id, now=teller.clock())
    _, report = await _rehearse(house, group_id, sources, options, teller, actor=actor)
    key = house.keys.find_member_key(group_id, actor.member_id)
    assert key is not None, "the papers could be opened"
    now = teller.clock()
    async with house.database.dial(group_id) as line, line.transaction():
        seen = await store.find_import(line, group_id, import_id, lock=True)
        if seen is None or seen.state not in {"new", "checked"}:
            raise JobNotOpen(state="gone" if seen is None else seen.state)
        await store.insert_paper(
            line,
            key,
            group_id,
            import_id,
            "report",
            0,
            msgspec.json.encode(report),
            member_id=actor.member_id,
            expires_on=expires_on(row),
        )
        await store.update_import(
            line, group_id, import_id, state="checked", now=now, summary=report.summary()
        )
        await teller.end_within(line)


async def post_import(house: House, group_id: UUID, import_id: UUID, teller: Teller) -> None:
    """Read and rehearse what was handed in once more, and write it."""
    _, options, sources, actor = await _papers(house, group_id, import_id, now=teller.clock())
    plan, report = await _rehearse(house, group_id, sources, options, teller, actor=actor)
    _require_clean(report)
    await _post(house, group_id, import_id, plan, options, report, teller, actor=actor)


async def undo_import(
    house: House, group_id: UUID, import_id: UUID, teller: Teller, *, actor: Actor | None = None
) -> int:
    """Take every entry of an import back that nobody took back before, as one batch; return how many.

    People who joined with it stay, and so does the day that the book begins on.

    Args:
        actor: Who takes it back; None for the host.

    Raises:
        NeedsRole: The actor has not the duty for what would be taken back.
        UnknownImport: There is none with this id.
        ImportNotUndoable: It is not posted, or was undone before.
        BelowFloor: A place would hold less than nothing, since its money went elsewhere meanwhile.
    """
    await teller.wait_for_a_slot()
    now = teller.clock()
    async with long_batch(house, group_id, now=now) as batch:
        connection = batch.connection
        teller.step_back(connection.get_server_pid())
        row = await store.find_import(connection, group_id, import_id, lock=True)
        if row is None:
            raise UnknownImport
        _require_undoable(row)
        if actor is not None:
            _require_duty_to_undo(actor, row)
        assert row.first_seq is not None
        assert row.last_seq is not None
        await batch.load(await batch.load_setup(), ())
        total = await store.count_uncorrected(
            connection, group_id, first_seq=row.first_seq, last_seq=row.last_seq
        )
        number = 0 if actor is None else actor.account
        batch.state.record("import_undone", number, {"entries": total, "import": str(import_id)})
        before, done = row.last_seq, 0
        while page := await store.list_uncorrected(
            connection, group_id, first_seq=row.first_seq, last_seq=before, limit=_STEP
        ):
            before = page[-1][0] - 1
            await _take_back(batch, [entry_id for _, entry_id in page], number)
            await batch.flush()
            await batch.settle()
            done += len(page)
            await teller.tell("writing", done, total, locked_until=_until(now, total - done))
        await store.update_import(connection, group_id, import_id, state="undone", now=now)
        await teller.end_within(connection)
        kept = await batch.finish()
    house.checkpoints.keep(group_id, *kept)
    return done


async def _take_back(batch: LongBatch, entry_ids: Sequence[UUID], actor: int) -> None:
    """Post the mirrors of these entries, newest first."""
    state = batch.state
    known = await book.load_known(batch.connection, batch.group_id, entry_ids)
    hours = await find_hours(batch.connection, batch.group_id, entry_ids)
    numbers = {
        number for each in known.values() for t in each.draft.transfers for number in (t.debit, t.credit)
    }
    await batch.load_more(numbers - state.books.accounts.keys())
    state.books.known |= known
    for entry_id in entry_ids:
        wrong = known[entry_id].draft
        result = state.post(
            Draft(
                entry_id=next(state.ids),
                kind=EntryKind.CORRECTION,
                source=SOURCE,
                transfers=posting.mirror(wrong.transfers),
                effective_on=wrong.effective_on,
                actor=actor,
                category=wrong.category,
                reverses=entry_id,
                reversal_legs=len(wrong.transfers),
            )
        )
        if isinstance(result, Refusal):
            raise result
        if entry_id in hours:
            state.changed_hours[entry_id] = "withdrawn"


async def _papers(
    house: House, group_id: UUID, import_id: UUID, *, now: datetime
) -> tuple[ImportRow, ImportOptions, list[Source], Actor]:
    """Open what was handed in, and return it with who did, as they are now.

    Raises:
        UnknownImport: It is gone, or who handed it in is.
        NeedsRole: They carry none of the duties any more.
    """
    async with house.database.dial(group_id) as line:
        row = await store.find_import(line, group_id, import_id)
        if row is None or row.member_id is None or row.state not in {"new", "checked"}:
            raise UnknownImport
        if expires_on(row) < now.date():
            raise UnknownImport
        key = house.keys.find_member_key(group_id, row.member_id)
        if key is None:
            raise UnknownImport
        sources = []
        opened = _opened(house, group_id, row)
        for number, name in enumerate(opened.options["files"]):
            parts = [part async for part in store.read_paper(line, key, group_id, import_id, "file", number)]
            if not parts:
                raise UnknownImport
            sources.append(Source(name, io.BytesIO(b"".join(parts))))
    try:
        actor = await actor_of(house, group_id, row.member_id, now=now)
    except UnknownMember:
        raise UnknownImport from None
    actor.require_role("steward", "treasurer")
    return row, options_of(opened), sources, actor


def _options_kept(options: ImportOptions) -> dict[str, Any]:
    kept: dict[str, Any] = msgspec.to_builtins(options)
    return kept


def _without_words(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name not in _WORDS}


def _seal_options(key: bytes, group_id: UUID, import_id: UUID, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options as they are kept: what files and columns are called is sealed like the files."""
    words = json.dumps({name: options[name] for name in _WORDS if name in options})
    box = store.seal_words(key, group_id, import_id, words.encode())
    return {**_without_words(options), "words": base64.b64encode(box).decode("ascii")}


def _opened(house: House, group_id: UUID, row: ImportRow) -> ImportRow:
    """Return an import with what is sealed in its options, as far as whoever handed it in has a key."""
    options = dict(row.options)
    box = options.pop("words", None)
    key = None if row.member_id is None else house.keys.find_member_key(group_id, row.member_id)
    if box is not None and key is not None:
        options |= json.loads(store.open_words(key, group_id, row.import_id, base64.b64decode(box)))
    return row._replace(options=options)


# ---------------------------------------------------------------- writing


async def _rehearse(
    house: House,
    group_id: UUID,
    sources: Sequence[Source],
    options: ImportOptions,
    teller: Teller,
    *,
    actor: Actor | None,
) -> tuple[Plan, Report]:
    async with rehearsal(house, group_id, now=teller.clock()) as batch:
        return await make_plan(house, batch, sources, options, teller, actor=actor)


async def _post(
    house: House,
    group_id: UUID,
    import_id: UUID,
    plan: Plan,
    options: ImportOptions,
    report: Report,
    teller: Teller,
    *,
    actor: Actor | None,
) -> None:
    """Write a plan in one transaction: people, categories, the day the book begins on, and every line."""
    await teller.wait_for_a_slot()
    await make_keys(house, group_id, plan.newcomers)
    now = teller.clock()
    number = 0 if actor is None else actor.account
    async with long_batch(house, group_id, now=now) as batch:
        teller.step_back(batch.connection.get_server_pid())
        row = await store.find_import(batch.connection, group_id, import_id, lock=True)
        if row is None or row.state not in {"new", "checked"}:
            raise JobNotOpen(state="gone" if row is None else row.state)
        records = await _change_setup(house, batch, plan, number, now=now)
        await batch.load(await batch.load_setup(), plan.numbers())
        for kind, who, fields in records:
            batch.state.record(kind, who, fields)
        first_seq = batch.state.record(
            "import", number, {"entries": len(plan.booked), "import": str(import_id)}
        )
        await _book(batch, plan, actor, teller)
        last_seq = batch.state.books.seq
        await store.update_import(
            batch.connection,
            group_id,
            import_id,
            state="posted",
            now=now,
            summary=report.summary(),
            seqs=(first_seq, last_seq),
        )
        if options.columns:
            for header_hash, layout, places in plan.seen.headers:
                await store.save_columns(batch.connection, group_id, header_hash, layout, places)
        await store.delete_papers(batch.connection, group_id, import_id)
        await teller.end_within(batch.connection)
        kept = await batch.finish()
    house.checkpoints.keep(group_id, *kept)


async def _change_setup(
    house: House, batch: LongBatch, plan: Plan, actor: int, *, now: datetime
) -> list[tuple[str, int, dict[str, Any]]]:
    """Let people join, categories be kept and the book begin earlier; return the records that say so."""
    records: list[tuple[str, int, dict[str, Any]]] = []
    before = plan.setup.began_on
    if plan.began_on < before:
        await store.move_beginning(batch.connection, batch.group_id, plan.began_on)
        records.append(
            ("began", actor, {"before": before.isoformat(), "began_on": plan.began_on.isoformat()})
        )
    if plan.categories_new:
        await store.add_categories(batch.connection, batch.group_id, plan.categories_new)
    if plan.newcomers:
        records += await join(house, batch.tx, batch.group_id, plan.newcomers, now=now, actor=actor)
    elif records or plan.categories_new:
        await bump_setup_version(batch.tx, batch.group_id)
    return records


async def _book(batch: LongBatch, plan: Plan, actor: Actor | None, teller: Teller) -> None:
    """Book every line; what the rehearsal accepted, the book accepts unless it changed in between.

    Raises:
        Refusal: The first that the book gives.
    """
    bookkeeper = plan.bookkeeper(batch, actor)
    total, began = len(plan.booked), teller.clock()
    for done, (_, line, entry_id) in enumerate(plan.booked):
        refusal = bookkeeper.book(line, entry_id)
        if refusal is not None:
            raise refusal
        if batch.is_full:
            await batch.flush()
            seconds = (teller.clock() - began).total_seconds()
            rate = done / seconds if done and seconds > 0 else _LINES_PER_SECOND
            until = teller.clock() + timedelta(seconds=(total - done) / rate)
            await teller.tell("writing", done, total, locked_until=until)
    await batch.flush()
    await batch.settle()


def _until(now: datetime, left: int) -> datetime:
    return now + timedelta(seconds=left / _LINES_PER_SECOND)
