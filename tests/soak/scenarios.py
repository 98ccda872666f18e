"""What is cut off: each scenario has a workspace to begin with, an act, what the world looks like, and a second try."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pilothouse.composition import open_workspace
from pilothouse.domain.errors import ConflictError
from pilothouse.domain.formats.time_units import DAY_S, HOUR_S, from_us
from pilothouse.domain.formats.wire import Outcome
from pilothouse.domain.identity.roles import DAEMON
from pilothouse.domain.records import RequestStatus
from pilothouse.operations.jobs import job_attempts, results
from pilothouse.operations.promotion import deployments, promotions
from pilothouse.operations.services import Services
from pilothouse.operations.upkeep import retention
from pilothouse.operations.workspace import workspaces
from pilothouse.store.log import audit, audit_agreement
from pilothouse.store.promotion import requests as stored_requests
from pilothouse.telemetry import TelemetryStore, VersionFacts
from pilothouse.telemetry.intake import rollup
from pilothouse.telemetry.rows.columns import decode_predictions
from support import flight_batches
from support.job_workspace import (
    ADMIN,
    APPROVER,
    SCIENTIST,
    actor,
    applied,
    claim,
    outcome_of,
    queue,
    trained,
)

REASON = "as the proof wants it"


@dataclass(frozen=True)
class Scenario:
    """``make`` prepares a closed workspace; ``ready`` opens it in the child and answers with the act to cut; ``state`` is
    what can be seen of the change from outside; ``again`` does it once more after the cut, whatever came of the first.
    ``changes``: it is several, each whole or absent by itself."""

    make: Callable[[Path], None]
    ready: Callable[[Path], Callable[[], None]]
    state: Callable[[Path], Any]
    again: Callable[[Path], None]
    changes: bool = False


def _queued(root: Path) -> None:
    services = applied(root)
    queue(services, reason=REASON)
    services.close()


def _candidate(root: Path) -> None:
    services = applied(root)
    trained(services)
    services.close()


def _requested(root: Path) -> None:
    services = applied(root)
    trained(services)
    promotions.request_promotion(services, actor(services, SCIENTIST), "demo", reason=REASON)
    services.close()


def _deployed_twice(root: Path) -> None:
    services = applied(root)
    for _ in range(2):
        trained(services)
        promotions.request_promotion(services, actor(services, SCIENTIST), "demo", reason=REASON)
        _approve(services)
    services.close()


def _approve(services: Services) -> None:
    with services.registry.read() as connection:
        (request,) = stored_requests.listed(connection, status=RequestStatus.OPEN)
    promotions.approve(services, actor(services, APPROVER), request.id, request.evidence_digest)


def _record(services: Services, owner: str) -> Callable[[], None]:
    held = claim(services, owner)
    outcome = outcome_of(services, held)

    def act() -> None:
        results.record_training(services, held, outcome)

    return act


def _record_again(root: Path) -> None:
    """What the next daemon does: what nobody answers for is run again."""
    services = open_workspace(root)
    try:
        job_attempts.requeue_lost(services, leader="daemon-2")
        with services.registry.read() as connection:
            waits = connection.execute("SELECT count(*) FROM jobs WHERE status = 'queued'").fetchone()[0]
        if waits:
            _record(services, "daemon-2")()
    finally:
        services.close()


def _in(act: Callable[[Services], object]) -> Callable[[Path], Callable[[], None]]:
    def ready(root: Path) -> Callable[[], None]:
        services = open_workspace(root)
        return lambda: (act(services), None)[1]

    return ready


def _again(act: Callable[[Services], object]) -> Callable[[Path], None]:
    """A person tries once more; it may have happened already."""

    def again(root: Path) -> None:
        services = open_workspace(root)
        try:
            act(services)
        except (ConflictError, ValueError):
            pass
        finally:
            services.close()

    return again


def _ask(services: Services) -> object:
    return promotions.request_promotion(services, actor(services, SCIENTIST), "demo", reason=REASON)


def _roll_back(services: Services) -> object:
    if len(_live(services)) and all(version == 2 for _, version in _live(services)):
        return deployments.roll_back(services, actor(services, ADMIN), "demo", reason=REASON)
    return None


def _live(services: Services) -> list[tuple[str, int]]:
    with services.registry.read() as connection:
        return [(row[0], row[1]) for row in connection.execute(
            "SELECT t.name, v.number FROM deployments d JOIN targets t ON t.id = d.target_id "
            "JOIN versions v ON v.id = d.version_id WHERE d.ended_at IS NULL ORDER BY t.name"
        )]  # fmt: skip


def registry_state(root: Path) -> dict[str, Any]:
    """What is on record, after checking that all of it is sound."""
    services = open_workspace(root)
    try:
        services.registry.check()
        with services.registry.read() as connection:
            from pilothouse.store.models import versions

            audit.verify(connection)
            assert list(audit_agreement.disagreements(connection)) == []
            for digest in versions.artifact_digests(connection):
                services.artifacts.read(digest)
            counts = {
                table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
                for table in (
                    "versions",
                    "runs",
                    "snapshots",
                    "promotion_requests",
                    "decisions",
                    "deployments",
                )
            }
        return {**counts, "live": _live(services)}
    finally:
        services.close()


def _no_telemetry(root: Path) -> None:
    TelemetryStore(root / "t.db").close()


def _batches() -> tuple[list[Any], VersionFacts]:
    rows = flight_batches.flights().head(60)
    facts = VersionFacts(flight_batches.specification())
    return [flight_batches.batch_of(rows.iloc[i : i + 20], i) for i in range(0, 60, 20)], facts


def _ingest(root: Path) -> Callable[[], None]:
    batches, facts = _batches()
    store = TelemetryStore(root / "t.db")

    def act() -> None:
        for batch in batches:
            store.append(batch, lambda model, version: facts, flight_batches.NOW_US)

    return act


def _telemetry_state(root: Path) -> dict[str, Any]:
    """Whole batches, each rolled up: a day's profile counts just the rows that are stored."""
    store = TelemetryStore(root / "t.db")
    try:
        store.check()
        with store.read() as connection:
            batches, rows = connection.execute(
                "SELECT count(*), coalesce(sum(rows), 0) FROM batches"
            ).fetchone()
            streams = [stream for (stream,) in connection.execute("SELECT id FROM streams").fetchall()]
            rolled = sum(
                rollup.count_rows(connection, stream, DAY_S, 0, flight_batches.NOW_US) for stream in streams
            )
        assert rows == rolled == 20 * batches
        return {"batches": batches}
    finally:
        store.close()


_MONTH_US = 30 * 86_400_000_000


def _kept_long(root: Path) -> None:
    """Small batches of two targets, with some outcomes: those of one came three months ago, of the other just now."""
    workspaces.initialise(root, ADMIN, clock=lambda: from_us(flight_batches.NOW_US))
    services = open_workspace(root)
    services.now = lambda: from_us(flight_batches.NOW_US)
    retention.keep_rows(services, actor(services, ADMIN), 60, REASON)
    facts = VersionFacts(flight_batches.specification())
    rows = flight_batches.flights().head(180)
    for target, age in (("ewr", 3), ("jfk", 0)):
        at = flight_batches.NOW_US - age * _MONTH_US
        for batch in flight_batches.batches(rows, 12, producer=target, target=target):
            services.telemetry.append(batch, lambda model, version: facts, at)
        told = [Outcome(f"{target}.{number}.0", "1") for number in range(1, 16)]
        services.telemetry.add_outcomes(told, at)
    services.close()


def _retain(root: Path) -> Callable[[], None]:
    services = open_workspace(root)
    services.now = lambda: from_us(flight_batches.NOW_US)
    return lambda: (retention.apply(services, DAEMON), None)[1]


def _kept_state(root: Path) -> dict[str, Any]:
    """The events that each batch still points at, how many segments they lie in, and what the log says has gone."""
    services = open_workspace(root)
    try:
        services.telemetry.check()
        with services.telemetry.read() as connection:
            found = connection.execute(
                "SELECT p.name, b.sequence, b.rows, b.segment_start, s.predictions FROM batches b "
                "JOIN producers p ON p.id = b.producer_id "
                "LEFT JOIN segments s ON s.id = b.segment_id ORDER BY p.name, b.sequence"
            ).fetchall()
            events: dict[str, list[int]] = {}
            for producer, _, rows, start, data in found:
                here = events.setdefault(producer, [])
                if data is not None:
                    here += decode_predictions(data).times[start : start + rows].tolist()
            (segments,) = connection.execute("SELECT count(*) FROM segments").fetchone()
            (outcomes,) = connection.execute("SELECT count(*) FROM outcomes").fetchone()
            days = connection.execute(
                "SELECT stream_id, start, rows FROM windows WHERE level=86400"
            ).fetchall()
        wanted = flight_batches.flights().head(180)["at_us"].tolist()
        assert events["jfk"] == wanted
        assert events["ewr"] in ([], wanted)
        with services.registry.read() as connection:
            audit.verify(connection)
            log = [
                entry.detail["rows"]
                for entry in audit.iterate(connection)
                if entry.action == "telemetry.deleted"
            ]
        return {
            "left": len(events["ewr"]),
            "segments": segments,
            "outcomes": outcomes,
            "days": days,
            "log": log,
        }
    finally:
        services.close()


def _unfolded(root: Path) -> None:
    _no_telemetry(root)
    store = TelemetryStore(root / "t.db")
    facts = VersionFacts(flight_batches.specification())
    for batch in flight_batches.batches(flight_batches.flights().head(1_000), 250):
        store.append(batch, lambda model, version: facts, flight_batches.NOW_US)
    store.close()


def _fold(root: Path) -> Callable[[], None]:
    store = TelemetryStore(root / "t.db")
    return lambda: (store.fold_windows(), None)[1]


def _folded_state(root: Path) -> dict[str, Any]:
    """What is still to be folded, after checking that hours and days count every row."""
    store = TelemetryStore(root / "t.db")
    try:
        store.check()
        with store.read() as connection:
            (stream,) = connection.execute("SELECT id FROM streams").fetchone()
            for level in (HOUR_S, DAY_S):
                assert rollup.count_rows(connection, stream, level, 0, flight_batches.NOW_US) == 1_000
            (waiting,) = connection.execute("SELECT count(*) FROM unfolded_windows").fetchone()
        return {"waiting": waiting}
    finally:
        store.close()


SCENARIOS = {
    "train": Scenario(
        _queued, lambda root: _record(open_workspace(root), "daemon-1"), registry_state, _record_again
    ),
    "request": Scenario(_candidate, _in(_ask), registry_state, _again(_ask)),
    "approve and deploy": Scenario(_requested, _in(_approve), registry_state, _again(_approve)),
    "roll back": Scenario(_deployed_twice, _in(_roll_back), registry_state, _again(_roll_back)),
    "ingest": Scenario(_no_telemetry, _ingest, _telemetry_state, lambda root: _ingest(root)(), changes=True),
    "fold": Scenario(_unfolded, _fold, _folded_state, lambda root: _fold(root)(), changes=True),
    "retention": Scenario(_kept_long, _retain, _kept_state, lambda root: _retain(root)(), changes=True),
}
"""Each act by its name."""
