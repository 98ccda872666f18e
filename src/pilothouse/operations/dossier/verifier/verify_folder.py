"""Part of verify.py: the files of this folder, the list of them, and its signature by the workspace's key."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import subprocess
import tempfile
from typing import Any, Iterator

MANIFEST, SIGNATURE, KEY = "manifest.sha256", "manifest.sig", "signing-key.pem"
OUTSIDE = {MANIFEST, SIGNATURE}


class Report:
    """What was found. ``wrong`` and ``unchecked`` decide the exit code."""

    def __init__(self) -> None:
        self.wrong = 0
        self.unchecked = 0

    def say(self, holds: bool, text: str) -> None:
        self.wrong += not holds
        print("ok     " if holds else "WRONG  ", plain(text), sep="")

    def skip(self, text: str) -> None:
        self.unchecked += 1
        print("?      ", plain(text), sep="")


def plain(text: str) -> str:
    """Text from the dossier as a terminal may get it."""
    return "".join(one if one.isprintable() else "\ufffd" for one in text)[:400]


def read(name: str) -> bytes:
    with open(name, "rb") as stream:
        return stream.read()


def read_json(name: str) -> Any:
    return json.loads(read(name).decode("utf-8"))


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode("ascii")


def entries_here(folder: str = "") -> Iterator[tuple[str, int]]:
    """Every entry below this folder by its path with slashes, with its mode; nothing is followed."""
    with os.scandir(folder or ".") as found:
        entries = sorted(found, key=lambda entry: entry.name)
    for entry in entries:
        mode = entry.stat(follow_symlinks=False).st_mode
        yield folder + entry.name, mode
        if stat.S_ISDIR(mode):
            yield from entries_here(folder + entry.name + "/")


def files_here() -> list[str]:
    return [name for name, mode in entries_here() if stat.S_ISREG(mode)]


def only_plain_files(report: Report) -> bool:
    """Whether there are plain files and readable folders alone: a link shows what lies elsewhere, a pipe never ends."""
    try:
        strange = [name for name, mode in entries_here() if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))]
    except OSError as error:
        report.say(False, "%s: the folder cannot be read" % error.filename)
        return False
    for name in strange:
        report.say(False, name + ": a link, or something else that is no plain file")
    return not strange


def check_manifest(report: Report) -> None:
    """Every file is the one that the manifest names, and there is no other; nor a folder without any of them."""
    named = {}
    for line in read(MANIFEST).decode("utf-8").splitlines():
        digest, _, name = line.partition("  ")
        named[name] = digest
    here = [name for name in files_here() if name not in OUTSIDE]
    folders = [name + "/" for name, mode in entries_here() if stat.S_ISDIR(mode)]
    empty = [folder for folder in folders if not any(name.startswith(folder) for name in named)]
    extra = sorted(set(here) - set(named)) + empty
    missing = sorted(set(named) - set(here))
    changed = sorted(name for name in here if name in named and sha256(read(name)) != named[name])
    for what, names in (("not named in the manifest", extra), ("missing", missing), ("changed", changed)):
        for name in names:
            report.say(False, name + ": " + what)
    if not extra + missing + changed:
        report.say(True, "%d files are those of the manifest" % len(here))


def openssl_verifies(data: bytes, signature: bytes) -> bool:
    """Whether openssl accepts an ECDSA signature with SHA-256 by the dossier's key."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [os.path.join(folder, name) for name in ("data", "signature")]
        for path, content in zip(paths, (data, signature)):
            with open(path, "wb") as stream:
                stream.write(content)
        command = ["openssl", "dgst", "-sha256", "-verify", KEY, "-signature", paths[1], paths[0]]
        return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE).returncode == 0


def check_key(report: Report, given: str | None) -> None:
    """The key of the folder is the one that the reader was given another way."""
    fingerprint = sha256(read(KEY))
    print("       signed by the key sha256 " + fingerprint)
    print("       which alone vouches for what is here, and for whose key is whose (allowed_signers)")
    if given is None:
        print("       compare it with the fingerprint that you have from elsewhere, or name it with --key")
    elif is_fingerprint(given):
        report.say(given.lower() == fingerprint, "the key has the fingerprint that was given")
    else:
        with open(given, "rb") as stream:
            report.say(stream.read().split() == read(KEY).split(), "the key is the one in " + given)


def is_fingerprint(text: str) -> bool:
    return len(text) == 64 and all(c in "0123456789abcdefABCDEF" for c in text)


def check_signatures(report: Report) -> None:
    """The manifest is signed by the key."""
    if shutil.which("openssl") is None:
        report.skip("not checked: signatures of the workspace's key, there is no openssl here")
    else:
        report.say(openssl_verifies(read(MANIFEST), read(SIGNATURE)), "the manifest is signed by the key")
