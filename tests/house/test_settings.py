"""Settings fail loudly, and each of them is in the documentation, as is nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from timebank.config import VARIABLES, BadSetting, OperatorError, Smtp, frontend_dir, load, migrations_dir

ROOT = Path(__file__).resolve().parents[2]
URL = "postgresql://timebank_app:s%40cret@db.example:5433/book?sslmode=require"


def test_every_setting_is_documented_and_nothing_else() -> None:
    documented = re.findall(
        r"^\| `(TIMEBANK_\w+)` \|", (ROOT / "docs" / "settings.md").read_text(), re.MULTILINE
    )
    assert sorted(documented) == sorted(VARIABLES)
    assert list(VARIABLES) == sorted(VARIABLES)


def test_no_code_reads_a_variable_that_is_no_setting() -> None:
    used = set()
    for path in [*(ROOT / "timebank").rglob("*.py"), ROOT / "run"]:
        used |= set(re.findall(r"\bTIMEBANK_[A-Z_]+[A-Z]\b", path.read_text(encoding="utf-8")))
    assert used <= set(VARIABLES)


def test_an_unknown_variable_is_named() -> None:
    with pytest.raises(BadSetting, match="TIMEBANK_PROT is not a setting"):
        load({"TIMEBANK_PROT": "8000"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TIMEBANK_PORT", "80a"),
        ("TIMEBANK_PORT", "65536"),
        ("TIMEBANK_PORT", "٨٠"),
        ("TIMEBANK_CONNECTIONS_MAX", "9"),
        ("TIMEBANK_HOME", "relative/path"),
        ("TIMEBANK_NO_VENV", "yes"),
        ("TIMEBANK_ORIGIN", "bank.example"),
        ("TIMEBANK_ORIGIN", "https://bank.example/path"),
        ("TIMEBANK_DATABASE_URL", "mysql://a@b/c"),
        ("TIMEBANK_DATABASE_URL", "postgresql://db.example/book"),
        ("TIMEBANK_DATABASE_URL", "postgresql://timebank_app@db.example"),
        ("TIMEBANK_TRUSTED_PROXY", "*"),
        ("TIMEBANK_TRUSTED_PROXY", "proxy.example"),
        ("TIMEBANK_TRUSTED_PROXY", "10.0.0.1/8"),
        ("TIMEBANK_SMTP_URL", "mail.example:587"),
        ("TIMEBANK_SMTP_URL", "smtp://"),
        ("TIMEBANK_SMTP_URL", "smtp://ada@mail.example"),
        ("TIMEBANK_SMTP_URL", "smtp://mail.example/in"),
        ("TIMEBANK_SMTP_URL", "smtp://mail.example?tls=maybe"),
        ("TIMEBANK_SMTP_URL", "smtps://mail.example?tls=off"),
        ("TIMEBANK_SMTP_URL", "smtp://ada:secret@mail.example?tls=off"),
        ("TIMEBANK_MAIL_FROM", "timebank"),
        ("TIMEBANK_MAIL_FROM", "a@bank.example, b@bank.example"),
        ("TIMEBANK_MAIL_FROM", "a@bank.example\nBcc: b@bank.example"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(BadSetting, match=name):
        load({name: value})


def test_a_refused_address_keeps_its_password_to_itself() -> None:
    with pytest.raises(BadSetting) as refusal:
        load({"TIMEBANK_DATABASE_URL": "mysql://a:hunter2@b/c"})
    assert "hunter2" not in str(refusal.value)


def test_empty_means_not_set_and_other_programs_variables_are_theirs() -> None:
    settings = load({"TIMEBANK_PORT": "", "PGHOST": "elsewhere", "HOME": "/home/ada"})
    assert settings.port == 8000
    assert settings.embedded


def test_the_command_line_wins_over_the_home_variable() -> None:
    assert load({"TIMEBANK_HOME": "/srv/bank"}).home == Path("/srv/bank")
    assert load({"TIMEBANK_HOME": "/srv/bank"}, data=Path("/srv/other")).home == Path("/srv/other")


def test_where_the_home_is_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert load({"HOME": "/root"}).home == Path("/var/lib/timebank")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert load({"HOME": "/home/ada"}).home == Path("/home/ada/.local/share/timebank")
    assert load({"XDG_DATA_HOME": "/d"}).home == Path("/d/timebank")


def test_one_address_gives_those_of_the_other_roles() -> None:
    settings = load(
        {"TIMEBANK_DATABASE_URL": URL, "TIMEBANK_BACKUP_DATABASE_URL": "postgresql://b@other/book"}
    )
    assert not settings.embedded
    assert settings.dsn("timebank_app") == {"dsn": URL, "user": "timebank_app", "database": "book"}
    public = settings.dsn("timebank_public")
    assert public["user"] == "timebank_public"
    assert public["dsn"] == "postgresql://timebank_public:s%40cret@db.example:5433/book?sslmode=require"
    assert settings.dsn("timebank_backup")["dsn"] == "postgresql://b@other/book"
    with pytest.raises(OperatorError):
        settings.dsn("timebank")


def test_an_address_for_one_role_alone_is_refused() -> None:
    with pytest.raises(BadSetting, match="TIMEBANK_PUBLIC_DATABASE_URL needs TIMEBANK_DATABASE_URL"):
        load({"TIMEBANK_PUBLIC_DATABASE_URL": URL})


def test_what_is_shipped_is_found() -> None:
    assert (migrations_dir() / "sql").is_dir()
    assert (frontend_dir() / "templates").is_dir()


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-test.lock"])
def test_lock_files_name_hashes_and_no_place(name: str) -> None:
    text = (ROOT / name).read_text(encoding="ascii")
    assert not re.search(r"https?:|file:|^-|[/@]", text, re.MULTILINE)
    for entry in re.split(r"\n(?=\S)", text.strip()):
        assert re.match(r"[a-z0-9_.-]+==\S+", entry), entry
        assert "--hash=sha256:" in entry, entry


def test_the_test_lock_has_the_same_versions_as_the_other() -> None:
    def versions(name: str) -> set[str]:
        return set(re.findall(r"^(\S+==\S+)", (ROOT / name).read_text(encoding="ascii"), re.MULTILINE))

    assert versions("requirements.lock") <= versions("requirements-test.lock")


def test_mail_needs_a_server_and_an_address_of_its_own() -> None:
    server, sender = "smtp://ada:s%40crt@mail.example", "timebank@bank.example"

    settings = load({"TIMEBANK_SMTP_URL": server, "TIMEBANK_MAIL_FROM": sender})

    assert settings.smtp == Smtp("mail.example", 587, "starttls", "ada", "s@crt")
    assert "s@crt" not in repr(settings)
    assert load({}).smtp is None
    for half in ({"TIMEBANK_SMTP_URL": server}, {"TIMEBANK_MAIL_FROM": sender}):
        with pytest.raises(BadSetting, match="need each other"):
            load(half)
    for url, found in (
        ("smtps://mail.example", Smtp("mail.example", 465, "tls")),
        ("smtp://localhost:2525?tls=off", Smtp("localhost", 2525, "off")),
    ):
        assert load({"TIMEBANK_SMTP_URL": url, "TIMEBANK_MAIL_FROM": sender}).smtp == found
