"""What one machine that comes to the hub over the network cannot take from others: disk, threads, room, readers, the door."""

import contextlib
import http.client
import socket
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pilothouse.daemon import hub as hub_module
from pilothouse.daemon.doors import allowances, bodies
from pilothouse.daemon.hub import Door
from pilothouse.daemon.hub_writer import BatchWriter
from pilothouse.domain.errors import ModelFileError, UnavailableError
from pilothouse.domain.formats.wire import BatchReceipt, PredictionBatch, ServingReport
from pilothouse.domain.models.hub_limits import Bucket, Usage, day_of, seconds_of_day_left
from pilothouse.domain.models.target_file import load_file
from pilothouse.operations.fleet import hub_door, places, processes, remote_tokens, targets
from pilothouse.operations.ingest import ingest
from pilothouse.operations.workspace import apply_models
from pilothouse.serving.delivery import hub_address, hub_client
from pilothouse.serving.delivery.hub_client import HubBusyError, HubClient
from pilothouse.serving.web.http import HttpError
from pilothouse.serving.web.http_server import QuietServer
from pilothouse.store.log import audit
from pilothouse.store.models import hub_usage
from support import leftovers, wait_until
from support.remote_places import FAR, RemoteHub, make_remote_hub


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[RemoteHub]:
    with leftovers.shared("hub", "socket:"):
        made = make_remote_hub(tmp_path)
        made.open()
        yield made
        made.close()


def batch(rows: int = 0, sequence: int = 0) -> bytes:
    numbers = bytes(8 * rows)
    one = PredictionBatch("far-1", sequence, FAR, "delay", 1, rows, numbers, numbers, errors=1)
    return msgspec.msgpack.encode(one)


def asked(hub: RemoteHub, token: str, body: bytes) -> tuple[int, http.client.HTTPMessage, bytes]:
    """A batch over TLS: status, headers and body of the answer."""
    context = ssl.create_default_context(cafile=hub.authority)
    connection = http.client.HTTPSConnection("localhost", hub.port, timeout=20, context=context)
    with contextlib.closing(connection):
        connection.request("POST", "/v1/batches", body, {"Authorization": f"Bearer {token}"})
        response = connection.getresponse()
        return response.status, response.headers, response.read()


@contextlib.contextmanager
def connected(hub: RemoteHub, sent: bytes, token: str) -> Iterator[ssl.SSLSocket]:
    """Connection on which a request was begun."""
    context = ssl.create_default_context(cafile=hub.authority)
    plain = socket.create_connection(("localhost", hub.port), timeout=20)
    with plain, context.wrap_socket(plain, server_hostname="localhost") as secure:
        secure.sendall(sent.replace(b"TOKEN", token.encode()))
        yield secure


def refusals(hub: RemoteHub) -> list[dict[str, Any]]:
    with hub.shop.services.registry.read() as connection:
        return [dict(e.detail) for e in audit.entries(connection, limit=500) if e.action == hub_door.REFUSED]


@pytest.mark.parametrize(("used", "why"), [("rows", "50,000,000 rows"), ("bytes", "4,096 MB")])
def test_a_day_s_bound_is_kept_over_restarts_and_is_said_to_everybody(
    hub: RemoteHub, used: str, why: str
) -> None:
    services, token = hub.shop.services, hub.token().token
    near = {"rows": 50_000_000 - 1, "bytes": (4_096 << 20) - 1}[used]
    today = day_of(services.now())
    with services.registry.transaction() as connection:
        hub_usage.put_usages(connection, [replace(Usage(FAR, today), **{used: near})])
    status, headers, body = asked(hub, token, batch(2))
    assert (status, why in body.decode()) == (429, True), body
    assert 0 < int(headers["retry-after"]) <= seconds_of_day_left(services.now()) + 1
    assert hub.ask("GET", "/v1/desired", token)[0] == 200, "what is to be served is still answered"
    assert hub.hub is not None
    hub.hub.save()
    assert [why in entry["error"] for entry in refusals(hub)] == [True]
    assert "1 requests refused" in places.list_places(services, hub.shop.admin)[FAR].sent.text  # type: ignore[union-attr]
    with pytest.raises(UnavailableError, match=f"far.*{why}"):
        hub_door.examine(services)
    hub.close()
    hub.open()
    assert asked(hub, token, batch(1 if used == "bytes" else 2))[0] == 429
    hub.hub.save()
    assert len(refusals(hub)) == 1, "once a day"


def test_a_higher_bound_of_one_target_is_in_force_with_the_next_request(hub: RemoteHub) -> None:
    services, token = hub.shop.services, hub.token().token
    with services.registry.transaction() as connection:
        hub_usage.put_usages(connection, [Usage(FAR, day_of(services.now()), rows=50_000_000)])
    assert asked(hub, token, batch(1))[0] == 429
    path = hub.shop.root / "targets.toml"
    path.write_text(path.read_text() + "limits = { rows_a_day = 60_000_000 }\n")
    planned = apply_models.apply(services, hub.shop.admin)
    assert any("far.limits: none → { rows_a_day = 60000000 }" in str(change) for change in planned)
    assert asked(hub, token, batch(1))[0] == 200
    path.write_text(
        path.read_text().replace('"hub-key.pem"', '"hub-key.pem"\nlimits = { rows_a_day = 200_000 }')
    )
    path.write_text(path.read_text().replace("limits = { rows_a_day = 60_000_000 }\n", ""))
    apply_models.apply(services, hub.shop.admin)
    assert asked(hub, token, batch(1, sequence=1))[0] == 429, "as the hub says for all"
    assert hub.keeper is not None
    assert hub.keeper.port == hub.port, "the door has stayed open"


@pytest.mark.parametrize(
    ("key", "value", "fault"),
    [("rows_a_day", 1, "200000"), ("mb_a_day", 1, "64"), ("requests_a_second", 0, "1 to")],
)
def test_a_bound_below_one_body_is_refused(key: str, value: int, fault: str) -> None:
    text = f'[[target]]\nname = "far"\nplace = "remote"\nlimits = {{ {key} = {value} }}\n'
    with pytest.raises(ModelFileError, match=f"limits.{key}: found {value}; expected .*{fault}"):
        load_file(text)
    with pytest.raises(ModelFileError, match="place"):
        load_file('[[target]]\nname = "near"\nlimits = { requests_a_second = 5 }\n')


def test_requests_and_reports_have_a_rate(hub: RemoteHub) -> None:
    path = hub.shop.root / "targets.toml"
    path.write_text(path.read_text() + "limits = { requests_a_second = 1 }\n")
    apply_models.apply(hub.shop.services, hub.shop.admin)
    token = hub.token().token
    answered = [hub.ask("GET", "/v1/desired", token)[0] for _ in range(12)]
    assert answered[:4] == [200] * 4
    assert 429 in answered
    limits = allowances.Allowances(hub.shop.services)
    answers = [status_of_report(limits) for _ in range(200)]
    assert (answers[:20], 429 in answers) == ([200] * 20, True)


def status_of_report(limits: allowances.Allowances) -> int:
    try:
        limits.take_report("ewr")
    except HttpError as error:
        return error.status
    return 200


def test_a_bucket_is_filled_by_its_rate() -> None:
    bucket = Bucket(2.0, 3.0, 3.0, 0.0)
    assert [bucket.take(0.0) for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]
    assert bucket.take(0.5) == 0.0
    assert bucket.take(0.5) == 0.5
    assert [bucket.take(100.0) for _ in range(4)] == [0.0, 0.0, 0.0, 0.5], "never more than its size"
    late = datetime(2026, 5, 3, 23, 59, 30, tzinfo=UTC)
    assert (day_of(late), seconds_of_day_left(late)) == ("2026-05-03", 31)
    assert day_of(late + timedelta(seconds=30)) == "2026-05-04"


def test_a_full_disk_refuses_the_network_before_the_workspace_is_read_only(
    hub: RemoteHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = allowances.shutil.disk_usage(hub.shop.root)
    few = type(usage)(10 << 40, (10 << 40) - (100 << 20), 100 << 20)
    monkeypatch.setattr(allowances.shutil, "disk_usage", lambda _: few)
    token = hub.token().token
    status, headers, body = asked(hub, token, batch())
    assert (status, headers["retry-after"]) == (503, "30")
    assert b"100 MiB free; of other machines nothing is taken below 256" in body
    assert (
        hub.ask("POST", "/v1/report", token, msgspec.msgpack.encode(ServingReport(FAR, 1, 1, {}, {}, 0)))[0]
        == 200
    )


def test_the_client_waits_as_long_as_the_hub_says(hub: RemoteHub, tmp_path: Path) -> None:
    with hub.shop.services.registry.transaction() as connection:
        hub_usage.put_usages(connection, [Usage(FAR, day_of(hub.shop.services.now()), rows=50_000_000)])
    (tmp_path / "token").write_text(hub.token().token)
    client = HubClient(hub_address.read_address(hub.url, hub.authority), tmp_path / "token")
    with pytest.raises(HubBusyError, match="429") as refused:
        client.send_batch(PredictionBatch("far-1", 0, FAR, "delay", 1, 1, bytes(8), bytes(8)))
    client.close()
    assert refused.value.again_after_s > 0


def test_a_network_that_swallows_everything_is_given_up_and_the_next_connection_answers(
    hub: RemoteHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that is half open: neither side is told, and nothing comes."""
    (tmp_path / "token").write_text(hub.token().token)
    swallowing = threading.Event()
    ends: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as relay:

        def forward(source: socket.socket, sink: socket.socket) -> None:
            with contextlib.suppress(OSError):
                while data := source.recv(1 << 16):
                    if not swallowing.is_set():
                        sink.sendall(data)

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    near, far = relay.accept()[0], socket.create_connection(("127.0.0.1", hub.port))
                    ends.extend((near, far))
                    for pair in ((near, far), (far, near)):
                        threading.Thread(target=forward, args=pair, daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        monkeypatch.setattr(hub_client, "_TIMEOUT_S", 2.0)
        url = f"https://localhost:{relay.getsockname()[1]}"
        client = HubClient(hub_address.read_address(url, hub.authority), tmp_path / "token")
        assert client.desired("") is not None
        connection = client._connection
        assert connection is not None
        timeout = connection.sock.getsockopt(socket.IPPROTO_TCP, hub_address._USER_TIMEOUT)
        assert timeout == 10_000, "what is sent to an address that is gone is not waited for longer"
        swallowing.set()
        with pytest.raises(UnavailableError, match="does not answer"):
            client.desired("")
        swallowing.clear()
        assert client.desired("") is not None
        client.close()
        relay.shutdown(socket.SHUT_RDWR)
        thread.join(10)
        for end in ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


def test_whoever_holds_every_thread_of_the_network_holds_none_of_this_machine(
    hub: RemoteHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, release, token = threading.Semaphore(0), threading.Event(), hub.token().token
    read = bodies.read_batch

    def slow(services: Any, target: str, body: bytes) -> PredictionBatch:
        if target == FAR:
            held.release()
            release.wait(30)
        return read(services, target, body)

    monkeypatch.setattr(bodies, "read_batch", slow)
    clients = [threading.Thread(target=asked, args=(hub, token, batch())) for _ in range(4)]
    for client in clients:
        client.start()
    for _ in clients:
        assert held.acquire(timeout=20)
    assert hub.hub is not None
    local = targets.issue_token(hub.shop.services, hub.shop.admin, "ewr")
    path = hub.shop.services.paths.hub_socket
    hub.shop.services.paths.make_socket_folder()
    from pilothouse.daemon.hub_server import HubServer

    server = HubServer(hub.hub.app(Door.SOCKET), path)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        (hub.shop.root / "ewr.token").write_text(local)
        client = HubClient(path, hub.shop.root / "ewr.token")
        one = PredictionBatch("ewr-1", 0, "ewr", "delay", 1, 0, b"", b"", errors=1)
        assert client.send_batch(one).accepted == 0
        client.close()
    finally:
        release.set()
        for other in clients:
            other.join()
        server.stop()
        thread.join()
        server.close()


def test_lanes_take_turns_in_a_commit(hub: RemoteHub, monkeypatch: pytest.MonkeyPatch) -> None:
    commits: list[list[str]] = []
    begun, go_on = threading.Event(), threading.Event()

    def ingested(services: Any, batches: list[PredictionBatch]) -> list[BatchReceipt]:
        commits.append([one.producer for one in batches])
        begun.set()
        go_on.wait(20)
        return [BatchReceipt(0, 0, {}) for _ in batches]

    monkeypatch.setattr(ingest, "ingest_batches", ingested)
    writer = BatchWriter(hub.shop.services, ["socket", "network"])
    one = PredictionBatch("first", 0, FAR, "delay", 1, 0, b"", b"")
    waiting: list[Future[BatchReceipt]] = [writer.submit(one, "network")]
    assert begun.wait(20)
    waiting += [writer.submit(replace(one, producer=f"n{i}"), "network") for i in range(300)]
    waiting.append(writer.submit(replace(one, producer="local"), "socket"))
    assert writer.standing().waiting == 301
    go_on.set()
    for receipt in waiting:
        receipt.result(20)
    assert commits[1][0] == "local"
    assert len(commits[1]) == 256


def test_slow_bodies_of_one_target_take_the_room_of_no_other(hub: RemoteHub) -> None:
    services = hub.shop.services
    path = hub.shop.root / "targets.toml"
    path.write_text(path.read_text() + '\n[[target]]\nname = "other"\nplace = "remote"\n')
    apply_models.apply(services, hub.shop.admin)
    token, other = hub.token().token, hub.token(target="other").token
    assert hub.hub is not None
    size = hub_module.MAXIMUM_REMOTE_BYTES
    head = b"POST /v1/spans HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer TOKEN\r\nContent-Length: %d\r\n\r\n"
    part = bytes((1 << 20) - 100)
    with contextlib.ExitStack() as stack:
        for _ in range(12):  # of at most 1 MiB each, none of them complete
            stack.enter_context(connected(hub, head % (1 << 20) + part, token))
        report = msgspec.msgpack.encode(ServingReport("other", 1, 1, {}, {}, 0))
        assert hub.ask("POST", "/v1/report", other, report)[0] == 200
    over = head.replace(b"spans", b"batches") % (size + 1)
    with connected(hub, over, token) as refused:
        assert refused.recv(100).startswith(b"HTTP/1.1 413")
    without = b"POST /v1/batches HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer TOKEN\r\nTransfer-Encoding: chunked\r\n\r\n"
    with connected(hub, without, token) as refused:
        assert refused.recv(100).startswith(b"HTTP/1.1 411")


def test_one_target_has_few_requests_under_way(hub: RemoteHub) -> None:
    token = hub.token().token
    begun = b"POST /v1/spans HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer TOKEN\r\nContent-Length: 9\r\n\r\n1"
    with contextlib.ExitStack() as stack:
        for _ in range(allowances.AT_ONCE):
            stack.enter_context(connected(hub, begun, token))
        wait_until(lambda: hub.ask("GET", "/v1/desired", token)[0] == 429)
    wait_until(lambda: hub.ask("GET", "/v1/desired", token)[0] == 200)


def test_a_reader_that_is_slow_holds_neither_a_thread_nor_the_file_in_memory(
    hub: RemoteHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = bytes(range(256)) * (64 << 10)  # 16 MiB: more than sockets buffer
    digest = hub.shop.services.artifacts.put_bytes(data)
    monkeypatch.setattr(hub_module, "_needs", lambda *_: True)
    monkeypatch.setattr(type(hub.shop.services.artifacts), "read", lambda *_: pytest.fail("held whole"))
    token = hub.token().token
    asks = f"GET /v1/artifacts/{digest} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer TOKEN\r\n\r\n".encode()
    with connected(hub, asks, token) as first, connected(hub, asks, token) as second:
        assert first.recv(12) == second.recv(12) == b"HTTP/1.1 200"
        status, body = hub.ask("GET", f"/v1/artifacts/{digest}", token)
        assert (status, b"are being read" in body) == (503, True)
        assert hub.ask("GET", "/v1/desired", token)[0] == 200
    # both have gone away: their places are free again
    wait_until(lambda: hub.ask("GET", f"/v1/artifacts/{digest}", token) == (200, data))


def test_a_door_that_dies_is_opened_again_and_everybody_is_told(
    hub: RemoteHub, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    services = hub.shop.services
    dies = threading.Event()
    tick = QuietServer.on_tick

    async def on_tick(self: QuietServer, counter: int) -> bool:
        if dies.is_set():
            dies.clear()
            raise RuntimeError("out of luck")
        return await tick(self, counter)

    monkeypatch.setattr(QuietServer, "on_tick", on_tick)
    dies.set()

    def entries() -> list[tuple[str, str]]:
        with services.registry.read() as connection:
            return [
                (e.action, str(e.detail.get("error", "")))
                for e in audit.entries(connection, limit=50)
                if e.action.startswith("hub.")
            ]

    wait_until(lambda: (hub_door.FAILED, "its server died: RuntimeError: out of luck") in entries())
    wait_until(lambda: entries()[0][0] == hub_door.OPENED)
    wait_until(hub.answers)
    report = processes.daemon_report(services, hub.shop.admin)
    assert report.door == f"listens on 127.0.0.1:{hub.port}"
    assert "the hub's door died" in caplog.text
    caplog.clear()  # its traceback holds the door's threads


def test_the_doctor_says_that_the_door_does_not_listen(hub: RemoteHub) -> None:
    services = hub.shop.services
    assert "nobody was refused today" in hub_door.examine(services)
    hub_door.note_door(services, "0.0.0.0:443", "Permission denied")
    with pytest.raises(
        UnavailableError, match=r"does not listen on 0\.0\.0\.0:443 since .*: Permission denied"
    ):
        hub_door.examine(services)
    assert remote_tokens.check(services, "no token") is None
