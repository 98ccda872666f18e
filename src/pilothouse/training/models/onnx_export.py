"""ONNX: a model written for other systems, and how its answers differ from the model's own.

Numbers go in as float32, as that is what ONNX's trees compare; a model without trees is tried with float64 too, and the nearer
of the two is taken. A category goes in as text, empty where it is missing.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.formats.safe_text import one_line
from pilothouse.domain.monitoring.categories import category_text
from pilothouse.inference.columns import InputColumns, Numbers
from pilothouse.inference.portable.packaging import chosen_rows
from pilothouse.inference.predictor import Prediction, Predictor, check_answers
from pilothouse.inference.schema import InputSchema

_BLOCK_ROWS = 5_000
_LONGEST_REASON = 300
_TREES = "TreeEnsemble"
"""First part of the names of ONNX's operators for trees."""

MOVED = 0.01
"""Difference of a probability that matters to whoever decides by it."""

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Differences:
    """How the answers of an ONNX file differ on some rows."""

    rows: int
    labels: int
    """Rows with another label."""
    unanswered: int
    """Rows that the file refuses, or answers with what is no number."""
    largest: float
    """Largest difference of a probability, or of a regression's value."""
    moved: int = 0
    """Rows with the same label, of which a probability is off by more than MOVED."""


class OnnxModel:
    """Model in ONNX, as onnxruntime answers it. Answers are in the order of the schema's classes."""

    def __init__(self, data: bytes, numbers: str, schema: InputSchema, model: Any) -> None:
        import onnxruntime

        onnxruntime.disable_telemetry_events()
        self.data, self.numbers = data, numbers
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4
        self._session = onnxruntime.InferenceSession(
            data, sess_options=options, providers=["CPUExecutionProvider"]
        )
        self._schema = schema
        self._places = check_answers(model, schema)
        classes = getattr(model, "classes_", ())
        self._texts = {
            value.item() if hasattr(value, "item") else value: category_text(value) for value in classes
        }

    def answer(self, columns: InputColumns) -> tuple[Numbers, list[str | None]]:
        """Probabilities float64[n, classes] and labels; of a regression values float64[n, 1] and no labels."""
        given = {
            column.name: self._input(columns, column.name, column.kind) for column in self._schema.columns
        }
        outputs = self._session.run(None, given)
        if self._schema.task == "regression":
            return np.asarray(outputs[0], dtype=np.float64).reshape(columns.rows, 1), []
        labels, probabilities = outputs
        found = np.zeros((columns.rows, len(self._schema.classes)))
        found[:, self._places] = probabilities
        return found, [self._texts.get(label) for label in np.asarray(labels).tolist()]

    def _input(self, columns: InputColumns, name: str, kind: str) -> npt.NDArray[Any]:
        if kind == "number":
            with np.errstate(over="ignore"):
                return columns.numeric[name].astype(self.numbers)[:, None]
        return np.array([[text or ""] for text in columns.categorical[name]], dtype=object)


def written(predictor: Predictor, properties: dict[str, str]) -> Iterator[OnnxModel]:
    """Model of ``predictor``, which was read from a skops file, in ONNX: with float32, and with float64 where it has no trees.
    ``properties`` are written into the file. Raises InvalidInputError where it does not convert."""
    single = _converted(predictor, "float32", properties)
    yield _loaded(single, "float32", predictor)
    if not any(node.op_type.startswith(_TREES) for node in single.graph.node):
        try:
            double = _loaded(_converted(predictor, "float64", properties), "float64", predictor)
        except InvalidInputError:  # there is one already
            return
        yield double


def _converted(predictor: Predictor, numbers: str, properties: dict[str, str]) -> Any:
    import onnx
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, StringTensorType

    number = FloatTensorType if numbers == "float32" else DoubleTensorType
    types = [
        (column.name, (number if column.kind == "number" else StringTensorType)([None, 1]))
        for column in predictor.schema.columns
    ]
    plain = {} if predictor.schema.task == "regression" else {id(predictor.model): {"zipmap": False}}
    try:
        made = convert_sklearn(
            predictor.model, predictor.schema.model, initial_types=types, options=plain or None
        )
    except Exception as error:
        raise _failed(error) from error
    onnx.helper.set_model_props(made, properties)
    return made


def _loaded(made: Any, numbers: str, predictor: Predictor) -> OnnxModel:
    try:
        return OnnxModel(made.SerializeToString(), numbers, predictor.schema, predictor.model)
    except Exception as error:
        raise _failed(error) from error


def _failed(error: Exception) -> InvalidInputError:
    text = one_line(f"{type(error).__name__}: {error}", _LONGEST_REASON)
    return InvalidInputError(f"the model does not convert to ONNX: {text}")


def rows_with_missing(columns: InputColumns) -> Flags:
    """True for each row in which a feature is missing."""
    missing = np.zeros(columns.rows, dtype=bool)
    for values in columns.numeric.values():
        missing |= np.isnan(values)
    for texts in columns.categorical.values():
        missing |= np.array([not text for text in texts], dtype=bool)
    return missing


def differences(predictor: Predictor, exported: OnnxModel, columns: InputColumns) -> Differences:
    """How ``exported`` answers ``columns``, compared with the model itself, which answers all of them."""
    labels = unanswered = moved = 0
    largest = 0.0
    for start in range(0, columns.rows, _BLOCK_ROWS):
        block = chosen_rows(columns, np.arange(start, min(start + _BLOCK_ROWS, columns.rows)))
        expected = _numbers(predictor.predict_columns(block))
        wanted = predictor.predict_columns(block).labels
        found, given = _answers(exported.answer, block, expected.shape[1])
        fine = np.isfinite(found).all(axis=1)
        unanswered += int((~fine).sum())
        if wanted:
            differing = np.array([a != b for a, b in zip(wanted, given, strict=True)], dtype=bool)
            labels += int((differing & fine).sum())
            moved += int(((np.abs(found - expected) > MOVED).any(axis=1) & fine & ~differing).sum())
        if fine.any():
            largest = max(largest, float(np.abs(found - expected)[fine].max()))
    return Differences(columns.rows, labels, unanswered, largest, moved)


def _numbers(prediction: Prediction) -> Numbers:
    return prediction.scores[:, None] if prediction.probabilities is None else prediction.probabilities


def _answers(
    answer: Callable[[InputColumns], tuple[Numbers, list[str | None]]], columns: InputColumns, width: int
) -> tuple[Numbers, list[str | None]]:
    """Answers to all rows; those of a call that fails one by one, NaN where a row alone fails."""
    try:
        found, labels = answer(columns)
    except Exception:  # noqa: BLE001 - onnxruntime raises types of its own
        if columns.rows == 1:
            return np.full((1, width), np.nan), [None]
        parts = [
            _answers(answer, chosen_rows(columns, np.array([row])), width) for row in range(columns.rows)
        ]
        return np.concatenate([part for part, _ in parts]), [label for _, part in parts for label in part]
    return found, labels or [None] * columns.rows
