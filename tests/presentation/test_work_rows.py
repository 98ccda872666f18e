"""Lists of jobs: the same figure in every view of them."""

from datetime import UTC, datetime, timedelta

from pilothouse.domain.jobs.jobs import JobStatus
from pilothouse.domain.records import Job
from pilothouse.presentation.pages.work_pages import job_facts
from pilothouse.presentation.tables.work_rows import job_table

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
