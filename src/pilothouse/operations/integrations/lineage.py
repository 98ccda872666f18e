"""Events of OpenLineage for entries of the audit log (jobs, deployments) and for readings (monitoring)."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pilothouse import __version__
from pilothouse.domain.identifiers import VersionReference, parse_reference
from pilothouse.domain.integrations import open_lineage
from pilothouse.domain.integrations.git_state import without_credentials
from pilothouse.domain.integrations.integration_file import LineageSettings
from pilothouse.domain.integrations.open_lineage import Dataset, Event, EventType
from pilothouse.domain.integrations.run_ids import uuid7
from pilothouse.domain.monitoring.findings import DriftFinding, QualityFinding
from pilothouse.domain.records import AuditEntry, Job
from pilothouse.operations.jobs.trainings import stored_spec
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.store.exports import lineage_rows
from pilothouse.store.models import versions
from pilothouse.store.work import jobs, runs

JOB_ACTIONS = frozenset(
    {"job.started", "job.ended", "job.will_retry", "job.requeued", "job.parked", "job.handed_over"}
)
DEPLOYMENT_ACTIONS = frozenset({"deployment.made", "deployment.rolled_back"})
_ENDS = {"succeeded": EventType.COMPLETE, "cancelled": EventType.ABORT}
_MOST_ASSERTIONS = 500


class Lineage:
    """Makes events of one workspace, in its namespace."""

    def __init__(self, services: Services, settings: LineageSettings) -> None:
        self._root = services.paths.root
        self._host = socket.gethostname()
        self.namespace = settings.namespace or f"pilothouse://{self._host}{self._root}"

    def of_entry(self, connection: Connection, entry: AuditEntry) -> Iterator[Event]:
        """Events of an entry; none for most."""
        if entry.action in JOB_ACTIONS:
            yield from self._of_job(connection, entry)
        elif entry.action in DEPLOYMENT_ACTIONS:
            yield from self._of_deployment(connection, entry)

    def _of_job(self, connection: Connection, entry: AuditEntry) -> Iterator[Event]:
        job = jobs.find(connection, int(entry.subject.removeprefix("job ")))
        attempt = entry.detail.get("attempt")
        if job is None or not isinstance(attempt, int):
            return  # it has ended without ever having started
        started = lineage_rows.attempt_started(connection, job.id, attempt)
        if started is None:
            return
        status = str(entry.detail.get("status", ""))
        if entry.action == lineage_rows.STARTED:
            kind = EventType.START
        elif entry.action in ("job.parked", "job.handed_over", "job.requeued"):
            kind = EventType.ABORT  # another attempt goes on with it
        else:
            kind = _ENDS.get(status, EventType.FAIL)
        message = str(entry.detail.get("error") or status) if kind is EventType.FAIL else ""
        run_facets = open_lineage.engine(__version__) | open_lineage.error(message)
        job_facets = open_lineage.job_type(job.kind)
        inputs, outputs = self._source(connection, job), list[Dataset]()
        if kind is EventType.COMPLETE and (run := lineage_rows.run_of_job(connection, job.id)) is not None:
            found = runs.find(connection, run)
            assert found is not None
            remote = str((stored_spec(connection, job.id).git or {}).get("remote", ""))
            job_facets |= open_lineage.source_code(found.code, remote)
            run_facets |= open_lineage.environment(found.environment) | open_lineage.parameters(
                found.parameters
            )
            inputs = self._snapshot(connection, run, inputs)
            outputs = self._version(connection, job.model, job.version)
        yield Event(
            kind,
            entry.recorded_at,
            uuid7(started.recorded_at, self.namespace, "job", job.id, attempt),
            self.namespace,
            f"{job.model}.{job.kind}",
            run_facets,
            job_facets,
            inputs,
            outputs,
        )

    def _of_deployment(self, connection: Connection, entry: AuditEntry) -> Iterator[Event]:
        uri, _, target = entry.subject.partition(" on ")
        model, number = parse_reference(uri).model, entry.detail.get("version")
        run = uuid7(entry.recorded_at, self.namespace, "deployment", entry.seq)
        made = self._version(connection, model, number if isinstance(number, int) else None)
        place = Dataset(self.namespace, f"live/{target}/{model}", open_lineage.version(uri))
        for kind in (EventType.START, EventType.COMPLETE):
            yield Event(
                kind,
                entry.recorded_at,
                run,
                self.namespace,
                f"{model}.deploy.{target}",
                open_lineage.engine(__version__),
                open_lineage.job_type(str(entry.detail.get("kind") or "deployment")),
                made,
                [place],
            )

    def of_reading(self, made: Any) -> Iterator[Event]:
        """Events of a window that a monitor closed (``new_readings.Made``)."""
        from pilothouse.telemetry.windows.readings import DRIFT, QUALITY, findings_of

        reading, facets = made.reading, open_lineage.quality(made.reading.rows)
        if reading.judged and reading.monitor == DRIFT:
            checks = [
                {"assertion": "drift", "success": not f.significant, "column": f.feature}
                for f in findings_of(reading, DriftFinding)
            ]
        elif reading.judged and reading.monitor == QUALITY:
            checks = [
                {"assertion": f.fault, "success": not f.significant, "column": f.feature}
                for f in findings_of(reading, QualityFinding)
            ]
        else:
            checks = (
                [{"assertion": reading.monitor, "success": not reading.significant}] if reading.judged else []
            )
        facets |= open_lineage.assertions(checks[:_MOST_ASSERTIONS])
        window = f"{reading.window.start:%Y-%m-%dT%H:%M:%SZ}/{reading.window.end:%Y-%m-%dT%H:%M:%SZ}"
        read = Dataset(
            self.namespace, f"predictions/{made.target}/{made.model}", open_lineage.version(window), facets
        )
        version = Dataset(self.namespace, f"models/{made.model}", open_lineage.version(str(made.version)))
        found = Dataset(self.namespace, f"findings/{made.target}/{made.model}/{reading.monitor}")
        run = uuid7(made.at, self.namespace, "reading", reading.id)
        for kind in (EventType.START, EventType.COMPLETE):
            yield Event(
                kind,
                made.at,
                run,
                self.namespace,
                f"{made.model}.monitor.{reading.monitor}.{made.target}",
                open_lineage.engine(__version__),
                open_lineage.job_type("monitor"),
                [read, version],
                [found],
            )

    def _source(self, connection: Connection, job: Job) -> list[Dataset]:
        """Source that the job's model file names; local paths with the host, so that no two are one."""
        if job.kind != "train":
            return []
        spec = stored_spec(connection, job.id)  # that of the job: the file may have changed since
        source = str(spec.spec["data"]["source"])
        if "://" in source:
            parts = urlsplit(without_credentials(source))
            return [Dataset(f"{parts.scheme}://{parts.netloc}", parts.path.lstrip("/") or "/")]
        path = (self._root / spec.folder / Path(source)).resolve()
        return [Dataset(f"file://{self._host}", str(path))]

    def _snapshot(self, connection: Connection, run: int, sources: list[Dataset]) -> list[Dataset]:
        found = runs.find(connection, run)
        assert found is not None
        columns = json.loads(lineage_rows.snapshot_schema(connection, run) or "[]")
        facets = open_lineage.schema((str(name), str(kind)) for name, kind in columns)
        facets |= open_lineage.version(found.snapshot.content_digest)
        quality = open_lineage.quality(found.snapshot.rows, found.snapshot.columns)
        return [Dataset(one.namespace, one.name, facets, quality) for one in sources]

    def _version(self, connection: Connection, model: str, number: int | None) -> list[Dataset]:
        if number is None:
            return []
        version = versions.find(connection, VersionReference(model, number))
        digest = version.model_digest if version else ""
        return [
            Dataset(self.namespace, f"models/{model}", open_lineage.version(f"{number} {digest}".strip()))
        ]
