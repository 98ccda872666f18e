"""A log of predictions folded on a cluster of two workers: the bytes and verdicts that this machine alone comes to."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

pytest.importorskip("distributed", reason='needs Dask: pip install "pilothouse[dask]"')

from benchmarks import bench_logs
from pilothouse.cli import failures, main
from pilothouse.confinement import probe
from pilothouse.domain.confinement import confines
from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.formats.time_units import DAY_US
from pilothouse.domain.jobs.jobs import StepExit, StepRequest, StepResult
from pilothouse.domain.models.model_file import load_spec
from pilothouse.domain.monitoring.log_profiles import log_place
from pilothouse.execution.cluster.runner import ClusterRunner
from pilothouse.operations.monitoring.carried_logs import CarriedLog
from pilothouse.operations.monitoring.log_reading import LogReader
from pilothouse.operations.workspace import apply_models
from pilothouse.training.steps import fold_log
from support.dask_cluster import Cluster, cluster
from support.flight_batches import CATEGORICAL, NUMERIC
from support.monitored_flights import admin, calibrate_ahead, make_watched, traffic

pytestmark = pytest.mark.skipif(not confines(probe.offered()), reason="nothing confines here")


class Here:
    """Runs steps in this process."""

    def run_step(self, request: StepRequest, cancel: Any, on_progress: Any) -> tuple[StepExit, StepResult]:
        Path(request.folder).mkdir()
        return StepExit(0, None, 1.0, 100.0, "exited"), fold_log.run(request, lambda *_: None)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster(tmp_path_factory.mktemp("a cluster")) as made:
        yield made


def test_the_command_judges_a_log_on_the_cluster_as_here(
    made: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    services = make_watched(tmp_path / "the workspace")
    calibrate_ahead(services)
    root, settings = services.paths.root, made.settings
    text = f'[execution]\nengine = "dask"\nscheduler = "{settings.scheduler}"\n'
    for key in ("tls_ca", "tls_certificate", "tls_key"):
        name = getattr(settings, key)
        shutil.copy(made.folder / name, root / name)
        text += f'{key} = "{name}"\n'
    logs = tmp_path / "logs"
    for day, rows in enumerate((traffic("ewr", 0, 10), traffic("ewr", 10, 11))):
        (logs / f"part={day}").mkdir(parents=True)
        frame = rows[[*NUMERIC, *CATEGORICAL, "score", "label"]].assign(
            event_time=pd.to_datetime(rows["at_us"], unit="us", utc=True)
        )
        pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), logs / f"part={day}" / "1.parquet")

    def run() -> tuple[dict[str, Any], str]:
        given = ["--workspace", str(root), "--as", "ada", "profile", str(logs)]
        failures.run(lambda: main.run([*given, "--model", "flight-delay", "--on", "ewr", "--json"]))
        shown = capsys.readouterr()
        report, _ = json.JSONDecoder().raw_decode(shown.out)
        return {key: report[key] for key in ("digest", "rows", "files", "bytes", "windows")}, shown.err

    here, _ = run()
    (root / "integrations.toml").write_text(text)
    apply_models.apply(services, admin(services))
    services.close()
    far, said = run()
    assert far == here
    assert f"folded by {settings.scheduler}" in said


def test_a_log_is_folded_on_the_cluster_to_the_same_bytes_however_it_is_shared_out(
    made: Cluster, tmp_path: Path
) -> None:
    of, spec = bench_logs.specification(), load_spec(bench_logs.MODEL, "model.toml")
    log = tmp_path / "a log"
    bench_logs.write(log / "day=1", 12_000, 6)
    bench_logs.write(log / "day=2", 6_000, 3)
    steps = tmp_path / "steps"
    steps.mkdir()
    runner = ClusterRunner(made.settings, made.folder, jobs=steps, artifacts=log)
    runner.start()
    try:
        for named, shares in ((log, 2), (log, 5), (log / "day=1" / "*1.parquet", 2)):
            where = log_place(str(named))
            far = LogReader(runner, shares, folder=steps).fold(where, spec, of, DAY_US, print)
            here = LogReader(Here(), 3).fold(where, spec, of, DAY_US, print)
            assert far.profiles.to_bytes() == here.profiles.to_bytes()
            assert (far.rows, far.files, far.bytes) == (here.rows, here.files, here.bytes)
        (log / "day=1" / "part-003.parquet").write_bytes(b"no table")
        with pytest.raises(InvalidInputError, match=r"^log/day=1/part-003\.parquet"):
            LogReader(runner, 2, folder=steps).fold(log_place(str(log)), spec, of, DAY_US, print)
    finally:
        runner.stop()
    assert not list(steps.iterdir())


def test_nothing_of_the_state_is_carried(tmp_path: Path) -> None:
    state, log = tmp_path / "state", tmp_path / "log"
    for folder in (state, log):
        folder.mkdir()
    (state / "rows.parquet").write_bytes(b"rows")
    (log / "rows.parquet").symlink_to(state / "rows.parquet")
    for named in (log, state, tmp_path, tmp_path / "*" / "*.parquet"):
        with pytest.raises(InvalidInputError, match="is the workspace's own state"):
            CarriedLog(log_place(str(named)), [state])
