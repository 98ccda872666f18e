"""Health as it is on record: the overview, models on targets, the fleet. Nothing is computed while it is read."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import msgspec

from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.listing import Page, Query
from pilothouse.domain.models.model_spec import primary_metric
from pilothouse.domain.monitoring.deployment_state import (
    HEARD,
    counts_as_known,
    model_as_known,
    state_as_known,
)
from pilothouse.domain.monitoring.monitoring import Health, ModelOverview, ServingState, TargetState
from pilothouse.operations.authorisation import reading
from pilothouse.operations.fleet.processes import BEAT_EVERY_S, REPORT_IS_OLD_S
from pilothouse.operations.promotion.request_lists import count_items
from pilothouse.operations.services import Services
from pilothouse.operations.states.watching import unwatched
from pilothouse.sqlite import Connection
from pilothouse.store.deployed import deployment_states
from pilothouse.store.deployed import fleet as store
from pilothouse.store.listing import in_order, window


class _ModelFigures(msgspec.Struct):
    """Figures over a model's deployments, as they are stored."""

    performance: float | None = None
    reference: float | None = None
    performance_at: datetime | None = None
    of_then: bool = False
    drifted: int = 0
    features: int = 0
    p95_ms: float | None = None
    history: tuple[float, ...] = ()
    drift_history: tuple[float, ...] = ()
    p95_history: tuple[float, ...] = ()


_FIGURES = msgspec.json.Decoder(_ModelFigures)
_COUNTS = msgspec.json.Decoder(dict[Health, int])


@dataclass(frozen=True, slots=True)
class Watch:
    """Whether somebody keeps the states up to date: ``unwatched`` says since when nobody does; empty where the daemon runs
    and can write."""

    unwatched: str
    counts: dict[Health, int]
    """Number of deployments by health, the worst first."""


def overview(services: Services, actor: Actor) -> list[ModelOverview]:
    """One row a model, the worst health first. Raises NotAllowedError."""
    waiting = count_items(services, actor)
    models = []
    with reading(services, actor) as connection:
        watched = not unwatched(services, connection)
        for row in store.models_by_health(connection):
            figures = _FIGURES.decode(row["figures"])
            recorded = _COUNTS.decode(row["counts"])
            health, why = model_as_known(Health(row["health"]), row["why"], recorded, watched=watched)
            counts = counts_as_known(recorded, watched=watched)
            models.append(
                ModelOverview(
                    model=row["model"],
                    task=row["task"],
                    metric=primary_metric(row["task"], row["metric"]),
                    champion=row["champion"],
                    latest=row["latest"],
                    health=health,
                    why=why,
                    counts={str(shown): number for shown, number in counts.items()},
                    performance=figures.performance,
                    reference=figures.reference,
                    performance_at=figures.performance_at,
                    of_then=figures.of_then,
                    drifted=figures.drifted,
                    features=figures.features,
                    p95_ms=figures.p95_ms,
                    open_alerts=row["alerts"],
                    unfinished_jobs=row["jobs"],
                    open_requests=row["requests"],
                    waiting_for_me=waiting.get(row["model"], 0),
                    holds=row["holds"],
                    history=figures.history,
                    drift_history=figures.drift_history,
                    p95_history=figures.p95_history,
                )
            )
    return sorted(models, key=lambda model: model.health.rank)


def target_states(services: Services, actor: Actor, model: str | None = None) -> list[TargetState]:
    """States of one model, or of all, on each of their targets. Raises NotAllowedError."""
    with reading(services, actor) as connection:
        if model is not None:
            states = store.states_of_model(connection, model)
        else:
            states = store.states_on(connection, sorted(store.names_by_health(connection)))
        return as_shown(services, connection, states)


def states_page(services: Services, actor: Actor, query: Query) -> Page[TargetState]:
    """One window of the deployments; the worst first unless sorted. Raises InvalidInputError (no such column)."""
    if not query.sort:
        query = replace(query, sort="health")
    labels = [name for name, _ in query.where if name.startswith(store.LABEL)]
    with reading(services, actor) as connection:
        listing = store.states_with(labels, watched=not unwatched(services, connection))
        page = window(connection, listing, query)
        rows = in_order(page.rows, store.of_numbers(connection, page.rows)) if page.rows else ()
        return Page(tuple(as_shown(services, connection, rows)), page.first, page.total)


def fleet_health(services: Services, actor: Actor) -> Health:
    """Worst health of any model, from which ``pilothouse status`` takes its exit code. Raises NotAllowedError."""
    return next(iter(health_of_models(services, actor).values()), Health.NOT_DEPLOYED)


def health_of_models(services: Services, actor: Actor) -> dict[str, Health]:
    """Health of each model, the worst first. Raises NotAllowedError."""
    with reading(services, actor) as connection:
        return known_health_of_models(services, connection)


def known_health_of_models(services: Services, connection: Connection) -> dict[str, Health]:
    """Health of each model whose deployments have a state, the worst first."""
    watched = not unwatched(services, connection)
    healths = {
        model: model_as_known(health, "", _COUNTS.decode(counts), watched=watched)[0]
        for model, health, counts in store.health_of_models(connection)
    }
    return dict(sorted(healths.items(), key=lambda item: item[1].rank))


def watch(services: Services, actor: Actor, model: str | None = None) -> Watch:
    """The fleet in numbers, or one model of it, and whether the daemon keeps them true. Raises NotAllowedError."""
    with reading(services, actor) as connection:
        text = unwatched(services, connection)
        counts = counts_as_known(deployment_states.count_by_health(connection, model), watched=not text)
    is_empty = not any(count for health, count in counts.items() if health is not Health.NOT_DEPLOYED)
    return Watch("" if is_empty else text, counts)


def as_shown(services: Services, connection: Connection, states: Sequence[TargetState]) -> list[TargetState]:
    """States as they can be said of the present, with the event clock of each: it moves with every event, so it is not part
    of what is on record. A process whose report is old is not said to answer."""
    watched = not unwatched(services, connection)
    shown = [state_as_known(state, watched=watched) for state in states]
    if services.at is None:
        old = services.now() - timedelta(seconds=REPORT_IS_OLD_S + BEAT_EVERY_S)
        shown = [
            replace(state, serving=ServingState.NOT_HEARD)
            if state.serving in HEARD and state.reported_at is not None and state.reported_at < old
            else state
            for state in shown
        ]
    with services.reading_telemetry() as telemetry:
        if telemetry is None:
            return shown
        from pilothouse.telemetry.intake.streams import clocks_of

        clocks = clocks_of(telemetry, {(state.model, state.target) for state in shown})
    return [replace(state, event_clock=clocks.get((state.model, state.target))) for state in shown]
