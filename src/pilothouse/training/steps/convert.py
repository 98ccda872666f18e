"""``convert`` step: writes the portable form of a version that has none, and compares it to the bit. Runs no user code.

Inputs: ``model``, ``schema``, ``holdout``, ``predictions`` (as they were stored). Outputs: ``portable``, where there is one.
Record: ``portable`` (why there is none, and on how many rows it was compared), ``packages``. Fails where the model does not
answer in this environment as it did when it was evaluated: what is converted has to be what was approved.
"""

from pilothouse.domain.errors import IntegrityError
from pilothouse.domain.jobs import StepRequest, StepResult
from pilothouse.inference.portable.packaging import packaged
from pilothouse.inference.predictor import Predictor
from pilothouse.inference.safe_format import scikit_learn_here
from pilothouse.inference.schema import InputSchema
from pilothouse.training.environment import environment
from pilothouse.training.rows import read_rows
from pilothouse.training.scoring import score
from pilothouse.training.steps.common import Report, input_path, spec_of, step, write_output
from pilothouse.training.stored_answers import StoredAnswers


@step
def run(request: StepRequest, report: Report) -> StepResult:
    """Hold the model against its stored answers, then write its portable form and compare that with it."""
    schema = InputSchema.from_bytes(input_path(request, "schema").read_bytes())
    predictor = Predictor(input_path(request, "model").read_bytes(), schema)
    rows = read_rows(input_path(request, "holdout"), spec_of(request))
    report(0.1, f"answering {rows.count} rows", {})
    stored = StoredAnswers.read(input_path(request, "predictions"), schema)
    differing, largest = stored.differences(score(predictor, rows))
    if differing:
        raise IntegrityError(
            f"under scikit-learn {scikit_learn_here()} it answers otherwise than it did: {differing} of {rows.count} rows, "
            f"largest {largest:.3g}"
        )
    report(0.4, "writing the portable form and comparing it", {})
    made = packaged(predictor, rows.columns(schema), seed=request.seed)
    outputs = {} if made.data is None else {"portable": write_output(request, "portable.npz", made.data)}
    record = {
        "portable": {"reason": made.reason, "rows": made.rows},
        "packages": environment()["packages"],
    }
    return StepResult(ok=True, outputs=outputs, record=record)
