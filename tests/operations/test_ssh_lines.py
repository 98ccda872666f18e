"""Lines for sshd: each key with its own command, of users in force alone, and one key at once without heavy libraries."""

import shlex
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from fixtures.registries import Example
from pilothouse.domain.identity.ssh_keys import PublicKey, read_key
from pilothouse.domain.identity.users import KeyUse
from pilothouse.operations.identity import ssh_lines, users
from pilothouse.operations.identity.users import KeyTerms
from support.ssh_keys import ED25519_KEYS, certify, make_key, needs_ssh_keygen, public

OWNER = "ops"


@pytest.fixture(autouse=True)
def _owned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssh_lines, "owner", lambda root: OWNER)


def key(number: int) -> PublicKey:
    return read_key(ED25519_KEYS[number])


def lines(example: Example) -> list[str]:
    return ssh_lines.authorized_keys(example.services, example.actor("aud"))


def test_a_line_restricts_its_key_to_one_command_of_one_name(example: Example) -> None:
    users.add_user(example.services, example.actor("ada"), "pat", keys=[key(0)])

    python = shlex.quote(sys.executable)
    assert lines(example) == [
        f'restrict,pty,agent-forwarding,command="{python} -I -m pilothouse.cli.main -w {example.root.resolve()} '
        f'shell pat" ssh-ed25519 {key(0).public_key} pat'
    ]


def test_odd_names_and_folders_stay_one_word_each(example: Example, tmp_path: Path) -> None:
    users.add_user(example.services, example.actor("ada"), r"corp\pat$", keys=[key(0)])

    (line,) = lines(example)
    command = line.partition('command="')[2].partition('" ssh-ed25519')[0].replace('\\"', '"')
    words = subprocess.run(
        ["/bin/sh", "-c", command.replace(shlex.quote(sys.executable), "printf '%s\\n'", 1)],
        capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    assert words[-2:] == ["shell", r"corp\pat$"]


def test_only_keys_in_force_of_users_in_force(example: Example) -> None:
    ada, services = example.actor("ada"), example.services
    users.add_user(services, ada, "pat", keys=[key(0)])
    users.add_user(services, ada, "pia", keys=[key(1)])
    until = example.time + timedelta(hours=1)
    users.add_key(services, ada, "pia", key(2), KeyTerms(KeyUse.AUTHORITY, valid_before=until))
    users.disable_user(services, ada, "pat", "left")

    own, authority = lines(example)
    assert key(1).public_key in own
    assert authority.startswith('cert-authority,principals="pia",restrict,pty,')
    assert f'expiry-time="{until.astimezone():%Y%m%d%H%M%S}"' in authority
    example.pass_time(hours=2)
    assert lines(example) == [own]
    users.revoke_key(services, ada, "pia", key(1).fingerprint, "lost")
    assert lines(example) == []


def test_one_key_is_answered_for_at_once(example: Example) -> None:
    ada, services = example.actor("ada"), example.services
    users.add_user(services, ada, "pat", keys=[key(0)])
    users.add_user(services, ada, "pia", keys=[key(1)])

    def answer(account: str, number: int, key_type: str = "ssh-ed25519") -> list[str]:
        return ssh_lines.keys_command(services, account, key_type, key(number).public_key)

    assert answer(OWNER, 0) == [lines(example)[0]]
    assert answer(OWNER, 1) == [lines(example)[1]]
    assert answer(OWNER, 2) == answer("root", 0) == answer(OWNER, 0, "ssh-rsa") == []
    assert ssh_lines.keys_command(services, OWNER, "ssh-ed25519", "not base64") == []
    users.disable_user(services, ada, "pat", "left")
    assert answer(OWNER, 0) == []


@needs_ssh_keygen
def test_a_certificate_is_answered_for_by_the_names_that_it_carries(example: Example, tmp_path: Path) -> None:
    ada, services = example.actor("ada"), example.services
    authority, own = make_key(tmp_path, "authority"), make_key(tmp_path, "own")
    for name in ("pat", "pia"):
        users.add_user(services, ada, name)
        users.add_key(services, ada, name, read_key(public(authority)), KeyTerms(KeyUse.AUTHORITY))

    def answer(*principals: str, by: Path = authority) -> list[str]:
        kind, blob, _ = certify(by, own, *principals).read_text().split(maxsplit=2)
        return ssh_lines.keys_command(services, OWNER, kind, blob)

    assert [line.split(",")[1] for line in answer("pat")] == ['principals="pat"']
    assert len(answer("pat", "pia")) == 2, "the start refuses it, and says why"
    assert answer("eve") == answer() == []
    assert answer("pat", by=make_key(tmp_path, "another")) == []


def test_sshd_gets_no_heavy_library_and_no_first_frame(example: Example) -> None:
    users.add_user(example.services, example.actor("ada"), "pat", keys=[key(0)])
    program = (
        "import sys; from pilothouse.cli import main; code = main.run(sys.argv[1:]); "
        "heavy = {'pandas', 'sklearn', 'numpy', 'textual', 'cryptography', 'pyarrow', 'sqlite_utils'} & set(sys.modules); "
        "sys.exit(f'imported {heavy}' if heavy else code)"
    )
    account = ssh_lines.pwd.getpwuid(example.root.stat().st_uid).pw_name
    arguments = ["-w", str(example.root), "ssh", "keys-command", account, "ssh-ed25519", key(0).public_key]

    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith(f'shell pat" ssh-ed25519 {key(0).public_key} pat\n')


def test_the_configuration_names_the_account_and_lets_nothing_through(example: Example) -> None:
    text = "\n".join(ssh_lines.sshd_config(example.root))
    for line in (
        "Match User ops",
        "ExposeAuthInfo yes",
        "AcceptEnv none",
        "AuthorizedKeysFile none",
        "AllowTcpForwarding no",
        "PasswordAuthentication no",
        "AuthorizedKeysCommandUser ops",
    ):
        assert line in text
    assert "keys-command %u %t %k" in text
