"""The unprivileged system user that PostgreSQL and the server run as when root starts them."""

from __future__ import annotations

import contextlib
import ctypes
import os
import pwd
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any, Final, NamedTuple

from timebank.config import ROOT_HOME, OperatorError

NAME: Final = "timebank"

# Whoever holds the lock on this file runs the home's PostgreSQL; it also marks a directory as a home.
LOCK: Final = ".lock"

# The last resort where no user can be made: it owns nothing of ours yet, but it is not root.
_NOBODY: Final = "nobody"


class ServiceUser(NamedTuple):
    """An unprivileged user of this machine."""

    name: str
    uid: int
    gid: int

    def popen(self) -> dict[str, Any]:
        """Return the arguments that make ``subprocess`` start a program as this user."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def may(self, how: str, path: Path, *, keep_fds: tuple[int, ...] = ()) -> bool:
        """Ask the kernel whether this user can use a path: ``-x``, ``-r`` or ``-w`` as in test(1)."""
        command = ["/usr/bin/test", how, str(path)]
        return (
            subprocess.run(command, check=False, cwd="/", pass_fds=keep_fds, **self.popen()).returncode == 0
        )


def find_or_make() -> ServiceUser:
    """Return the service user, making it first where it is missing; only root may call this.

    Raises:
        OperatorError: The user is not there and cannot be made.
    """
    for name in (NAME, None, NAME, _NOBODY):
        if name is None:
            _make()
            continue
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            if entry.pw_uid == 0:
                raise OperatorError(f"The system user {name} is root, so nothing can run as it.")
            return ServiceUser(entry.pw_name, entry.pw_uid, entry.pw_gid)
    raise OperatorError("PostgreSQL never runs as root: please make a system user named timebank.")


def _make() -> None:
    useradd = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if useradd is None:
        return
    nologin = next((p for p in ("/usr/sbin/nologin", "/sbin/nologin") if os.path.exists(p)), "/bin/false")
    options = ["--system", "--user-group", "--no-create-home", "--shell", nologin]
    # Two first starts at once: one of them fails here and then finds the other's user.
    subprocess.run(
        [useradd, *options, "--home-dir", str(ROOT_HOME), NAME],
        check=False,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def hand_over_home(home: Path, user: ServiceUser) -> None:
    """Make a directory the service user's own, and nothing above it.

    Raises:
        OperatorError: The directory is one that others need, so it is not taken from them.
    """
    try:
        home.mkdir(mode=0o700)
    except FileNotFoundError:
        home.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        home.mkdir(mode=0o700)
    except FileExistsError:
        _refuse_foreign(home, user)
    os.chown(home, user.uid, user.gid)


def _refuse_foreign(home: Path, user: ServiceUser) -> None:
    """Refuse to take over what a slip of the hand may name: /tmp, /root, somebody's home, a checkout."""
    status = os.stat(home)
    if not stat.S_ISDIR(status.st_mode):
        raise OperatorError(f"{home} is not a directory.")
    homes = {os.path.realpath(entry.pw_dir) for entry in pwd.getpwall() if entry.pw_uid != user.uid}
    real = os.path.realpath(home)
    foreign = (
        status.st_uid not in {0, user.uid}
        or status.st_mode & stat.S_ISVTX
        or real.count("/") < 2
        or real in homes
        or not _holds_nothing_of_others(home)
    )
    if foreign and status.st_uid != user.uid:
        raise OperatorError(
            f"{home} cannot become timebank's own directory; please name one that is new or has no directories in it."
        )


def _holds_nothing_of_others(home: Path) -> bool:
    # A log file that somebody's script put here first does no harm; a tree of directories is a sign
    # that this is a place with another purpose.
    return (home / LOCK).exists() or not any(child.is_dir() for child in home.iterdir())


def reachable_home(home: Path, user: ServiceUser, *, mount_point: Path) -> Path:
    """Return a path by which this process, once it is the service user, reaches its home.

    A home below a private directory of root is out of reach by name. Opening that directory to
    others is not ours to do, so it is shown in a second place, to this process and its children
    only (a bind mount in a mount namespace of their own).

    Args:
        mount_point: Directory for the second place, made if missing; everyone must reach it.

    Raises:
        OperatorError: The home is out of reach and the kernel allows no second place.
    """
    if user.may("-w", home):
        return home
    mount_point.mkdir(mode=0o755, parents=True, exist_ok=True)
    if not _show_here_too(home, mount_point) or not user.may("-w", mount_point):
        raise OperatorError(
            f"The user {user.name} cannot reach {home}, which lies in a private directory; "
            "please name another one with --data."
        )
    return mount_point


def _show_here_too(home: Path, mount_point: Path) -> bool:
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None)
    new_namespace, bind, slave_of_all = 0x20000, 0x1000, 0x80000 | 0x4000
    return bool(
        libc.unshare(new_namespace) == 0
        # What the administrator mounts later still shows; what we mount shows to nobody else.
        and libc.mount(b"none", b"/", None, slave_of_all, None) == 0
        and libc.mount(os.fsencode(home), os.fsencode(mount_point), None, bind, None) == 0
    )


def way_in(home: Path, user: ServiceUser) -> tuple[Path, tuple[int, ...]]:
    """Return a path by which PostgreSQL can reach its home, and what must stay open for it.

    For a process that stays root and so needs no mount: a descriptor that root opened leads
    into the private directory.

    Raises:
        OperatorError: The home is out of reach and this system has no such way in.
    """
    if user.may("-w", home):
        return home, ()
    if not os.path.isdir("/proc/self/fd"):
        raise OperatorError(f"{user.name} cannot reach {home}; please name another directory with --data.")
    descriptor = os.open(home, os.O_RDONLY | os.O_DIRECTORY)
    os.set_inheritable(descriptor, True)
    path = Path(f"/proc/self/fd/{descriptor}")
    if not user.may("-w", path, keep_fds=(descriptor,)):
        os.close(descriptor)
        raise OperatorError(f"{user.name} cannot write to {home}; please name another directory with --data.")
    return path, (descriptor,)


def become(user: ServiceUser, home: Path) -> None:
    """Give up root in this process, for good.

    Raises:
        OperatorError: The kernel did not let go, or would let us back.
    """
    try:
        os.setgroups([user.gid])
        os.setresgid(user.gid, user.gid, user.gid)
        os.setresuid(user.uid, user.uid, user.uid)
    except OSError as error:
        raise OperatorError(f"This process cannot become the user {user.name}: {error.strerror}.") from error
    with contextlib.suppress(PermissionError):
        os.setuid(0)
        raise OperatorError("This process could still become root again, so it will not go on.")
    os.environ.update(HOME=str(home), USER=user.name, LOGNAME=user.name)
    os.umask(0o077)
