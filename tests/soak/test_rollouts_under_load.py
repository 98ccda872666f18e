"""Roll-outs under load: a real daemon, real serving processes, clients that never pause, one thing after another that fails.

Every request is answered or refused with a code, and every answered row is stored once, in the version that its answer named.
PH_ROLLOUT_RATE says how many requests a second each target gets (50; 250 in the long form).
"""

import contextlib
import http.client
import json
import math
import os
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pilothouse.confinement import probe
from pilothouse.daemon import control
from pilothouse.daemon.serving_supervisor import running_servers
from pilothouse.domain.confinement import confines
from pilothouse.domain.identity.roles import Role
from pilothouse.domain.rollouts.rollout import Rollout, RolloutState
from pilothouse.operations.catalogue import require_version
from pilothouse.operations.promotion import deployments, promotions
from pilothouse.operations.rollouts import steering
from pilothouse.operations.workspace import apply_models, audits, workspaces
from pilothouse.serving.prediction.trial_arms import takes
from pilothouse.store.promotion import rollouts
from pilothouse.system.processes import is_alive
from pilothouse.telemetry.intake.streams import list_streams
from pilothouse.telemetry.trial_pairs import TrialName, arms, pair_counts
from support import wait_until
from support.raw_http import RawConnection
from support.registered_versions import register
from support.small_workspace import SmallWorkspace, make_small_workspace
from support.soak_plan import size

pytestmark = [
    pytest.mark.loop,
    pytest.mark.skipif(not confines(probe.offered()), reason="nothing confines here"),
]
RATE = float(os.environ.get("PH_ROLLOUT_RATE", size(50, 250)))
CLIENTS, SHARE, TARGETS = max(3, round(RATE / 25)), 0.2, ("ewr", "jfk")
DISK_MB = 192  # the spool leaves 128 MB of a disk to others
PATIENCE_S = 120
PLANS = f"""
[[plan]]
name = "careful"
[[plan.wave]]
name = "first"
select = {{ name = "ewr" }}
[[plan.wave.step]]
kind = "shadow"
go_on = "time"
requests = {size(60, 3_000)}
[[plan.wave.step]]
kind = "canary"
go_on = "time"
share = {SHARE}
requests = {size(40, 1_000)}
[[plan.wave.step]]
kind = "live"
requests = {size(40, 1_000)}
[[plan.wave]]
name = "rest"
"""


@dataclass
class Answer:
    """What a client was told. ``version`` and ``ids`` are empty where it was refused."""

    target: str
    key: str
    status: int
    version: int
    ids: list[str]


@dataclass
class Load:
    """Clients of both targets that ask at a rate until they are stopped; a broken connection is made again."""

    port: Callable[[str], int | None]
    answers: list[Answer] = field(default_factory=list)
    broken: Counter[str] = field(default_factory=Counter)
    """Rows of requests whose connection ended before the answer: nothing was acknowledged."""
    stopping: threading.Event = field(default_factory=threading.Event)
    threads: list[threading.Thread] = field(default_factory=list)
    began: float = 0.0
    seconds: float = 0.0
    """Seconds for which it asked."""

    def begin(self) -> None:
        self.began = time.monotonic()
        self.threads = [
            threading.Thread(target=self._ask, args=(target, i)) for target in TARGETS for i in range(CLIENTS)
        ]
        for thread in self.threads:
            thread.start()

    def end(self) -> None:
        if not self.stopping.is_set():
            self.seconds = time.monotonic() - self.began
        self.stopping.set()
        for thread in self.threads:
            thread.join()

    def seen(self, target: str, **of: object) -> int:
        """Answers of a target with these attributes."""
        return sum(
            one.target == target and all(getattr(one, name) == value for name, value in of.items())
            for one in list(self.answers)
        )

    def _ask(self, target: str, client: int) -> None:
        number, due = 0, time.monotonic()
        connection: RawConnection | None = None
        while not self.stopping.is_set():
            due = max(due + CLIENTS / RATE, time.monotonic() - 1)  # an outage is not caught up with
            self.stopping.wait(max(due - time.monotonic(), 0))
            number += 1
            key, rows = f"{target}-{client}-{number}", 1 + number % 2
            data = [{"wind": (number * 7 + row) % 20, "load": row / 3} for row in range(rows)]
            body = json.dumps({"rows": data}).encode()
            if number % 41 == 0:
                body = b'{"rows": [{"gale": 1}]}'  # a client's fault, which is refused with a code
            try:
                if connection is None:
                    port = self.port(target)
                    if port is None:
                        continue
                    connection = RawConnection(port)
                status, told = connection.post("/v2/models/delay/predict", body, X_Request_Key=key)
                answer = json.loads(told)
            except OSError:
                self.broken[target] += rows
                if connection is not None:
                    connection.close()
                connection = None
                continue
            ids = [row["prediction_id"] for row in answer.get("rows", [])]
            self.answers.append(Answer(target, key, status, int(answer.get("version", 0)), ids))
        if connection is not None:
            connection.close()


class Place:
    """The workspace, its daemon, and what goes out in it."""

    def __init__(self, root: Path, small_disk: bool) -> None:
        self.shop: SmallWorkspace = make_small_workspace(root)
        self.root, self.paths = root, self.shop.services.paths
        services, shop = self.shop.services, self.shop
        workspaces.grant_role(services, shop.admin, "oscar", Role.OPERATOR)
        self.oscar = workspaces.identify(services, "oscar")
        file = root / "models" / "delay" / "model.toml"
        file.write_text(file.read_text() + '\n[[targets]]\nname = "jfk"\n')
        apply_models.apply(services, shop.admin)
        for number in range(1, 6):
            register(shop, number)
        self.approve(1)
        (root / "plans.toml").write_text(PLANS)
        file.write_text(file.read_text().replace("[promotion]\n", '[promotion]\nplan = "careful"\n'))
        apply_models.apply(services, shop.admin)
        self.disk = self.paths.serving_folder("ewr")
        self.mounted = small_disk and _mount(self.disk)
        self.daemon = control.start_in_background(root)

    def close(self) -> None:
        control.stop(self.root)
        control.stop_serving(self.root)
        if self.mounted:
            subprocess.run(["umount", "-l", self.disk], check=True)
        self.shop.services.close()

    def port(self, target: str) -> int | None:
        server = running_servers(self.paths).get(target)
        return server.port if server else None

    def approve(self, version: int) -> int:
        """Request and approve a version; the number of its roll-out, 0 where there is no plan yet."""
        services, shop = self.shop.services, self.shop
        asked = promotions.request_promotion(services, shop.scientist, f"delay/{version}", None, "a test")
        promotions.approve(services, shop.approver, asked.id, asked.evidence_digest)
        with services.registry.read() as connection:
            found = rollouts.of_request(connection, asked.id)
        return found.id if found else 0

    def rollout(self, number: int) -> Rollout:
        with self.shop.services.registry.read() as connection:
            found = rollouts.find(connection, number)
        assert found is not None
        return found

    def reaches(self, number: int, *states: str) -> None:
        """Wait until ewr is in one of these states, or the roll-out is."""

        def reached() -> bool:
            one = self.rollout(number)
            return one.state in states or any(t.target == "ewr" and t.state in states for t in one.targets)

        wait_until(reached, PATIENCE_S)

    def live(self) -> dict[str, int]:
        found = deployments.list_deployments(self.shop.services, self.shop.admin, live_only=True)
        assert len(found) == len(TARGETS)
        return {one.target: one.version for one in found}

    def lift_hold(self) -> None:
        if deployments.list_holds(self.shop.services, self.oscar, "delay"):
            deployments.lift_hold(self.shop.services, self.oscar, "delay", "seen")

    def stored(self) -> Counter[tuple[str, int]]:
        with self.shop.services.telemetry.read() as connection:
            rows: Counter[tuple[str, int]] = Counter()
            for one in list_streams(connection):
                rows[one.target, one.version] += one.rows
        return rows


def _mount(folder: Path) -> bool:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    options = f"size={DISK_MB}m,mode=0700"
    return not subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, check=False
    ).returncode


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path / "w", small_disk=True)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def load(place: Place) -> Iterator[Load]:
    for target in TARGETS:
        wait_until(lambda target=target: _answers(place, target), PATIENCE_S)
    made = Load(place.port)
    made.begin()
    try:
        yield made
    finally:
        made.end()


def _answers(place: Place, target: str) -> bool:
    port = place.port(target)
    if port is None:
        return False
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/v2/health/ready")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def test_whatever_happens_in_a_roll_out_no_answered_row_is_lost_or_ascribed_to_another_version(
    place: Place, load: Load
) -> None:
    services = place.shop.services
    # a promotion: in the shadow, as a canary, live on one, live on the other; the hub is killed in its midst
    promoted = place.approve(2)
    place.reaches(promoted, "shadow")
    place.reaches(promoted, "canary")
    os.kill(place.daemon.pid, signal.SIGKILL)
    wait_until(lambda: not is_alive(place.daemon))
    before = len(load.answers)
    wait_until(lambda: len(load.answers) > before + 50, PATIENCE_S)  # with the hub away
    place.daemon = control.start_in_background(place.root)
    wait_until(lambda: place.rollout(promoted).state is RolloutState.COMPLETED, PATIENCE_S)
    assert place.live() == {"ewr": 2, "jfk": 2}

    # aborted as a canary
    aborted = place.approve(3)
    place.reaches(aborted, "canary")
    wait_until(lambda: load.seen("ewr", version=3) >= 5, PATIENCE_S)
    steering.abort(services, place.oscar, aborted, "a test")
    assert place.live() == {"ewr": 2, "jfk": 2}
    place.lift_hold()

    # an artifact whose bytes are not those that were approved
    with services.registry.read() as connection:
        digest = require_version(connection, "delay/4").model_digest
    artifact = services.artifacts.path(digest)
    artifact.chmod(0o600)
    artifact.write_bytes(b"not the model " * 100)
    bad = place.approve(4)
    wait_until(lambda: not place.rollout(bad).state.is_open, PATIENCE_S)
    assert place.rollout(bad).state is RolloutState.ROLLED_BACK
    assert "cannot load delay/4" in place.rollout(bad).why
    assert place.live() == {"ewr": 2, "jfk": 2}
    place.lift_hold()

    # a target that is killed while it answers a canary is started again, and tries the version again
    killed = place.approve(5)
    place.reaches(killed, "canary", "live")
    victim = running_servers(place.paths)["ewr"].process
    os.kill(victim.pid, signal.SIGKILL)
    wait_until(lambda: not is_alive(victim))
    wait_until(lambda: place.rollout(killed).state is RolloutState.COMPLETED, PATIENCE_S)
    assert place.live() == {"ewr": 5, "jfk": 5}

    # rolled back by hand
    deployments.roll_back(services, place.oscar, "delay", None, "a test")
    assert place.live() == {"ewr": 2, "jfk": 2}
    wait_until(lambda: _last(load, "jfk").version == 2, PATIENCE_S)

    if place.mounted:
        with _full(place.disk):
            wait_until(lambda: load.seen("ewr", status=503) >= 10, PATIENCE_S)
        refused = load.seen("ewr", status=503)
        wait_until(lambda: _last(load, "ewr").status == 200, PATIENCE_S)
        print(f"{refused} requests refused while the disk was full")

    load.end()
    control.stop_serving(
        place.root
    )  # what is spooled goes to the hub before they end, or with the next start
    control.stop(place.root)
    place.daemon = control.start_in_background(place.root)
    every_answer_is_stored(place, load)
    every_version_answered_its_own(place, load, promoted, aborted)
    assert audits.verify(services, place.shop.admin).count > 0


def _last(load: Load, target: str) -> Answer:
    return next(one for one in reversed(load.answers) if one.target == target)


@contextlib.contextmanager
def _full(disk: Path) -> Iterator[None]:
    filler = disk / "filler"
    with filler.open("wb") as stream, contextlib.suppress(OSError):
        while True:
            os.write(stream.fileno(), b"\0" * (1 << 20))
    try:
        yield
    finally:
        filler.unlink()


def every_answer_is_stored(place: Place, load: Load) -> None:
    """Events in = events stored; what came on a connection that was killed may be stored too, unacknowledged."""
    acknowledged: Counter[tuple[str, int]] = Counter()
    for one in load.answers:
        assert one.status in (200, 400, 503), one
        if one.status == 200:
            acknowledged[one.target, one.version] += len(one.ids)

    def settled() -> bool:
        stored = place.stored()
        return all(stored[key] >= rows for key, rows in acknowledged.items())

    wait_until(settled, PATIENCE_S)
    stored = place.stored()
    assert set(stored) == set(acknowledged)
    for target in TARGETS:
        extra = sum(stored[key] - rows for key, rows in acknowledged.items() if key[0] == target)
        assert 0 <= extra <= load.broken[target], (target, extra)
    with place.shop.services.telemetry.read() as connection:
        version_of = {
            f"{name}.{sequence}": version
            for name, sequence, version in connection.execute(
                "SELECT p.name, b.sequence, s.version FROM batches b JOIN producers p ON p.id = b.producer_id "
                "JOIN streams s ON s.id = b.stream_id"
            )
        }
    ids = [id_ for one in load.answers for id_ in one.ids]
    assert len(set(ids)) == len(ids)
    for one in load.answers:
        assert {version_of[id_.rpartition(".")[0]] for id_ in one.ids} <= {one.version}, one
    codes = Counter(one.status for one in load.answers)
    print(
        f"{len(load.answers):,} requests in {load.seconds:.0f} s ({len(load.answers) / load.seconds:.0f}/s), {dict(codes)}, "
        f"{dict(load.broken)} rows on broken connections, {dict(stored)}"
    )


def every_version_answered_its_own(place: Place, load: Load, promoted: int, aborted: int) -> None:
    """No version answered before its turn: a canary the keys that hash to it, and one that could not be loaded nobody."""
    by: dict[int, list[Answer]] = {}
    for one in load.answers:
        by.setdefault(one.version, []).append(one)
    assert set(by) - {0} == {1, 2, 3, 5}
    salt = place.rollout(aborted).salt.encode()
    assert all(one.target == "ewr" and takes(salt, SHARE, one.key.encode()) for one in by[3])
    for number, challenger in ((promoted, 2), (aborted, 3)):
        with place.shop.services.telemetry.read() as connection:
            found: dict[int, Any] = {
                one.version: one
                for one in arms(connection, TrialName(number, "delay", "ewr"))
                if one.share == SHARE
            }
            pairs = pair_counts(connection, TrialName(number, "delay", "ewr"))
        asked = sum(one.requests for one in found.values())
        taken, spread = found[challenger].requests, math.sqrt(asked * SHARE * (1 - SHARE))
        assert abs(taken - SHARE * asked) <= 3.29 * spread + 1, "within the binomial bounds of 99.9 %"
        assert pairs.paired > 0
        print(f"roll-out {number}: {taken} of {asked} by the canary, {pairs}")
