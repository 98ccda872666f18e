"""How many rows the windows of a model will hold, before a model file is put in force: by live traffic, else by training."""

from contextlib import suppress

from pilothouse.domain.errors import IntegrityError
from pilothouse.domain.formats.time_units import DAY_S, DAY_US
from pilothouse.domain.identifiers import VersionReference
from pilothouse.domain.models.model_spec import ModelSpec
from pilothouse.domain.monitoring.judging import window_notes
from pilothouse.operations.monitoring.baselines import rows_a_day
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.store.deployed import deployments
from pilothouse.store.models import versions
from pilothouse.store.work import runs
from pilothouse.telemetry import Stream
from pilothouse.telemetry.intake import rollup
from pilothouse.telemetry.intake.streams import find_stream

_DAYS = 28
"""The newest days of live traffic that are counted."""


def expected_rows(services: Services, spec: ModelSpec) -> list[str]:
    """A note for each target of a model file whose windows will hold too few rows; none of a target of which nothing is
    known yet."""
    known = _of_training(services, spec.name) | _of_traffic(services, spec.name)
    return window_notes({t.name: known[t.name] for t in spec.targets if known.get(t.name)}, spec.monitoring)


def _of_training(services: Services, model: str) -> dict[str, float]:
    """Rows a day of each target in the data of the newest version."""
    with services.registry.read() as connection:
        version = versions.find(connection, VersionReference(model))
        if version is None:
            return {}
        plain = runs.record_of(connection, version.run_id).get("evaluate", {}).get("rows_a_day")
    if plain is not None:
        return {str(target): float(rate) for target, rate in plain.items()}
    with suppress(IntegrityError):  # a version of an earlier release, whose reference alone knows
        return rows_a_day(services, model, version.number)
    return {}


def _of_traffic(services: Services, model: str) -> dict[str, float]:
    """Rows a day of each target whose live version has been asked for a day or more."""
    with services.registry.read() as registry:
        live = deployments.live(registry, model=model)
    rates = {}
    with services.reading_telemetry() as connection:
        for deployment in live if connection is not None else ():
            assert connection is not None
            stream = find_stream(connection, model, deployment.version, deployment.target)
            rate = _rows_a_day(connection, stream) if stream is not None else 0.0
            if rate:
                rates[deployment.target] = rate
    return rates


def _rows_a_day(connection: Connection, stream: Stream) -> float:
    """Rows a day of a stream's newest whole days; 0 before the first."""
    end = rollup.floor_to(DAY_S, stream.last_event_us)
    since = max(rollup.floor_to(DAY_S, stream.first_event_us), end - _DAYS * DAY_US)
    days = (end - since) // DAY_US
    return rollup.count_rows(connection, stream.id, DAY_S, since, end) / days if days else 0.0
