"""One frozen Settings, read once from TIMEBANK_* variables; what cannot be understood stops the program."""

from __future__ import annotations

import os
import pwd
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

from timebank.ledger.cosignatures import COSIGNATURE
from timebank.ledger.notes import NotANote, read_verifier_key

ROOT_HOME: Final = Path("/var/lib/timebank")
PREFIX: Final = "TIMEBANK_"

APP_ROLE: Final = "timebank_app"
PUBLIC_ROLE: Final = "timebank_public"
MIGRATE_ROLE: Final = "timebank_migrate"
BACKUP_ROLE: Final = "timebank_backup"


class OperatorError(Exception):
    """Something that whoever runs the server must put right; the text is one sentence for them."""


class BadSetting(OperatorError):
    """A TIMEBANK_* variable that does not exist, or has a value that cannot be used."""


@dataclass(frozen=True, slots=True)
class Smtp:
    """The mail server that takes what we send.

    Attributes:
        host, port: Where it listens.
        tls: ``starttls`` (a plain start, then encrypted or not at all), ``tls`` from the first byte, or ``off``.
        user, password: Empty for a server that asks for none.
    """

    host: str
    port: int
    tls: str
    user: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Settings:
    """What whoever runs the server decides; ``docs/settings.md`` says what each one means.

    Attributes:
        home: Directory of everything this server keeps: database, keys, sockets.
        home_name: What the operator calls that directory, for sentences; the path itself may be
            one that only this process can use.
        database_urls: Address of an outside PostgreSQL server per role; empty means that the
            server of our own in ``home`` is used.
        pg_bin: Directory with ``postgres`` and ``initdb``; None means: find them.
        host: Address to listen on.
        port: First TCP port to try; 0 lets the system choose.
        origin: What people type to get here, without a slash at the end; empty means localhost.
        trusted_proxy: Addresses whose ``X-Forwarded-*`` headers are believed; empty means nobody's.
        connections_max: How many clients may be connected at once.
        smtp: Where mail goes out; None means that this server sends none, and no page offers it.
        mail_from: Address that mail comes from; empty if there is none.
        witnesses: Verifier keys of witnesses whose cosignatures are taken and shown.
    """

    home: Path
    database_urls: Mapping[str, str]
    home_name: str = ""
    pg_bin: Path | None = None
    host: str = "127.0.0.1"
    port: int = 8000
    origin: str = ""
    trusted_proxy: str = ""
    connections_max: int = 1000
    smtp: Smtp | None = None
    mail_from: str = ""
    witnesses: tuple[str, ...] = ()

    @property
    def embedded(self) -> bool:
        """Whether the database is the server of our own that lives in ``home``."""
        return not self.database_urls

    def dsn(self, role: str) -> dict[str, Any]:
        """Return the asyncpg arguments that connect to the outside server as a role.

        Raises:
            OperatorError: There is no outside server, or the role is none that it has for us.
        """
        url = self.database_urls.get(role)
        if url is None:
            raise OperatorError(f"No TIMEBANK_DATABASE_URL tells how to connect as {role}.")
        parts = urlsplit(url)
        return {"dsn": url, "user": unquote(parts.username or ""), "database": _database(parts)}


def load(environment: Mapping[str, str] | None = None, *, data: Path | None = None) -> Settings:
    """Read the settings.

    Args:
        environment: Variables to read; the process's own when None.
        data: Home that the command line asks for; it wins over ``TIMEBANK_HOME``.

    Raises:
        BadSetting: A variable is unknown or its value cannot be used; the sentence names it.
    """
    given = os.environ if environment is None else environment
    values = {name: value for name, value in given.items() if name.startswith(PREFIX)}
    for name in sorted(values):
        if name not in VARIABLES:
            if name.startswith(TEST_PREFIX):
                del values[name]  # for the tests alone; CONTRIBUTING.md has them
                continue
            raise BadSetting(f"{name} is not a setting of timebank; docs/settings.md lists them all.")
    read = {name: _read(name, values[name]) for name in values if values[name] != ""}

    if ("TIMEBANK_SMTP_URL" in read) != ("TIMEBANK_MAIL_FROM" in read):
        raise BadSetting("TIMEBANK_SMTP_URL and TIMEBANK_MAIL_FROM need each other: set both or none.")

    home = data or read.get("TIMEBANK_HOME") or default_home(given)
    home = _absolute(home)
    return Settings(
        home=home,
        home_name=str(home),
        database_urls=_database_urls(read),
        pg_bin=read.get("TIMEBANK_PG_BIN"),
        host=read.get("TIMEBANK_HOST", "127.0.0.1"),
        port=read.get("TIMEBANK_PORT", 8000),
        origin=read.get("TIMEBANK_ORIGIN", ""),
        trusted_proxy=read.get("TIMEBANK_TRUSTED_PROXY", ""),
        connections_max=read.get("TIMEBANK_CONNECTIONS_MAX", 1000),
        smtp=read.get("TIMEBANK_SMTP_URL"),
        mail_from=read.get("TIMEBANK_MAIL_FROM", ""),
        witnesses=read.get("TIMEBANK_WITNESSES", ()),
    )


def default_home(environment: Mapping[str, str]) -> Path:
    """Return where a server keeps its things when nobody says otherwise; never inside a checkout."""
    if os.geteuid() == 0:
        return ROOT_HOME
    if environment.get("XDG_DATA_HOME", "").startswith("/"):
        return Path(environment["XDG_DATA_HOME"]) / "timebank"
    home = environment.get("HOME") or _passwd_home() or "/nonexistent"
    return Path(home) / ".local" / "share" / "timebank"


def frontend_dir() -> Path:
    """Return where templates, static files and catalogues are: in the package when installed, else beside it."""
    return _shipped("frontend")


def migrations_dir() -> Path:
    """Return where the migrations are: in the package when installed, else beside it."""
    return _shipped("migrations")


def _shipped(name: str) -> Path:
    package = Path(__file__).absolute().parent
    installed = package / name
    return installed if installed.is_dir() else package.parent / name


# ---------------------------------------------------------------- reading one value


def _read(name: str, value: str) -> Any:
    try:
        return VARIABLES[name](value)
    except ValueError as error:
        raise BadSetting(f"{name} cannot be {_shown(name, value)!r}: {error}.") from None


def _shown(name: str, value: str) -> str:
    # Addresses of databases hold passwords, and this sentence may end in a log.
    return "…" if name.endswith("_URL") else value


def _path(value: str) -> Path:
    if not value.startswith(("/", "~/")):
        raise ValueError("it must be a path that starts with /")
    return Path(value).expanduser()


def _port(value: str) -> int:
    return _between(value, 0, 65535)


def _connections(value: str) -> int:
    return _between(value, 10, 100_000)


def _between(value: str, smallest: int, largest: int) -> int:
    if not value.isascii() or not value.isdigit() or not smallest <= int(value) <= largest:
        raise ValueError(f"it must be a whole number from {smallest} to {largest}")
    return int(value)


def _flag(value: str) -> bool:
    if value not in {"0", "1"}:
        raise ValueError("it must be 0 or 1")
    return value == "1"


def _origin(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.netloc or parts.path not in {"", "/"}:
        raise ValueError("it must look like https://bank.example")
    if parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError("it must look like https://bank.example")
    return f"{parts.scheme}://{parts.netloc}"


def _word(value: str) -> str:
    if value != value.strip() or not value.isprintable():
        raise ValueError("it has blanks around it")
    return value


def _url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"postgresql", "postgres"}:
        raise ValueError("it must start with postgresql://")
    if not parts.username:
        raise ValueError("it must name a user, as in postgresql://timebank_app:secret@host/timebank")
    if not _database(parts):
        raise ValueError("it must name a database, as in postgresql://timebank_app:secret@host/timebank")
    return value


def _proxies(value: str) -> str:
    """Read addresses and networks, divided by commas; a name or ``*`` would trust whoever says it is that."""
    places = [each.strip() for each in value.split(",")]
    for place in places:
        try:
            ip_network(place) if "/" in place else ip_address(place)
        except ValueError:
            raise ValueError("it must be addresses or networks, such as 127.0.0.1,10.0.0.0/8") from None
    return ",".join(places)


def _smtp(value: str) -> Smtp:
    parts = urlsplit(value)
    if parts.scheme not in {"smtp", "smtps"} or not parts.hostname or parts.path not in {"", "/"}:
        raise ValueError("it must look like smtp://user:secret@mail.example:587")
    options = parse_qsl(parts.query, keep_blank_values=True)
    if options not in ([], [("tls", "off")]) or (options and parts.scheme == "smtps") or parts.fragment:
        raise ValueError("after the address it takes ?tls=off and nothing else")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if bool(user) != bool(password):
        raise ValueError("it must have both a user and a password, or none")
    if options and user and parts.hostname not in LOOPBACK:
        raise ValueError("with tls=off it would send the password in clear to another machine")
    tls = "off" if options else "tls" if parts.scheme == "smtps" else "starttls"
    return Smtp(parts.hostname, parts.port or (465 if tls == "tls" else 587), tls, user, password)


def _mail_address(value: str) -> str:
    if not _MAIL_ADDRESS.fullmatch(value) or len(value) > 254:
        raise ValueError("it must be an address such as timebank@bank.example")
    return value


def _witnesses(value: str) -> tuple[str, ...]:
    keys = tuple(value.split())
    for key in keys:
        try:
            read_verifier_key(key, COSIGNATURE)
        except NotANote as error:
            raise ValueError("each must be a key as `timebank witness show` prints it") from error
    return keys


LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
"""What this machine calls itself: only to there may secrets go in clear."""

_MAIL_ADDRESS: Final = re.compile(
    r"[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*", re.ASCII
)

TEST_PREFIX: Final = "TIMEBANK_TEST_"

VARIABLES: Final[Mapping[str, Callable[[str], Any]]] = {
    "TIMEBANK_BACKUP_DATABASE_URL": _url,
    "TIMEBANK_CONNECTIONS_MAX": _connections,
    "TIMEBANK_DATABASE_URL": _url,
    "TIMEBANK_HOME": _path,
    "TIMEBANK_HOST": _word,
    "TIMEBANK_MAIL_FROM": _mail_address,
    "TIMEBANK_MIGRATE_DATABASE_URL": _url,
    "TIMEBANK_NO_VENV": _flag,
    "TIMEBANK_ORIGIN": _origin,
    "TIMEBANK_PG_BIN": _path,
    "TIMEBANK_PORT": _port,
    "TIMEBANK_PUBLIC_DATABASE_URL": _url,
    "TIMEBANK_SMTP_URL": _smtp,
    "TIMEBANK_TEST_PG_BIN": _path,
    "TIMEBANK_TRUSTED_PROXY": _proxies,
    "TIMEBANK_WITNESSES": _witnesses,
}

_URL_OF_ROLE: Final = {
    PUBLIC_ROLE: "TIMEBANK_PUBLIC_DATABASE_URL",
    MIGRATE_ROLE: "TIMEBANK_MIGRATE_DATABASE_URL",
    BACKUP_ROLE: "TIMEBANK_BACKUP_DATABASE_URL",
}


def _database_urls(read: Mapping[str, Any]) -> Mapping[str, str]:
    first: str | None = read.get("TIMEBANK_DATABASE_URL")
    if first is None:
        for name in _URL_OF_ROLE.values():
            if name in read:
                raise BadSetting(f"{name} needs TIMEBANK_DATABASE_URL beside it.")
        return {}
    urls = {APP_ROLE: first}
    for role, name in _URL_OF_ROLE.items():
        urls[role] = read.get(name) or _with_user(first, role)
    return urls


def _with_user(url: str, user: str) -> str:
    parts = urlsplit(url)
    login, _, where = parts.netloc.rpartition("@")
    _, colon, password = login.partition(":")
    return parts._replace(netloc=f"{quote(user)}{colon}{password}@{where}").geturl()


def _database(parts: SplitResult) -> str:
    return unquote(parts.path.removeprefix("/"))


def _absolute(home: Path) -> Path:
    # Not resolve(): messages use the name that was given.
    return Path(os.path.abspath(home.expanduser()))


def _passwd_home() -> str | None:
    try:
        return pwd.getpwuid(os.geteuid()).pw_dir
    except KeyError:
        return None
