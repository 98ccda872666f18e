"""Where a job ran: a column of the list, a line of the page; neither where no cluster is in use."""

from dataclasses import replace
from datetime import UTC, datetime

from pilothouse.domain.jobs.cluster import ClusterState, ClusterWorker, RunningStep
from pilothouse.domain.jobs.jobs import JobStatus
from pilothouse.domain.records import Job
from pilothouse.presentation.documents import Line
from pilothouse.presentation.pages.work_pages import job_facts
from pilothouse.presentation.tables.work_rows import job_table

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
JOB = Job(7, "train", "delay", JobStatus.RUNNING, "fit", 0.4, "", "ada", "", NOW, NOW, None, 2, {})
WORKER = ClusterWorker("tls://10.0.0.5:40001", "w1", 2, 4_096, 120, confined=True)
STATE = ClusterState(0.0, "tls://10.0.0.5:8786", connected=True, workers=(WORKER,))


def text(lines: list[Line]) -> str:
    return "\n".join("".join(cell.text for cell in line.cells) for line in lines)


def test_jobs_have_a_column_of_hosts_only_where_one_ran_on_a_cluster() -> None:
    other = replace(JOB, id=8)
    table = job_table([JOB, other], NOW, hosts={7: "w1\x1b[31m"})
    at = [column.title for column in table.columns].index("ON")
    assert [row.cells[at].text for row in table.rows] == ["w1�[31m", "–"]
    assert "ON" not in [column.title for column in job_table([JOB], NOW, hosts={}).columns]


def test_a_jobs_page_names_the_worker_of_each_step_and_of_the_attempts_before() -> None:
    places = [
        (1, "fit", "w1", "tls://10.0.0.5:40001"),
        (2, "fit", "w2", "tls://10.0.0.6:40001"),
        (2, "evaluate", "w2", "tls://10.0.0.6:40001"),
    ]
    page = text(job_facts(JOB, NOW, places=places))
    assert "fit on w1 (tls://10.0.0.5:40001), attempt 1" in page
    assert "fit, evaluate on w2 (tls://10.0.0.6:40001)" in page
    assert "where" not in text(job_facts(JOB, NOW))


def test_a_cluster_says_what_it_has_and_what_is_wrong_with_it() -> None:
    steps = (RunningStep(7, "fit", WORKER.address, "w1"), RunningStep(8, "fit"))
    busy = replace(STATE, steps=steps)
    assert busy.summary == "1 worker with 2 threads and 4.0 GiB; steps: 1 on a worker, 1 waiting for one"
    assert busy.headline == "1 worker, 0.1 of 4.0 GiB, 1 on, 1 waiting"
    assert replace(busy, workers=(replace(WORKER, fault="old"),)).headline.endswith(
        "1 waiting, a fault: see doctor"
    )
    assert replace(busy, connected=False).headline == "cluster away"
    assert busy.running_on(WORKER.address) == 1
    assert busy.faults == []
    assert replace(STATE, workers=()).faults == [
        "tls://10.0.0.5:8786 has no worker: steps wait until one is started"
    ]
    assert replace(STATE, connected=False, fault="OSError: refused").faults == [
        "no connection to tls://10.0.0.5:8786: OSError: refused"
    ]
    assert replace(STATE, workers=(replace(WORKER, confined=False),)).faults == [
        "worker tls://10.0.0.5:40001 on w1: its kernel does not confine steps"
    ]
