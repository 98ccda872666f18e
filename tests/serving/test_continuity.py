"""Promotions, broken models, a hub that is away and kill -9: requests are answered and no acknowledged event is lost."""

import copy
import http.client
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import joblib
import pytest
from serving_kit import (
    ModelFile,
    ServingProcess,
    TestHub,
    body_of,
    outputs_of,
    short_folder,
    start_serving,
    train,
    wait_until,
)

from support import leftovers

Launch = Callable[..., ServingProcess]
Serving = tuple[ServingProcess, TestHub]
BODY = body_of(5)


@pytest.fixture(scope="module")
def running() -> Iterator[Serving]:
    """One process for the tests that do not end it."""
    with short_folder() as folder, leftovers.shared("socket:", "Thread-"):
        hub = TestHub(folder / "hub.sock")
        hub.start()
        server = start_serving(folder / "ewr", hub)
        try:
            server.wait_for_port()
            yield server, hub
        finally:
            server.kill()
            hub.stop()


@pytest.fixture
def serving(running: Serving, first: ModelFile) -> Serving:
    """Version 1 answers, nothing else is kept, and the hub has been told nothing yet."""
    server, hub = running
    hub.deploy(first)
    digests = {first.desired.model_digest, first.desired.schema_digest}
    kept = server.folder / "artifacts"
    wait_until(lambda: hub.report and (hub.report.loaded, hub.report.failed) == ({"flight-delay": 1}, {}))
    wait_until(lambda: server.infer("flight-delay", BODY)[1].get("model_version") == "1")
    wait_until(lambda: {path.name for path in kept.rglob("?" * 64)} == digests)
    wait_until(lambda: not list((server.folder / "spool").glob("*.segment")))
    hub.batches.clear()
    return server, hub


@dataclass
class Traffic:
    """Clients that ask without a pause, and what they were told."""

    port: int
    clients: int = 3
    ids: list[str] = field(default_factory=list)
    versions: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)
    threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> "Traffic":
        self.threads = [threading.Thread(target=self.ask) for _ in range(self.clients)]
        for thread in self.threads:
            thread.start()
        return self

    def ask(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            while not self.stopping.is_set():
                connection.request("POST", "/v2/models/flight-delay/infer", BODY)
                response = connection.getresponse()
                data = response.read()
                if response.status != 200:
                    self.failures.append(f"{response.status} {data!r}")
                    continue
                answer = json.loads(data)
                self.ids += outputs_of(answer)["prediction_id"]
                self.versions.append(answer["model_version"])
        except (OSError, http.client.HTTPException) as error:
            self.failures.append(repr(error))
        finally:
            connection.close()

    def stop(self) -> None:
        self.stopping.set()
        for thread in self.threads:
            thread.join()


def arrived(hub: TestHub, ids: list[str]) -> bool:
    return set(ids) <= set(hub.prediction_ids())


def test_a_promotion_and_a_roll_back_drop_no_request(
    serving: Serving, first: ModelFile, second: ModelFile
) -> None:
    server, hub = serving
    traffic = Traffic(server.port).start()
    wait_until(lambda: len(traffic.versions) > 20)
    for deployed in (second, first):
        hub.deploy(deployed)
        number = str(deployed.version)
        wait_until(lambda number=number: traffic.versions[-1] == number)
        seen = len(traffic.versions)
        wait_until(lambda seen=seen: len(traffic.versions) > seen + 20)
    traffic.stop()
    assert traffic.failures == []
    assert set(traffic.versions) == {"1", "2"}
    wait_until(lambda: arrived(hub, traffic.ids))
    assert max(Counter(hub.prediction_ids()).values()) == 1
    assert {batch.version for batch in hub.batches} == {1, 2}
    assert server.ask("POST", "/v2/models/flight-delay/versions/3/infer", BODY)[0] == 404


def test_the_version_before_a_swap_goes_on_answering_those_that_ask_for_it_by_number(
    serving: Serving, first: ModelFile, second: ModelFile
) -> None:
    server, hub = serving
    path = "/v2/models/flight-delay"
    hub.deploy(second)
    wait_until(lambda: server.infer("flight-delay", BODY)[1].get("model_version") == "2")
    pinned: list[str] = []
    for number in ("1", "2"):
        status, body = server.ask("POST", f"{path}/versions/{number}/infer", BODY)
        answer = json.loads(body)
        assert (status, answer["model_version"]) == (200, number)
        pinned += outputs_of(answer)["prediction_id"]
        assert server.ask("GET", f"{path}/versions/{number}/ready")[0] == 200
    wait_until(lambda: arrived(hub, pinned))
    # the events are of the version that answered
    versions = {f"{b.producer}.{b.sequence}.{row}": b.version for b in hub.batches for row in range(b.rows)}
    assert {versions[found] for found in pinned} == {1, 2}
    assert json.loads(server.ask("GET", path)[1])["versions"] == ["1", "2"]
    config = json.loads(server.ask("GET", f"{path}/versions/1/config")[1])
    assert config["version_policy"] == {"specific": {"versions": [1, 2]}}
    index = json.loads(server.ask("GET", "/v2/repository/index")[1])
    assert [(row["version"], row["state"]) for row in index] == [("1", "READY"), ("2", "READY")]
    for stats in (f"{path}/stats", "/v2/models/stats"):
        found = json.loads(server.ask("GET", stats)[1])["model_stats"]
        assert [row["version"] for row in found] == ["1", "2"]
    status, body = server.ask("POST", f"{path}/versions/3/infer", BODY)
    assert status == 404
    assert "version 2 is live" in json.loads(body)["error"]
    wait_until(lambda: hub.report is not None and hub.report.loaded == {"flight-delay": 2})
    hub.deploy()  # taken off the target: no version of it answers
    wait_until(lambda: server.ask("POST", f"{path}/versions/1/infer", BODY)[0] == 404)


def _pickled(tmp_path: Path) -> bytes:
    joblib.dump({"anything": 1}, tmp_path / "model.joblib")
    return (tmp_path / "model.joblib").read_bytes()


def test_a_version_that_cannot_be_loaded_leaves_the_one_before_answering(
    serving: Serving, first: ModelFile, second: ModelFile, tmp_path: Path
) -> None:
    server, hub = serving
    pickled = ModelFile(second.name, 2, _pickled(tmp_path), second.schema)
    foreign = ModelFile(second.name, 3, second.model, train("bike-demand", 1, "regression").schema)
    missing = ModelFile(second.name, 4, second.model + b"\0", second.schema)
    swapped = ModelFile(second.name, 5, second.model, second.schema)
    hub.store(pickled, foreign, missing, swapped)
    del hub.artifacts[missing.desired.model_digest]
    hub.artifacts[swapped.desired.model_digest] = first.model
    for broken, words in (
        (pickled, "not a skops file"),
        (missing, "no such artifact"),
        (swapped, "not loaded"),
        (foreign, "bike-demand"),
    ):
        hub.desire(broken)
        said = f"version {broken.version}: "
        wait_until(
            lambda said=said: hub.report and hub.report.failed.get("flight-delay", "").startswith(said)
        )
        assert hub.report is not None
        assert hub.report.loaded == {"flight-delay": 1}
        assert words in hub.report.failed["flight-delay"]
        assert hub.report.failed["flight-delay"].isprintable()
        status, answer = server.infer("flight-delay", BODY)
        assert (status, answer["model_version"]) == (200, "1")
        index = json.loads(server.ask("GET", "/v2/repository/index")[1])
        states = [(row["version"], row["state"]) for row in index]
        assert (states[0], states[-1]) == (("1", "READY"), (str(broken.version), "UNAVAILABLE"))
        if broken is swapped:  # the next try finds it well
            hub.artifacts[swapped.desired.model_digest] = second.model
            wait_until(
                lambda: hub.report and (hub.report.loaded, hub.report.failed) == ({"flight-delay": 5}, {})
            )
            hub.desire(first)
            wait_until(lambda: hub.report and hub.report.loaded == {"flight-delay": 1})


def test_a_model_that_is_taken_off_is_served_no_more(serving: Serving) -> None:
    server, hub = serving
    hub.deploy()
    wait_until(lambda: server.infer("flight-delay", BODY)[0] == 404)
    assert server.ask("GET", "/v2/health/ready")[0] == 200
    wait_until(lambda: not list((server.folder / "artifacts").rglob("?" * 64)))


def test_it_serves_on_and_starts_again_while_the_hub_is_away(
    hub: TestHub, launch: Launch, first: ModelFile, second: ModelFile
) -> None:
    hub.deploy(first)
    server = launch(hub)
    server.wait_until_ready()
    hub.stop()
    ids = [i for _ in range(5) for i in outputs_of(server.infer("flight-delay", BODY)[1])["prediction_id"]]
    server.kill()
    again = launch(hub)
    again.wait_until_ready()
    ids += outputs_of(again.infer("flight-delay", BODY)[1])["prediction_id"]
    assert hub.batches == []
    wait_until(lambda: list((again.folder / "spool").glob("*.segment")))
    hub.deploy(second)
    hub.start()
    wait_until(lambda: arrived(hub, ids))
    assert Counter(hub.prediction_ids()) == Counter(ids)
    wait_until(lambda: again.infer("flight-delay", BODY)[1]["model_version"] == "2")


def test_kill_9_under_load_loses_and_doubles_nothing_acknowledged(
    hub: TestHub, launch: Launch, first: ModelFile
) -> None:
    hub.deploy(first)
    acknowledged: list[str] = []
    for round_ in range(2):
        hub.lose_receipts = (
            round_  # the hub has committed, and the process dies or asks again without knowing it
        )
        server = launch(hub)
        server.wait_until_ready()
        traffic = Traffic(server.port, clients=4).start()
        wait_until(lambda traffic=traffic: len(traffic.ids) > 1_500)
        server.kill()
        traffic.stop()
        acknowledged += traffic.ids
    last = launch(hub)
    wait_until(lambda: arrived(hub, acknowledged))
    wait_until(lambda: not list((last.folder / "spool").glob("*.segment")))
    found = Counter(hub.prediction_ids())
    assert set(acknowledged) <= set(found)
    assert max(found.values()) == 1
    assert len(acknowledged) == len(set(acknowledged)) > 3_000


def test_batches_that_the_hub_cannot_take_now_wait_and_those_that_it_never_will_are_set_aside(
    serving: Serving,
) -> None:
    server, hub = serving
    hub.refuse_batches_with = 503
    ids = outputs_of(server.infer("flight-delay", BODY)[1])["prediction_id"]
    wait_until(lambda: hub.report and hub.report.spooled_batches == 1)
    hub.refuse_batches_with = 0
    wait_until(lambda: arrived(hub, ids))
    hub.refuse_batches_with = 400
    server.infer("flight-delay", BODY)
    wait_until(lambda: list((server.folder / "spool" / "refused").glob("*.segment")))
    hub.refuse_batches_with = 0
    ids = outputs_of(server.infer("flight-delay", BODY)[1])["prediction_id"]
    wait_until(lambda: arrived(hub, ids))
    assert "can never be taken" in server.log.read_text()


def test_a_full_spool_refuses_with_503_until_the_hub_is_back(
    hub: TestHub, launch: Launch, first: ModelFile
) -> None:
    hub.deploy(first)
    server = launch(hub, "--spool-mb", "1")
    server.wait_until_ready()
    hub.stop()
    large = body_of(5_000)
    ids: list[str] = []
    for _ in range(20):
        status, answer = server.infer("flight-delay", large)
        if status != 200:
            break
        ids += outputs_of(answer)["prediction_id"]
    assert status == 503
    assert "start the daemon" in answer["error"]
    assert server.ask("GET", "/v2/health/live")[0] == 200
    hub.start()
    wait_until(lambda: server.infer("flight-delay", BODY)[0] == 200)
    wait_until(lambda: arrived(hub, ids))
    wait_until(lambda: sum(batch.errors for batch in hub.batches) >= 1)


def test_a_token_that_is_issued_anew_is_taken_up(serving: Serving) -> None:
    server, hub = serving
    hub.token = "another"
    token = server.folder / "token"
    token.with_suffix(".new").write_text(hub.token)
    token.with_suffix(".new").rename(token)
    ids = outputs_of(server.infer("flight-delay", BODY)[1])["prediction_id"]
    wait_until(lambda: arrived(hub, ids))


def test_a_process_that_is_started_again_takes_the_baseline_of_this_boot_and_no_other(
    hub: TestHub, launch: Launch, first: ModelFile
) -> None:
    """Clients wait for it: it measures nothing, but lets the model answer once."""
    hub.deploy(first)

    def served(change: Callable[[dict[str, Any]], object] = lambda kept: None) -> tuple[int, dict[str, Any]]:
        """Baseline that a process reports, which finds what the one before has kept, changed; and what it keeps."""
        server = launch(hub)
        wait_until(lambda: hub.report and hub.report.loaded == {"flight-delay": 1})
        assert hub.report is not None
        server.kill()
        found = hub.report.baseline_latency_us["flight-delay"]
        path = server.folder / "baselines.json"
        kept = json.loads(path.read_bytes())
        changed = copy.deepcopy(kept)
        change(changed)
        path.write_text(json.dumps(changed))
        hub.reports.clear()
        return found, kept

    def inflate(kept: dict[str, Any]) -> None:
        for baseline in kept["by_version"].values():
            baseline["p95_us"] = 77_000_000

    measured, kept = served(inflate)
    assert [baseline["p95_us"] for baseline in kept["by_version"].values()] == [measured]
    found, kept = served(lambda kept: kept.update(boot="another"))
    assert found == 77_000_000
    found, kept = served(lambda kept: kept.update(by_version=["nothing of the kind"]))
    assert found < 77_000_000
    assert [baseline["p95_us"] for baseline in kept["by_version"].values()] == [found]
    assert served()[0] < 77_000_000


def test_a_cache_that_was_damaged_is_fetched_again(hub: TestHub, launch: Launch, first: ModelFile) -> None:
    hub.deploy(first)
    server = launch(hub)
    server.wait_until_ready()
    assert server.terminate() == 0
    for path in (server.folder / "artifacts").rglob("?" * 64):
        path.chmod(0o600)
        path.write_bytes(b"damaged")
    (server.folder / "desired.msgpack").write_bytes(b"\xc1")
    again = launch(hub)
    again.wait_until_ready()
    assert again.infer("flight-delay", BODY)[0] == 200
