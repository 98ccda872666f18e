"""Trials in a real serving process: canaries by a sticky share, shadows, their ends, and what a challenger cannot spoil."""

import json
import math
import re
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from serving_kit import (
    CATEGORIES,
    NUMBERS,
    ModelFile,
    ServingProcess,
    TestHub,
    body_of,
    outputs_of,
    schema,
    wait_until,
)

from pilothouse.domain.errors import UnavailableError
from pilothouse.domain.formats.wire import (
    DesiredState,
    DesiredTrial,
    DesiredVersion,
    PairBatch,
    ServingReport,
)
from pilothouse.domain.identifiers import PredictionId
from pilothouse.inference.columns import InputColumns
from pilothouse.inference.predictor import Prediction, Predictor
from pilothouse.inference.schema import InputColumn, InputSchema
from pilothouse.serving.delivery.hub_client import Exchange, HubClient
from pilothouse.serving.delivery.pair_records import PairStream
from pilothouse.serving.delivery.segments import batch_of, read_segment
from pilothouse.serving.delivery.spool import Spool
from pilothouse.serving.delivery.spool_limits import SpoolLimits
from pilothouse.serving.prediction.calls import Answer, Work, call_together_or_alone
from pilothouse.serving.prediction.shadow import Shadow
from pilothouse.serving.prediction.trial_arms import hash_of, place_of, takes
from pilothouse.serving.versions.follower import Follower, _still
from pilothouse.serving.versions.live_versions import LoadedArm, LoadedTrial, LoadedVersion
from pilothouse.serving.versions.trials import Trials, unfit

Launch = Callable[..., ServingProcess]
MODEL = "/v2/models/flight-delay"
ROLLOUT = 5


def in_trial(hub: TestHub, state: str = "answers") -> None:
    """Until the process reports that state of the only trial."""
    wait_until(lambda: hub.report is not None and [t.state for t in hub.report.trials] == [state])


def shadowing(server: ServingProcess) -> None:
    """Until this process says itself that the shadow goes on: the last report may be of the process before it."""
    wait_until(lambda: b'mode="shadow"' in server.ask("GET", "/metrics")[1])


def answered_by(server: ServingProcess, path: str = f"{MODEL}/infer", rows: int = 1, **headers: str) -> str:
    status, body = server.ask("POST", path, body_of(rows), **headers)
    assert status == 200, body
    return str(json.loads(body)["model_version"])


def stored_rows(hub: TestHub) -> Counter[tuple[int, int, float]]:
    """Rows at the hub by version, roll-out and share."""
    rows: Counter[tuple[int, int, float]] = Counter()
    with hub.lock:
        for batch in hub.batches:
            rows[batch.version, batch.rollout, batch.share] += batch.rows
    return rows


def pairs_of(hub: TestHub) -> list[PairBatch]:
    with hub.lock:
        return list(hub.pairs)


def paired_ids(batch: PairBatch) -> list[str]:
    """Ids of the champion's rows in a batch of pairs."""
    asked = batch.requests
    producers = [asked.producers.vocabulary[code] for code in asked.producers.codes]
    sequences, offsets, rows = (
        np.frombuffer(c, "<i8").tolist() for c in (asked.sequences, asked.offsets, asked.rows)
    )
    return [
        f"{producer}.{sequence}.{offset + row}"
        for producer, sequence, offset, count in zip(producers, sequences, offsets, rows, strict=True)
        for row in range(count)
    ]


def test_the_share_of_keys_is_taken_and_always_the_same_keys() -> None:
    keys = [f"customer-{number}".encode() for number in range(20_000)]
    for share in (0.0, 0.1, 0.5, 1.0):
        taken = [takes(b"salt", share, key) for key in keys]
        assert abs(np.mean(taken) - share) <= 3.3 * math.sqrt(share * (1 - share) / len(keys))
        assert taken == [takes(b"salt", share, key) for key in keys]
    small, large = ([takes(b"salt", share, key) for key in keys] for share in (0.1, 0.3))
    assert all(more for less, more in zip(small, large, strict=True) if less), (
        "a share that grows keeps its keys"
    )
    assert [takes(b"other", 0.1, key) for key in keys] != small
    several = [[place_of(hash_of(b"salt", key), share, 3) for key in keys] for share in (0.1, 0.3)]
    for places, share in zip(several, (0.1, 0.3), strict=True):
        taken = np.bincount(places, minlength=4) / len(keys)
        assert np.abs(taken - [share, share, share, 1 - 3 * share]).max() <= 0.011
    assert all(now == before for before, now in zip(*several, strict=True) if before < 3)


def test_a_canary_answers_its_share_by_key_and_says_so(
    launch: Launch, hub: TestHub, first: ModelFile, second: ModelFile
) -> None:
    hub.try_beside(first, second, "canary", 0.4)
    server = launch(hub)
    server.wait_until_ready()
    in_trial(hub)
    by_key = {}
    for number in range(60):
        key = f"customer-{number}"
        expected = "2" if takes(b"salt", 0.4, key.encode()) else "1"
        assert answered_by(server, **{"X-Request-Key": key}) == expected
        by_key[key] = expected
    assert set(by_key.values()) == {"1", "2"}
    for key, expected in list(by_key.items())[:8]:
        document = {**json.loads(body_of(1)), "id": key}
        status, body = server.ask("POST", f"{MODEL}/infer", json.dumps(document).encode())
        assert (status, json.loads(body)["model_version"]) == (200, expected), (
            "the id of a request is its key"
        )
    for path in (f"{MODEL}/infer", "/invocations", f"{MODEL}/predict"):  # every form of HTTP, by one rule
        key = next(key for key, version in by_key.items() if version == "2")
        body = body_of(2) if path.endswith("infer") else _rows(path)
        status, data = server.ask(
            "POST", path, body, **{"X-Request-Key": key, "Content-Type": "application/json"}
        )
        assert status == 200, data
    key = next(key for key, version in by_key.items() if version == "2")
    header = {"X-Request-Key": key, "Content-Type": "text/csv", "Accept": "text/csv"}
    table = "distance,hour,seats,temp,carrier,dest\n1,2,3,4,AA,UA\n"
    status, data = server.ask("POST", f"{MODEL}/predict", table.encode(), **header)
    assert status == 200, data

    for number, version in ((1, "1"), (2, "2")):  # whoever names a version gets it, outside of the trial
        for key in by_key:
            path = f"{MODEL}/versions/{number}/infer"
            assert answered_by(server, path, **{"X-Request-Key": key}) == version
    server.terminate()
    wait_until(lambda: sum(stored_rows(hub).values()) == 60 + 8 + 2 + 1 + 1 + 1 + 120)
    found = stored_rows(hub)
    twos = sum(version == "2" for version in by_key.values())
    first_eight = sum(version == "2" for version in list(by_key.values())[:8])
    assert found[2, ROLLOUT, 0.4] == twos + first_eight + 5
    assert found[1, ROLLOUT, 0.4] == 60 - twos + 8 - first_eight
    assert (found[1, 0, 0.0], found[2, 0, 0.0]) == (60, 60)


def test_several_challengers_share_the_keys_and_one_that_is_gone_leaves_the_others_their_part(
    launch: Launch, hub: TestHub, first: ModelFile, second: ModelFile, third: ModelFile
) -> None:
    def wanted(*challengers: ModelFile) -> list[DesiredTrial]:
        of = {second.desired.version: 0, third.desired.version: 1}
        return [
            DesiredTrial(ROLLOUT, one.desired, "canary", 0.3, "salt", of[one.desired.version], 2)
            for one in challengers
        ]

    hub.store(first, second, third)
    hub.desire(first, trials=wanted(second, third))
    server = launch(hub)
    server.wait_until_ready()
    wait_until(lambda: hub.report is not None and [t.state for t in hub.report.trials] == ["answers"] * 2)
    keys = [f"customer-{number}" for number in range(80)]
    places = {key: place_of(hash_of(b"salt", key.encode()), 0.3, 2) for key in keys}
    assert {*places.values()} == {0, 1, 2}
    for key in keys:
        assert answered_by(server, **{"X-Request-Key": key}) == ("2", "3", "1")[places[key]]
    assert answered_by(server, f"{MODEL}/versions/3/infer") == "3"
    bad = next(key for key in keys if places[key] == 1)
    assert server.ask("POST", f"{MODEL}/infer", b"{}", **{"X-Request-Key": bad})[0] == 400

    hub.desire(first, trials=wanted(second))  # the third was taken out
    wait_until(lambda: hub.report is not None and [t.version for t in hub.report.trials] == [2])
    for key in keys:
        assert answered_by(server, **{"X-Request-Key": key}) == ("2", "1", "1")[places[key]]
    server.terminate()
    wait_until(lambda: sum(stored_rows(hub).values()) == 161)
    count = Counter(places.values())
    found = stored_rows(hub)
    assert (found[2, ROLLOUT, 0.3], found[3, ROLLOUT, 0.3]) == (2 * count[0], count[1])
    assert found[1, ROLLOUT, 0.3] == 2 * count[2]
    assert found[1, 0, 0.0] == count[1], "what was the third's belongs to no arm"
    with hub.lock:
        drawn = {
            (batch.version, draw)
            for batch in hub.batches
            for draw in np.frombuffer(batch.draws, "<i8").tolist()
        }
        failed = [d for batch in hub.batches for d in np.frombuffer(batch.failed_draws, "<i8").tolist()]
    assert len(drawn) == len(keys), "each key has one draw and one version"
    assert failed == [hash_of(b"salt", bad.encode()) >> 1]


def test_arms_go_on_where_the_requested_version_cannot_be_loaded(
    launch: Launch, hub: TestHub, first: ModelFile, second: ModelFile, third: ModelFile
) -> None:
    hub.store(first, third)  # the file of the requested version is nowhere
    challengers = enumerate((second, third))
    trials = [DesiredTrial(ROLLOUT, one.desired, "canary", 0.3, "salt", at, 2) for at, one in challengers]
    hub.desire(first, trials=trials)
    server = launch(hub)
    server.wait_until_ready()
    wait_until(
        lambda: hub.report is not None and [t.state for t in hub.report.trials] == ["failed", "answers"]
    )
    keys = [f"customer-{number}" for number in range(40)]
    places = {key: place_of(hash_of(b"salt", key.encode()), 0.3, 2) for key in keys}
    for key in keys:
        assert answered_by(server, **{"X-Request-Key": key}) == ("1", "3", "1")[places[key]]
    server.terminate()
    wait_until(lambda: sum(stored_rows(hub).values()) == len(keys))
    count, found = Counter(places.values()), stored_rows(hub)
    assert (found[3, ROLLOUT, 0.3], found[1, ROLLOUT, 0.3]) == (count[1], count[2])
    assert found[1, 0, 0.0] == count[0], "what is the requested version's belongs to no arm"


def _rows(path: str) -> bytes:
    row = {"distance": 1, "hour": 2, "seats": 3, "temp": 4, "carrier": "AA", "dest": "UA"}
    return json.dumps({"dataframe_records" if "invocations" in path else "rows": [row]}).encode()


def test_a_shadow_answers_copies_that_nobody_sees(
    launch: Launch, hub: TestHub, first: ModelFile, second: ModelFile
) -> None:
    hub.try_beside(first, second, "shadow")
    server = launch(hub)
    server.wait_until_ready()
    in_trial(hub)
    asked: dict[str, tuple[float, str]] = {}
    for number in range(12):
        body = body_of(3, temp={"datatype": "FP64", "data": [number / 7, -0.4, 0.1 * number]})
        status, answer = server.infer("flight-delay", body)
        assert (status, answer["model_version"]) == (200, "1")
        found = outputs_of(answer)
        for id_, score, label in zip(found["prediction_id"], found["score"], found["label"], strict=True):
            asked[id_] = score, label
    assert server.ask("POST", f"{MODEL}/versions/2/infer", body_of(1))[0] == 404
    wait_until(lambda: sum(batch.rows for batch in pairs_of(hub)) == 36)
    paired = {}
    for batch in pairs_of(hub):
        assert (batch.target, batch.rollout, batch.model) == ("ewr", ROLLOUT, "flight-delay")
        assert (batch.champion, batch.challenger) == (1, 2)
        labels = batch.champion_labels
        scores = np.frombuffer(batch.champion_scores).tolist()
        texts = [labels.vocabulary[code] for code in labels.codes]
        paired.update(zip(paired_ids(batch), zip(scores, texts, strict=True), strict=True))
        challenger = np.frombuffer(batch.challenger_scores)
        assert len(challenger) == batch.rows
        assert not np.array_equal(challenger, np.frombuffer(batch.champion_scores))
        timed = np.frombuffer(batch.requests.challenger_us, "<i8") > 0
        assert ((np.frombuffer(batch.requests.champion_us, "<i8") > 0) <= timed).all()
    assert paired == asked, "each row once, with the champion's own answer"
    metrics = server.ask("GET", "/metrics")[1].decode()
    labels_of = 'model="flight-delay",version="2",rollout="5",champion="1"'
    assert f'pilothouse_shadow_requests_total{{{labels_of},outcome="paired"}} 12' in metrics
    assert f'pilothouse_shadow_requests_total{{{labels_of},outcome="dropped"}} 0' in metrics
    assert 'pilothouse_trial_info{model="flight-delay",version="2",mode="shadow"} 1' in metrics
    server.terminate()
    wait_until(lambda: stored_rows(hub)[1, ROLLOUT, 0.0] == 36)
    assert sum(stored_rows(hub).values()) == 36, "nothing of the shadow is among the predictions"


def test_the_shadow_gives_the_same_answers_as_the_version_itself(
    launch: Launch, hub: TestHub, first: ModelFile, second: ModelFile
) -> None:
    body = body_of(3, temp={"datatype": "FP64", "data": [0.9, -0.4, 0.1]})
    hub.try_beside(first, second, "shadow")
    server = launch(hub)
    server.wait_until_ready()
    in_trial(hub)
    server.infer("flight-delay", body)
    wait_until(lambda: len(pairs_of(hub)) == 1)
    shadowed = np.frombuffer(pairs_of(hub)[0].challenger_scores).tolist()
    hub.desire(second)  # promoted
    wait_until(lambda: answered_by(server) == "2")
    assert outputs_of(server.infer("flight-delay", body)[1])["score"] == shadowed


@pytest.mark.parametrize("mode", ["shadow", "canary"])
@pytest.mark.parametrize("end", ["promoted", "aborted"])
def test_a_trial_ends_without_a_failed_request(
    launch: Launch, hub: TestHub, first: ModelFile, second: ModelFile, mode: str, end: str
) -> None:
    hub.try_beside(first, second, mode, 0.5)
    server = launch(hub)
    server.wait_until_ready()
    in_trial(hub)
    seen: list[tuple[int, str]] = []
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            status, body = server.ask("POST", f"{MODEL}/infer", body_of(1))
            seen.append((status, str(json.loads(body).get("model_version"))))

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        wait_until(lambda: len(seen) > 60)
        last = "2" if end == "promoted" else "1"
        hub.desire(second if end == "promoted" else first)
        wait_until(lambda: hub.report is not None and hub.report.trials == [])
        wait_until(lambda: hub.report is not None and hub.report.loaded == {"flight-delay": int(last)})
        after = len(seen) + 3
        wait_until(lambda: len(seen) > after + 60)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert {status for status, _ in seen} == {200}
    assert {version for _, version in seen[after:]} == {last}
    if mode == "canary":
        assert {version for _, version in seen} == {"1", "2"}
    server.terminate()
    wait_until(lambda: sum(stored_rows(hub).values()) == len(seen))
    by_version = Counter(version for _, version in seen)
    for version in (1, 2):
        stored = sum(rows for (number, _, _), rows in stored_rows(hub).items() if number == version)
        assert stored == by_version[str(version)], "each event is in the stream of the version that answered"
    digests = {path.name for path in (server.folder / "artifacts").rglob("*") if path.is_file()}
    kept = second if last == "2" else first
    assert digests == {kept.desired.model_digest, kept.desired.schema_digest}


def test_a_challenger_that_cannot_be_loaded_is_reported_and_stops_nothing(
    launch: Launch, hub: TestHub, first: ModelFile, second: ModelFile
) -> None:
    broken = ModelFile("flight-delay", 2, b"no model at all", second.schema)
    hub.try_beside(first, broken, "canary", 1.0)
    server = launch(hub)
    server.wait_until_ready()
    in_trial(hub, "failed")
    assert hub.report is not None
    (trial,) = hub.report.trials
    assert (trial.rollout, trial.model, trial.version, trial.mode) == (ROLLOUT, "flight-delay", 2, "canary")
    assert trial.reason
    assert (hub.report.loaded, hub.report.failed) == ({"flight-delay": 1}, {})
    assert answered_by(server) == "1"
    assert server.ask("GET", "/v2/health/ready")[0] == 200
    hub.desire(first, trials=[DesiredTrial(6, second.desired, "mirror")])
    hub.store(second)
    wait_until(lambda: hub.report is not None and [t.rollout for t in hub.report.trials] == [6])
    in_trial(hub, "failed")
    assert "no trial of the kind mirror" in hub.report.trials[0].reason
    assert answered_by(server) == "1"


def test_a_challenger_that_the_hub_is_away_for_has_not_failed(first: ModelFile, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("token")
    wanted = DesiredTrial(ROLLOUT, first.desired, "shadow")
    trials = Trials(tmp_path, HubClient(tmp_path / "none.sock", tmp_path / "token"), threading.Event())
    trials.desire([wanted], {})
    trials._load(wanted, ())

    (report,) = trials.reports({})
    assert report.state == "loading"
    assert "the hub does not answer" in report.reason


class ComingBack(HubClient):
    """A hub that is away while the files of a version are fetched, and back before anything is reported."""

    def __init__(self, folder: Path, file: ModelFile) -> None:
        super().__init__(folder / "none.sock", folder / "token")
        self.file, self.is_away, self.reports = file, False, list[ServingReport]()
        self.told = threading.Event()

    def desired(self, revision: str, wait_s: int = 0) -> DesiredState | None:
        if self.is_away and revision:
            self.is_away = False
        return None if revision else DesiredState("ewr", "a", [self.file.desired])

    def artifact(self, digest: str) -> bytes:
        if not self.reports and not self.told.is_set():
            self.told.set()
            self.is_away = True
        if self.is_away:
            raise UnavailableError("the hub does not answer")
        return self.file.model if digest == self.file.desired.model_digest else self.file.schema

    def report(self, report: ServingReport) -> Exchange:
        if self.is_away:
            raise UnavailableError("the hub does not answer")
        self.reports.append(report)
        return Exchange(0, 0, 0, 0)


def test_a_live_version_that_the_hub_was_away_for_is_loaded_before_it_is_reported(
    first: ModelFile, tmp_path: Path
) -> None:
    def submit(work: Work) -> None:
        call_together_or_alone([work])

    hub = ComingBack(tmp_path, first)
    follower = Follower("ewr", tmp_path, hub, 1, lambda: 0, submit)
    follower.start()
    try:
        wait_until(lambda: bool(hub.reports))
    finally:
        follower.stop()

    assert hub.told.is_set()
    assert (hub.reports[0].loaded, hub.reports[0].failed) == ({"flight-delay": 1}, {})


class Refusing:
    """A real predictor that fails where it finds the value 666, and notes the rows of every call."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor, self.schema = predictor, predictor.schema
        self.calls: list[int] = []

    def predict_columns(self, columns: InputColumns) -> Prediction:
        self.calls.append(columns.rows)
        if (columns.numeric["temp"] == 666).any():
            raise ValueError("the number of the beast")
        return self._predictor.predict_columns(columns)


@pytest.fixture
def trial(first: ModelFile, second: ModelFile) -> LoadedTrial:
    champion, challenger = (
        LoadedVersion(file.desired, Predictor(file.model, InputSchema.from_bytes(file.schema)), (), 0)
        for file in (first, second)
    )
    refusing: Any = Refusing(challenger.predictor)
    tried = LoadedVersion(second.desired, refusing, (), 0)
    return LoadedTrial(ROLLOUT, "shadow", 0.0, b"", champion, (LoadedArm(0, tried, tried),))


def test_a_trial_of_which_a_column_was_made_private_ends_at_once(trial: LoadedTrial) -> None:
    def still(*private: str) -> dict[str, LoadedTrial]:
        wanted = DesiredTrial(ROLLOUT, trial.challenger.version, trial.mode)
        state = DesiredState("ewr", "a", [], {"flight-delay": list(private)}, [wanted])
        return _still(state, {"flight-delay": trial})

    assert still() == {"flight-delay": trial}
    assert still("temp") == {}


def offer(
    shadow: Shadow, trial: LoadedTrial, number: int, temp: float, rows: int = 2, computed_ns: int = 5_000
) -> None:
    columns = InputColumns(
        rows,
        {name: np.full(rows, temp) for name in NUMBERS},
        {name: ["AA"] * rows for name in CATEGORIES},
    )
    prediction = trial.champion.predictor.predict_columns(columns)
    answer = Answer(prediction, PredictionId("p", 0, number * rows), 9_000, computed_ns)
    shadow.offer(trial, columns, np.arange(rows, dtype=np.int64), answer)


def shadowed(folder: Path) -> list[PairBatch]:
    contents = [read_segment(path) for path in sorted(folder.glob("*.segment"))]
    made = [batch_of(content) for content in contents if content is not None]
    return [batch for batch in made if isinstance(batch, PairBatch)]


def test_a_challenger_that_fails_costs_its_own_pairs_alone(trial: LoadedTrial, tmp_path: Path) -> None:
    spool = Spool(tmp_path, "ewr", SpoolLimits(free_bytes=0))
    spool.start()
    shadow = Shadow(spool)
    for number in range(40):
        offer(shadow, trial, number, 666.0 if number in (7, 30) else number / 10)
    shadow.start()
    shadow.stop()
    spool.close()
    (batch,) = shadowed(tmp_path)
    assert (batch.rows, batch.failed, batch.dropped, batch.unfit) == (76, 2, 0, 0)
    assert not {f"p.0.{row}" for row in (14, 15, 60, 61)} & set(paired_ids(batch))
    assert len(set(paired_ids(batch))) == 76
    counts = next(iter(shadow.counts.values()))
    assert (counts.paired, counts.failed) == (38, 2)
    timed = np.frombuffer(batch.requests.challenger_us, "<i8")
    assert np.frombuffer(batch.requests.champion_us, "<i8")[timed > 0].tolist() == [5] * int(
        (timed > 0).sum()
    )


def test_requests_share_calls_in_the_shadow_but_for_the_one_that_is_timed(
    trial: LoadedTrial, tmp_path: Path
) -> None:
    spool = Spool(tmp_path, "ewr", SpoolLimits(free_bytes=0))
    spool.start()
    shadow = Shadow(spool)
    for number in range(300):
        offer(shadow, trial, number, number / 100)
    shadow.start()
    shadow.stop()
    spool.close()
    refusing: Any = trial.challenger.predictor
    assert refusing.calls == [2, 256, 256, 86]
    (batch,) = shadowed(tmp_path)
    assert (np.frombuffer(batch.requests.challenger_us, "<i8") > 0).sum() == 1


def test_a_call_is_timed_only_beside_one_of_the_champions_that_was(
    trial: LoadedTrial, tmp_path: Path
) -> None:
    spool = Spool(tmp_path, "ewr", SpoolLimits(free_bytes=0))
    spool.start()
    shadow = Shadow(spool)
    for number, computed_ns in enumerate(
        (0, 400, 6_000)
    ):  # one shared its call, of one the clock saw nothing
        offer(shadow, trial, number, 0.5, computed_ns=computed_ns)
    offer(shadow, trial, 3, 666.0, computed_ns=0)  # makes the others be asked one by one
    shadow.start()
    shadow.stop()
    spool.close()
    (batch,) = shadowed(tmp_path)
    asked = batch.requests
    times = zip(
        np.frombuffer(asked.champion_us, "<i8"), np.frombuffer(asked.challenger_us, "<i8"), strict=True
    )
    assert sorted((int(ours), bool(theirs)) for ours, theirs in times) == [(0, False), (0, False), (6, True)]


def test_what_is_too_much_for_the_shadow_is_dropped_and_counted(trial: LoadedTrial, tmp_path: Path) -> None:
    spool = Spool(tmp_path, "ewr", SpoolLimits(free_bytes=0))
    spool.start()
    shadow = Shadow(spool)
    for number in range(5):
        offer(shadow, trial, number, 0.5, rows=8_000)
    shadow.start()
    shadow.stop()
    spool.close()
    batches = shadowed(tmp_path)
    assert (sum(b.rows for b in batches), sum(b.dropped for b in batches)) == (24_000, 2)


def test_pairs_that_the_disk_refuses_are_counted_as_dropped_once_it_takes_more(
    trial: LoadedTrial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path, "ewr", SpoolLimits(free_bytes=0, age_s=0.0))
    spool.start()
    shadow = Shadow(spool)
    shadow.start()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    counts = shadow._counts(PairStream(ROLLOUT, "flight-delay", 1, 2))
    with monkeypatch.context() as patch:
        patch.setattr("pilothouse.serving.delivery.spool._write_all", full)
        offer(shadow, trial, 0, 0.5)
        wait_until(lambda: bool(spool._space.refusal))
        offer(shadow, trial, 1, 0.5)  # finds no room at once
        wait_until(lambda: counts.full + counts.lost == 2)
    spool._consider_space()
    spool._space.refusal = ""
    offer(shadow, trial, 2, 0.5)
    shadow.stop()
    spool.close()
    batches = shadowed(tmp_path)
    assert (sum(b.rows for b in batches), sum(b.dropped for b in batches)) == (2, 2)
    assert (counts.paired, counts.full, counts.lost) == (1, 1, 1)


def test_another_schema_is_a_reason_and_each_request_is_counted(
    launch: Launch, hub: TestHub, first: ModelFile, second: ModelFile
) -> None:
    shape = InputSchema.from_bytes(first.schema)
    fewer = InputSchema(
        shape.model, shape.task, shape.classes, shape.timestamp, shape.columns[1:], shape.private
    )
    narrow = ModelFile("flight-delay", 1, _portable(fewer), fewer.to_bytes())
    hub.try_beside(narrow, second, "shadow")
    server = launch(hub)
    server.wait_until_ready()
    in_trial(hub)
    wait_until(lambda: hub.report is not None and bool(hub.report.trials[0].reason))
    assert hub.report is not None
    assert "needs the input distance" in hub.report.trials[0].reason
    for _ in range(4):
        assert server.infer("flight-delay", body_of(2, distance=None))[0] == 200
    wait_until(lambda: sum(batch.unfit for batch in pairs_of(hub)) == 4)
    assert sum(batch.rows for batch in pairs_of(hub)) == 0
    hub.try_beside(narrow, second, "canary", 1.0)  # nor does a client's request fail for it
    in_trial(hub)
    wait_until(lambda: hub.report is not None and hub.report.trials[0].mode == "canary")
    assert server.infer("flight-delay", body_of(1, distance=None))[1]["model_version"] == "1"


def _portable(shape: InputSchema) -> bytes:
    from pilothouse.inference.columns import InputColumns
    from pilothouse.inference.encoding import frame
    from pilothouse.inference.safe_format import dump_model
    from pilothouse.training.models.estimators import build_pipeline

    rng = np.random.default_rng(4)
    columns = InputColumns(
        200,
        {name: rng.normal(size=200) for name in shape.numeric},
        {name: [str(v) for v in rng.choice(["AA", "UA"], 200)] for name in shape.categorical},
    )
    pipeline = build_pipeline(
        "sklearn.ensemble.HistGradientBoostingClassifier", {"max_iter": 4}, shape, seed=0, threads=1
    )
    pipeline.fit(frame(shape, columns), (columns.numeric["temp"] > 0).astype(int))
    return dump_model(pipeline)


def test_what_makes_a_challenger_unfit() -> None:
    champion = schema("flight-delay")

    def changed(**changes: Any) -> InputSchema:
        return InputSchema(**{**{n: getattr(champion, n) for n in InputSchema.__slots__}, **changes})

    assert unfit(champion, champion) == ""
    assert unfit(champion, changed(columns=champion.columns[:3])) == "", "it may do with less"
    assert "other classes" in unfit(champion, changed(classes=("no", "yes")))
    new = changed(columns=(*champion.columns, InputColumn("wind", "number")))
    assert "needs the input wind" in unfit(champion, new)
    coded = changed(columns=(InputColumn("distance", "category"), *champion.columns[1:]))
    assert unfit(champion, coded) == "it reads the input distance as a category, the live version as a number"
    assert "'NA' as a value" in unfit(changed(missing=("NA",)), champion)
    assert unfit(champion, changed(missing=("NA",))) == ""


def test_a_process_that_was_killed_shadows_on_and_every_pair_counts_once(
    launch: Launch, hub: TestHub, first: ModelFile, second: ModelFile
) -> None:
    """kill -9 with the hub away, twice; receipts lost: every pair is of an answered request, and none is there twice."""
    hub.try_beside(first, second, "shadow")
    server = launch(hub)
    server.wait_until_ready()
    in_trial(hub)
    hub.lose_receipts = 3
    answered: list[str] = []
    for kill in range(3):
        for _ in range(15):
            status, answer = server.infer("flight-delay", body_of(2))
            assert status == 200
            answered += outputs_of(answer)["prediction_id"]
        if kill == 1:
            hub.stop()
        server.kill()
        if kill == 1:
            server = launch(hub)
            server.wait_until_ready()
            server.infer("flight-delay", body_of(1))
            hub.start()
            server.kill()
        server = launch(hub)
        server.wait_until_ready()
        shadowing(server)
    last = outputs_of(server.infer("flight-delay", body_of(1))[1])["prediction_id"]
    wait_until(lambda: last[0] in {id_ for batch in pairs_of(hub) for id_ in paired_ids(batch)})
    server.terminate()
    wait_until(lambda: set(answered) <= set(hub.prediction_ids()))
    paired = [id_ for batch in pairs_of(hub) for id_ in paired_ids(batch)]
    assert len(paired) == len(set(paired))
    assert set(paired) <= set(hub.prediction_ids()), "a pair names a prediction that is stored"


def test_pairs_that_wait_for_the_hub_leave_predictions_half_of_the_spool(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "ewr", SpoolLimits(total_bytes=1_000, free_bytes=0))
    assert spool.takes_pairs
    spool._sealed_bytes = 500
    assert not spool.takes_pairs
    spool.check()


def test_pairs_that_an_earlier_hub_does_not_know_hold_up_nothing(
    launch: Launch, hub: TestHub, first: ModelFile, second: ModelFile
) -> None:
    hub.knows_pairs = False
    hub.try_beside(first, second, "shadow")
    server = launch(hub)
    server.wait_until_ready()
    in_trial(hub)
    server.infer("flight-delay", body_of(2))
    refused = server.folder / "spool" / "refused"
    wait_until(lambda: refused.is_dir() and len(list(refused.iterdir())) == 1)
    server.infer("flight-delay", body_of(2))
    server.terminate()
    wait_until(lambda: sum(stored_rows(hub).values()) == 4)


def test_the_messages_of_the_release_before_and_of_this_one_read_each_other() -> None:
    version = DesiredVersion("flight-delay", 1, "a" * 64, "b" * 64)
    old: dict[str, Any] = {"target": "ewr", "revision": "r", "versions": [msgspec.to_builtins(version)]}
    read = msgspec.msgpack.decode(msgspec.msgpack.encode(old), type=DesiredState)
    assert read == DesiredState("ewr", "r", [version])
    new = DesiredState("ewr", "r", [version], {}, [DesiredTrial(5, version, "shadow")])

    class Before(msgspec.Struct):
        """The state as the release before reads it."""

        target: str
        revision: str
        versions: list[DesiredVersion]
        private_columns: dict[str, list[str]] = {}

    before = msgspec.msgpack.decode(msgspec.msgpack.encode(new), type=Before)
    assert (before.target, before.versions) == ("ewr", [version])
    assert re.fullmatch(r"[a-z]+", new.trials[0].mode)


def test_a_full_spool_refuses_predictions_only_after_it_has_dropped_pairs(
    launch: Launch, hub: TestHub, first: ModelFile, second: ModelFile
) -> None:
    """The hub away and room for a MiB: what was answered is at the hub later, pairs or a count for each of it."""
    hub.try_beside(first, second, "shadow")
    server = launch(hub, "--spool-mb", "1")
    server.wait_until_ready()
    in_trial(hub)
    hub.stop()
    status, answer = server.infer("flight-delay", body_of(1))
    answered = list(outputs_of(answer)["prediction_id"])
    # a quick disk is full before the shadow's first round: one pair is there before the flood
    wait_until(lambda: b'outcome="paired"} 1' in server.ask("GET", "/metrics")[1])
    requests = 1
    while status == 200:
        status, answer = server.infer("flight-delay", body_of(800))
        if status == 200:
            requests += 1
            answered += outputs_of(answer)["prediction_id"]
    assert (status, "the spool holds" in answer["error"]) == (503, True)
    hub.start()
    wait_until(lambda: set(answered) <= set(hub.prediction_ids()))
    wait_until(lambda: server.infer("flight-delay", body_of(1))[0] == 200)
    server.terminate()

    def counted() -> tuple[int, int]:
        batches = pairs_of(hub)
        return sum(len(b.requests) for b in batches), sum(b.dropped for b in batches)

    wait_until(lambda: sum(counted()) == requests + 1)
    paired, dropped = counted()
    assert paired + dropped == requests + 1
    assert dropped > 0
    assert paired > 1
