"""``./run`` and the ``timebank`` command: what they print, and how they end."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

import pytest

from timebank import cli

ROOT = Path(__file__).resolve().parents[2]


def timebank(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TIMEBANK_")}
    return subprocess.run(
        [sys.executable, ROOT / "run", *words],
        env={**clean, "TIMEBANK_NO_VENV": "1", **variables},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture
def run_script() -> ModuleType:
    loader = SourceFileLoader("timebank_run_script", str(ROOT / "run"))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = before
    return module


def test_the_version_and_the_overview() -> None:
    assert timebank("--version").stdout.startswith("timebank 0.")
    overview = timebank("--help")
    assert overview.returncode == 0
    for name in cli.COMMANDS:
        assert name in overview.stdout


def test_a_slip_on_the_command_line_is_a_usage_error() -> None:
    for words in (["sevre"], ["serve", "--prot", "1"]):
        done = timebank(*words)
        assert done.returncode == 2
        assert "usage:" in done.stderr


def test_a_setting_that_does_not_exist_is_a_usage_error_in_one_sentence() -> None:
    done = timebank("doctor", TIMEBANK_PROT="1")
    assert done.returncode == 2
    assert done.stderr.strip() == (
        "timebank: TIMEBANK_PROT is not a setting of timebank; docs/settings.md lists them all."
    )


def test_the_roles_of_an_outside_server_are_printed_for_its_database(tmp_path: Path) -> None:
    done = timebank(
        "doctor",
        "--roles",
        TIMEBANK_HOME=str(tmp_path / "home"),
        TIMEBANK_DATABASE_URL="postgresql://timebank_app@db.example/book",
    )
    assert done.returncode == 0, done.stderr
    assert "CREATE ROLE timebank_owner" in done.stdout
    assert 'GRANT CONNECT ON DATABASE "book"' in done.stdout


def test_the_first_doctor_of_a_new_home_finds_nothing_wrong(scratch: Path) -> None:
    done = timebank("doctor", "--data", str(scratch / "doctors"))
    assert done.returncode == 0, done.stdout
    assert "NOT WELL" not in done.stdout
    assert "the first start of the server makes it" in done.stdout


def test_every_command_is_complete() -> None:
    for name in cli.COMMANDS:
        command = cli._load(name)
        assert name == command.NAME
        assert command.HELP
        assert callable(command.run)
        assert callable(command.add_arguments)


# ---------------------------------------------------------------- ./run itself


def test_what_is_installed_is_out_of_date_when_the_lock_file_changes(
    run_script: ModuleType, tmp_path: Path
) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text("a==1\n", encoding="ascii")
    place = tmp_path / ".venv"
    checkout = run_script.checkout_file(place)
    checkout.parent.mkdir(parents=True)
    checkout.touch()
    (place / "bin").mkdir()
    (place / "bin" / "python").symlink_to(sys.executable)
    assert not run_script.is_ready(place, lock)

    (place / run_script.mark_name(lock)).write_text(run_script.key(lock), encoding="ascii")
    assert run_script.is_ready(place, lock)

    lock.write_text("a==2\n", encoding="ascii")
    assert not run_script.is_ready(place, lock)


def test_a_checkout_that_cannot_be_written_gets_its_environment_in_the_home(
    run_script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_script, "ROOT", tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert run_script.environment_place(run_script.RUNTIME_LOCK) == tmp_path / ".venv"
    monkeypatch.setattr(run_script.os, "access", lambda *_: False)
    assert run_script.environment_place(run_script.RUNTIME_LOCK).is_relative_to(tmp_path / "data")


@pytest.mark.parametrize(
    ("said", "helps"),
    [
        ("NewConnectionError: Temporary failure in name resolution", "HTTPS_PROXY"),
        ("ERROR: No matching distribution found for litestar==2.25.0", "litestar was the first"),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE", "nothing was installed"),
        ("OSError: [Errno 28] No space left on device", "disk is full"),
        ("something else", "could not be installed"),
    ],
)
def test_a_failed_first_run_says_what_helps(
    run_script: ModuleType, capsys: pytest.CaptureFixture[str], said: str, helps: str
) -> None:
    with pytest.raises(SystemExit) as end:
        run_script.explain(said, run_script.RUNTIME_LOCK)
    assert end.value.code == 1
    assert helps in capsys.readouterr().err


def test_without_pip_one_command_is_named(
    run_script: ModuleType,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(run_script.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit):
        run_script.installer(tmp_path)
    assert "apt install python3-pip" in capsys.readouterr().err


def test_a_python_that_is_too_old_is_told_so(
    run_script: ModuleType, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_script.sys, "version_info", (3, 10, 9))
    with pytest.raises(SystemExit):
        run_script.main([])
    assert "needs Python 3.11 or newer" in capsys.readouterr().err


def test_an_environment_that_a_link_leads_to_is_left_alone(run_script: ModuleType, tmp_path: Path) -> None:
    (somebodys := tmp_path / "somebodys").mkdir()
    (somebodys / "work").write_text("kept")
    (tmp_path / ".venv").symlink_to(somebodys)

    run_script.make_environment(tmp_path / ".venv")

    assert (somebodys / "work").read_text() == "kept"
    assert (tmp_path / ".venv" / "bin" / "python").exists()
    assert not (tmp_path / ".venv").is_symlink()
