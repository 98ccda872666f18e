"""Verdicts on a log that is not taken in: its windows judged as the monitor judges those of a stream, from its profiles alone.

Nothing is stored. Windows on record rest on stored rows, from which they are judged again, erased and checked against a
contract; profiles without rows could be none of that, so a log that is to be on record goes through ``pilothouse ingest``.
"""

import hashlib
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pilothouse.confinement import probe
from pilothouse.domain.confinement import confines, unheld
from pilothouse.domain.errors import NotFoundError, UnavailableError
from pilothouse.domain.formats.safe_text import one_line
from pilothouse.domain.formats.time_units import DAY_US, SECOND_US, from_us
from pilothouse.domain.identifiers import version_uri
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.integrations.execution_settings import ExecutionSettings
from pilothouse.domain.models.model_spec import ModelSpec
from pilothouse.domain.monitoring.alert_rules import Span, due_spans
from pilothouse.domain.monitoring.findings import DriftFinding, QualityFinding, Window
from pilothouse.domain.monitoring.log_profiles import LogReport, LogWindow, log_place
from pilothouse.execution.launcher_client import Launcher
from pilothouse.operations.authorisation import reading
from pilothouse.operations.catalogue import require_model, require_version, spec_of_model
from pilothouse.operations.monitoring import merged_windows
from pilothouse.operations.monitoring.baselines import Baseline, baseline_of
from pilothouse.operations.monitoring.carried_logs import CarriedLog
from pilothouse.operations.monitoring.input_verdicts import counted, judge_inputs
from pilothouse.operations.monitoring.log_reading import MOST_PROCESSES, LogReader, Tell
from pilothouse.operations.monitoring.window_closing import Grid, calibration_days, grids
from pilothouse.operations.services import Services
from pilothouse.statistics.profiles.dated import DatedProfiles
from pilothouse.statistics.profiles.profile import Profile
from pilothouse.statistics.significance.multiplicity import LASTING
from pilothouse.statistics.significance.null_windows import RECENT
from pilothouse.store.deployed import deployments
from pilothouse.system.paths import WorkspacePaths
from pilothouse.telemetry.windows.readings import DRIFT

_PATIENCE_S = 60.0
"""Seconds that a cluster has to show a worker."""


@contextmanager
def local_reader(
    paths: WorkspacePaths, processes: int, credentials: str, memory_mb: int, tell: Tell
) -> Iterator[LogReader]:
    """Reader by confined processes of this machine. Enter it before a database is opened. Raises UnavailableError."""
    if missing := unheld(probe.offered()):
        tell(f"the log is read unconfined: nothing here holds {', '.join(missing)}")
    with Launcher(
        closed=[paths.state],
        opened=[paths.jobs, paths.artifacts],
        isolation="require" if confines(probe.offered()) else "warn",
    ) as launcher:
        yield LogReader(launcher, processes, credentials, memory_mb)


@contextmanager
def cluster_reader(
    paths: WorkspacePaths,
    settings: ExecutionSettings,
    named: str,
    processes: int | None,
    memory_mb: int,
    tell: Tell,
) -> Iterator[LogReader]:
    """Reader by the workers of a cluster, one share a thread of theirs unless ``processes`` says otherwise, of a log on this
    machine. Raises UnavailableError, NotFoundError or InvalidInputError."""
    from pilothouse.execution.cluster.runner import ClusterRunner

    place = log_place(named)
    CarriedLog(place, [paths.state])  # what is wrong with the place is said before anything is started
    with tempfile.TemporaryDirectory(prefix="pilothouse-") as folder:
        runner = ClusterRunner(
            settings,
            paths.root,
            jobs=Path(folder),
            artifacts=place.root.absolute(),
            isolation="require" if confines(probe.offered()) else "warn",
        )
        seen = _FirstSight()
        runner.on_state = seen.take
        with runner:
            threads = seen.threads(settings.scheduler)
            tell(f"folded by {settings.scheduler}, which has {threads} thread{'s' * (threads != 1)}")
            count = processes or min(threads, MOST_PROCESSES)
            yield LogReader(runner, count, "", memory_mb, Path(folder), (paths.state,))


class _FirstSight:
    """What a cluster says of itself, until it has a worker."""

    def __init__(self) -> None:
        self._has_worker = threading.Event()
        self._state: dict[str, Any] = {}

    def take(self, state: dict[str, Any]) -> None:
        self._state = state
        if state["workers"]:
            self._has_worker.set()

    def threads(self, scheduler: str) -> int:
        """Threads of its workers. Raises UnavailableError where it has none for a while."""
        if not self._has_worker.wait(_PATIENCE_S):
            why = self._state.get("fault") or ("it has no worker" if self._state else "it does not answer")
            raise UnavailableError(
                f"cluster {scheduler}: {one_line(str(why), 300)}; see pilothouse doctor, or take [execution] from "
                "integrations.toml to read the log here"
            )
        return sum(int(worker["threads"]) for worker in self._state["workers"])


def judge_log(
    services: Services,
    actor: Actor,
    reader: LogReader,
    named: str,
    *,
    model: str,
    target: str,
    version: int | None = None,
    tell: Tell = lambda _: None,
) -> LogReport:
    """Fold a log of a version (the live one where none is named) and judge its windows against the version's reference.

    ``named`` is a file, folder, pattern or URL (``log_place``). Raises InvalidInputError (a column is missing, a value is none,
    the place is of another kind), NotFoundError, UnavailableError or NotAllowedError.
    """
    place = log_place(named)
    with reading(services, actor) as connection:
        require_model(connection, model)
        spec = spec_of_model(connection, model)
        if target not in {each.name for each in spec.targets}:
            known = ", ".join(each.name for each in spec.targets)
            raise NotFoundError(f"{model} has no target {target!r}: its model file names {known}")
        live = deployments.live(connection, model=model, target=target)
        if version is None and not live:
            raise NotFoundError(f"nothing of {model} is live on {target}: name the version with --version")
        number = live[0].version if version is None else version
        require_version(connection, version_uri(model, number))
    base = baseline_of(services, model, number, target, calibration_days(spec), keep=False)
    grid = grids(spec)[DRIFT]
    log = reader.fold(place, spec, base.specification, grid.level * SECOND_US, tell)
    profiles = log.profiles
    return LogReport(
        model=model,
        version=number,
        target=target,
        rows=log.rows,
        files=log.files,
        bytes=log.bytes,
        first=None if profiles.first_us is None else from_us(profiles.first_us),
        last=None if profiles.last_us is None else from_us(profiles.last_us),
        digest=hashlib.sha256(profiles.to_bytes()).hexdigest(),
        windows=tuple(_Windows(spec, grid, base, profiles).judged()),
        minimum_rows=spec.monitoring.minimum_rows,
        left_out=log.left_out,
        dialects=tuple(log.dialects),
        processes=reader.processes,
        peak_memory_mb=log.peak_memory_mb,
    )


class _Windows:
    """The windows of a log, judged in turn."""

    def __init__(self, spec: ModelSpec, grid: Grid, base: Baseline, profiles: DatedProfiles) -> None:
        self._monitoring, self._grid, self._base, self._profiles = spec.monitoring, grid, base, profiles
        self._long = grid.window * SECOND_US
        self._calibrated = calibration_days(spec) * DAY_US
        self._first = 0

    def judged(self) -> Iterator[LogWindow]:
        """Windows with rows on the monitor's grid from the log's first day on, oldest first; of a log that is shorter than a
        step the whole of it."""
        if self._profiles.first_us is None or self._profiles.last_us is None:
            return
        unit = self._profiles.unit_us
        self._first = self._profiles.first_us // unit * unit
        end = self._profiles.last_us // unit * unit + unit
        spans = due_spans(self._first, None, self._grid.window, self._grid.step, end)
        before: list[LogWindow] = []
        for span in spans or [Span(self._first, end)]:
            if not self._profiles.rows(span.start_us, span.end_us):
                continue
            found = self._judge(span, [window for window in before if window.window.judged])
            before.append(found)
            yield found

    def _judge(self, span: Span, before: list[LogWindow]) -> LogWindow:
        rows = self._profiles.rows
        minimum = self._monitoring.minimum_rows
        merged = merged_windows.merge(
            span, self._first, minimum, lambda part: rows(part.start_us, part.end_us)
        )
        current = self._profiles.between(merged.whole.start_us, merged.whole.end_us)
        recent = lasting = None
        if merged.windows == 1 and span.end_us - span.start_us == self._long == self._calibrated:
            recent = self._since(span.start_us - RECENT * self._long, span.start_us)
            lasting = self._since(span.end_us - LASTING * self._long, span.end_us)
        drift, quality = judge_inputs(self._base, self._monitoring, current, merged.windows, recent, lasting)
        judged = merged.rows >= minimum
        last = before[-(self._monitoring.of - 1) :] if self._monitoring.of > 1 else []
        window = Window(
            start=from_us(span.start_us),
            end=from_us(span.end_us),
            rows=merged.own_rows,
            judged=judged,
            together=merged.windows,
            rows_together=merged.rows if merged.windows > 1 else 0,
        )
        return LogWindow(
            window,
            tuple(counted(f, judged, _before(f, last)) for f in drift),
            tuple(counted(f, judged, _before(f, last)) for f in quality),
        )

    def _since(self, start_us: int, end_us: int) -> Profile | None:
        """Profile of a time of which the log holds all but a day at its beginning, else None."""
        first = self._profiles.first_us
        return (
            None if first is None or first - DAY_US > start_us else self._profiles.between(start_us, end_us)
        )


def _before(finding: DriftFinding | QualityFinding, windows: list[LogWindow]) -> list[bool]:
    """Whether the same was significant in each of the windows."""
    if isinstance(finding, DriftFinding):
        return [finding.feature in window.drifting for window in windows]
    key = finding.feature, finding.fault
    return [any((f.feature, f.fault) == key and f.significant for f in w.quality) for w in windows]
