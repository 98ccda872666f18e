"""Attempts of a data scientist to loosen a model by the command line."""

from pathlib import Path

import pytest

from cli.conftest import Pilothouse
from fixtures.registries import make_example
from pilothouse.cli import failures, main
from pilothouse.domain.identity.roles import Permission
from pilothouse.operations.authorisation import changing
from pilothouse.store import workspace as workspace_store
from support.small_workspace import ESTIMATOR, MODEL

GATED = MODEL.replace("[gates.data]", '[gates]\nfunction = "gate.py:check"\n\n[gates.data]')
STRICT = "def check(holdout, predictions, metrics):\n    return metrics['auc']['value'] > 0.6, 'auc'\n"
LAX = "def check(holdout, predictions, metrics):\n    return True, 'fine'\n"


def write(root: Path, text: str, name: str = "delay") -> Path:
    folder = root / "models" / name
    folder.mkdir(exist_ok=True)
    (folder / "model.toml").write_text(text.replace('name = "delay"', f'name = "{name}"', 1))
    (folder / "gate.py").write_text(STRICT)
    return folder


def filled(text: str = GATED, more: str = "") -> str:
    return text.format(training=ESTIMATOR, more=more)


def test_the_body_of_a_gate_function(workspace: Pilothouse, root: Path) -> None:
    folder = write(root, filled())
    assert workspace("apply", as_name="ada").code == 0
    (folder / "gate.py").write_text(LAX)

    plan = workspace("apply", "--plan", as_name="ada")
    assert plan.code == 0
    lines = plan.out.splitlines()
    assert "delay: update" in lines
    loosens = "  loosens gates.function: gate.py:check: gate.py changed (not comparable: other code judges)"
    assert lines[lines.index(loosens) + 1] == ("  olga may apply it; ada may not: it needs the role admin")
    (change,) = workspace("apply", "--plan", "--json", as_name="ada").json
    assert (change["loosens"], change["admins"], change["permitted"]) == (
        [loosens.removeprefix("  loosens ")],
        ["olga"],
        False,
    )
    refused = workspace("apply", as_name="ada")
    assert (refused.code, refused.out) == (4, "")
    assert "ada may not loosen a gate or a policy: that takes an admin (olga)" in refused.err
    trained = workspace("train", "delay", as_name="ada")
    assert trained.code == 5
    assert "gate.py:check is not as it was applied (gate.py changed): run pilothouse apply" in trained.err

    assert "  olga may apply it" in workspace("apply", "--plan").out.splitlines()
    assert workspace("apply").code == 0
    assert workspace("train", "delay", as_name="ada").code == 0


def test_a_plan_says_who_may_apply_it_to_one_who_may_not(workspace: Pilothouse, root: Path) -> None:
    write(root, filled(MODEL))
    plan = workspace("apply", "--plan", as_name="petra")
    assert "  ada, olga may apply it; petra may not: it needs the role data-scientist or admin" in plan.out
    assert "run pilothouse apply to do it" not in plan.err
    (change,) = [
        c for c in workspace("apply", "--plan", "--json", as_name="petra").json if c["model"] == "delay"
    ]
    assert (change["permitted"], change["may_apply"]) == (False, ["ada", "olga"])
    theirs = workspace("apply", "--plan", as_name="ada")
    assert "  ada, olga may apply it\n" in theirs.out
    assert "run pilothouse apply to do it" in theirs.err


def test_an_approver_who_loosens_is_told_first_that_they_may_not_apply(
    workspace: Pilothouse, root: Path
) -> None:
    write(root, filled(MODEL).replace("approvals = 1\nfour_eyes = true", "approvals = 0\nautomatic = true"))
    refused = workspace("apply", as_name="petra")
    assert refused.code == 4
    assert refused.err.startswith("pilothouse: petra may not apply a model file of delay: it needs the role")


def test_deaf_monitoring_and_another_source_are_refused_in_one_error(
    workspace: Pilothouse, root: Path
) -> None:
    assert workspace("apply", as_name="ada").code == 0
    more = '[monitoring]\nsilence = "90d"\nfire = 3\nignore = ["wind"]\n'
    text = filled(MODEL, more).replace("../../data/rows.csv", "../../data/./rows.csv")
    (root / "models" / "delay" / "model.toml").write_text(text)

    refused = workspace("apply", as_name="ada")

    assert refused.code == 4
    for line in (
        "monitoring.silence: 1h → 90d (an outage is said later)",
        "monitoring.fire: 2 → 3 (an alert takes more windows)",
        "monitoring.ignore: none → wind (its drift never alerts)",
        "data.source: ../../data/rows.csv → ../../data/./rows.csv (not comparable: other rows judge a version)",
    ):
        assert f"pilothouse: delay: it loosens {line}\n" in refused.err
    assert "delay: update" in workspace("apply", "--plan", as_name="ada").out


def test_a_new_model_without_hands_on_a_target_of_another(workspace: Pilothouse, root: Path) -> None:
    assert workspace("apply", as_name="ada").code == 0
    text = filled(MODEL).replace("approvals = 1\nfour_eyes = true", "approvals = 0\nautomatic = true")
    write(root, text, "copy")

    refused = workspace("apply", as_name="ada")

    assert refused.code == 4
    assert "copy: it loosens promotion.automatic: true (a new model whose versions go live" in refused.err
    assert "copy: it loosens gates: no metric and no function" in refused.err
    assert [model["name"] for model in workspace("models", "--json").json] == ["delay"]
    assert "automatic deployment  forbidden" in workspace("policy", "show").out


def test_one_person_is_said_where_they_ask_and_approve(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    example = make_example(tmp_path / "workspace", demo=True)
    example.add_version()
    with changing(example.services, example.actor("ada"), Permission.GRANT) as change:
        workspace_store.set_solo(change.connection, "pat")
        change.record("solo.begun", "workspace")
    example.close()

    def said(*arguments: str, name: str) -> str:
        assert (
            failures.run(lambda: main.run(["--workspace", str(example.root), "--as", name, *arguments])) == 0
        )
        captured = capsys.readouterr()
        assert "SOLO: pat alone; four eyes is off" in captured.err
        return captured.out.strip()

    said("request", "delay/1", name="sam")
    said("evidence", "1", name="pat")
    digest = failures.run(
        lambda: main.run(["--workspace", str(example.root), "--as", "pat", "evidence", "1", "--digest"])
    )
    assert digest == 0
    said("approve", "1", "--evidence", capsys.readouterr().out.strip(), name="pat")
