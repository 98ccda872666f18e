"""Lineage and traces: what they say of jobs and deployments, and that nothing is lost or held up by a receiver."""

import json
import os
import random
import shutil
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pilothouse.domain.integrations.open_lineage import Event
from pilothouse.domain.integrations.run_ids import span_id, trace_id, uuid7
from pilothouse.domain.jobs.jobs import JobStatus
from pilothouse.domain.records import AuditEntry
from pilothouse.operations import automation_switch
from pilothouse.operations.integrations import outbox
from pilothouse.operations.integrations.lineage import Lineage
from pilothouse.operations.integrations.traces import job_trace
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.store.exports import cursors
from pilothouse.store.log import audit
from pilothouse.store.models import models
from pilothouse.store.work import jobs
from support import example
from support.event_receiver import Receiver
from support.templates import copy_of

_DELIVERS = """
import sys
from pathlib import Path
from pilothouse.composition import open_workspace
from pilothouse.operations import automation_switch
from pilothouse.operations.integrations import outbox
outbox._ENTRIES = 3  # many turns, and a cursor after each
services = open_workspace(Path(sys.argv[1]))
print("ready", flush=True)
outbox.deliver(services)
"""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    copy_of("the example", example.build, tmp_path / "w")
    with example.opened(tmp_path / "w") as opened:
        yield opened


def configure(services: Services, text: str) -> None:
    (services.paths.root / "integrations.toml").write_text(text)
    example.apply_files(services)


def from_the_start(services: Services) -> None:
    """Deliver once, which sets the cursors, and put them before the first entry."""
    outbox.deliver(services)
    with services.registry.transaction() as connection:
        connection.execute("UPDATE export_cursors SET sent_size = 0, tried_at = NULL, failures = 0")


def lines(services: Services) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (services.paths.root / "lineage.jsonl").read_text().splitlines()]


def test_an_export_begins_with_what_happens_from_then_on(services: Services) -> None:
    configure(services, '[lineage]\nfile = "lineage.jsonl"\n')
    assert outbox.deliver(services)
    assert not (services.paths.root / "lineage.jsonl").exists()
    with services.registry.read() as connection:
        assert cursors.cursors(connection).keys() == {"lineage", "monitoring"}
    configure(services, "")
    assert outbox.deliver(services)
    with services.registry.read() as connection:
        assert cursors.cursors(connection) == {}


def test_what_happens_before_a_busy_daemon_first_looks_is_sent_too(services: Services, monkeypatch) -> None:
    configure(services, '[lineage]\nfile = "lineage.jsonl"\n')
    with services.registry.read() as connection:
        began = audit.head(connection).count
    automation_switch.pause(services, example.person(services, "ada"), "a busy night")
    looked: list[int] = []
    monkeypatch.setattr(
        outbox._LineageExport, "after", lambda self, number: iter(looked.append(number) or ())
    )
    outbox.deliver(services)
    assert looked[:1] == [began]


def test_events_follow_the_standard_and_say_what_was_trained(services: Services) -> None:
    configure(services, '[lineage]\nfile = "lineage.jsonl"\nnamespace = "ours"\n')
    from_the_start(services)
    assert outbox.deliver(services)
    events = lines(services)
    by_run: dict[str, list[dict[str, Any]]] = {}
    for event in events:
        assert uuid.UUID(event["run"]["runId"]).version == 7
        assert event["producer"]
        assert event["schemaURL"].endswith("#/$defs/RunEvent")
        by_run.setdefault(event["run"]["runId"], []).append(event)
    for of_run in by_run.values():
        assert of_run[0]["eventType"] == "START"
        assert [one["eventTime"] for one in of_run] == sorted(one["eventTime"] for one in of_run)
    trained = [e for e in events if e["job"]["name"].endswith(".train") and e["eventType"] == "COMPLETE"]
    assert trained
    for event in trained:
        (source,) = event["inputs"]
        assert source["namespace"].startswith("file://")
        assert len(source["facets"]["version"]["datasetVersion"]) == 64
        assert source["inputFacets"]["dataQualityMetrics"]["rowCount"] > 0
        assert "min" not in json.dumps(source["inputFacets"])
        (made,) = event["outputs"]
        assert made["name"].startswith("models/")
    deployed = [e for e in events if ".deploy." in e["job"]["name"]]
    assert {e["eventType"] for e in deployed} == {"START", "COMPLETE"}
    assert all(e["outputs"][0]["name"].startswith("live/") for e in deployed)
    monitored = [e for e in events if ".monitor." in e["job"]["name"]]
    assert monitored
    checks = [c for e in monitored for c in facets(e).get("dataQualityAssertions", {}).get("assertions", [])]
    assert any(check["assertion"] == "drift" for check in checks)


def facets(event: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = event["inputs"][0].get("inputFacets", {})
    return found


def test_what_is_sent_again_is_the_same_event(services: Services) -> None:
    configure(services, '[lineage]\nfile = "lineage.jsonl"\n')
    from_the_start(services)
    assert outbox.deliver(services)
    first = lines(services)
    from_the_start(services)
    assert outbox.deliver(services)
    assert lines(services) == first + first


def test_a_receiver_that_is_down_loses_nothing_and_is_tried_again(
    services: Services, receiver: Receiver
) -> None:
    (services.paths.root / "token").write_text("a-token-of-some-length")
    configure(services, f'[lineage]\nurl = "{receiver.url}"\nallow = ["127.0.0.1"]\ntoken_file = "token"\n')
    from_the_start(services)
    receiver.answers = [200, 200, 503]
    assert not outbox.deliver(services, turns=1)
    with services.registry.read() as connection:
        state = cursors.cursors(connection)["lineage"]
    assert state.failures == 1
    assert "answered 503" in state.error
    assert state.sent_size > 0
    before = [one for one in receiver.bodies if ".monitor." not in one["job"]["name"]]
    assert not outbox.deliver(services)  # not due yet
    with services.registry.transaction() as connection:
        connection.execute("UPDATE export_cursors SET tried_at = NULL")
    assert outbox.deliver(services)
    sent = [one for one in receiver.bodies if ".monitor." not in one["job"]["name"]]
    keys = [(one["run"]["runId"], one["eventType"]) for one in sent]
    assert len(before) >= 2
    assert len(set(keys)) == len(keys), "entries that had arrived are not sent again"
    assert {header["authorization"] for header in receiver.headers} == {"Bearer a-token-of-some-length"}


@pytest.mark.parametrize("status", [302, 401, 429, 500])
def test_other_answers_are_waited_out(services: Services, receiver: Receiver, status: int) -> None:
    configure(services, f'[traces]\nurl = "{receiver.url}"\nallow = ["127.0.0.1"]\n')
    from_the_start(services)
    receiver.answers = [status]
    assert not outbox.deliver(services)
    assert receiver.bodies == []


def test_what_a_receiver_never_takes_is_kept_and_the_others_go_on(
    services: Services, receiver: Receiver, caplog
) -> None:
    configure(services, f'[traces]\nurl = "{receiver.url}"\nallow = ["127.0.0.1"]\n')
    from_the_start(services)
    receiver.answers = [422]
    assert outbox.deliver(services)
    (kept,) = (services.paths.state / "traces-refused.jsonl").read_text().splitlines()
    assert json.loads(kept)["resourceSpans"]
    assert receiver.bodies
    assert "was refused, and is kept in" in caplog.text


def test_nobody_there_is_a_line_and_no_more(services: Services, caplog) -> None:
    configure(services, '[lineage]\nurl = "http://127.0.0.1:9/x"\nallow = ["127.0.0.1"]\n')
    from_the_start(services)
    assert not outbox.deliver(services)
    assert not outbox.deliver(services)
    assert caplog.text.count("lineage is not delivered: http://127.0.0.1:9") == 1


def test_one_entry_of_which_no_event_can_be_made_is_named_and_the_others_go_on(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(services, '[lineage]\nfile = "lineage.jsonl"\n')
    from_the_start(services)
    real, broken = Lineage.of_entry, []

    def of_entry(self: Lineage, connection: Connection, entry: AuditEntry) -> Iterator[Event]:
        if entry.action == "job.ended" and not broken:
            broken.append(entry.seq)
            raise KeyError("holdout")
        yield from real(self, connection, entry)

    monkeypatch.setattr(Lineage, "of_entry", of_entry)
    assert outbox.deliver(services)
    (kept,) = (services.paths.state / "lineage-refused.jsonl").read_text().splitlines()
    assert json.loads(kept) == {"number": broken[0], "error": "KeyError: 'holdout'"}
    assert any(".deploy." in one["job"]["name"] for one in lines(services))


def test_readings_that_a_restore_took_back_are_sent_when_they_are_made_again(services: Services) -> None:
    configure(services, '[lineage]\nfile = "lineage.jsonl"\n')
    assert outbox.deliver(services)
    with services.registry.transaction() as connection:
        newest = cursors.cursors(connection)["monitoring"].sent_size
        connection.execute(
            "UPDATE export_cursors SET sent_size = ? WHERE name = 'monitoring'", (newest + 50,)
        )
    assert outbox.deliver(services)
    with services.registry.read() as connection:
        assert cursors.cursors(connection)["monitoring"].sent_size == newest


def test_the_source_is_that_of_the_file_in_force_when_the_job_was_queued(services: Services) -> None:
    configure(services, '[lineage]\nfile = "lineage.jsonl"\n')
    with services.registry.read() as connection:
        model = next(iter(models.names(connection)))
        before = models.spec_in_force(connection, model)
    assert before is not None
    source = str(before.spec["data"]["source"])
    folder = services.paths.root / before.folder
    shutil.copy(folder / source, (folder / source).with_name("later.csv"))
    path = folder / "model.toml"
    path.write_text(path.read_text().replace(Path(source).name, "later.csv"))
    example.apply_files(services)
    from_the_start(services)
    assert outbox.deliver(services)
    trained = [e for e in lines(services) if e["job"]["name"] == f"{model}.train"]
    assert trained
    assert not any("later" in one["name"] for event in trained for one in event["inputs"])


def test_half_a_line_does_not_stay_in_the_file(services: Services) -> None:
    configure(services, '[lineage]\nfile = "lineage.jsonl"\n')
    from_the_start(services)
    (services.paths.root / "lineage.jsonl").symlink_to("/dev/null")
    assert not outbox.deliver(services)
    (services.paths.root / "lineage.jsonl").unlink()
    with services.registry.transaction() as connection:
        connection.execute("UPDATE export_cursors SET tried_at = NULL")
    assert outbox.deliver(services)
    assert lines(services)


def test_a_slow_receiver_keeps_no_daemon_from_its_end(services: Services, receiver: Receiver) -> None:
    configure(services, f'[traces]\nurl = "{receiver.url}"\nallow = ["127.0.0.1"]\n')
    from_the_start(services)
    assert not outbox.deliver(services, stopping=lambda: len(receiver.bodies) >= 2)
    assert len(receiver.bodies) == 2
    assert outbox.deliver(services)
    keys = [json.dumps(body) for body in receiver.bodies]
    assert len(set(keys)) == len(keys) > 2


def test_a_line_that_was_cut_off_stays_by_itself(services: Services) -> None:
    configure(services, '[lineage]\nfile = "lineage.jsonl"\n')
    from_the_start(services)
    (services.paths.root / "lineage.jsonl").write_text('{"eventType":"STA')
    assert outbox.deliver(services)
    first, *others = (services.paths.root / "lineage.jsonl").read_text().splitlines()
    assert first == '{"eventType":"STA'
    assert all(json.loads(line) for line in others)


@pytest.mark.parametrize("seed", range(int(os.environ.get("KILLS", "3"))))
def test_a_process_that_is_killed_while_it_delivers_loses_nothing(services: Services, seed: int) -> None:
    configure(services, '[lineage]\nfile = "lineage.jsonl"\nnamespace = "ours"\n')
    from_the_start(services)
    root = services.paths.root
    with subprocess.Popen([sys.executable, "-c", _DELIVERS, str(root)], stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == b"ready\n"
        pause = threading.Event()
        pause.wait(random.Random(seed).uniform(0, 0.15))
        running.kill()
    assert outbox.deliver(services)
    found = [json.dumps(line, sort_keys=True) for line in lines(services)]
    (root / "lineage.jsonl").unlink()
    from_the_start(services)
    assert outbox.deliver(services)
    whole = [json.dumps(line, sort_keys=True) for line in lines(services)]
    assert set(found) == set(whole)
    assert list(dict.fromkeys(found)) == whole, "in their order, but for those that were sent again"


def test_spans_are_a_tree_with_times_in_order(services: Services, receiver: Receiver) -> None:
    configure(services, f'[traces]\nurl = "{receiver.url}"\nallow = ["127.0.0.1"]\n')
    from_the_start(services)
    assert outbox.deliver(services)
    spans = [
        span
        for body in receiver.bodies
        for resource in body["resourceSpans"]
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    ]
    known = {span["spanId"] for span in spans}
    assert len(known) == len(spans)
    for span in spans:
        assert len(span["traceId"]) == 32
        assert int(span["startTimeUnixNano"]) <= int(span["endTimeUnixNano"])
        assert span.get("parentSpanId", span["spanId"]) in known
    names = {span["name"].split(" ")[0] for span in spans}
    assert {"train", "promote"} <= names


def test_ids_follow_from_their_keys() -> None:
    at = datetime(2026, 11, 29, 12, tzinfo=UTC)
    assert uuid7(at, "a", 1) == uuid7(at, "a", 1) != uuid7(at, "a", 2)
    made = uuid.UUID(uuid7(at, "a", 1))
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert made.int >> 80 == int(at.timestamp() * 1_000)
    assert len(trace_id("a")) == 32
    assert len(span_id("a")) == 16


def test_jobs_of_two_workspaces_are_two_traces(services: Services) -> None:
    with services.registry.read() as connection:
        job = jobs.find(connection, 1)
    assert job is not None
    same = replace(job, status=JobStatus.FAILED, message="later")
    elsewhere = replace(job, created_at=job.created_at + timedelta(microseconds=1))
    assert job_trace(job, 1) == job_trace(same, 1)
    assert len({job_trace(job, 1), job_trace(job, 2), job_trace(elsewhere, 1)}) == 3
