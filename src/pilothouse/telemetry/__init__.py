"""telemetry.db: batches in, profiles rolled up, windows out."""

from .admission import Limits, VersionFacts
from .store import Lookup, TelemetryStore, from_us, to_us
from .streams import Stream

__all__ = ["Limits", "Lookup", "Stream", "TelemetryStore", "VersionFacts", "from_us", "to_us"]
