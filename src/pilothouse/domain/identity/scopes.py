"""Scope of a grant: the model it is for, and the targets, by what they are called and what is written beside their names."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.formats.wildcards import fits

KEYS = ("target", "region", "product", "business_unit", "environment")
"""Keys by which targets are chosen, beside ``labels.NAME``."""
LABEL = "labels."


class Place(Protocol):
    """What is known of a target."""

    @property
    def name(self) -> str: ...
    @property
    def region(self) -> str: ...
    @property
    def product(self) -> str: ...
    @property
    def business_unit(self) -> str: ...
    @property
    def environment(self) -> str: ...
    @property
    def labels(self) -> Mapping[str, str]: ...


@dataclass(frozen=True, slots=True)
class TargetChoice:
    """Targets for which all of these hold: (key, pattern), ``*`` in a pattern standing for any text. Empty: all targets."""

    rules: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, given: Mapping[str, str]) -> "TargetChoice":
        """Choice by keys and patterns. Raises InvalidInputError (unknown key, empty pattern)."""
        for key, pattern in given.items():
            if key not in KEYS and not (key.startswith(LABEL) and key != LABEL):
                raise InvalidInputError(
                    f"{key!r} tells no targets apart: expected one of {', '.join(KEYS)}, {LABEL}NAME"
                )
            if not pattern or len(pattern) > 200:
                raise InvalidInputError(f"{key}: expected a text of 1 to 200 characters, * for any")
        return cls(tuple(sorted(given.items())))

    @property
    def plain(self) -> dict[str, str]:
        """What is stored."""
        return dict(self.rules)

    def __bool__(self) -> bool:
        return bool(self.rules)

    def holds(self, place: Place) -> bool:
        """True where the target is among them."""
        return all(fits(pattern, _value(place, key)) for key, pattern in self.rules)

    def __str__(self) -> str:
        return " and ".join(f"{key.replace('_', ' ')} {pattern}" for key, pattern in self.rules)


@dataclass(frozen=True, slots=True)
class Reach:
    """What an operation is about: a model (empty: none in particular) and targets (None: none in particular). What is not
    named is everything."""

    model: str = ""
    targets: tuple[Place, ...] | None = None

    def within(self, model: str, chosen: TargetChoice) -> bool:
        """True where all of it is in the scope of a model and of targets: what an allowing grant needs."""
        if model and model != self.model:
            return False
        return not chosen or (bool(self.targets) and all(map(chosen.holds, self.targets or ())))

    def touches(self, model: str, chosen: TargetChoice) -> bool:
        """True where any of it is in that scope: what a denying grant takes."""
        if model and self.model and model != self.model:
            return False
        return not chosen or self.targets is None or any(map(chosen.holds, self.targets))

    def outside(self, chosen: TargetChoice) -> Iterator[str]:
        """Names of the targets that are not among the chosen ones."""
        return (place.name for place in self.targets or () if not chosen.holds(place))


ALL_TARGETS = TargetChoice()


def _value(place: Place, key: str) -> str:
    if key.startswith(LABEL):
        return place.labels.get(key.removeprefix(LABEL), "")
    return place.name if key == "target" else str(getattr(place, key))
