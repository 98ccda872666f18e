"""Predictor: from verified bytes of a model and its schema to scores, labels and probabilities."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pilothouse.domain.errors import IntegrityError, InvalidInputError
from pilothouse.domain.monitoring.categories import category_text
from pilothouse.inference.columns import InputColumns, Numbers, input_columns
from pilothouse.inference.encoding import split
from pilothouse.inference.known_categories import known_categories
from pilothouse.inference.portable.model import PortableModel, is_portable
from pilothouse.inference.safe_format import load_model
from pilothouse.inference.schema import InputSchema


@dataclass(frozen=True, slots=True)
class Prediction:
    """Predictions for n rows and k classes, in the order of the rows.

    ``scores`` float64[n]: the positive class's probability (binary), the winning class's probability (multiclass) or the
    predicted value (regression). ``labels``: the winning classes, empty for a regression. ``probabilities`` float64[n, k]
    in the order of the schema's classes, None for a regression.
    """

    scores: Numbers
    labels: list[str]
    probabilities: Numbers | None


class Predictor:
    """Loaded model. Nothing in it changes after it is made, so several threads may use it at once."""

    def __init__(self, model_bytes: bytes, schema: InputSchema) -> None:
        """Load ``model_bytes``, a portable model or a skops file. Raises IntegrityError where it is not safe or does not fit
        ``schema``."""
        self.schema = schema
        self.portable = is_portable(model_bytes)
        """True for a portable model, which needs no scikit-learn."""
        self.model: Any = None
        """The estimator as it was read from a skops file, but that it uses one thread."""
        if self.portable:
            loaded = PortableModel(model_bytes, schema)
            self.known_categories = loaded.known_categories
            """Categories that the model has learned, by feature; a feature whose encoder cannot be found is absent."""
            self._class_columns = class_columns(loaded.answers, schema)
            self._answer: Callable[[InputColumns], Any] = loaded
            return
        self.model = one_thread(load_model(model_bytes))
        self._class_columns = check_answers(self.model, schema)
        self.known_categories = known_categories(self.model, schema)
        encode, estimator = split(self.model, schema, self.known_categories)
        answer = estimator.predict if schema.task == "regression" else estimator.predict_proba
        self._answer = lambda columns: answer(encode(columns))

    def predict(self, columns: Mapping[str, Any], rows: int) -> Prediction:
        """Predictions for ``columns``: a list or array of ``rows`` values for each feature. Raises InvalidInputError."""
        return self.predict_columns(input_columns(self.schema, columns, rows))

    def predict_columns(self, columns: InputColumns) -> Prediction:
        """Predictions for columns that ``input_columns`` has prepared."""
        if columns.rows == 0:
            k = len(self.schema.classes)
            return Prediction(np.empty(0), [], np.empty((0, k)) if k else None)
        answer = self._answer(columns)
        if self.schema.task == "regression":
            return Prediction(np.asarray(answer, dtype=np.float64), [], None)
        probabilities = np.zeros((columns.rows, len(self.schema.classes)))
        probabilities[:, self._class_columns] = answer
        winners = probabilities.argmax(axis=1)
        labels = [self.schema.classes[i] for i in winners]
        scores = probabilities[:, 1] if self.schema.task == "binary" else probabilities.max(axis=1)
        return Prediction(np.ascontiguousarray(scores), labels, probabilities)

    def measure_latency_us(self, example: Mapping[str, Sequence[Any]], repeats: int) -> list[int]:
        """Microseconds of ``repeats`` predictions of one row each, going round the rows of ``example``.

        A few are made beforehand and not counted, since the first calls of a process are slow.
        """
        total = len(example[self.schema.columns[0].name])
        single_rows = [
            {name: values[i : i + 1] for name, values in example.items()} for i in range(min(total, repeats))
        ]
        if not single_rows:
            raise InvalidInputError(f"{self.schema.model}: no rows to measure the latency with")
        for row in single_rows[:3]:
            self.predict(row, 1)
        times = []
        for i in range(repeats):
            start = time.perf_counter_ns()
            self.predict(single_rows[i % len(single_rows)], 1)
            times.append((time.perf_counter_ns() - start) // 1_000)
        return times


def one_thread(model: Any) -> Any:
    """Model with every ``n_jobs`` at 1: a forest that adds up its trees in several threads gives slightly different sums
    each time, and one row is predicted sooner without a pool."""
    parallel = [name for name in model.get_params(deep=True) if name.split("__")[-1] == "n_jobs"]
    return model.set_params(**dict.fromkeys(parallel, 1)) if parallel else model


def check_answers(model: Any, schema: InputSchema) -> list[int]:
    """Index of each of the model's classes in the schema's. Raises IntegrityError where the two do not fit."""
    name = type(model.steps[-1][1] if hasattr(model, "steps") else model).__name__
    if schema.task == "regression":
        if not hasattr(model, "predict") or hasattr(model, "predict_proba"):
            raise IntegrityError(f"{schema.model}: {name} is not a regressor, as its task says")
        return []
    if not hasattr(model, "predict_proba"):
        raise IntegrityError(
            f"{schema.model}: {name} gives no probabilities; expected a classifier with predict_proba "
            "(sklearn.calibration.CalibratedClassifierCV adds it)"
        )
    if not hasattr(model, "classes_"):
        raise IntegrityError(f"{schema.model}: {name} is not fitted; expected an estimator after its fit")
    return class_columns([category_text(value) for value in model.classes_], schema)


def class_columns(answers: Sequence[str | None], schema: InputSchema) -> list[int]:
    """Index of each of these classes in the schema's. Raises IntegrityError where one is not among them."""
    if bool(answers) == (schema.task == "regression"):
        raise IntegrityError(f"{schema.model}: the model does not answer as its task says")
    unknown = [answer for answer in answers if answer not in schema.classes]
    if unknown:
        raise IntegrityError(
            f"{schema.model}: the model answers with {unknown[0]!r}, which is not among its classes"
        )
    return [schema.classes.index(str(answer)) for answer in answers]
