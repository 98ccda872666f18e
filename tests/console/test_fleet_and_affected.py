"""What is on its way in the fleet, what a bad commit or data set reaches, two versions side by side, distributions."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from pilothouse.cli import failures, main
from pilothouse.console.screenshots import settle
from pilothouse.console.widgets.grid import Grid
from pilothouse.domain.errors import InvalidInputError, NotFoundError
from pilothouse.domain.monitoring.monitoring import Health
from pilothouse.domain.targets import Difference
from pilothouse.operations.fleet import fleet
from pilothouse.operations.models import affected, comparisons, lineage
from pilothouse.operations.monitoring import distributions
from pilothouse.operations.promotion import promotions
from pilothouse.operations.services import Services
from pilothouse.presentation.tables.fleet_rows import fleet_table
from pilothouse.store.deployed import differences
from support import example


@pytest.fixture
def services(workspace: Path):
    with example.opened(workspace) as opened:
        yield opened


@pytest.fixture
def pat(services: Services):
    return example.person(services, "pat")


def test_a_request_that_waits_is_on_its_way_to_its_targets(services: Services, pat) -> None:
    found = fleet.fleet(services, pat)
    assert [(r.model, r.version, r.waits, r.to_come) for r in found.roll_outs] == [
        ("flight-delay", 3, True, ("ewr", "jfk"))
    ]
    assert {(s.model, s.target) for s in found.states} == {
        ("flight-delay", "ewr"), ("flight-delay", "jfk"), ("bike-demand", "washington"),
    }  # fmt: skip


def test_a_version_that_was_rolled_back_on_a_target_is_not_on_its_way_there(services: Services, pat) -> None:
    promotions.approve(services, pat, 3, promotions.get_request(services, pat, 3).evidence_digest)
    (found,) = fleet.fleet(services, pat).roll_outs
    assert found.under_way == ("ewr", "jfk"), "deployed, and the serving processes have yet to load it"
    example.roll_back_silently(services, "flight-delay", "jfk", 1)
    (found,) = fleet.fleet(services, pat).roll_outs
    assert (found.version, found.waits, found.there, found.to_come) == (3, False, ("ewr",), ())
    assert found.under_way == ("ewr",)
    example.roll_back_silently(services, "flight-delay", "ewr", 1)
    assert fleet.fleet(services, pat).roll_outs == ()


def test_while_no_event_has_come_the_age_is_that_of_the_deployment_by_the_clock_on_the_wall(
    services: Services, pat
) -> None:
    found = fleet.fleet(services, pat)
    flights = [s for s in found.states if s.model == "flight-delay"]
    now = max(s.deployment.recorded_at for s in flights) + timedelta(minutes=5)
    replayed = [replace(s.deployment, effective_at=now - timedelta(days=4_773)) for s in flights]
    silent = replace(
        found,
        window=("flight-delay",),
        states=tuple(
            replace(s, deployment=d, event_clock=None, health=Health.NO_DATA)
            for s, d in zip(flights, replayed, strict=True)
        ),
    )
    table = fleet_table(silent, "flight-delay", "nothing", now)
    ages = [row.cells[1].text.split()[4] for row in table.rows if row.cells[1].text]
    assert ages == ["5m", "5m"]


def test_the_age_in_the_fleet_is_that_of_the_state_and_not_of_the_version(services: Services, pat) -> None:
    found = fleet.fleet(services, pat)
    (jfk,) = [s for s in found.states if (s.model, s.target) == ("flight-delay", "jfk")]
    assert jfk.since is not None
    now = jfk.since + timedelta(days=900)

    def told(**changes: object) -> str:
        alone = replace(
            found,
            window=("flight-delay",),
            states=(replace(jfk, **changes),),
            places=tuple(place for place in found.places if place.target == "jfk"),
        )
        return fleet_table(alone, "", "nothing", now).rows[0].cells[1].text.split(" ◆")[0]

    assert told(health=Health.CRITICAL, event_clock=jfk.since + timedelta(hours=5)) == "✖ v1 critical 5h"
    assert told(health=Health.DOWN, since=now - timedelta(seconds=61)).endswith("v1 down 1m")
    assert told(health=Health.HEALTHY) == "● v1 healthy"


def test_a_target_that_runs_another_version_than_it_should_says_so_first(services: Services, pat) -> None:
    found = fleet.fleet(services, pat)
    (jfk,) = [s for s in found.states if (s.model, s.target) == ("flight-delay", "jfk")]
    places = tuple(place for place in found.places if place.target == "jfk")

    def told(actual: int | None, health: Health | None) -> tuple[str, str]:
        states = (replace(jfk, health=health),) if health is not None else ()
        alone = replace(found, window=("flight-delay",), states=states, places=places, roll_outs=())
        differs = Difference("jfk", "flight-delay", 1, actual, "it loads", example.NOW)
        now = example.NOW + timedelta(minutes=5)
        cell = fleet_table(alone, "", "nothing", now, {("flight-delay", "jfk"): differs}).rows[0].cells[1]
        return cell.text, cell.tone

    assert told(4, Health.HEALTHY) == ("● v1 ≠v4 5m healthy", "warn")
    assert told(None, Health.CRITICAL) == ("✖ v1 ≠none 5m critical", "bad")
    assert "≠" not in told(None, Health.DOWN)[0], "nobody knows what it runs"
    assert told(4, None) == ("≠v4 5m", "warn")


async def test_a_difference_is_in_fleet_and_monitor_on_a_small_terminal_and_in_status(
    make_console, workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with example.opened(workspace) as opened, opened.registry.transaction() as connection:
        differences.put(
            connection,
            [Difference("jfk", "flight-delay", 1, 7, "it loads", example.NOW - timedelta(hours=2))],
        )
    app = make_console("pat", start="fleet")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        cells = [cell.text for row in app.view.query_one("#grid", Grid)._rows for cell in row.cells]
        (cell,) = [text for text in cells if "≠" in text]
        assert "≠v7 2h" in cell
        app.view.open_view("monitor", "flight-delay", "jfk")
        await settle(pilot)
        assert "≠ runs v7 since" in str(app.view.query_one("#facts").render())
    failures.run(lambda: main.run(["--workspace", str(workspace), "--as", "pat", "status"]))
    assert "jfk: flight-delay should run 1, runs 7: it loads, since" in capsys.readouterr().err


def test_bad_rows_reach_every_version_trained_on_them(services: Services, pat) -> None:
    tree = lineage.lineage(services, pat, "flight-delay/1")
    snapshot = next(node for node in tree.children[0].children if node.kind == "snapshot")
    found = affected.affected(services, pat, snapshot.key)
    assert all("rows" in version.how for version in found.versions)
    assert "flight-delay" in {version.model for version in found.versions}
    first = next(v for v in found.versions if (v.model, v.number) == ("flight-delay", 1))
    assert first.live_on == ("ewr", "jfk")
    assert [(s.target, s.until) for s in first.stays] == [("ewr", None), ("jfk", None)]


def test_a_version_itself_comes_first_and_open_requests_are_named(services: Services, pat) -> None:
    found = affected.affected(services, pat, "flight-delay/3")
    assert (found.versions[0].number, found.versions[0].how, found.versions[0].open_requests) == (
        3,
        ("itself",),
        (3,),
    )


@pytest.mark.parametrize(
    ("asked", "error"), [("0123abc", NotFoundError), ("x", InvalidInputError), ("abc", InvalidInputError)]
)
def test_what_is_no_digest_and_no_version_is_refused(
    services: Services, pat, asked: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        affected.affected(services, pat, asked)


def test_sides_by_side_say_when_code_was_not_kept(services: Services, pat) -> None:
    found = comparisons.compare(services, pat, "flight-delay/1", "flight-delay/3")
    assert found.code == ()
    assert "was not kept" in found.code_note
    assert {row.group for row in found.rows} >= {"metrics", "parameters", "data", "environment"}


async def test_figures_of_different_rows_are_marked_in_the_comparison(make_console) -> None:
    app = make_console("pat", start="compare flight-delay/1 flight-delay/3")
    async with app.run_test(size=(100, 30)) as pilot:
        await settle(pilot)
        grid = app.view.query_one("#grid", Grid)
        grid.select("metrics/auc")
        await settle(pilot)
        row = next(row for row in grid._rows if row.key == "metrics/auc")
        assert row.cells[1].text == "auc ≁ other rows"
        assert "the two figures cannot be compared" in str(app.view.query_one("#whole").render())


def test_distributions_are_shares_of_the_window_and_of_the_reference(services: Services, pat) -> None:
    found = distributions.feature_distribution(services, pat, "flight-delay", "jfk", "wind")
    assert found is not None
    assert sum(b.window for b in found.bins) == pytest.approx(1)
    assert sum(b.reference for b in found.bins) == pytest.approx(1)
    assert found.window_rows > 0
    with pytest.raises(NotFoundError, match="has no feature 'nose'"):
        distributions.feature_distribution(services, pat, "flight-delay", "jfk", "nose")
