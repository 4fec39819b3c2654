"""The public log as one file: both programs check it, and it is the same file every time."""

from __future__ import annotations

import io
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

from tests.cast import SLUG, Cast, house, make_cast
from tests.services.book_with_clock import MARCH_2, Book
from timebank.services.house import House
from timebank.services.log_archive import write_log
from timebank.services.log_sources import open_log
from timebank.services.public_verify import check_log

__all__ = ["house"]

CHECK_BOOK = Path(__file__).parents[2] / "frontend" / "download" / "check_book.py"


async def packed(cast: Cast) -> bytes:
    out = io.BytesIO()
    await write_log(cast.house.database, SLUG, out, show=lambda *_: None)
    return out.getvalue()


async def test_both_programs_check_the_file_and_it_is_the_same_every_time(
    house: House, tmp_path: Path
) -> None:
    cast = await make_cast(house, MARCH_2)
    book = Book(cast)
    try:
        await book.give(90, date(2026, 3, 2))
        book.now += timedelta(days=20)
        await book.close()
    finally:
        await book.writer.close()

    data = await packed(cast)

    assert await packed(cast) == data
    path = tmp_path / "garden.zip"
    path.write_bytes(data)
    with open_log(str(path)) as log:
        verdict = check_log(log)
    assert verdict.ok, verdict.findings
    assert verdict.seen.periods >= 20
    assert verdict.seen.policies >= 2
    other = subprocess.run(  # noqa: ASYNC221
        [sys.executable, CHECK_BOOK, path], capture_output=True, text=True, check=False
    )
    assert other.returncode == 0, other.stdout + other.stderr
