"""What a cluster's two ends decide by themselves: which worker is next, what an agent runs once, which files it keeps."""

import asyncio
import contextlib
import errno
import hashlib
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from pilothouse.domain.jobs.jobs import JobStatus, StepExit, StepRequest, StepResult
from pilothouse.execution.cluster import blobs as stores
from pilothouse.execution.cluster.agent import Agent
from pilothouse.execution.cluster.attempts import Attempt
from pilothouse.execution.cluster.blobs import Blobs
from pilothouse.execution.cluster.contract import CarriedFile, CarriedInput, NoRoomError, Order, key_of
from pilothouse.execution.cluster.launchers import Manner
from pilothouse.execution.cluster.places import Places
from pilothouse.execution.own_program import program_digest
from pilothouse.execution.pipeline import judge
from support import wait_until

MANNER = Manner("require", "trial_steps", (), 1.0)


def facts(agent: str, **changes: Any) -> dict[str, Any]:
    return {"threads": 1, "agent": agent, "host": "h", "fault": "", "others": 0, **changes}


def test_steps_take_free_threads_in_turn_and_each_a_number_of_its_own_on_the_machine() -> None:
    async def played() -> None:
        places = Places()
        waiting = [asyncio.ensure_future(places.take()) for _ in range(3)]
        await asyncio.sleep(0)
        places.tell({"a": facts("1"), "b": facts("2", others=3)})
        first, second = await waiting[0], await waiting[1]
        assert [place.worker.address for place in (first, second)] == ["a", "b"]
        assert second.number == first.number + 1
        await asyncio.sleep(0)
        assert not waiting[2].done()
        places.give_back(second)
        third = await waiting[2]
        assert (third.worker.address, third.number) == ("b", second.number)

    asyncio.run(played())


def test_a_worker_at_fault_or_without_room_is_taken_last_and_one_that_came_back_is_another() -> None:
    async def played() -> None:
        now = 0.0
        places = Places(lambda: now)
        places.tell({"a": facts("1"), "b": facts("2"), "c": facts("3", fault="other code")})
        full = await places.take()
        assert full.worker.address == "a"
        full.worker.known.add("digest")
        places.shun(full)
        places.give_back(full)
        assert (await places.take()).worker.address == "b"
        waiting = asyncio.ensure_future(places.take())
        await asyncio.sleep(0)
        assert not waiting.done()
        assert places.is_shunned("a")
        now = 61.0
        places.tell({"a": facts("4"), "c": facts("3", fault="other code")})
        again = await waiting
        assert (again.worker.address, again.worker.agent, again.worker.known) == ("a", "4", set())
        places.tell({"c": facts("3", fault="other code")})
        assert (await places.take()).worker.fault == "other code"

    asyncio.run(played())


@pytest.fixture
def said() -> list[dict[str, Any]]:
    return []


@pytest.fixture
def taken_back() -> set[str]:
    """Keys of tasks that the scheduler does not want any more."""
    return set()


@pytest.fixture
def agent(tmp_path: Path, said: list[dict[str, Any]], taken_back: set[str]) -> Iterator[Agent]:
    made = Agent(
        tmp_path, "tls://w", 100.0, 1, lambda topic, line: said.append(line), taken_back.__contains__
    )
    yield made
    made.close()


def test_an_order_is_run_by_the_agent_that_it_names_and_once(
    tmp_path: Path, agent: Agent, said: list[dict[str, Any]]
) -> None:
    def outcome(token: str, name: str) -> tuple[JobStatus, str]:
        order = Order(token, "topic", "other code", {"memory_mb": 1}, {}, MANNER, agent=name)
        report = agent.run(order)
        if report.fault:
            return JobStatus.FAILED, report.fault
        request = StepRequest(1, 1, "fit", str(tmp_path), {}, {}, threads=1, memory_mb=1)
        return judge(request, StepExit(**report.exit), None)[:2]

    assert outcome("1", "the one before") == (
        JobStatus.LOST,
        "fit was lost: worker tls://w was started anew before it began",
    )
    began = outcome("2", agent.id)  # at once: it went as far as to compare the code
    assert began[0] is JobStatus.FAILED
    assert "has other code of Pilothouse" in began[1]
    assert outcome("2", agent.id)[0] is JobStatus.LOST
    assert not agent.cancel("3")
    assert outcome("3", agent.id)[0] is JobStatus.LOST
    assert said == []


class Held:
    """Stands for a worker's launchers: a step runs until it is cancelled, and then until it may end."""

    def __init__(self) -> None:
        self.running: list[int] = []
        self.may_end = threading.Event()
        self.place: int | None = None

    @contextlib.contextmanager
    def lent(self, manner: Manner) -> Iterator["Held"]:
        yield self

    def run_step(self, request: StepRequest, cancel: threading.Event, on_progress: Any) -> Any:
        self.running.append(request.attempt)
        if request.attempt == 1:
            cancel.wait(60)
            self.may_end.wait(60)
        self.running.remove(request.attempt)
        return StepExit(0, None, 0.0, 0.0, "exited"), StepResult(ok=True, outputs={}, record={})


def test_an_attempt_that_was_taken_back_has_no_result_and_the_next_waits_for_its_memory(
    agent: Agent, taken_back: set[str]
) -> None:
    agent.launchers = held = Held()  # type: ignore[assignment]
    plain = {
        "job": 1,
        "step": "fit",
        "spec": {},
        "options": {},
        "timeout_s": 60,
        "threads": 1,
        "memory_mb": 60,
    }
    with ThreadPoolExecutor(2) as pool:
        orders = [
            Order(
                str(attempt), "topic", program_digest(), {**plain, "attempt": attempt}, {}, MANNER, agent.id
            )
            for attempt in (1, 2)
        ]
        first = pool.submit(agent.run, orders[0])
        wait_until(lambda: held.running == [1])
        second = pool.submit(agent.run, orders[1])
        wait_until(lambda: "2" in agent._attempts)
        taken_back.add(key_of("fit", "1"))
        wait_until(lambda: agent._attempts["1"].cancel.is_set())
        assert held.running == [1]
        assert not second.done()
        held.may_end.set()
        assert (first.result().result, first.result().exit["reason"]) == (None, "worker lost")
        assert first.result().exit["message"] == "whoever had sent it went away while it ran"
        assert second.result().result is not None
    wait_until(lambda: agent._attempts.keys() <= {"2"})


def test_an_attempt_that_waits_for_memory_when_its_lease_ends_is_lost_and_not_cancelled(
    agent: Agent, taken_back: set[str]
) -> None:
    agent._used_mb = 100
    request = {
        "step": "fit",
        "memory_mb": 1,
        "job": 1,
        "attempt": 1,
        "spec": {},
        "timeout_s": 60,
        "threads": 1,
    }
    taken_back.add(key_of("fit", "1"))
    report = agent.run(Order("1", "topic", program_digest(), request, {}, MANNER, agent.id))
    assert report.exit["reason"] == "worker lost"
    assert report.exit["message"] == "whoever had sent it went away before it began"


def test_small_inputs_come_with_the_order(agent: Agent, said: list[dict[str, Any]]) -> None:
    digest = hashlib.sha256(b"rows").hexdigest()
    rows = CarriedInput(False, (CarriedFile("rows", digest, 4),))
    order = Order("1", "topic", "", {"memory_mb": 1}, {"rows": rows}, MANNER, agent.id, {digest: "cm93cw=="})
    assert "other code" in agent.run(order).fault
    assert said == []
    assert agent.blobs.missing([digest]) == []


def test_news_of_a_step_is_told_once(tmp_path: Path) -> None:
    attempt = Attempt(tmp_path, [], 1, 1, "topic")
    (tmp_path / "own").mkdir()
    assert not attempt.has_news()
    (tmp_path / "own" / "log.txt").write_text("a line\n")
    assert [attempt.has_news(), attempt.has_news()] == [True, False]


def added(store: Blobs, *contents: bytes) -> list[str]:
    digests = [hashlib.sha256(content).hexdigest() for content in contents]
    for number, (digest, content) in enumerate(zip(digests, contents, strict=True)):
        store.add_part("sender", digest, content, len(content))
        os.utime(store._folder / digest, (number, number))  # the last is the one used last
    return digests


def test_a_store_removes_what_was_not_used_for_longest_and_nothing_that_is_in_use(tmp_path: Path) -> None:
    store = Blobs(tmp_path / "store")
    linked, held, old, new = added(store, b"1" * 100, b"2" * 100, b"3" * 100, b"4" * 100)
    store.link(linked, tmp_path / "rows")
    store.hold("attempt", [held])
    assert store.make_room(350) == 100
    assert store.missing([linked, held, old, new]) == [old]
    assert store.make_room(0) == 100
    assert store.missing([linked, held, new]) == [new]
    store.let_go("attempt")
    assert store.make_room(0) == 100
    assert store.missing([linked]) == []


def test_a_full_disk_costs_a_store_what_nobody_uses_and_then_has_a_name(
    tmp_path: Path, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent._attempts["1"] = Attempt(tmp_path, [], 1, 1, "topic")
    (unused,) = added(agent.blobs, b"unused")
    whole = stores._Incoming.write
    holds = {"bytes": 6}

    def written(self: Any, data: bytes) -> None:
        if sum(path.stat().st_size for path in (tmp_path / "blobs").iterdir()) + len(data) > holds["bytes"]:
            raise OSError(errno.ENOSPC, "No space left on device")
        whole(self, data)

    monkeypatch.setattr(stores._Incoming, "write", written)
    digest = hashlib.sha256(b"wanted").hexdigest()
    assert agent.deliver("1", [(digest, b"wanted", 6)], go=False) == []
    assert agent.blobs.missing([unused, digest]) == [unused]
    holds["bytes"] = 0
    with pytest.raises(NoRoomError):
        agent.deliver("1", [(hashlib.sha256(b"more").hexdigest(), b"more", 4)], go=False)


def test_no_room_on_a_worker_is_said_with_its_name() -> None:
    request = StepRequest(1, 1, "fit", "/home/folder", {}, {}, threads=1, memory_mb=1)
    exit_ = StepExit(None, None, 0.0, 0.0, "disk full", host="node2", worker="tls://10.0.0.6:1")
    assert judge(request, exit_, None) == (
        JobStatus.DISK_FULL,
        "fit found no room on the disk of worker tls://10.0.0.6:1 on node2: make some",
        "disk full",
    )
