"""``timebank bench``: it runs, its ratios have their names, and its counts are those of the books. Never a time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from timebank.bench.load import make_ask, quantile
from timebank.bench.measure import WentWrong
from timebank.bench.plan import FULL, QUICK, TARGETS, TINY, Target
from timebank.bench.report import Report
from timebank.bench.stage import check_all_written
from timebank.cli import bench, main
from timebank.errors import GroupBusy
from timebank.services.writer import Answer

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
}


def test_the_targets_are_those_that_were_asked_for() -> None:
    assert set(TARGETS) == NAMES
    assert FULL.large == 1_000_000
    assert (FULL.members, FULL.loaded) == (200, 50_000)


@pytest.mark.database
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


def test_smaller_is_better_only_for_reads() -> None:
    assert [name for name, target in TARGETS.items() if target.at_most] == ["read_1e6_vs_1e3"]
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
