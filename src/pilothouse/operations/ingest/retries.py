"""Rejected rows that are kept, judged again by the clocks as they are now."""

from dataclasses import dataclass

import numpy as np

from pilothouse.domain.formats.time_units import to_us
from pilothouse.domain.identity.roles import Actor, Permission
from pilothouse.operations.authorisation import authorise, changing
from pilothouse.operations.ingest.ingest import version_facts
from pilothouse.operations.services import Services
from pilothouse.telemetry.intake import kept_rejections
from pilothouse.telemetry.intake.file_parts import FilePart
from pilothouse.telemetry.outcomes.waiting_outcomes import Tally
from pilothouse.telemetry.rows.columns import Ints


@dataclass(frozen=True, slots=True)
class Retried:
    """Numbers of the kept rows by what became of them, and of the outcomes that were kept with them."""

    predictions: FilePart
    outcomes: Tally


def count_kept(services: Services, actor: Actor) -> int:
    """Number of rejected rows that are kept to be judged again."""
    authorise(services, actor)
    with services.reading_telemetry() as connection:
        return kept_rejections.count(connection) if connection is not None else 0


def retry(services: Services, actor: Actor, *, history: bool = False) -> Retried:
    """Judge kept rows again, those of a model on a target like the rows of one file, in a ``history`` those of each file by
    themselves; taken rows are no longer kept.

    Raises NotAllowedError where the actor may not ingest for one of the models, ConflictError in the past.
    """
    with services.telemetry.read() as connection:
        deployments = kept_rejections.deployments(connection)
    for model in sorted({model for model, _ in deployments}):
        authorise(services, actor, Permission.INGEST, model)
    with changing(services, actor, Permission.INGEST):
        pass  # refused here, before any row is judged, where nothing may be changed
    total = Retried(FilePart(), Tally())
    for model, target in deployments:
        taken = _retry_deployment(services, model, target, total, history=history)
        if taken:
            with changing(services, actor, Permission.INGEST, model) as change:
                change.record("telemetry.retried", model, {"target": target, "rows": taken})
    while services.telemetry.fold_windows():
        pass
    return total


def _retry_deployment(services: Services, model: str, target: str, total: Retried, *, history: bool) -> int:
    """Number of rows taken, which are added to the total."""
    times: dict[int, Ints] = {}
    # in a history the rows of one file, or of one serving process, are judged together, else all
    together: dict[int, str] = {}
    rows_of: dict[str, int] = {"": 0}
    with services.telemetry.read() as connection:
        for number in kept_rejections.numbers_of(connection, model, target):
            kept = kept_rejections.read(connection, number)
            if kept is not None:
                times[number] = np.frombuffer(kept.batch.event_times, "<i8").astype(np.int64)
                together[number] = name = kept.batch.producer if history else ""
                if name not in rows_of:
                    rows_of[name] = kept_rejections.rows_of_file(connection, name)
    now_us, accepted = to_us(services.now()), 0
    believed = {
        name: services.telemetry.believed_times(
            np.concatenate([times[number] for number in times if together[number] == name]),
            model,
            target,
            now_us,
            history=history,
            rows_of_file=rows_of[name],
        )
        for name in set(together.values())
    }
    for number in sorted(times, key=lambda number: int(times[number].max())):
        with services.telemetry.read() as connection:
            kept = kept_rejections.read(connection, number)
        if kept is None:
            continue
        part, tally = services.telemetry.retry_kept(
            kept,
            believed[together[number]],
            lambda model, version: version_facts(services, model, version),
            now_us,
        )
        total.predictions.add(part)
        total.outcomes.add(tally)
        accepted += part.accepted
    return accepted
