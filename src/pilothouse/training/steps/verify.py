"""``verify`` step: the source is hashed again. A source that changed while it was used fails the training.

Inputs: ``source``. Options: ``source_digest``, as the snapshot step recorded it.
"""

from pilothouse.domain.errors import IntegrityError
from pilothouse.domain.jobs.jobs import StepRequest, StepResult
from pilothouse.training.data.sources import source_digest
from pilothouse.training.steps.common import Report, input_path, step


@step
def run(request: StepRequest, report: Report) -> StepResult:
    """Compare the source's digest with the recorded one."""
    source = input_path(request, "source")
    report(0.0, f"hashing {source.name} again", {})
    digest, recorded = source_digest(source), str(request.options["source_digest"])
    if digest != recorded:
        raise IntegrityError(
            f"data.source: {source} changed during the training (sha256 {recorded[:12]}… before, {digest[:12]}… after); "
            "train again when nothing writes to it"
        )
    return StepResult(ok=True, record={"source_digest": digest})
