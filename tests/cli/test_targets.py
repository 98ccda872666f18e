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


def test_serve_by_hand_takes_the_port_that_the_target_has_in_the_file(
    workspace, root: Path, monkeypatch
) -> None:
    taken: list[int] = []
    monkeypatch.setattr("pilothouse.serving.main.serve", lambda *given, **_: taken.append(given[3].port) or 0)
    (root / "targets.toml").write_text('[[target]]\nname = "ewr"\nport = 8101\n\n[[target]]\nname = "jfk"\n')
    for arguments in (["ewr"], ["ewr", "--port", "8200"], ["ewr", "--port", "0"], ["jfk"], ["lga"]):
        assert workspace("serve", "--target", *arguments).code == 0
    assert taken == [8101, 8200, 0, 0, 0]
