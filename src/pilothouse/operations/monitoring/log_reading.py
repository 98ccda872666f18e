"""A log folded by processes side by side: what is read, by whom, and one result from all.

Any runner of steps will do. A process is given a share of the log and leaves the profiles of its rows as bytes; their sum is
the same to the bit whatever the number of processes. On a cluster a share is given its own files alone, and one whose worker
goes away is folded by another.
"""

import tempfile
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from pilothouse.domain.errors import InvalidInputError, UnavailableError
from pilothouse.domain.jobs.jobs import JobStatus, ProgressLine, StepRequest, StepResult
from pilothouse.domain.models.model_file import spec_to_plain
from pilothouse.domain.models.model_spec import ModelSpec
from pilothouse.domain.monitoring.log_profiles import LogPlace
from pilothouse.domain.tables.source_url import REFERENCE
from pilothouse.execution.pipeline import StepRunner, judge
from pilothouse.operations.monitoring.carried_logs import CarriedLog, LogShare
from pilothouse.statistics.profiles.dated import DatedProfiles
from pilothouse.statistics.profiles.specification import ProfileSpecification

MOST_PROCESSES = 64
_TIMEOUT_S = 7 * 86_400
"""Seconds that a share may take: a log of years from a store."""
_REQUEST_TIMEOUT_S = 600
_MOST_ATTEMPTS = 3
"""Attempts of a share whose worker goes away."""

_TOLD_EACH = 10_000_000
"""Rows between two words about how far it is."""

Tell = Callable[[str], None]


@dataclass(slots=True)
class FoldedLog:
    """Profiles of a log, and the facts of its reading."""

    profiles: DatedProfiles
    rows: int = 0
    files: int = 0
    bytes: int = 0
    left_out: dict[str, int] = field(default_factory=dict)
    dialects: list[str] = field(default_factory=list)
    peak_memory_mb: float = 0.0


@dataclass(frozen=True, slots=True)
class LogReader:
    """How logs are read: who runs the steps, how many at once, and where a store's secret is."""

    runner: StepRunner
    processes: int
    credentials: str = ""
    memory_mb: int = 500
    """MiB that a process may take beyond the libraries of all."""
    folder: Path | None = None
    """Folder of the steps, of which a cluster's runner can give no other; then the log is carried."""
    closed: tuple[Path, ...] = ()
    """Folders of which nothing is carried."""

    def fold(
        self, place: LogPlace, spec: ModelSpec, specification: ProfileSpecification, unit_us: int, tell: Tell
    ) -> FoldedLog:
        """Fold a log by days or hours (``unit_us``). Raises InvalidInputError, NotFoundError or UnavailableError, one line that
        says where the fault is."""
        if self.credentials and not REFERENCE.fullmatch(self.credentials):
            raise InvalidInputError(
                "--credentials: expected env:NAME or file:PATH, the place of the secret and not the secret"
            )
        if not 1 <= self.processes <= MOST_PROCESSES:
            raise InvalidInputError(f"--processes: found {self.processes}; expected 1 to {MOST_PROCESSES}")
        carried = CarriedLog(place, self.closed) if self.folder else None
        with tempfile.TemporaryDirectory(prefix="pilothouse-", dir=self.folder) as made:
            folder = Path(made)
            given = folder / "specification"
            given.write_bytes(specification.to_bytes())
            if carried is None:
                requests = [
                    self._request(place, spec, share, folder / str(share), given, unit_us)
                    for share in range(self.processes)
                ]
            else:
                requests = [
                    self._carried(
                        share, self._request(place, spec, number, folder / str(number), given, unit_us)
                    )
                    for number, share in enumerate(carried.shares(folder, self.processes))
                ]
            return self._merged(self._run(requests, tell), DatedProfiles(specification, unit_us), carried)

    @staticmethod
    def _carried(share: LogShare, request: StepRequest) -> StepRequest:
        inputs = {**request.inputs, "log": str(share.folder)}
        options = {"parts": share.parts, "unit_us": request.options["unit_us"]}
        return replace(request, inputs=inputs, options=options)

    def _request(
        self, place: LogPlace, spec: ModelSpec, share: int, folder: Path, given: Path, unit_us: int
    ) -> StepRequest:
        inputs, options = {"specification": str(given)}, {}
        if place.url:
            options = {"url": place.url, "timeout_s": _REQUEST_TIMEOUT_S}
        else:
            # a confined process sees this path alone, and not the folder that .. leads out of
            root = place.root.resolve() if ".." in place.root.parts else place.root.absolute()
            inputs["log"] = str(root)
            options = {"pattern": place.pattern}
        return StepRequest(
            job=share,
            attempt=1,
            step="fold_log",
            folder=str(folder),
            spec=spec_to_plain(spec),
            inputs=inputs,
            options={**options, "share": share, "shares": self.processes, "unit_us": unit_us},
            threads=1,
            memory_mb=self.memory_mb,
            timeout_s=_TIMEOUT_S,
            network=bool(place.url),
            credentials=self.credentials if place.url else "",
        )

    def _run(self, requests: Sequence[StepRequest], tell: Tell) -> list[tuple[StepResult, float]]:
        """Results of all shares with the memory that each took; where one fails the others are ended."""
        cancel, rows = threading.Event(), [0.0] * len(requests)

        def progress(share: int, line: ProgressLine) -> None:
            before = sum(rows)
            rows[share] = line.figures.get("rows", rows[share])
            if before // _TOLD_EACH < sum(rows) // _TOLD_EACH:
                tell(f"{sum(rows):,.0f} rows")

        def run(share: int) -> tuple[StepResult, float]:
            for attempt in range(1, _MOST_ATTEMPTS + 1):
                folder = f"{requests[share].folder}-{attempt}"
                request = replace(requests[share], attempt=attempt, folder=folder)
                exit_, result = self.runner.run_step(request, cancel, partial(progress, share))
                status, error, _ = judge(request, exit_, result)
                if status is not JobStatus.LOST:
                    break
                tell(f"share {share + 1} of {len(requests)}: {error.removeprefix('fold_log ')}")
            if status is JobStatus.OUT_OF_MEMORY:
                error = f"log: a process took more than its {self.memory_mb} MiB: give it more by --memory-mb"
            if status is not JobStatus.SUCCEEDED or result is None:
                raise InvalidInputError(error.removeprefix("fold_log: "))
            return result, exit_.peak_memory_mb

        with ThreadPoolExecutor(len(requests)) as pool:
            waiting = [pool.submit(run, share) for share in range(len(requests))]
            try:
                return [future.result() for future in as_completed(waiting)]
            finally:
                cancel.set()

    @staticmethod
    def _merged(
        results: Sequence[tuple[StepResult, float]], profiles: DatedProfiles, carried: CarriedLog | None
    ) -> FoldedLog:
        folded = FoldedLog(profiles)
        listings = {str(result.record["listing"]) for result, _ in results}
        if carried.has_changed if carried else len(listings) > 1:
            raise UnavailableError("log: its files changed while they were read; read it again")
        for result, peak in results:
            record = result.record
            profiles.merge(Path(result.outputs["profiles"]).read_bytes())
            folded.rows += int(record["rows"])
            folded.files, folded.bytes = int(record["files"]), int(record["bytes"])
            folded.peak_memory_mb = max(folded.peak_memory_mb, peak)
            folded.dialects += [text for text in record["dialects"] if text not in folded.dialects]
            for reason, count in record["left_out"].items():
                folded.left_out[reason] = folded.left_out.get(reason, 0) + int(count)
        if carried is not None:
            folded.files, folded.bytes = carried.files, carried.bytes
        return folded
