"""The state of a deployment on the command line: the same words, dates and grounds in every command."""

import shutil
import sqlite3
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from pilothouse.cli import failures, main
from pilothouse.cli.commands.models import jobs
from pilothouse.domain.monitoring.monitoring import Health
from pilothouse.operations.alerts import incidents
from pilothouse.operations.fleet.health import watch
from pilothouse.operations.promotion import deployments, promotions
from pilothouse.presentation.tables.incidents import no_incidents_text
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


def test_every_table_of_the_evidence_in_markdown_has_headings(say) -> None:
    code, shown = say("evidence", "show", "1", "--markdown")
    assert code == 0
    lines = shown.splitlines()
    headings = [lines[i - 1] for i, line in enumerate(lines) if line.startswith("| :--")]
    assert "| verdict | gate | reason |" in headings
    assert "| metric | value | 95 % interval | rows |" in headings
    assert [one for one in headings if not all(name.strip() for name in one.strip("| ").split("|"))] == []
    assert "- **python**: " in shown


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


def test_a_list_without_open_incidents_says_whether_there_were_any(
    built: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "workspace"
    shutil.copytree(built, root)
    with example.opened(root) as services:
        olga = example.person(services, "olga")
        found = incidents.list_incidents(services, olga, unresolved=True)
        for incident in found:
            incidents.resolve(services, olga, incident.id, "looked into")
    assert found
    failures.run(lambda: main.run(["--workspace", str(root), "--as", "olga", "incidents"]))
    told = capsys.readouterr().err
    assert f"no incidents are open: {len(found)} are over; pilothouse incidents --all lists them" in told
    text, well = no_incidents_text, {Health.HEALTHY: 2}
    assert text(0, "o", well) == "no incidents: nothing has left its reference"
    assert text(0, "o", well, model="delay", unwatched="no daemon") == "no incidents of delay: no daemon"
    assert text(1, "o", well) == "no incidents are open: 1 is over; o lists them"


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ({Health.NOT_JUDGED: 1}, "1 deployment, 1 not judged"),
        (
            {Health.NO_DATA: 1, Health.HEALTHY: 2, Health.NOT_DEPLOYED: 4},
            "3 deployments, 1 no data, 2 healthy",
        ),
        ({Health.NOT_DEPLOYED: 1}, "nothing is deployed"),
        ({}, "nothing is deployed"),
    ],
)
def test_of_deployments_that_are_not_judged_nobody_says_that_nothing_has_left_its_reference(
    counts: dict[Health, int], said: str
) -> None:
    assert no_incidents_text(0, "o", counts) == f"no incidents: {said}"


def test_the_list_of_a_models_incidents_goes_by_the_health_of_that_model(
    built: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "workspace"
    shutil.copytree(built, root)
    example.start_daemon(root)
    with example.opened(root) as services, services.registry.transaction() as connection:
        for health, model in ((Health.NOT_JUDGED, "bike-demand"), (Health.HEALTHY, "flight-delay")):
            connection.execute(
                "UPDATE deployment_states SET health = ?, severity = ? "
                "WHERE model_id = (SELECT id FROM models WHERE name = ?)",
                (health, health.rank, model),
            )
    with example.opened(root) as services:
        counted = watch(services, example.person(services, "olga"), "bike-demand").counts
        assert set(counted) <= {Health.NOT_JUDGED, Health.NOT_DEPLOYED}
    failures.run(
        lambda: main.run(["--workspace", str(root), "--as", "olga", "incidents", "--model", "bike-demand"])
    )
    assert "nothing has left its reference" not in capsys.readouterr().err


def test_nothing_is_advised_in_the_past(built: Path, capsys: pytest.CaptureFixture[str]) -> None:
    at = ["--workspace", str(built), "--as", "olga", "--at", "2000-01-01"]
    assert failures.run(lambda: main.run([*at, "models"])) == 0
    assert capsys.readouterr().err.strip() == "nothing of this was there at 2000-01-01"


def test_a_job_that_nobody_starts_says_so(built: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["--workspace", str(built), "--as", "sam", "train", "flight-delay", "--reason", "again"]
    assert failures.run(lambda: main.run(command)) == 0
    assert (
        "no daemon runs, so the job waits: start one with pilothouse daemon start" in capsys.readouterr().err
    )


def test_what_was_live_at_a_time_is_answered_by_the_wall_clock_and_dated_by_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The data of a target may be of years ago, or have stopped before the deployment was made."""
    root = tmp_path / "workspace"
    root.mkdir()
    example.build(root)
    with example.opened(root) as services:
        pat = example.person(services, "pat")
        promotions.approve(services, pat, 3, promotions.get_request(services, pat, 3).evidence_digest)
        (made,) = deployments.list_deployments(services, pat, model="flight-delay", target="jfk")
    assert made.version == 3
    assert made.effective_at < made.recorded_at

    def say(time: datetime, *options: str) -> list[list[str]]:
        command = ["--workspace", str(root), "--as", "olga", "deployed", "--at", time.isoformat()]
        assert failures.run(lambda: main.run([*command, *options])) == 0
        return [line.split() for line in capsys.readouterr().out.splitlines() if "jfk" in line]

    (before,) = say(made.recorded_at - timedelta(seconds=1))
    assert before[2] != "v3"
    (then,) = say(made.recorded_at)
    assert then[2:5] == ["v3", f"{made.recorded_at:%Y-%m-%d}", f"{made.recorded_at:%H:%M}"]
    (of_data,) = say(made.effective_at, "--clock", "event")
    assert of_data[2:5] == ["v3", f"{made.effective_at:%Y-%m-%d}", f"{made.effective_at:%H:%M}"]


def test_where_nothing_was_live_by_the_wall_clock_the_other_clock_is_named(
    built: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "workspace"
    shutil.copytree(built, root)
    with sqlite3.connect(
        root / "state" / "registry.db"
    ) as connection:  # as if an old history had been replayed
        for (name,) in connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'deployments'"
        ).fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute("UPDATE deployments SET recorded_at = recorded_at + 400000000000000")
        (time,) = connection.execute(
            "SELECT datetime(max(effective_at) / 1000000, 'unixepoch') FROM deployments"
        ).fetchone()
    failures.run(lambda: main.run(["--workspace", str(root), "--as", "olga", "deployed", "--at", time]))
    said = capsys.readouterr().err
    assert "deployments: --clock event lists what was live then" in said
    assert f"nothing was live at {time} by the wall clock" in said


def test_a_comparison_that_passed_though_worse_is_marked_in_show_as_in_the_evidence(
    built: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "workspace"
    shutil.copytree(built, root)

    def verdict(name: str) -> str:
        command = ["--workspace", str(root), "--as", "olga", "show", "flight-delay/1"]
        assert failures.run(lambda: main.run(command)) == 0
        (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith(f"{name} ")]
        return line

    assert "● passed" in verdict("comparison")
    _without_triggers(
        root,
        "version_gates",
        "UPDATE version_gates SET figures = replace(figures, '0.032', '-0.032') WHERE gate = 'comparison'",
    )
    assert "▲ passed, worse" in verdict("comparison")
    assert "● passed" in verdict("latency")


def test_the_list_of_versions_sets_beside_one_another_only_figures_of_the_same_rows(
    built: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "workspace"
    shutil.copytree(built, root)
    figures = '{"difference":-0.02,"candidate":0.701,"incumbent":0.721,"rows":900}'
    _without_triggers(
        root,
        "version_gates",
        f"UPDATE version_gates SET gate = 'comparison.v1', figures = '{figures}' WHERE gate = 'comparison' "
        "AND version_id IN (SELECT v.id FROM versions v JOIN models m ON m.id = v.model_id "
        "WHERE m.name = 'flight-delay' AND v.number = 2)",
    )
    assert (
        failures.run(lambda: main.run(["--workspace", str(root), "--as", "olga", "versions", "flight-delay"]))
        == 0
    )
    head, *lines = capsys.readouterr().out.splitlines()
    assert "ON SAME ROWS" in head
    assert ["0.701, v1 0.721" in line for line in lines] == ["v2" in line.split()[:1] for line in lines]


def _without_triggers(root: Path, table: str, change: str) -> None:
    """Change a table that is sealed, as no release of the product does."""
    with sqlite3.connect(root / "state" / "registry.db") as connection:
        for (name,) in connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ?", (table,)
        ).fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        assert connection.execute(change).rowcount


def test_nobody_waits_for_a_job_that_no_daemon_will_end(
    built: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "_ALONE_S", 0.0)
    command = [
        "--workspace",
        str(built),
        "--as",
        "sam",
        "train",
        "flight-delay",
        "--reason",
        "again",
        "--wait",
    ]
    assert failures.run(lambda: main.run(command)) != 0
    said = capsys.readouterr().err
    assert "stays queued: start one with pilothouse daemon start" in said
    assert "Traceback" not in said
