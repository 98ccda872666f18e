"""Shipper of sealed segments to the hub, in the order in which they were sealed; each is removed on its receipt."""

import logging
import random
import threading
import time
from collections import Counter

from pilothouse.domain.errors import (
    ConflictError,
    IntegrityError,
    InvalidInputError,
    NotFoundError,
    PilothouseError,
)
from pilothouse.domain.formats.safe_text import one_line
from pilothouse.domain.formats.wire import BatchReceipt, PairBatch
from pilothouse.serving.delivery.hub_client import HubBusyError, HubClient
from pilothouse.serving.delivery.segments import (
    SegmentContent,
    SegmentHeader,
    batch_of,
    read_segment,
)
from pilothouse.serving.delivery.spool import Sealed, Spool
from pilothouse.serving.prediction.vital_threads import vital_thread

log = logging.getLogger(__name__)

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 5.0
"""Seconds before the first retry; the pause doubles up to the longest."""
_LONGEST_ASKED_S = 60.0
"""Seconds that the hub may ask for: a bound that ends the day may be raised before."""


class Shipper:
    """Thread between the spool and the hub."""

    def __init__(self, spool: Spool, hub: HubClient) -> None:
        self._spool, self._hub = spool, hub
        self._stopping = threading.Event()
        self._deadline = float("inf")
        self.rejected: Counter[tuple[str, int]] = Counter()
        """Predictions that the hub did not take, by model and version."""
        self._thread = vital_thread(self._run, "shipper")

    def start(self) -> None:
        self._thread.start()

    def stop(self, patience_s: float) -> None:
        """Ship what is sealed for ``patience_s`` seconds at most, as long as the hub answers; the rest stays on disk."""
        self._deadline = time.monotonic() + patience_s
        self._stopping.set()
        self._thread.join(patience_s + 1.0)

    def _run(self) -> None:
        pause = _FIRST_PAUSE_S
        while not (self._stopping.is_set() and time.monotonic() > self._deadline):
            segment = self._spool.next_sealed(timeout=0.0 if self._stopping.is_set() else 0.25)
            if segment is None:
                if self._stopping.is_set():
                    break
                continue
            try:
                self._ship(segment)
            except PilothouseError as error:
                log.warning("%d segments wait: %s", self._spool.segments, error)
                if self._stopping.is_set():
                    break
                asked = error.again_after_s if isinstance(error, HubBusyError) else 0.0
                wait = max(pause, min(asked, _LONGEST_ASKED_S))
                self._stopping.wait(wait * random.uniform(0.7, 1.3))  # noqa: S311 - spreads retries, no secret
                pause = min(pause * 2, _LONGEST_PAUSE_S)
            else:
                pause = _FIRST_PAUSE_S
        self._hub.close()

    def _sent(self, content: SegmentContent) -> BatchReceipt:
        batch = batch_of(content)
        try:
            return self._hub.send_batch(batch)
        except NotFoundError as error:
            if isinstance(batch, PairBatch):  # a hub of before trials never will take it
                raise InvalidInputError(str(error)) from None
            raise

    def _ship(self, segment: Sealed) -> None:
        """Send one segment and remove it. Raises PilothouseError where it is to be tried again."""
        try:
            content = read_segment(segment.path, segment.size)
            if content is None:
                raise IntegrityError(f"{segment.path.name} has lost its header")
            receipt = self._sent(content)
        except (InvalidInputError, ConflictError, IntegrityError) as error:
            path = self._spool.set_aside(segment)
            log.error("a segment can never be taken and was moved to %s: %s", path, error)
            return
        except OSError as error:
            raise PilothouseError(f"{segment.path.name} cannot be read: {error.strerror}") from None
        if receipt.rejected:
            header = content.header
            version = header.model, header.version if isinstance(header, SegmentHeader) else header.challenger
            self.rejected[version] += receipt.rejected
            why = (
                one_line(", ".join(f"{reason} ({n})" for reason, n in receipt.reasons.items()))
                or "a hub of an earlier release does not say why"
            )
            log.warning(
                "the hub rejected %d of %d predictions of models:/%s/%d: %s",
                receipt.rejected,
                content.rows,
                *version,
                why,
            )
        self._spool.remove(segment)
