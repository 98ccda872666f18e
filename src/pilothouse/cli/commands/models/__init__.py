"""Commands on models: files, versions, comparisons, jobs, schedules."""
