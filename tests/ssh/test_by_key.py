"""People who come through a real sshd: each by a key of their own, under their own name, and for nothing else."""

import json
import pwd
import subprocess
import tempfile
from datetime import timedelta
from pathlib import Path

import pytest

from pilothouse.operations.identity import ssh_lines, users
from pilothouse.operations.workspace import audits, workspaces
from support.ssh_door import Door
from support.ssh_keys import certify, public
from support.sshd import ACCOUNT, needs_sshd, running_sshd

pytestmark = needs_sshd


OUTSIDE = Path(tempfile.gettempdir()) / "pilothouse-over-ssh"
REFUSED = (
    "pilothouse --as ada whoami",
    "pilothouse -w /tmp status",
    "pilothouse shell ada",
    "pilothouse ssh authorized-keys",
    "pilothouse init /srv/elsewhere",
    "pilothouse backup /srv/copy.tar",
    "pilothouse ingest delay ewr /etc/passwd",
    "pilothouse audit export --output /srv/log",
    "pilothouse users add eve --key /etc/hostname",
    "pilothouse daemon stop",
    "pilothouse console",
    "pilothouse console --as ada",
    "pilothouse console --config /dev/stdin",
    "pilothouse",
    "pilothouse --json --as status console --as ada --config /dev/stdin",
    "pilothouse --json --as status daemon stop",
    "pilothouse --json --as status daemon start --isolation warn",
    f"pilothouse --json --as status log verifier --output {OUTSIDE}",
    f"pilothouse --json --as status witness init {OUTSIDE} --name w",
    "pilothouse --json --as status drift /etc/passwd /etc/passwd",
    "pilothouse --json --as status ssh sshd-config",
    f"pilothouse --json -w status init {OUTSIDE}",
    "pilothouse --json -w/tmp status",
    "pilothouse --json --workspace=/tmp status",
    "pilothouse --json --at=2013-07-04 status",
    "pilothouse --json --json status",
    "pilothouse evidence export 1 --output -",
    "pilothouse audit verify --anchor -",
    "sh -c id",
    "scp -t /tmp",
    "/bin/sh",
    "'; id",
)


@pytest.fixture
def oscar(door: Door) -> Path:
    return door.add("oscar")


def test_a_command_runs_as_the_user_whose_key_it_is(door: Door, oscar: Path) -> None:
    who = door.sshd.run(oscar, "pilothouse", "whoami", "--json")
    assert who.code == 0, who.err + door.sshd.log()
    identity = json.loads(who.out)["identity"]
    assert (json.loads(who.out)["name"], identity["kind"]) == ("oscar", "ssh-key")

    status = door.sshd.run(oscar, "pilothouse status --json")
    assert json.loads(status.out)["models"], status.err
    paused = door.sshd.run(oscar, "pilothouse", "pause", "--reason", "'a storm; nothing else'")
    assert paused.code == 0, paused.err
    entry = audits.show(door.services, workspaces.identify(door.services, "ada"))[0]
    assert (entry.action, entry.actor) == ("automation.paused", "oscar")
    assert entry.detail["reason"] == "a storm; nothing else"
    assert entry.detail["identity"] == {"kind": "ssh-key", "fingerprint": identity["fingerprint"]}


def test_roles_decide_as_everywhere(door: Door) -> None:
    refused = door.sshd.run(door.add("vera"), "pilothouse", "pause", "--reason", "why")
    assert (refused.code, "vera may not pause" in refused.err) == (4, True)


def test_everything_else_is_refused_in_one_line(door: Door, oscar: Path) -> None:
    for asked in REFUSED:
        refused = door.sshd.run(oscar, asked)

        assert refused.code in (2, 4), (asked, refused)
        assert (refused.out, refused.err.count("\n")) == ("", 1), (asked, refused)
        assert refused.err.startswith("pilothouse: ")
    assert not OUTSIDE.exists()
    assert not (Path(pwd.getpwnam(ACCOUNT).pw_dir) / "-").exists(), "- is no folder"


def test_no_shell_reads_the_command(door: Door, oscar: Path) -> None:
    answer = door.sshd.run(oscar, "pilothouse status; id > /dev/null")
    assert answer.code != 0
    assert "status;" in answer.err


def test_a_variable_of_the_client_does_not_come_through(door: Door, oscar: Path, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    forged = tmp_path / "auth"
    forged.write_text(f"publickey {public(door.add('vera'))}")
    for variable in (
        f"PYTHONPATH={tmp_path}",
        f"SSH_USER_AUTH={forged}",
        "SSH_ORIGINAL_COMMAND=x",
        "LANG=de_DE",
    ):
        answer = door.sshd.run(oscar, "pilothouse", "whoami", "--json", options=("-o", f"SetEnv={variable}"))
        assert json.loads(answer.out)["name"] == "oscar"
    assert not (tmp_path / "ran").exists()


def test_no_files_no_ports_no_displays(door: Door, oscar: Path) -> None:
    files = door.sshd.run(oscar, "sftp", options=("-s",))
    assert (files.code, files.out) == (4, ""), "not a byte of the protocol"
    assert door.sshd.run(oscar, "scp", "-t", "/tmp").code == 4

    through = door.sshd.run(oscar, options=("-W", f"127.0.0.1:{door.sshd.port}"))
    assert (through.code, through.out) == (255, ""), through
    assert "prohibited" in through.err or "forwarding failed" in through.err, through
    back = door.sshd.run(
        oscar, "pilothouse", "whoami",
        options=("-o", "ExitOnForwardFailure=yes", "-R", "127.0.0.1:0:127.0.0.1:9"),
    )  # fmt: skip
    assert back.code == 255


def test_an_unknown_a_disabled_a_revoked_and_an_expired_key_open_nothing(door: Door, oscar: Path) -> None:
    ada = workspaces.identify(door.services, "ada")
    now = door.services.now()
    over = door.add("pia", valid_after=now - timedelta(days=9), valid_before=now + timedelta(seconds=1))
    later = door.add("vera", valid_after=now + timedelta(days=1))
    gone = door.add("pat")
    users.disable_user(door.services, ada, "pat", "left")
    users.revoke_key(
        door.services, ada, "oscar", users.keys_of(door.services, ada, "oscar").keys[0].fingerprint, "lost"
    )
    while door.services.now() < now + timedelta(seconds=1):
        door.sshd.run(gone, "pilothouse", "whoami")
    for key in (door.key("nobody"), over, later, gone, oscar):
        refused = door.sshd.run(key, "pilothouse", "whoami")
        assert (refused.code, "Permission denied" in refused.err, refused.out) == (255, True, "")


def test_a_key_of_another_account_of_the_system_opens_nothing(door: Door, oscar: Path) -> None:
    words = [
        word.replace(f"{ACCOUNT}@", "nobody@") for word in door.sshd.command(oscar, "pilothouse", "whoami")
    ]
    assert subprocess.run(words, capture_output=True, timeout=60).returncode == 255


def test_a_certificate_opens_for_whom_it_names_while_it_is_valid(door: Door) -> None:
    authority = door.key("authority")
    door.add("pat")
    door.trust("pat", "authority")
    own = door.key("own")

    def come(*principals: str, valid: str = "-1h:+1h") -> "tuple[int, str]":
        certify(authority, own, *principals, valid=valid)
        answer = door.sshd.run(own, "pilothouse", "whoami", "--json")
        return answer.code, answer.out or answer.err

    code, out = come("pat")
    assert code == 0, out
    identity = json.loads(out)["identity"]
    assert (json.loads(out)["name"], identity["kind"]) == ("pat", "ssh-certificate")
    assert identity["authority"].startswith("SHA256:")
    assert come("pia")[0] == 255, "nobody has said that the authority names her"
    assert come("pat", valid="-2h:-1h")[0] == 255
    assert come("pat", valid="+1h:+2h")[0] == 255
    assert come()[0] == 255, "a certificate without names"
    door.add("pia")
    door.trust("pia", "authority")
    assert come("pia")[0] == 0
    code, err = come("pat", "pia")
    assert (code, "pat, pia" in err) == (4, True), err
    users.disable_user(door.services, workspaces.identify(door.services, "ada"), "pat", "left")
    assert come("pat")[0] == 255


def test_a_key_comes_through_the_connection(door: Door) -> None:
    admin = door.add("ada")
    added = door.sshd.run(admin, "pilothouse users add zoe --key -", given=public(door.key("zoe")))
    assert added.code == 0, added.err
    assert json.loads(door.sshd.run(door.key("zoe"), "pilothouse whoami --json").out)["name"] == "zoe"


def test_the_printed_file_opens_as_the_command_does_and_no_longer(door: Door, tmp_path: Path) -> None:
    """``authorized_keys`` in a file: what was revoked since it was printed is refused by Pilothouse itself."""
    ada = workspaces.identify(door.services, "ada")
    oscar = door.add("oscar")
    file = tmp_path / "authorized"
    file.write_text("\n".join(ssh_lines.authorized_keys(door.services, ada)) + "\n")
    file.chmod(0o600)
    lines = (f"AuthorizedKeysFile {file}", "ExposeAuthInfo yes", "AcceptEnv none")
    with running_sshd(tmp_path / "plain", *lines) as plain:
        assert json.loads(plain.run(oscar, "pilothouse whoami --json").out)["name"] == "oscar"
        assert plain.run(door.key("nobody"), "pilothouse whoami").code == 255
        users.disable_user(door.services, ada, "oscar", "left")
        refused = plain.run(oscar, "pilothouse whoami")
    assert (refused.code, refused.err) == (4, "pilothouse: oscar is disabled, by ada: left\n")
