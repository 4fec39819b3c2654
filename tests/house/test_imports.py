"""The repository keeps its own rules: imports go down, the style is one, the types hold."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def run(*words: str) -> None:
    done = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        pytest.fail(f"{' '.join(words)}\n{done.stdout[-6000:]}{done.stderr[-3000:]}", pytrace=False)


def test_imports_go_down_the_floors_only() -> None:
    run("-c", "from importlinter.cli import lint_imports; raise SystemExit(lint_imports(cache_dir=None))")


def test_the_lint_contracts_can_fail(tmp_path: Path) -> None:
    """A control: a ledger that looks at the clock is found."""
    for name in ("timebank", "pyproject.toml"):
        subprocess.run(["cp", "-r", ROOT / name, tmp_path], check=True)
    units = tmp_path / "timebank" / "ledger" / "units.py"
    units.write_text(units.read_text(encoding="utf-8") + "\nimport time\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports; lint_imports(cache_dir=None)"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )
    assert "timebank.ledger.units -> time" in done.stdout


def test_ruff_has_nothing_to_say() -> None:
    run("-m", "ruff", "check", "--quiet", "--output-format", "concise", ".", "run")


def test_the_code_is_formatted_as_ruff_does_it() -> None:
    run("-m", "ruff", "format", "--check", "--quiet", ".", "run")


def test_the_types_hold() -> None:
    run("-m", "mypy")
