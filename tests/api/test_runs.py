"""Notebook runs: what is recorded, what survives, who may add to one, and what it is not."""

import math
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest

import pilothouse as ph
from pilothouse.domain.errors import NotFoundError
from pilothouse.operations import catalogue
from pilothouse.operations.models import notebook_runs
from pilothouse.store.log import audit
from support import wait_until
from support.programs import program
from support.small_workspace import SmallWorkspace

LOGS_AND_IS_KILLED = """
import os, signal, sys
import pilothouse as ph
run = ph.run("delay", "killed")
run.log_parameter("depth", 3)
print(run.number, flush=True)
for step in range(1_000_000):
    run.log_metric("loss", 1 / (step + 1), step)
    print(step, flush=True)
"""


def test_a_run_has_all_that_was_logged(client: ph.Client, tmp_path: Path) -> None:
    (tmp_path / "picture.png").write_bytes(b"\x89PNG and more")
    frame = pd.DataFrame({"wind": [1.0, None], "place": ["a", "b"]})
    with client.run("delay", "first try", parameters={"depth": 3}) as run:
        run.log_parameters({"solver": "lbfgs", "flag": True})
        run.log_metric("loss", 0.5, step=0)
        run.log_metrics({"loss": 0.25, "accuracy": 0.75}, step=1)
        run.log_metric("loss", math.nan)
        run.set_tags({"team": "red"})
        run.set_tags({"team": "blue"})
        digest = run.log_artifact(tmp_path / "picture.png")
        rows = run.log_data(frame, "training rows")

    found = run.recorded()
    assert (found.state, found.name, found.model, found.error) == ("done", "first try", "delay", "")
    assert found.parameters == {"depth": "3", "solver": "lbfgs", "flag": "True"}
    assert [(p.value, p.step) for p in found.curves["loss"][:2]] == [(0.5, 0), (0.25, 1)]
    assert math.isnan(found.metrics["loss"])
    assert found.metrics["accuracy"] == 0.75
    assert found.tags == {"team": "blue"}
    assert found.artifacts == (ph.Artifact("picture.png", digest, 13),)
    assert found.data == (ph.Data("training rows", rows, 2, (("wind", "double"), ("place", "string"))),)
    assert found.environment["packages"]["numpy"]
    assert found.environment["python"] == sys.version.split()[0]
    assert "<svg" in found._repr_html_()
    listed = client.runs("delay")[0]
    assert (listed.uri, listed.parameters, listed.metrics["accuracy"]) == (run.uri, found.parameters, 0.75)


def test_beginning_and_end_are_in_the_audit_log_with_the_digest_of_all_between(
    client: ph.Client, shop: SmallWorkspace
) -> None:
    with client.run("delay") as run:
        run.log_metric("loss", 1.0)
    with shop.services.registry.read() as connection:
        begun, ended = audit.about(connection, run.uri, ("notebook_run.begun", "notebook_run.ended"))
        entries = notebook_runs.notebook_runs.entries_of(connection, run.number)
    assert begun.action == "notebook_run.begun"
    assert ended.detail["digest"] == notebook_runs.digest_of(entries) == run.recorded().digest
    assert ended.detail["entries"] == len(entries)


def test_what_was_acknowledged_survives_a_kill_and_the_run_ends_as_failed(
    client: ph.Client, shop: SmallWorkspace
) -> None:
    environment = {**os.environ, "PILOTHOUSE_WORKSPACE": str(shop.root)}
    process = subprocess.Popen(
        [sys.executable, "-c", LOGS_AND_IS_KILLED], env=environment, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    number = int(process.stdout.readline())
    while int(process.stdout.readline()) < 20:
        pass
    process.send_signal(signal.SIGKILL)
    rest = process.stdout.read().splitlines()
    process.wait()
    process.stdout.close()
    acknowledged = int(rest[-1]) if rest and rest[-1].isdecimal() else 20

    wait_until(lambda: client.recorded_run(number).state == "failed")
    found = client.recorded_run(number)
    assert found.parameters == {"depth": "3"}
    assert [p.step for p in found.curves["loss"]][: acknowledged + 1] == list(range(acknowledged + 1))
    assert "ended without saying" in found.error


def test_a_run_whose_process_and_desk_are_both_gone_is_lost(client: ph.Client, shop: SmallWorkspace) -> None:
    text = (
        "import os, signal, pilothouse as ph\nrun = ph.run('delay')\nrun.log_metric('loss', 1.0)\n"
        "print(run.number, flush=True)\n"
        "os.kill(run._connection._desk.pid, signal.SIGKILL)\nos.kill(os.getpid(), signal.SIGKILL)\n"
    )
    number = int(program(text, shop.root).stdout)

    assert client.recorded_run(number).state == "lost"
    assert client.recorded_run(number).metrics == {"loss": 1.0}


def test_a_killed_desk_is_an_error_in_one_line_and_the_next_call_goes_on(client: ph.Client) -> None:
    with client.run("delay") as run:
        run.log_metric("loss", 1.0)
        desk = client._connection._desk
        assert desk is not None
        desk.kill()
        with pytest.raises(ph.UnavailableError, match=r"by signal 9.*acknowledged is kept") as caught:
            run.log_metric("loss", 2.0)
        assert "\n" not in str(caught.value)
        run.log_metric("loss", 3.0)
    assert [p.value for p in run.recorded().curves["loss"]] == [1.0, 3.0]
    assert run.recorded().state == "done"


def test_an_exception_that_leaves_ends_it_as_failed_and_goes_on(client: ph.Client) -> None:
    with pytest.raises(ZeroDivisionError), client.run("delay") as run:
        run.log_metric("loss", 1 / 0)
    assert (run.recorded().state, run.recorded().error) == ("failed", "ZeroDivisionError: division by zero")


def test_an_exit_inside_counts_by_its_code(client: ph.Client) -> None:
    for code, state in ((0, "done"), (3, "failed")):
        with pytest.raises(SystemExit), client.run("delay") as run:
            sys.exit(code)
        assert run.recorded().state == state


def test_a_parameter_has_one_value_and_an_ended_run_takes_nothing(client: ph.Client) -> None:
    with client.run("delay") as run:
        run.log_parameter("depth", 3)
        run.log_parameter("depth", 3)
        with pytest.raises(ph.InvalidInputError, match="'depth' is '3' already; found '4'"):
            run.log_parameter("depth", 4)
    with pytest.raises(ph.ConflictError, match="has ended"):
        run.log_metric("loss", 1.0)
    with pytest.raises(ph.ConflictError, match="has ended"):
        run.end()


REFUSED: list[tuple[Callable[[ph.Run], object], str]] = [
    (lambda run: run.log_metric("loss", "0.5"), "expected a number"),
    (lambda run: run.log_metric("loss", None), "expected a number"),
    (lambda run: run.log_metric("loss", 1.0, step=-1), "expected a whole number from 0 on"),
    (lambda run: run.log_metric("loss", 1.0, step=1.5), "expected a whole number from 0 on"),
    (lambda run: run.log_metrics({}), "expected 1 to"),
    (lambda run: run.log_parameter("", 1), "expected a text of 1 to 250"),
    (lambda run: run.log_parameter("a\nb", 1), "expected a text of 1 to 250"),
    (lambda run: run.log_parameter("text", "x" * 9_000), "log it as an artifact"),
    (lambda run: run.log_parameter("text", "\ud800"), "not valid Unicode"),
    (lambda run: run.log_artifact("/no/such/file"), "is not a file"),
    (lambda run: run.log_artifact("/etc", "folder"), "is not a file"),
    (lambda run: run.log_data([1, 2]), "expected a DataFrame"),
    (lambda run: run.log_data(pd.DataFrame({"a": [[1], [2]]})), "has no digest"),
]


def test_what_cannot_be_logged_is_refused_in_one_line(client: ph.Client) -> None:
    with client.run("delay") as run:
        for act, message in REFUSED:
            with pytest.raises(ph.InvalidInputError, match=message) as caught:
                act(run)
            assert "\n" not in str(caught.value)
    assert run.recorded().metrics == {}


def test_data_has_the_digest_of_a_training_on_the_same_rows(client: ph.Client) -> None:
    import polars as pl
    import pyarrow as pa

    columns = {"wind": [1.5, 2.5], "place": ["a", "b"]}
    with client.run("delay") as run:
        digests = {
            run.log_data(frame) for frame in (pd.DataFrame(columns), pl.DataFrame(columns), pa.table(columns))
        }
    from pilothouse.tables.digests import content_digest

    assert digests == {content_digest(pa.table(columns))}


def test_several_threads_log_to_one_run(client: ph.Client) -> None:
    with client.run("delay") as run, ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: run.log_metric(f"m{i % 4}", i, i), range(40)))
    curves = run.recorded().curves
    assert sorted(p.step for points in curves.values() for p in points) == list(range(40))


def test_a_forked_child_logs_through_a_desk_of_its_own_and_never_ends_the_run(client: ph.Client) -> None:
    with client.run("delay") as run:
        run.log_metric("parent", 1.0)
        child = os.fork()
        if child == 0:  # as gunicorn's, joblib's and multiprocessing's workers are made
            code = 1
            try:
                run.log_metric("child", 2.0)
                with run:
                    pass
                try:
                    run.end()
                except ph.ConflictError:
                    code = 0
                client.close()
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        run.log_metric("parent", 3.0)
    assert status == 0
    found = run.recorded()
    assert found.metrics == {"parent": 3.0, "child": 2.0}
    assert found.state == "done"


def test_a_fork_while_another_thread_calls_hangs_nobody(client: ph.Client) -> None:
    import threading

    stop = threading.Event()

    def log() -> None:
        while not stop.is_set():
            client.models()

    thread = threading.Thread(target=log)
    thread.start()
    try:
        for _ in range(3):
            child = os.fork()
            if child == 0:
                found = len(client.models())
                client.close()
                os._exit(0 if found == 1 else 1)
            assert os.waitpid(child, 0)[1] == 0
    finally:
        stop.set()
        thread.join()


def test_only_who_began_a_run_adds_to_it(client: ph.Client, shop: SmallWorkspace) -> None:
    with client.run("delay") as run, pytest.raises(ph.NotAllowedError, match="was begun by"):
        notebook_runs.record(
            shop.services, shop.scientist, run.number, [(notebook_runs.EntryKind.TAGS, {"a": "b"})]
        )
    with pytest.raises(ph.NotAllowedError):
        notebook_runs.begin(
            shop.services,
            shop.approver,
            notebook_runs.Beginning(model="delay", name="", process=_own_name(), environment={}, code={}),
        )


def test_nothing_of_a_run_can_be_requested(client: ph.Client, shop: SmallWorkspace) -> None:
    with client.run("delay") as run:
        run.log_metric("auc", 1.0)
    assert len(client.versions("delay")) == 2
    with pytest.raises(ph.InvalidInputError):
        client.request(run.uri)
    with pytest.raises(NotFoundError):
        catalogue.get_version(shop.services, shop.scientist, f"delay/{run.number + 99}")


def test_runs_are_compared_by_parameter_metric_and_data(client: ph.Client) -> None:
    numbers = []
    for depth in (3, 4):
        with client.run("delay") as run:
            run.log_parameters({"depth": depth, "seed": 1})
            run.log_metric("loss", 1 / depth)
            run.log_data({"a": [depth]})
        numbers.append(run.number)
    compared = client.compare_runs(numbers)
    assert [(kind, name) for kind, name, _ in compared.rows] == [
        ("parameter", "depth"), ("parameter", "seed"), ("metric", "loss"), ("data", "data"),
    ]  # fmt: skip
    assert [name for _, name, _ in compared.differing] == ["depth", "loss", "data"]
    assert "<table>" in compared._repr_html_()


def test_the_state_of_the_repository_is_recorded(client: ph.Client, shop: SmallWorkspace) -> None:
    text = "import pilothouse as ph\nwith ph.run('delay') as run: pass\nprint(run.number)"
    for arguments in (("init", "-q"), ("add", "models"), ("commit", "-qm", "first")):
        subprocess.run(
            ["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments], cwd=shop.root, check=True
        )
    code = client.recorded_run(int(program(text, shop.root).stdout)).code
    assert len(code["commit"]) == 40
    assert code["branch"]
    assert code["dirty"] is True


def _own_name() -> notebook_runs.ProcessName:
    from pilothouse.system.processes import own_name

    return own_name()


class _Figure:
    """What a figure of matplotlib has: it writes itself by the end of a file's name."""

    def savefig(self, place: Path) -> None:
        if place.suffix not in (".png", ".svg"):
            raise ValueError(f"Format '{place.suffix[1:]}' is not supported")
        place.write_bytes(place.suffix.encode())


def test_a_figure_is_kept_as_the_picture_that_its_name_says(client: ph.Client) -> None:
    with client.run("delay") as run:
        run.log_artifact(_Figure(), "curve.svg")
        run.log_artifact(_Figure())
        with pytest.raises(ph.InvalidInputError, match="xyz"):
            run.log_artifact(_Figure(), "curve.xyz")
        with pytest.raises(ph.InvalidInputError, match="found a dict; expected the path"):
            run.log_artifact({})
    assert [(one.name, one.bytes) for one in run.recorded().artifacts] == [
        ("curve.svg", 4),
        ("figure.png", 4),
    ]
