"""Targets on the command line: written into their file, shown with what is described of them."""

from pathlib import Path


def test_targets_are_moved_into_their_file_and_shown_with_their_labels(workspace, root: Path) -> None:
    applied = workspace("apply")
    assert "ewr is described here and not in targets.toml" in applied.out

    written = workspace("targets", "--write")
    assert (written.code, written.err) == (0, "targets.toml: added ewr\n")
    again = workspace("targets", "--write", "--json")
    assert again.json == []

    with (root / "targets.toml").open("a") as file:
        file.write('environment = "production"\nport = 8101\nlabels = { tier = "gold", kind = "desk" }\n')
    plan = workspace("apply", "--plan")
    assert "targets.toml: create\n  ewr: described here from now on" in plan.out
    workspace("apply")

    shown = workspace("targets")
    assert "ENVIRONMENT" in shown.out
    assert "production" in shown.out
    assert "kind=desk tier=gold" in shown.out
    (state,) = workspace("targets", "--json").json
    assert (state["target"], state["environment"], state["port"]) == ("ewr", "production", 8101)
    assert state["labels"] == {"tier": "gold", "kind": "desk"}
