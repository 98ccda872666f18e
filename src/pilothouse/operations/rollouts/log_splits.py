"""Shares of logs held against those of their steps: the tests of two arms stand on the stated share.

A serving process of ours draws the version of a request itself. On another's platform nobody knows but by its logs: where these
are not split as stated (the canary has another share there, or rows of one version get lost), they are no evidence.
"""

from collections.abc import Iterator, Mapping, Sequence

from pilothouse.domain.formats.safe_text import safe
from pilothouse.operations.rollouts.trial_folding import ARM_ANSWERS, ARM_LOSS, ARMS
from pilothouse.statistics.sequential.arm_errors import ArmErrors
from pilothouse.statistics.sequential.records import from_plain
from pilothouse.statistics.sequential.splits import Split, split_as_stated
from pilothouse.statistics.sequential.two_arms import TwoArms
from pilothouse.store.promotion.rollouts import EvidenceRow

_OF_CANARY = (ARMS, ARM_LOSS, ARM_ANSWERS)


def wrongly_split(rows: Sequence[EvidenceRow], version: int) -> Mapping[str, str]:
    """Targets whose logs are not split as stated, each with what is said of it: by all rows, or by those with outcomes."""
    found: dict[str, str] = {}
    for target in dict.fromkeys(row.target for row in rows if row.statistics.get("log")):
        for test, what in ((ARMS, "rows"), (ARM_LOSS, "rows with outcomes")):
            mine = [row for row in rows if (row.target, row.test) == (target, test)]
            splits = [split for row in mine for split in _splits(row)]
            if not split_as_stated(splits):
                said = ", ".join(_said(*split, what, version) for split in splits)
                found[target] = f"the logs of {safe(target)} are no evidence: {said}"
                break
    return found


def without(rows: Sequence[EvidenceRow], targets: Mapping[str, str]) -> list[EvidenceRow]:
    """Rows but for the canaries' of these targets."""
    return [row for row in rows if row.target not in targets or row.test not in _OF_CANARY]


def _splits(row: EvidenceRow) -> Iterator[Split]:
    if row.test == ARMS and "errors" in row.statistics:
        for stage in from_plain(ArmErrors, row.statistics["errors"]).stages:
            yield stage.share, stage.challenger, stage.champion
    if row.test == ARM_LOSS and "loss" in row.statistics:
        for judged in from_plain(TwoArms, row.statistics["loss"]).stages:
            yield judged.share, judged.challenger, judged.champion


def _said(share: float, challenger: int, champion: int, what: str, version: int) -> str:
    both = challenger + champion
    part = 100 * challenger / both if both else 0.0
    return f"{part:.3g} % of {both:,} {what} are of v{version}, whose share is {100 * share:.4g} %"
