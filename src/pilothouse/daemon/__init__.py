"""Daemon: the process that runs jobs, monitors, schedules and keeps serving processes running."""
