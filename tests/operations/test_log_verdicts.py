"""A log that is not taken in: its windows are those that the monitor would have closed, in any files."""

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pilothouse.cli import failures, main
from pilothouse.domain.errors import InvalidInputError, NotAllowedError, NotFoundError, UnavailableError
from pilothouse.domain.formats.time_units import to_us
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.jobs.jobs import StepExit, StepRequest, StepResult
from pilothouse.domain.monitoring.alert_rules import Span
from pilothouse.domain.monitoring.findings import DriftFinding, QualityFinding
from pilothouse.domain.monitoring.log_profiles import LogReport, log_place
from pilothouse.operations import model_files
from pilothouse.operations.monitoring import log_verdicts, window_closing
from pilothouse.operations.monitoring.log_reading import LogReader
from pilothouse.operations.services import Services
from pilothouse.operations.workspace import workspaces
from pilothouse.telemetry.windows.readings import DRIFT, QUALITY
from pilothouse.training.steps import fold_log
from support.flight_batches import CATEGORICAL, NUMERIC
from support.monitored_flights import admin, calibrate_ahead, make_watched, send, traffic

DAYS = 35


class InThisProcess:
    """Runs steps without a launcher, one thread a step."""

    def run_step(self, request: StepRequest, cancel: Any, on_progress: Any) -> tuple[StepExit, StepResult]:
        Path(request.folder).mkdir()
        return StepExit(0, None, 1.0, 100.0, "exited"), fold_log.run(request, lambda *_: None)


def log_of(rows: pd.DataFrame) -> pa.Table:
    frame = rows[[*NUMERIC, *CATEGORICAL, "score", "label"]].assign(
        event_time=pd.to_datetime(rows["at_us"], unit="us", utc=True)
    )
    return pa.Table.from_pandas(frame, preserve_index=False)


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Services]:
    services = make_watched(tmp_path / "the workspace")
    calibrate_ahead(services)
    yield services
    services.close()


@pytest.fixture
def judge(watched: Services) -> Callable[..., LogReport]:
    def run(named: object, *, processes: int = 1, actor: Actor | None = None, **options: Any) -> LogReport:
        reader = LogReader(InThisProcess(), processes)
        given = {"model": "flight-delay", "target": "ewr", **options}
        return log_verdicts.judge_log(watched, actor or admin(watched), reader, str(named), **given)

    return run


def test_windows_of_a_log_are_judged_as_those_of_a_stream(
    watched: Services, judge: Callable[..., LogReport], tmp_path: Path
):
    moved = traffic("ewr", 0, DAYS)
    moved.loc[moved.index[len(moved) // 2] :, NUMERIC[0]] += 30
    pq.write_table(log_of(moved), tmp_path / "log.parquet")
    report = judge(tmp_path / "log.parquet")
    send(watched, "ewr", 0, DAYS, outcomes=False, change={NUMERIC[0]: moved[NUMERIC[0]]})
    with watched.registry.read() as connection:
        spec = model_files.spec_in_force(connection, "flight-delay")
    assert spec is not None
    with watched.telemetry.read() as connection:
        from pilothouse.telemetry.intake.streams import list_streams

        (stream,) = list_streams(connection, "flight-delay", "ewr")
    assert len(report.windows) == DAYS // 7
    assert any(window.drifting for window in report.windows)
    for window in report.windows:
        span = Span(to_us(window.window.start), to_us(window.window.end))
        closed = window_closing.closed_windows(
            watched, stream, spec, DRIFT, window_closing.grids(spec)[DRIFT], span
        )
        assert closed[DRIFT].window == window.window
        for mine, theirs in zip(window.drift, closed[DRIFT].findings, strict=True):
            assert isinstance(theirs, DriftFinding)
            for name in (
                "feature",
                "statistic",
                "value",
                "threshold",
                "p_value",
                "significant",
                "missing",
                "unseen",
            ):
                assert repr(getattr(mine, name)) == repr(getattr(theirs, name))
            assert mine.significant_windows == theirs.significant_windows
        for found, known in zip(window.quality, closed[QUALITY].findings, strict=True):
            assert isinstance(known, QualityFinding)
            assert (found.feature, found.fault, found.significant) == (
                known.feature,
                known.fault,
                known.significant,
            )
        window_closing.close(watched, stream, spec, DRIFT, span)


def test_the_same_rows_give_the_same_profiles_from_any_files_and_processes(
    judge: Callable[..., LogReport], tmp_path: Path
):
    table = log_of(traffic("ewr", 0, 9))
    one = tmp_path / "one.parquet"
    pq.write_table(table, one, row_group_size=150)
    dated = tmp_path / "by day"
    names = np.array(table.column("event_time").cast(pa.date32()).to_pylist(), str)
    for i, day in enumerate(np.unique(names)):
        folder = dated / f"day={day}"
        folder.mkdir(parents=True)
        part = table.filter(pa.array(names == day))
        part = part.take(pa.array(np.random.default_rng(i).permutation(part.num_rows)))
        if i % 3:
            pq.write_table(part, folder / "part.parquet", row_group_size=40)
        else:
            part.to_pandas().to_csv(folder / "part.csv", index=False)
    (dated / "_SUCCESS").write_text("")
    reports = [
        judge(one),
        judge(one, processes=3),
        judge(dated, processes=2),
        judge(f"{dated}/*/part.*"),
        judge(f"{dated}/**/*", processes=7),
    ]
    assert len({report.digest for report in reports}) == 1
    assert {report.rows for report in reports} == {table.num_rows}
    assert [report.files for report in reports] == [1, 1, 9, 9, 9]


def test_a_column_may_be_the_name_of_a_folder(judge: Callable[..., LogReport], tmp_path: Path):
    table = log_of(traffic("ewr", 0, 3))
    pq.write_table(table, tmp_path / "whole.parquet")
    name = CATEGORICAL[0]
    for value in set(table.column(name).to_pylist()):
        folder = tmp_path / "parts" / f"{name}={value}"
        folder.mkdir(parents=True)
        part = table.filter(pa.compute.equal(table.column(name), value)).drop_columns([name])
        pq.write_table(part, folder / "rows.parquet")
    assert judge(tmp_path / "parts").digest == judge(tmp_path / "whole.parquet").digest


def test_rows_that_intake_would_reject_are_left_out_and_counted(
    judge: Callable[..., LogReport], tmp_path: Path
):
    good = log_of(traffic("ewr", 0, 2)).to_pandas()
    bad = good.head(6).copy()
    bad.loc[0, "event_time"] = pd.NaT
    bad.loc[1, "score"] = np.inf
    bad.loc[2, "score"] = np.nan
    bad.loc[3, "label"] = "perhaps"
    bad.loc[[4, 5], "temp"] = [np.nan, np.inf]  # missing, and counted
    pq.write_table(pa.Table.from_pandas(pd.concat([good, bad])), tmp_path / "log.parquet", row_group_size=100)
    report = judge(tmp_path / "log.parquet", processes=2)
    assert report.left_out == {"no time": 1, "no score": 2, "another label": 1}
    assert report.rows == len(good) + 6
    assert sum(window.window.rows for window in report.windows) == len(good) + 2


def test_faults_are_one_line_that_says_where(
    judge: Callable[..., LogReport], watched: Services, tmp_path: Path
):
    table = log_of(traffic("ewr", 0, 2))
    pq.write_table(table.drop_columns(["score"]), tmp_path / "no score.parquet")
    with pytest.raises(InvalidInputError, match=r"no score\.parquet: column score missing; expected"):
        judge(tmp_path / "no score.parquet")
    wrong = table.set_column(0, NUMERIC[0], pa.array(["1"] * 120 + ["much"] + ["2"] * (table.num_rows - 121)))
    pq.write_table(wrong, tmp_path / "wrong.parquet", row_group_size=25)
    with pytest.raises(InvalidInputError, match="row 121, column"):
        judge(tmp_path / "wrong.parquet", processes=3)
    with pytest.raises(InvalidInputError, match="fits no"):
        judge(tmp_path / "*.jsonl")
    with pytest.raises(InvalidInputError, match="carries a password"):
        judge("https://me:secret@example.org/log.parquet")
    with pytest.raises(InvalidInputError, match="is not read as a log"):
        judge("postgresql://example.org/logs")
    with pytest.raises(NotFoundError, match="has no target 'lga'"):
        judge(tmp_path, target="lga")
    workspaces.set_open_reading(watched, admin(watched), allowed=False, reason="a test")
    with pytest.raises(NotAllowedError):
        judge(tmp_path, actor=Actor("nobody"))


def test_a_log_that_changes_while_it_is_read_is_not_judged(watched: Services, tmp_path: Path):
    table = log_of(traffic("ewr", 0, 2))
    pq.write_table(table, tmp_path / "log.parquet")

    class Meanwhile(InThisProcess):
        def run_step(
            self, request: StepRequest, cancel: Any, on_progress: Any
        ) -> tuple[StepExit, StepResult]:
            if request.options["share"] == 1:
                first.wait(60)
                pq.write_table(table.slice(5), tmp_path / "log.parquet")
            answer = super().run_step(request, cancel, on_progress)
            first.set()
            return answer

    first = threading.Event()
    with pytest.raises(UnavailableError, match="changed while they were read"):
        log_verdicts.judge_log(
            watched,
            admin(watched),
            LogReader(Meanwhile(), 2),
            str(tmp_path / "log.parquet"),
            model="flight-delay",
            target="ewr",
        )


@pytest.mark.parametrize(
    ("named", "root", "pattern"),
    [
        ("logs", "logs", None),
        ("/a b/*/x.csv", "/a b", "*/x.csv"),
        ("l/day=[12]/p.parquet", "l", "day=[12]/p.parquet"),
        ("*.csv", ".", "*.csv"),
    ],
)
def test_a_pattern_begins_where_its_first_mark_is(named: str, root: str, pattern: str | None):
    place = log_place(named)
    assert (place.root, place.pattern) == (Path(root), pattern)


def test_the_command_judges_a_log_in_confined_processes(
    watched: Services, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    rows = traffic("ewr", 0, 21)
    rows[NUMERIC[0]] += 30
    (tmp_path / "logs").mkdir()
    (tmp_path / "here").mkdir()
    pq.write_table(log_of(rows), tmp_path / "logs" / "1.parquet", row_group_size=200)
    root = watched.paths.root
    watched.close()

    def run(*more: str) -> tuple[int, str]:
        given = [
            "--workspace",
            str(root),
            "--as",
            "ada",
            "profile",
            str(tmp_path / "here" / ".." / "logs" / "*.parquet"),  # as ../logs is given
            "--model",
            "flight-delay",
        ]
        code = failures.run(lambda: main.run([*given, "--on", "ewr", "--processes", "2", *more]))
        shown = capsys.readouterr()
        return code, shown.out + shown.err

    code, out = run("--json")
    report, end = json.JSONDecoder().raw_decode(out)
    assert not out[end:].strip()
    assert code == 1
    assert report["rows"] == len(rows)
    assert len(report["windows"]) == 3
    assert 0 < report["peak_memory_mb"] < 500
    code, out = run()
    assert f"{len(rows):,} rows of 1 files" in out
    assert NUMERIC[0] in out
    assert "drifts" in out
