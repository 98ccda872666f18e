"""The fleet in windows, groups and roll-outs: what is read is what is shown, and counts are over everything."""

import json
import shutil
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import pytest

from pilothouse.cli import failures, main
from pilothouse.cli.commands.workspaces.workspace import EXIT_UNWATCHED
from pilothouse.composition import open_workspace
from pilothouse.domain.listing import Query, parse_filter
from pilothouse.domain.monitoring.monitoring import Health, ServingState
from pilothouse.operations.fleet import fleet, groups, health
from pilothouse.operations.monitoring import monitor_views
from pilothouse.operations.services import Services
from pilothouse.system.processes import own_name
from pilothouse.system.write_guard import ReadOnly
from support import example, many_deployments
from support.daemons import end_daemon, stand_for_daemon

MODELS, TARGETS = 12, 30


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("fleet") / "workspace"
    root.mkdir()
    many_deployments.build(root, models=MODELS, targets=TARGETS)
    return root


@pytest.fixture
def services(built: Path, tmp_path: Path):
    root = tmp_path / "workspace"
    shutil.copytree(built, root)
    services = open_workspace(root)
    services.now = lambda: example.NOW
    yield services
    services.close()


@pytest.fixture
def pat(services: Services):
    return example.person(services, "pat")


def test_only_the_models_that_there_is_room_for_are_read_and_the_counts_are_over_all(
    services: Services, pat
) -> None:
    shown = fleet.fleet(services, pat, room=3)
    assert shown.window == shown.models[:3]
    assert {state.model for state in shown.states} == set(shown.window)
    assert len(shown.models) == MODELS + 2
    assert sum(shown.counts.values()) == MODELS * TARGETS + 3
    assert list(shown.counts) == sorted(shown.counts, key=lambda h: h.rank)


def test_the_chosen_model_is_in_the_window(services: Services, pat) -> None:
    every = fleet.fleet(services, pat, room=3).models
    for chosen in (every[0], every[2], every[3], every[-1]):
        shown = fleet.fleet(services, pat, chosen, room=3)
        assert chosen in shown.window
        assert shown.window == every[shown.first : shown.first + 3]


def test_the_sickest_model_comes_first(services: Services, pat) -> None:
    ranks = [row.health.rank for row in health.overview(services, pat)]
    assert ranks == sorted(ranks)
    assert [row.model for row in health.overview(services, pat)] == list(
        fleet.fleet(services, pat, room=1).models
    )


@pytest.mark.parametrize("by", ["unit", "region", "product", "labels.tier"])
def test_groups_count_every_deployment_once_and_the_worst_comes_first(
    services: Services, pat, by: str
) -> None:
    found = groups.groups(services, pat, by, unfolded=None)
    total: Counter[str] = Counter()
    for group in found:
        total.update(group.counts)
        assert group.members is not None
        parts: Counter[str] = Counter()
        for member in group.members:
            parts.update(member.counts)
            assert str(member.health) == next(iter(member.counts))
        assert parts == Counter(group.counts)
        assert str(group.health) == next(iter(group.counts))
    assert total == Counter({str(h): n for h, n in health.watch(services, pat).counts.items()})
    ranks = [group.health.rank for group in found]
    assert ranks == sorted(ranks)


def test_a_group_names_its_worst_deployment_and_has_models_only_where_they_are_asked_for(
    services: Services, pat
) -> None:
    found = groups.groups(services, pat, "region", unfolded={"emea"})
    assert {group.name for group in found if group.members is not None} == {"emea"}
    for group in found:
        page = health.states_page(services, pat, Query(where=(("region", group.name),), after=500))
        assert page.total == sum(group.counts.values())
        worst = [f"{s.model} on {s.target}: {s.why}" for s in page.rows if s.health is group.health]
        assert group.why in worst or group.health in (Health.HEALTHY, Health.NOT_DEPLOYED)


def test_targets_are_grouped_by_what_some_of_them_have_their_labels_included(services: Services, pat) -> None:
    assert groups.groupings(services, pat) == ("unit", "region", "product", "labels.tier")
    found = {group.name: group for group in groups.groups(services, pat, "labels.tier")}
    assert set(found) == {"gold", "silver", ""}
    page = health.states_page(services, pat, Query(where=(("labels.tier", "gold"),), after=500))
    assert page.total == sum(found["gold"].counts.values()) == MODELS * TARGETS // 2
    none = health.states_page(services, pat, Query(where=(("labels.tier", ""),)))
    assert none.total == 3


def test_deployments_are_read_window_by_window_the_worst_first(services: Services, pat) -> None:
    first = health.states_page(services, pat, Query(after=50))
    assert first.total == MODELS * TARGETS + 3
    ranks = [state.health.rank for state in first.rows]
    assert ranks == sorted(ranks)
    assert ranks[0] == 0
    following = health.states_page(services, pat, Query(anchor=first.rows[-1].id, after=50))
    assert following.rows[0] == first.rows[-1]
    assert following.first == 49


def test_deployments_are_filtered_and_sorted_by_what_the_list_shows(services: Services, pat) -> None:
    query = Query(filter=parse_filter("health!=healthy region=us-east"), sort="target")
    page = health.states_page(services, pat, query)
    assert page.rows
    assert {state.region for state in page.rows} == {"us-east"}
    assert Health.HEALTHY not in {state.health for state in page.rows}
    assert [s.target for s in page.rows] == sorted(s.target for s in page.rows)
    unwell = health.states_page(services, pat, Query(unhealthy=True)).rows
    assert Health.HEALTHY not in {state.health for state in unwell}


def test_a_version_that_loads_is_on_its_way_however_many_requests_came_after(services: Services, pat) -> None:
    """A roll-out is found from what is unfinished, not among the newest requests."""
    with services.registry.transaction() as connection:
        (deployment,) = connection.execute(
            "SELECT s.deployment_id FROM deployment_states s JOIN models m ON m.id = s.model_id "
            "JOIN targets t ON t.id = s.target_id WHERE m.name = 'flight-delay' AND t.name = 'jfk'"
        ).fetchone()
        connection.execute(
            "UPDATE deployment_states SET serving = 'loading' WHERE deployment_id = ?", (deployment,)
        )
        (request,) = connection.execute(
            "SELECT request_id FROM deployments WHERE id = ?", (deployment,)
        ).fetchone()
    found = {r.request: r for r in fleet.fleet(services, pat, room=2).roll_outs}
    assert found[request].under_way == ("jfk",)
    assert not found[request].waits


def test_a_request_that_is_live_on_a_part_of_its_targets_is_on_its_way(services: Services, pat) -> None:
    with services.registry.transaction() as connection:
        request, model, version = connection.execute(
            "SELECT q.id, q.model_id, q.version_id FROM promotion_requests q JOIN models m ON m.id = q.model_id "
            "WHERE m.name = 'flight-delay' AND q.status = 'deployed' ORDER BY q.id DESC LIMIT 1"
        ).fetchone()
        connection.execute(
            "INSERT INTO request_targets (request_id, model_id, target_id, open) "
            "SELECT ?, ?, id, 0 FROM targets WHERE name = 'target-000'",
            (request, model),
        )
    found = {r.request: r for r in fleet.fleet(services, pat).roll_outs}
    assert version
    assert found[request].to_come == ("target-000",)
    assert set(found[request].there) == {"ewr", "jfk"}


def test_every_roll_out_is_counted_though_few_are_looked_up(services: Services, pat) -> None:
    with services.registry.transaction() as connection:
        connection.execute(
            "INSERT INTO promotion_requests (model_id, version_id, status, requested_by, trained_by, reason, recorded_at, "
            "expires_at, policy, policy_digest, evidence, evidence_digest) "
            "SELECT v.model_id, v.id, 'open', q.requested_by, q.trained_by, q.reason, q.recorded_at, q.expires_at, q.policy, "
            "q.policy_digest, json_set(q.evidence, '$.incumbents', json_object('target-001', 1)), "
            "q.evidence_digest FROM versions v JOIN models m ON m.id = v.model_id, "
            "(SELECT * FROM promotion_requests LIMIT 1) q WHERE m.name LIKE 'model-%'"
        )
        connection.execute(
            "INSERT INTO request_targets (request_id, model_id, target_id, incumbent_id) "
            "SELECT q.id, q.model_id, t.id, q.version_id FROM promotion_requests q "
            "JOIN models m ON m.id = q.model_id JOIN targets t ON t.name = 'target-001' "
            "WHERE m.name LIKE 'model-%'"
        )
    shown = fleet.fleet(services, pat, room=1)
    assert len(shown.roll_outs) + shown.more_roll_outs == MODELS + 1


def test_the_health_of_models_is_that_of_the_overview(services: Services, pat) -> None:
    healths = health.health_of_models(services, pat)
    assert healths == {row.model: row.health for row in health.overview(services, pat)}
    assert next(iter(healths.values())) is health.fleet_health(services, pat)


def test_where_nothing_can_be_written_states_are_not_said_to_be_watched(services: Services, pat) -> None:
    stand_for_daemon(services)
    assert health.watch(services, pat).unwatched == ""
    services.write_guard.close(ReadOnly("person", "moving house", "2013-06-30T12:00:00+00:00", "pat"))
    assert health.watch(services, pat).unwatched == (
        "nothing can be written since 2013-06-30 12:00: nothing is watched, states are as of then"
    )


@pytest.mark.parametrize("command", ["status", "targets", "monitor", "models", "deployments"])
def test_every_door_says_that_nobody_watches(
    services: Services, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    target = health.target_states(services, example.person(services, "pat"))[0]
    given = ("monitor", target.model, target.target) if command == "monitor" else (command,)
    failures.run(lambda: main.run(["--workspace", str(services.paths.root), "--as", "pat", *given]))
    assert "nothing is watched" in capsys.readouterr().err
    failures.run(lambda: main.run(["--workspace", str(services.paths.root), "--as", "pat", "--json", *given]))
    told = json.loads(capsys.readouterr().out)
    rows = told if isinstance(told, list) else [told]
    assert all("nothing is watched" in row["unwatched"] for row in rows)


def test_nothing_is_called_healthy_while_nobody_watches(
    services: Services, pat, capsys: pytest.CaptureFixture[str]
) -> None:
    with services.registry.transaction() as connection:
        for table in ("deployment_states", "model_states"):
            connection.execute(
                f"UPDATE {table} SET health = 'healthy', severity = ?, why = 'within its reference'",
                (Health.HEALTHY.rank,),
            )
    stand_for_daemon(services)
    assert health.fleet_health(services, pat) is Health.HEALTHY
    end_daemon(services)
    assert {row.health for row in health.overview(services, pat)} == {Health.NOT_JUDGED}
    assert set(health.health_of_models(services, pat).values()) == {Health.NOT_JUDGED}
    assert health.watch(services, pat).counts.keys() == {Health.NOT_JUDGED}
    assert fleet.fleet(services, pat).counts.keys() == {Health.NOT_JUDGED}
    assert {group.health for group in groups.groups(services, pat, "region")} == {Health.NOT_JUDGED}
    (state, *_) = health.states_page(services, pat, Query(filter=parse_filter("watches"))).rows
    assert (state.health, state.why) == (
        Health.NOT_JUDGED,
        "nothing watches: was healthy, within its reference",
    )
    view = monitor_views.monitor_view(services, pat, state.model, state.target)
    assert view.state is not None
    assert view.state.health is Health.NOT_JUDGED
    assert not {ServingState.ANSWERING, ServingState.LOADING} & {
        s.serving for s in health.target_states(services, pat)
    }
    given = ["--workspace", str(services.paths.root), "--as", "pat", "status"]
    assert failures.run(lambda: main.run(given)) == EXIT_UNWATCHED
    assert " healthy " not in capsys.readouterr().out


def test_a_daemon_that_has_only_just_started_does_not_watch_yet(services: Services, pat) -> None:
    """It leads before it has written that it runs: whose reports count is not known until then."""
    services.paths.daemon_lock.write_text(json.dumps(asdict(own_name())))
    with services.registry.transaction() as connection:
        connection.execute("DELETE FROM processes")
    assert health.watch(services, pat).unwatched == "the daemon has only just started: nothing is watched yet"
