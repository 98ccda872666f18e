"""Telemetry store, telemetry.db: batches in, profiles rolled up, windows out."""

from pilothouse.telemetry.admission import Limits, VersionFacts
from pilothouse.telemetry.store import Lookup, TelemetryStore
from pilothouse.telemetry.streams import Stream

__all__ = ["Limits", "Lookup", "Stream", "TelemetryStore", "VersionFacts"]
