"""What became of rows that were handed in, in the same words for every door."""

from dataclasses import dataclass, field

from pilothouse.domain.monitoring.rejections import RejectionReason


@dataclass(frozen=True, slots=True)
class Receipt:
    """Numbers of rows by what became of them, and of the rejected ones by reason."""

    taken: int
    known: int
    rejected: int
    reasons: dict[str, int] = field(default_factory=dict)
    waiting: int = 0
    conflicts: int = 0
    without: int = 0
    """Rows that name no prediction or no outcome: they are none of the others."""

    @property
    def rows(self) -> int:
        """Number of rows."""
        return self.taken + self.known + self.waiting + self.conflicts + self.rejected


def predictions_line(receipt: Receipt) -> str:
    """Receipt of predictions in one line; of rows that are too old, it names the option that takes them."""
    is_old = RejectionReason.BEHIND in receipt.reasons
    history = "; their outcomes are not taken either; --history takes older rows" if is_old else ""
    return f"{_taken(receipt, 'prediction')}, {_rejected(receipt)}{history}"


def outcomes_line(receipt: Receipt) -> str:
    """Receipt of outcomes in one line."""
    return (
        f"{_taken(receipt, 'outcome')}, {receipt.waiting:,} waiting for their prediction, "
        f"{receipt.conflicts:,} in conflict, {_rejected(receipt)}"
        + (f"; {receipt.without:,} without an id or an outcome" if receipt.without else "")
    )


def _taken(receipt: Receipt, noun: str) -> str:
    return (
        f"{receipt.taken:,} {noun}{'' if receipt.taken == 1 else 's'} taken, {receipt.known:,} known already"
    )


def _rejected(receipt: Receipt) -> str:
    if not receipt.rejected:
        return "0 rejected"
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in receipt.reasons.items())
    return f"{receipt.rejected:,} rejected: {reasons} (see pilothouse rejected)"
