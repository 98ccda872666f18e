"""A remote target across a bad network, in a namespace of its own: packets delayed and lost, the hub away without a word, the
far machine at another address. Every answered prediction is stored once. ``make proof-far`` runs it, as root."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from pilothouse.operations.fleet import places
from support import leftovers, wait_until
from support.far_network import FAR, HUB, OTHER, FarNetwork
from support.remote_places import FarProcess, RemoteHub, make_remote_hub, serve_far

pytestmark = pytest.mark.skipif(
    os.environ.get("PH_FAR_NETWORK") != "1", reason="needs root and a network namespace: make proof-far"
)
ASK = """
import http.client, json, sys, time
port, seconds, ids = int(sys.argv[1]), float(sys.argv[2]), []
connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
end = time.monotonic() + seconds
body = json.dumps({"rows": [{"wind": 3.0, "load": 0.5}]})
statuses = {}
while time.monotonic() < end:
    connection.request("POST", "/v2/models/delay/predict", body)
    answer = connection.getresponse()
    read = json.loads(answer.read())
    statuses[answer.status] = statuses.get(answer.status, 0) + 1
    ids += [row["prediction_id"] for row in read.get("rows", [])]
    time.sleep(0.01)
print(json.dumps([ids, statuses]))
"""


def stored(hub: RemoteHub) -> Counter[str]:
    with hub.shop.services.telemetry.read() as connection:
        found = connection.execute(
            "SELECT p.name, b.sequence, b.rows FROM batches b JOIN producers p ON p.id = b.producer_id"
        ).fetchall()
    return Counter(f"{name}.{number}.{row}" for name, number, rows in found for row in range(rows))


@pytest.fixture
def network() -> Iterator[FarNetwork]:
    with FarNetwork() as made:
        hosts = Path("/etc/netns") / made.namespace / "hosts"
        hosts.parent.mkdir(parents=True)
        hosts.write_text(f"127.0.0.1 localhost\n{HUB} hub.test\n")
        try:
            yield made
        finally:
            hosts.unlink()
            hosts.parent.rmdir()


@pytest.fixture
def hub(tmp_path: Path, network: FarNetwork) -> Iterator[RemoteHub]:
    with leftovers.shared("hub", "socket:"):
        made = make_remote_hub(tmp_path, names=("localhost", "hub.test"), listen="0.0.0.0")
        made.open()
        yield made
        made.close()


@pytest.fixture
def far(hub: RemoteHub, network: FarNetwork, tmp_path: Path) -> Iterator[FarProcess]:
    url, prefix = f"https://hub.test:{hub.port}", ("ip", "netns", "exec", network.namespace)
    process = serve_far(tmp_path / "far", url, hub.authority, token=hub.token().token, prefix=prefix)
    try:
        wait_until(lambda: heard(hub), 60)
        yield process
    finally:
        process.end()


def heard(hub: RemoteHub) -> bool:
    """The target says that it runs what it should."""
    assert hub.pulse is not None
    hub.pulse.beat()
    places.compare(hub.shop.services)
    found = places.list_places(hub.shop.services, hub.shop.admin)["far"]
    return found.clock is not None and not found.differences


def is_down(hub: RemoteHub) -> bool:
    return not heard(hub)


def begin(network: FarNetwork, far: FarProcess, seconds: float) -> subprocess.Popen[bytes]:
    command = ["ip", "netns", "exec", network.namespace, sys.executable, "-I", "-c", ASK, str(far.port)]
    return subprocess.Popen([*command, str(seconds)], stdout=subprocess.PIPE)


def asked(client: subprocess.Popen[bytes]) -> list[str]:
    """Ids of what was answered: all of it with 200, whatever the network did."""
    ids, statuses = json.loads(client.communicate(timeout=120)[0])
    assert statuses.keys() == {"200"}, statuses
    return list(ids)


def all_stored(hub: RemoteHub, ids: list[str], within_s: float) -> float:
    """Seconds until the hub has these and no others, each once."""
    began = time.monotonic()
    wait_until(lambda: stored(hub) == Counter(ids), within_s)
    return time.monotonic() - began


def test_packets_that_are_late_and_lost_lose_no_prediction(
    hub: RemoteHub, network: FarNetwork, far: FarProcess
) -> None:
    network.delay_s, network.loss = 0.1, 0.15
    ids = asked(begin(network, far, 10))
    took = all_stored(hub, ids, 90)
    clock = places.list_places(hub.shop.services, hub.shop.admin)["far"].clock
    assert clock is not None
    assert not clock.matters
    print(
        f"{len(ids)} predictions, 15 % of packets lost, 100 ms each way: all stored {took:.1f} s after the last"
    )


def test_a_hub_that_is_away_without_a_word_gets_all_when_it_is_back(
    hub: RemoteHub, network: FarNetwork, far: FarProcess
) -> None:
    client = begin(network, far, 30)
    wait_until(lambda: bool(stored(hub)), 30)
    network.cut = True  # neither side is told: half-open connections
    wait_until(lambda: is_down(hub), 40)
    network.cut = False
    began = time.monotonic()
    wait_until(lambda: heard(hub), 60)
    back = time.monotonic() - began
    took = all_stored(hub, asked(client), 60)
    print(f"heard of again {back:.1f} s after the network was back; all stored {took:.1f} s after the last")


def test_a_machine_that_moves_to_another_address_is_heard_of_again(
    hub: RemoteHub, network: FarNetwork, far: FarProcess
) -> None:
    client = begin(network, far, 20)
    wait_until(lambda: bool(stored(hub)), 30)
    network.move(FAR, OTHER)
    began, before = time.monotonic(), len(stored(hub))
    wait_until(lambda: len(stored(hub)) > before + 100, 60)
    print(f"new predictions {time.monotonic() - began:.1f} s after the address changed")
    all_stored(hub, asked(client), 60)


def test_connections_of_a_machine_that_has_gone_are_given_up_by_the_hub(
    hub: RemoteHub, network: FarNetwork
) -> None:
    """Bodies that were begun hold room of their target until the hub knows that nobody is there."""
    code = (
        "import socket, sys, time\n"
        "held = [socket.create_connection((sys.argv[1], int(sys.argv[2]))) for _ in range(20)]\n"
        "print('there', flush=True)\ntime.sleep(600)\n"
    )
    command = ["ip", "netns", "exec", network.namespace, sys.executable, "-I", "-c", code, HUB, str(hub.port)]
    client = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert client.stdout is not None
    client.stdout.readline()
    network.cut = True
    client.kill()
    client.wait()
    client.stdout.close()

    def open_ones() -> int:
        found = subprocess.run(
            ["ss", "-Htn", "state", "established", f"sport = :{hub.port}"], capture_output=True
        )
        return len(found.stdout.splitlines())

    began = time.monotonic()
    wait_until(lambda: open_ones() == 0, 60)
    print(f"20 half-open connections given up after {time.monotonic() - began:.0f} s")
    with contextlib.closing(socket.create_connection(("127.0.0.1", hub.port))):
        pass
