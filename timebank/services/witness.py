"""A witness: keeps the last checkpoint of each log that it watches, and says so when a log does not go on from it."""

from __future__ import annotations

import base64
import binascii
import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from timebank.ledger.cosignatures import COSIGNATURE, cosign
from timebank.ledger.notes import (
    NotANote,
    Note,
    Signature,
    format_note,
    key_id,
    parse_checkpoint,
    parse_note,
    read_verifier_key,
    signature_line,
    verifier_key,
)
from timebank.ledger.public_log import CHECKPOINT_PATH, LogKeys
from timebank.ledger.tiles import NotATile
from timebank.ledger.tree import verify_consistency
from timebank.ledger.witnessing import PROVES, Accepted, Known, NotWitnessed, RefusalKind, go_on
from timebank.services.log_sources import LogSource
from timebank.services.public_verify import (
    LogVerdict,
    NotACheckpointError,
    check_log,
    is_signed,
    read_checkpoint,
    verify_with,
)

_KEY_FILE: Final = "witness.json"
_LOGS: Final = "logs"
_EVIDENCE: Final = "evidence"
_ABOUT: Final = "log.json"


class WitnessError(Exception):
    """Something that whoever runs the witness has to know; one sentence."""


class Watched(NamedTuple):
    """A log that is watched.

    Attributes:
        url: Where it is.
        known: Its last checkpoint that was cosigned, and its keys then.
        note: That checkpoint as it was cosigned.
    """

    url: str
    known: Known
    note: bytes

    @property
    def origin(self) -> str:
        """Name of the log."""
        return self.known.checkpoint.origin

    @property
    def folder(self) -> str:
        """Name of its folder: origins have slashes."""
        return folder_of(self.origin)


class Evidence(NamedTuple):
    """What was kept of a checkpoint that was refused.

    Attributes:
        path: Its folder, with both signed checkpoints, and the files that show that they do not belong together.
        origin: Of the log.
        kind, why: What was wrong.
        proves: Whether the two checkpoints prove it against whoever has the log's key.
    """

    path: Path
    origin: str
    kind: RefusalKind
    why: str
    proves: bool


class Cosigned(NamedTuple):
    """A poll that went well: the cosigned checkpoint, its size before and now, and what the log says happened."""

    note: bytes
    before: int
    accepted: Accepted

    @property
    def size(self) -> int:
        """Leaves of the log now."""
        return self.accepted.known.checkpoint.size


def folder_of(origin: str) -> str:
    """Return the name of the folder of a log."""
    return sha256(origin.encode()).hexdigest()[:16]


class Witness:
    """A folder with a key, the last checkpoint of each log, and evidence."""

    def __init__(self, folder: Path, *, tool: str = "witness") -> None:
        """Open the folder.

        Args:
            tool: The command whose folder it is, for whoever has to make a key first.

        Raises:
            WitnessError: It has no key yet, or it cannot be read.
        """
        self.folder = folder
        try:
            said = json.loads((folder / _KEY_FILE).read_bytes())
            self.name: str = said["name"]
            self._secret = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(said["secret"]))
            self._tag = key_id(self.name, self._public, COSIGNATURE)
        except FileNotFoundError as error:
            raise WitnessError(f"{folder} has no key yet. Make one: timebank {tool} begin NAME.") from error
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise WitnessError(f"{folder / _KEY_FILE} cannot be read: {error}.") from error

    @classmethod
    def begin(cls, folder: Path, name: str, secret: bytes, *, tool: str = "witness") -> Witness:
        """Make a witness with a key of its own.

        Args:
            folder: Where; made if it is not there.
            name: Name of its key, such as ``witness.example/ada``; for ever.
            secret: 32 random bytes.
            tool: The command whose folder it is.

        Raises:
            WitnessError: There is one already, or the name cannot be that of a key.
        """
        private = Ed25519PrivateKey.from_private_bytes(secret)
        try:
            key_id(name, private.public_key().public_bytes_raw(), COSIGNATURE)
        except NotANote as error:
            raise WitnessError(f"{error}; take something like witness.example/ada.") from error
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            handle = os.open(folder / _KEY_FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError as error:
            raise WitnessError(f"{folder} has a key already.") from error
        with os.fdopen(handle, "w") as file:
            json.dump({"name": name, "secret": secret.hex()}, file)
            file.flush()
            os.fsync(file.fileno())
        return cls(folder, tool=tool)

    @property
    def _public(self) -> bytes:
        return self._secret.public_key().public_bytes_raw()

    @property
    def key(self) -> str:
        """The verifier key that groups and others are given."""
        return verifier_key(self.name, self._public, COSIGNATURE)

    # ------------------------------------------------------------ what is watched

    def list_watched(self) -> list[Watched]:
        """Return every log that is watched, by origin.

        Raises:
            WitnessError: What was kept of one cannot be read.
        """
        found = sorted((self.folder / _LOGS).glob(f"*/{_ABOUT}"))
        return sorted((self._read(path.parent) for path in found), key=lambda one: one.origin)

    def find(self, name: str) -> Watched:
        """Return the log with this origin or address.

        Raises:
            WitnessError: It is not watched.
        """
        for one in self.list_watched():
            if name.rstrip("/") in {one.origin, one.url}:
                return one
        raise WitnessError(f"{name} is not watched.")

    def _read(self, folder: Path) -> Watched:
        try:
            about = json.loads((folder / _ABOUT).read_bytes())
            keys = LogKeys(
                book=bytes.fromhex(about["book"]),
                log_key=about["log_key"],
                live_key=about["live_key"],
                recovery=bytes.fromhex(about["recovery"]),
            )
            note = about["note"].encode()
            return Watched(about["url"], Known(parse_checkpoint(parse_note(note).text), keys), note)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise WitnessError(f"{folder / _ABOUT} cannot be read: {error}.") from error

    @contextlib.contextmanager
    def _alone(self, folder: str) -> Iterator[None]:
        """Let two polls of a log at the same time not both go on from the same checkpoint."""
        (self.folder / _LOGS).mkdir(mode=0o700, exist_ok=True)
        with (self.folder / _LOGS / f"{folder}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    # ------------------------------------------------------------ add and poll

    def add(self, url: str, log: LogSource, *, at: int, key: str | None = None) -> tuple[LogVerdict, bytes]:
        """Check a log from its first leaf on, and watch it from now on.

        Args:
            url: Where it is.
            log: Its files.
            at: Now, in seconds since 1970.
            key: The log's verifier key as whoever adds it knows it; None trusts what is shown.

        Returns:
            What was found, and the cosigned checkpoint; nothing is kept of a log that is not whole.

        Raises:
            WitnessError: A log of this origin is watched already, or it has another key.
            NoLogError: It cannot be read.
        """
        verdict = check_log(log)
        if not verdict.ok or verdict.keys is None:
            return verdict, b""
        if key is not None and key.strip() != verdict.keys.log_key:
            raise WitnessError(f"The log has another key: {verdict.keys.log_key}")
        note, checkpoint = read_checkpoint(verdict.note)
        with self._alone(folder_of(checkpoint.origin)):
            folder = self.folder / _LOGS / folder_of(checkpoint.origin)
            if (folder / _ABOUT).exists():
                raise WitnessError(f"{checkpoint.origin} is watched already.")
            return verdict, self._keep(url, note, Known(checkpoint, verdict.keys), at=at)

    def sign_checked(self, url: str, verdict: LogVerdict, *, at: int) -> bytes:
        """Cosign a log that was checked as a whole, and remember it; returns the cosigned checkpoint.

        Args:
            url: Where it is.
            verdict: Of a check that began with what is remembered of this log, if anything is.
            at: Now, in seconds since 1970.

        Raises:
            WitnessError: Another log was cosigned since, so that this one need not go on from it.
        """
        assert verdict.ok, verdict.findings
        assert verdict.keys is not None, "a log that is whole has keys"
        note, checkpoint = read_checkpoint(verdict.note)
        folder = self.folder / _LOGS / folder_of(checkpoint.origin)
        with self._alone(folder.name):
            known = self._read(folder).known.checkpoint.size if (folder / _ABOUT).exists() else None
            if known != verdict.kept:
                raise WitnessError(f"{checkpoint.origin} was cosigned meanwhile. Try again.")
            return self._keep(url, note, Known(checkpoint, verdict.keys), at=at)

    def poll(self, watched: Watched, log: LogSource, *, at: int) -> Cosigned | Evidence:
        """Look whether a log goes on from what is known, and cosign what it shows if it does.

        Args:
            watched: The log.
            log: Its files as they are now.
            at: Now, in seconds since 1970.

        Raises:
            NoLogError: It cannot be read; nothing is known of it then, neither good nor bad.
        """
        read = _Recording(log)
        with self._alone(watched.folder):
            # Read while nobody else goes on: else what another poll has just kept would look newer than it.
            data = log.read(CHECKPOINT_PATH) or b""
            known = self._read(self.folder / _LOGS / watched.folder).known
            try:
                note, newest = read_checkpoint(data)
                accepted = go_on(
                    known,
                    newest,
                    is_signed=lambda key: is_signed(note, key),
                    read=read,
                    verify=verify_with,
                )
            except NotACheckpointError as error:
                refusal = NotWitnessed("not_its_files", f"its checkpoint is none: {error}", signed=False)
                return self._keep_evidence(watched, data, refusal, {}, at=at)
            except NotWitnessed as refusal:
                return self._keep_evidence(watched, data, refusal, read.files, at=at)
            cosigned = self._keep(watched.url, note, accepted.known, at=at)
            return Cosigned(cosigned, known.checkpoint.size, accepted)

    def _keep(self, url: str, note: Note, known: Known, *, at: int) -> bytes:
        """Keep a checkpoint instead of the last one, on the disk before anybody sees the cosignature."""
        name, tag, _ = read_verifier_key(known.keys.log_key)
        by_log = [one for one in note.signatures if (one.name, one.key_id) == (name, tag)]
        own = cosign(note.text, self.name, self._public, self._secret.sign, at=at)
        cosigned = format_note(note.text, (*by_log, own))
        about = {
            "url": url.rstrip("/"),
            "origin": known.checkpoint.origin,
            "note": cosigned,
            "book": known.keys.book.hex(),
            "log_key": known.keys.log_key,
            "live_key": known.keys.live_key,
            "recovery": known.keys.recovery.hex(),
        }
        folder = self.folder / _LOGS / folder_of(known.checkpoint.origin)
        folder.mkdir(mode=0o700, exist_ok=True)
        write_whole(folder / _ABOUT, json.dumps(about, indent=1, ensure_ascii=False).encode())
        return cosigned.encode()

    def add_checkpoint(self, body: bytes, *, at: int) -> tuple[int, str]:
        """Answer a C2SP tlog-witness ``add-checkpoint``: a checkpoint with a consistency proof, sent by its log.

        Keys that a log changed since the last poll are not known here; a poll learns them.

        Args:
            body: The size that the log believes is known here, a proof, and the checkpoint.
            at: Now, in seconds since 1970.

        Returns:
            HTTP status and body: the cosignature, the known size, or why not.
        """
        try:
            old_size, proof, note = _read_request(body)
            checkpoint = parse_checkpoint(note.text)
        except NotANote as error:
            return 400, f"{error}\n"
        folder = self.folder / _LOGS / folder_of(checkpoint.origin)
        if not (folder / _ABOUT).exists():
            return 404, "this log is not watched\n"
        with self._alone(folder.name):
            watched = self._read(folder)
            known = watched.known.checkpoint
            if not is_signed(note, watched.known.keys.log_key):
                return 403, "not signed with the key that is known\n"
            if old_size > checkpoint.size:
                return 400, "the old size is larger than the new one\n"
            if old_size != known.size:
                return 409, f"{known.size}\n"
            same = old_size == checkpoint.size
            if same and known.root != checkpoint.root:
                refusal = NotWitnessed(
                    "fork", f"there are two different logs of {known.size} leaves", signed=True
                )
                self._keep_evidence(watched, format_note(*note).encode(), refusal, {}, at=at)
                return 409, f"{known.size}\n"
            if not verify_consistency(known.size, known.root, checkpoint.size, checkpoint.root, proof):
                return 422, "the proof does not show that this goes on from what is known\n"
            cosigned = self._keep(watched.url, note, watched.known._replace(checkpoint=checkpoint), at=at)
            return 200, self.cosignature(cosigned)

    def cosignature(self, note: bytes) -> str:
        """Return this witness's line of a cosigned checkpoint."""
        return "".join(signature_line(one) for one in parse_note(note).signatures if self._is_own(one))

    def _is_own(self, signature: Signature) -> bool:
        return (signature.name, signature.key_id) == (self.name, self._tag)

    # ------------------------------------------------------------ evidence

    def _keep_evidence(
        self, watched: Watched, shown: bytes, refusal: NotWitnessed, files: dict[str, bytes], *, at: int
    ) -> Evidence:
        """Keep both checkpoints, and what was read; the same evidence again changes nothing."""
        proves = refusal.kind in PROVES and refusal.signed
        name = f"{refusal.kind}-{sha256(parse_note(watched.note).text.encode() + shown).hexdigest()[:16]}"
        folder = self.folder / _EVIDENCE / watched.folder / name
        evidence = Evidence(folder, watched.origin, refusal.kind, refusal.why, proves)
        if folder.exists():
            return evidence
        aside = folder.with_name(f".{name}.new")
        aside.mkdir(mode=0o700, parents=True, exist_ok=True)
        about = {
            "origin": watched.origin,
            "url": watched.url,
            "kind": refusal.kind,
            "why": refusal.why,
            "proves": proves,
            "seen_at": at,
            "log_key": watched.known.keys.log_key,
            "witness_key": self.key,
        }
        kept = {"known": watched.note, "shown": shown, "about.json": json.dumps(about, indent=1).encode()}
        for path, data in (kept | {f"log/{path}": data for path, data in files.items()}).items():
            (aside / path).parent.mkdir(parents=True, exist_ok=True)
            write_whole(aside / path, data)
        aside.rename(folder)
        return evidence

    def list_evidence(self) -> list[Evidence]:
        """Return everything that was ever refused, by origin."""
        found = []
        for path in sorted((self.folder / _EVIDENCE).glob("*/[!.]*/about.json")):
            about = json.loads(path.read_bytes())
            found.append(Evidence(path.parent, about["origin"], about["kind"], about["why"], about["proves"]))
        return found


_PROOF_MAX: Final = 63


def _read_request(body: bytes) -> tuple[int, list[bytes], Note]:
    """Read the body of ``add-checkpoint``: ``old N``, a line for each hash of a proof, an empty line, a note."""
    head, _, rest = body.partition(b"\n\n")
    lines = head.decode("ascii", "replace").split("\n")
    word, _, size = lines[0].partition(" ")
    if word != "old" or not size.isascii() or not size.isdigit() or str(int(size[:20])) != size:
        raise NotANote("no old size")
    if len(lines) - 1 > _PROOF_MAX:
        raise NotANote("a proof that is too long")
    try:
        proof = [base64.b64decode(line, validate=True) for line in lines[1:]]
    except binascii.Error as error:
        raise NotANote("a proof that is not base64") from error
    return int(size), proof, parse_note(rest)


_EVIDENCE_BYTES_MAX: Final = 16 * 1024 * 1024


class _Recording:
    """Reads a log and remembers what was read, so that evidence can be shown to others."""

    def __init__(self, log: LogSource) -> None:
        self._log = log
        self._bytes = 0
        self.files: dict[str, bytes] = {}

    def __call__(self, path: str) -> bytes:
        data = self.files.get(path)
        if data is None:
            data = self._log.read(path)
        if data is None:
            raise NotATile(f"{path} is not there")
        if path not in self.files and self._bytes + len(data) <= _EVIDENCE_BYTES_MAX:
            self.files[path] = data
            self._bytes += len(data)
        return data


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that it has its old content or the new one, whatever happens."""
    aside = path.with_name(f".{path.name}.new")
    with aside.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
