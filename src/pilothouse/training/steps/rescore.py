"""``rescore`` step: loads a model file of another registry by our own list of types, and lets it answer its input example. Runs
no user code.

Inputs: ``model`` (a skops file), ``description`` (its ``MLmodel``), ``example`` (its input example, where it has one). Record:
``answers`` (whether it answers as its signature says), ``finding`` (in one line), ``inputs``, ``rows``, ``predictions`` (of the
first rows, as text), ``classes``, ``written_with``, ``estimator``.
"""

from typing import Any

import numpy as np
import pandas as pd

from pilothouse.domain.errors import InvalidInputError, PilothouseError
from pilothouse.domain.formats.safe_text import one_line, safe
from pilothouse.domain.jobs.jobs import StepRequest, StepResult
from pilothouse.inference.predictor import one_thread
from pilothouse.inference.safe_format import load_model, tie, written_with
from pilothouse.training.models.mlmodel import Described, example_rows, read_description, typed_rows
from pilothouse.training.steps.common import Report, input_path, step

_SHOWN = 20
_GENERATED = 4


@step
def run(request: StepRequest, report: Report) -> StepResult:
    """Load the model and let it answer. What is wrong with it is a finding, not a fault of the step."""
    data = input_path(request, "model").read_bytes()
    record: dict[str, Any] = {"answers": False, "written_with": written_with(data)}
    try:
        described = read_description(input_path(request, "description").read_bytes())
        if described.serialization != "skops":
            raise InvalidInputError(
                f"MLmodel: it is serialized as {safe(described.serialization, 40)!r}, which is never loaded"
            )
        if described.inputs is None:
            raise InvalidInputError(
                "MLmodel: its signature names no columns, so that no row can be made for it"
            )
        record["inputs"] = [list(one) for one in described.inputs]
        rows, of = _rows(request, described)
        report(0.3, "loading the model", {})
        model = one_thread(load_model(data))
        record["estimator"] = type(model.steps[-1][1] if hasattr(model, "steps") else model).__name__
        record |= _answers(model, rows, described)
        record["finding"] = f"answers {len(rows)} rows of {of} as its signature says"
        record["answers"] = True
    except PilothouseError as error:
        record["finding"] = one_line(str(error))
    except Exception as error:  # noqa: BLE001 - an estimator of strangers raises what it likes
        made = tie(data)
        record["finding"] = one_line(
            f"does not answer: {type(error).__name__}: {error}{f' ({made})' if made else ''}"
        )
    return StepResult(ok=True, outputs={}, record=record)


def _rows(request: StepRequest, described: Described) -> tuple[pd.DataFrame, str]:
    if "example" in request.inputs:
        return example_rows(described, input_path(request, "example").read_bytes()), "its example"
    values = {
        name: [("a" if kind == "string" else i) for i in range(_GENERATED)]
        for name, kind in described.inputs or ()
    }
    return typed_rows(described, values), "its signature"


def _answers(model: Any, rows: pd.DataFrame, described: Described) -> dict[str, Any]:
    answer = np.asarray(model.predict(rows))
    if answer.shape[:1] != (len(rows),):
        raise InvalidInputError(f"it answers {answer.shape} for {len(rows)} rows")
    kind = "number" if answer.dtype.kind in "iufb" else "text"
    if described.output and kind != described.output:
        raise InvalidInputError(
            f"it answers with {answer.dtype.name}, its signature says {described.output}s"
        )
    if answer.dtype.kind == "f" and not np.isfinite(answer).all():
        raise InvalidInputError("it answers with what is no number")
    classes = [safe(str(value), 100) for value in getattr(model, "classes_", ())][:1_000]
    return {
        "rows": len(rows),
        "type": answer.dtype.name,
        "predictions": [safe(str(value), 100) for value in answer[:_SHOWN].tolist()],
        "classes": classes,
        "has_probabilities": hasattr(model, "predict_proba"),
    }
