"""Comparison with versions that went live after a version was trained: by the gate in force, from recorded predictions on the
rows that both held out. No model and no user's code runs; what cannot be compared so takes another training."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from pilothouse.domain.errors import ConflictError, NotAllowedError
from pilothouse.domain.identifiers import VersionReference, version_uri
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.models.evaluation import GateOutcome, GateResult
from pilothouse.domain.models.model_spec import ComparisonGate, ModelSpec
from pilothouse.domain.records import Version
from pilothouse.operations.authorisation import reading
from pilothouse.operations.catalogue import require_run, require_version, spec_of_model
from pilothouse.operations.promotion.evidence import compared_versions, incumbents
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.store.deployed import deployments
from pilothouse.store.models import targets as target_store
from pilothouse.store.models import versions

if TYPE_CHECKING:
    from pilothouse.operations.models.paired_predictions import Sides

Made = Mapping[tuple[int, int], GateResult | str]
"""By version and live version: the result of the gate, or why the record does not give one."""


def compare_again(
    services: Services, actor: Actor, references: Sequence[VersionReference], targets: Sequence[str] | None
) -> Made:
    """Make the comparisons that versions of a model lack with what is live on ``targets`` (None: on all of the model). Asked
    before the transaction that files a request: it reads files and draws resamples, which would hold up all who write."""
    asked: dict[tuple[int, int], tuple[ComparisonGate, Sides | str, str]] = {}
    with reading(services, actor) as connection:
        for reference in references:
            version = versions.find(connection, reference)
            if version is None:  # who files the request says so
                continue
            names = target_store.targets_of(connection, version.model) if targets is None else targets
            for live in _missing(connection, version, names):
                incumbent = require_version(connection, version_uri(version.model, live))
                spec = spec_of_model(connection, version.model)
                assert spec.gates.comparison is not None
                sides, where = _sides(connection, spec, incumbent, version)
                asked[version.number, live] = spec.gates.comparison, sides, where
    return {key: _compared(services, key[1], *one) for key, one in asked.items()}


def check_compared(
    connection: Connection, version: Version, targets: Sequence[str], made: Made
) -> list[GateResult]:
    """Results of the comparisons that the version lacked with what is live on these targets, from those that were ``made``.
    Raises ConflictError (one cannot be made from the record) or NotAllowedError (one failed)."""
    uri = version_uri(version.model, version.number)
    found: list[GateResult] = []
    for live in _missing(connection, version, targets):
        result = made.get((version.number, live), "")
        if isinstance(result, str):
            why = f" and cannot be from the record ({result})" if result else ""
            raise ConflictError(
                f"{uri} was not compared with version {live}, which went live since{why}: "
                f"train again{_or_back(connection, version, targets)}"
            )
        if result.outcome is GateOutcome.FAILED:
            raise NotAllowedError(
                f"{uri} failed {result.gate} ({result.reason}), which went live since it was trained: it cannot be requested; "
                "train another version"
            )
        found.append(result)
    return found


def _missing(connection: Connection, version: Version, targets: Sequence[str]) -> list[int]:
    """Versions live on these targets with which the version was not compared in its training."""
    if spec_of_model(connection, version.model).gates.comparison is None:
        return []
    compared = compared_versions(connection, require_run(connection, version))
    if compared is None:
        return []
    live = {number for number in incumbents(connection, version.model, targets).values() if number}
    return sorted(live - {*compared, version.number})


def _or_back(connection: Connection, version: Version, targets: Sequence[str]) -> str:
    before = deployments.versions_before(connection, version.model)
    goes_back = all(before.get((version.model, target)) == version.number for target in targets)
    return f", or roll back to {version_uri(version.model, version.number)}" if goes_back else ""


def _sides(
    connection: Connection, spec: ModelSpec, incumbent: Version, version: Version
) -> "tuple[Sides | str, str]":
    """Records to compare, and of which targets: those on which the incumbent is live, where their rows can be told apart."""
    from pilothouse.operations.models import paired_predictions

    sides = paired_predictions.sides_of(connection, incumbent, version)
    gate = spec.gates.comparison
    if isinstance(sides, str) or gate is None:
        return sides, ""
    matches = {one.name: one.match for one in spec.targets if one.name in incumbent.live_on}
    told = bool(matches) and all(matches.values())
    return (
        replace(
            sides,
            metric=gate.metric or sides.metric,
            confidence=gate.confidence,
            block_s=int(gate.block) if gate.block else None,
            matches=tuple(tuple(sorted(one.items())) for one in matches.values()) if told else (),
        ),
        f" of {', '.join(matches)}" if told else "",
    )


def _compared(
    services: Services,
    live: int,
    gate: ComparisonGate,
    sides: "Sides | str",
    where: str,
) -> GateResult | str:
    from pilothouse.operations.models.comparisons import paired_on_record
    from pilothouse.statistics.performance.comparison_verdict import comparison_verdict

    found = sides if isinstance(sides, str) else paired_on_record(services, sides)
    if isinstance(found, str):
        return found
    if found.rows < gate.minimum_rows:
        return f"{found.rows} rows of their hold-outs{where} are the same; {gate.minimum_rows} are needed"
    rows = f"the same {found.rows} rows{where} that both held out"
    return comparison_verdict(gate, live, found, rows=rows, how="from their recorded predictions")
