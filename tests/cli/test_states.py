"""The state of a deployment on the command line: the same words, dates and grounds in every command."""

from pathlib import Path

import pytest

from pilothouse.cli import failures, main
from support import example


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("states") / "workspace"
    root.mkdir()
    example.build(root)
    return root


@pytest.fixture
def say(built: Path, capsys: pytest.CaptureFixture[str]):
    """Runs a command on the example; its exit code, and what it printed (as plain data with ``--json``)."""
    import json

    def run(*arguments: str):
        capsys.readouterr()
        code = failures.run(lambda: main.run(["--workspace", str(built), "--as", "olga", *arguments]))
        out = capsys.readouterr().out
        return code, json.loads(out) if "--json" in arguments else out

    return run


def test_every_command_gives_the_state_on_record_with_its_grounds(say) -> None:
    code, status = say("status", "--json")
    assert code == 20
    _, targets = say("targets", "--json")
    (jfk,) = [s for s in targets if (s["model"], s["target"]) == ("flight-delay", "jfk")]
    _, monitor = say("monitor", "flight-delay", "jfk", "--json")
    for field in ("health", "why", "grounds", "since", "performance", "of_then"):
        assert monitor["state"][field] == jfk[field]
    assert monitor["state"]["deployment"]["version"] == monitor["version"]
    (model,) = [m for m in status["models"] if m["model"] == "flight-delay"]
    assert (model["health"], model["why"]) == (jfk["health"], f"jfk: {jfk['why']}")
    assert jfk["since"] == jfk["grounds"][0]["at"]
    assert len(jfk["grounds"]) == 2


def test_figures_have_their_date_and_a_ground_has_its_own(say) -> None:
    _, shown = say("status")
    assert "AS OF" in shown
    assert "2013-09-01" in shown
    assert "auc 0.605, worse than its reference 0.713 in the window to 2013-09-01" in shown
    _, data = say("status", "--json")
    assert all(model["performance_at"] for model in data["models"])
    _, shown = say("targets")
    assert "SINCE" in shown
    assert "2013-08-29 06:30" in shown
    _, states = say("targets", "--json")
    assert all(state["drift_window"] for state in states)


def test_the_monitor_says_how_the_deployment_is_and_names_the_version_of_each_window(say) -> None:
    _, shown = say("monitor", "flight-delay", "jfk")
    first = shown.splitlines()[0]
    assert first == "flight-delay on jfk: v1, live since 2013-07-04 06:30"
    assert "critical" in shown
    assert "1 of 2 features drifted (wind) in the window to 2013-09-01" in shown
    assert "VERSION" in shown


def test_models_show_the_health_on_record(say) -> None:
    _, shown = say("models")
    assert "✖ critical" in shown
    assert "▲ degraded" in shown
