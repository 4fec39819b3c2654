#!/usr/bin/env python3
"""Check the public log of a timebank group with a program that is not timebank.

    python3 check_book.py https://HOST/g/GROUP
    python3 check_book.py FOLDER
    python3 check_book.py ARCHIVE.zip
    python3 check_book.py https://HOST/g/GROUP --checkpoint kept.txt
    python3 check_book.py https://HOST/g/GROUP --seal "K7QF 2M7X 4TRB HN3C"

The seal is the one on a printed page, of whatever day; capital letters and spaces make no difference.

Needs Python 3.9 or newer and the package "cryptography". It reads what anyone can read, and nothing
else. It was written from docs/proofs.md, section 7, without using any of timebank's own code; read it
before you trust it, it is short.

Ends with 0 if the log is whole, 1 if something is wrong, 2 if it could not be checked.
"""

import base64
import datetime
import hashlib
import json
import os
import re
import sys
import unicodedata
import urllib.error
import urllib.request
import zipfile

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

BIGGEST = 2**53 - 1
ENTRY_KINDS = set(
    "help_given help_answered help_exchanged money_in promise release fulfil hand_over hand_over_undone"
    " fulfil_undone money_returned money_out held_move pot_move counted_missing counted_found opening"
    " correction other".split()
)
BLOCKS = {"open": 16, "careful": 16, "sheltered": 64}
FULL = 256
LONGEST_FILE = FULL * (2 + 65535)


class Bad(Exception):
    """Something is not as it must be."""


class CannotCheck(Exception):
    """There is nothing to check."""


def need(condition, complaint):
    if not condition:
        raise Bad(complaint)


# ------------------------------------------------------------------------------------- signed notes


def from_base64(text):
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        raise Bad("base64 that is none") from None
    need(base64.b64encode(data).decode() == text, "base64 in another spelling")
    return data


def split_note(data):
    """Take a signed note apart: its text, and a list of (name, key id, signature)."""
    try:
        whole = data.decode("utf-8")
    except UnicodeDecodeError:
        raise Bad("a note that is not UTF-8") from None
    cut = whole.rfind("\n\n")
    need(cut >= 0 and whole.endswith("\n"), "a note without signatures")
    text, lines = whole[: cut + 1], whole[cut + 2 : -1].split("\n")
    need(not any(ord(c) < 32 and c != "\n" for c in text), "control characters in a note")
    signatures = []
    for line in lines:
        match = re.fullmatch(r"\u2014 ([^\s+]+) (\S+)", line)
        need(match, "a signature line that is none")
        raw = from_base64(match.group(2))
        need(len(raw) > 4, "a signature that is too short")
        signatures.append((match.group(1), raw[:4], raw[4:]))
    return text, signatures


def split_checkpoint(data):
    """Take a checkpoint apart: a dict with text, signatures, origin, size and root."""
    text, signatures = split_note(data)
    lines = text[:-1].split("\n")
    need(len(lines) >= 3 and all(lines), "a checkpoint has three lines")
    need(re.fullmatch(r"0|[1-9][0-9]*", lines[1], re.ASCII), "a size that is no number")
    need(len(lines[1]) < 20, "a size that no log has")
    root = from_base64(lines[2])
    need(len(root) == 32, "a root that is no hash")
    return {
        "text": text,
        "signatures": signatures,
        "origin": lines[0],
        "size": int(lines[1]),
        "root": root,
    }


def split_key(line, kind=1):
    """Take a verifier key apart: name, key id, the 32 bytes of the key."""
    match = re.fullmatch(r"([^\s+]+)\+([0-9a-f]{8})\+(\S+)", line)
    need(match, "a key that is none")
    name, tag, raw = match.group(1), bytes.fromhex(match.group(2)), from_base64(match.group(3))
    need(len(raw) == 33 and raw[0] == kind, "a key of another kind")
    need(hashlib.sha256(name.encode() + b"\n" + raw).digest()[:4] == tag, "a key whose id is not its own")
    return name, tag, raw[1:]


def signature_fits(public, signature, message):
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def signed_by(checkpoint, key_line):
    name, tag, public = split_key(key_line)
    own = [s for n, t, s in checkpoint["signatures"] if (n, t) == (name, tag)]
    return bool(own) and all(signature_fits(public, s, checkpoint["text"].encode()) for s in own)


# ------------------------------------------------------------------------------------- shapes of leaves
#
# A shape is a function that complains about a value, or a dict of shapes for the keys of an object;
# a key that ends in "?" may be absent.


def fits(value, shape):
    if not isinstance(shape, dict):
        shape(value)
        return
    need(type(value) is dict, "something else than an object")
    known = {key.rstrip("?"): (inner, key.endswith("?")) for key, inner in shape.items()}
    need(set(value) <= set(known), "a key that nobody knows")
    for key, (inner, optional) in known.items():
        if key in value:
            fits(value[key], inner)
        else:
            need(optional, "a key that is missing: " + key)


def number(lowest):
    def shape(value):
        need(type(value) is int and lowest <= value <= BIGGEST, "a number out of its bounds")

    return shape


def hexadecimal(count):
    pattern = re.compile("[0-9a-f]{%d}" % (2 * count))

    def shape(value):
        need(type(value) is str and pattern.fullmatch(value), "something else than hexadecimal")

    return shape


def one_of(*words):
    def shape(value):
        need(type(value) is str and value in words, "a word that is not known")

    return shape


def matching(pattern):
    compiled = re.compile(pattern, re.ASCII)

    def shape(value):
        need(type(value) is str and compiled.fullmatch(value), "a text of another form")

    return shape


def text(value):
    need(type(value) is str and value != "", "something else than a text")


def day(value):
    need(type(value) is str and re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", value, re.ASCII), "no day")
    try:
        datetime.date.fromisoformat(value)
    except ValueError:
        raise Bad("a day that no calendar has") from None


def key_of_kind(kind):
    def shape(value):
        text(value)
        split_key(value, kind)

    return shape


def array(inner, sorted_by=None):
    def shape(value):
        need(type(value) is list, "something else than an array")
        for item in value:
            fits(item, inner)
        if sorted_by:
            names = [sorted_by(item) for item in value]
            need(all(a < b for a, b in zip(names, names[1:])), "an array that is not sorted")

    return shape


amount = number(-BIGGEST)
pot_code = matching("[a-z0-9]+(-[a-z0-9]+)*")
entry_kind = one_of(*ENTRY_KINDS)
preset_name = one_of(*BLOCKS)
both_parts = {"available": amount, "promised": amount}


def change(value):
    fits(value, {"pot": pot_code, "unit": text, "available?": amount, "promised?": amount})
    need(value.get("available") != 0 and value.get("promised") != 0, "a zero that is written")
    need("available" in value or "promised" in value, "a change that changes nothing")


def pot_of_closing(parts):
    shape = {
        "pot": pot_code,
        "unit": text,
        "opening": both_parts if parts else amount,
        "closing": both_parts if parts else amount,
        "waited?": both_parts if parts else amount,
        "lost?": both_parts if parts else amount,
        "in": number(0),
        "out": number(0),
    }
    if parts:
        flow = {"kind": entry_kind, "in": number(0), "out": number(0), "lines": number(1)}
        shape["kinds"] = array(flow, lambda one: one["kind"])
    return shape


BASE = {"v": number(1), "commitment": hexadecimal(32)}
SHAPES = {
    "genesis": {
        "kind": text,
        "book": hexadecimal(16),
        "keys": {"live": key_of_kind(1), "log": key_of_kind(1)},
        "origin": text,
        "pots": array({"pot": pot_code, "unit": text}, lambda one: one["pot"]),
        "preset": preset_name,
        "recovery": hexadecimal(32),
        "units": array(
            {"code": text, "digits": number(0), "kind": one_of("time", "money", "goods")},
            lambda one: one["code"],
        ),
    },
    "key": {
        "kind": text,
        "new": key_of_kind(1),
        "old": key_of_kind(1),
        "reason": one_of("rotation", "moved", "lost", "stolen"),
        "signature": hexadecimal(64),
        "recovery?": hexadecimal(32),
        "recovery_next?": hexadecimal(32),
    },
    "policy": {"kind": text, "pot": pot_code, "text_hash": hexadecimal(32), "version": number(1)},
    "restored": {
        "kind": text,
        "epoch": number(2),
        "live_new": hexadecimal(32),
        "live_old": hexadecimal(32),
        "lost": number(0),
    },
    "line": {"kind": entry_kind, "changes": array(change), "day?": day, "category?": text},
    "nothing": {},
}
for _parts in (True, False):
    SHAPES["closing", _parts] = {
        "kind": text,
        "auditors": array(key_of_kind(4), lambda one: one),
        "first_day": day,
        "last_day": day,
        "held": array({"unit": text, "amount": amount}, lambda one: one["unit"]),
        "live": hexadecimal(32),
        "period": number(1),
        "policies": array({"pot": pot_code, "version": number(1)}, lambda one: one["pot"]),
        "pots": array(pot_of_closing(_parts), lambda one: one["pot"]),
        "preset": preset_name,
    }
SHAPES = {name: {**BASE, **shape} for name, shape in SHAPES.items()}


def take_leaf_apart(data):
    """Return what sort of leaf it is, and its fields."""
    need(len(data) <= 65535, "a leaf that is too long")
    try:
        decoded = data.decode("utf-8")
        leaf = json.loads(decoded)
        again = json.dumps(leaf, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    except (ValueError, RecursionError):
        raise Bad("a leaf that is not JSON") from None
    need(again == decoded, "a leaf that is not in its canonical form")
    need(decoded.isascii() or unicodedata.is_normalized("NFC", decoded), "a leaf that is not in form C")
    need(type(leaf) is dict and type(leaf.get("v")) is int and leaf["v"] == 1, "a leaf without its version")
    kind = leaf.get("kind")
    if kind is None and "kind" not in leaf:
        sort = "nothing"
    elif kind in ("genesis", "key", "policy", "restored"):
        sort = kind
    elif kind == "closing":
        sort = ("closing", leaf.get("preset") != "sheltered")
    else:
        sort = "line"
    fits(leaf, SHAPES[sort])
    if sort == "line":
        need("day" in leaf or "category" not in leaf, "a category without a day")
    elif sort == "genesis":
        need(split_key(leaf["keys"]["log"])[0] == leaf["origin"], "the log's key has another name")
        need(split_key(leaf["keys"]["live"])[0] == leaf["origin"] + "/live", "the live key has another name")
    elif sort == "key":
        need(split_key(leaf["old"])[0] == split_key(leaf["new"])[0], "keys of two names")
        need(leaf["old"] != leaf["new"], "a key replaced by itself")
        need(
            leaf["reason"] in ("rotation", "moved") or "recovery" in leaf,
            "a new key without the recovery key",
        )
    elif sort == ("closing", True) or sort == ("closing", False):
        need(leaf["first_day"] <= leaf["last_day"], "a period that ends before it begins")
        sort = "closing"
    return sort, leaf


# ------------------------------------------------------------------------------------- the rules of a log


def fresh_period():
    return {"count": 0, "last": "", "forms": set(), "flows": {}, "new_keys": {}, "restored": []}


def fresh_book(read):
    return {
        "read": read,
        "leaves": 0,
        "keys": {},
        "recovery": "",
        "book": b"",
        "origin": "",
        "pots": {},
        "closing": None,
        "epoch": 1,
        "policies": set(),
        "period": fresh_period(),
        "periods": 0,
        "lines": 0,
        "restored": [],
        "new_keys": [],
        "seals": [],
    }


def follow(book, data):
    """Let the next leaf follow, or complain."""
    sort, leaf = take_leaf_apart(data)
    need((sort == "genesis") == (book["leaves"] == 0), "the genesis leaf is the first one, and only that")
    if sort == "genesis":
        book.update(keys=dict(leaf["keys"]), recovery=leaf["recovery"], origin=leaf["origin"])
        book.update(book=bytes.fromhex(leaf["book"]), pots={p["pot"]: p["unit"] for p in leaf["pots"]})
    elif sort == "closing":
        end_period(book, leaf)
    else:
        period = book["period"]
        need(leaf["commitment"] > period["last"], "leaves that are not sorted")
        if sort != "nothing":
            {"line": on_line, "policy": on_policy, "key": on_key, "restored": on_restored}[sort](book, leaf)
        period["last"] = leaf["commitment"]
        period["count"] += 1
    book["leaves"] += 1


def on_line(book, leaf):
    flows = book["period"]["flows"]
    book["period"]["forms"].add("open" if "day" in leaf else "careful")
    book["lines"] += 1
    counted = set()
    for one in leaf["changes"]:
        where = (one["pot"], one["unit"])
        flow = flows.setdefault(where, {"available": 0, "promised": 0, "kinds": {}})
        plus = one.get("available", 0) + one.get("promised", 0)
        flow["available"] += one.get("available", 0)
        flow["promised"] += one.get("promised", 0)
        kind = flow["kinds"].setdefault(leaf["kind"], {"in": 0, "out": 0, "lines": 0})
        kind["in"] += max(plus, 0)
        kind["out"] += max(-plus, 0)
        kind["lines"] += where not in counted
        counted.add(where)


def on_policy(book, leaf):
    published = book["read"]("policies/%s/%d" % (leaf["pot"], leaf["version"]))
    need(published is not None, "the text of a policy is not there")
    need(hashlib.sha256(published).hexdigest() == leaf["text_hash"], "the text of a policy is another one")
    book["policies"].add((leaf["pot"], leaf["version"]))


def on_key(book, leaf):
    which = [name for name, line in book["keys"].items() if line == leaf["old"]]
    need(which, "the key that is replaced is none of this log")
    need(which[0] not in book["period"]["new_keys"], "a key that is replaced twice in a period")
    said = {
        name: leaf[name] for name in ("new", "old", "reason", "recovery", "recovery_next") if name in leaf
    }
    message = b"timebank/key/1\0" + book["book"]
    message += json.dumps(said, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()
    if "recovery" in leaf:
        signer = bytes.fromhex(leaf["recovery"])
        need(
            hashlib.sha256(signer).hexdigest() == book["recovery"],
            "another recovery key than the one on paper",
        )
    else:
        signer = split_key(leaf["old"])[2]
    need(
        signature_fits(signer, bytes.fromhex(leaf["signature"]), message), "a new key that nobody introduced"
    )
    book["period"]["new_keys"][which[0]] = leaf


def on_restored(book, leaf):
    need(leaf["epoch"] > book["epoch"], "an epoch that was before")
    book["period"]["restored"].append(leaf)


def end_period(book, leaf):
    period, before = book["period"], book["closing"]
    block = BLOCKS[leaf["preset"]]
    need(period["count"] >= block and period["count"] % block == 0, "a period that is not padded")
    need(period["forms"] <= {leaf["preset"]}, "lines that this preset does not show")
    if before:
        need(leaf["period"] == before["period"] + 1, "periods that do not follow each other")
        after = datetime.date.fromisoformat(before["last_day"]) + datetime.timedelta(1)
        need(leaf["first_day"] == after.isoformat(), "days between two periods")
    units = {one["pot"]: one["unit"] for one in leaf["pots"]}
    for pot, unit in [*book["pots"].items(), *period["flows"]]:
        need(units.get(pot) == unit, "pot %s is not there in %s" % (pot, unit))
    earlier = {one["pot"]: one for one in before["pots"]} if before else {}
    held = {}
    for one in leaf["pots"]:
        check_pot(one, earlier.get(one["pot"]), period["flows"].get((one["pot"], one["unit"])))
        if re.fullmatch("[A-Z]{3}", one["unit"], re.ASCII):
            held[one["unit"]] = held.get(one["unit"], 0) + together(one["closing"])
    need(held == {one["unit"]: one["amount"] for one in leaf["held"]}, "what is held is not what pots have")
    for one in leaf["policies"]:
        need((one["pot"], one["version"]) in book["policies"], "a policy that never was published")
    for which, new in period["new_keys"].items():
        book["keys"][which] = new["new"]
        book["recovery"] = new.get("recovery_next", book["recovery"])
    lost = sum(one["lost"] for one in period["restored"])
    need(
        lost or not any("lost" in one for one in leaf["pots"]), "something is taken out that no restore lost"
    )
    book["epoch"] = max([book["epoch"], *(one["epoch"] for one in period["restored"])])
    book["restored"] += [(leaf["last_day"], one["lost"]) for one in period["restored"]]
    book["new_keys"] += [(leaf["last_day"], new["reason"]) for new in period["new_keys"].values()]
    book.update(pots=units, closing=leaf, period=fresh_period(), periods=book["periods"] + 1)


def together(figure):
    return figure["available"] + figure["promised"] if isinstance(figure, dict) else figure


def check_pot(one, earlier, flow):
    pot, opening, closing = one["pot"], one["opening"], one["closing"]
    if earlier is None:
        need(opening in (0, {"available": 0, "promised": 0}), "pot %s is new and not empty" % pot)
    elif isinstance(opening, dict) and isinstance(earlier["closing"], dict):
        need(opening == earlier["closing"], "pot %s opens with something else" % pot)
    else:
        need(together(opening) == together(earlier["closing"]), "pot %s opens with something else" % pot)
    if isinstance(opening, int):
        moved = one["in"] - one["out"] + one.get("waited", 0) + one.get("lost", 0)
        need(opening + moved == closing, "pot %s does not add up" % pot)
        return
    flow = flow or {"available": 0, "promised": 0, "kinds": {}}
    shown = {k["kind"]: {"in": k["in"], "out": k["out"], "lines": k["lines"]} for k in one["kinds"]}
    need(shown == flow["kinds"], "pot %s has other lines than it says" % pot)
    for way in ("in", "out"):
        need(one[way] == sum(kind[way] for kind in shown.values()), "pot %s: %s is another sum" % (pot, way))
    for part in ("available", "promised"):
        apart = sum(one[name][part] for name in ("waited", "lost") if name in one)
        need(opening[part] + flow[part] + apart == closing[part], "pot %s does not add up" % pot)


# ------------------------------------------------------------------------------------- the tree


def sha(data):
    return hashlib.sha256(data).digest()


def grow(peaks, leaf):
    """Add a leaf hash to a list of (height, root of a whole subtree), the biggest first.

    Returns (level, hash) for each hash that this adds to a tile above level 0.
    """
    height, above = 0, []
    while peaks and peaks[-1][0] == height:
        leaf = sha(b"\1" + peaks.pop()[1] + leaf)
        height += 1
        if height % 8 == 0:
            above.append((height // 8, leaf))
    peaks.append((height, leaf))
    return above


def top(peaks):
    root = sha(b"") if not peaks else peaks[-1][1]
    for _, left in reversed(peaks[:-1]):
        root = sha(b"\1" + left + root)
    return root


def seal_of(root):
    """The beginning of a root for eyes, as it stands on the page of a group and on its print."""
    letters = base64.b32encode(root[:10]).decode()
    return " ".join(letters[at : at + 4] for at in range(0, 16, 4))


def tile_path(level, index, width):
    name = "%03d" % (index % 1000)
    while index >= 1000:
        index //= 1000
        name = "x%03d/%s" % (index % 1000, name)
    return "tile/%s/%s%s" % (level, name, "" if width == FULL else ".p/%d" % width)


def check(read, kept=None, progress=None):
    """Check a log.

    read: a function that returns the bytes at a path, or None.
    kept: the bytes of an older checkpoint, or None.
    progress: a function that is told how many leaves are done, and of how many.

    Returns a list of (leaf, complaint), the leaf None where it is the whole log; and a dict of what was seen.
    """
    older = None
    if kept is not None:
        try:
            older = split_checkpoint(kept)
            need(older["size"] > 0, "a log has a leaf at least")
        except Bad as bad:
            raise CannotCheck("The checkpoint that was kept is none: %s." % bad) from None
    book = fresh_book(read)
    try:
        newest = split_checkpoint(read("checkpoint") or b"")
    except Bad as bad:
        return [(None, "checkpoint: %s" % bad)], book
    size = newest["size"]
    peaks, kept_root, kept_key = [], None, None
    rows = {}  # the hashes of the tile at the edge, by level from 1 up
    counts = {}
    wrong_tiles = []

    def climb(level, hash_):
        row = rows.setdefault(level, [])
        row.append(hash_)
        counts[level] = counts.get(level, 0) + 1
        if len(row) == FULL:
            compare(level)

    def compare(level):
        row = rows[level]
        path = tile_path(level, (counts[level] - 1) // FULL, len(row))
        if not wrong_tiles and read(path) != b"".join(row):
            wrong_tiles.append(path)
        rows[level] = []

    for first in range(0, size, FULL):
        width = min(FULL, size - first)
        bundle = read(tile_path("entries", first // FULL, width)) or b""
        tile = read(tile_path(0, first // FULL, width)) or b""
        at = 0
        for leaf in range(first, first + width):
            length = int.from_bytes(bundle[at : at + 2], "big")
            entry = bundle[at + 2 : at + 2 + length]
            complete = len(bundle) >= at + 2 and len(entry) == length
            at += 2 + length
            hash_ = sha(b"\0" + entry)
            place = 32 * (leaf - first)
            try:
                need(complete, "it is cut off, or not there")
                need(tile[place : place + 32] == hash_, "it has another hash than the tile says")
                if leaf == first + width - 1:
                    need(at == len(bundle) and len(tile) == 32 * width, "there is more behind it")
                follow(book, entry)
            except Bad as bad:
                return [(leaf, str(bad))], book
            for level, root in grow(peaks, hash_):
                climb(level, root)
            if not book["period"]["count"] and book["closing"]:
                book["seals"].append((book["closing"]["last_day"], seal_of(top(peaks))))
            if older and leaf + 1 == older["size"]:
                kept_root = top(peaks)
                kept_key = book["keys"]["log"] if not book["period"]["count"] else None
        if progress:
            progress(first + width, size)

    if not size:
        return [(None, "the log is empty")], book
    if book["period"]["count"]:
        return [(None, "the log ends in the middle of a period")], book
    for level in sorted(rows):
        if rows[level]:
            compare(level)
    complaints = [(None, "%s is not the tile of these leaves" % path) for path in wrong_tiles]
    if top(peaks) != newest["root"]:
        complaints.append((None, "the checkpoint has another root"))
    if newest["origin"] != book["origin"]:
        complaints.append((None, "the checkpoint is of another log"))
    if not signed_by(newest, book["keys"]["log"]):
        complaints.append((None, "the checkpoint is not signed with the log's key"))
    if older:
        if older["origin"] != newest["origin"]:
            complaints.append((None, "the checkpoint that was kept is of another log"))
        elif older["size"] > size:
            complaints.append((None, "an older state is shown as if it were today's"))
        elif older["root"] != kept_root:
            complaints.append((None, "what was there when the checkpoint was kept was changed"))
        elif kept_key is None or not signed_by(older, kept_key):
            complaints.append((None, "the checkpoint that was kept is not signed with the log's key of then"))
    return complaints, book


# ------------------------------------------------------------------------------------- where logs are


def reader_of_folder(folder):
    base = folder if os.path.isfile(os.path.join(folder, "checkpoint")) else os.path.join(folder, "log")
    if not os.path.isfile(os.path.join(base, "checkpoint")):
        raise CannotCheck("There is no public log in %s." % folder)

    def read(path):
        try:
            with open(os.path.join(base, *path.split("/")), "rb") as file:
                return file.read(LONGEST_FILE + 1)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None

    return read


def reader_of_zip(name):
    archive = zipfile.ZipFile(name)
    names = set(archive.namelist())
    base = "log/" if "log/checkpoint" in names else ""
    if base + "checkpoint" not in names:
        raise CannotCheck("There is no public log in %s." % name)

    def read(path):
        if base + path not in names:
            return None
        with archive.open(base + path) as file:
            return file.read(LONGEST_FILE + 1)

    return read


def reader_of_url(url):
    def fetch(address):
        try:
            with urllib.request.urlopen(address, timeout=30) as answer:  # noqa: S310
                return answer.read(LONGEST_FILE + 1)
        except urllib.error.HTTPError as error:
            with error:
                if error.code in (404, 410):
                    return None
                raise CannotCheck("%s answered %d." % (address, error.code)) from None
        except OSError as error:
            raise CannotCheck("%s does not answer: %s." % (address, error)) from None

    url = url.rstrip("/")
    base = next((u for u in (url, url + "/log") if b"\n\n" in (fetch(u + "/checkpoint") or b"")), None)
    if base is None:
        raise CannotCheck("There is no public log at %s." % url)
    return lambda path: fetch(base + "/" + path)


def reader_of(where):
    if where.startswith(("https://", "http://")):
        return reader_of_url(where)
    return reader_of_folder(where) if os.path.isdir(where) else reader_of_zip(where)


def same_letters(one, other):
    return "".join(one.split()).upper() == "".join(other.split()).upper()


def option(words, name):
    """Return what follows an option, or None, and the other words."""
    if name not in words[:-1]:
        return None, words
    place = words.index(name)
    return words[place + 1], words[:place] + words[place + 2 :]


def main(words):
    kept = None
    path, words = option(words, "--checkpoint")
    seal, words = option(words, "--seal")
    if path is not None:
        with open(path, "rb") as file:
            kept = file.read()
    if len(words) != 1 or words[0].startswith("-"):
        print(__doc__)
        return 0 if words in (["-h"], ["--help"]) else 2
    complaints, book = check(reader_of(words[0]), kept)
    days = [day for day, one in book["seals"] if seal and same_letters(one, seal)]
    if seal and not complaints and not days:
        complaints = [(None, "no page of this log ever had the seal " + seal)]
    if complaints:
        for leaf, complaint in complaints:
            print(
                "WRONG: %s%s." % ("" if leaf is None else "leaf %d (the first one is 0): " % leaf, complaint)
            )
        return 1
    closing = book["closing"]
    print("The public log of %s is whole." % book["origin"])
    print("  leaves:   %d, with %d lines" % (book["leaves"], book["lines"]))
    print("  periods:  %d%s" % (book["periods"], ", until " + closing["last_day"] if closing else ""))
    print("  key:      %s" % book["keys"]["log"])
    if book["seals"]:
        print("  seal:     %s (the same as on the newest page, and on its print)" % book["seals"][-1][1])
    if days:
        print("  The seal that you have is of the page as of %s. All of it is still in the log." % days[-1])
    for last_day, reason in book["new_keys"]:
        print(
            "  A key was changed by %s (%s). Whoever could introduce the new one has signed it."
            % (last_day, reason)
        )
    for last_day, lost in book["restored"]:
        print(
            "  The book was restored from a backup by %s, and says so. It lost %d records that"
            % (last_day, lost)
        )
        print("  were published; what they had moved is taken out of the pots again, as one total.")
    for one in closing["pots"] if closing else ():
        print("  pot %-12s closes with %s, in %s" % (one["pot"], json.dumps(one["closing"]), one["unit"]))
    print("Each period's figures follow from its lines and the period before. Nothing is left out or changed")
    print(
        "%s."
        % (
            "since the checkpoint that you kept"
            if kept
            else "within it; keep its checkpoint to see the same next time"
        )
    )
    print("This does not prove that what people wrote is true, nor what is not published yet.")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (CannotCheck, OSError, zipfile.BadZipFile) as trouble:
        print("Not checked: %s" % trouble, file=sys.stderr)
        sys.exit(2)
