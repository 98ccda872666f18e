"""``convert`` step: writes the portable form of a version that has none, and compares it to the bit. Runs no user code.

Inputs: ``model``, ``schema``, ``holdout``, ``predictions`` (as they were stored). Outputs: ``portable``, where there is one.
Record: ``portable`` (why there is none, and on how many rows it was compared), ``packages``. Fails where the model does not
answer in this environment as it did when it was evaluated: what is converted has to be what was approved.
"""

from pilothouse.domain.jobs.jobs import StepRequest, StepResult
from pilothouse.inference.portable.packaging import packaged
from pilothouse.inference.schema import InputSchema
from pilothouse.training.data.rows import read_rows
from pilothouse.training.environment import environment
from pilothouse.training.models.stored_answers import as_stored
from pilothouse.training.steps.common import Report, input_path, spec_of, step, write_output


@step
def run(request: StepRequest, report: Report) -> StepResult:
    """Hold the model against its stored answers, then write its portable form and compare that with it."""
    schema = InputSchema.from_bytes(input_path(request, "schema").read_bytes())
    rows = read_rows(input_path(request, "holdout"), spec_of(request))
    report(0.1, f"answering {rows.count} rows", {})
    predictor = as_stored(input_path(request, "model"), input_path(request, "predictions"), schema, rows)
    report(0.4, "writing the portable form and comparing it", {})
    made = packaged(predictor, rows.columns(schema), seed=request.seed)
    outputs = {} if made.data is None else {"portable": write_output(request, "portable.npz", made.data)}
    record = {
        "portable": {"reason": made.reason, "rows": made.rows},
        "packages": environment()["packages"],
    }
    return StepResult(ok=True, outputs=outputs, record=record)
