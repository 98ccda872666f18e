"""Plans and roll-outs on the command line: plans.toml taken in, a version on its way, and what is said of both."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cli.conftest import Answer
from pilothouse.cli import failures, main
from pilothouse.domain.rollouts.rollout import RolloutState
from pilothouse.store import workspace as settings
from support.rollout_plans import TWO_WAVES
from support.rollout_workspace import RolloutWorkspace

PLANS = """
[[plan]]
name = "careful"
[[plan.wave]]
name = "first"
select = {{ name = "{first}" }}
[[plan.wave.step]]
kind = "live"
bake = "{bake}"
{rest}
"""
REST = '[[plan.wave]]\nname = "rest"'


def name_plan(root: Path) -> None:
    """Let the model go out by the plan."""
    file = root / "models" / "delay" / "model.toml"
    file.write_text(file.read_text().replace("[promotion]\n", '[promotion]\nplan = "careful"\n'))


def test_plans_come_in_by_apply_and_what_drops_time_takes_an_admin(workspace, root: Path) -> None:
    name_plan(root)
    assert "promotion.plan: 'careful' is not in plans.toml" in workspace("apply").err
    (root / "plans.toml").write_text(PLANS.format(first="nowhere", bake="1h", rest=""))
    assert "no wave of the plan careful selects" in workspace("apply").err
    (root / "plans.toml").write_text(PLANS.format(first="nowhere", bake="1h", rest=REST))
    assert "plans.toml: create\n  careful: new" in workspace("apply", as_name="ada").out

    (root / "plans.toml").write_text(PLANS.format(first="nowhere", bake="30m", rest=REST))
    refused = workspace("apply", as_name="ada")
    assert refused.code == 4
    assert "careful: wave 1 (first), step 1 bakes for 30m in place of 1h" in refused.err
    assert workspace("apply").code == 0
    (root / "plans.toml").write_text(PLANS.format(first="nowhere", bake="2h", rest=REST))
    assert workspace("apply", as_name="ada").code == 0

    blind = PLANS.format(first="nowhere", bake="2h", rest=REST).replace(
        '[[plan.wave.step]]\nkind = "live"',
        '[[plan.wave.step]]\nkind = "shadow"\ngo_on = "time"\nrequests = 20\n[[plan.wave.step]]\nkind = "live"',
    )
    (root / "plans.toml").write_text(blind)
    said = "careful: wave 1, step 1 (shadow) goes on whether or not an outcome is known: judged = 20 waits for outcomes"
    assert said in workspace("apply", "--plan").out
    assert said in workspace("apply").out
    assert "20 requests at least, whether or not outcomes are known" in " ".join(
        workspace("plans").out.split()
    )
    (root / "plans.toml").write_text(PLANS.format(first="nowhere", bake="2h", rest=REST))
    assert workspace("apply").code == 0

    (shown,) = workspace("plans", "--json").json
    assert [step["bake"] for step in shown["wave"][0]["step"]] == [7_200]
    assert workspace("policy", "set", "--plan", "careful", "--reason", "a bank").code == 0
    assert "careful (policy)" in workspace("plans").out
    assert workspace("policy", "set", "--plan", "quick", "--reason", "x").code == 3
    (root / "plans.toml").write_text(
        PLANS.format(first="x", bake="2h", rest=REST).replace("careful", "other")
    )
    assert "the workspace's policy asks for the plan 'careful', which is not there" in workspace("apply").err


@pytest.fixture
def place(tmp_path: Path) -> RolloutWorkspace:
    place = RolloutWorkspace(tmp_path / "workspace", TWO_WAVES)
    with place.services.registry.transaction() as connection:
        settings.set_setting(connection, "demo", "yes")
    place.example.time = datetime.now(UTC)
    return place


Run = Callable[..., Answer]


@pytest.fixture
def run(place: RolloutWorkspace, capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: str, name: str = "oscar") -> Answer:
        given = ["--workspace", str(place.example.root), "--as", name, *arguments]
        capsys.readouterr()
        code = failures.run(lambda: main.run(given))
        captured = capsys.readouterr()
        return Answer(code, captured.out, captured.err)

    return run


def test_a_roll_out_is_shown_and_steered(place: RolloutWorkspace, run: Run) -> None:
    assert "no roll-out is on its way" in run("rollout", "list").err
    number = str(place.begin())
    shown = run("evidence", "2").out
    assert "1 first   ewr" in shown
    assert "live, ends by time, bakes 1h" in shown
    place.keep()

    assert "◐ running" in run("rollout", "list").out
    assert "roll-out 1 of delay/2 is running: 1 of 2 first: live" in run("status").err
    page = run("rollout", "show", number).out
    assert "you may  abort, pause" in page
    assert "● live  ewr  v2 is live, before v1" in page
    assert "○ waiting  jfk  v1 is live" in page
    assert run("rollout", "pause", number, "--reason", "lunch").code == 0
    assert run("--json", "rollout", "show", number).json["next"] == "paused: oscar: lunch"
    assert run("rollout", "resume", number).code == 0
    assert run("rollout", "go-on", number, "--step", "1.1", "--reason", "soon").code == 4
    assert run("rollout", "pause", number, "--reason", "x", name="vera").code == 4
    aborted = run("rollout", "abort", number, "--reason", "complaints")
    assert aborted.err == "roll-out 1 is aborted: ewr back\n"
    assert run("rollout", "abort", number, "--reason", "again").code == 5
    (listed,) = run("--json", "rollout", "list", "--all").json
    assert (listed["state"], listed["why"]) == ("aborted", "oscar: complaints")
    assert "there is no roll-out 9" in run("rollout", "show", "9").err


def test_an_alert_of_a_version_that_went_back_counts_wherever_alerts_are_counted(
    place: RolloutWorkspace, run: Run
) -> None:
    place.report("ewr", 1)
    place.begin()
    place.keep()
    place.report("ewr", 1, failed="sklearn.Foo is not allowed")
    place.keep()

    open_there = [one for one in run("--json", "alerts").json if one["status"] == "open"]
    assert [one["version"] for one in open_there] == [2]
    incident = str(open_there[0]["incident"])
    assert "(pilothouse lift-hold delay)" in run("incident", incident).out
    assert f"pilothouse incident {incident} --ack says that you are on it" in run("incident", incident).out
    said = run("--json", "status").json
    assert sum(one["open_alerts"] for one in said["models"]) == 1
    assert run("--json", "site", "state").json["figures"]["alerts"] == 1


def test_a_roll_back_over_a_selection_and_the_step_that_was_seen(place: RolloutWorkspace, run: Run) -> None:
    number = str(place.begin())
    place.keep()
    assert "(1.1)" in run("rollout", "show", number).out
    wrong = run("rollout", "go-on", number, "--step", "2.1", "--reason", "x")
    assert (wrong.code, "is at step 1.1" in wrong.err) == (5, True)
    assert run("rollout", "go-on", number, "--step", "next").code == 2

    assert run("rollback", "--where", "name = ewr", "--on", "jfk").code == 2
    assert run("rollback").code == 2
    planned = run("rollback", "--where", "name = ewr|jfk", "--plan")
    assert "ewr" in planned.out
    assert "jfk: delay stays: nothing was live there before" in planned.err
    done = run("rollback", "--where", "name = ewr|jfk", "--reason", "complaints")
    assert done.code == 0
    assert "ewr: delay is back at version 1" in done.err
    assert place.live() == {"ewr": 1, "jfk": 1, "lga": 1}


def test_a_policy_asks_every_model_for_a_replay(place: RolloutWorkspace, run: Run) -> None:
    assert run("policy", "set", "--replay", "1h", "--reason", "a bank", name="ada").code != 0
    assert run("policy", "set", "--replay", "28d", "--reason", "a bank", name="ada").code == 0
    assert "replay at least" in run("policy", "show").out
    assert run("--json", "policy", "show").json["replay"] == 28 * 86_400
    assert run("policy", "set", "--replay", "off", "--reason", "no bank", name="ada").code == 0
    assert run("--json", "policy", "show").json["replay"] is None


def test_whoever_sends_a_version_out_reads_where_it_goes_and_that_it_went_back_before(
    place: RolloutWorkspace, run: Run
) -> None:
    number = place.begin()
    place.keep()
    place.report("ewr", 2, failed="it cannot be read")
    place.keep()
    assert place.rollout(number).state is RolloutState.ROLLED_BACK
    (alert,) = [one["id"] for one in run("--json", "alerts").json]
    page = run("rollout", "show", str(number)).out
    assert f"to close alert {alert}: pilothouse resolve" in page
    assert "pilothouse lift-hold delay --reason …; v2 goes out again only by a new request" in page
    assert run("--json", "status").json["models"][0]["open_alerts"] == 1

    asked = run("request", "delay/2", "--reason", "again", name="sam")
    assert "v2 went back before: " in asked.err
    assert "went back" in run("evidence", "3").out
    digest = run("evidence", "3", "--digest").out.strip()
    approved = run("approve", "3", "--evidence", digest, name="pat")
    assert "it goes out by roll-out 2, plan careful: a hold is set on delay" in approved.err
    assert "pilothouse rollout show 2" in approved.err
