"""Approvals through a real sshd: signed by the agent that the connection forwards, or on the laptop and sent through it."""

import subprocess
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fixtures.registries import Example
from pilothouse.domain.promotion.statements import Component
from pilothouse.domain.records import PromotionRequest, RequestStatus
from pilothouse.operations.dossier import signed_evidence
from pilothouse.operations.promotion import evidence_export, promotions
from pilothouse.operations.workspace import workspaces
from support.soft_keys import agent
from support.ssh_door import Door
from support.sshd import needs_sshd

pytestmark = needs_sshd


@pytest.fixture
def request_1(door: Door) -> PromotionRequest:
    services = door.services
    ada, sam = workspaces.identify(services, "ada"), workspaces.identify(services, "sam")
    workspaces.set_workspace_policy(services, ada, signature=Component.KEY, reason="a bank")
    Example(services.paths.root, services, time=datetime.now(UTC)).add_version()
    return promotions.request_promotion(services, sam, "delay/1")


def decided(door: Door, request: PromotionRequest) -> PromotionRequest:
    return promotions.get_request(door.services, workspaces.identify(door.services, "pat"), request.id)


def test_the_forwarded_agent_signs_in_the_session(
    door: Door, request_1: PromotionRequest, tmp_path: Path
) -> None:
    pat = door.add("pat")
    words = f"pilothouse approve 1 --evidence {request_1.evidence_digest} --agent --reason fine"
    alone = door.sshd.run(pat, words)
    assert alone.code == 7
    assert "connect with ssh -A" in alone.err
    with agent(pat) as sock:
        command = door.sshd.command(pat, words, options=("-A",))
        command[command.index("IdentityAgent=none")] = f"IdentityAgent={sock}"
        done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr + door.sshd.log()
    after = decided(door, request_1)
    assert after.status is RequestStatus.DEPLOYED
    assert after.decisions[0].signature is not None
    aud = workspaces.identify(door.services, "aud")
    evidence_export.write(signed_evidence.signed_evidence(door.services, aud, 1), tmp_path / "out")
    assert (
        subprocess.run([str(tmp_path / "out" / "verify.sh")], check=False, capture_output=True).returncode
        == 0
    )


def test_a_statement_is_fetched_signed_on_the_laptop_and_sent_back(
    door: Door, request_1: PromotionRequest, tmp_path: Path
) -> None:
    pat, pia = door.add("pat"), door.add("pia")
    statement = door.sshd.run(pat, "pilothouse statement 1 --approve --reason 'größer'")
    assert statement.code == 0, statement.err
    (tmp_path / "s.json").write_text(statement.out)
    sign = ["ssh-keygen", "-Y", "sign", "-n", "approval@pilothouse", "-f", str(pat), str(tmp_path / "s.json")]
    subprocess.run(sign, check=True, capture_output=True)
    text = (tmp_path / "s.json.sig").read_text().replace("\n", "\r\n")
    other = door.sshd.run(pia, "pilothouse approve 1 --signature -", given=text)
    assert other.code == 4
    assert "no statement on request 1 was printed for pia" in other.err
    done = door.sshd.run(pat, "pilothouse approve 1 --signature -", given=text)
    assert done.code == 0, done.err
    assert decided(door, request_1).decisions[0].reason == "größer"


def test_no_file_of_the_server_is_read_or_written(door: Door, request_1: PromotionRequest) -> None:
    pat = door.add("pat")
    for words in (
        "pilothouse approve 1 --signature /etc/hostname",
        "pilothouse reject 1 --reason no --signature /etc/hostname",
        f"pilothouse evidence export 1 --output {tempfile.gettempdir()}/somewhere",
    ):
        refused = door.sshd.run(pat, words)
        assert (refused.code, "refused over SSH" in refused.err) == (4, True), words


def test_a_passphrase_is_set_through_the_connection(door: Door, request_1: PromotionRequest) -> None:
    pat = door.add("pat")
    assert door.sshd.run(pat, "pilothouse passphrase set", given="a long enough one\n").code == 0
    assert '"is_set": true' in door.sshd.run(pat, "pilothouse passphrase --json").out
