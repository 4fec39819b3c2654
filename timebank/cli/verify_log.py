"""Checks a public log from outside, as ``timebank verify ADDRESS`` and ``timebank verify ARCHIVE`` do."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Final

from timebank.cli.progress import Bar
from timebank.config import OperatorError
from timebank.ledger.notes import seal_of
from timebank.services.log_sources import NoLogError, open_log
from timebank.services.public_verify import LogVerdict, NotACheckpointError, check_log
from timebank.services.witness import write_whole

WHOLE: Final = 0
WRONG: Final = 1
NOT_CHECKED: Final = 2

_PROVED: Final = """\
  Its {leaves} leaves are those that the checkpoint is about, and it is signed with the log's key:
    {key}
  Its seal, the same as on the newest page of the group and on its print: {seal}
  The figures of {periods} closed periods{until} follow from each other and from the {lines} lines shown: what a pot
  opened with, and what came and went, is what it closed with. All rules in force are as they were published.{more}"""
_NEW_KEYS: Final = "\n  The key was changed {count} times; each new one was introduced by the key before, or by the one on paper."
_RESTORED: Final = "\n  The book was restored from a backup, and says so in the period until {day}."
_LOST: Final = """
  It lost {lost} records that were published; what they had moved is taken out of the pots again, as one total."""
_KEPT: Final = """
  Nothing of the {kept} leaves that you had a checkpoint of was changed or left out."""
_NOT_KEPT: Final = """\
  Not proved: that nothing was changed since you last looked. Keep this checkpoint (--keep FILE), and compare next time.
  Not proved: whose key it is. Compare it with the one on the group's papers, or with what others see."""
_NOT_PROVED: Final = """\
  Not proved: that others are shown the same. Witnesses do that; or compare checkpoints with somebody.
  Not proved: anything about what is not published yet.
  Not proved, here or anywhere: that what people wrote down is true."""


def verify_log(where: str, *, checkpoint: Path | None, keep: Path | None) -> int:
    """Check a log and print what was found.

    Args:
        where: Address, archive or folder.
        checkpoint: File with a checkpoint to compare with.
        keep: File for the newest checkpoint; what is in it is compared with first.

    Returns:
        0 when the log is whole, 1 when something is wrong, 2 when it could not be checked.
    """
    began = time.monotonic()
    bar = Bar(where)
    try:
        kept = _kept(checkpoint, keep)
        with open_log(where) as log:
            verdict = check_log(log, kept=kept, progress=lambda done, total: bar.show("leaves", done, total))
    except NotACheckpointError as error:
        print(f"timebank: {checkpoint or keep} is no checkpoint of a public log: {error}.", file=sys.stderr)
        return NOT_CHECKED
    except (NoLogError, OperatorError) as error:
        print(f"timebank: {error}", file=sys.stderr)
        return NOT_CHECKED
    finally:
        bar.close()
    _tell(where, verdict, time.monotonic() - began)
    if verdict.ok and keep is not None:
        write_whole(keep, verdict.note)
        print(f"  The checkpoint is kept in {keep}.")
    return WHOLE if verdict.ok else WRONG


def _kept(checkpoint: Path | None, keep: Path | None) -> bytes | None:
    path = checkpoint or (keep if keep is not None and keep.exists() else None)
    if path is None:
        return None
    try:
        return path.read_bytes()
    except OSError as error:
        raise OperatorError(f"{path} cannot be read: {error.strerror}.") from error


def _tell(where: str, verdict: LogVerdict, seconds: float) -> None:
    if not verdict.ok:
        print(f"{where}: SOMETHING IS WRONG.")
        for leaf, what in verdict.findings:
            place = "the log as a whole" if leaf is None else f"leaf {leaf} (the first is 0)"
            print(f"  {place}: {what}.")
        print("  Keep what you have, and ask the group and its witnesses. Nothing more was looked at.")
        return
    seen = verdict.seen
    print(f"{where}: the public log of {verdict.origin} is whole ({seconds:.1f} s).")
    more = _NEW_KEYS.format(count=seen.new_keys) if seen.new_keys else ""
    for one in seen.restores:
        more += _RESTORED.format(day=one.told_on) + (_LOST.format(lost=f"{one.lost:,}") if one.lost else "")
    more += _KEPT.format(kept=f"{verdict.kept:,}") if verdict.kept is not None else ""
    print(
        _PROVED.format(
            leaves=f"{seen.leaves:,}",
            key=verdict.keys.log_key if verdict.keys else "",
            seal=seal_of(verdict.note.decode()),
            periods=f"{seen.periods:,}",
            until=f", the last one until {seen.last_day}," if seen.last_day else "",
            lines=f"{seen.lines:,}",
            more=more,
        )
    )
    if verdict.kept is None:
        print(_NOT_KEPT)
    print(_NOT_PROVED)
