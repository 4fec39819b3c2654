"""The PostgreSQL of our own comes back after every kind of crash, and runs once per home."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import pytest

from timebank.config import OperatorError
from timebank.store import embedded, service_user
from timebank.store.embedded import Cluster, ClusterError, ClusterInUse

ROOT = Path(__file__).resolve().parents[2]
NAMED = os.environ.get("TIMEBANK_TEST_PG_BIN")
PG_BIN = Path(NAMED) if NAMED else None

# A server as an operator runs it, in a process of its own that can be killed.
HOLDER = """\
import signal, sys, time
from pathlib import Path
from timebank.cli.serve import stoppable
from timebank.store.embedded import Cluster
with stoppable(), Cluster(Path(sys.argv[1]), pg_bin=Path(sys.argv[2]) if sys.argv[2] else None) as cluster:
    print(cluster.pid, flush=True)
    time.sleep(600)
print("stopped", flush=True)
"""


@pytest.fixture
def home(scratch: Path) -> Iterator[Path]:
    place = Path(tempfile.mkdtemp(prefix="h", dir=scratch))
    place.chmod(0o755)
    yield place / "home"
    shutil.rmtree(place, ignore_errors=True)


@pytest.fixture(scope="module")
def used_once(scratch: Path) -> Path:
    with Cluster(scratch / "used", pg_bin=PG_BIN) as cluster:
        ask(cluster, "CREATE TABLE kept (n integer)", "INSERT INTO kept VALUES (1)", "CHECKPOINT")
    return scratch / "used"


@pytest.fixture
def used(home: Path, used_once: Path) -> Path:
    """A home that was used before and holds one row."""
    subprocess.run(["cp", "-a", used_once, home], check=True)
    return home


def ask(cluster: Cluster, *statements: str) -> object:
    async def go() -> object:
        connection = await asyncpg.connect(**cluster.dsn("timebank"))
        try:
            for statement in statements[:-1]:
                await connection.execute(statement)
            return await connection.fetchval(statements[-1])
        finally:
            await connection.close()

    return asyncio.run(go())


def hold(home: Path) -> tuple[subprocess.Popen[str], int]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, home, str(PG_BIN or "")],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    return process, int(process.stdout.readline())


def finish(process: subprocess.Popen[str]) -> str:
    try:
        return process.communicate(timeout=30)[0]
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()


def wait_until(true: Callable[[], object], *, within_s: float = 20.0) -> float:
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < within_s, "it did not happen in time"
        time.sleep(0.01)
    return time.monotonic() - began


def gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state in "ZX"


def answers(cluster: Cluster) -> bool:
    try:
        return ask(cluster, "SELECT count(*) FROM kept") == 1
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return False


# ---------------------------------------------------------------- starting and stopping


def test_a_new_home_answers_durably_and_only_on_a_private_socket(home: Path) -> None:
    with Cluster(home, pg_bin=PG_BIN) as cluster:
        for setting in ("fsync", "synchronous_commit", "full_page_writes", "data_checksums"):
            assert ask(cluster, f"SELECT current_setting('{setting}')") == "on"
        assert ask(cluster, "SELECT current_setting('listen_addresses')") == ""
        assert ask(cluster, "SELECT current_database()") == "timebank"
        assert ask(
            cluster, "SELECT lower('ÀÉ') = 'àé' OR current_setting('server_version_num')::int < 170000"
        )
        assert (home / "run").stat().st_mode & 0o777 == 0o700
        rules = (home / "postgres" / "pg_hba.conf").read_text(encoding="utf-8")
        assert rules == "local all all peer map=timebank\n"


def test_only_our_own_roles_may_come_in(used: Path) -> None:
    with Cluster(used, pg_bin=PG_BIN) as cluster:
        ask(cluster, "CREATE ROLE stranger LOGIN SUPERUSER")

        async def knock() -> None:
            await asyncpg.connect(**{**cluster.dsn("timebank"), "user": "stranger"})

        with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
            asyncio.run(knock())


def test_a_home_that_was_used_before_answers_again(used: Path) -> None:
    with Cluster(used, pg_bin=PG_BIN) as cluster:
        assert answers(cluster)


def test_nothing_is_left_running_after_a_stop(used: Path) -> None:
    cluster = Cluster(used, pg_bin=PG_BIN)
    cluster.start()
    pid = cluster.pid
    assert pid is not None
    cluster.stop()
    assert gone(pid)
    assert not (used / "postgres" / "postmaster.pid").exists()
    cluster.stop()  # a second time does no harm


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_sigterm_and_ctrl_c_end_in_a_clean_shutdown(used: Path, number: signal.Signals) -> None:
    holder, pid = hold(used)
    # Ctrl-C goes to every process of the terminal's group; PostgreSQL must not be among them.
    os.killpg(holder.pid, number)
    assert "stopped" in finish(holder)
    assert holder.returncode == 0
    assert gone(pid)
    assert "database system is shut down" in (used / "postgres.log").read_text(encoding="utf-8")[-200:]


# ---------------------------------------------------------------- two on one home


def test_a_second_server_in_the_same_home_is_refused_and_the_first_goes_on(used: Path) -> None:
    holder, _ = hold(used)
    second = Cluster(used, pg_bin=PG_BIN)
    with pytest.raises(ClusterInUse, match=rf"Another timebank \(process {holder.pid}\) is already running"):
        second.start()
    assert second.is_running_elsewhere()
    assert answers(second), "whoever does not run it may still connect"
    holder.terminate()
    finish(holder)
    assert not second.is_running_elsewhere()


def test_two_first_starts_at_once_leave_one_server(home: Path) -> None:
    holders = [
        subprocess.Popen(
            [sys.executable, "-c", HOLDER, home, str(PG_BIN or "")],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    wait_until(lambda: any(holder.poll() is not None for holder in holders))
    loser, winner = sorted(holders, key=lambda holder: holder.poll() is None)
    assert "ClusterInUse" in loser.communicate()[1]
    assert winner.stdout is not None
    assert int(winner.stdout.readline()) > 0
    winner.terminate()
    winner.communicate(timeout=30)


# ---------------------------------------------------------------- crashes


def test_postgres_comes_back_when_it_is_killed(used: Path) -> None:
    with Cluster(used, pg_bin=PG_BIN) as cluster:
        for _ in range(3):
            pid = cluster.pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda pid=pid: gone(pid))  # type: ignore[misc]
            wait_until(lambda: answers(cluster))
        assert cluster.restarts >= 3


def test_postgres_ends_when_its_timebank_is_killed_and_the_next_one_finds_every_row(used: Path) -> None:
    holder, pid = hold(used)
    holder.kill()
    holder.wait()
    with Cluster(used, pg_bin=PG_BIN) as cluster:
        assert answers(cluster)
    assert gone(pid)
    finish(holder)


def test_both_killed_at_once(used: Path) -> None:
    holder, pid = hold(used)
    holder.kill()
    os.kill(pid, signal.SIGKILL)
    holder.wait()
    with Cluster(used, pg_bin=PG_BIN) as cluster:
        assert answers(cluster)
    finish(holder)


def test_a_server_whose_timebank_is_gone_is_stopped_before_a_new_one_starts(
    used: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As on systems without a parent-death signal: the orphan lives on.
    orphaned = HOLDER.replace("from pathlib", "from timebank.store import embedded\nfrom pathlib").replace(
        "with stop", "embedded.end_with_parent = lambda parent: None\nwith stop"
    )
    monkeypatch.setattr(sys.modules[__name__], "HOLDER", orphaned)
    holder, pid = hold(used)
    holder.kill()
    holder.wait()
    assert not gone(pid)

    with Cluster(used, pg_bin=PG_BIN) as cluster:
        assert answers(cluster)
        assert gone(pid)
    finish(holder)


def test_a_lock_that_only_a_dying_child_of_a_killed_timebank_holds_is_waited_for(used: Path) -> None:
    dead = subprocess.Popen(["/bin/true"])
    dead.wait()
    lock = used / embedded.LOCK
    child = subprocess.Popen(
        ["flock", lock, "-c", f"echo {dead.pid} >{lock}; echo held; sleep 0.5"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    with Cluster(used, pg_bin=PG_BIN) as cluster:
        assert child.poll() == 0, "it was let in beside whoever holds the lock"
        assert answers(cluster)
        assert lock.read_text(encoding="ascii") == f"{os.getpid()}\n"
    child.communicate()


def leave_pid_file(home: Path, pid: int) -> None:
    """Leave what a killed server leaves, as if its process number had gone to somebody else since."""
    holder, postmaster = hold(home)
    path = home / "postgres" / "postmaster.pid"
    left = path.read_text(encoding="utf-8").splitlines(keepends=True)
    os.kill(postmaster, signal.SIGKILL)
    holder.kill()
    finish(holder)
    wait_until(lambda: gone(postmaster))
    status = (home / "postgres").stat()
    path.write_text("".join([f"{pid}\n", *left[1:]]), encoding="utf-8")
    os.chown(path, status.st_uid, status.st_gid)


def test_a_stale_pid_file_that_names_nobody(used: Path) -> None:
    leave_pid_file(used, 4_194_303)
    with Cluster(used, pg_bin=PG_BIN) as cluster:
        assert answers(cluster)


def test_a_stale_pid_file_that_names_another_program_harms_it_not(used: Path) -> None:
    other = subprocess.Popen(["/bin/sleep", "60"])
    leave_pid_file(used, other.pid)
    with Cluster(used, pg_bin=PG_BIN) as cluster:
        assert answers(cluster)
    assert other.poll() is None
    other.kill()
    other.wait()


def test_a_stale_pid_file_that_names_the_postgres_of_another_home_harms_it_not(
    used: Path, cluster: Cluster
) -> None:
    pid = cluster.pid
    assert pid is not None
    leave_pid_file(used, pid)
    with Cluster(used, pg_bin=PG_BIN) as second:
        assert answers(second)
    assert not gone(pid)


def test_an_empty_pid_file_is_no_obstacle(used: Path) -> None:
    path = used / "postgres" / "postmaster.pid"
    path.touch()
    status = (used / "postgres").stat()
    os.chown(path, status.st_uid, status.st_gid)
    with Cluster(used, pg_bin=PG_BIN) as cluster:
        assert answers(cluster)


def test_an_interrupted_first_start_is_begun_again(home: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, home, str(PG_BIN or "")],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    wait_until((home / "postgres.new" / "global").exists)
    os.killpg(holder.pid, signal.SIGKILL)
    finish(holder)
    assert not (home / "postgres").exists()

    with Cluster(home, pg_bin=PG_BIN) as cluster:
        assert ask(cluster, "SELECT current_database()") == "timebank"
        assert not (home / "postgres.new").exists()


def test_what_postgres_says_is_passed_on_when_it_cannot_start(used: Path) -> None:
    (used / "postgres" / "postgresql.conf").write_text("no_such_setting = 1\n", encoding="utf-8")
    with pytest.raises(ClusterError, match="no_such_setting"):
        Cluster(used, pg_bin=PG_BIN).start()
    assert not Cluster(used).is_running_elsewhere(), "the lock is let go"


def test_data_of_another_version_is_named_and_left_alone(used: Path) -> None:
    (used / "postgres" / "PG_VERSION").write_text("14\n", encoding="ascii")
    with pytest.raises(OperatorError, match="made by PostgreSQL 14"):
        Cluster(used, pg_bin=PG_BIN).start()


# ---------------------------------------------------------------- sockets and homes


def test_a_home_with_a_long_name_gets_a_private_socket_with_a_short_one(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    home.parent.joinpath("x" * 100).mkdir()
    home.parent.joinpath("x" * 100).chmod(0o755)
    far = home.parent / ("x" * 100) / "home"

    with Cluster(far, pg_bin=PG_BIN) as cluster:
        place = Path(cluster.dsn("timebank")["host"])
        assert place.parent == Path("/tmp")
        assert place.stat().st_mode & 0o777 == 0o700
        assert ask(cluster, "SELECT 1") == 1
        assert ask(Cluster(far), "SELECT 1") == 1, "others find the socket too"
    assert not place.exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root's server belongs to the service user, who has no session")
def test_a_long_name_with_a_session_uses_the_sessions_private_directory(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = home.parent / "runtime"
    runtime.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    with Cluster(home.parent / ("x" * 100) / "home", pg_bin=PG_BIN) as cluster:
        assert cluster.socket_dir.parent == runtime
        assert ask(cluster, "SELECT 1") == 1


as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has a service user")


@as_root
def test_root_runs_postgres_as_the_service_user(used: Path) -> None:
    with Cluster(used, pg_bin=PG_BIN) as cluster:
        owner = Path(f"/proc/{cluster.pid}").stat().st_uid
    assert pwd.getpwuid(owner).pw_name == service_user.NAME
    assert used.stat().st_uid == owner


@as_root
def test_a_home_below_a_private_directory_works_and_leaves_that_one_closed(home: Path) -> None:
    home.parent.chmod(0o700)
    for _ in range(2):
        with Cluster(home, pg_bin=PG_BIN) as cluster:
            assert ask(cluster, "SELECT 1") == 1
    assert home.parent.stat().st_mode & 0o777 == 0o700


@as_root
@pytest.mark.parametrize("place", ["/tmp", "/root", "/var/lib", "/"])
def test_root_does_not_give_away_what_others_need(place: str) -> None:
    before = os.stat(place)
    with pytest.raises(OperatorError, match="cannot become timebank's own"):
        Cluster(Path(place)).start()
    assert os.stat(place).st_uid == before.st_uid


def test_the_socket_limit_is_the_kernels() -> None:
    assert embedded._fits(Path("/" + "x" * 92))
    assert not embedded._fits(Path("/" + "x" * 93))
