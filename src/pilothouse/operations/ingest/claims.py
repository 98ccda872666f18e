"""Claims of batches, held against what is on record: whose a producer is, and of which roll-out a trial is."""

from dataclasses import replace

from pilothouse.domain.errors import ConflictError, InvalidInputError
from pilothouse.domain.formats.wire import PairBatch, PredictionBatch
from pilothouse.domain.identifiers import is_producer_of
from pilothouse.domain.rollouts.plan import StepKind
from pilothouse.operations.services import Services
from pilothouse.store.deployed import deployments
from pilothouse.store.promotion import rollouts


def check_producers(services: Services, batch: PredictionBatch | PairBatch) -> None:
    """Raise ConflictError where a producer that a batch names is of another target than the batch's: by the mark in its
    name, or since it came from there first."""
    names = {batch.producer}
    if isinstance(batch, PairBatch):
        names |= {name for name in batch.requests.producers.vocabulary if name is not None}
    taken = sorted(name for name in names if not is_producer_of(name, batch.target))
    taken = taken or services.telemetry.producers_of_others(names, batch.target)
    if taken:
        raise ConflictError(f"the producer {taken[0]} belongs to another target than {batch.target}")


def check_pairs(services: Services, batch: PairBatch) -> None:
    """Raise InvalidInputError where the registry has no such shadow: the roll-out, on this target, of these versions."""
    if not _is_of_trial(services, batch, {batch.champion, batch.challenger}, 0.0, needs=batch.challenger):
        raise InvalidInputError(
            f"pairs: the registry has no shadow of {batch.model}/{batch.challenger} beside version {batch.champion} on "
            f"{batch.target} in roll-out {batch.rollout}"
        )


def of_trial(services: Services, batch: PredictionBatch) -> PredictionBatch:
    """The batch as it counts: outside of any trial where the registry has no such trial as it claims. Its predictions were made
    all the same."""
    if not batch.rollout or _is_of_trial(services, batch, {batch.version}, batch.share):
        return batch
    return replace(batch, rollout=0, share=0.0, draws=b"", failed_draws=b"")


def _is_of_trial(
    services: Services,
    batch: PredictionBatch | PairBatch,
    versions: set[int],
    share: float,
    needs: int | None = None,
) -> bool:
    """True where the roll-out is of this model, has the target in a wave with such a step, and each version is one that it
    tries or has been live there. ``needs``: the version that must be the roll-out's."""
    with services.registry.read() as connection:
        rollout = rollouts.find(connection, batch.rollout)
        if rollout is None or rollout.model != batch.model or needs not in (None, rollout.version):
            return False
        place = next((one for one in rollout.targets if one.target == batch.target), None)
        if place is None:
            return False
        steps = rollout.plan.waves[place.wave].steps
        if share != (place.share or None) and not any(
            step.kind is StepKind.SHADOW
            if share == 0
            else step.kind is StepKind.CANARY and step.share == share
            for step in steps
        ):
            return False
        tried = {rollout.version}
        if share > 0:  # a shadow is of the roll-out's own version alone
            tried |= {arm.version for arm in rollout.arms}
        others = versions - tried
        return not others or others <= deployments.ever_live(connection, batch.model, batch.target)
