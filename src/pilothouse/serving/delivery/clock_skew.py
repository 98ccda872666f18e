"""Skew of this machine's clock against the hub's, from exchanged times with half of the round trip as the bound (RFC 5905)."""

from collections import deque

from pilothouse.domain.formats.wire import ClockReading
from pilothouse.serving.delivery.hub_client import Exchange

_EXCHANGES = 8
"""Exchanges of which the quickest counts: what delays one way more than the other only lengthens it."""


class ClockSkew:
    """The last exchanges with the hub. For one thread."""

    def __init__(self) -> None:
        self._readings: deque[ClockReading] = deque(maxlen=_EXCHANGES)

    def note(self, exchange: Exchange) -> None:
        """Take an exchange in; one without the hub's times says nothing."""
        if not exchange.received_us or not exchange.answered_us:
            return
        skew = (exchange.sent_us - exchange.received_us + exchange.got_us - exchange.answered_us) // 2
        away = exchange.got_us - exchange.sent_us - (exchange.answered_us - exchange.received_us)
        if away >= 0:
            self._readings.append(ClockReading(skew, away // 2 + 1))

    @property
    def reading(self) -> ClockReading | None:
        """The surest of the last readings; None before the first."""
        return min(self._readings, key=lambda reading: reading.bound_us, default=None)
