"""Alerts and incidents: opened, explained, grouped, handled."""
