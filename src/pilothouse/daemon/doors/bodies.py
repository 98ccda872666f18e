"""Bodies that come to the hub: read, checked, and held against what is on record. What is no such body is counted."""

import logging

from pilothouse.daemon.hub_answers.desired_states import versions_of
from pilothouse.daemon.hub_checks import (
    MAXIMUM_BATCH_ROWS,
    check_baseline,
    check_batch,
    check_outcomes,
    check_pairs,
    check_report,
    check_spans,
    decoded,
)
from pilothouse.domain.errors import ConflictError, InvalidInputError, NotAllowedError, NotFoundError
from pilothouse.domain.formats.wire import (
    BaselineQuestion,
    DesiredVersion,
    Outcome,
    PairBatch,
    PredictionBatch,
    RequestSpan,
    ServingReport,
)
from pilothouse.operations.fleet import targets
from pilothouse.operations.ingest import claims, ingest
from pilothouse.operations.services import Services

log = logging.getLogger(__name__)


def read_batch(services: Services, target: str, body: bytes) -> PredictionBatch:
    """Batch of predictions as it counts. Raises InvalidInputError, NotAllowedError or ConflictError."""
    batch: PredictionBatch | None = None
    try:
        batch = decoded(body, PredictionBatch, "a PredictionBatch")
        if batch.target == target:
            check_batch(batch)
    except InvalidInputError as error:
        # the batch's own number of rows is not believed beyond what a batch may have
        rows = batch.rows if batch is not None and 1 <= batch.rows <= MAXIMUM_BATCH_ROWS else 1
        ingest.count_refused(services, target, rows, str(error))
        raise
    assert batch is not None
    _check_target(batch.target, target)
    claims.check_producers(services, batch)
    counted = claims.of_trial(services, batch)
    if counted.rollout != batch.rollout:
        log.warning(
            "%s claims that predictions of %s/%d are of roll-out %d, which the registry does not have so: they count "
            "outside of any trial",
            target,
            batch.model,
            batch.version,
            batch.rollout,
        )
    return counted


def read_pairs(services: Services, target: str, body: bytes) -> PairBatch:
    """Pairs of a shadow. Raises InvalidInputError, NotAllowedError or ConflictError."""
    try:
        batch: PairBatch = decoded(body, PairBatch, "a PairBatch")
        if batch.target == target:
            check_pairs(batch)
            claims.check_pairs(services, batch)
    except InvalidInputError as error:
        ingest.count_refused(services, target, 1, str(error))
        raise
    _check_target(batch.target, target)
    claims.check_producers(services, batch)
    return batch


def read_outcomes(services: Services, target: str, body: bytes) -> list[Outcome]:
    """Outcomes. Raises InvalidInputError."""
    try:
        outcomes: list[Outcome] = decoded(body, list[Outcome], "a list of Outcome")
        check_outcomes(outcomes)
    except InvalidInputError as error:
        ingest.count_refused(services, target, 1, str(error))
        raise
    return outcomes


def read_report(services: Services, target: str, body: bytes) -> ServingReport:
    """Report of a serving process. Raises InvalidInputError, NotAllowedError, or ConflictError where a deployer says it."""
    report: ServingReport = decoded(body, ServingReport, "a ServingReport")
    _check_target(report.target, target)
    check_report(report)
    if targets.has_deployer(services, target):
        raise ConflictError(f"the deployer of {target} says what runs there")
    return report


def read_spans(body: bytes) -> list[RequestSpan]:
    """Spans of requests. Raises InvalidInputError."""
    spans: list[RequestSpan] = decoded(body, list[RequestSpan], "a list of RequestSpan")
    check_spans(spans)
    return spans


def read_baseline_question(
    services: Services, target: str, body: bytes
) -> tuple[DesiredVersion, BaselineQuestion]:
    """Question of a target that is to serve or try the version, with its files. Raises InvalidInputError or NotFoundError."""
    question: BaselineQuestion = decoded(body, BaselineQuestion, "a BaselineQuestion")
    check_baseline(question)
    named = (question.model, question.version)
    for version in versions_of(services, target):
        if (version.model, version.version) == named:
            return version, question
    raise NotFoundError("the target is to serve no such version")


def _check_target(named: str, target: str) -> None:
    if named != target:
        raise NotAllowedError("the token is another target's")
