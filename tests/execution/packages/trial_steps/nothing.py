"""Do nothing, to see what a step costs."""

from pilothouse.domain.jobs.jobs import StepResult


def run(request, report):
    return StepResult(ok=True)
