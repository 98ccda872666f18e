"""Retention of rows of predictions, and holds that stop it. Profiles and readings are kept for good."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.formats.time_units import DAY_S


@dataclass(frozen=True, slots=True)
class LegalHold:
    """A stop on deletion, of everything or of what belongs to a model, a target, or both (where they are not empty)."""

    id: int
    model: str
    target: str
    reason: str
    placed_by: str
    placed_at: datetime
    lifted_by: str = ""
    lifted_at: datetime | None = None
    lift_reason: str = ""

    @property
    def scope(self) -> str:
        """Text that names what it covers."""
        return scope_text(self.model, self.target)

    def covers(self, model: str, target: str) -> bool:
        """True where it stands and stops deleting rows of the model on the target."""
        return self.lifted_at is None and self.model in ("", model) and self.target in ("", target)


@dataclass(frozen=True, slots=True)
class RetentionShare:
    """Rows of one version on one target that retention would delete, or has deleted. ``keep_s`` None: kept for good.

    ``held`` is the scope of the hold that stops it, else empty.
    """

    model: str
    version: int
    target: str
    keep_s: int | None
    rows: int
    bytes: int
    stored_rows: int
    held: str = ""


@dataclass(frozen=True, slots=True)
class RetentionReport:
    """One look, or one round where ``applied``. ``merged`` small segments became ``into`` large ones."""

    shares: tuple[RetentionShare, ...]
    applied: bool = False
    merged: int = 0
    into: int = 0
    outcomes_expired: int = 0
    freed_bytes: int = 0


def kept_for(workspace_s: int | None, model_s: int | None, outcome_delay_s: int) -> int | None:
    """Seconds after arrival for which rows are kept: the model file's word, else the workspace's, else for good (None);
    never less than outcomes take to come, with the grace that performance windows wait."""
    wanted = workspace_s if model_s is None else model_s
    return None if wanted is None else max(wanted, outcome_delay_s + max(DAY_S, outcome_delay_s // 2))


def hold_on(holds: Iterable[LegalHold], model: str, target: str) -> LegalHold | None:
    """The first hold that stops deletion there."""
    return next((hold for hold in holds if hold.covers(model, target)), None)


EVERYTHING = "everything"


def scope_text(model: str, target: str) -> str:
    """``model delay on target ewr``."""
    parts = [model and f"model {model}", target and f"target {target}"]
    return " on ".join(part for part in parts if part) or EVERYTHING


def parse_scope(text: str, models: Collection[str], targets: Collection[str]) -> tuple[str, str]:
    """(model, target) of a hold as typed: a model, a target, both, or ``everything`` (neither). Raises InvalidInputError."""
    names = text.split()
    if names == [EVERYTHING]:
        return "", ""
    model = target = ""
    for name in names:
        if name in models and not model:
            model = name
        elif name in targets and not target:
            target = name
        else:
            raise InvalidInputError(
                f"{name[:64]!r} is no model and no target here: expected one, both, or {EVERYTHING}"
            )
    if not names:
        raise InvalidInputError(f"expected a model, a target, both, or {EVERYTHING}")
    return model, target
