"""Verifies the dossier or the evidence in whose folder it lies. Standard library alone, with openssl and ssh-keygen."""

from __future__ import annotations

import argparse
import base64
import json
import os
import shutil
import subprocess
import sys
from typing import Any

sys.path.append(os.path.dirname(os.path.abspath(__file__)))  # last: nothing here stands in for the library

from verify_folder import (
    KEY,
    Report,
    check_key,
    check_manifest,
    check_signatures,
    files_here,
    is_fingerprint,
    only_plain_files,
    openssl_verifies,
    plain,
    read,
    read_json,
    sha256,
)
from verify_requests import (
    check_documents,
    check_entries,
    check_glass,
    check_requests,
    check_statements,
)


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
    check_documents(report, facts)
    check_statements(report, facts)
    check_glass(report, facts)
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
