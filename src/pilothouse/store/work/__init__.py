"""SQL on jobs, runs, schedules and triggers."""
