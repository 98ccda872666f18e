"""Requests of one turn of the event loop: what is computed in the loop, what goes to the worker, and what both promise."""

import asyncio
import math
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from serving_kit import CATEGORIES, NUMBERS, ModelFile

from pilothouse.domain.errors import PilothouseError
from pilothouse.inference.columns import InputColumns
from pilothouse.inference.predictor import Prediction, Predictor
from pilothouse.inference.schema import InputSchema
from pilothouse.serving.delivery.segments import read_segment
from pilothouse.serving.delivery.spool import Spool
from pilothouse.serving.delivery.spool_limits import SpoolLimits
from pilothouse.serving.prediction.call_costs import CallCosts
from pilothouse.serving.prediction.calls import Answer, ModelFailedError, Work
from pilothouse.serving.prediction.turns import Outbox, Turns
from pilothouse.serving.prediction.vital_threads import EXIT_CODE
from pilothouse.serving.prediction.worker import Worker
from pilothouse.serving.versions.live_versions import LoadedVersion


class Counting:
    """A real predictor that notes the rows and the thread of every call, and fails where it finds the value 666."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self.schema, self.known_categories = predictor.schema, predictor.known_categories
        self.calls: list[tuple[int, int]] = []

    def predict_columns(self, columns: InputColumns) -> Prediction:
        self.calls.append((columns.rows, threading.get_ident()))
        if (columns.numeric["temp"] == 666).any():
            raise ValueError("the number of the beast")
        return self._predictor.predict_columns(columns)


def columns_of(rows: int, value: float) -> InputColumns:
    return InputColumns(
        rows,
        {name: np.full(rows, value) for name in NUMBERS},
        {name: ["AA"] * rows for name in CATEGORIES},
    )


@pytest.fixture
def loaded(first: ModelFile) -> LoadedVersion:
    predictor: Any = Counting(Predictor(first.model, InputSchema.from_bytes(first.schema)))
    loaded = LoadedVersion(first.desired, predictor, (), 0)
    loaded.costs.note(1, 1_000)
    return loaded


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    spool = Spool(tmp_path, "ewr", SpoolLimits(age_s=3_600, free_bytes=0))
    spool.start()
    yield spool
    spool.close()


def asked(
    spool: Spool, requests: list[tuple[LoadedVersion, InputColumns]], then: Callable[[], None] = lambda: None
) -> list[Answer | PilothouseError]:
    """Outcomes of requests that are complete in one turn, in their order."""
    worker = Worker(spool)
    worker.start()
    outcomes: list[Answer | PilothouseError | None] = [None] * len(requests)

    async def turn() -> None:
        turns, outbox = Turns(worker, spool), Outbox(asyncio.get_running_loop())
        done = asyncio.Event()

        def submit(i: int, version: LoadedVersion, columns: InputColumns) -> None:
            def deliver(outcome: Answer | PilothouseError) -> None:
                def settle() -> None:
                    assert outcomes[i] is None
                    outcomes[i] = outcome
                    if None not in outcomes:
                        done.set()

                outbox.post(settle)

            times = np.zeros(columns.rows, dtype=np.int64)
            turns.submit(Work(version, columns, times, time.perf_counter_ns(), deliver))

        for i, (version, columns) in enumerate(requests):
            submit(i, version, columns)
        await asyncio.wait_for(done.wait(), 30)
        then()

    asyncio.run(turn())
    worker.stop()
    return [outcome for outcome in outcomes if outcome is not None]


def calls_of(loaded: LoadedVersion) -> list[tuple[int, int]]:
    predictor: Any = loaded.predictor
    calls: list[tuple[int, int]] = predictor.calls
    return calls


def test_requests_of_one_turn_share_a_call_in_the_loop_and_answer_as_alone(
    spool: Spool, loaded: LoadedVersion, tmp_path: Path
) -> None:
    requests = [(loaded, columns_of(rows, 0.1 * rows)) for rows in (1, 3, 2)]
    together = asked(spool, requests)

    assert calls_of(loaded) == [(6, threading.get_ident())]
    for (_, columns), outcome in zip(requests, together, strict=True):
        alone = loaded.predictor.predict_columns(columns)
        assert isinstance(outcome, Answer)
        assert outcome.prediction.scores.tolist() == alone.scores.tolist()
        assert outcome.prediction.labels == alone.labels
    content = read_segment(next(tmp_path.glob("*.segment")))
    assert content is not None
    assert content.rows == 6  # on disk before the answers came


def test_a_call_that_would_hold_the_loop_is_made_by_the_worker(spool: Spool, loaded: LoadedVersion) -> None:
    heavy = replace(loaded, costs=CallCosts())
    heavy.costs.note(1, 10_000_000)
    asked(spool, [(heavy, columns_of(1, 0.0))])
    (rows, thread), *more = calls_of(loaded)
    assert (rows, more) == (1, [])
    assert thread != threading.get_ident()


def test_a_version_that_was_never_measured_is_left_to_the_worker(spool: Spool, loaded: LoadedVersion) -> None:
    asked(spool, [(replace(loaded, costs=CallCosts()), columns_of(1, 0.0))])
    assert calls_of(loaded)[0][1] != threading.get_ident()


def test_the_loop_is_held_once_a_turn_whatever_the_number_of_models(
    spool: Spool, first: ModelFile, second: ModelFile
) -> None:
    versions = []
    for model in (first, second):
        predictor: Any = Counting(Predictor(model.model, InputSchema.from_bytes(model.schema)))
        version = LoadedVersion(model.desired, predictor, (), 0)
        version.costs.note(1, 1_500_000)
        versions.append(version)
    asked(spool, [(version, columns_of(1, 0.0)) for version in versions])
    here = [calls_of(version)[0][1] == threading.get_ident() for version in versions]
    assert here == [True, False]


def test_one_requests_values_do_not_fail_its_neighbours(spool: Spool, loaded: LoadedVersion) -> None:
    outcomes = asked(spool, [(loaded, columns_of(1, value)) for value in (0.5, 666.0, 0.5)])
    assert [type(outcome) for outcome in outcomes] == [Answer, ModelFailedError, Answer]
    assert "the number of the beast" in str(outcomes[1])


def test_every_row_of_many_requests_has_an_id_of_its_own(spool: Spool, loaded: LoadedVersion) -> None:
    outcomes = [
        outcome
        for _ in range(20)
        for outcome in asked(spool, [(loaded, columns_of(rows, 0.0)) for rows in (1, 2)])
    ]
    ids = {
        (outcome.first.producer, outcome.first.sequence, outcome.first.offset + row)
        for outcome in outcomes
        if isinstance(outcome, Answer)
        for row in range(len(outcome.prediction.scores))
    }
    assert len(ids) == 60


def test_costs_follow_what_is_measured_and_never_promise_less_for_more_rows() -> None:
    costs = CallCosts()
    assert costs.expected_ns(1) == math.inf
    costs.note(1, 100)
    assert costs.expected_ns(1) == 100
    assert costs.expected_ns(17) >= 17 * 100
    costs.note(17, 150)
    assert costs.expected_ns(31) == 150
    for _ in range(100):
        costs.note(1, 1_000)
    assert 990 < costs.expected_ns(1) <= 1_000


def test_what_other_threads_post_is_called_in_the_loop_whole_and_in_order() -> None:
    heard: list[tuple[int, int]] = []

    async def run() -> None:
        outbox, done = Outbox(asyncio.get_running_loop()), asyncio.Event()

        def post() -> None:
            for i in range(2_000):
                outbox.post(lambda i=i: heard.append((i, threading.get_ident())))  # type: ignore[misc]
            outbox.post(done.set)

        thread = threading.Thread(target=post)
        thread.start()
        await asyncio.wait_for(done.wait(), 30)
        thread.join()

    asyncio.run(run())
    assert heard == [(i, threading.get_ident()) for i in range(2_000)]


def test_what_is_posted_after_the_loops_end_is_dropped() -> None:
    loop = asyncio.new_event_loop()
    outbox = Outbox(loop)
    loop.close()
    thread = threading.Thread(target=lambda: outbox.post(lambda: None))
    thread.start()
    thread.join()


def test_an_answer_that_fails_harms_no_other(caplog: pytest.LogCaptureFixture) -> None:
    heard: list[int] = []

    async def run() -> None:
        outbox, done = Outbox(asyncio.get_running_loop()), asyncio.Event()
        outbox.post(lambda: heard.append(1 // 0))

        def post() -> None:
            outbox.post(lambda: heard.append(1 // 0))
            outbox.post(lambda: heard.append(1))
            outbox.post(done.set)

        thread = threading.Thread(target=post)
        thread.start()
        await asyncio.wait_for(done.wait(), 30)
        thread.join()

    asyncio.run(run())
    assert heard == [1]
    assert caplog.text.count("ZeroDivisionError") == 2


def test_a_turn_that_cannot_be_answered_ends_the_process(tmp_path: Path) -> None:
    code = """
import asyncio
from pilothouse.serving.prediction.turns import Turns

async def run():
    Turns(None, None).submit(None)  # neither has what a turn asks of it
    await asyncio.sleep(60)

asyncio.run(run())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60, check=False)
    assert done.returncode == EXIT_CODE
    assert b"answering of a turn failed" in done.stderr
