"""Screens on production: monitors, alerts, incidents, deployments."""
