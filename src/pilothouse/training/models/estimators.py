"""scikit-learn estimators by their dotted name, behind the preprocessing that suits them (``preprocessing``)."""

import difflib
import importlib
from collections.abc import Iterable, Iterator
from typing import Any

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.models.model_spec import PreprocessingSpec, Scalar, Task
from pilothouse.inference.schema import InputSchema
from pilothouse.training.models import preprocessing


def estimator_class(name: str) -> type[Any]:
    """Estimator class at ``name``, e.g. ``sklearn.linear_model.Ridge``. Raises InvalidInputError for anything outside of
    scikit-learn, which is not imported, and for what is no estimator."""
    from sklearn.base import BaseEstimator

    module_name, _, class_name = name.rpartition(".")
    if not (module_name + ".").startswith("sklearn."):
        raise InvalidInputError(f"training.estimator: found {name!r}; expected a class of scikit-learn")
    try:
        module = importlib.import_module(module_name)
    except ImportError:
        raise InvalidInputError(f"training.estimator: scikit-learn has no module {module_name!r}") from None
    candidate = getattr(module, class_name, None)
    if candidate is None:
        close = difflib.get_close_matches(class_name, dir(module), 1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise InvalidInputError(f"training.estimator: {module_name} has no {class_name!r}{hint}")
    own = (
        isinstance(candidate, type)
        and issubclass(candidate, BaseEstimator)
        and candidate.__module__.startswith("sklearn.")
    )
    if not own or not hasattr(candidate, "predict"):
        raise InvalidInputError(f"training.estimator: {name!r} is not an estimator that predicts")
    kind: type[Any] = candidate
    return kind


def build_pipeline(
    name: str,
    parameters: dict[str, Scalar],
    schema: InputSchema,
    *,
    seed: int,
    threads: int,
    asked: PreprocessingSpec | None = None,
) -> Any:
    """Unfitted pipeline: encoding as ``asked``, then the estimator with ``parameters``, ``random_state`` and (ensembles)
    ``n_jobs``. ``preprocessing.fit_pipeline`` fits it.

    Raises InvalidInputError for a parameter that the estimator does not have, a task that it is not made for, or preprocessing
    that it cannot do with.
    """
    from sklearn.pipeline import Pipeline

    kind = estimator_class(name)
    check_task(kind, schema.task)
    try:
        known = kind().get_params(deep=False)
    except TypeError as error:
        raise InvalidInputError(
            f"training.estimator: {kind.__name__} cannot be made from plain parameters ({error}); use train.py"
        ) from None
    for fault in unknown_parameters(kind, known, parameters, "training.parameters"):
        raise InvalidInputError(fault)
    own: dict[str, Scalar] = {"random_state": seed}
    if kind.__module__.startswith("sklearn.ensemble."):
        own["n_jobs"] = threads
    estimator = kind(**{key: value for key, value in own.items() if key in known} | parameters)
    able = preprocessing.abilities_of(estimator)
    for fault in preprocessing.faults(asked, able):
        raise InvalidInputError(fault)
    encode = preprocessing.encoder(schema, preprocessing.chosen(asked, able), able)
    return Pipeline([("encode", encode), ("model", estimator)])


def unknown_parameters(
    kind: type[Any], known: Iterable[str], parameters: Iterable[str], where: str
) -> Iterator[str]:
    """A fault for each parameter that the estimator does not have."""
    names = sorted(known)
    for parameter in parameters:
        if parameter not in names:
            close = difflib.get_close_matches(parameter, names, 1)
            hint = f"; did you mean {close[0]}?" if close else f"; it has {', '.join(names)}"
            yield f"{where}.{parameter}: {kind.__name__} has no such parameter{hint}"


def plain_parameters(pipeline: Any) -> dict[str, Scalar | None]:
    """Parameters of the pipeline's estimator that a model file could set: all that are plain values, but for those that this
    module sets itself."""
    parameters = pipeline[-1].get_params(deep=False)
    return {
        name: value
        for name, value in parameters.items()
        if name not in ("random_state", "n_jobs") and isinstance(value, bool | int | float | str | None)
    }


def check_task(kind: type[Any], task: Task) -> None:
    """Raise InvalidInputError for an estimator that is not made for the task."""
    from sklearn.base import ClassifierMixin, RegressorMixin

    wanted = RegressorMixin if task == "regression" else ClassifierMixin
    if not issubclass(kind, wanted):
        word = "regressor" if task == "regression" else "classifier"
        raise InvalidInputError(
            f"training.estimator: {kind.__name__} is no {word}, which a {task} task needs"
        )
