"""Faults of the estimators that model files name, found by a process of its own: scikit-learn stays out of this one."""

import json
import subprocess
import sys
from collections.abc import Sequence

from pilothouse.domain.errors import UnavailableError
from pilothouse.domain.models.dataclass_reader import to_plain
from pilothouse.domain.models.model_spec import ModelSpec

_MODULE = "pilothouse.training.models.estimator_check"
_TIMEOUT_S = 60


def estimator_faults(specs: Sequence[ModelSpec]) -> list[tuple[str, ...]]:
    """Faults of each specification's estimator and its parameters; none of a function of the user's own."""
    named = [spec for spec in specs if spec.training.estimator is not None]
    if not named:
        return [() for _ in specs]
    asked = [
        {
            "task": spec.task,
            "estimator": spec.training.estimator,
            "parameters": spec.training.parameters,
            "search": spec.training.search.parameters if spec.training.search else {},
            "preprocessing": to_plain(spec.training.preprocessing),
        }
        for spec in named
    ]
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-m", _MODULE],
            input=json.dumps(asked),
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=True,
        )
        answers = iter(json.loads(done.stdout))
    except subprocess.TimeoutExpired:
        raise UnavailableError(
            f"the estimators could not be checked in {_TIMEOUT_S} s: try again when the machine is less busy"
        ) from None
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise UnavailableError(f"the estimators could not be checked: {type(error).__name__}") from error
    return [tuple(next(answers)) if spec.training.estimator is not None else () for spec in specs]
