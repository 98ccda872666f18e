"""Ingest of predictions and outcomes, from the hub and from files of models that are served elsewhere."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pilothouse.domain.errors import IntegrityError, NotFoundError
from pilothouse.domain.formats.time_units import HOUR_S, from_us, to_us
from pilothouse.domain.formats.wire import (
    BatchReceipt,
    LabelReceipt,
    Outcome,
    PairBatch,
    PredictionBatch,
)
from pilothouse.domain.identifiers import VersionReference, check_name, version_uri
from pilothouse.domain.identity.roles import Actor, Permission
from pilothouse.domain.monitoring.rejections import RejectedEvents
from pilothouse.operations.authorisation import authorise, changing
from pilothouse.operations.catalogue import require_model, require_version, spec_of_model
from pilothouse.operations.promotion.deployments import private_columns
from pilothouse.operations.services import Services
from pilothouse.statistics.profiles.specification import ProfileSpecification
from pilothouse.store.models import targets, versions
from pilothouse.store.promotion import canary_spans
from pilothouse.telemetry import Lookup, VersionFacts
from pilothouse.telemetry.intake.file_parts import FilePart
from pilothouse.telemetry.intake.kept_rejections import OF_A_FILE
from pilothouse.telemetry.intake.streams import list_streams, rejected_counts
from pilothouse.telemetry.outcomes.waiting_outcomes import Tally, waiting_outcomes

if TYPE_CHECKING:
    from pilothouse.tables.parquet_files import Frame


@dataclass(frozen=True, slots=True)
class FileReceipt:
    """The numbers of a file's rows, by what became of them. ``duplicates`` are rows of a file taken in before; ``reasons``
    are those of the rejected rows."""

    rows: int
    accepted: int
    rejected: int
    duplicates: int
    outcomes: LabelReceipt
    reasons: dict[str, int] = field(default_factory=dict)
    dialect: str = ""
    """What was found out of the file's dialect, as a phrase; empty for the usual."""


@dataclass(frozen=True, slots=True)
class WaitingOutcomes:
    """The number of outcomes that wait for their prediction, and the arrival of the oldest (None where none waits)."""

    count: int
    oldest: datetime | None


@dataclass(frozen=True, slots=True)
class Totals:
    """Numbers of events taken in, of events with their outcome, and of events and outcomes refused."""

    events: int
    labels: int
    rejected: int


def ingest_batch(services: Services, batch: PredictionBatch) -> BatchReceipt:
    """Take in a batch from a serving process; returns after the commit. Invalid rows raise nothing: they are counted and kept
    apart. Raises UnavailableError (disk full, database locked)."""
    return ingest_batches(services, [batch])[0]


def ingest_batches(services: Services, batches: Sequence[PredictionBatch]) -> list[BatchReceipt]:
    """``ingest_batch`` for several, in their order and in one transaction, to share the cost of a commit."""
    return services.telemetry.append_many(batches, _lookup(services), to_us(services.now()))


def ingest_pairs(services: Services, batch: PairBatch) -> BatchReceipt:
    """Take in pairs of a shadow; returns after the commit. Those that cannot be believed are counted. Raises
    UnavailableError."""
    return services.telemetry.append_pairs(batch, _lookup(services), to_us(services.now()))


def _lookup(services: Services) -> Lookup:
    return lambda model, version: version_facts(services, model, version)


def ingest_outcomes(
    services: Services, outcomes: Sequence[Outcome], target: str | None = None
) -> LabelReceipt:
    """Join outcomes to their predictions; early ones wait. Raises UnavailableError.

    With a ``target``, the sender, only to predictions of that target; others are counted as rejected.
    """
    return services.telemetry.add_outcomes(outcomes, to_us(services.now()), target)


def count_refused(services: Services, target: str, rows: int, reason: str) -> None:
    """Count rows from a target that were no batch and no list of outcomes."""
    services.telemetry.count_refused(rows, f"{target}: {reason}", to_us(services.now()))


def check_may_ingest(services: Services, actor: Actor, model: str, version: int, target: str) -> None:
    """Raise NotAllowedError or NotFoundError where a log of the version from the target would not be taken: asked before a
    source by URL is read."""
    check_name(target, "target")
    authorise(services, actor, Permission.INGEST, model, [target])
    with services.registry.read() as connection:
        require_model(connection, model)
        require_version(connection, version_uri(model, version))
        if targets.target_id(connection, target) is None:
            raise NotFoundError(f"there is no target {target!r}: name one of the model file's [[targets]]")


def ingest_file(
    services: Services,
    actor: Actor,
    source: "Path | Frame",
    model: str,
    version: int,
    target: str,
    *,
    history: bool = False,
) -> FileReceipt:
    """Take in a prediction log (a file: parquet, csv, csv.gz, jsonl or ndjson; or a program's rows) of a version that is served
    elsewhere.

    Columns: the model's features; ``score``; ``label`` (left out for a regression, and for a binary model where the
    score decides at 0.5); the model's timestamp column, or ``event_time``; where there are any ``prediction_id``,
    ``latency_ms``, ``request_key`` and ``truth``. The same file twice counts once; rows of it that were rejected are judged
    again. Rows are judged in the order of their times, beside each other and the target's clock; in a ``history`` beside each
    other alone.

    Raises InvalidInputError (a column is missing or not valid), NotFoundError (no such version or target) or
    NotAllowedError.
    """
    from pilothouse.operations.ingest.prediction_files import PredictionLog

    check_may_ingest(services, actor, model, version, target)
    with services.registry.read() as connection:
        spec = spec_of_model(connection, model)
        salt = canary_spans.salt_of_trial(connection, model, target)
    facts = version_facts(services, model, version)
    if facts is None:
        raise NotFoundError(f"there is no {version_uri(model, version)}")
    log = PredictionLog(source, spec, facts.specification)
    name = hashlib.sha256(f"{log.digest}:{model}/{version}@{target}".encode()).hexdigest()
    believed = services.telemetry.believed_times(
        log.times, model, target, to_us(services.now()), history=history
    )
    counts, outcomes = FilePart(), Tally()
    for batch, values in log.parts(f"{OF_A_FILE}{name[:16]}", model, version, target, salt):
        part, tally = services.telemetry.append_part(
            batch, values, believed, _lookup(services), to_us(services.now())
        )
        counts.add(part)
        outcomes.add(tally)
    while services.telemetry.fold_windows():
        pass
    with changing(services, actor, Permission.INGEST, model, [target]) as change:
        detail = {"file": _name_of(source), "sha256": log.digest, "target": target, "rows": counts.accepted}
        change.record("telemetry.ingested", model, detail)
    reasons = {str(reason): count for reason, count in counts.rejected.most_common()}
    return FileReceipt(
        rows=log.rows,
        accepted=counts.accepted,
        rejected=counts.rejected.total(),
        duplicates=counts.known,
        outcomes=outcomes.receipt(),
        reasons=reasons,
        dialect=log.dialect,
    )


def ingest_labels_file(services: Services, actor: Actor, source: "Path | Frame") -> LabelReceipt:
    """Take in outcomes from a file, or from a program's rows, with the columns ``prediction_id`` and ``outcome`` (or ``truth``,
    ``value``).

    Raises InvalidInputError or NotAllowedError.
    """
    from pilothouse.operations.ingest.prediction_files import read_outcomes
    from pilothouse.tables.reader import source_digest

    authorise(services, actor, Permission.INGEST)
    digest, receipt = source_digest(source), LabelReceipt(0, 0, 0)
    for outcomes, without in read_outcomes(source):
        receipt = receipt.plus(ingest_outcomes(services, outcomes))
        receipt = replace(receipt, without=receipt.without + without)
    with changing(services, actor, Permission.INGEST) as change:
        detail = {"file": _name_of(source), "sha256": digest, "target": "", "rows": receipt.joined}
        change.record("telemetry.labelled", "outcomes", detail)
    return receipt


def _name_of(source: "Path | Frame") -> str:
    return source.name if isinstance(source, Path) else str(source.name)


def rejected(services: Services, actor: Actor) -> list[RejectedEvents]:
    """Rejected events, outcomes, columns and conflicts, counted by reason, most frequent first."""
    authorise(services, actor)
    with services.reading_telemetry() as connection:
        return rejected_counts(connection) if connection is not None else []


def waiting(services: Services, actor: Actor) -> WaitingOutcomes:
    """Outcomes that came before their prediction."""
    authorise(services, actor)
    with services.reading_telemetry() as connection:
        count, oldest_us = waiting_outcomes(connection) if connection is not None else (0, None)
    return WaitingOutcomes(count, None if oldest_us is None else from_us(oldest_us))


def totals(services: Services, actor: Actor) -> Totals:
    """Totals of what telemetry has stored. Raises NotAllowedError."""
    authorise(services, actor)
    with services.reading_telemetry() as connection:
        if connection is None:
            return Totals(0, 0, 0)
        streams = list_streams(connection)
        refused = sum(rejection.count for rejection in rejected_counts(connection))
    return Totals(sum(s.rows for s in streams), sum(s.labelled for s in streams), refused)


def version_facts(services: Services, model: str, version: int) -> VersionFacts | None:
    """The facts about a version that ingest needs; None where there is no such version. They are looked up again when the
    registry has changed."""
    state = services.registry.data_version()
    known = services.telemetry.known_versions.get((model, version))
    if known is not None and known[0] == state:
        return known[1]
    facts = _look_up(services, model, version, known[1] if known else None)
    services.telemetry.known_versions[model, version] = (state, facts)
    return facts


def _look_up(
    services: Services, model: str, version: int, before: VersionFacts | None
) -> VersionFacts | None:
    with services.registry.read() as connection:
        record = versions.find(connection, VersionReference(model, version))
        if record is None:
            return None
        spec = spec_of_model(connection, model)
    if before is not None and before.specification.digest == record.profile_spec_digest:
        specification = before.specification
    else:
        specification = _specification(services, record.profile_spec_digest)
    minutes = any(duration % HOUR_S for duration in (spec.monitoring.window, spec.monitoring.step))
    slices = tuple(name for name in spec.data.slices if name in specification.by_name)
    return VersionFacts(
        specification, frozenset(private_columns(services, model)), minutes=minutes, slices=slices
    )


def _specification(services: Services, digest: str) -> ProfileSpecification:
    specification = ProfileSpecification.from_bytes(services.artifacts.read(digest))
    if specification.digest != digest:
        raise IntegrityError(f"the profile specification {digest} is not what was recorded")
    return specification
