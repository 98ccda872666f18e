"""Secrets of receivers: where one lacks, the error says where it was looked for, and nothing of what is there."""

from pathlib import Path

import pytest

from pilothouse.sending.secret_values import MissingSecretError, secret


def test_a_variable_that_is_not_set_is_told_from_one_that_is_no_secret(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("HOOK_SECRET", raising=False)
    with pytest.raises(
        MissingSecretError, match=r"^its URL: the variable HOOK_SECRET of the daemon is not set"
    ):
        secret(None, "HOOK_SECRET", "its URL")
    monkeypatch.setenv("HOOK_SECRET", "two\nlines")
    with pytest.raises(MissingSecretError, match="does not hold one line") as told:
        secret(None, "HOOK_SECRET", "its URL")
    assert "two" not in str(told.value)
    monkeypatch.setenv("HOOK_SECRET", " geheim\n")
    assert secret(None, "HOOK_SECRET", "its URL") == "geheim"


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(MissingSecretError, match="nothing cannot be read: No such file"):
        secret(str(tmp_path / "nothing"), None, "its key")
