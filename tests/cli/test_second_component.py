"""Second components on the command line: statement, signature by file and by paste, the agent, the passphrase."""

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import click
import pytest

from cli.conftest import Answer
from fixtures.registries import Example, make_example
from pilothouse.cli import failures, main
from pilothouse.cli.group import cli
from pilothouse.domain.identity.ssh_keys import read_key
from pilothouse.domain.records import PromotionRequest
from pilothouse.operations.identity import ssh_lines, users
from pilothouse.operations.promotion import promotions
from pilothouse.operations.workspace import audits
from support.soft_keys import SoftKey, agent, openssh

SECRET = "correct horse battery"


@pytest.fixture
def example(tmp_path: Path) -> Iterator[Example]:
    example = make_example(tmp_path / "workspace", demo=True)
    example.time = datetime.now(UTC)
    example.add_version()
    yield example
    example.close()


@pytest.fixture
def run(example: Example, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    def run(*arguments: str, name: str = "pat", given: str = "") -> Answer:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given.encode())))
        words = ["--workspace", str(example.root), "--as", name, *arguments]
        capsys.readouterr()
        code = failures.run(lambda: main.run(words))
        captured = capsys.readouterr()
        return Answer(code, captured.out, captured.err)

    return run


@pytest.fixture
def key(example: Example, run) -> SoftKey:
    soft = SoftKey()
    assert run("policy", "set", "--signature", "key", "--reason", "a bank", name="ada").code == 0
    users.add_user(example.services, example.actor("ada"), "pat", keys=[read_key(soft.line)])
    return soft


def asked(example: Example) -> PromotionRequest:
    return promotions.request_promotion(example.services, example.actor("sam"), "delay/1", reason="better")


@pytest.mark.parametrize("reason", ['it\'s "better" $HOME `id` \\ %s', "it's größer \u202e"])
def test_the_printed_line_signs_and_a_paste_of_it_approves(
    example: Example, run, key: SoftKey, tmp_path: Path, reason: str
) -> None:
    """The line is run by a shell as it stands, with the key in the place that it names."""
    openssh("ssh-keygen")
    asked(example)
    printed = run("statement", "1", "--approve", "--reason", reason)
    assert printed.code == 0
    assert json.loads(printed.out)["reason"] == reason
    assert not printed.out.endswith("\n")
    (tmp_path / ".ssh").mkdir()
    key.write(tmp_path / ".ssh" / "id_ed25519")
    line = next(line for line in printed.err.splitlines() if "ssh-keygen" in line)
    signed = subprocess.run(
        ["sh", "-c", line],
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        check=False,
    )
    assert signed.returncode == 0, signed.stderr
    paste = signed.stdout.decode().replace("\n", "\r\n").rstrip()
    done = run("approve", "1", "--signature", "-", given=paste)
    assert (done.code, done.err.splitlines()[0]) == (0, "request 1 is deployed: 1 of 1 approval")


def test_a_signature_in_a_file_approves_and_its_export_verifies(
    example: Example, run, key: SoftKey, tmp_path: Path
) -> None:
    asked(example)
    statement = run("statement", "1", "--approve", "--reason", "fine").out
    (tmp_path / "s.sig").write_text(key.sshsig(statement.encode()))
    assert run("approve", "1", "--signature", str(tmp_path / "s.sig")).code == 0
    page = run("evidence", "1").out
    assert f"signed with {key.public.fingerprint}" in page
    assert "I have reviewed the evidence and approve the deployment" in page
    shown = run("show", "delay/1").out
    assert f"request 1: approve by pat, signed with {key.public.fingerprint} at " in shown
    written = run("evidence", "export", "1", "--output", str(tmp_path / "out"))
    assert "1 decision signed by a key" in written.err
    openssh("ssh-keygen")
    assert (
        subprocess.run([str(tmp_path / "out" / "verify.sh")], check=False, capture_output=True).returncode
        == 0
    )
    assert run("evidence", "export", "1", "--output", str(tmp_path / "out")).code == 5
    for place in (example.root / "state" / "out", Path("-")):
        assert run("evidence", "export", "1", "--output", str(place)).code == 2
        assert not place.exists()


def test_an_approval_without_its_signature_says_what_to_do(example: Example, run, key: SoftKey) -> None:
    request = asked(example)
    refused = run("approve", "1", "--evidence", request.evidence_digest)
    assert refused.code == 4
    assert "needs a signature by an SSH key" in refused.err
    assert "pilothouse statement 1 --approve" in refused.err
    assert len(refused.err.splitlines()) == 1
    assert run("reject", "1", "--reason", "no").code == 4
    assert run("statement", "1").code == 2
    assert run("approve", "1", "--signature", "/nowhere.sig").code == 3
    assert run("approve", "1", "--signature", "-", given="hello").code == 2


def test_the_agent_of_the_session_signs(
    example: Example, run, key: SoftKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = asked(example)
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    missing = run("approve", "1", "--evidence", request.evidence_digest, "--agent")
    assert (missing.code, "connect with ssh -A" in missing.err) == (7, True)
    with agent(key.write(tmp_path / "id")) as sock:
        monkeypatch.setenv("SSH_AUTH_SOCK", sock)
        done = run("approve", "1", "--evidence", request.evidence_digest[:12], "--agent", "--reason", "fine")
    assert done.code == 0, done.err
    assert f"signed with {key.public.fingerprint}" in run("evidence", "1").out


def test_a_rejection_is_signed_elsewhere(example: Example, run, key: SoftKey, tmp_path: Path) -> None:
    asked(example)
    statement = run("statement", "1", "--reject", "--reason", "it leaks").out
    (tmp_path / "s.sig").write_text(key.sshsig(statement.encode()))
    done = run("reject", "1", "--reason", "it leaks", "--signature", str(tmp_path / "s.sig"))
    assert (done.code, done.err.strip()) == (0, "request 1 is rejected")


def test_a_passphrase_is_set_asked_for_locked_and_unlocked(example: Example, run) -> None:
    assert run("policy", "set", "--signature", "passphrase", "--reason", "a clinic", name="ada").code == 0
    assert "decisions need" in run("policy", "show").out
    assert run("passphrase", "set", given="short\n").code == 2
    assert run("passphrase", "set").code == 2
    assert run("passphrase", "set", given=f"{SECRET}\n").code == 0
    assert run("passphrase", "set", given=f"{SECRET}\n{SECRET}2\n").code == 0
    request = asked(example)
    arguments = ("approve", "1", "--evidence", request.evidence_digest)
    for _ in range(5):
        assert run(*arguments, given="a wrong passphrase\n").code == 4
    locked = run(*arguments, given=f"{SECRET}2\n")
    assert "locked after 5 wrong tries" in locked.err
    assert run("passphrase", "--json").json == {"is_set": True, "locked": True, "wrong": 5}
    assert run("passphrase", "unlock", "pat", "--reason", "x").code == 4
    assert run("passphrase", "unlock", "pat", "--reason", "she called", name="ada").code == 0
    assert run(*arguments, given=f"{SECRET}2\n").code == 0
    assert "with a passphrase" in run("evidence", "1").out
    text = "".join(str(entry) for entry in audits.show(example.services, example.actor("aud")))
    assert SECRET not in text
    for path in example.root.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert SECRET.encode() not in data, path
            assert b"a wrong passphrase" not in data, path
    assert run("passphrase", "remove", "pat", "--reason", "forgotten", name="ada").code == 0
    assert "no: pilothouse passphrase set" in run("passphrase").out


def _parameters(command: click.Command, context: click.Context) -> Iterator[click.Parameter]:
    yield from command.params
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from _parameters(found, context)


def test_no_argument_and_no_variable_takes_a_passphrase() -> None:
    parameters = list(_parameters(cli, click.Context(cli)))
    assert len(parameters) > 100
    assert [p.name for p in parameters if "pass" in str(p.name) or "secret" in str(p.name)] == []
    assert [p.name for p in parameters if p.envvar and "PASS" in str(p.envvar)] == []


def test_a_comment_of_a_key_is_shown_without_escapes_and_goes_into_no_file(
    example: Example, run, tmp_path: Path
) -> None:
    soft, hostile = SoftKey(), 'x\x1b[2J\u202e"; command="/bin/sh" %h'
    (tmp_path / "k.pub").write_text(f"{soft.line} {hostile}\n")
    users.add_user(example.services, example.actor("ada"), "pat")
    assert run("users", "keys", "pat", "--add", str(tmp_path / "k.pub"), name="ada").code == 0
    assert run("policy", "set", "--signature", "key", "--reason", "a bank", name="ada").code == 0
    asked(example)
    statement = run("statement", "1", "--approve").out
    (tmp_path / "s.sig").write_text(soft.sshsig(statement.encode()))
    assert run("approve", "1", "--signature", str(tmp_path / "s.sig")).code == 0
    shown = run("users", "keys", "pat", name="ada").out
    assert "command=" in shown
    assert not {"\x1b", "\u202e"} & set(shown)
    assert run("evidence", "export", "1", "--output", str(tmp_path / "out")).code == 0
    name, options, *rest = (tmp_path / "out" / "allowed_signers").read_text().split()
    assert (name, rest) == ("pat", soft.line.split())
    assert "/bin/sh" not in options
    example.pass_time(minutes=1)
    lines = "".join(ssh_lines.authorized_keys(example.services, example.actor("ada")))
    assert soft.line in lines
    assert "/bin/sh" not in lines


def test_status_imports_no_cryptography(example: Example) -> None:
    code = (
        "import sys; from pilothouse.cli import main; "
        f"main.run(['--workspace', {str(example.root)!r}, 'status']); "
        "print([m for m in sys.modules if m.startswith('cryptography')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr
