"""Lists of jobs and of schedules: the same figure in every view, and what is looked for in the first line."""

from datetime import UTC, datetime, timedelta

from pilothouse.domain.jobs.jobs import JobStatus
from pilothouse.domain.records import Job, Schedule
from pilothouse.presentation.pages.work_pages import job_facts
from pilothouse.presentation.tables.folded import folded_lines
from pilothouse.presentation.tables.work_rows import job_table, schedule_table

START = datetime(2013, 6, 3, tzinfo=UTC)


def test_a_job_took_as_long_in_the_list_as_on_its_own_page() -> None:
    job = Job(
        id=7, kind="train", model="delay", status=JobStatus.SUCCEEDED, step="", progress=1.0, message="", created_by="sam",
        reason="", created_at=START, started_at=START, ended_at=START + timedelta(seconds=17.6), attempt=1, options={},
    )  # fmt: skip
    table = job_table([job], START)
    took = table.rows[0].cells[[c.title for c in table.columns].index("TOOK")].text
    page = " ".join(cell.text for line in job_facts(job, START) for cell in line.cells)
    assert took == "17s"
    assert "17s, attempt 1" in page


def test_the_first_line_of_a_schedule_says_in_80_columns_when_it_runs_next() -> None:
    times = tuple(START + timedelta(days=day) for day in range(1, 6))
    one = Schedule(
        1, "hourly-forecast", "each-monday", "train", "15 4 * * 1", "Europe/Berlin", False, None, "", times
    )
    lines = folded_lines(schedule_table([one, one]), 80 - len("NUMBER  "))
    assert lines[0].split()[:6] == ["MODEL", "SCHEDULE", "DOES", "STATE", "NEXT", "(UTC)"]
    assert lines[1].split()[:7] == [
        "hourly-forecast",
        "each-monday",
        "train",
        "●",
        "on",
        "2013-06-04",
        "00:00",
    ]
    assert lines[2].strip() == "ZONE Europe/Berlin  THEN 2013-06-05 00:00, 2013-06-06 00:00"
    assert len(lines) == 5, "two lines each"
