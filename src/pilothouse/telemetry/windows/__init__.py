"""Closed windows: readings of monitors, late days, the monitor's worklist."""
