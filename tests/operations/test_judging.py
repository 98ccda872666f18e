"""What the list shows of an incident is what its alerts say, whatever happens to them; and the most that it has cost stays."""

import random
from datetime import timedelta

import pytest

from fixtures.registries import START, Example, raised
from pilothouse.domain.monitoring.incidents import Cost
from pilothouse.domain.records import AlertStatus
from pilothouse.operations.alerts import alerts, incident_cost, incidents
from pilothouse.store.deployed import alerts as alert_rows
from pilothouse.store.deployed import incidents as incident_rows


@pytest.fixture
def port(example: Example) -> Example:
    example.apply()
    example.add_version()
    return example


def listed(port: Example) -> dict[int, tuple[object, ...]]:
    with port.services.registry.read() as connection:
        rows = connection.execute(
            "SELECT id, state, severity, since, inside, place, cause FROM incidents WHERE merged_into IS NULL"
        )
        return {row["id"]: tuple(row)[1:] for row in rows}


def said_by_alerts(port: Example) -> dict[int, tuple[object, ...]]:
    found = incidents.list_incidents(port.services, port.actor("vera"))
    return {
        i.id: (
            str(i.status), i.severity, int(i.since.timestamp() * 1e6), len(i.alerts), ", ".join(i.targets), i.cause,
        )
        for i in found
    }  # fmt: skip


def test_the_list_follows_the_alerts_whatever_happens(port: Example) -> None:
    chance, oscar = random.Random(5), port.actor("oscar")
    kinds = ("data_drift", "score_drift", "performance", "latency", "errors", "data_quality")
    states = set()
    for _ in range(120):
        port.pass_time(minutes=chance.choice((1, 300)))
        going_on = [
            a for a in alerts.list_alerts(port.services, oscar) if a.status is not AlertStatus.RESOLVED
        ]
        match chance.randrange(5 if going_on else 1):
            case 0 | 1:
                raised(
                    port, chance.choice(kinds), chance.choice(("ewr", "jfk")), chance.choice(("wind", "load")),
                    severity=chance.choice(("warning", "critical")), effective_at=START + timedelta(days=chance.randrange(90)),
                )  # fmt: skip
            case 2:
                alerts.resolve(port.services, oscar, chance.choice(going_on).id, "seen")
            case 3 if waiting := [a for a in going_on if a.status is AlertStatus.OPEN]:
                alerts.acknowledge(port.services, oscar, chance.choice(waiting).id)
            case _:
                incidents.resolve(port.services, oscar, chance.choice(going_on).incident or 0, "over")
        assert listed(port) == said_by_alerts(port)
        states |= {row[0] for row in listed(port).values()}
        with port.services.registry.read() as connection:
            assert incident_rows.to_judge(connection, 10, going_on=False) == []
            assert incident_rows.unlike_their_alerts(connection) == []
    assert states == {"open", "acknowledged", "resolved"}
    assert any(", " in str(row[4]) for row in listed(port).values()), "one of them is on two targets"


def test_an_alert_that_changes_past_the_operations_is_followed_too_and_waits_to_be_judged(
    port: Example,
) -> None:
    number = raised(port, "performance").incident or 0
    with port.services.registry.transaction() as connection:
        alert_rows.set_status(connection, 1, AlertStatus.RESOLVED, by="x", at=port.time)
    assert listed(port)[number][0] == "resolved"
    with port.services.registry.read() as connection:
        assert [row.id for row in incident_rows.to_judge(connection, 10, going_on=False)] == [number]
    assert incident_cost.judge_changed(port.services, windows_closed=False) == 1
    assert incident_cost.judge_changed(port.services, windows_closed=False) == 0


def test_an_alert_is_handled_where_telemetry_cannot_be_read(port: Example) -> None:
    alert = raised(port, "performance")
    path = port.services.paths.telemetry
    path.write_bytes(b"no database at all" * 400)
    path.chmod(0o600)
    done = alerts.resolve(port.services, port.actor("oscar"), alert.id, "seen")
    assert done.status is AlertStatus.RESOLVED
    with port.services.registry.read() as connection:
        assert [row.id for row in incident_rows.to_judge(connection, 10, going_on=False)] == [alert.incident]


def cost_is(port: Example, number: int, cost: Cost) -> None:
    with port.services.registry.transaction() as connection:
        incident_rows.set_judgement(connection, number, "auc worse", cost, port.time)


def test_the_most_that_it_cost_stays_when_it_is_over(port: Example) -> None:
    number = raised(port, "performance").incident or 0
    dear = Cost(0, 900.0, "auc −0.09 on 10,000 predictions a week on ewr")
    cost_is(port, number, dear)
    assert incident_cost.judge_changed(port.services, windows_closed=True) == 0
    oscar = port.actor("oscar")
    assert incidents.get_incident(port.services, oscar, number).cost.words == "no loss is known", "by now"
    over = incidents.resolve(port.services, oscar, number, "mended")
    assert over.cost == dear


def test_where_more_goes_on_than_is_shown_the_dearest_are(port: Example) -> None:
    numbers = [raised(port, kind).incident or 0 for kind in ("performance", "latency")]
    numbers.append(raised(port, "errors", "jfk").incident or 0)
    assert len(set(numbers)) == 3
    for number, cost in zip(
        numbers, (Cost(0, 2.0, "a"), Cost(2, 900.0, "b"), Cost(0, 5.0, "c")), strict=True
    ):
        cost_is(port, number, cost)
    found = incidents.list_incidents(port.services, port.actor("vera"), unresolved=True, limit=2)
    assert {i.id for i in found} == {numbers[0], numbers[2]}


def test_what_the_younger_cost_goes_to_the_older_where_it_was_dearer(port: Example) -> None:
    older = raised(port, "performance", "ewr").incident or 0
    younger = raised(port, "data_drift", "jfk", "wind").incident or 0
    dear = Cost(1, 3.0, "3 features drift")
    cost_is(port, younger, dear)
    raised(port, "data_drift", "ewr", "wind")
    with port.services.registry.read() as connection:
        found = incident_rows.find(connection, older)
    assert found is not None
    assert found.most == dear


def test_the_higher_cost_is_kept() -> None:
    loss, more, drift = Cost(0, 5.0, "a"), Cost(0, 6.0, "b"), Cost(1, 900.0, "c")
    assert incident_cost.higher_cost(loss, None) == loss
    assert incident_cost.higher_cost(loss, more) == more
    assert incident_cost.higher_cost(more, loss) == more
    assert incident_cost.higher_cost(drift, loss) == loss
    assert incident_cost.higher_cost(Cost(0, 5.0, "again"), loss) == loss
