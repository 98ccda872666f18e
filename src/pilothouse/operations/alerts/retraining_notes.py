"""Notes about the retrainings that alerts asked for: the job, or why none started. The monitor keeps them in telemetry."""

from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.records import Alert
from pilothouse.operations.authorisation import authorise
from pilothouse.operations.services import Services
from pilothouse.telemetry.windows import readings
from pilothouse.telemetry.windows.readings import RetrainingNote


def retrainings(
    services: Services, actor: Actor, model: str, alert: int | None = None
) -> list[RetrainingNote]:
    """Notes about the retrainings that alerts of a model asked for, oldest first. Raises NotAllowedError."""
    authorise(services, actor)
    with services.reading_telemetry() as connection:
        return [] if connection is None else readings.retraining_notes(connection, model, alert)


def retraining_text(services: Services, actor: Actor, alert: Alert) -> str:
    """``job 7``, or why the alert has started no retraining."""
    if alert.retrain_job is not None:
        return f"job {alert.retrain_job}"
    notes = retrainings(services, actor, alert.model, alert.id)
    return (
        f"none: {notes[-1].reason}"
        if notes
        else "none: the model file does not ask for one on this kind of alert"
    )
