"""Check of estimators and their parameters, ``python -I -m pilothouse.training.models.estimator_check``: no row is read,
nothing is fitted, no user's code runs.

It reads a JSON list of ``{"task", "estimator", "parameters", "search", "preprocessing"}`` from its input and writes a list of
lists of faults.
"""

import json
import re
import sys
from collections.abc import Iterator
from typing import Any

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.formats.safe_text import one_line
from pilothouse.domain.models.model_spec import PreprocessingSpec, Scalar, Task
from pilothouse.training.models import preprocessing
from pilothouse.training.models.estimators import check_task, estimator_class, unknown_parameters

_NAMED = re.compile(r"'(\w+)' parameter")


def faults(
    task: Task,
    name: str,
    parameters: dict[str, Scalar],
    search: dict[str, list[Scalar]],
    asked: PreprocessingSpec | None = None,
) -> Iterator[str]:
    """Faults of an estimator, of all its parameters and of the preprocessing, a line each."""
    try:
        kind = estimator_class(name)
        check_task(kind, task)
        known = kind().get_params(deep=False)
    except InvalidInputError as error:
        yield str(error)
        return
    except TypeError as error:
        yield f"training.estimator: {kind.__name__} cannot be made from plain parameters ({one_line(str(error))}); use train.py"
        return
    yield from preprocessing.faults(asked, preprocessing.abilities_of(kind()))
    yield from unknown_parameters(kind, known, parameters, "training.parameters")
    yield from unknown_parameters(kind, known, search, "training.search.parameters")
    good = {key: value for key, value in parameters.items() if key in known}
    yield from _values(kind, good, "training.parameters")
    for key, values in search.items():
        for value in values if key in known else ():
            yield from _values(kind, {key: value}, "training.search.parameters")
    if task != "regression" and not _gives_probabilities(kind, good):
        yield (
            f"training.estimator: {kind.__name__} gives no probabilities with these parameters; expected a classifier with "
            "predict_proba: sklearn.calibration.CalibratedClassifierCV adds it in a train.py"
        )


def _values(kind: type[Any], parameters: dict[str, Scalar], where: str) -> Iterator[str]:
    """Faults of values that the estimator itself refuses."""
    left = dict(parameters)
    while left:
        try:
            estimator = kind(**left)
            estimator._validate_params()
        except (ValueError, TypeError) as error:
            message = one_line(str(error), 300)
            named = _NAMED.search(message)
            if named is None or named[1] not in left:
                yield f"{where}: {message}"
                return
            yield f"{where}.{named[1]}: {message}"
            del left[named[1]]
        else:
            return


def _gives_probabilities(kind: type[Any], parameters: dict[str, Scalar]) -> bool:
    try:
        return hasattr(kind(**parameters), "predict_proba")
    except (ValueError, TypeError):
        return True  # its values are at fault, which is said of them


def _preprocessing(one: dict[str, Any]) -> PreprocessingSpec | None:
    return PreprocessingSpec(**one["preprocessing"]) if one["preprocessing"] is not None else None


def main() -> int:
    """Read the list, write the answers."""
    asked = json.load(sys.stdin)
    answers = [
        list(faults(one["task"], one["estimator"], one["parameters"], one["search"], _preprocessing(one)))
        for one in asked
    ]
    json.dump(answers, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
