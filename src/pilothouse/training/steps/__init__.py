"""Steps of a job. Each module has ``run(request, report) -> StepResult``: files in, files and a record out."""
