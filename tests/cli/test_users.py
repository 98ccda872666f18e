"""Users and their keys on the command line."""

from pathlib import Path

import pytest

from support.ssh_keys import ED25519_KEYS


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "id_ed25519.pub"
    path.write_text(ED25519_KEYS[0] + "\n")
    return path


def test_a_user_is_added_disabled_and_enabled(workspace, key_file: Path) -> None:
    assert "nobody is a user yet" in workspace("users").err
    added = workspace("users", "add", "zoe", "--key", str(key_file), "--subject", "zoe@example.org")
    assert (added.code, "zoe is a user, with the key SHA256:" in added.err) == (0, True)
    assert workspace("users", "add", "zoe").code == 5
    assert workspace("users", "add", "yan", as_name="ada").code == 4
    (listed,) = workspace("users", "--json").json
    assert (listed["user"]["name"], listed["valid_keys"]) == ("zoe", 1)
    assert "zoe@example.org" in workspace("users").out

    assert workspace("users", "disable", "zoe").code == 2, "without a reason"
    assert workspace("users", "disable", "zoe", "--reason", "left").code == 0
    assert "by olga: left" in workspace("users").out
    assert "none of these lets anybody in" in workspace("users", "keys", "zoe").err
    assert workspace("users", "enable", "zoe", "--reason", "back").code == 0
    assert workspace("users", "disable", "nobody", "--reason", "x").code == 3


def test_keys_are_added_listed_and_revoked(
    workspace, key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace("users", "add", "zoe")
    assert "has no key yet" in workspace("users", "keys", "zoe").err
    added = workspace("users", "keys", "zoe", "--add", str(key_file), "--valid-before", "2099-01-01")
    assert added.code == 0
    fingerprint = added.err.split()[0]
    assert "until 2099-01-01" in workspace("users", "keys", "zoe").out

    assert workspace("users", "keys", "zoe", "--revoke", fingerprint).code == 2, "without a reason"
    assert workspace("users", "keys", "zoe", "--revoke", fingerprint, "--reason", "lost").code == 0
    assert "by olga: lost" in workspace("users", "keys", "zoe").out
    (key,) = workspace("users", "keys", "zoe", "--json").json["keys"]
    assert (key["fingerprint"], key["revoked_why"], key["hardware"]) == (fingerprint, "lost", False)

    authority = workspace("users", "keys", "zoe", "--add", str(key_file), "--authority")
    assert "is a certificate authority of zoe" in authority.err
    for wrong in (
        ("--add", str(key_file), "--revoke", fingerprint),
        ("--authority",),
        ("--add", str(key_file), "--valid-before", "tomorrow"),
    ):
        assert workspace("users", "keys", "zoe", *wrong).code == 2


def test_a_file_that_is_no_key_is_named(workspace, tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "private").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\n")
    missing = workspace("users", "add", "zoe", "--key", str(tmp_path / "missing"))
    assert (missing.code, "no such file" in missing.err) == (3, True)
    for name in ("binary", "private"):
        refused = workspace("users", "add", "zoe", "--key", str(tmp_path / name))
        assert (refused.code, name in refused.err) == (2, True)
    assert workspace("users", "--json").json == []
