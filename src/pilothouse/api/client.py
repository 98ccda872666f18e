"""A workspace for a program: what is in it, trainings, requests, and rows that are handed over."""

import os
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, overload

from pilothouse.api.listed import Listed
from pilothouse.api.showing import Shown
from pilothouse.api.values import Finding, Job, Model, Request, Version
from pilothouse.domain.errors import InvalidInputError, UnavailableError
from pilothouse.domain.formats.safe_text import one_line

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from pilothouse.api.estimators import Estimator
    from pilothouse.api.receipts import OutcomeReceipt, Receipt
    from pilothouse.api.run_values import Comparison, RecordedRun
    from pilothouse.api.runs import Run

V = TypeVar("V", bound=Shown)
_FIRST_POLL_S, _LAST_POLL_S = 0.05, 1.0


class Client:
    """A workspace, with the permissions of this account in it. What it changes stands in the audit log as what the command line
    changes does.

    ``workspace`` is its folder; None for that of ``PILOTHOUSE_WORKSPACE``, else this folder or the nearest above it.
    ``as_name``: act as this name, where the workspace lets that through. Safe to use from several threads, and in the child
    of a fork, which gets a connection of its own. Raises InvalidInputError (an address on another machine) or NotFoundError (no
    workspace).
    """

    def __init__(
        self, workspace: str | os.PathLike[str] | None = None, *, as_name: str | None = None
    ) -> None:
        from pilothouse.api.connection import Connection
        from pilothouse.system.workspace_place import check_local, find_workspace

        if workspace is not None:
            check_local(os.fspath(workspace))
        self.workspace = find_workspace(None if workspace is None else Path(workspace))
        self._connection = Connection(self.workspace, as_name)

    def __enter__(self) -> "Self":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: "TracebackType | None"
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Client({str(self.workspace)!r})"

    def close(self) -> None:
        """End the process that holds the workspace for this client. Its runs that are open stay so until this process ends."""
        self._connection.close()

    def models(self) -> Listed[Model]:
        """All models by name."""
        return self._values("models", Model)

    def model(self, name: str) -> Model:
        """One model. Raises NotFoundError."""
        return self._value("model", Model, name=name)

    def versions(self, model: str) -> Listed[Version]:
        """A model's versions, newest first. Raises NotFoundError."""
        return self._values("versions", Version, model=model)

    def version(self, reference: str | Version) -> Version:
        """The version that ``models:/NAME/3``, ``NAME@champion`` or ``NAME`` (its newest) names, or one as it is now. Raises
        InvalidInputError or NotFoundError."""
        return self._value("version", Version, reference=_reference(reference))

    def jobs(self, model: str | None = None, *, status: str | None = None, limit: int = 50) -> Listed[Job]:
        """Jobs, newest first. Raises InvalidInputError (no such status)."""
        return self._values("jobs", Job, model=model, status=status, limit=limit)

    def job(self, number: int) -> Job:
        """One job. Raises NotFoundError."""
        return self._value("job", Job, number=number)

    def train(
        self,
        model: str,
        *,
        reason: str = "",
        as_of: datetime | None = None,
        overrides: Mapping[str, bool | float | int | str] | None = None,
        fresh: bool = False,
    ) -> Job:
        """Queue a training, which the daemon runs; as ``pilothouse train``. ``overrides``: dotted keys of the model file, such
        as ``training.parameters.max_depth``.

        Raises NotFoundError, NotAllowedError, InvalidInputError or ConflictError.
        """
        given = dict(overrides or {})
        return self._value(
            "train", Job, model=model, reason=reason, as_of=as_of, overrides=given, fresh=fresh
        )

    def cancel(self, job: Job | int, *, reason: str = "") -> Job:
        """Cancel a job. Raises NotFoundError, NotAllowedError or ConflictError (it has ended)."""
        return self._value("cancel", Job, number=_number(job), reason=reason)

    def request(
        self, reference: str | Version, *, targets: Sequence[str] | None = None, reason: str = ""
    ) -> Request:
        """Ask for a version's promotion on targets, or on all of its model; as ``pilothouse request``. A person decides, unless
        the policy is automatic.

        Raises NotFoundError, NotAllowedError (role, failed gate) or ConflictError.
        """
        chosen = None if targets is None else list(targets)
        return self._value("ask", Request, reference=_reference(reference), targets=chosen, reason=reason)

    def requests(
        self, model: str | None = None, *, open_only: bool = False, limit: int = 50
    ) -> Listed[Request]:
        """Promotion requests, newest first."""
        return self._values("requests", Request, model=model, open_only=open_only, limit=limit)

    def withdraw(self, request: Request | int, *, reason: str = "") -> Request:
        """Withdraw a request of one's own. Raises NotFoundError, NotAllowedError or ConflictError."""
        return self._value("withdraw", Request, number=_number(request), reason=reason)

    @overload
    def wait(self, what: Job, *, timeout: float | None = None) -> Job: ...
    @overload
    def wait(self, what: Request, *, timeout: float | None = None) -> Request: ...
    def wait(self, what: Job | Request, *, timeout: float | None = None) -> Job | Request:
        """Wait until a job has ended or a request is decided, ``timeout`` seconds at most; returns it as it is then. Raises
        UnavailableError where the time is over."""
        deadline = None if timeout is None else time.monotonic() + timeout
        pause = _FIRST_POLL_S
        while True:
            now = self._now(what)
            if now.ended if isinstance(now, Job) else not now.open:
                return now
            if deadline is not None and time.monotonic() + pause > deadline:
                raise UnavailableError(_late(now, timeout or 0.0))
            time.sleep(pause)
            pause = min(_LAST_POLL_S, pause * 1.5)

    def _now(self, what: Job | Request) -> Job | Request:
        if isinstance(what, Job):
            return self._value("job", Job, number=what.number)
        return self._value("request", Request, number=what.number)

    def findings(self, model: str, target: str) -> Listed[Finding]:
        """Drift of each feature in the newest closed window of a model on a target, the most drifted first. Empty
        until a first window has closed and was looked at; ``pilothouse monitor MODEL TARGET`` says what there is so far. Raises
        NotFoundError."""
        return self._values("findings", Finding, model=model, target=target, feature=None)

    def finding(self, model: str, target: str, feature: str) -> Finding:
        """Drift of one feature (or ``score``), with its picture. Raises NotFoundError."""
        return self._values("findings", Finding, model=model, target=target, feature=feature)[0]

    def log_predictions(
        self, frame: Any, *, model: str, version: int | Version, target: str, history: bool = False
    ) -> "Receipt":
        """Hand over predictions of a version that is served elsewhere; as ``pilothouse ingest``, see ``ph.log_predictions``."""
        from pilothouse.api.frames import to_parquet
        from pilothouse.api.receipts import Receipt

        rows = to_parquet(frame)
        given = {"model": model, "version": _number(version), "target": target, "history": history}
        return self._value("log_predictions", Receipt, rows=rows, **given)

    def log_outcomes(self, frame: Any) -> "OutcomeReceipt":
        """Hand over outcomes; as ``pilothouse labels``, see ``ph.log_outcomes``."""
        from pilothouse.api.frames import to_parquet
        from pilothouse.api.receipts import OutcomeReceipt

        return self._value("log_outcomes", OutcomeReceipt, rows=to_parquet(frame))

    def load(self, reference: str | Version) -> "Estimator":
        """Load a version into this process; see ``ph.load``."""
        from pilothouse.api.estimators import loaded

        return loaded(self._call("files_of", reference=_reference(reference)))

    def run(self, model: str, name: str = "", *, parameters: Mapping[str, object] | None = None) -> "Run":
        """Begin a notebook run of a model; see ``ph.run``."""
        from pilothouse.api.runs import Run

        _check_name("model", model)
        return Run(self._connection, model, name, parameters)

    def runs(self, model: str | None = None, *, limit: int = 50) -> "Listed[RecordedRun]":
        """Notebook runs, newest first, with their parameters and the newest value of each metric. Raises NotFoundError."""
        from pilothouse.api.run_values import RecordedRun

        return self._values("runs", RecordedRun, model=model, limit=limit)

    def recorded_run(self, number: int) -> "RecordedRun":
        """One notebook run with all that was logged. Raises NotFoundError."""
        from pilothouse.api.run_values import RecordedRun

        return self._value("recorded_run", RecordedRun, number=number)

    def compare_runs(self, numbers: "Sequence[int | RecordedRun]") -> "Comparison":
        """Several notebook runs side by side. Raises NotFoundError."""
        from pilothouse.api.run_values import Comparison

        return self._value("compared_runs", Comparison, numbers=[_number(one) for one in numbers])

    def _call(self, function: str, **arguments: Any) -> Any:
        for name in ("model", "target"):
            _check_name(name, arguments.get(name))
        return self._connection.call(function, **arguments)

    def _value(self, function: str, kind: type[V], **arguments: Any) -> V:
        import msgspec

        return msgspec.convert(self._call(function, **arguments), kind)

    def _values(self, function: str, kind: type[V], **arguments: Any) -> Listed[V]:
        import msgspec

        found = msgspec.convert(self._call(function, **arguments), list[kind])  # type: ignore[valid-type]
        return Listed(found)


def _number(what: Any) -> int:
    number = what if isinstance(what, int) and not isinstance(what, bool) else getattr(what, "number", None)
    if not isinstance(number, int):
        raise InvalidInputError(f"found {one_line(repr(what), 80)}; expected a number, or what has one")
    return number


def _check_name(what: str, name: object) -> None:
    if not isinstance(name, str | None):
        raise InvalidInputError(f"{what}: found {one_line(repr(name), 80)}; expected its name")


def _reference(what: str | Version) -> str:
    reference = what.uri if isinstance(what, Version) else what
    if not isinstance(reference, str):
        raise InvalidInputError(
            f"found {one_line(repr(reference), 80)}; expected a version, or what names one such as models:/delay/3"
        )
    return reference


def _late(now: Job | Request, timeout: float) -> str:
    what = f"job {now.number}" if isinstance(now, Job) else f"request {now.number}"
    hint = ": does a daemon run? (pilothouse daemon status)" if isinstance(now, Job) else ""
    return f"{what} is {now.status} after {timeout:g} s{hint}"
