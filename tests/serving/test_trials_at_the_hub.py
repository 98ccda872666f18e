"""A trial from the registry to the evidence: a real hub, its telemetry, a serving process, and requests without a pause.

``PH_TRIAL_SECONDS`` says for how long each load lasts, ``PH_TRIAL_RATE`` how many requests a second: half a minute at a few
hundred is the long form.
"""

import dataclasses
import http.client
import json
import math
import os
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest
from serving_kit import ServingProcess, short_folder, wait_until
from serving_kit import start_serving as start

from pilothouse.daemon.hub import hub_app
from pilothouse.daemon.hub_server import HubServer
from pilothouse.domain.formats.wire import Outcome
from pilothouse.domain.rollouts.rollout import PlaceState
from pilothouse.operations.fleet import targets
from pilothouse.operations.fleet.processes import Pulse
from pilothouse.operations.promotion import deployments
from pilothouse.store.promotion import rollouts
from pilothouse.system.processes import own_name
from pilothouse.telemetry.intake.streams import list_streams
from pilothouse.telemetry.trial_pairs import (
    TrialName,
    arms,
    judged_arms,
    judged_pairs,
    new_pairs,
    pair_counts,
)
from support import leftovers
from support.flight_batches import flights
from support.registered_versions import promote, register
from support.rollout_plans import TRIALS
from support.rollout_records import recorded_rollout
from support.small_workspace import SmallWorkspace, make_small_workspace
from support.trial_batches import pairs_of

SECONDS = float(os.environ.get("PH_TRIAL_SECONDS", "2"))
RATE = float(os.environ.get("PH_TRIAL_RATE", "150"))
CLIENTS = 4


@dataclass
class Place:
    """A workspace with its hub, which can go away, and the serving process of ``ewr``."""

    shop: SmallWorkspace
    folder: Path
    rollout: int
    server: HubServer | None = None
    thread: threading.Thread | None = None
    serving: ServingProcess | None = None
    trial: TrialName = field(init=False)

    def __post_init__(self) -> None:
        self.trial = TrialName(self.rollout, "delay", "ewr")
        self.pulse = Pulse(self.shop.services, own_name())

    def open_hub(self) -> None:
        self.server = HubServer(hub_app(self.shop.services, self.pulse), self.shop.services.paths.hub_socket)
        self.thread = threading.Thread(target=self.server.run)
        self.thread.start()

    def close_hub(self) -> None:
        if self.server is not None and self.thread is not None:
            self.server.stop()
            self.thread.join()
            self.server.close()
            self.server = None

    def serve(self) -> ServingProcess:
        token = targets.issue_token(self.shop.services, self.shop.admin, "ewr")
        known: Any = SimpleNamespace(token=token, target="ewr", path=self.shop.services.paths.hub_socket)
        self.serving = start(self.folder / "serving", known)
        self.serving.wait_for_port()
        self.serving.wait_until_ready()
        return self.serving

    def put(self, state: PlaceState, share: float | None = None) -> None:
        """Put the roll-out's target into a state, and wait until the process says that the trial goes on."""
        services = self.shop.services
        with services.registry.transaction() as connection:
            rollouts.set_targets(
                connection, self.rollout, state, {"ewr": None}, at=services.now(), share=share
            )
        wait_until(lambda: f'mode="{state}"' in self.page())
        wait_until(lambda: [(t.mode, t.state) for t in self.pulse.trials()["ewr"]] == [(state, "answers")])

    def page(self) -> str:
        assert self.serving is not None
        return self.serving.ask("GET", "/metrics")[1].decode()


@pytest.fixture
def place() -> Iterator[Place]:
    with short_folder() as folder, leftovers.shared("hub", "socket:"):
        shop = make_small_workspace(folder / "w")
        for number in (1, 2):
            register(shop, number)
        promote(shop, 1)
        example: Any = SimpleNamespace(time=shop.services.now())
        with shop.services.registry.transaction() as connection:
            number = recorded_rollout(connection, example, TRIALS, names=("ewr",))
        made = Place(shop, folder, number)
        made.open_hub()
        yield made
        if made.serving is not None and made.serving.process.poll() is None:
            made.serving.kill()
        made.close_hub()
        shop.services.close()


@dataclass
class Load:
    """Requests of several clients at a rate, and their answers."""

    server: ServingProcess
    rate: float = RATE
    answers: list[tuple[int, str, str, list[str]]] = field(default_factory=list)
    """Status, key, version and prediction ids."""
    broken: int = 0
    """Requests on connections that ended: nothing was acknowledged on them."""
    stopping: threading.Event = field(default_factory=threading.Event)
    threads: list[threading.Thread] = field(default_factory=list)

    def begin(self) -> None:
        self.threads = [threading.Thread(target=self._ask, args=(i,)) for i in range(CLIENTS)]
        for thread in self.threads:
            thread.start()

    def end(self) -> None:
        self.stopping.set()
        for thread in self.threads:
            thread.join()

    def run(self, seconds: float) -> None:
        """Ask for so long, and on a slow machine until a client's fault has been answered."""
        self.begin()
        self.stopping.wait(seconds)
        wait_until(lambda: any(status != 200 for status, *_ in self.answers) or self.broken > 0)
        self.end()

    def _ask(self, client: int) -> None:
        number, due = 0, time.monotonic()
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
        while not self.stopping.is_set():
            due += CLIENTS / self.rate
            self.stopping.wait(max(due - time.monotonic(), 0))
            number += 1
            key = f"customer-{client}-{number}"
            rows = 1 + number % 3
            values = [[(number * 7 + row) % 20, row / 3] for row in range(rows)]
            body = json.dumps({"rows": [{"wind": wind, "load": load} for wind, load in values]}).encode()
            if number % 29 == 0:
                body = b'{"rows": [{"gale": 1}]}'  # a client's fault, which is refused with a code
            try:
                connection.request("POST", "/v2/models/delay/predict", body, {"X-Request-Key": key})
                response = connection.getresponse()
                answer = json.loads(response.read())
            except (OSError, http.client.HTTPException):
                self.broken += 1
                connection.close()
                continue
            ids = [row["prediction_id"] for row in answer.get("rows", [])]
            self.answers.append((response.status, key, str(answer.get("version", "")), ids))
        connection.close()


def stored(place: Place) -> Counter[int]:
    with place.shop.services.telemetry.read() as connection:
        return Counter({one.version: one.rows for one in list_streams(connection)})


def acknowledged(load: Load) -> Counter[int]:
    rows: Counter[int] = Counter()
    for status, _, version, ids in load.answers:
        if status == 200:
            rows[int(version)] += len(ids)
    return rows


def versions_of(place: Place, load: Load) -> None:
    """Every answered row is stored, in the stream of the version that its answer named."""
    with place.shop.services.telemetry.read() as connection:
        version_of = {
            f"{name}.{sequence}": version
            for name, sequence, version in connection.execute(
                "SELECT p.name, b.sequence, s.version FROM batches b JOIN producers p ON p.id = b.producer_id "
                "JOIN streams s ON s.id = b.stream_id"
            )
        }
    for status, _, version, ids in load.answers:
        if status == 200:
            assert {version_of[id_.rpartition(".")[0]] for id_ in ids} == {int(version)}


def test_a_canary_under_load_keeps_its_share_and_every_event(place: Place) -> None:
    server = place.serve()
    place.put(PlaceState.CANARY, 0.2)
    load = Load(server)
    load.run(SECONDS)
    assert load.broken == 0
    statuses = Counter(status for status, *_ in load.answers)
    assert set(statuses) == {200, 400}
    server.terminate()
    wait_until(lambda: stored(place) == acknowledged(load))
    versions_of(place, load)
    answered = statuses[200]
    taken = sum(version == "2" for status, _, version, _ in load.answers if status == 200)
    spread = math.sqrt(answered * 0.2 * 0.8)
    assert abs(taken - 0.2 * answered) <= 3.29 * spread + 1, "within the binomial bounds of 99.9 %"
    with place.shop.services.telemetry.read() as connection:
        found = {one.version: one for one in arms(connection, place.trial)}
    assert {v: one.requests for v, one in found.items()} == {1: answered - taken, 2: taken}
    assert {v: one.rows for v, one in found.items()} == dict(acknowledged(load))
    assert sum(one.errors for one in found.values()) == statuses[400]
    assert {one.share for one in found.values()} == {0.2}
    ids = [id_ for status, *_, given in load.answers if status == 200 for id_ in given]
    place.shop.services.telemetry.add_outcomes([Outcome(id_, "1") for id_ in ids[:500]], 1)
    with place.shop.services.telemetry.read() as connection:
        judged = judged_arms(connection, place.trial)
    firsts = {given[0] for status, *_, given in load.answers if status == 200}
    assert len(judged.times) == len(firsts & set(ids[:500])), "one row of each key: the first of its request"
    print(f"{len(load.answers)} requests, {statuses[400]} refused, {taken / answered:.3f} by the challenger")


def test_a_shadow_under_load_pairs_what_it_has_time_for_and_counts_the_rest(place: Place) -> None:
    server = place.serve()
    place.put(PlaceState.SHADOW)
    load = Load(server)
    load.run(SECONDS)
    assert load.broken == 0
    server.terminate()
    wait_until(lambda: stored(place) == acknowledged(load))
    assert set(acknowledged(load)) == {1}
    answered = sum(status == 200 for status, *_ in load.answers)

    def counted() -> bool:
        with place.shop.services.telemetry.read() as connection:
            counts = pair_counts(connection, place.trial)
        return counts.offered == answered and counts.lost == 0

    wait_until(counted)
    with place.shop.services.telemetry.read() as connection:
        counts, pairs = pair_counts(connection, place.trial), new_pairs(connection, place.trial)
    assert (counts.failed, counts.unfit) == (0, 0)
    assert counts.paired + counts.dropped == answered
    assert counts.paired > answered / 2
    assert pairs.requests == counts.paired
    assert ((pairs.champion_us > 0) == (pairs.challenger_us > 0)).all()
    assert (pairs.challenger_us > 0).sum() >= 2
    ids = [id_ for status, *_, given in load.answers if status == 200 for id_ in given]
    place.shop.services.telemetry.add_outcomes([Outcome(id_, "1") for id_ in ids], 1)
    with place.shop.services.telemetry.read() as connection:
        known = judged_pairs(connection, place.trial)
    assert known.rows == pairs.rows
    print(f"{answered} requests, {counts}, {(pairs.challenger_us > 0).sum()} timed")


def test_kills_of_the_process_and_a_hub_that_is_away_cost_no_event_and_no_pair_twice(place: Place) -> None:
    place.serve()
    place.put(PlaceState.SHADOW)
    loads = []
    for kill in range(3):
        assert place.serving is not None
        load = Load(place.serving)
        loads.append(load)
        load.begin()
        wait_until(lambda load=load: len(load.answers) > 60)
        if kill == 1:
            place.close_hub()
            wait_until(lambda load=load: len(load.answers) > 150)
        place.serving.kill()
        load.end()
        if kill == 1:
            place.open_hub()
        place.serve()
        wait_until(lambda: 'mode="shadow"' in place.page())
    assert place.serving is not None
    place.serving.terminate()
    answered = [id_ for load in loads for status, *_, given in load.answers if status == 200 for id_ in given]
    assert len(answered) > 100

    def is_settled() -> bool:
        # what was on disk when the process was killed is more than what it had acknowledged
        return sum(stored(place).values()) >= len(answered) and not list(
            (place.folder / "serving" / "spool").glob("*.segment")
        )

    wait_until(is_settled)
    with place.shop.services.telemetry.read() as connection:
        pairs, counts = new_pairs(connection, place.trial), pair_counts(connection, place.trial)
        linked = connection.execute(
            "SELECT count(*) FROM trial_links l WHERE NOT EXISTS (SELECT 1 FROM batches b WHERE "
            "b.producer_id = l.producer_id AND b.sequence = l.sequence)"
        ).fetchone()
    assert linked == (0,), "every pair is of a prediction that is stored"
    assert pairs.requests == counts.paired <= counts.offered
    assert counts.lost == counts.offered - counts.paired - counts.dropped
    known = set(answered)
    outcomes = [Outcome(id_, "1") for id_ in known]
    place.shop.services.telemetry.add_outcomes(outcomes, 1)
    with place.shop.services.telemetry.read() as connection:
        assert judged_pairs(connection, place.trial).rows <= min(pairs.rows, len(known))
    print(f"{len(answered)} rows acknowledged, {counts}, lost {counts.lost}")


def test_the_desired_state_names_the_trial_and_its_files_are_handed_out(place: Place) -> None:
    services = place.shop.services
    before = deployments.desired_state(services, "ewr")
    assert before.trials == []
    with services.registry.transaction() as connection:
        rollouts.set_targets(
            connection, place.rollout, PlaceState.CANARY, {"ewr": None}, at=services.now(), share=0.25
        )
    state = deployments.desired_state(services, "ewr")
    (trial,) = state.trials
    assert (trial.rollout, trial.mode, trial.share, trial.salt) == (place.rollout, "canary", 0.25, "5a" * 16)
    assert (trial.version.model, trial.version.version) == ("delay", 2)
    assert state.revision != before.revision
    assert [version.version for version in state.versions] == [1]


@pytest.mark.parametrize(
    "changes",
    [
        {"producer": "a.b"},
        {"sequence": -1},
        {"rollout": -1},
        {"rows": 3},
        {"rows": 2**40},
        {"dropped": -1},
        {"failed": 2**63},
        {"event_times": b"123"},
        {"challenger_scores": b""},
        {"champion_labels": {"vocabulary": ["0"], "codes": b"\x07" * 34}},
        {"champion_labels": {"vocabulary": [None], "codes": bytes(34)}},
        {"challenger_labels": {"vocabulary": ["0"], "codes": b""}},
        {"target": "jfk"},
        {"model": "../delay"},
        {"rollout": 7_000},
        {"champion": 2, "challenger": 1},
        {"champion": 3},
        {"requests": {"rows": np.array([34, 1], "<i8").tobytes()}},
        {"requests": {"rows": np.array([34, 0], "<i8").tobytes()}},
        {"requests": {"offsets": np.array([0, -1], "<i8").tobytes()}},
        {"requests": {"sequences": b"1"}},
        {"requests": {"producers": {"vocabulary": ["a b"], "codes": b"\0\0"}}},
    ],
    ids=str,
)
def test_pairs_that_do_not_fit_are_refused(place: Place, changes: dict[str, Any]) -> None:
    token = targets.issue_token(place.shop.services, place.shop.admin, "ewr")
    rows = flights().iloc[30_000:30_034]
    good = dataclasses.replace(pairs_of(rows, 0, [(1, 0), (2, 0)], model="delay"), rollout=place.rollout)
    plain: dict[str, Any] = dataclasses.asdict(good)
    for name, value in changes.items():
        plain[name] = {**plain[name], **value} if name == "requests" else value

    def tell(body: bytes) -> int:
        connection = http.client.HTTPConnection("hub", timeout=20)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(str(place.shop.services.paths.hub_socket))
        try:
            connection.request("POST", "/v1/pairs", body, {"Authorization": f"Bearer {token}"})
            return connection.getresponse().status
        finally:
            connection.close()

    assert tell(msgspec.msgpack.encode(plain)) in (400, 403)
    assert tell(msgspec.msgpack.encode(good)) == 200
    with place.shop.services.telemetry.read() as connection:
        assert connection.execute("SELECT count(*) FROM trial_pairs").fetchone() == (1,)
