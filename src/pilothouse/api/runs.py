"""Runs that a program records: parameters, metrics, tags, artifacts and data, each durable when its call returns."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pilothouse.api.connection import Connection
from pilothouse.api.environment import environment
from pilothouse.domain.errors import ConflictError, InvalidInputError, PilothouseError
from pilothouse.domain.formats.safe_text import one_line
from pilothouse.domain.jobs.notebook_runs import (
    LONGEST_TEXT,
    EntryKind,
    checked_name,
    checked_step,
    numbers,
    run_uri,
    texts,
)

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from pilothouse.api.run_values import RecordedRun


class Run:
    """A notebook run that goes on. Made by ``ph.run`` and ``Client.run``; safe to use from several threads.

    It records what a program does by hand. It is no training: nothing of it can be requested or deployed, since only a job can
    train a version again from its record. Each log is durable when its call returns; what was acknowledged survives the end of
    this process. As a context manager it ends as done, or as failed when an exception leaves. In the child of a fork it may be
    added to; only the process that began it ends it.
    """

    def __init__(
        self,
        connection: Connection,
        model: str,
        name: str = "",
        parameters: Mapping[str, object] | None = None,
    ) -> None:
        self._connection = connection
        self._process = os.getpid()
        self._ended = False
        self.model = model
        self.number: int = connection.call(
            "begin_run",
            model=model,
            name=name,
            environment=environment(),
            folder=os.getcwd(),  # noqa: PTH109 - a text, as it is sent
            parameters=texts(parameters, "parameter") if parameters else {},
        )

    @property
    def uri(self) -> str:
        """``runs:/12``."""
        return run_uri(self.number)

    def __repr__(self) -> str:
        return f"<Run {self.uri} of {self.model}>"

    def __enter__(self) -> "Self":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: "TracebackType | None"
    ) -> None:
        if self._ended or self._process != os.getpid():
            return
        if error is None or (isinstance(error, SystemExit) and not error.code):
            self.end()
            return
        try:
            self.end(error=one_line(f"{type(error).__name__}: {error}", LONGEST_TEXT))
        except PilothouseError as fault:  # what has left the block is what the user has to see
            error.add_note(f"{self.uri} could not be ended: {fault}")

    def log_parameter(self, name: str, value: object) -> None:
        """Record one parameter. Raises InvalidInputError, also where it has another value already."""
        self.log_parameters({name: value})

    def log_parameters(self, parameters: Mapping[str, object]) -> None:
        """Record parameters; their values are kept as texts. Raises as ``log_parameter`` does."""
        self._add(EntryKind.PARAMETERS, texts(parameters, "parameter"))

    def log_metric(self, name: str, value: float, step: int | None = None) -> None:
        """Record one value of a metric, NaN and infinities too. Raises InvalidInputError."""
        self.log_metrics({name: value}, step)

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Record a value of each of several metrics, at one ``step`` (from 0 on). Raises InvalidInputError."""
        self._add(EntryKind.METRICS, {"values": numbers(metrics), "step": checked_step(step)})

    def set_tags(self, tags: Mapping[str, object]) -> None:
        """Set tags; of each the newest value counts. Raises InvalidInputError."""
        self._add(EntryKind.TAGS, texts(tags, "tag"))

    def log_artifact(self, path: Any, name: str | None = None) -> str:
        """Keep a file, under its own name or ``name``; returns the sha256 of its bytes. A figure of matplotlib is kept in the
        form that ``name`` ends with, ``figure.png`` by itself. Raises InvalidInputError (no plain file, more than 1 GiB)."""
        if hasattr(path, "savefig"):
            return self._log_figure(path, name or "figure.png")
        if not isinstance(path, str | os.PathLike):
            raise InvalidInputError(
                f"artifact: found a {type(path).__name__}; expected the path of a file, or a figure of matplotlib"
            )
        place = Path(path).absolute()
        return str(
            self._call("keep_artifact", path=str(place), name=checked_name(name or place.name, "artifact"))
        )

    def _log_figure(self, figure: Any, name: str) -> str:
        kept = checked_name(name, "artifact")
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder) / f"figure{Path(kept).suffix or '.png'}"
            try:
                figure.savefig(place)
            except ValueError as error:  # a form that it does not write
                raise InvalidInputError(
                    f"artifact {one_line(kept, 80)}: {one_line(str(error), 300)}"
                ) from None
            return self.log_artifact(place, kept)

    def log_data(self, frame: Any, name: str = "data") -> str:
        """Record which rows the run is about: digest, number of rows, columns with types; the rows are not kept. Returns the
        digest, which is that of a training on the same rows. Raises InvalidInputError."""
        from pilothouse.api.frames import to_parquet

        return str(self._call("note_data", rows=to_parquet(frame), name=checked_name(name, "data set")))

    def end(self, *, error: str | None = None) -> None:
        """End the run: as done, or as failed where ``error`` says why. Raises ConflictError where it has ended, or was begun by
        another process."""
        if self._process != os.getpid():
            raise ConflictError(
                f"{self.uri} was begun by process {self._process}, and this is {os.getpid()}: only that one ends it"
            )
        self._call("end_run", failed=error is not None, error=error or "")
        self._ended = True

    def recorded(self) -> "RecordedRun":
        """The run as it is on record now."""
        import msgspec

        from pilothouse.api.run_values import RecordedRun

        return msgspec.convert(self._call("recorded_run"), RecordedRun)

    def _repr_html_(self) -> str:
        return self.recorded()._html()

    def _add(self, kind: EntryKind, body: dict[str, Any]) -> None:
        self._call("add_to_run", entries=[(str(kind), body)])

    def _call(self, function: str, **arguments: Any) -> Any:
        return self._connection.call(function, number=self.number, **arguments)
