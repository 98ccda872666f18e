"""Screens on jobs, schedules and triggers."""
