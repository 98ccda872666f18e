"""``init --from`` and ``new``: planned, written, asked on a terminal."""

import io
import re
from pathlib import Path

import pytest

from pilothouse.domain.models.model_file import load_spec
from pilothouse.domain.models.target_file import load_targets


def like(text: str) -> str:
    """Text of a model file without the latency of the quick fit, which differs from time to time."""
    return re.sub(r"p95_ms = .*", "p95_ms", text)


def test_a_workspace_is_made_with_a_first_model_and_a_second_is_added(pilothouse, root: Path) -> None:
    data = root / "data" / "rows.csv"
    (root / "models" / "delay" / "model.toml").unlink()

    planned = pilothouse("init", "--admin", "olga", "--from", str(data), "--plan", as_name=None)
    assert planned.code == 0
    assert planned.out.startswith("# Guessed from rows.csv: 2,400 rows")
    assert "nothing was written" in planned.err
    assert not (root / "state").exists()
    assert not (root / "targets.toml").exists()

    made = pilothouse(
        "init", "--admin", "olga", "--demo", "--from", str(data), "--name", "first", "--yes", as_name=None
    )
    assert made.code == 0
    assert "because" in made.out.lower()
    assert f"next: cd {root}, pilothouse apply --plan" in made.err
    assert "pilothouse train first --wait" in made.err
    text = (root / "models" / "first" / "model.toml").read_text()
    targets = load_targets((root / "targets.toml").read_text())
    spec = load_spec(text, "model.toml", targets)
    assert (spec.name, spec.owner, [target.name for target in spec.targets]) == ("first", "olga", ["local"])
    assert like(text).replace('"first"', '"rows"') == like(planned.out), "a plan prints what is written"
    assert pilothouse("apply").code == 0

    again = pilothouse("init", "--from", str(data), "--yes", as_name=None)
    assert again.code == 5
    assert "pilothouse new NAME --from FILE" in again.err
    second = pilothouse("new", "second", "--from", str(data), "--target", spec.data.target, "--yes", "--json")
    assert second.json["written"]
    assert {guess["key"] for guess in second.json["guesses"]} >= {"task", "data.target", "data.holdout"}
    assert (root / "models" / "second" / "model.toml").read_text() == second.json["text"]
    assert pilothouse("new", "second", "--from", str(data)).code == 5
    assert pilothouse("new", "third").code == 2
    assert pilothouse("new", "third", "--from", str(data), as_name="vic").code == 4


def test_options_of_a_first_model_go_with_a_file(pilothouse) -> None:
    answer = pilothouse("init", "--target", "y", as_name=None)
    assert answer.code == 2
    assert "--from FILE" in answer.err


def test_guesses_are_asked_on_a_terminal(workspace, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pilothouse.cli.commands.models.first_models._is_terminal", lambda: True)
    data = root / "data" / "rows.csv"

    def type_in(text: str) -> None:
        monkeypatch.setattr("sys.stdin", io.StringIO(text))

    type_in("\n" * 20)
    taken = workspace("new", "taken", "--from", str(data))
    assert taken.code == 0, taken.err
    assert "the column to predict [" in taken.err
    text = (root / "models" / "taken" / "model.toml").read_text()
    assert "as you said" not in text

    column = load_spec(text, "model.toml", load_targets((root / "targets.toml").read_text())).data.features[0]
    zone = "Europe/Berlin\n" if "timezone" in text else ""
    type_in(f"{zone}nonsense\n{column}\n\nn\n")
    refused = workspace("new", "refused", "--from", str(data))
    assert refused.code == 0, refused.err
    assert "nonsense is none of them" in refused.err
    assert not (root / "models" / "refused").exists()
