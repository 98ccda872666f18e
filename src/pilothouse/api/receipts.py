"""What became of rows that a program handed over."""

from dataclasses import dataclass

from pilothouse.api.showing import Shown, table_html

_OUTCOMES = ("taken", "waiting", "known", "rejected", "conflicts", "without")


@dataclass(frozen=True, slots=True)
class OutcomeReceipt(Shown):
    """Numbers of outcomes by what became of them. ``taken`` found their prediction, ``waiting`` came before it, ``known`` were
    there, ``conflicts`` contradict one that was, ``without`` name no prediction or no outcome."""

    taken: int = 0
    waiting: int = 0
    known: int = 0
    rejected: int = 0
    conflicts: int = 0
    without: int = 0
    reasons: dict[str, int] | None = None
    """Numbers of the rejected ones by reason."""

    def _html(self) -> str:
        rows = [(name, f"{getattr(self, name):,}") for name in _OUTCOMES]
        return table_html("outcomes", (), [*rows, *(self.reasons or {}).items()])


@dataclass(frozen=True, slots=True)
class Receipt(Shown):
    """Numbers of predictions by what became of them. ``known`` were handed over before; ``reasons`` are those of the rejected
    ones. ``outcomes``: what became of the outcomes in the column ``truth``."""

    rows: int
    taken: int
    known: int
    rejected: int
    reasons: dict[str, int]
    outcomes: OutcomeReceipt

    def _html(self) -> str:
        names = ("rows", "taken", "known", "rejected")
        rows = [(name, f"{getattr(self, name):,}") for name in names]
        told = any(getattr(self.outcomes, name) for name in _OUTCOMES)
        page = table_html("predictions", (), [*rows, *self.reasons.items()])
        return page + (self.outcomes._html() if told else "")
