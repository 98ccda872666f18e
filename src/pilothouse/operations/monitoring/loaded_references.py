"""References of versions as this process has loaded them: the ones used last, up to a size in bytes.

A reference holds a profile for each day and target, and a version of years of dense traffic takes tens of megabytes. A number
of references would therefore be no bound on the memory.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pilothouse.artifacts import ArtifactStore
from pilothouse.statistics import reference as references
from pilothouse.statistics.profiles.profile import Profile
from pilothouse.statistics.profiles.specification import ProfileSpecification
from pilothouse.system import memory

L = TypeVar("L")

LARGEST = 32 << 20
"""Bytes of stored references that are kept; the newest one is kept whatever its size."""
_MOST = 16
"""References that are kept at most: small ones are larger in memory than stored."""

_LARGE = 4 << 20
"""Bytes of a stored reference from which decoding it leaves much free memory behind."""


@dataclass(frozen=True, slots=True, eq=False)
class LoadedReference:
    """A version's reference and the specification of its profiles; ``digests`` are those of both, ``size`` its stored bytes."""

    specification: ProfileSpecification
    reference: references.Reference
    digests: str
    size: int
    _profiles: dict[str, Profile] = field(default_factory=dict)

    def profile(self, target: str) -> Profile:
        """Profile that a target's windows are judged against: the same object each time, so that it is laid out once."""
        own = self.reference.for_target(target)
        key = target if own is not self.reference.pooled else ""
        if key not in self._profiles:
            self._profiles[key] = own.profile(self.specification)
        return self._profiles[key]


_learnt: OrderedDict[str, Any] = OrderedDict()
_MOST_LEARNT = 32
"""Calibrations and estimators that are kept decoded; one takes some hundred kilobytes."""


def learnt(key: str, read: Callable[[], L]) -> L:
    """What was learnt of a reference under the ``key`` of its content, as ``read`` gives it, or the one read before."""
    with _lock:
        if key in _learnt:
            _learnt.move_to_end(key)
            kept: L = _learnt[key]
            return kept
    value = read()
    with _lock:
        _learnt[key] = value
        while len(_learnt) > _MOST_LEARNT:
            _learnt.popitem(last=False)
    return value


_loaded: OrderedDict[tuple[ArtifactStore, str], LoadedReference] = OrderedDict()
_lock = threading.Lock()


def load(artifacts: ArtifactStore, specification_digest: str, reference_digest: str) -> LoadedReference:
    """A reference from its artifacts, or the one loaded before. Raises IntegrityError where they are damaged."""
    digests = f"{specification_digest} {reference_digest}"
    key = artifacts, digests
    with _lock:
        if key in _loaded:
            _loaded.move_to_end(key)
            return _loaded[key]
    specification = ProfileSpecification.from_bytes(artifacts.read(specification_digest))
    data = artifacts.read(reference_digest)
    with _lock:  # before decoding, which takes more than what stays
        _make_room(len(data))
    loaded = LoadedReference(specification, references.decode(specification, data), digests, len(data))
    del data
    if loaded.size > _LARGE:
        memory.give_back()  # what decoding took, before a calibration takes more
    with _lock:
        _make_room(loaded.size)  # another thread may have loaded one meanwhile
        _loaded[key] = loaded
    return loaded


def _make_room(size: int) -> None:
    """Forget the references used longest ago until one of this size fits."""
    while _loaded and (len(_loaded) >= _MOST or size + sum(kept.size for kept in _loaded.values()) > LARGEST):
        _loaded.popitem(last=False)
