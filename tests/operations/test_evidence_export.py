"""Evidence for strangers: the real ssh-keygen says who decided on what, also once the keys have gone."""

import hashlib
import json
import shutil
import sqlite3
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fixtures.registries import Example
from pilothouse.domain.errors import ConflictError, IntegrityError, InvalidInputError, NotAllowedError
from pilothouse.domain.records import PromotionRequest
from pilothouse.domain.roles import Role
from pilothouse.domain.ssh_keys import read_key
from pilothouse.domain.statements import Component
from pilothouse.domain.users import KeyUse
from pilothouse.operations.identity import passphrases, users
from pilothouse.operations.promotion import evidence_export, promotions, statements
from pilothouse.operations.promotion.components import Passphrase, Signed
from pilothouse.operations.workspace import workspaces
from support.soft_keys import SoftKey, keygen, openssh


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
    made = evidence_export.export_evidence(example.services, example.actor("aud"), request.id)
    evidence_export.write(made, folder)
    return folder


def verify(folder: Path) -> tuple[int, str]:
    """What verify.sh says on a machine without Pilothouse: an empty environment but for the path of its tools."""
    openssh("ssh-keygen")
    done = subprocess.run(
        [str(folder / "verify.sh")],
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin"},
        cwd="/",
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_a_stranger_verifies_both_approvals(
    example: Example, keys: dict[str, SoftKey], tmp_path: Path
) -> None:
    request = decided(example, keys)
    folder = exported(example, request, tmp_path / "out")
    code, text = verify(folder)
    assert code == 0, text
    assert text.splitlines() == [
        "ok      decision-1.json is about this evidence.json",
        "ok      decision-1.json is about this policy.json",
        "ok      decision-1.json is signed by pat (approve)",
        "ok      decision-2.json is about this evidence.json",
        "ok      decision-2.json is about this policy.json",
        "ok      decision-2.json is signed by pia (approve)",
    ]
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
    assert code != 0
    assert "FAILED" in text


def test_signatures_that_were_exchanged_are_found(
    example: Example, keys: dict[str, SoftKey], tmp_path: Path
) -> None:
    folder = exported(example, decided(example, keys), tmp_path / "out")
    shutil.copy(folder / "decision-2.sig", folder / "decision-1.sig")
    assert verify(folder)[0] != 0


def test_an_approval_outlives_its_key(example: Example, keys: dict[str, SoftKey], tmp_path: Path) -> None:
    request = decided(example, keys)
    example.pass_time(days=60)
    folder = exported(example, request, tmp_path / "out")
    assert verify(folder)[0] == 0
    script = (folder / "verify.sh").read_text()
    (folder / "verify.sh").write_text(script.replace("-Overify-time=20260503", "-Overify-time=20260703"))
    code, text = verify(folder)
    assert code != 0
    assert "FAILED  decision-1.json is signed by pat (approve)" in text
    assert "ok      decision-2.json is signed by pia (approve)" in text


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
    assert "note    the key of decision-1.sig was revoked on 2026-05-03 (the laptop was stolen)" in text

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
    assert (code, text.splitlines()[-1]) == (
        0,
        "note    decision-1.json has a passphrase, which only the workspace can check",
    )
    assert "2. pia, approve, 2026-05-03 12:00:00 UTC, no signature" in (folder / "README.txt").read_text()


def test_hostile_names_and_reasons_stay_texts(example: Example, tmp_path: Path) -> None:
    services, ada = example.services, example.actor("ada")
    workspaces.set_workspace_policy(services, ada, signature=Component.KEY, reason="a bank")
    name, soft = "o+neil@team", SoftKey()
    users.add_user(services, ada, name, keys=[read_key(soft.line)])
    workspaces.grant_role(services, ada, name, Role.APPROVER)
    request = decided(example, {name: soft}, reason="$(touch /tmp/x) `id` \x1b[31m'; exit 0")
    folder = exported(example, request, tmp_path / "out")
    code, text = verify(folder)
    assert code == 0, text
    assert "o+neil@team" in text
    assert "\x1b" not in (folder / "README.txt").read_text() + (folder / "verify.sh").read_text()


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
    for program in ("openssl", "python3"):
        if shutil.which(program, path="/usr/bin:/bin") is None:
            pytest.skip(f"{program} is not installed")
    request = decided(example, keys)
    made = evidence_export.export_evidence(example.services, example.actor("aud"), request.id, proofs=True)
    evidence_export.write(made, tmp_path / "out")
    rows = [one["log"]["seq"] for one in json.loads((tmp_path / "out" / "decisions.json").read_text())]
    code, text = verify(tmp_path / "out")
    assert code == 0, text
    assert [f"ok      decision-{n}.tlog-proof: the log has row {row}" for n, row in enumerate(rows, 1)] == [
        line for line in text.splitlines() if "tlog-proof" in line
    ]
    shutil.copy(tmp_path / "out" / "decision-2.tlog-proof", tmp_path / "out" / "decision-1.tlog-proof")
    code, text = verify(tmp_path / "out")
    assert code != 0
    assert f"FAILED  decision-1.tlog-proof does not prove row {rows[0]}" in text
