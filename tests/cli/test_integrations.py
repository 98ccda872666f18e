"""``integrations.toml`` comes in by apply; the page of metrics on the command line."""

import tarfile
from pathlib import Path


def test_integrations_come_in_by_apply_and_another_address_takes_an_admin(workspace, root: Path) -> None:
    file = root / "integrations.toml"
    assert workspace("apply").code == 0
    file.write_text('[metrics]\nlisten = "0.0.0.0:9464"\n')
    assert "metrics.token_file: is missing" in workspace("apply").err
    file.write_text('[metrics]\nlisten = "127.0.0.1:0"\n')
    planned = workspace("apply", "--plan")
    assert "integrations.toml: create\n  metrics.listen: none → 127.0.0.1:0" in planned.out
    assert "none → none" not in planned.out
    refused = workspace("apply", as_name="ada")
    assert refused.code == 4
    assert "integrations.toml: it loosens metrics.listen: none → 127.0.0.1:0" in refused.err
    assert workspace("apply").code == 0
    file.write_text('[metrics]\nlisten = "127.0.0.1:0"\ndeployments = 7\n')
    assert "metrics.deployments: 1000 → 7" in workspace("apply", as_name="ada").out
    file.unlink()
    assert "integrations.toml: missing: what is in force stays" in workspace("apply").out
    assert "integrations.described" in workspace("audit", "show").out


def test_backups_hold_the_file(workspace, root: Path, tmp_path: Path) -> None:
    (root / "integrations.toml").write_text("[metrics]\n")
    assert workspace("apply").code == 0
    assert workspace("backup", str(tmp_path / "b.tar")).code == 0
    with tarfile.open(tmp_path / "b.tar") as archive:
        assert "integrations.toml" in archive.getnames()
    assert workspace("restore", str(tmp_path / "b.tar"), str(tmp_path / "new")).code == 0
    assert (tmp_path / "new" / "integrations.toml").read_text() == "[metrics]\n"


def test_metrics_are_printed(workspace) -> None:
    assert workspace("apply").code == 0
    assert "pilothouse_daemon_running 0" in workspace("metrics").out
    assert workspace("metrics", "--openmetrics").out.endswith("# EOF\n")
    families = {family["name"]: family["samples"] for family in workspace("metrics", "--json").json}
    assert families["pilothouse_log_entries"][0]["name"] == "pilothouse_log_entries_total"
    assert families["pilothouse_build"][0]["labels"].keys() == {"version"}
