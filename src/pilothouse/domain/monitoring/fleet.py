"""The fleet as a screen shows it: models on targets, and versions on their way."""

from dataclasses import dataclass, field

from pilothouse.domain.monitoring.monitoring import Health, TargetState


@dataclass(frozen=True, slots=True)
class RollOut:
    """A version on its way: live on the targets ``there`` and asked for on those ``to_come``, where another one still is."""

    model: str
    version: int
    request: int
    waits: bool
    """True while the request waits for a decision."""
    there: tuple[str, ...]
    to_come: tuple[str, ...]
    under_way: tuple[str, ...] = ()
    """Targets of ``there`` whose serving process still answers with another version, or with none."""
    failed: tuple[str, ...] = ()
    """Targets of ``there`` whose serving process could not load it, or does not report."""
    rollout: int | None = None
    """Number of its roll-out, where it goes out by a plan."""
    step: str = ""
    """State of that and its place in the plan: ``running, 2 of 3 rest: canary 10 %``."""
    trials: tuple[str, ...] = ()
    """Targets of ``to_come`` where it answers a copy or a share of the requests."""


@dataclass(frozen=True, slots=True)
class Place:
    """A target as screens group it."""

    target: str
    region: str
    product: str
    business_unit: str
    environment: str = ""
    labels: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fleet:
    """Models on targets, and the versions that are on their way."""

    states: tuple[TargetState, ...]
    """States of the models in the window."""
    roll_outs: tuple[RollOut, ...] = ()
    """Those of the models in the window, and the newest of the others, newest first."""
    more_roll_outs: int = 0
    """Number of those beyond ``roll_outs``."""
    models: tuple[str, ...] = ()
    """All models, the sickest first."""
    first: int = 0
    """Position of the first model of the window."""
    window: tuple[str, ...] = ()
    """The models in the window."""
    places: tuple[Place, ...] = ()
    """All targets that some model names or runs on, by name."""
    counts: dict[Health, int] = field(default_factory=dict)
    """Number of deployments of all models by health, the worst first."""
