"""Versions of before a swap, kept for a while: a client that asks for a version by its number goes on being answered meanwhile.

One a model and a few a process, so that memory is bounded.
"""

import logging
import time
from collections.abc import Callable, Mapping

from pilothouse.serving.versions.live_versions import LoadedVersion

log = logging.getLogger(__name__)

KEPT_S = 600.0
"""Seconds for which a version is kept after the swap."""
MOST_KEPT = 4
"""Versions that are kept at most, of all models together: the oldest goes first."""

Versions = Mapping[str, LoadedVersion]
"""Versions by their models."""


class KeptVersions:
    """Times of the swaps. What is kept stands in the roster."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until: dict[str, float] = {}
        """Moments until which a version of each model is kept, the oldest first."""

    def after_swap(self, kept: Versions, before: LoadedVersion | None, now_live: LoadedVersion) -> Versions:
        """Versions that are kept once ``now_live`` has taken the place of ``before``."""
        model = now_live.version.model
        if before is None or before.version.version == now_live.version.version:
            return self.remaining(kept)
        self._until.pop(model, None)
        self._until[model] = self._clock() + KEPT_S
        return self.remaining({**kept, model: before})

    def remaining(self, kept: Versions) -> Versions:
        """Those whose time is not over, without the oldest of too many; ``kept`` itself where that is all of them."""
        if not kept:
            return kept
        now = self._clock()
        known = [model for model in self._until if model in kept][-MOST_KEPT:]
        self._until = {model: self._until[model] for model in known if self._until[model] > now}
        if self._until.keys() == kept.keys():
            return kept
        for model in kept.keys() - self._until.keys():
            log.info("models:/%s/%d is no longer kept", model, kept[model].version.version)
        return {model: kept[model] for model in self._until}
