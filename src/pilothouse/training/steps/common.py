"""Parts that every step shares: its report, its error in one line, its spec and its paths."""

import functools
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from pilothouse.domain.errors import PilothouseError
from pilothouse.domain.formats.safe_text import one_line
from pilothouse.domain.jobs.failures import cause_of
from pilothouse.domain.jobs.jobs import StepRequest, StepResult
from pilothouse.domain.models.model_file import spec_from_plain
from pilothouse.domain.models.model_spec import ModelSpec

_LONGEST = 2_000

Report = Callable[[float, str, dict[str, float]], None]
"""Progress report ``report(fraction of this step, message, figures)``."""

Step = Callable[[StepRequest, Report], StepResult]


def step(run: Step) -> Step:
    """Decorator under which every fault of a step becomes ``StepResult.error``, one line; the traceback goes to the log.

    MemoryError is let through: the launcher tells it from other faults.
    """

    @functools.wraps(run)
    def guarded(request: StepRequest, report: Report) -> StepResult:
        try:
            return run(request, report)
        except MemoryError:
            raise
        except PilothouseError as error:
            return StepResult(
                ok=False, error=one_line(str(error), _LONGEST), cause=cause_of(error, request.step)
            )
        except Exception as error:  # noqa: BLE001 - whatever broke, the log keeps where and the job says what
            traceback.print_exc(file=sys.stderr)
            message = one_line(f"{request.step}: {type(error).__name__}: {error}", _LONGEST)
            return StepResult(ok=False, error=message, cause=cause_of(error, request.step))

    return guarded


def spec_of(request: StepRequest) -> ModelSpec:
    return spec_from_plain(request.spec, "model.toml")


def input_path(request: StepRequest, name: str) -> Path:
    """Path of the file or folder that the request names ``name``."""
    return Path(request.inputs[name])


def output_path(request: StepRequest, file: str) -> Path:
    """Path of a file that this step writes."""
    return Path(request.folder) / file


def write_output(request: StepRequest, file: str, data: bytes) -> str:
    """Write a file of this step; returns its path."""
    path = output_path(request, file)
    path.write_bytes(data)
    return str(path)
