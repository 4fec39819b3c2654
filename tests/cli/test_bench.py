"""``timebank bench``: it runs, its ratios have their names, and its counts are those of the books. Never a time."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.cast import house
from tests.database import Dsn
from timebank.bench.imports import check_past, make_group_for, write_past, write_pasts
from timebank.bench.load import make_ask, quantile
from timebank.bench.measure import WentWrong
from timebank.bench.plan import (
    FULL,
    IMPORT_MEGABYTES_MAX,
    IMPORT_SECONDS_MAX,
    PUBLISH_SECONDS_MAX,
    QUICK,
    TARGETS,
    TINY,
    Target,
)
from timebank.bench.report import Report
from timebank.bench.stage import CATEGORIES, Stage, check_all_written
from timebank.cli import bench, main
from timebank.errors import GroupBusy
from timebank.services.house import House
from timebank.services.import_report import ImportOptions, Source
from timebank.services.imports import import_files
from timebank.services.writer import Answer, Writer

__all__ = ["house"]

NAMES = {
    "batch_1000_vs_copy_all",
    "batch_1000_vs_copy_bare",
    "batch_1000_vs_row_locking",
    "batch_5000_vs_1000",
    "fresh_vs_loaded_100",
    "http_64_vs_same_auth",
    "http_64_vs_empty",
    "http_batch_200_vs_batch_1000",
    "read_1e6_vs_1e3",
    "verify_writers",
    "import_vs_copy_all",
    "import_writers",
    "proof_share_of_batch_1000",
    "publish_vs_write",
    "publish_writers",
}


def test_the_targets_are_those_that_were_asked_for() -> None:
    assert set(TARGETS) == NAMES
    assert FULL.large == 1_000_000
    assert (FULL.members, FULL.loaded) == (200, 50_000)
    assert FULL.import_lines == 100_000
    assert (FULL.pasts, FULL.past_lines) == (200, 3_000)
    assert TARGETS["import_writers"].bar == 0.8
    assert (IMPORT_SECONDS_MAX, IMPORT_MEGABYTES_MAX) == (60, 300)
    assert (FULL.published, PUBLISH_SECONDS_MAX) == (100_000, 30)
    assert [TARGETS[name].bar for name in ("publish_writers", "verify_writers")] == [0.8, 0.8]
    assert TARGETS["proof_share_of_batch_1000"].bar == 0.2


@pytest.mark.slow
def test_a_tiny_run_has_every_ratio_and_the_books_hold_what_was_acknowledged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("timebank.bench.plan.QUICK", TINY)
    said = tmp_path / "bench.json"

    assert main(["bench", "--quick", "--json", str(said)]) == 0

    found = json.loads(said.read_text(encoding="utf-8"))
    assert set(found["ratios"]) == set(found["targets"]) == NAMES
    assert all(ratio > 0 for ratio in found["ratios"].values())
    assert set(found["reads"]) == {"live", "statement", "page"}
    assert found["ratios"]["read_1e6_vs_1e3"] == max(found["reads"].values())
    # Two warm-up rounds and one that counts, each of 1,000 and 5,000 and 100 entries; HTTP came on top.
    books = found["books"]
    assert books["loaded"] > TINY.loaded + 3 * (1_000 + 5_000 + 100)
    assert books["fresh"] == 3 * 100
    assert books["short-book"] == TINY.small
    # Writing goes on while the book is verified: at least one batch before, during and after.
    assert books["long-book"] >= TINY.large + 3 * 1_000
    # What was imported was compared to the minute before; these are the lines of it.
    assert books["large-past-1"] == found["import"]["lines"] == TINY.import_lines
    assert TINY.pasts * TINY.past_lines // 2 <= books["3 pasts"] <= TINY.pasts * TINY.past_lines
    assert found["ratios"]["import_writers"] == min(found["writers"].values())
    assert books["day-1"] == found["publishing"]["entries"] == TINY.published
    assert books["day-beside"] >= TINY.published + 3 * 1_000
    assert 20 < found["import"]["megabytes"] < 300
    assert found["plan"] == TINY._asdict()
    assert {"cores", "postgresql", "python"} <= set(found["machine"])
    table = capsys.readouterr().out
    assert all(name in table for name in NAMES)


def test_an_unknown_ratio_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["bench", "--only", "batch_of_apples"])

    assert ended.value.code == 2
    assert "batch_1000_vs_copy_all" in capsys.readouterr().err


def test_what_went_wrong_ends_the_command_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def go_wrong(*_: object, **__: object) -> Report:
        raise WentWrong("a request was answered with 503")

    monkeypatch.setattr(bench, "measure", go_wrong)

    assert main(["bench"]) == 1
    assert "its figures would mean nothing: a request was answered with 503." in capsys.readouterr().err


def test_a_ratio_is_of_medians_and_reads_report_the_worst() -> None:
    report = Report({}, QUICK)

    report.add({"batch_1000": [2.0, 1.0, 9.0], "copy_all": [0.5, 1.0, 1.5], "copy_bare": [0.2]})
    report.add(
        {
            f"{what}_{size}": [seconds]
            for what in ("live", "statement", "page")
            for size, seconds in (("small", 0.010), ("large", 0.011 if what == "page" else 0.010))
        }
    )

    assert report.ratios["batch_1000_vs_copy_all"] == 0.5
    assert report.ratios["batch_1000_vs_copy_bare"] == 0.1
    assert report.ratios["read_1e6_vs_1e3"] == 1.1
    assert "batch_5000_vs_1000" not in report.ratios
    assert report.as_json()["targets"]["batch_1000_vs_copy_all"] == {
        "bar": 0.45,
        "goal": 0.6,
        "better": "larger",
        "met": True,
        "goal_met": False,
    }


def test_writers_beside_imports_report_the_worst_of_what_was_measured() -> None:
    report = Report({}, QUICK)

    report.add({"batches_alone": [1.0, 1.0], "batches_beside_imports": [1.25], "singles_alone": [2.0]})
    assert report.ratios["import_writers"] == 0.8

    report.add({"singles_alone": [2.0], "singles_beside_imports": [4.0]})
    assert report.writers == {"batches": 0.8, "singles": 0.5}
    assert report.ratios["import_writers"] == 0.5


def test_what_one_import_took_is_told_with_what_it_may_take() -> None:
    report = Report({}, QUICK)

    report.add_import(100_000, [12.0, 10.0, 70.0], 161.3)

    assert report.as_json()["import"] == {
        "lines": 100_000,
        "seconds": 12.0,
        "megabytes": 161.3,
        "seconds_max": 60,
        "megabytes_max": 300,
    }
    assert "import of 100,000 lines: 12.00 s (at most 60), 8,333 lines a second, 161 MB" in report.as_text()


def test_a_past_is_the_same_in_every_run_and_says_what_its_book_must_hold(tmp_path: Path) -> None:
    past = write_past(tmp_path, "riverside", people=20, hours=300, money=30)
    lines = past.files[0].read_text(encoding="utf-8").splitlines()[1:]
    again = write_past(tmp_path, "riverside", people=20, hours=300, money=30)

    given = [line.split(",", 4) for line in lines]
    minutes = [int(hour) * 60 + int(rest) for hour, _, rest in (cells[3].partition(":") for cells in given)]
    assert (past.lines, len(lines), len(past.given)) == (330, 300, 20)
    assert sum(minutes) == sum(past.given.values())
    assert past.pot == sum(each for each, cells in zip(minutes, given, strict=True) if not cells[2])
    assert {cells[4].split(",")[0] for cells in given} == set(CATEGORIES)
    assert 30 < sum('"' in line for line in lines) < 90
    assert past == again
    assert past.files[0].read_text(encoding="utf-8").splitlines()[1:] == lines


async def test_a_minute_that_went_to_somebody_else_is_found(
    house: House, fresh_dsn: Dsn, tmp_path: Path
) -> None:
    past = write_past(tmp_path, "riverside", people=4, hours=40, money=5)
    # The bench's own kind of arguments can be sent to other processes, which nobody does here.
    stage = Stage(fresh_dsn, house, Writer(house.database, house.keys, house.checkpoints))  # type: ignore[arg-type]
    group_id = await make_group_for(stage, past)
    files = [Source(path.name, io.BytesIO(path.read_bytes())) for path in past.files]
    await import_files(
        house, group_id, files, ImportOptions(), clock=lambda: datetime.now(UTC), dry_run=False
    )

    await check_past(stage, group_id, past, by_name=True)

    (one, minutes), (other, more), *_ = sorted(past.given.items())
    assert minutes != more
    for wrong in (
        past._replace(pot=past.pot + 1),
        past._replace(cents=past.cents - 1),
        past._replace(hours=past.hours + 1),
        past._replace(given={**past.given, one: minutes + 1, other: more - 1}),
        past._replace(given={**past.given, one: more, other: minutes}),
    ):
        with pytest.raises(WentWrong):
            await check_past(stage, group_id, wrong, by_name=True)


def test_pasts_of_real_size_are_of_different_sizes(tmp_path: Path) -> None:
    plan = QUICK._replace(pasts=8)

    pasts = write_pasts(tmp_path, plan)

    assert all(1_500 <= past.lines <= 3_000 and 30 <= len(past.given) <= 60 for past in pasts)
    assert all(past.money == past.lines // 10 for past in pasts)
    assert len({past.lines for past in pasts}) == 8


def test_smaller_is_better_only_for_reads_and_shares() -> None:
    assert [name for name, target in TARGETS.items() if target.at_most] == [
        "read_1e6_vs_1e3",
        "proof_share_of_batch_1000",
    ]
    assert Target(1.2, 1.2, at_most=True).is_met(1.1, 1.2)
    assert not Target(0.45, 0.6).is_met(0.4, 0.45)


def test_a_refused_request_or_a_replay_ends_the_run() -> None:
    good = Answer(201, b"{}", False)
    check_all_written([good])

    for bad in (GroupBusy(), Answer(409, b"{}", False), Answer(201, b"{}", True)):
        with pytest.raises(WentWrong):
            check_all_written([good, bad])


def test_a_request_is_ready_bytes_with_room_for_its_key() -> None:
    before, after = make_ask("POST", "/x", token="tb_1", body=b"{}")

    assert (before + b"k1" + after).endswith(b"Content-Length: 2\r\nIdempotency-Key: k1\r\n\r\n{}")
    assert make_ask("GET", "/x").before == b"GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n"


def test_quantiles() -> None:
    assert quantile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert quantile([3.0, 1.0, 2.0], 0.99) == 3.0
    assert quantile([], 0.5) == 0.0
