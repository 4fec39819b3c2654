"""An archive comes in: into an empty group or as a new one, every entry judged again, all of it or nothing.

The book that comes out is new: its records have their own numbers, moments and proofs. One of them
says of which checkpoint of which book it is a copy, so that an auditor can tie the two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

from timebank.errors import (
    N_,
    EntryIdReused,
    FieldInvalid,
    GroupNotEmpty,
    JobNotOpen,
    NicknameTaken,
    NoTimeBank,
    Refusal,
    UnitMismatch,
)
from timebank.formats.archive import ArchivedEntry, ArchiveReader, WrongArchive, wrong
from timebank.formats.archive_rows import (
    ENTRIES,
    GROUP,
    MEMBERS,
    PLACES,
    POTS,
    DrawLine,
    HoursLine,
    PlaceLine,
    PolicyLine,
    PotLine,
)
from timebank.ledger.entries import Draft, Entry, Transfer
from timebank.ledger.units import MINUTES
from timebank.rules.archive import Key, kind_of, owner_of
from timebank.rules.publication import place_name
from timebank.rules.set_up import (
    LIST_MAX,
    TOO_MANY,
    NewGroup,
    NewPot,
    OpenedAccount,
    accounts_of_member,
    opened_accounts,
    pot_floor,
)
from timebank.rules.state import Draw, Hand, HeldPlace, HoursRow, Pot
from timebank.services import jobs
from timebank.services.archive_check import check_archive, read_terms
from timebank.services.groups import create_group, policy_fields
from timebank.services.import_report import Report, SeenFault, SeenFile
from timebank.services.imports import HasFaults
from timebank.services.jobs import Teller
from timebank.services.long_batch import SLICE, long_batch, rehearsal
from timebank.services.members import Newcomer, join, make_keys
from timebank.store import archive as store
from timebank.store import groups as groups_store
from timebank.store import imports as imports_store
from timebank.store.archive import RoleRow
from timebank.store.boxes import blind_index
from timebank.store.draws import insert_draws, upsert_hands
from timebank.store.engine import STORE_ERRORS, is_our_fault
from timebank.store.groups import NewAccount, PolicyRow, find_frame
from timebank.store.members import MemberRow, insert_members

if TYPE_CHECKING:
    from timebank.rules.state import SetUp
    from timebank.services.archive_check import Checked
    from timebank.services.house import House
    from timebank.services.import_report import Source
    from timebank.services.long_batch import LongBatch
    from timebank.store.groups import GroupFrame

LAYOUT: Final = "archive"
NOT_KEPT_HERE: Final = N_("this group does not keep it; import into a new group")
OTHER_PLACE: Final = N_("this group has another place of this name")

_LOOK_UP: Final = 5_000
_ENTRIES_PER_SECOND: Final = 4_000
_TICK: Final = timedelta(microseconds=1)

Records = list[tuple[str, int, dict[str, Any]]]


class NewAddress(NamedTuple):
    """Where a group is to be made of an archive; ``origin`` is the name of its book in proofs."""

    slug: str
    origin: str


async def import_archive(
    house: House,
    where: UUID | NewAddress,
    source: Source,
    *,
    clock: Callable[[], datetime],
    dry_run: bool,
    show: jobs.Show | None = None,
    step_back: Callable[[int], None] = lambda _pid: None,
) -> tuple[Report, UUID | None]:
    """Bring an archive in for the host, all or nothing.

    Args:
        where: An empty group, or where to make one; a new group stays, empty, when the import into
            it is interrupted afterwards, and takes the same archive again.
        dry_run: Compare everything in the archive with everything else in it, and write nothing.

    Returns:
        What was found, and the id of the import; None when nothing was written: the run was dry,
        or the group has these entries already.

    Raises:
        HasFaults: It is no archive, or was changed, or does not fit; its report says where.
        GroupNotEmpty: The group has other entries.
        SlugTaken, JobRunning, JobCancelled
    """
    with _faults_told(source), ArchiveReader(source.file) as reader:
        if isinstance(where, NewAddress):
            checked = await check_archive(reader, Teller(clock=clock, show=show))
            if dry_run:
                return _report(source, checked), None
            where = await _make_group(house, checked, where, now=clock())
        else:
            if dry_run:
                return (await _look(house, where, reader, source, Teller(clock=clock, show=show)))[1], None
            checked = None
        import_id = house.new_id()
        async with jobs.doing(
            house, where, clock=clock, kind="post", about_id=import_id, show=show, step_back=step_back
        ) as teller:
            with _faults_told(source):
                if checked is None:
                    checked, report = await _look(house, where, reader, source, teller)
                    if checked is None:
                        return report, None
                report = _report(source, checked)
                await _post(house, where, import_id, reader, checked, report, teller)
    return report, import_id


async def _make_group(house: House, checked: Checked, at: NewAddress, *, now: datetime) -> UUID:
    """Make a group with the settings of an archive: its pots, places, units and first rules."""
    agreed_on = {line.pot: line.agreed_on for line in checked.archive.policies if line.version == 1}
    return await create_group(
        house, replace(checked.group, slug=at.slug), origin=at.origin, now=now, agreed_on=agreed_on
    )


@contextmanager
def _faults_told(source: Source) -> Iterator[None]:
    """Turn what is wrong with an archive into a refusal with a report."""
    try:
        yield
    except WrongArchive as bad:
        refusal = HasFaults(count=1)
        refusal.report = replace_faults(source, bad)
        raise refusal from None


def replace_faults(source: Source, bad: WrongArchive) -> Report:
    """Return the report of an archive in which something is wrong."""
    line, column, why, value = bad.fault
    fault = SeenFault(bad.file or source.name, line, column, why.code, why.message, dict(why.params), value)
    return _empty_report(source, [fault])
