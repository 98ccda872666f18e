"""Verifies the dossier or the evidence in whose folder it lies. Standard library alone, with openssl and ssh-keygen."""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from typing import Any, Iterator

MANIFEST, SIGNATURE, KEY = "manifest.sha256", "manifest.sig", "signing-key.pem"
OUTSIDE = {MANIFEST, SIGNATURE}
FORM = "pilothouse/decision/1"
DECIDED = ("actor", "verdict", "reason", "evidence_digest", "policy_digest")
VERDICTS = {"request.approved": "approve", "request.refused": "reject"}


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


def check_bundle(report: Report) -> None:
    """``model.sig`` is a bundle of OpenSSF Model Signing over the files in ``model``."""
    bundle = read_json("model.sig")
    envelope = bundle["dsseEnvelope"]
    payload, kind = base64.b64decode(envelope["payload"]), envelope["payloadType"].encode()
    signed = b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)
    statement = json.loads(payload.decode("utf-8"))
    resources = statement["predicate"]["resources"]
    named = {"model/" + one["name"]: one["digest"] for one in resources}
    here = {name: sha256(read(name)) for name in files_here() if name.startswith("model/")}
    whole = sha256(b"".join(bytes.fromhex(one["digest"]) for one in resources))
    report.say(named == here, "the model's %d files are those of its signature" % len(named))
    report.say(
        statement["subject"][0]["digest"]["sha256"] == whole
        and bundle["verificationMaterial"]["publicKey"]["hint"] == sha256(read(KEY)),
        "the model's signature is about these files, by this key",
    )
    if shutil.which("openssl") is not None:
        signature = base64.b64decode(envelope["signatures"][0]["sig"])
        report.say(openssl_verifies(signed, signature), "the model's signature holds")


def check_model(report: Report, facts: Any) -> None:
    """The files of the model are those of the record and of the bill of materials."""
    digests = facts["version"]["digests"]
    report.say(
        all(sha256(read(name)) == digest for name, digest in digests.items()),
        "the model's files are those on record",
    )
    component = read_json("ml-bom.cdx.json")["metadata"]["component"]
    content = component["hashes"][0]["content"]
    report.say(content == digests["model/model.skops"], "the bill of materials names this model file")


def place_of(facts: Any, request: Any) -> str:
    """Where the files of a request are: in a folder of a dossier, or beside the request that was exported alone."""
    return "requests/%d/" % request["id"] if "version" in facts else ""


def check_requests(report: Report, facts: Any) -> None:
    """Each decision was made on the evidence and the policy that are here, and the version was that of the request."""
    for request in facts["requests"]:
        name = "request %d" % request["id"]
        evidence, policy = (
            read(place_of(facts, request) + part) for part in ("evidence.json", "policy.json")
        )
        report.say(
            sha256(evidence) == request["evidence_digest"] and sha256(policy) == request["policy_digest"],
            name + ": evidence and policy have the digests on record",
        )
        about = json.loads(evidence.decode("utf-8"))
        if "version" in facts:
            same = about["artifacts"]["model"] == facts["version"]["digests"]["model/model.skops"]
            report.say(same, name + ": its evidence is about this model file")
        decided = [
            one["evidence_digest"] == request["evidence_digest"]
            and one["policy_digest"] == request["policy_digest"]
            for one in request["decisions"]
        ]
        if decided:
            report.say(all(decided), name + ": %d decisions are bound to them" % len(decided))


def check_entries(report: Report, facts: Any) -> None:
    """Each entry of the audit log has the hash of its content, and they tell of the same decisions."""
    wrong: list[int] = []
    hashes: dict[int, str] = {}
    said: set[tuple[str, str, str, str]] = set()
    signed: set[tuple[str, str, str]] = set()
    count = 0
    for line in read("audit.jsonl").decode("utf-8").splitlines():
        entry = json.loads(line)
        found = entry.pop("hash")
        hashes[entry["seq"]] = found
        count += 1
        follows = hashes.get(entry["seq"] - 1, entry["previous"])
        if sha256(canonical(entry)) != found or follows != entry["previous"]:
            wrong.append(entry["seq"])
        if entry["action"] in VERDICTS:
            digest = entry["detail"].get("evidence_digest", "")
            said.add((entry["subject"], entry["actor"], VERDICTS[entry["action"]], digest))
            if "second_component" in entry["detail"]:
                statement = entry["detail"]["second_component"]["statement"]
                signed.add((entry["subject"], entry["actor"], statement))
    for number in wrong:
        report.say(False, "entry %d of the audit log does not have its hash" % number)
    if not wrong:
        report.say(True, "%d entries of the audit log have the hashes of their content" % count)
    decided = {
        ("request %d" % request["id"], one["actor"], one["verdict"], one["evidence_digest"])
        for request in facts["requests"]
        for one in request["decisions"]
    }
    report.say(decided == said, "the audit log has the same %d decisions" % len(decided))
    here = {
        (
            "request %d" % request["id"],
            one["actor"],
            sha256(read(place_of(facts, request) + one["files"] + ".json")),
        )
        for request in facts["requests"]
        for one in read_json(place_of(facts, request) + "decisions.json")
        if one["files"]
    }
    if here or signed:
        report.say(here == signed, "the audit log names the same %d statements" % len(here))


def principal(name: str) -> str:
    """Name of a person as it stands among the allowed signers."""
    plain_ones = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._@+-"
    return "".join(c if c in plain_ones else "".join("%%%02X" % b for b in c.encode("utf-8")) for c in name)


def check_statements(report: Report, facts: Any) -> None:
    """Each decision that was signed by a key has its statement, which says what was decided, and ssh-keygen accepts it."""
    for request in facts["requests"]:
        place = place_of(facts, request)
        name = "request %d: " % request["id"]
        listed = read_json(place + "decisions.json")
        same = [[one[key] for key in DECIDED] for one in listed]
        report.say(
            same == [[one[key] for key in DECIDED] for one in request["decisions"]],
            name + "its decisions agree",
        )
        about = read_json(place + "evidence.json")
        for one in listed:
            if not one["files"]:
                print(
                    "       "
                    + plain("%s's decision (%s) is in the log and unsigned" % (one["actor"], one["verdict"]))
                )
                continue
            stem = place + one["files"]
            statement = read_json(stem + ".json")
            by = "%s's statement (%s)" % (one["actor"], one["verdict"])
            wrong = differences(statement, wanted_statement(request, about, one))
            report.say(
                not wrong,
                name + by + (": another " + ", ".join(wrong) if wrong else " is about what is here"),
            )
            if not one["key"]:
                print("       " + plain(by + " has a passphrase, which only the workspace can check"))
            elif shutil.which("ssh-keygen") is None:
                report.skip("not checked: the signature of " + by + ", there is no ssh-keygen here")
            else:
                report.say(ssh_keygen_verifies(place, stem, one), name + by + " is signed by " + one["key"])
            if one["revoked"]:
                print(
                    "       "
                    + plain("that key was revoked %s: it rests on the time in the log" % one["revoked"])
                )


def wanted_statement(request: Any, about: Any, decision: Any) -> dict[str, Any]:
    """What a statement says by the request, by its evidence, and by the decision on record."""
    return {
        "form": FORM,
        "request": request["id"],
        "model": about["model"],
        "version": about["version"],
        "targets": request["targets"],
        "evidence": {"sha256": request["evidence_digest"]},
        "policy": {"sha256": request["policy_digest"]},
        "verdict": decision["verdict"],
        "reason": decision["reason"],
        "name": decision["actor"],
        "key": decision["key"] or "",
    }


def differences(statement: Any, wanted: dict[str, Any]) -> list[str]:
    return [field for field, value in wanted.items() if statement[field] != value]


def ssh_keygen_verifies(place: str, stem: str, decision: Any) -> bool:
    """Whether ssh-keygen accepts a signature as of the time of the decision."""
    time = "".join(c for c in decision["recorded_at"][:19] if c.isdigit())
    command = ["ssh-keygen", "-Y", "verify", "-f", place + "allowed_signers"]
    command += ["-I", principal(decision["actor"])]
    command += ["-n", "approval@pilothouse", "-s", stem + ".sig", "-Overify-time=" + time + "Z"]
    if os.path.exists(stem + ".revoked_keys"):
        command += ["-r", stem + ".revoked_keys"]
    with open(stem + ".json", "rb") as stream:
        answer = subprocess.run(command, stdin=stream, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return answer.returncode == 0


def check_log(report: Report) -> None:
    """Each entry with a proof is in the log, under a head that the log's key and enough witnesses have signed."""
    names = [name for name in files_here() if name.endswith(".tlog-proof")]
    if names and shutil.which("openssl") is None:
        report.skip("not checked: proofs of the log, there is no openssl here")
        return
    for line in read("log/policy").decode("utf-8").splitlines() if names else []:
        if line.startswith("log "):
            print("       the log's key is " + plain(line[4:]) + "; compare it in the same way")
    for name in names:
        command = [sys.executable, "-I", "-S", "-B", "log/verify_proof.py", name]
        command += ["--policy", "log/policy", "--row", "audit.jsonl"]
        answer = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        said = answer.stdout.decode("utf-8", "replace").strip()[7:]
        number = name[len("log/entry-") : -len(".tlog-proof")]
        report.say(answer.returncode == 0 and said.startswith("row %s is" % number), name + ": " + said)


def check_all(report: Report, given: str | None) -> None:
    check_manifest(report)
    check_key(report, given)
    check_signatures(report)
    if os.path.exists("dossier.json"):
        check_bundle(report)
        facts = read_json("dossier.json")
        check_model(report, facts)
    else:
        facts = {"requests": [read_json("request.json")]}
    check_requests(report, facts)
    check_statements(report, facts)
    check_entries(report, facts)
    check_log(report)


def main() -> int:
    parser = argparse.ArgumentParser(prog="verify.sh", description="Verify this folder.")
    parser.add_argument(
        "--key",
        metavar="KEY",
        help="the workspace's public key, or its sha256, as you have it from elsewhere",
    )
    parser.add_argument("--from", dest="beginning", default=".", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    given = arguments.key
    if given is not None and not is_fingerprint(given):
        given = os.path.join(arguments.beginning, given)
    report = Report()
    try:
        if only_plain_files(report):
            check_all(report, given)
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        report.say(False, "what is here cannot be read: %s: %s" % (type(error).__name__, error))
    if report.wrong:
        print("%d of the checks found something wrong" % report.wrong)
        return 1
    if report.unchecked:
        print("what was checked holds; %d could not be checked here" % report.unchecked)
        return 3
    print(
        "all of it holds"
        + ("" if given else ", if the key above is the workspace's: compare its fingerprint")
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
