"""Alerts with one cause are one incident from the transaction that opens them on; what is done to it is done to all."""

from datetime import timedelta

import pytest

from fixtures.registries import START, Example, raised
from pilothouse.domain.errors import ConflictError, InvalidInputError, NotAllowedError, NotFoundError
from pilothouse.domain.records import AlertStatus
from pilothouse.operations.alerts import alerts, incident_grouping, incidents
from pilothouse.operations.workspace import audits
from pilothouse.sqlite import driver
from pilothouse.store.deployed import alerts as alert_rows


@pytest.fixture
def port(example: Example) -> Example:
    example.apply()
    example.add_version()
    return example


def test_alerts_with_one_cause_are_one_row(port: Example) -> None:
    first = raised(port, "data_drift", "ewr", "wind")
    second = raised(port, "performance", "ewr")
    third = raised(port, "data_drift", "jfk", "wind")
    apart = raised(port, "latency", "jfk")

    found = incidents.list_incidents(port.services, port.actor("vera"))

    assert sorted([a.id for a in i.alerts] for i in found) == [[first.id, second.id, third.id], [apart.id]]
    assert first.joined_because == ""
    assert third.joined_because == "wind drifts on jfk as on ewr: one cause upstream"


def test_one_that_shows_two_to_be_the_same_merges_them(port: Example) -> None:
    loss = raised(port, "performance", "ewr")
    drift = raised(port, "data_drift", "jfk", "wind")
    incidents.assign(port.services, port.actor("oscar"), drift.incident or 0, "oscar")
    raised(port, "data_drift", "ewr", "wind")

    (found,) = incidents.list_incidents(port.services, port.actor("vera"))

    assert found.id == loss.incident
    assert len(found.alerts) == 3
    assert found.assignee == "oscar"
    assert incidents.get_incident(port.services, port.actor("vera"), drift.incident or 0).id == found.id
    (moved,) = [a for a in found.alerts if a.id == drift.id]
    assert "showed that incident" in moved.joined_because


def test_an_alert_does_not_join_what_is_over(port: Example) -> None:
    first = raised(port, "data_drift", "ewr", "wind")
    port.pass_time(minutes=1)
    alerts.resolve_alert_automatically(port.services, first.id, "quiet")
    port.pass_time(minutes=1)
    later = raised(port, "performance", "ewr")

    assert later.incident != first.incident
    (going_on, over) = incidents.list_incidents(port.services, port.actor("vera"))
    assert (going_on.status, over.status) == (AlertStatus.OPEN, AlertStatus.RESOLVED)
    assert over.resolved_at is not None


def test_handling_an_incident_handles_all_its_alerts_in_one_transaction_on_the_record(port: Example) -> None:
    oscar = port.actor("oscar")
    numbers = [raised(port, kind, "ewr", "wind").id for kind in ("data_drift", "score_drift", "performance")]
    (found,) = incidents.list_incidents(port.services, oscar)

    seen = incidents.acknowledge(port.services, oscar, found.id, "looking")
    over = incidents.resolve(port.services, oscar, found.id, "a storm")

    assert seen.status is AlertStatus.ACKNOWLEDGED
    assert {a.note for a in seen.alerts} == {"looking"}
    assert over.status is AlertStatus.RESOLVED
    entries = audits.show(port.services, port.actor("aud"), limit=20)
    whole = [e for e in entries if e.action.startswith("incident.")]
    assert [e.action for e in whole] == ["incident.resolved", "incident.acknowledged"]
    assert whole[0].detail["alerts"] == numbers
    assert whole[0].detail["reason"] == "a storm"
    assert sum(e.action == "alert.resolved" for e in entries) == 3
    with pytest.raises(ConflictError, match="resolved already"):
        incidents.resolve(port.services, oscar, found.id, "again")
    with pytest.raises(ConflictError, match="no open alert"):
        incidents.acknowledge(port.services, oscar, found.id)


def test_whoever_acknowledges_looks_after_the_incident_and_the_log_has_one_row_for_it(port: Example) -> None:
    oscar, olga = port.actor("oscar"), port.actor("ada")
    first = raised(port, "data_drift", "ewr", "wind")
    raised(port, "performance", "ewr")
    before = len(audits.show(port.services, port.actor("aud"), limit=50))

    alerts.acknowledge(port.services, oscar, first.id, "looking")

    entries = audits.show(port.services, port.actor("aud"), limit=50)
    assert len(entries) == before + 1
    assert (entries[0].action, entries[0].subject) == ("alert.acknowledged", f"alert {first.id}")
    assert entries[0].detail["assignee"] == "oscar"
    (found,) = incidents.list_incidents(port.services, oscar)
    assert (found.assignee, found.status) == ("oscar", AlertStatus.OPEN)

    seen = incidents.acknowledge(port.services, olga, found.id)

    entries = audits.show(port.services, port.actor("aud"), limit=50)
    assert len(entries) == before + 2
    assert entries[0].action == "incident.acknowledged"
    assert (seen.assignee, seen.status) == ("oscar", AlertStatus.ACKNOWLEDGED), "nobody is taken off it"


def test_who_acknowledges_an_incident_that_is_nobodys_is_on_it(port: Example) -> None:
    found = raised(port, "performance", "ewr")
    assert incidents.acknowledge(port.services, port.actor("oscar"), found.incident or 0).assignee == "oscar"


def test_nothing_is_handled_where_one_of_its_alerts_cannot_be(
    port: Example, monkeypatch: pytest.MonkeyPatch
) -> None:
    raised(port, "data_drift", "ewr", "wind")
    second = raised(port, "performance", "ewr")
    real = alert_rows.set_status

    def fails_at_the_second(connection: object, number: int, *rest: object, **more: object) -> None:
        if number == second.id:
            raise driver.OperationalError("database or disk is full")
        real(connection, number, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(alert_rows, "set_status", fails_at_the_second)
    with pytest.raises(Exception, match="full"):
        incidents.resolve(port.services, port.actor("oscar"), second.incident or 0, "a storm")
    (found,) = incidents.list_incidents(port.services, port.actor("vera"))
    assert {a.status for a in found.alerts} == {AlertStatus.OPEN}


def test_who_may_and_what_is_asked(port: Example) -> None:
    number = raised(port, "performance").incident or 0
    with pytest.raises(NotAllowedError):
        incidents.acknowledge(port.services, port.actor("vera"), number)
    with pytest.raises(InvalidInputError, match="needs a reason"):
        incidents.resolve(port.services, port.actor("oscar"), number, " ")
    with pytest.raises(InvalidInputError, match="not a name"):
        incidents.assign(port.services, port.actor("oscar"), number, "Not A Name\x1b")
    with pytest.raises(NotFoundError, match="no incident 99"):
        incidents.get_incident(port.services, port.actor("oscar"), 99)
    assert incidents.assign(port.services, port.actor("oscar"), number, "pat").assignee == "pat"
    assert incidents.assign(port.services, port.actor("oscar"), number, "").assignee == ""


def test_alerts_of_an_older_registry_are_gathered_once(
    port: Example, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:  # as the release before did: alerts in no incident
        patch.setattr(alert_rows, "put_into_incident", lambda *_: None)
        raised(port, "data_drift", "ewr", "wind")
        port.pass_time(minutes=1)
        raised(port, "performance", "ewr")
        raised(port, "latency", "jfk", effective_at=START + timedelta(days=1))
    assert incident_grouping.group_waiting(port.services) == 3
    assert incident_grouping.group_waiting(port.services) == 0
    found = incidents.list_incidents(port.services, port.actor("vera"))
    assert sorted(len(i.alerts) for i in found) == [1, 2]


def test_an_alert_never_leaves_its_incident_for_a_younger_one(port: Example) -> None:
    first, second = raised(port, "performance"), raised(port, "latency")
    with (
        pytest.raises(Exception, match="stays in its incident"),
        port.services.registry.transaction() as connection,
    ):
        alert_rows.put_into_incident(connection, first.id, second.incident or 0, "")
