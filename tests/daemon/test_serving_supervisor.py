"""The supervisor knows which targets need a process, and asks for them only after a change."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pilothouse.daemon.serving_supervisor import ServingSupervisor, _Care, _last_line
from pilothouse.operations.fleet import health
from pilothouse.operations.promotion import promotions
from pilothouse.sqlite import Connection
from support import until_the_test_ends
from support.histories import History


@pytest.fixture
def history(tmp_path: Path) -> History:
    history = History(tmp_path / "workspace", random.Random(1))
    until_the_test_ends(history.example)
    return history


def test_targets_in_use_and_of_open_requests_get_a_process(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    supervisor = ServingSupervisor(history.services, "warn")
    looked: list[str] = []

    def look_at(target: str, care: object) -> float:
        looked.append(target)
        return 1.0

    monkeypatch.setattr(supervisor, "_look_at", look_at)
    assert (supervisor.look(), looked) == (1.0, [])
    history.put_live("delay", 1, ["ewr"])
    promotions.request_promotion(
        history.services, history.example.actor("sam"), "delay/2", ["ewr", "lga"], reason="better"
    )
    supervisor.look()
    assert looked == ["ewr", "lga"]


def test_nothing_is_asked_of_the_registry_while_it_does_not_change(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    supervisor = ServingSupervisor(history.services, "warn")
    monkeypatch.setattr(supervisor, "_look_at", lambda target, care: 1.0)
    history.put_live("delay", 1, ["ewr"])
    read, reads = history.services.registry.read, []

    @contextmanager
    def counted() -> Iterator[Connection]:
        reads.append(1)
        with read() as connection:
            yield connection

    monkeypatch.setattr(history.services.registry, "read", counted)
    for _ in range(5):
        supervisor.look()
    assert len(reads) == 1
    history.put_live("delay", 2, ["jfk"])
    reads.clear()
    for _ in range(5):
        supervisor.look()
    assert len(reads) == 1


def test_a_process_that_never_came_up_is_down_for_what_it_said_last(history: History) -> None:
    """Not for what one before it said, and safe to print whatever it said."""
    history.put_live("delay", 1, ["ewr"])
    folder = history.services.paths.serving_folder("ewr")
    folder.mkdir(parents=True)
    (folder / "serving.log").write_text("cannot listen on 127.0.0.1:1\nno \x1b[31mmemory\n\n")
    supervisor, care = ServingSupervisor(history.services, "warn"), _Care()
    supervisor._note_end("ewr", care, 7)
    (state, *_) = health.target_states(history.services, history.example.actor("vera"), "delay")
    assert state.why.startswith("answers nothing: its process does not start: no ")
    assert "\x1b" not in state.why
    assert "memory" in state.why
    size = (folder / "serving.log").stat().st_size
    assert _last_line(folder / "serving.log", size) == ""
    assert _last_line(folder / "none.log", 0) == ""
    logged = "2026-11-28 21:28:58,608 ERROR pilothouse.serving cannot listen on 127.0.0.1:1: Address already in use\n"
    (folder / "serving.log").write_text(logged)
    assert _last_line(folder / "serving.log", 0) == "cannot listen on 127.0.0.1:1: Address already in use"
