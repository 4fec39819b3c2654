"""From seconds to ratios, and to a table that says what is good enough."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass, field
from typing import Any, Final

from timebank.bench.measure import median, per_second
from timebank.bench.plan import (
    COPY_ALL,
    COPY_BARE,
    EMPTY,
    FRESH,
    HTTP_BATCH,
    IMPORT,
    IMPORT_MEGABYTES_MAX,
    IMPORT_SECONDS_MAX,
    IMPORT_WRITERS,
    LONG_BATCH,
    PUBLISH,
    PUBLISH_SECONDS_MAX,
    PUBLISH_WRITERS,
    READS,
    ROW_LOCKING,
    SAME_AUTH,
    SHARE,
    TARGETS,
    VERIFY,
    Plan,
)

Seconds = dict[str, list[float]]

# What is compared: the median of the first against that of the second, as rates.
_RATES: Final[dict[str, tuple[str, str]]] = {
    COPY_ALL: ("batch_1000", "copy_all"),
    COPY_BARE: ("batch_1000", "copy_bare"),
    ROW_LOCKING: ("batch_1000", "row_locking"),
    LONG_BATCH: ("batch_5000", "batch_1000"),
    FRESH: ("fresh_100", "batch_100"),
    SAME_AUTH: ("http_64", "same_auth"),
    EMPTY: ("http_64", "empty"),
    HTTP_BATCH: ("http_batch_200", "batch_1000_beside_http"),
    VERIFY: ("writers_beside_verify", "writers_alone"),
    SHARE: ("batch_1000", "proof"),
    PUBLISH: ("publish", "write_before_publish"),
    PUBLISH_WRITERS: ("writers_beside_publish", "writers_beside_nothing"),
    IMPORT: ("import", "copy_all_beside_import"),
}
READ: Final = ("live", "statement", "page")
WRITE: Final = ("batches", "singles")
_LATENCIES: Final = tuple(f"{what}_{size}" for what in READ for size in ("small", "large"))
_DURATIONS: Final = frozenset({"verify", "publish_beside_writers"})


@dataclass(slots=True)
class Report:
    """What one run found.

    Attributes:
        machine: Facts about where it ran.
        per_second: Entries or requests a second, by what was measured.
        milliseconds: Latencies and durations.
        spread: For each rate the slowest and the fastest run.
        ratios: By name; larger is better but for reads and the share of the proof.
        reads: The three parts of the ratio of reads.
        writers: The two parts of the ratio of writers beside imports.
        large_import: What the import of one large past took: lines, seconds, megabytes.
        publishing: What publishing one day took: entries, seconds.
        books: Entries that were counted in each book in the end.
    """

    machine: dict[str, Any]
    plan: Plan
    per_second: dict[str, float] = field(default_factory=dict)
    milliseconds: dict[str, float] = field(default_factory=dict)
    spread: dict[str, tuple[float, float]] = field(default_factory=dict)
    ratios: dict[str, float] = field(default_factory=dict)
    reads: dict[str, float] = field(default_factory=dict)
    writers: dict[str, float] = field(default_factory=dict)
    large_import: dict[str, float] = field(default_factory=dict)
    publishing: dict[str, float] = field(default_factory=dict)
    books: dict[str, int] = field(default_factory=dict)

    def add(self, seconds: Seconds) -> None:
        """Take in what was measured, and every ratio that follows from it."""
        for name, values in seconds.items():
            if not values:
                # A short run can be over before it was measured.
                continue
            if name in _LATENCIES or name in _DURATIONS:
                self.milliseconds[name] = round(median(values) * 1000, 3)
            else:
                self.per_second[name] = round(per_second(values), 1)
                self.spread[name] = (round(1 / max(values), 1), round(1 / min(values), 1))
        for name, (first, second) in _RATES.items():
            if first in seconds and second in seconds:
                self.ratios[name] = round(median(seconds[second]) / median(seconds[first]), 3)
        if all(name in seconds for name in _LATENCIES):
            self.reads = {
                what: round(median(seconds[f"{what}_large"]) / median(seconds[f"{what}_small"]), 3)
                for what in READ
            }
            self.ratios[READS] = max(self.reads.values())

        self.writers |= {
            what: round(median(seconds[f"{what}_alone"]) / median(seconds[f"{what}_beside_imports"]), 3)
            for what in WRITE
            if seconds.get(f"{what}_beside_imports")
        }
        if self.writers:
            self.ratios[IMPORT_WRITERS] = min(self.writers.values())

    def add_import(self, lines: int, seconds: list[float], megabytes: float) -> None:
        """Take in what importing one file took, each time; of memory the most that it ever was."""
        self.large_import = {
            "lines": lines,
            "seconds": round(median(seconds), 2),
            "megabytes": round(megabytes, 1),
        }

    def add_publishing(self, entries: int, seconds: list[float]) -> None:
        """Take in what publishing one day took, each time."""
        self.publishing = {"entries": entries, "seconds": round(median(seconds), 2)}

    def as_json(self) -> dict[str, Any]:
        """Return everything as plain data."""
        return {
            "machine": self.machine,
            "plan": self.plan._asdict(),
            "ratios": {name: self.ratios[name] for name in TARGETS if name in self.ratios},
            "targets": {
                name: {
                    "bar": target.bar,
                    "goal": target.goal,
                    "better": "smaller" if target.at_most else "larger",
                    "met": target.is_met(self.ratios[name], target.bar),
                    "goal_met": target.is_met(self.ratios[name], target.goal),
                }
                for name, target in TARGETS.items()
                if name in self.ratios
            },
            "reads": self.reads,
            "writers": self.writers,
            "import": self.large_import
            and {
                **self.large_import,
                "seconds_max": IMPORT_SECONDS_MAX,
                "megabytes_max": IMPORT_MEGABYTES_MAX,
            },
            "publishing": self.publishing and {**self.publishing, "seconds_max": PUBLISH_SECONDS_MAX},
            "per_second": self.per_second,
            "spread": self.spread,
            "milliseconds": self.milliseconds,
            "books": self.books,
        }

    def as_text(self) -> str:
        """Return the tables that people read."""
        lines = ["", ", ".join(f"{name} {value}" for name, value in self.machine.items()), ""]
        lines.append(f"{'ratio':<30}{'is':>8}{'bar':>8}{'goal':>8}  ")
        for name, target in TARGETS.items():
            if name not in self.ratios:
                continue
            ratio = self.ratios[name]
            verdict = "below the bar" if not target.is_met(ratio, target.bar) else "met"
            if target.at_most and verdict != "met":
                verdict = "above the bar"
            if target.is_met(ratio, target.goal):
                verdict = "goal met"
            lines.append(f"{name:<30}{ratio:>8.3f}{target.bar:>8.2f}{target.goal:>8.2f}  {verdict}")
        if self.reads:
            parts = ", ".join(f"{what} {ratio:.3f}" for what, ratio in self.reads.items())
            lines.append(
                f"  reads, long book ({self.plan.large:,}) against short ({self.plan.small:,}): {parts}"
            )
        if self.writers:
            parts = ", ".join(f"{what} {ratio:.3f}" for what, ratio in self.writers.items())
            lines.append(f"  writers beside the import of {self.plan.pasts} other groups: {parts}")
        if self.large_import:
            large = self.large_import
            lines.append(
                f"  import of {large['lines']:,.0f} lines: {large['seconds']:.2f} s"
                f" (at most {IMPORT_SECONDS_MAX:.0f}), {large['lines'] / large['seconds']:,.0f} lines a second,"
                f" {large['megabytes']:.0f} MB of memory (at most {IMPORT_MEGABYTES_MAX:.0f})"
            )
        if self.publishing:
            day = self.publishing
            lines.append(
                f"  publishing a day of {day['entries']:,.0f} entries: {day['seconds']:.2f} s"
                f" (at most {PUBLISH_SECONDS_MAX:.0f}), {day['entries'] / day['seconds']:,.0f} entries a second"
            )
        lines += ["", f"{'per second':<30}{'median':>10}{'slowest':>10}{'fastest':>10}"]
        for name, rate in self.per_second.items():
            slowest, fastest = self.spread[name]
            lines.append(f"{name:<30}{rate:>10,.0f}{slowest:>10,.0f}{fastest:>10,.0f}")
        if self.milliseconds:
            lines += ["", f"{'milliseconds':<30}{'median':>10}"]
            lines += [f"{name:<30}{value:>10,.2f}" for name, value in self.milliseconds.items()]
        whole = ", ".join(f"{slug} {entries:,}" for slug, entries in self.books.items())
        lines += ["", f"Counted in the end, nothing lost and nothing twice: {whole} entries.", ""]
        return "\n".join(lines)


def machine_facts(postgres: str) -> dict[str, Any]:
    """Return what figures of two machines differ by."""
    return {
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "processor": platform.machine(),
        "python": platform.python_version(),
        "postgresql": postgres,
        "load_before": round(os.getloadavg()[0], 2),
    }
