"""``upgrade --apply``: one command, a backup first, the doctor after."""

from pathlib import Path


def test_one_command_backs_up_upgrades_and_asks_the_doctor(workspace, root: Path) -> None:
    done = workspace("upgrade", "--apply")
    assert done.code == 0, done.err
    (backup,) = (root / "backups").iterdir()
    assert f"backed up: {backup}" in done.err
    assert f"pilothouse restore {backup} FOLDER" in done.err
    assert "the doctor found nothing wrong; next: pilothouse daemon start" in done.err
    assert workspace("audit", "show", "--limit", "1").out.split().count("workspace.upgraded") == 1
    assert workspace("restore", str(backup), "--verify").code == 0


def test_who_may_not_upgrade_and_options_that_do_not_go_together_are_said(workspace, root: Path) -> None:
    refused = workspace("upgrade", "--apply", as_name="vic")
    assert (refused.code, "vic may not" in refused.err) == (4, True)
    assert not (root / "backups").exists()
    assert workspace("upgrade", "--check", "--apply").code == 2
    assert workspace("upgrade", "--accept-changes").code == 2
