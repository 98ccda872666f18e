"""Part of verify.py: requests with their evidence, documents, decisions and statements, and what the audit log says of them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import Any

from verify_folder import Report, canonical, plain, read, read_json, sha256

FORM = "pilothouse/decision/1"
DECIDED = ("actor", "verdict", "reason", "evidence_digest", "policy_digest", "documents")
VERDICTS = {"request.approved": "approve", "request.refused": "reject"}


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


def check_documents(report: Report, facts: Any) -> None:
    """Each document is the one on record, and each decision was given on documents that are here."""
    for request in facts["requests"]:
        place = place_of(facts, request)
        name = "request %d: " % request["id"]
        listed = read_json(place + "documents.json") if request.get("documents") else []
        on_record = [(one["name"], one["digest"]) for one in request.get("documents") or ()]
        here = [(one["document"], one["sha256"]) for one in listed]
        if here or on_record:
            same = all(sha256(read(place + "documents/" + digest)) == digest for _, digest in here)
            text = name + "its %d documents are those on record" % len(here)
            report.say(same and here == on_record, text)
        for one in request["decisions"]:
            given_on = set((one.get("documents") or {}).items())
            if given_on:
                by = "%s's decision (%s)" % (one["actor"], one["verdict"])
                report.say(given_on <= set(here), name + by + " was given on documents that are here")


def check_glass(report: Report, facts: Any) -> None:
    """What somebody signed who deployed alone is about this version and these targets, in the log, and signed by them."""
    for request in facts["requests"]:
        glass, place = request.get("glass"), place_of(facts, request)
        if not glass:
            continue
        name = "request %d: " % request["id"]
        print("       " + plain(name + "the policy was not met: " + glass["actor"] + " broke the glass"))
        if not glass["component"]:
            continue
        data, about = read(place + "break-glass.json"), read_json(place + "evidence.json")
        wanted = {
            "form": "pilothouse/break-glass/1",
            "model": about["model"],
            "version": about["version"],
            "artifact": {"sha256": about["artifacts"]["model"]},
            "targets": request["targets"],
            "reason": glass["reason"],
            "name": glass["actor"],
            "key": glass["key"],
        }
        wrong = differences(json.loads(data.decode("utf-8")), wanted)
        by = name + glass["actor"] + "'s statement (break-glass)"
        report.say(not wrong, by + (": another " + ", ".join(wrong) if wrong else " is about what is here"))
        entries = (json.loads(line) for line in read("audit.jsonl").decode("utf-8").splitlines())
        said = [
            entry["detail"].get("second_component", {}).get("statement")
            for entry in entries
            if entry["action"] == "glass.broken" and entry["detail"].get("request") == request["id"]
        ]
        report.say(said == [sha256(data)], by + " is the one in the log")
        if not glass["key"]:
            print("       " + plain(by + " has a passphrase, which only the workspace can check"))
        elif shutil.which("ssh-keygen") is None:
            report.skip("not checked: the signature of " + by + ", there is no ssh-keygen here")
        else:
            report.say(
                ssh_keygen_verifies(place, place + "break-glass", glass), by + " is signed by " + glass["key"]
            )


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
        same = [[one.get(key) for key in DECIDED] for one in listed]
        report.say(
            same == [[one.get(key) for key in DECIDED] for one in request["decisions"]],
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
        "documents": {name: {"sha256": one} for name, one in (decision.get("documents") or {}).items()}
        or None,
        "condition": decision.get("condition"),
    }


def differences(statement: Any, wanted: dict[str, Any]) -> list[str]:
    return [field for field, value in wanted.items() if statement.get(field) != value]


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
