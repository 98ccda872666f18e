"""Evidence for strangers: the real ssh-keygen says who decided on what, also once the keys have gone."""

import hashlib
import json
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fixtures.registries import Example
from pilothouse.domain.errors import ConflictError, IntegrityError, InvalidInputError, NotAllowedError
from pilothouse.domain.identity.roles import Role
from pilothouse.domain.identity.ssh_keys import read_key
from pilothouse.domain.identity.users import KeyUse
from pilothouse.domain.promotion.break_glass import Emergency
from pilothouse.domain.promotion.conditions import NewCondition
from pilothouse.domain.promotion.statements import Component
from pilothouse.domain.records import PromotionRequest
from pilothouse.interop import signing_keys
from pilothouse.operations.dossier import signed_evidence
from pilothouse.operations.dossier.sealing import MANIFEST, SIGNATURE, seal
from pilothouse.operations.identity import passphrases, users
from pilothouse.operations.promotion import (
    break_glass,
    evidence_export,
    glass_components,
    promotions,
    signature_checks,
    statements,
)
from pilothouse.operations.promotion.attached import documents
from pilothouse.operations.promotion.components import Passphrase, Signed
from pilothouse.operations.workspace import workspaces
from support.soft_keys import SoftKey, keygen


@pytest.fixture
def keys(example: Example) -> dict[str, SoftKey]:
    """Keys of pat and pia, who must both sign; pat's expires after a month."""
    services, ada = example.services, example.actor("ada")
    workspaces.set_workspace_policy(services, ada, approvals=2, signature=Component.KEY, reason="a bank")
    made = {"pat": SoftKey(), "pia": SoftKey()}
    for name, soft in made.items():
        users.add_user(services, ada, name)
        end = example.time + timedelta(days=30) if name == "pat" else None
        users.add_key(services, ada, name, read_key(soft.line), users.KeyTerms(valid_before=end))
    return made


def decided(example: Example, keys: dict[str, SoftKey], reason: str = "größer, besser") -> PromotionRequest:
    example.add_version()
    request = promotions.request_promotion(example.services, example.actor("sam"), "delay/1")
    for name, soft in keys.items():
        example.pass_time(minutes=1)
        printed = statements.print_statement(
            example.services, example.actor(name), request.id, "approve", reason, soft.public.fingerprint
        )
        signed = Signed(soft.sshsig(printed.text.encode()))
        request = promotions.approve(
            example.services, example.actor(name), request.id, request.evidence_digest, "", signed
        )
    return request


def exported(example: Example, request: PromotionRequest, folder: Path) -> Path:
    made = signed_evidence.signed_evidence(example.services, example.actor("aud"), request.id)
    evidence_export.write(made, folder)
    return folder


def verify(folder: Path, *arguments: str) -> tuple[int, str]:
    """What verify.sh says on a machine without Pilothouse: an empty environment but for the path of its tools."""
    for program in ("openssl", "python3", "ssh-keygen"):
        if shutil.which(program, path="/usr/bin:/bin") is None:
            pytest.skip(f"the system has no {program} of its own")
    done = subprocess.run(
        [str(folder / "verify.sh"), *arguments],
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin"},
        cwd="/",
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def sealed_anew(folder: Path) -> None:
    """The folder as somebody hands it on who changed it and has no key but one of their own."""
    private = signing_keys.make_key()
    (folder / "signing-key.pem").write_bytes(signing_keys.public_part(private))
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name not in (MANIFEST, SIGNATURE)]
    digests = {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
    for name, data in seal(digests, private).items():
        (folder / name).write_bytes(data)


def test_a_stranger_verifies_both_approvals(
    example: Example, keys: dict[str, SoftKey], tmp_path: Path
) -> None:
    request = decided(example, keys)
    folder = exported(example, request, tmp_path / "out")
    fingerprint = hashlib.sha256((folder / "signing-key.pem").read_bytes()).hexdigest()
    code, text = verify(folder)
    assert code == 0, text
    lines = text.splitlines()
    assert lines[-1] == "all of it holds, if the key above is the workspace's: compare its fingerprint"
    for said in (
        f"       signed by the key sha256 {fingerprint}",
        "       which alone vouches for what is here, and for whose key is whose (allowed_signers)",
        "       compare it with the fingerprint that you have from elsewhere, or name it with --key",
        "ok     request 1: pat's statement (approve) is about what is here",
        f"ok     request 1: pat's statement (approve) is signed by {keys['pat'].public.fingerprint}",
        f"ok     request 1: pia's statement (approve) is signed by {keys['pia'].public.fingerprint}",
        "ok     the audit log names the same 2 statements",
    ):
        assert said in lines
    assert verify(folder, "--key", fingerprint)[1].splitlines()[-1] == "all of it holds"
    assert verify(folder, "--key", "0" * 64)[0] == 1
    assert hashlib.sha256((folder / "evidence.json").read_bytes()).hexdigest() == request.evidence_digest
    assert hashlib.sha256((folder / "policy.json").read_bytes()).hexdigest() == request.policy_digest
    statement = json.loads((folder / "decision-1.json").read_text())
    assert statement["reason"] == "größer, besser"
    first = json.loads((folder / "decisions.json").read_text())[0]
    assert (first["actor"], first["key"]) == ("pat", keys["pat"].public.fingerprint)
    assert len(first["log"]["hash"]) == 64
    readme = (folder / "README.txt").read_text()
    assert "-Overify-time=" in readme
    assert "compliant" not in readme
    assert not (folder / "revoked_keys").exists()


def replaced(folder: Path, soft: SoftKey, **fields: object) -> None:
    """Put another genuine statement of pat's in the place of the approval."""
    statement = json.loads((folder / "decision-1.json").read_text()) | fields
    data = json.dumps(statement, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    (folder / "decision-1.json").write_bytes(data)
    (folder / "decision-1.sig").write_text(soft.sshsig(data))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"verdict": "reject"}, "another verdict"),
        ({"request": 2}, "another request"),
        ({"version": 2}, "another version"),
        ({"model": "fraud"}, "another model"),
        ({"targets": ["ewr"]}, "another targets"),
        ({"name": "pia"}, "another name"),
        ({"reason": "something else"}, "another reason"),
        ({"policy": {"sha256": "0" * 64}}, "another policy"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_genuine_statement_of_something_else_is_found(
    example: Example, keys: dict[str, SoftKey], tmp_path: Path, fields: dict[str, object], said: str
) -> None:
    folder = exported(example, decided(example, keys), tmp_path / "out")
    known = tmp_path / "known.pem"
    shutil.copy(folder / "signing-key.pem", known)
    replaced(folder, keys["pat"], **fields)
    code, text = verify(folder)
    assert code == 1
    assert "WRONG  decision-1.json: changed" in text
    sealed_anew(folder)
    code, text = verify(folder)
    assert code == 1
    assert f"WRONG  request 1: pat's statement (approve): {said}" in text
    assert "WRONG  the audit log names the same 2 statements" in text
    assert f"WRONG  the key is the one in {known}" in verify(folder, "--key", str(known))[1]


def _forged(folder: Path) -> None:
    """A key of somebody else's is added for pat, who then says what they never said."""
    foreign = SoftKey()
    line = f'pat namespaces="approval@pilothouse" {foreign.line}\n'
    (folder / "allowed_signers").write_text((folder / "allowed_signers").read_text() + line)
    replaced(folder, foreign, key=foreign.public.fingerprint)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_forged, "allowed_signers: changed"),
        (lambda folder: (folder / "decisions.json").write_text("[]\n"), "decisions.json: changed"),
        (lambda folder: (folder / "decisions.json").unlink(), "decisions.json: missing"),
        (lambda folder: (folder / "README.txt").write_text("approved"), "README.txt: changed"),
        (lambda folder: (folder / "decision-3.json").write_text("{}"), "decision-3.json: not named in the manifest"),
        (lambda folder: (folder / "dossier.json").write_text("{}"), "dossier.json: not named in the manifest"),
    ],
    ids=["forged", "decisions", "no decisions", "readme", "one more", "another kind"],
)  # fmt: skip
def test_every_file_is_the_one_that_the_workspace_signed(
    example: Example,
    keys: dict[str, SoftKey],
    tmp_path: Path,
    change: Callable[[Path], object],
    said: str,
) -> None:
    folder = exported(example, decided(example, keys), tmp_path / "out")
    known = tmp_path / "known.pem"
    shutil.copy(folder / "signing-key.pem", known)
    change(folder)
    code, text = verify(folder)
    assert code == 1
    assert f"WRONG  {said}" in text
    sealed_anew(folder)
    assert verify(folder, "--key", str(known))[0] == 1


def test_ssh_keygen_finds_the_signer(example: Example, keys: dict[str, SoftKey], tmp_path: Path) -> None:
    folder = exported(example, decided(example, keys), tmp_path / "out")
    found = keygen(
        "-Y", "find-principals", "-f", str(folder / "allowed_signers"), "-s", str(folder / "decision-2.sig")
    )
    assert found.stdout.decode().strip() == "pia"


@pytest.mark.parametrize(
    "name", ["decision-1.json", "decision-1.sig", "decision-2.json", "evidence.json", "policy.json"]
)
def test_one_changed_byte_of_any_file_is_found(
    example: Example, keys: dict[str, SoftKey], tmp_path: Path, name: str
) -> None:
    folder = exported(example, decided(example, keys), tmp_path / "out")
    data = bytearray((folder / name).read_bytes())
    middle = len(data) // 2
    data[middle] = data[middle] ^ 1 if chr(data[middle] ^ 1).isalnum() else ord("x")
    (folder / name).write_bytes(data)
    code, text = verify(folder)
    assert code == 1
    assert f"WRONG  {name}: changed" in text
    sealed_anew(folder)
    assert verify(folder)[0] == 1


def test_signatures_that_were_exchanged_are_found(
    example: Example, keys: dict[str, SoftKey], tmp_path: Path
) -> None:
    folder = exported(example, decided(example, keys), tmp_path / "out")
    shutil.copy(folder / "decision-2.sig", folder / "decision-1.sig")
    sealed_anew(folder)
    code, text = verify(folder)
    assert code == 1
    assert "WRONG  request 1: pat's statement (approve) is signed by " in text


def test_an_approval_outlives_its_key(example: Example, keys: dict[str, SoftKey], tmp_path: Path) -> None:
    request = decided(example, keys)
    example.pass_time(days=60)
    folder = exported(example, request, tmp_path / "out")
    assert verify(folder)[0] == 0
    decisions = (folder / "decisions.json").read_text()
    (folder / "decisions.json").write_text(decisions.replace("2026-05-03", "2026-07-03"))
    sealed_anew(folder)
    code, text = verify(folder)
    assert code == 1
    assert "WRONG  request 1: pat's statement (approve) is signed by " in text
    assert "ok     request 1: pia's statement (approve) is signed by " in text


def test_a_key_that_was_revoked_since_is_said_and_one_from_before_is_refused(
    example: Example, keys: dict[str, SoftKey], tmp_path: Path
) -> None:
    services, ada = example.services, example.actor("ada")
    lost = SoftKey()
    users.add_key(services, ada, "pat", read_key(lost.line), users.KeyTerms())
    example.pass_time(minutes=1)
    users.revoke_key(services, ada, "pat", lost.public.fingerprint, "lost")
    request = decided(example, keys)
    example.pass_time(minutes=1)
    users.revoke_key(services, ada, "pat", keys["pat"].public.fingerprint, "the laptop was stolen")
    folder = exported(example, request, tmp_path / "out")
    code, text = verify(folder)
    assert code == 0, text
    assert (
        "that key was revoked on 2026-05-03 (the laptop was stolen): it rests on the time in the log" in text
    )

    def says(signature: str, krl: str, message: str = "decision-1.json") -> int:
        options = (
            "-I",
            "pat",
            "-n",
            "approval@pilothouse",
            "-s",
            str(folder / signature),
            "-r",
            str(folder / krl),
        )
        time = "-Overify-time=20260503121000Z"
        data = (folder / message).read_bytes()
        allowed = str(folder / "allowed_signers")
        return keygen("-Y", "verify", "-f", allowed, *options, time, stdin=data, code=None).returncode

    assert says("decision-1.sig", "decision-1.revoked_keys") == 0
    assert says("decision-1.sig", "revoked_keys") == 255
    (folder / "allowed_signers").write_text(f'pat namespaces="approval@pilothouse" {lost.line}\n')
    (folder / "lost.sig").write_text(lost.sshsig((folder / "decision-1.json").read_bytes()))
    assert says("lost.sig", "decision-1.revoked_keys") == 255


def by_certificate(example: Example, folder: Path, *options: str, own: bool = False) -> PromotionRequest:
    """A request that pat approved by a certificate, with options of ssh-keygen; ``own``: its key is on record too."""
    example.time = datetime.now(UTC)
    services, ada = example.services, example.actor("ada")
    workspaces.set_workspace_policy(services, ada, signature=Component.KEY, reason="a bank")
    authority, laptop = SoftKey(), SoftKey()
    ca, path = authority.write(folder / "ca"), laptop.write(folder / "laptop")
    users.add_user(services, ada, "pat", keys=[read_key(laptop.line)] if own else [])
    users.add_key(services, ada, "pat", read_key(authority.line), users.KeyTerms(use=KeyUse.AUTHORITY))
    certified = ("-I", "pat 1", "-n", "pat", "-V", "-1m:+10m", *options)
    keygen("-q", "-s", str(ca), *certified, str(path.with_suffix(".pub")))
    example.add_version()
    request = promotions.request_promotion(services, example.actor("sam"), "delay/1")
    pat = example.actor("pat")
    printed = statements.print_statement(services, pat, request.id, "approve", "", laptop.public.fingerprint)
    sign = ("-Y", "sign", "-f", str(folder / "laptop-cert.pub"), "-n", "approval@pilothouse")
    signed = Signed(keygen(*sign, stdin=printed.text.encode()).stdout.decode())
    return promotions.approve(services, pat, request.id, request.evidence_digest, "", signed)


@pytest.mark.parametrize("own", [False, True])
def test_a_certificate_is_verified_by_its_authority_and_a_key_on_record_by_itself(
    example: Example, tmp_path: Path, own: bool
) -> None:
    request = by_certificate(example, tmp_path, own=own)
    code, text = verify(exported(example, request, tmp_path / "out"))
    assert code == 0, text


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("option", ["source-address=10.0.0.0/8", "force-command=/bin/false"])
def test_a_certificate_for_some_logins_alone_signs_no_decision(
    example: Example, tmp_path: Path, option: str, own: bool
) -> None:
    with pytest.raises(
        InvalidInputError, match=f"restricted to logins .{option.partition('=')[0]}.: sign with"
    ):
        by_certificate(example, tmp_path, "-O", option, own=own)


def test_a_passphrase_and_no_component_at_all_are_said(example: Example, tmp_path: Path) -> None:
    services, ada = example.services, example.actor("ada")
    workspaces.set_workspace_policy(services, ada, approvals=2, reason="two")
    example.add_version()
    request = promotions.request_promotion(services, example.actor("sam"), "delay/1")
    passphrases.set_passphrase(services, example.actor("pat"), "a long enough one")
    secret = Passphrase("a long enough one")
    promotions.approve(services, example.actor("pat"), request.id, request.evidence_digest, "", secret)
    promotions.approve(services, example.actor("pia"), request.id, request.evidence_digest)
    folder = exported(example, request, tmp_path / "out")
    code, text = verify(folder)
    assert code == 0, text
    assert "       pat's statement (approve) has a passphrase, which only the workspace can check" in text
    assert "       pia's decision (approve) is in the log and unsigned" in text
    assert "2. pia, approve, 2026-05-03 12:00:00 UTC, no signature" in (folder / "README.txt").read_text()


def test_hostile_names_and_reasons_stay_texts(example: Example, tmp_path: Path) -> None:
    services, ada = example.services, example.actor("ada")
    workspaces.set_workspace_policy(services, ada, signature=Component.KEY, reason="a bank")
    name, soft = "o+neil@team", SoftKey()
    users.add_user(services, ada, name, keys=[read_key(soft.line)])
    workspaces.grant_role(services, ada, name, Role.APPROVER)
    request = decided(example, {name: soft}, reason="$(touch x) `id` \x1b[31m'; exit 0")
    folder = exported(example, request, tmp_path / "out")
    code, text = verify(folder)
    assert code == 0, text
    assert "o+neil@team" in text
    assert "\x1b" not in (folder / "README.txt").read_text() + text


def test_a_folder_with_something_in_it_and_a_changed_signature_are_refused(
    example: Example, keys: dict[str, SoftKey], tmp_path: Path
) -> None:
    request = decided(example, keys)
    folder = exported(example, request, tmp_path / "out")
    with pytest.raises(ConflictError, match="not empty"):
        exported(example, request, folder)
    owned = sqlite3.connect(example.root / "state" / "registry.db", isolation_level=None)
    owned.execute("DROP TRIGGER decision_signatures_refuses_update")
    owned.execute("UPDATE decision_signatures SET verified_at = verified_at + 1 WHERE id = 1")
    owned.close()
    with pytest.raises(IntegrityError, match=r"the signature of pat.* past Pilothouse"):
        evidence_export.export_evidence(example.services, example.actor("aud"), request.id)


def test_whoever_may_not_read_exports_nothing(example: Example, keys: dict[str, SoftKey]) -> None:
    request = decided(example, keys)
    workspaces.set_open_reading(example.services, example.actor("ada"), allowed=False)
    with pytest.raises(NotAllowedError):
        evidence_export.export_evidence(example.services, example.actor("mallory"), request.id)


def test_the_log_has_the_decisions_and_a_proof_of_another_row_is_found(
    example: Example, keys: dict[str, SoftKey], tmp_path: Path
) -> None:
    folder = exported(example, decided(example, keys), tmp_path / "out")
    rows = [one["log"]["seq"] for one in json.loads((folder / "decisions.json").read_text())]
    code, text = verify(folder)
    assert code == 0, text
    for row in rows:
        assert f"ok     log/entry-{row}.tlog-proof: row {row} is in the log: " in text
    shutil.copy(folder / f"log/entry-{rows[1]}.tlog-proof", folder / f"log/entry-{rows[0]}.tlog-proof")
    sealed_anew(folder)
    code, text = verify(folder)
    assert code == 1
    assert f"WRONG  log/entry-{rows[0]}.tlog-proof: " in text


def test_documents_and_a_condition_are_in_it_and_verified(
    example: Example, keys: dict[str, SoftKey], tmp_path: Path
) -> None:
    example.add_version()
    request = promotions.request_promotion(example.services, example.actor("sam"), "delay/1")
    hostile = "r\x1b[2J.sh"
    documents.attach(
        example.services, example.actor("sam"), request.id, "validation report", hostile, b"#!/bin/sh\n"
    )
    condition = NewCondition("reviewed", "auditor", example.time + timedelta(days=30))
    for name, soft in keys.items():
        printed = statements.print_statement(
            example.services,
            example.actor(name),
            request.id,
            "approve",
            "fine",
            soft.public.fingerprint,
            condition if name == "pat" else None,
        )
        request = promotions.get_request(example.services, example.actor(name), request.id)
        signed = Signed(soft.sshsig(printed.text.encode()))
        request = promotions.approve(
            example.services, example.actor(name), request.id, request.shown_digest, "", signed
        )
    assert request.decisions[0].condition is not None
    folder = exported(example, request, tmp_path / "out")
    digest = hashlib.sha256(b"#!/bin/sh\n").hexdigest()
    assert (folder / "documents" / digest).read_bytes() == b"#!/bin/sh\n"
    assert (folder / "documents" / digest).stat().st_mode & 0o111 == 0
    code, text = verify(folder)
    assert code == 0, text
    for said in (
        "ok     request 1: its 1 documents are those on record",
        "ok     request 1: pat's decision (approve) was given on documents that are here",
        "ok     request 1: pat's statement (approve) is about what is here",
    ):
        assert said in text.splitlines()
    assert "signatures of decisions hold" in signature_checks.examine(example.services, example.actor("aud"))
    (folder / "documents" / digest).write_bytes(b"another")
    sealed_anew(folder)
    code, text = verify(folder)
    assert code == 1
    assert "WRONG  request 1: its 1 documents are those on record" in text


def test_what_was_deployed_alone_says_so_and_its_signature_is_verified(
    example: Example, tmp_path: Path
) -> None:
    services, ada, oscar = example.services, example.actor("ada"), example.actor("oscar")
    workspaces.set_workspace_policy(services, ada, signature=Component.KEY, reason="a bank")
    workspaces.set_break_glass(services, ada, allowed=True)
    soft = SoftKey()
    users.add_user(services, ada, "oscar")
    users.add_key(services, ada, "oscar", read_key(soft.line), users.KeyTerms())
    example.add_version()
    printed = glass_components.print_glass_statement(services, oscar, Emergency("delay/1", None, "night"))
    data = printed.text.encode()
    glass = break_glass.break_glass(
        services, oscar, "delay/1", reason="night", component=Signed(soft.sshsig(data), data)
    )
    request = promotions.get_request(services, ada, glass.request_id)
    folder = exported(example, request, tmp_path / "out")
    code, text = verify(folder)
    assert code == 0, text
    for said in (
        "       request 1: the policy was not met: oscar broke the glass",
        "ok     request 1: oscar's statement (break-glass) is about what is here",
        "ok     request 1: oscar's statement (break-glass) is the one in the log",
        f"ok     request 1: oscar's statement (break-glass) is signed by {soft.public.fingerprint}",
    ):
        assert said in text.splitlines()
    statement = folder / "break-glass.json"
    statement.write_text(statement.read_text().replace('"night"', '"day"'))
    sealed_anew(folder)
    code, text = verify(folder)
    assert code == 1
    assert "WRONG  request 1: oscar's statement (break-glass): another reason" in text
