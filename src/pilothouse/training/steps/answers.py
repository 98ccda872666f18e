"""``answers`` step: does a version answer in this environment as it did when it was evaluated? Runs no user code.

Inputs: ``model``, ``schema``, ``holdout``, ``predictions`` (as they were stored) and, where there is one, ``portable``. Record:
``form`` (``portable`` or ``skops``: what a serving process would take), ``fault`` (why it does not load or answer, empty where
it does), ``portable_fault``, ``rows``, ``differing`` (rows with an answer that is not equal to the bit), ``largest`` (of their
differences), ``written_with`` and ``scikit_learn`` (releases of scikit-learn: of the file, and here).
"""

from pilothouse.domain.errors import PilothouseError
from pilothouse.domain.formats.safe_text import one_line
from pilothouse.domain.jobs.jobs import StepRequest, StepResult
from pilothouse.inference.predictor import Predictor
from pilothouse.inference.safe_format import scikit_learn_here, written_with
from pilothouse.inference.schema import InputSchema
from pilothouse.training.data.rows import read_rows
from pilothouse.training.models.scoring import score
from pilothouse.training.models.stored_answers import StoredAnswers
from pilothouse.training.steps.common import Report, input_path, spec_of, step

_LONGEST_FAULT = 300


@step
def run(request: StepRequest, report: Report) -> StepResult:
    """Load what a serving process would load, let it answer the hold-out, and compare with what is stored."""
    model = input_path(request, "model").read_bytes()
    schema = InputSchema.from_bytes(input_path(request, "schema").read_bytes())
    rows = read_rows(input_path(request, "holdout"), spec_of(request))
    stored = StoredAnswers.read(input_path(request, "predictions"), schema)
    record = {
        "form": "skops",
        "fault": "",
        "portable_fault": "",
        "rows": rows.count,
        "differing": 0,
        "largest": 0.0,
        "written_with": written_with(model),
        "scikit_learn": scikit_learn_here(),
    }
    try:
        predictor = _served(request, model, schema, record)
        report(0.5, f"answering {rows.count} rows", {})
        found = score(predictor, rows)
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - a model of another release may raise anything: that is what is asked
        record["fault"] = _fault(error)
        return StepResult(ok=True, record=record)
    record["differing"], record["largest"] = stored.differences(found)
    return StepResult(ok=True, record=record)


def _served(request: StepRequest, model: bytes, schema: InputSchema, record: dict[str, object]) -> Predictor:
    """Predictor that a serving process would take: of the portable form, and of the skops file where that cannot be read."""
    if "portable" in request.inputs:
        try:
            predictor = Predictor(input_path(request, "portable").read_bytes(), schema)
        except PilothouseError as error:
            record["portable_fault"] = _fault(error)
        else:
            record["form"] = "portable"
            return predictor
    return Predictor(model, schema)


def _fault(error: Exception) -> str:
    text = str(error) if isinstance(error, PilothouseError) else f"{type(error).__name__}: {error}"
    return one_line(text, _LONGEST_FAULT)
