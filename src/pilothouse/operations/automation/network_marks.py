"""Looks at sources by URL, for triggers: each by a process of its own, begun at one check and answered at a later one, so that
a server that is slow holds up no other trigger."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakKeyDictionary

from pilothouse.domain.models.model_spec import ModelSpec
from pilothouse.operations.models.source_places import allowed_places
from pilothouse.operations.models.source_reach import Places, Reaching, look_at
from pilothouse.store.connection import Registry

_MOST_AT_ONCE = 2
_clock: Callable[[], float] = time.monotonic


@dataclass(slots=True)
class _Look:
    """The newest look at a source. ``ended_at``: on the monotonic clock."""

    going: Reaching | None = None
    ended_at: float | None = None


_LOOKS: WeakKeyDictionary[Registry, dict[tuple[str, str], _Look]] = WeakKeyDictionary()


def mark_now(
    registry: Registry, spec: ModelSpec, path: Path | None, trigger: str, every_s: int
) -> str | None:
    """The mark of a model's source, which changes with its rows; None while nobody knows, and between two looks, which are
    ``every_s`` apart. ``path``: of a source on this machine. Raises InvalidInputError, NotFoundError or UnavailableError, once
    for each look that failed."""
    looks = _LOOKS.setdefault(registry, {})
    look = looks.setdefault((spec.name, trigger), _Look())
    if look.going is None:
        if look.ended_at is not None and _clock() - look.ended_at < every_s:
            return None
        if sum(one.going is not None for one in looks.values()) < _MOST_AT_ONCE:
            look.ended_at = _clock()  # of one that cannot even begin
            with registry.read() as connection:
                places = allowed_places(connection)
            look.going = look_at(spec, path, Places(places), mark=True)
        return None
    if not look.going.ended():
        return None
    going, look.going, look.ended_at = look.going, None, _clock()
    try:
        mark: str = going.answer()["mark"]
    finally:
        going.close()
    return mark


def end_looks(registry: Registry) -> None:
    """End the looks that go on."""
    for look in _LOOKS.pop(registry, {}).values():
        if look.going is not None:
            look.going.close()
