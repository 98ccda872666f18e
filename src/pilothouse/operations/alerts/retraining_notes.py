"""What came of alerts' wishes for a retraining: a job, or why none started. Read from telemetry, where the monitor keeps it."""

from pilothouse.domain.records import Alert
from pilothouse.domain.roles import Actor
from pilothouse.operations.authorisation import reading
from pilothouse.operations.services import Services
from pilothouse.telemetry import readings
from pilothouse.telemetry.readings import RetrainingNote


def retrainings(
    services: Services, actor: Actor, model: str, alert: int | None = None
) -> list[RetrainingNote]:
    """What came of alerts' wishes for a retraining, oldest first: a job, or why none started."""
    with reading(services, actor):
        pass
    if not services.paths.telemetry.exists():
        return []
    with services.telemetry.read() as connection:
        return readings.retraining_notes(connection, model, alert)


def what_followed(services: Services, actor: Actor, alert: Alert) -> str:
    """``job 7``, or in words why the alert has started no retraining."""
    if alert.retrain_job is not None:
        return f"job {alert.retrain_job}"
    notes = retrainings(services, actor, alert.model, alert.id)
    return (
        f"none: {notes[-1].reason}"
        if notes
        else "none: the model file does not ask for one on this kind of alert"
    )
