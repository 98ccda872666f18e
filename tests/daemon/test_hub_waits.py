"""Answers of the hub that serving processes wait for: the next desired state, and a baseline that another one measures."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from pilothouse.daemon.hub import Door, Hub
from pilothouse.daemon.hub_answers.desired_states import DesiredStates
from pilothouse.daemon.hub_server import HubServer
from pilothouse.domain.errors import InvalidInputError, NotAllowedError, NotFoundError, UnavailableError
from pilothouse.domain.formats.wire import BaselineQuestion, ServingReport
from pilothouse.operations.fleet import targets
from pilothouse.operations.fleet.processes import Pulse
from pilothouse.serving.delivery.hub_client import HubClient
from pilothouse.store.deployed import processes
from pilothouse.system.processes import own_name
from support import wait_until
from support.registered_versions import promote, register
from support.small_workspace import SmallWorkspace, make_small_workspace

LONG_S = 600  # the hub holds no question as long as that: whatever is answered sooner was not held to its end


@dataclass
class Place:
    """A workspace with its hub, and a client for each of its targets."""

    shop: SmallWorkspace
    hub: Hub
    tokens: Path

    def client(self, target: str) -> HubClient:
        return HubClient(self.shop.services.paths.hub_socket, self.tokens / target)

    def held(self) -> int:
        return len(self.hub._states._held)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    shop = make_small_workspace(tmp_path / "w")
    shop.write_model(more='[[targets]]\nname = "jfk"')
    register(shop, 1)
    promote(shop, 1, "ewr", "jfk")
    for name in ("ewr", "jfk"):
        (tmp_path / name).write_text(targets.issue_token(shop.services, shop.admin, name))
    shop.services.paths.make_socket_folder()
    made = Place(shop, Hub(shop.services, Pulse(shop.services, own_name())), tmp_path)
    server = HubServer(made.hub.app(Door.SOCKET), shop.services.paths.hub_socket)
    thread = threading.Thread(target=server.run)
    thread.start()
    yield made
    made.hub.end_waits()
    server.stop()
    thread.join()
    server.close()
    shop.services.close()
    vars(made).clear()  # the hub's own threads end with the hub


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as threads:
        yield threads


def test_a_question_for_the_desired_state_is_held_until_a_version_is_put_live(
    place: Place, pool: ThreadPoolExecutor
) -> None:
    clients = [place.client(name) for name in ("ewr", "jfk")]
    before = [client.desired("") for client in clients]
    asked = [pool.submit(c.desired, s.revision, LONG_S) for c, s in zip(clients, before, strict=True) if s]
    wait_until(lambda: place.held() == 2)
    register(place.shop, 2)
    promote(place.shop, 2, "ewr", "jfk")
    found = [one.result(60) for one in asked]
    assert [state.versions[0].version for state in found if state] == [2, 2]


def test_a_report_wakes_nobody_and_the_end_of_the_wait_does(place: Place, pool: ThreadPoolExecutor) -> None:
    client, services = place.client("ewr"), place.shop.services
    state = client.desired("")
    assert state is not None
    asked = pool.submit(client.desired, state.revision, 1)
    wait_until(lambda: place.held() == 1)
    other = place.client("jfk")
    other.report(ServingReport("jfk", 8101, 7, {"delay": 1}, {}, 0, {"delay": 400}))
    assert asked.result(60) is None, "nothing else is desired"
    with services.registry.read() as connection:
        reported = processes.report_of(connection, "jfk")
    assert reported is not None
    assert reported.loaded == {"delay": 1}
    other.close()
    client.close()


def test_a_token_that_becomes_void_while_its_question_is_held_is_told_nothing(
    place: Place, pool: ThreadPoolExecutor
) -> None:
    client = place.client("ewr")
    state = client.desired("")
    assert state is not None
    asked = pool.submit(client.desired, state.revision, LONG_S)
    wait_until(lambda: place.held() == 1)
    targets.issue_token(place.shop.services, place.shop.admin, "ewr")
    register(place.shop, 2)
    promote(place.shop, 2, "ewr", "jfk")
    with pytest.raises(NotAllowedError, match="expected the token of a target"):
        asked.result(60)


def test_an_error_of_the_program_leaves_no_question_without_an_answer(
    place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    client = place.client("ewr")
    state = client.desired("")
    assert state is not None

    def broken(_: DesiredStates) -> bool:
        raise RuntimeError("out of luck")

    monkeypatch.setattr(DesiredStates, "_is_news", broken)
    assert client.desired(state.revision, 1) is None
    assert "out of luck" in caplog.text
    client.close()


def test_a_hub_that_ends_and_a_process_that_ends_wait_for_no_question(
    place: Place, pool: ThreadPoolExecutor
) -> None:
    ewr, jfk = place.client("ewr"), place.client("jfk")
    states = [client.desired("") for client in (ewr, jfk)]
    asked = [pool.submit(c.desired, s.revision, LONG_S) for c, s in zip((ewr, jfk), states, strict=True) if s]
    wait_until(lambda: place.held() == 2)
    jfk.leave()
    with pytest.raises(UnavailableError, match="the process ends"):
        asked[1].result(60)
    place.hub.end_waits()
    assert asked[0].result(60) is None


def test_one_process_measures_a_version_and_the_others_wait_for_its_figures(
    place: Place, pool: ThreadPoolExecutor
) -> None:
    ewr, jfk = place.client("ewr"), place.client("jfk")
    question = BaselineQuestion("delay", 1, "1.0", beside=False)
    assert ewr.baseline(question).p95_us == 0, "the first one is asked to measure"
    waiting = pool.submit(jfk.baseline, question)
    wait_until(lambda: any(entry.waiting for entry in place.hub._baselines._entries.values()))
    assert not waiting.done()
    assert ewr.baseline(replace(question, p95_us=450, stretch=1.25)).p95_us == 450
    found = waiting.result(60)
    assert (found.p95_us, found.stretch) == (450, 1.25)
    assert jfk.baseline(replace(question, p95_us=9, stretch=1.0)).p95_us == 9
    assert ewr.baseline(question).p95_us == 450, "figures that nobody asked for count for nobody"
    for other in (replace(question, release="2.0"), replace(question, beside=True)):
        assert jfk.baseline(other).p95_us == 0, "measured otherwise"
    with pytest.raises(NotFoundError, match="no such version"):
        ewr.baseline(replace(question, version=2))
    with pytest.raises(InvalidInputError, match="stretch"):
        ewr.baseline(replace(question, p95_us=450, stretch=float("nan")))


def test_others_measure_themselves_where_the_one_that_was_asked_to_does_not(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pilothouse.daemon.hub_answers.shared_baselines._MEASURES_S", 0.05)
    question = BaselineQuestion("delay", 1, "1.0", beside=False)
    assert [place.client(name).baseline(question).p95_us for name in ("ewr", "jfk")] == [0, 0]
