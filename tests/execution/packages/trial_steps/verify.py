"""Say what came in."""

from pilothouse.domain.jobs.jobs import StepResult


def run(request, report):
    return StepResult(ok=True, record=request.options)
