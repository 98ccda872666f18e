"""Verifies a proof that a row is in a transparency log (c2sp.org/tlog-proof). Standard library; openssl verifies signatures.

    python3 verify_proof.py ROW.tlog-proof --policy POLICY --entry HASH
    python3 verify_proof.py ROW.tlog-proof --policy POLICY --row AUDIT.jsonl

POLICY holds the keys to believe (c2sp.org/tlog-policy): take them from somewhere else than the log's owner. HASH is the row's
hash in hex. AUDIT.jsonl is an export of the log: the row is found by the proof's index, and its hash computed from its fields.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
from typing import Any

DER = bytes.fromhex("302a300506032b6570032100")  # SubjectPublicKeyInfo of an Ed25519 key, before its 32 bytes


class Wrong(Exception):  # noqa: N818 - what is said is: WRONG
    """The proof does not hold."""


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def parse_key(text: str) -> tuple[str, bytes, int, bytes]:
    """Name, ID, kind and key of a vkey."""
    name, _, rest = text.partition("+")
    digest, _, encoded = rest.partition("+")
    data = base64.b64decode(encoded, validate=True)
    key_id = sha256(name.encode() + b"\n" + data)[:4]
    if key_id.hex() != digest or len(data) != 33:
        raise Wrong("the key of %s in the policy is damaged, or no Ed25519 key" % name)
    return name, key_id, data[0], data[1:]


def parse_policy(text: str) -> tuple[list[Any], dict[str, Any], dict[str, tuple[int, list[str]]], str]:
    """Keys of logs, keys of witnesses by name, groups, and the name that must have signed."""
    logs, witnesses, groups, quorum = [], {}, {}, None
    for line in text.split("\n"):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if words[0] == "log":
            logs.append(parse_key(words[1]))
        elif words[0] == "witness":
            witnesses[words[1]] = parse_key(words[2])
        elif words[0] == "group":
            members = words[3:]
            least = {"any": 1, "all": len(members)}.get(words[2]) or int(words[2])
            groups[words[1]] = (least, members)
        elif words[0] == "quorum" and quorum is None:
            quorum = words[1]
        else:
            raise Wrong("the policy has a line that is not understood: %r" % line)
    if quorum is None:
        raise Wrong("the policy has no quorum")
    return logs, witnesses, groups, quorum


def is_met(name: str, cosigners: set[str], witnesses: dict[str, Any], groups: dict[str, Any]) -> bool:
    if name == "none":
        return True
    if name in witnesses:
        return name in cosigners
    least, members = groups[name]
    return sum(is_met(member, cosigners, witnesses, groups) for member in members) >= int(least)


def verified(key: bytes, signature: bytes, message: bytes) -> bool:
    """True where the Ed25519 signature holds, by openssl."""
    folder = tempfile.mkdtemp()
    try:
        for name, data in (("key", DER + key), ("sig", signature), ("text", message)):
            with open(os.path.join(folder, name), "wb") as stream:
                stream.write(data)
        command = "openssl pkeyutl -verify -pubin -inkey key -keyform DER -rawin -in text -sigfile sig"
        done = subprocess.run(command.split(), cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return done.returncode == 0
    finally:
        shutil.rmtree(folder)


def check_head(text: str, policy: tuple[Any, ...]) -> tuple[int, bytes, str]:
    """Size and root of a head that the log has signed and enough witnesses too, and a line that says so."""
    logs, witnesses, groups, quorum = policy
    body, separator, lines = text.rpartition("\n\n")
    body += "\n"
    if not separator:
        raise Wrong("the head is not signed")
    signatures = []
    for line in lines.rstrip("\n").split("\n"):
        _, name, encoded = line.split(" ")
        data = base64.b64decode(encoded, validate=True)
        signatures.append((name, data[:4], data[4:]))
    origin, size, root = body.split("\n")[:3]
    signed = False
    for name, key_id, kind, key in logs:
        for signer, signer_id, value in signatures:
            if name == origin and kind == 1 and (signer, signer_id) == (name, key_id):
                if not verified(key, value, body.encode()):
                    raise Wrong("the signature of the log %s is wrong" % name)
                signed = True
    if not signed:
        raise Wrong("no log of the policy has signed the head of %s" % origin)
    times = {}
    for witness, (name, key_id, kind, key) in witnesses.items():
        for signer, signer_id, value in signatures:
            if kind == 4 and (signer, signer_id) == (name, key_id):
                (time,) = struct.unpack(">Q", value[:8])
                if not verified(key, value[8:], ("cosignature/v1\ntime %d\n%s" % (time, body)).encode()):
                    raise Wrong("the cosignature of %s is wrong" % witness)
                times[witness] = time
    if not is_met(quorum, set(times), witnesses, groups):
        raise Wrong(
            "the policy asks for %s, and of its witnesses %s have signed" % (quorum, sorted(times) or "none")
        )
    seen = ", ".join("%s at %d" % one for one in sorted(times.items())) or "no witness"
    return (
        int(size),
        base64.b64decode(root, validate=True),
        "%s, %s rows, signed by %s" % (origin, size, seen),
    )


def root_of(entry: bytes, index: int, size: int, hashes: list[bytes]) -> bytes:
    """Root to which the hashes lead from an entry."""
    if not 0 <= index < size:
        raise Wrong("row %d is not among the %d of the head" % (index + 1, size))
    place, last, reached = index, size - 1, sha256(b"\x00" + entry)
    for step in hashes:
        if last == 0:
            raise Wrong("the proof has too many hashes")
        if place & 1 or place == last:
            reached = sha256(b"\x01" + step + reached)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            reached = sha256(b"\x01" + reached + step)
        place, last = place >> 1, last >> 1
    if last != 0:
        raise Wrong("the proof has too few hashes")
    return reached


def check_proof(proof: str, policy: str, entry: bytes) -> str:
    """Raise Wrong unless the proof holds for the entry; returns a line that says under which head."""
    above, _, head = proof.partition("\n\n")
    lines = [line for line in above.split("\n") if not line.startswith("extra ")]
    if len(lines) < 2 or lines[0] != "c2sp.org/tlog-proof@v1" or not lines[1].startswith("index "):
        raise Wrong("this is no proof of c2sp.org/tlog-proof@v1")
    index = int(lines[1][len("index ") :])
    size, root, said = check_head(head, parse_policy(policy))
    hashes = [base64.b64decode(line, validate=True) for line in lines[2:]]
    if root_of(entry, index, size, hashes) != root:
        raise Wrong("the log does not have this entry as row %d" % (index + 1))
    return "row %d is in the log: %s" % (index + 1, said)


def row_hash(row: dict[str, Any]) -> bytes:
    """Hash of a row of an export, computed from its other fields."""
    hashed = {name: value for name, value in row.items() if name != "hash"}
    text = json.dumps(hashed, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return sha256(text.encode("ascii"))


def entry_of(path: str, proof: str) -> bytes:
    """Entry of the row of an export that a proof is of."""
    index = int(proof.split("\nindex ", 1)[1].split("\n", 1)[0])
    with open(path, encoding="ascii") as stream:
        for line in stream:
            row = json.loads(line)
            if row["seq"] == index + 1:
                if row_hash(row).hex() != row["hash"]:
                    raise Wrong("row %d of the export does not have its hash" % row["seq"])
                return row_hash(row)
    raise Wrong("row %d is not in the export" % (index + 1))


def main() -> int:
    parser = argparse.ArgumentParser(description="Verify a proof that a row is in a transparency log.")
    parser.add_argument("proof")
    parser.add_argument("--policy", required=True)
    parser.add_argument("--entry")
    parser.add_argument("--row")
    given = parser.parse_args()
    try:
        with open(given.proof, encoding="utf-8", newline="") as stream:
            proof = stream.read()
        with open(given.policy, encoding="utf-8") as stream:
            policy = stream.read()
        if (given.entry is None) == (given.row is None):
            raise Wrong("give the row's hash with --entry, or an export with --row")
        entry = bytes.fromhex(given.entry) if given.entry else entry_of(given.row, proof)
        said = check_proof(proof, policy, entry)
    except (Wrong, ValueError, LookupError, OSError, struct.error) as error:
        text = (
            str(error)
            if isinstance(error, (Wrong, OSError))
            else "the proof or the policy is damaged: %r" % error
        )
        print("WRONG  " + "".join(one if one.isprintable() else "\ufffd" for one in text)[:400])
        return 1
    print("ok     " + "".join(one if one.isprintable() else "\ufffd" for one in said)[:400])
    return 0


if __name__ == "__main__":
    sys.exit(main())
