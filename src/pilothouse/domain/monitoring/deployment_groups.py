"""Deployments in groups by what their targets have in common: a region, a product, a business unit, a label."""

from dataclasses import dataclass

from pilothouse.domain.monitoring.monitoring import Health


@dataclass(frozen=True, slots=True)
class GroupMember:
    """A model's part in a group of deployments."""

    model: str
    health: Health
    counts: dict[str, int]
    """Number of its deployments in the group by health, the worst first."""


@dataclass(frozen=True, slots=True)
class DeploymentGroup:
    """The deployments on the targets of one region, product or business unit, or of one label."""

    name: str
    targets: int
    health: Health
    why: str
    """The worst of them: ``flight-delay on jfk: auc 0.60 …``."""
    counts: dict[str, int]
    """Number of them by health, the worst first."""
    members: tuple[GroupMember, ...] | None = None
    """The models in it, the sickest first; None where they were not asked for."""
