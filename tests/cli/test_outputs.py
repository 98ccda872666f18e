"""Outputs that are named by path: new files and folders, never in the state of a workspace, and never over what is there."""

from pathlib import Path

import click
import pytest

from cli.conftest import Pilothouse
from pilothouse.cli.group import cli
from pilothouse.system import destinations

TEXTS = (
    ("audit", "export"),
    ("log", "policy"),
    ("log", "proof", "3"),
    ("log", "verifier"),
)
"""Commands that write text into a file that --output names."""


@pytest.mark.parametrize("words", TEXTS, ids=" ".join)
def test_text_goes_into_a_new_file_outside_of_the_state(
    workspace: Pilothouse, root: Path, tmp_path: Path, words: tuple[str, ...]
) -> None:
    assert workspace("log", "checkpoint", "--sign").code == 0
    new = tmp_path / "new"
    assert workspace(*words, "--output", str(new)).code == 0
    written = new.read_bytes()
    assert written
    (tmp_path / "linked").symlink_to(root / "state")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    registry = root / "state" / "registry.db"
    before = registry.read_bytes()
    for place, code in (
        (registry, 2),
        (root / "state" / "new", 2),
        (root / "state" / "artifacts" / "new", 2),
        (tmp_path / "linked" / "new", 2),
        (new, 5),
        (tmp_path / "dangling", 5),
        (root / "models" / "delay" / "model.toml", 5),
        (tmp_path / "missing" / "new", 3),
    ):
        refused = workspace(*words, "--output", str(place))
        assert (refused.code, refused.out, refused.err.count("\n")) == (code, "", 1), (place, refused)
    assert (registry.read_bytes(), new.read_bytes()) == (before, written)
    assert not (root / "state" / "new").exists()
    assert not (tmp_path / "nowhere").exists()
    assert workspace(*words, "--output", "/dev/null").code == 0
    first = workspace(*words, "--output", "-").out
    assert first != ""
    assert workspace(*words).out.startswith(first), "an export of the log is an entry of the next one"


def test_a_file_is_not_there_after_an_error(workspace: Pilothouse, tmp_path: Path) -> None:
    assert workspace("log", "proof", "99999", "--output", str(tmp_path / "proof")).code != 0
    assert not (tmp_path / "proof").exists()
    with (
        pytest.raises(ZeroDivisionError),
        destinations.new_text_file(Path("/dev/null")) as stream,
    ):
        print(1 / 0, file=stream)
    assert Path("/dev/null").exists()


def test_no_folder_is_written_into_the_state(workspace: Pilothouse, root: Path, tmp_path: Path) -> None:
    inside = root / "state" / "new"
    backup = tmp_path / "copy.tar"
    assert workspace("backup", str(backup)).code == 0
    for words in (
        ("log", "tiles", str(inside)),
        ("log", "tiles", str(root / "state")),
        ("log", "tiles", "-"),
        ("witness", "init", str(inside), "--name", "w"),
        ("log", "anchors", "add", "file", "vault", str(root / "state" / "registry.db")),
        ("restore", str(backup), str(inside)),
    ):
        refused = workspace(*words)
        assert (refused.code, refused.err.count("\n")) == (2, 1), (words, refused)
        assert "keeps what Pilothouse writes" in refused.err or "- is no name" in refused.err
    assert not inside.exists()
    assert not Path("-").exists()


def test_the_state_of_another_workspace_is_none_to_write_into_either(
    workspace: Pilothouse, root: Path, tmp_path: Path
) -> None:
    assert workspace("backup", str(tmp_path / "copy.tar")).code == 0
    assert workspace("restore", str(tmp_path / "copy.tar"), str(tmp_path / "other")).code == 0
    place = tmp_path / "other" / "state" / "new"
    for words in (("backup", str(place)), ("audit", "export", "--output", str(place))):
        assert workspace(*words).code == 2
    assert not place.exists()


def test_a_registry_that_somebody_copied_out_is_no_state(tmp_path: Path) -> None:
    (tmp_path / "registry.db").touch()
    destinations.check_new_file(tmp_path / "new")


def test_outputs_are_all_known() -> None:
    """A new option that names an output belongs into the tests above, or into those of what it writes."""
    found = {
        name
        for name, command in every_command()
        for parameter in command.params
        if "--output" in parameter.opts
    }
    assert found == {
        *(" ".join(words[:2]) for words in TEXTS),
        "document",  # a new file, or a pipe: tests/cli/test_documents.py
        "erase show",  # a new folder: tests/operations/test_erasure.py
        "dossier",  # a new folder, or a tar: tests/operations/dossier
        "evidence export",  # a new folder: tests/operations/test_evidence_export.py
        "report",  # a new file, or a pipe: tests/operations/dossier/test_model_reports.py
        "export onnx",  # a new file: tests/daemon/test_onnx_export.py
    }


def every_command(above: click.Group = cli, words: str = "") -> list[tuple[str, click.Command]]:
    context = click.Context(above)
    commands: list[tuple[str, click.Command]] = []
    for name in above.list_commands(context):
        command = above.get_command(context, name)
        assert command is not None
        whole = f"{words} {name}".strip()
        commands.append((whole, command))
        if isinstance(command, click.Group):
            commands += every_command(command, whole)
    return commands
