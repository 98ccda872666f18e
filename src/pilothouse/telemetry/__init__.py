"""Telemetry store, telemetry.db: batches in, profiles rolled up, windows out."""

from pilothouse.telemetry.intake.admission import Limits, VersionFacts
from pilothouse.telemetry.intake.streams import Stream
from pilothouse.telemetry.store import Lookup, TelemetryStore

__all__ = ["Limits", "Lookup", "Stream", "TelemetryStore", "VersionFacts"]
