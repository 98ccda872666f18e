"""The hub's door for other machines, with real serving processes that have no workspace: what a token opens and what not, the
hub away, the process killed, tokens that end, clocks, and every prediction stored."""

import contextlib
import resource
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pilothouse.daemon.hub import ROUTES
from pilothouse.daemon.hub_door import HubDoorKeeper
from pilothouse.daemon.thread_loop import Wakeup
from pilothouse.domain.errors import ConflictError, InvalidInputError, NotFoundError
from pilothouse.domain.formats.wire import ClockReading, DesiredState, ReportReceipt, ServingReport
from pilothouse.domain.identifiers import producer_name
from pilothouse.operations.fleet import places, remote_tokens, targets
from pilothouse.operations.workspace import apply_models
from pilothouse.serving.delivery.clock_skew import ClockSkew
from pilothouse.serving.delivery.credential import TOKEN_VARIABLE
from pilothouse.serving.delivery.hub_client import Exchange
from pilothouse.store.models import remote_targets
from pilothouse.system.files import write_atomically
from support import leftovers, wait_until
from support.certificates import made_certificate
from support.registered_versions import promote, register
from support.remote_places import FAR, FarProcess, RemoteHub, make_remote_hub, serve_far


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[RemoteHub]:
    with leftovers.shared("hub", "socket:"):
        made = make_remote_hub(tmp_path)
        made.open()
        yield made
        made.close()


@contextlib.contextmanager
def serving(process: FarProcess) -> Iterator[FarProcess]:
    try:
        yield process
    finally:
        if process.process.poll() is None:
            process.kill()


def stored(hub: RemoteHub) -> list[str]:
    """Ids of all predictions that the hub has."""
    with hub.shop.services.telemetry.read() as connection:
        found = connection.execute(
            "SELECT p.name, b.sequence, b.rows FROM batches b JOIN producers p ON p.id = b.producer_id"
        ).fetchall()
    return sorted(f"{name}.{number}.{row}" for name, number, rows in found for row in range(rows))


async def http_app(scope: Any, receive: Any, send: Any) -> None:
    """An app that is never asked."""


def batch(hub: RemoteHub, target: str = FAR, producer: str = "far-1") -> bytes:
    one = {
        "producer": producer,
        "sequence": 0,
        "target": target,
        "model": "delay",
        "version": 1,
        "rows": 0,
        "event_times": b"",
        "scores": b"",
        "errors": 1,
    }
    return msgspec.msgpack.encode(one)


def report(target: str = FAR, clock: ClockReading | None = None) -> bytes:
    return msgspec.msgpack.encode(ServingReport(target, 8_100, 1, {"delay": 1}, {}, 0, clock=clock))


def test_a_token_of_another_machine_opens_what_its_target_needs_and_nothing_else(hub: RemoteHub) -> None:
    token = hub.token().token
    local = targets.issue_token(hub.shop.services, hub.shop.admin, "ewr")
    status, body = hub.ask("GET", "/v1/desired", token)
    assert status == 200
    state = msgspec.msgpack.decode(body, type=DesiredState)
    assert (state.target, [v.version for v in state.versions]) == (FAR, [1])
    own = state.versions[0].model_digest
    foreign = hub.shop.services.artifacts.put_bytes(b"a snapshot of somebody's rows")
    # every route there is, with what this token may send there, and with what it may not
    told = {
        ("GET", "/v1/desired"): [("", None, 200)],
        ("GET", "/v1/artifacts/"): [(own, None, 200), (foreign, None, 404), ("../registry.db", None, 400)],
        ("POST", "/v1/batches"): [
            ("", batch(hub), 200),
            ("", batch(hub, "ewr"), 403),
            ("", b"no batch", 400),
        ],
        ("POST", "/v1/pairs"): [("", b"no pairs", 400)],
        ("POST", "/v1/labels"): [("", msgspec.msgpack.encode([]), 403)],
        ("POST", "/v1/report"): [("", report(), 200), ("", report("ewr"), 403)],
        ("POST", "/v1/spans"): [("", msgspec.msgpack.encode([]), 200), ("", b"no spans", 400)],
        ("POST", "/v1/baseline"): [("", b"", 403)],
    }
    assert told.keys() == ROUTES.keys()
    for (method, path), asked in told.items():
        for rest, sent, expected in asked:
            assert hub.ask(method, path + rest, token, sent)[0] == expected, (method, path + rest)
            assert hub.ask(method, path + rest, local, sent)[0] == 401, "a token of the hub's own machine"
            assert hub.ask(method, path + rest, token[:-1], sent)[0] == 401
        for other in {"GET", "POST", "PUT", "DELETE", "PATCH"} - {m for m, p in ROUTES if p == path}:
            assert hub.ask(other, path, token)[0] == 404, (other, path)
    for path in ("/", "/v1", "/v1/tokens", "/v1/desired/", "/v1/artifacts", "/metrics", "/v2/health/live"):
        assert hub.ask("GET", path, token)[0] == 404, path
    assert targets.check_token(hub.shop.services, token) is None, "nor at the socket"


def test_tokens_are_shown_once_end_and_are_revoked_and_only_their_digest_is_kept(hub: RemoteHub) -> None:
    services, admin = hub.shop.services, hub.shop.admin
    first, second = hub.token(), hub.token(timedelta(hours=1))
    assert remote_tokens.check(services, first.token) == remote_tokens.check(services, second.token) == FAR
    for path in hub.shop.root.rglob("*"):
        if path.is_file():
            assert first.token.encode() not in path.read_bytes(), path
    remote_tokens.revoke(services, admin, first.record.id, "lost")
    status, body = hub.ask("GET", "/v1/desired", first.token)
    assert status == 401
    assert b"is revoked: an admin makes a new one" in body
    assert hub.ask("GET", "/v1/desired", second.token)[0] == 200
    later = replace(services, now=lambda: datetime.now(UTC) + timedelta(hours=2))
    with pytest.raises(Exception, match="ended on"):
        remote_tokens.check(later, second.token)
    states = [one.state_at(later.now()) for one in remote_tokens.list_tokens(services, admin)]
    assert states == ["ended", "revoked"]
    with pytest.raises(ConflictError, match="revoked already"):
        remote_tokens.revoke(services, admin, first.record.id, "again")
    with pytest.raises(NotFoundError):
        remote_tokens.revoke(services, admin, 99, "which")
    with pytest.raises(ConflictError, match='write place = "remote"'):
        hub.token(target="ewr")
    with pytest.raises(InvalidInputError, match="a minute to"):
        hub.token(timedelta(days=400))


def test_a_far_process_serves_and_loses_nothing_while_the_hub_is_away_or_it_is_killed(
    hub: RemoteHub, tmp_path: Path
) -> None:
    token = hub.token().token
    folder = tmp_path / "far"
    ids: list[str] = []
    with serving(serve_far(folder, hub.url, hub.authority, token=token)) as far:
        far.wait_until_ready()
        ids += far.predict(3)[1]
        wait_until(lambda: stored(hub) == sorted(ids))
        hub.close()
        a_day_ago = datetime.now(UTC) - timedelta(days=1)
        for hour in range(24):  # a day of traffic, none of which the hub hears of
            status, answered = far.predict(2, a_day_ago + timedelta(hours=hour))
            assert status == 200
            ids += answered
        far.kill()
    with serving(serve_far(folder, hub.url, hub.authority)) as far:  # the hub is still away: from its cache
        far.wait_until_ready()
        ids += far.predict(1)[1]
        hub.open()
        wait_until(lambda: stored(hub) == sorted(ids))
        assert far.end() == 0
    assert len(ids) == len(set(ids)) == 3 + 48 + 1
    assert list((folder / "spool").glob("*.segment")) == []


def test_a_revoked_token_takes_nothing_in_and_a_new_one_brings_all_of_it(
    hub: RemoteHub, tmp_path: Path
) -> None:
    made = hub.token()
    folder = tmp_path / "far"
    with serving(serve_far(folder, hub.url, hub.authority, token=made.token)) as far:
        far.wait_until_ready()
        remote_tokens.revoke(hub.shop.services, hub.shop.admin, made.record.id, "a test")
        ids = far.predict(2)[1]
        wait_until(lambda: "is revoked" in far.log.read_text())
        assert far.predict(1)[0] == 200
        assert stored(hub) == []
        write_atomically(folder / "token", hub.token().token.encode())
        wait_until(lambda: set(ids) <= set(stored(hub)))


@pytest.mark.parametrize("how", ["wrong token", "wrong authority", "wrong name", "plain http"])
def test_who_is_not_trusted_gets_nothing_and_says_why(hub: RemoteHub, tmp_path: Path, how: str) -> None:
    url, authority, token, said = hub.url, hub.authority, hub.token().token, ""
    if how == "wrong token":
        token, said = "phr_" + "x" * 43, "401: expected the token of a target"
    elif how == "wrong authority":
        authority = tmp_path / "other.pem"
        authority.write_bytes(made_certificate(datetime.now(UTC), names=("localhost",))[0])
        said = "its certificate is not trusted"
    elif how == "wrong name":
        url, said = f"https://127.0.0.1:{hub.port}", "its certificate is not trusted"
    else:
        listener = socket.create_server(("127.0.0.1", 0))
        url, said = f"https://localhost:{listener.getsockname()[1]}", "does not answer"
        listener.close()
    environment = {TOKEN_VARIABLE: token}
    with serving(serve_far(tmp_path / "far", url, authority, environment=environment)) as far:
        wait_until(lambda: said in far.log.read_text())
        assert far.ask("GET", "/v2/health/ready")[0] == 503
        assert far.predict()[0] in (404, 503)
        assert token not in far.log.read_text()
    assert not list((tmp_path / "far" / "artifacts").rglob("*.*"))


def test_a_token_from_the_environment_serves(hub: RemoteHub, tmp_path: Path) -> None:
    environment = {TOKEN_VARIABLE: hub.token().token}
    with serving(serve_far(tmp_path / "far", hub.url, hub.authority, environment=environment)) as far:
        far.wait_until_ready()
        assert not (tmp_path / "far" / "token").exists()


def test_a_bad_artifact_is_not_loaded_and_the_version_before_answers(hub: RemoteHub, tmp_path: Path) -> None:
    with serving(serve_far(tmp_path / "far", hub.url, hub.authority, token=hub.token().token)) as far:
        far.wait_until_ready()
        model, _ = register(hub.shop, 2)
        path = hub.shop.services.artifacts.path(model)
        path.chmod(0o600)
        path.write_bytes(path.read_bytes()[:-1] + b"?")
        promote(hub.shop, 2, FAR)
        wait_until(lambda: "models:/delay/2 cannot be loaded" in far.log.read_text())
        status, ids = far.predict()
        assert (status, len(ids)) == (200, 1)
        assert hub.pulse is not None
        pulse = hub.pulse
        wait_until(lambda: (pulse.beat(), places.compare(hub.shop.services))[1] >= 1)
        of_far = places.list_places(hub.shop.services, hub.shop.admin)[FAR]
        (one,) = of_far.differences
        assert (one.model, one.desired, one.actual) == ("delay", 2, 1)
        assert one.why.startswith("version 2:")
        assert (of_far.kind, of_far.tokens) == ("remote", 1)
        assert of_far.clock is not None
        assert abs(of_far.clock.skew_us) <= of_far.clock.bound_us + 50_000, "one clock"
        assert not of_far.clock.matters


def test_a_full_spool_refuses_with_a_code_and_what_was_answered_is_stored(
    hub: RemoteHub, tmp_path: Path
) -> None:
    token = hub.token().token
    with serving(serve_far(tmp_path / "far", hub.url, hub.authority, "--spool-mb", "1", token=token)) as far:
        far.wait_until_ready()
        hub.close()
        ids: list[str] = []
        statuses: Counter[int] = Counter()
        while statuses[503] < 3 and statuses[200] < 200:
            status, answered = far.predict(2_000)
            statuses[status] += 1
            ids += answered
        assert set(statuses) == {200, 503}
        hub.open()
        wait_until(lambda: stored(hub) == sorted(ids))
        wait_until(lambda: far.predict(1)[0] == 200)


def test_the_clock_of_a_far_process_is_measured_by_exchanged_times() -> None:
    skew = ClockSkew()
    assert skew.reading is None
    skew.note(Exchange(1_000, 0, 0, 1_200))  # a hub of before: it says nothing
    assert skew.reading is None
    # this clock is 5 s ahead; 300 µs there, 100 µs back, 50 µs at the hub
    skew.note(Exchange(5_000_000, 300, 350, 5_000_450))
    assert skew.reading is not None
    assert abs(skew.reading.skew_us - 5_000_000) <= skew.reading.bound_us
    skew.note(Exchange(6_000_000, 1_000_020, 1_000_030, 6_000_050))
    assert skew.reading.bound_us <= 21
    assert abs(skew.reading.skew_us - 5_000_000) <= skew.reading.bound_us


def test_a_clock_that_is_off_is_recorded_and_said(hub: RemoteHub) -> None:
    token = hub.token().token
    status, body = hub.ask("POST", "/v1/report", token, report(clock=ClockReading(-7_200_000_000, 900)))
    receipt = msgspec.msgpack.decode(body, type=ReportReceipt)
    assert (status, receipt.answered_us >= receipt.received_us > 0) == (200, True)
    clock = places.list_places(hub.shop.services, hub.shop.admin)[FAR].clock
    assert clock is not None
    assert (clock.text, clock.matters) == ("-7200.000 s ± 0.001", True)
    far_off = report(clock=ClockReading(10**17, 1))
    assert hub.ask("POST", "/v1/report", token, far_off)[0] == 400


def test_the_producer_of_one_target_is_no_other_target_s(hub: RemoteHub) -> None:
    token = hub.token().token
    assert hub.ask("POST", "/v1/batches", token, batch(hub, producer="mine"))[0] == 200
    services = hub.shop.services
    with services.telemetry.transaction() as connection:
        connection.execute("INSERT INTO producers (name) VALUES ('theirs')")
        connection.execute(
            "INSERT INTO producer_targets SELECT id, 'ewr' FROM producers WHERE name = 'theirs'"
        )
    status, body = hub.ask("POST", "/v1/batches", token, batch(hub, producer="theirs"))
    assert (status, b"belongs to another target" in body) == (409, True)
    first = producer_name("ewr", "0123456789ab")  # of a process that has not been heard of yet
    assert hub.ask("POST", "/v1/batches", token, batch(hub, producer=first))[0] == 409
    own = producer_name(FAR, "0123456789ab")
    assert hub.ask("POST", "/v1/batches", token, batch(hub, producer=own))[0] == 200


def test_the_door_opens_moves_and_closes_as_the_file_says_and_takes_a_renewed_certificate(
    hub: RemoteHub,
) -> None:
    token = hub.token().token

    def serial() -> bytes:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with (
            socket.create_connection(("127.0.0.1", hub.port), 10) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as made,
        ):
            certificate = made.getpeercert(binary_form=True)
            assert certificate is not None
            return certificate

    before = serial()
    certificate, key = made_certificate(datetime.now(UTC), names=("localhost",))
    (hub.shop.root / "hub-key.pem").write_bytes(b"no key")
    (hub.shop.root / "hub-key.pem").write_bytes(key)
    (hub.shop.root / "hub.pem").write_bytes(certificate)
    wait_until(lambda: serial() != before)
    assert hub.ask("GET", "/v1/desired", token)[0] == 200
    (hub.shop.root / "targets.toml").write_text('[[target]]\nname = "ewr"\n[[target]]\nname = "far"\n')
    planned = apply_models.plan(hub.shop.services, hub.shop.admin)[0]
    assert any(line.startswith("hub.listen: 127.0.0.1:") for line in planned.loosens)
    assert "far.place: remote → local" in planned.loosens
    apply_models.apply(hub.shop.services, hub.shop.admin)

    def is_closed() -> bool:
        try:
            hub.ask("GET", "/v1/desired", token)
        except OSError:
            return True
        return False

    wait_until(is_closed)
    with hub.shop.services.registry.read() as connection:
        assert remote_targets.door(connection) is None
    hub.describe(hub.port)
    wait_until(lambda: hub.answers())
    assert hub.ask("GET", "/v1/desired", token)[0] == 200


def test_who_only_connects_takes_a_share_of_the_descriptors_and_no_more(hub: RemoteHub) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    hub.close()
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        hub.open()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    with contextlib.ExitStack() as held:
        # no byte of a handshake: the protocol does not know of them
        made = [held.enter_context(socket.create_connection(("127.0.0.1", hub.port), 10)) for _ in range(100)]
        wait_until(lambda: sum(not is_open(one) for one in made) >= 100 - 64)
        assert sum(is_open(one) for one in made) >= 60
        assert not hub.answers()
    wait_until(lambda: hub.answers())


def is_open(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return connection.recv(1, socket.MSG_PEEK) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


def test_only_an_admin_opens_the_door(hub: RemoteHub) -> None:
    text = (hub.shop.root / "targets.toml").read_text()
    (hub.shop.root / "targets.toml").write_text(text.replace("127.0.0.1", "0.0.0.0"))
    with pytest.raises(Exception, match="may not"):
        apply_models.apply(hub.shop.services, hub.shop.scientist)
    with hub.shop.services.registry.read() as connection:
        known = remote_targets.door(connection)
    assert known is not None
    assert known.listen.startswith("127.0.0.1")


def test_a_door_that_cannot_be_opened_says_why_and_is_tried_again(hub: RemoteHub) -> None:
    keeper = HubDoorKeeper(hub.shop.services, http_app)
    hub.close()
    (hub.shop.root / "hub-key.pem").rename(hub.shop.root / "away.pem")
    keeper.look()
    assert keeper.port is None
    (hub.shop.root / "away.pem").rename(hub.shop.root / "hub-key.pem")
    keeper.look()
    assert keeper.port == hub.port
    stopped = threading.Event()
    stopped.set()
    keeper.run(Wakeup(stopped))
    assert keeper.port is None
