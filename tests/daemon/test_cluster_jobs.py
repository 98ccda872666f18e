"""A daemon whose jobs run on a cluster of two workers with TLS: the same record, the same answers, the place on record."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("distributed", reason='needs Dask: pip install "pilothouse[dask]"')

from pilothouse.confinement import probe
from pilothouse.daemon import control
from pilothouse.domain.confinement import confines
from pilothouse.domain.jobs.jobs import JobStatus
from pilothouse.operations.integrations import cluster as clusters
from pilothouse.operations.jobs import jobs, trainings
from pilothouse.operations.workspace import apply_models, doctor
from support import wait_until
from support.dask_cluster import Cluster, cluster
from support.small_workspace import SmallWorkspace, make_small_workspace

pytestmark = [
    pytest.mark.loop,
    pytest.mark.skipif(not confines(probe.offered()), reason="nothing confines here"),
]

MODEL = "delay"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[SmallWorkspace, Cluster]]:
    """A workspace with its daemon, and the cluster that it names."""
    folder = tmp_path_factory.mktemp("cluster jobs")
    small = make_small_workspace(folder / "w")
    with cluster(folder) as made:
        try:
            settings = made.settings
            text = f'[execution]\nengine = "dask"\nscheduler = "{settings.scheduler}"\njobs = 3\n'
            for key in ("tls_ca", "tls_certificate", "tls_key"):
                name = getattr(settings, key)
                shutil.copy(folder / name, small.root / name)
                text += f'{key} = "{name}"\n'
            (small.root / "integrations.toml").write_text(text)
            apply_models.apply(small.services, small.admin)
            control.start_in_background(small.root, serve_targets=False, slots=1)
            yield small, made
        finally:
            control.stop(small.root)
            small.services.close()


def test_a_training_runs_on_the_cluster_and_its_record_says_where(
    place: tuple[SmallWorkspace, Cluster],
) -> None:
    small, _ = place
    services, person = small.services, small.scientist
    number = trainings.start_training(services, person, MODEL, reason="to see it").id
    wait_until(lambda: jobs.get_job(services, person, number).status.ended, timeout=60)
    job = jobs.get_job(services, person, number)
    assert job.status is JobStatus.SUCCEEDED, job.error
    assert job.version is not None
    places = {step: where for _, step, where, _ in jobs.places_of(services, person, number)}
    assert {"fit", "evaluate"} <= places.keys()
    assert "snapshot" not in places  # it reads the source, and so stays where the rows are
    assert "verify" not in places


def test_a_reproduction_on_the_cluster_says_identical(place: tuple[SmallWorkspace, Cluster]) -> None:
    small, _ = place
    services, person = small.services, small.scientist
    job = trainings.start_reproduction(services, person, f"{MODEL}/1")
    wait_until(lambda: jobs.get_job(services, person, job.id).status.ended, timeout=60)
    ended = jobs.get_job(services, person, job.id)
    assert ended.status is JobStatus.SUCCEEDED, ended.error
    assert ended.result["identical"], ended.result


def test_the_doctor_tells_of_the_cluster(place: tuple[SmallWorkspace, Cluster]) -> None:
    small, made = place
    wait_until(
        lambda: (
            (state := clusters.cluster_state(small.services, small.admin)) is not None
            and len(state.workers) == 2
            and not state.steps
        )
    )
    (finding,) = [f for f in doctor.diagnose(small.services, small.admin) if f.check == "cluster"]
    assert finding.ok, finding.finding
    assert finding.finding.startswith("2 workers with 2 threads and 8.0 GiB; steps: 0 on a worker")
    assert Path(small.services.paths.cluster).exists()
    assert made.address in finding.finding
