"""The process that runs jobs, watches, schedules and keeps serving processes up, day and night."""
