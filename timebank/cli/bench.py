"""``timebank bench``: how fast this machine keeps books, against baselines measured in the same minutes."""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from timebank.config import OperatorError

if TYPE_CHECKING:
    from timebank.bench.plan import Plan
    from timebank.bench.report import Report

NAME: Final = "bench"
HELP: Final = "measure how fast this machine keeps books, in a database of its own that is gone afterwards"

#: It neither reads nor writes the home: everything is in a directory of its own.
NEEDS_HOME: Final = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    from timebank.bench.plan import TARGETS

    parser.add_argument("--json", metavar="FILE", help="write everything as JSON there; - is standard output")
    parser.add_argument(
        "--quick", action="store_true", help="smaller and shorter; good for a first look only"
    )
    parser.add_argument(
        "--only", nargs="+", metavar="NAME", choices=tuple(TARGETS), default=(), help="only these ratios"
    )


def run(args: argparse.Namespace) -> int:
    """Measure, print a table; 0 whatever the figures are, 1 when something did not run as it should."""
    from timebank.bench.measure import WentWrong
    from timebank.bench.plan import FULL, QUICK

    plan = QUICK if args.quick else FULL
    try:
        report = measure(plan, only=args.only)
    except WentWrong as error:
        raise OperatorError(f"The bench stopped, its figures would mean nothing: {error}.") from error
    _write(report, args.json)
    return 0


def measure(plan: Plan, *, only: tuple[str, ...] = ()) -> Report:
    """Run the bench in a new directory, and remove that again."""
    import uvloop

    from timebank.bench.run import run_bench
    from timebank.cli.memory import settle_memory
    from timebank.store.embedded import Cluster

    settle_memory()

    # A short name below a place that everyone reaches: PostgreSQL runs as somebody else under root.
    place = Path(tempfile.mkdtemp(prefix="timebank-bench-"))
    place.chmod(0o755)
    try:
        # The first start makes the cluster; how long one takes that is there is worth knowing.
        with Cluster(place / "home"):
            pass
        began = time.perf_counter()
        with (
            Cluster(place / "home") as cluster,
            asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        ):
            warm_start = time.perf_counter() - began
            report = runner.run(run_bench(cluster.home, plan, only=only, say=_say))
        report.milliseconds["warm_start_of_postgres_ms"] = round(warm_start * 1000, 1)
        return report
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _write(report: Report, where: str | None) -> None:
    if where == "-":
        print(json.dumps(report.as_json(), indent=2))
        return
    print(report.as_text(), flush=True)
    if where is not None:
        Path(where).write_text(json.dumps(report.as_json(), indent=2) + "\n", encoding="utf-8")


def _say(line: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)
