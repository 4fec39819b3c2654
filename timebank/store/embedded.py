"""The PostgreSQL of our own: a child process on a private socket that outlives neither us nor a crash for long."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import hashlib
import os
import pwd
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, Final

from timebank.config import OperatorError
from timebank.store import postgres_binaries, service_user
from timebank.store.postgres_binaries import Binaries
from timebank.store.service_user import LOCK, ServiceUser

SUPERUSER: Final = "timebank"
DATABASE: Final = "timebank"
LOGINS: Final = (SUPERUSER, "timebank_migrate", "timebank_backup", "timebank_app", "timebank_public")

PORT: Final = 5432
_SOCKET_NAME: Final = f".s.PGSQL.{PORT}"
_SOCKET_PATH_MAX: Final = 107

_READY_WITHIN_S: Final = 600.0
_RETRY_FOR_S: Final = 10.0
_STOP_WITHIN_S: Final = 20.0
_ORPHAN_STOP_S: Final = 60.0
_BACKOFF_S: Final = (0.0, 0.2, 0.5, 1.0, 2.0, 5.0)
_LOG_BYTES_MAX: Final = 10_000_000

# What PostgreSQL says while the backends of a killed server still let go of shared memory, or
# while its pid is being reused; both pass by themselves.
_PASSES_BY_ITSELF: Final = re.compile(r"still in use|already exists|in use by another")

_SETTINGS: Final = {
    "cluster_name": "timebank",
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "max_connections": "60",
    "shared_buffers": "128MB",
    "max_wal_size": "1GB",
    "jit": "off",
    "logging_collector": "off",
    "log_line_prefix": "%m [%p] %u ",
    "log_timezone": "UTC",
    "timezone": "UTC",
    "lc_messages": "C",
    "event_source": "timebank",
}
_DURABLE: Final = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
_FLEETING: Final = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class ClusterError(OperatorError):
    """The database of our own cannot run; the sentence says what to do."""


class ClusterInUse(ClusterError):
    """Another process runs the database in this home."""


class Cluster:
    """One PostgreSQL server in one directory, run by this process or by another.

    Only the holder of the lock in ``home`` starts it; everyone else may connect. Peer
    authentication is the only kind: the socket directory is private, and the kernel says who
    knocks. PostgreSQL is restarted for as long as this process lives, and shut down with it.

    Args:
        home: Directory for data, socket and log; made if missing.
        durable: False gives up safety for speed; for tests only.
        pg_bin: Directory of the programs to use; None means: find them.
        name: What the operator calls the home, for messages; empty means by its path.
    """

    def __init__(
        self, home: Path, *, durable: bool = True, pg_bin: Path | None = None, name: str = ""
    ) -> None:
        self.home = Path(os.path.abspath(home))
        self.name = name or str(self.home)
        self.durable = durable
        self.restarts = 0
        self._pg_bin = pg_bin
        self._lock: IO[str] | None = None
        self._user: ServiceUser | None = None
        self._inner = self.home
        self._keep_fds: tuple[int, ...] = ()
        self._socket_dir: Path | None = None
        self._binaries: Binaries | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._watcher: threading.Thread | None = None
        self._stopping = threading.Event()

    # ------------------------------------------------------------ for everyone

    @property
    def data(self) -> Path:
        """Where PostgreSQL keeps its files."""
        return self.home / "postgres"

    @property
    def log(self) -> Path:
        """What PostgreSQL says."""
        return self.home / "postgres.log"

    @property
    def pid(self) -> int | None:
        """Process number of the running server, or None when none runs here."""
        process = self._process
        return None if process is None or process.poll() is not None else process.pid

    @property
    def binaries(self) -> Binaries:
        """The programs that are used for this home's data."""
        if self._binaries is None:
            self._binaries = postgres_binaries.find(self._pg_bin, major=self._data_version())
        return self._binaries

    @property
    def socket_dir(self) -> Path:
        """Directory of the socket, also when another process runs the server.

        Raises:
            ClusterError: No server runs in this home.
        """
        if self._socket_dir is None:
            self._socket_dir = self._socket_dir_of_other()
        return self._socket_dir

    def dsn(self, role: str) -> dict[str, Any]:
        """Return the asyncpg arguments that connect as one of ``LOGINS``."""
        assert role in LOGINS, role
        return {"host": str(self.socket_dir), "port": PORT, "user": role, "database": DATABASE}

    def is_running_elsewhere(self) -> bool:
        """Whether another process holds this home's lock right now."""
        if self._lock is not None or not (self.home / LOCK).exists():
            return False
        with open(self.home / LOCK, encoding="ascii") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    # ------------------------------------------------------------ for the one that runs it

    def start(self) -> None:
        """Start the server and return when it answers; makes the data directory first where it is missing.

        Call it from the main thread: on Linux the kernel stops PostgreSQL when the *thread*
        that started it ends.

        Raises:
            ClusterInUse: Another process runs it.
            ClusterError: It does not start; the sentence has PostgreSQL's own last words.
        """
        assert self._process is None, "already started"
        self._prepare_home()
        self._take_lock()
        try:
            self._make_data()
            self._write_access_rules()
            self._socket_dir = self._make_socket_dir()
            self._launch()
        except BaseException:
            self._end_started()
            self._let_go()
            raise
        self._stopping.clear()
        self._watcher = threading.Thread(target=self._watch, name="postgres-watcher", daemon=True)
        self._watcher.start()

    def stop(self) -> None:
        """Shut the server down cleanly and let go of the home; does nothing if it was not started here."""
        self._stopping.set()
        process = self._process
        if process is not None:
            _end(process)
        if self._watcher is not None:
            self._watcher.join(_STOP_WITHIN_S)
            if self._process is not None:
                # The watcher may just have brought up another one when we asked the first to go.
                _end(self._process)
        self._watcher = self._process = None
        self._let_go()

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold the home without running a server in it, so that nobody else starts one meanwhile.

        Raises:
            ClusterInUse: Another process runs it.
        """
        self._prepare_home()
        self._take_lock()
        try:
            yield
        finally:
            self._let_go()

    def take_away(self) -> None:
        """Take away a home that an interrupted run left, and end the server that may still run in it.

        Raises:
            ClusterInUse: Another process runs it.
        """
        if not self.home.exists():
            return
        with self.held():
            self._settle_old_process()
        # Whatever of it still works by the old name finds nothing there any more, and ends.
        aside = self.home.with_name(f"{self.home.name}.{os.getpid()}.gone")
        self.home.rename(aside)
        give_up = time.monotonic() + _RETRY_FOR_S
        for gone in self.home.parent.glob(f"{self.home.name}.*.gone"):
            while gone.exists():
                shutil.rmtree(gone, ignore_errors=True)
                if time.monotonic() > give_up:
                    raise ClusterError(f"{gone} cannot be deleted; please delete it.")

    def __enter__(self) -> Cluster:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _end_started(self) -> None:
        if self._process is not None:
            _end(self._process)
            self._process = None

    # ------------------------------------------------------------ home and lock

    def _prepare_home(self) -> None:
        if os.geteuid() == 0:
            self._user = service_user.find_or_make()
            service_user.hand_over_home(self.home, self._user)
            self._inner, self._keep_fds = service_user.way_in(self.home, self._user)
            self._binaries = postgres_binaries.reachable(self.binaries, self._user)
            return
        try:
            self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ClusterError(f"{self.name} cannot be made: {error.strerror}.") from error
        if not os.access(self.home, os.W_OK | os.X_OK):
            raise ClusterError(
                f"{self.name} is not ours to write to; please name another directory with --data."
            )

    def _take_lock(self) -> None:
        try:
            # Not the mode "w": a loser must not wipe out the winner's process number.
            lock = os.fdopen(os.open(self.home / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+")
        except OSError as error:
            raise ClusterError(f"{self.home / LOCK} cannot be opened: {error.strerror}.") from error
        give_up = time.monotonic() + _RETRY_FOR_S
        while not _lock_at_once(lock):
            lock.seek(0)
            who = lock.read().strip()
            # Killed while it started PostgreSQL, it leaves a child that holds its lock for as long as that takes to see
            # that it is alone, which on a busy machine is a while.
            is_dying = who.isdecimal() and not _exists(int(who))
            if not is_dying or time.monotonic() > give_up:
                lock.close()
                raise ClusterInUse(
                    f"Another timebank (process {who or 'unknown'}) is already running in {self.name}; "
                    "stop it first, or name another directory with --data."
                )
            time.sleep(0.02)
        lock.seek(0)
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        self._give(self.home / LOCK)
        self._lock = lock

    def _let_go(self) -> None:
        if self._socket_dir is not None and self._socket_dir.parent != self.home:
            shutil.rmtree(self._socket_dir, ignore_errors=True)
        self._socket_dir = None
        for descriptor in self._keep_fds:
            os.close(descriptor)
        self._keep_fds = ()
        self._inner = self.home
        if self._lock is not None:
            self._lock.truncate(0)
            self._lock.close()
            self._lock = None

    def _give(self, path: Path) -> None:
        """Make a file or directory that root just made the service user's."""
        if self._user is not None:
            os.chown(path, self._user.uid, self._user.gid)

    def _as_user(self) -> dict[str, Any]:
        return {
            "cwd": "/",
            "env": {"PATH": "/usr/bin:/bin", "LANG": "C", "LC_ALL": "C"},
            "pass_fds": self._keep_fds,
            **(self._user.popen() if self._user else {}),
        }

    # ------------------------------------------------------------ data directory

    def _data_version(self) -> int | None:
        try:
            return int((self.data / "PG_VERSION").read_text(encoding="ascii"))
        except FileNotFoundError:
            return None

    def _make_data(self) -> None:
        """Make the data directory beside its place and move it there, so that half of one is never used."""
        if self._data_version() is not None:
            return
        if self.data.exists():
            raise ClusterError(f"{self.data} is there but is no PostgreSQL data; please move it away.")
        fresh = self.home / "postgres.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        self._give(fresh)
        inner = self._inner / fresh.name

        options = ["--username", SUPERUSER, "--encoding", "UTF8", "--locale", "C", "--data-checksums"]
        options += ["--auth-local", "peer", "--auth-host", "reject", "--no-instructions"]
        if self.binaries.major >= 17:
            options += ["--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"]
        if not self.durable:
            options += ["--no-sync"]
        self._run([self.binaries.initdb, "-D", inner, *options])
        # Single-user mode needs no socket and no password, and leaves a cleanly closed directory.
        fleeting = [] if self.durable else ["-c", "fsync=off"]
        self._run(
            [self.binaries.postgres, "--single", "-D", inner, *fleeting, "postgres"],
            said=f"CREATE DATABASE {DATABASE} TEMPLATE template0\n",
        )
        fresh.rename(self.data)

    def _run(self, command: list[Any], *, said: str = "") -> None:
        try:
            done = subprocess.run(
                command, input=said, check=False, capture_output=True, text=True, **self._as_user()
            )
        except OSError as error:
            raise ClusterError(f"{command[0]} cannot be started: {error.strerror}.") from error
        # Single-user mode ends with 0 even where a statement failed.
        if done.returncode or "ERROR:" in done.stderr:
            raise ClusterError(f"{command[0]} failed: {_last_words(done.stderr + done.stdout)}")

    def _write_access_rules(self) -> None:
        """Allow the service user, this user and root in as our roles, and nobody else, by no other way."""
        names = {_user_name(os.geteuid()), _user_name(0)}
        if self._user is not None:
            names.add(self._user.name)
        ident = [f'timebank "{name}" {role}\n' for name in sorted(names) for role in LOGINS]
        self._write(self.data / "pg_ident.conf", "".join(ident))
        self._write(self.data / "pg_hba.conf", "local all all peer map=timebank\n")

    def _write(self, path: Path, text: str) -> None:
        fresh = path.with_name(f"{path.name}.new")
        fresh.write_text(text, encoding="utf-8")
        fresh.chmod(0o600)
        self._give(fresh)
        fresh.replace(path)

    # ------------------------------------------------------------ socket

    def _make_socket_dir(self) -> Path:
        place = self.home / "run"
        if not _fits(place) or not _fits(self._inner / "run"):
            place = self._short_place()
        self._own_private(place)
        return place

    def _short_place(self) -> Path:
        """Return a private directory with a short name, for homes with a long one."""
        uid = self._user.uid if self._user else os.geteuid()
        name = f"timebank-{hashlib.sha256(str(self.home).encode()).hexdigest()[:16]}"
        runtime = os.environ.get("XDG_RUNTIME_DIR", "")
        if runtime.startswith("/") and not self._user:
            status = os.stat(runtime) if os.path.isdir(runtime) else None
            if status and status.st_uid == uid and not status.st_mode & 0o077 and _fits(Path(runtime) / name):
                return Path(runtime) / name
        # A fresh name that only we know: a name that others can foresee could be theirs already.
        return Path(tempfile.mkdtemp(prefix="timebank-", dir="/tmp"))

    def _own_private(self, place: Path) -> None:
        place.mkdir(mode=0o700, exist_ok=True)
        status = os.lstat(place)
        ours = {os.geteuid(), self._user.uid if self._user else os.geteuid()}
        if not stat.S_ISDIR(status.st_mode) or status.st_uid not in ours:
            raise ClusterError(f"{place} belongs to somebody else, so the socket cannot be there.")
        os.chmod(place, 0o700)
        self._give(place)

    def _inside(self, place: Path) -> Path:
        """Return the path that PostgreSQL itself uses for a path of ours."""
        return self._inner / place.relative_to(self.home) if place.is_relative_to(self.home) else place

    def _socket_dir_of_other(self) -> Path:
        try:
            lines = (self.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
            place = Path(lines[4])
        except (FileNotFoundError, IndexError):
            raise ClusterError(f"No timebank is running in {self.name}.") from None
        return self.home / "run" if place.name == "run" else place

    # ------------------------------------------------------------ the process

    def _launch(self) -> None:
        """Start PostgreSQL and wait until it answers.

        After a kill -9 the old server's children hold its shared memory for a moment, and
        PostgreSQL rightly refuses to start beside them: that is tried again for ten seconds.
        """
        give_up = time.monotonic() + _RETRY_FOR_S
        while True:
            self._settle_old_process()
            said = self._launch_once()
            if said is None:
                return
            if not _PASSES_BY_ITSELF.search(said) or time.monotonic() > give_up:
                raise ClusterError(f"PostgreSQL does not start: {_last_words(said)}")
            time.sleep(0.1)

    def _launch_once(self) -> str | None:
        """Start PostgreSQL; return None when it answers, or what it said before it ended."""
        with self._open_log() as log:
            began = log.tell()
            with _signals_held():
                self._process = subprocess.Popen(
                    self._command(),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    # Ctrl-C is for us: PostgreSQL must stay until we have finished with it.
                    start_new_session=True,
                    preexec_fn=end_with_parent(os.getpid()),  # noqa: PLW1509 - one system call, nothing else
                    **self._as_user(),
                )
        give_up = time.monotonic() + _READY_WITHIN_S
        while self._process.poll() is None:
            if self._is_ready(self._process.pid):
                return None
            if self._stopping.is_set() or time.monotonic() > give_up:
                _end(self._process)
                break
            time.sleep(0.005)
        self._process = None
        with open(self.log, "rb") as log:
            log.seek(began)
            return log.read().decode("utf-8", "replace")

    def _command(self) -> list[str]:
        assert self._socket_dir is not None
        settings = {
            **_SETTINGS,
            **(_DURABLE if self.durable else _FLEETING),
            "unix_socket_directories": str(self._inside(self._socket_dir)),
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [str(self.binaries.postgres), "-D", str(self._inner / "postgres"), *options]

    def _open_log(self) -> IO[bytes]:
        if self.log.exists() and self.log.stat().st_size > _LOG_BYTES_MAX:
            self.log.replace(self.log.with_suffix(".log.1"))
        log = os.fdopen(os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")
        log.seek(0, os.SEEK_END)
        self._give(self.log)
        return log

    def _is_ready(self, pid: int) -> bool:
        try:
            lines = (self.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[0].strip() == str(pid) and lines[7].strip() == "ready"

    def _watch(self) -> None:
        """Bring PostgreSQL back whenever it ends by itself, for as long as this process lives."""
        failures = 0
        while not self._stopping.is_set():
            process = self._process
            if process is not None:
                began = time.monotonic()
                process.wait()
                failures = 0 if time.monotonic() - began > 60.0 else failures
            if self._stopping.wait(_BACKOFF_S[min(failures, len(_BACKOFF_S) - 1)]):
                return
            failures += 1
            try:
                self._launch()
                self.restarts += 1
            # This thread must not end: the kernel would stop the PostgreSQL that it started.
            except Exception as error:  # noqa: BLE001
                if not self._stopping.is_set():
                    print(f"timebank: {error}", file=sys.stderr, flush=True)

    def _settle_old_process(self) -> None:
        """Deal with a ``postmaster.pid`` from before; we hold the lock, so nobody of ours needs it."""
        path = self.data / "postmaster.pid"
        try:
            lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
            pid = int(lines[0])
        except FileNotFoundError:
            return
        except (IndexError, ValueError):
            # The power went between making the file and writing it.
            path.unlink()
            return
        if self._is_our_postgres(pid):
            self._end_orphan(pid)
        elif _exists(pid):
            # The number belongs to another program by now. PostgreSQL takes a file that names its
            # own parent for a leftover; deleting the file would also lose the shared memory it
            # names, which keeps a new server from running beside the old one's last children.
            lines[0] = f"{os.getpid()}\n"
            self._write(path, "".join(lines))

    def _is_our_postgres(self, pid: int) -> bool:
        if sys.platform != "linux":
            return str(self.data) in _ps_command(pid)
        try:
            state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
            name = Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()
            here, there = os.stat(self.data), os.stat(f"/proc/{pid}/cwd")
        except OSError:
            # Gone, or somebody else's: PostgreSQL runs as the owner of its data, whom we may look at.
            return False
        same_place = (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)
        return name == "postgres" and state not in "ZX" and same_place

    def _end_orphan(self, pid: int) -> None:
        """Stop a PostgreSQL whose timebank is gone: first kindly, then at once."""
        for number, patience in (
            (signal.SIGINT, _ORPHAN_STOP_S),
            (signal.SIGQUIT, 10.0),
            (signal.SIGKILL, 10.0),
        ):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
            give_up = time.monotonic() + patience
            while self._is_our_postgres(pid):
                if time.monotonic() > give_up:
                    break
                time.sleep(0.02)
            else:
                return
        raise ClusterError(f"An old PostgreSQL (process {pid}) in {self.data} does not end.")


def _end(process: subprocess.Popen[bytes]) -> None:
    for number, patience in ((signal.SIGINT, _STOP_WITHIN_S), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0)):
        process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience)
            return


@contextlib.contextmanager
def _signals_held() -> Iterator[None]:
    """Keep signals from the moment between fork and exec, where our child would run our handlers.

    PostgreSQL starts with them held back, and lets them through when it can deal with them.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_with_parent(parent: int) -> Callable[[], None] | None:
    """Return what makes a child shut down when its parent ends, however that happens; Linux only."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl

    def ask_the_kernel() -> None:
        prctl(1, signal.SIGINT)  # PR_SET_PDEATHSIG; PostgreSQL takes SIGINT for "fast shutdown".
        if os.getppid() != parent:
            os._exit(1)

    return ask_the_kernel


def _fits(directory: Path) -> bool:
    return len(os.fsencode(directory / _SOCKET_NAME)) <= _SOCKET_PATH_MAX


def _lock_at_once(file: IO[str]) -> bool:
    """Lock a file for this process; return whether that could be done at once."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _ps_command(pid: int) -> str:
    return subprocess.run(
        ["ps", "-o", "command=", "-p", str(pid)], check=False, capture_output=True, text=True
    ).stdout


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        raise ClusterError(
            f"The user with number {uid} has no name on this machine, and PostgreSQL needs one."
        ) from None


def _last_words(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [
        line
        for line in lines
        if re.search(r"FATAL|PANIC|ERROR|HINT|error|invalid|unrecognized|could not", line)
    ]
    return " / ".join((telling or lines)[-3:]) or "it said nothing."
