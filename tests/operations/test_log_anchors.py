"""Heads go out to files, the system's log and witnesses, with retries; what they hold contradicts a log that was changed."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from pilothouse.domain.audit.log_anchors import (
    AnchorKind,
    AnchorStanding,
    Coverage,
    Delivery,
    DeliveryFault,
)
from pilothouse.domain.errors import (
    ConflictError,
    InvalidInputError,
    NotAllowedError,
    NotFoundError,
    UnavailableError,
)
from pilothouse.domain.identity.roles import DAEMON, Actor
from pilothouse.operations.services import Services
from pilothouse.operations.transparency import anchored, anchors, contradictions, delivery, heads, proofs
from pilothouse.operations.transparency.senders import Answer, append_line, ask_witness
from pilothouse.operations.transparency.witness_folder import Witness
from pilothouse.operations.workspace import audits, doctor, workspaces
from pilothouse.store.log import log_heads
from pilothouse.store.log.log_tree import Tree
from pilothouse.transparency import checkpoints, merkle, notes
from pilothouse.transparency import proofs as proof_files
from pilothouse.transparency.witness_requests import Request
from support.log_workspace import Owner, add_rows, count, decide, make_log

Log = tuple[Services, Actor]


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return make_log(tmp_path / "workspace")


@contextmanager
def serving(folder: Path, place: str = "127.0.0.1:0") -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The command that serves a witness, as a process of its own; its URL."""
    process = subprocess.Popen(
        [sys.executable, "-m", "pilothouse.cli.main", "witness", "serve", str(folder), "--listen", place],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("listens on "), line + (process.stderr.read() if process.stderr else "")
        yield line.removeprefix("listens on ").strip(), process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)


def known_witness(folder: Path, services: Services, actor: Actor, name: str = "w.example/1") -> Witness:
    """A witness that knows the log."""
    head = heads.sign(services, actor)
    witness = Witness.create(folder, name)
    key = proofs.policy(services, actor).logs[0]
    assert key.name == head.origin
    witness.add_log(key)
    return witness


def lines_of(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_file_takes_each_head_that_is_new(log: Log, tmp_path: Path) -> None:
    services, ada = log
    path = tmp_path / "heads.jsonl"
    anchors.add(services, ada, "vault", AnchorKind.FILE, str(path))
    heads.sign_if_due(services)
    delivery.deliver(services, DAEMON)
    assert delivery.deliver(services, DAEMON) == []
    decide(services, ada)
    heads.sign_if_due(services)
    (state,) = delivery.deliver(services, DAEMON)

    first, second = lines_of(path)
    assert [first["size"], second["size"]] == [count(services) - 1, count(services)]
    assert (
        checkpoints.parse(str(second["note"])).checkpoint.size == second["size"] == state.delivery.sent_size
    )
    assert anchored.compare(services, ada).faults == []
    (entry,) = [one for one in audits.show(services, ada) if one.action == "log.anchor_added"]
    assert (entry.subject, entry.detail["place"]) == ("anchor vault", str(path))


def test_a_failing_anchor_is_tried_again_and_says_since_when(log: Log, tmp_path: Path) -> None:
    services, ada = log
    folder = tmp_path / "away"
    anchors.add(services, ada, "vault", AnchorKind.FILE, str(folder / "heads.jsonl"))
    heads.sign(services, ada)
    (failed,) = delivery.deliver(services, DAEMON)
    assert (failed.delivery.failures, failed.delivery.sent_size) == (1, 0)
    assert "No such file" in failed.delivery.error
    assert delivery.deliver(services, DAEMON) == []  # it rests first
    assert delivery.seconds_to_next(services) is not None
    (finding,) = [one for one in doctor.diagnose(services, ada) if one.check == "transparency"]
    assert not finding.ok
    assert re.search(r"vault fails since .*No such file", finding.finding)

    folder.mkdir()
    now = services.now()
    services.now = lambda: now + timedelta(seconds=3)
    (sent,) = delivery.deliver(services, DAEMON)
    assert (sent.delivery.failures, sent.delivery.failing_since, sent.delivery.error) == (0, None, "")
    assert delivery.seconds_to_next(services) is None
    (finding,) = [one for one in doctor.diagnose(services, ada) if one.check == "transparency"]
    assert finding.ok, finding.finding
    assert f"{count(services)}" in finding.finding


def standing_of(services: Services, actor: Actor) -> AnchorStanding:
    state = heads.status(services, actor)
    return state.anchors[0].standing(state.signed_size)


def test_what_a_file_holds_is_compared_with_the_rows_each_time(log: Log, tmp_path: Path) -> None:
    services, ada = log
    path = tmp_path / "heads.jsonl"
    anchors.add(services, ada, "vault", AnchorKind.FILE, str(path))
    heads.sign(services, ada)
    assert standing_of(services, ada) is AnchorStanding.BEHIND
    delivery.deliver(services, DAEMON)
    assert standing_of(services, ada) is AnchorStanding.AGREES
    first = path.read_text()
    add_rows(services, 3)
    heads.sign(services, ada)
    assert standing_of(services, ada) is AnchorStanding.BEHIND
    delivery.deliver(services, DAEMON)
    assert (standing_of(services, ada), contradictions.on_record(services, ada)) == (
        AnchorStanding.AGREES,
        [],
    )
    both = path.read_text()

    path.write_text(first)
    (said,) = heads.status(services, ada).contradictions
    assert said.endswith(f"its newest is of {count(services) - 3:,}: lines were taken out")
    path.write_text(both)
    path.unlink()
    assert standing_of(services, ada) is AnchorStanding.UNREACHABLE
    path.write_text(both)
    assert standing_of(services, ada) is AnchorStanding.AGREES


@pytest.mark.parametrize("what", ["garbage", "lines", "folder", "pipe", "link"])
def test_whatever_lies_where_the_file_was_breaks_nothing(log: Log, tmp_path: Path, what: str) -> None:
    services, ada = log
    path = tmp_path / "heads.jsonl"
    anchors.add(services, ada, "vault", AnchorKind.FILE, str(path))
    heads.sign(services, ada)
    delivery.deliver(services, DAEMON)
    kept = path.read_bytes()
    path.unlink()
    match what:
        case "garbage":
            path.write_bytes(os.urandom(200_000))
        case "lines":
            path.write_bytes(b'{"note": 7}\n{"note": "x\\u202e"}\n[' + b"[" * 70_000)
        case "folder":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)
        case "link":
            (tmp_path / "elsewhere").write_bytes(kept)
            path.symlink_to(tmp_path / "elsewhere")
    open_before = sum(1 for _ in Path("/proc/self/fd").iterdir())
    if what in ("garbage", "lines"):
        assert standing_of(services, ada) is AnchorStanding.CONTRADICTS
        (said,) = heads.status(services, ada).contradictions
        assert said == "vault contradicts this log: its end holds no head of this log"
    else:
        assert standing_of(services, ada) is AnchorStanding.SENT, "what it holds cannot be read"
        assert heads.status(services, ada).contradictions == []
    assert sum(1 for _ in Path("/proc/self/fd").iterdir()) == open_before


def test_no_head_goes_into_a_file_that_holds_another_history_and_everybody_is_told(
    log: Log, tmp_path: Path
) -> None:
    services, ada = log
    path = tmp_path / "heads.jsonl"
    anchors.add(services, ada, "vault", AnchorKind.FILE, str(path))
    heads.sign(services, ada)
    delivery.deliver(services, DAEMON)
    kept = path.read_text()
    owner = Owner(services)
    owner.write_anew(5, {"another": 1})
    owner.forget_heads()
    owner.leave()
    heads.sign(services, ada)
    assert contradictions.on_record(services, ada) == [], "the owner has forgotten all heads on record"
    assert standing_of(services, ada) is AnchorStanding.CONTRADICTS, "and not those in the file"
    (refused,) = delivery.deliver(services, DAEMON)
    assert refused.delivery.fault is DeliveryFault.CONTRADICTS
    assert path.read_text() == kept
    (said,) = contradictions.on_record(services, ada)
    assert said.startswith(
        f"vault contradicts this log: its head of {count(services):,} rows is not of this log"
    )
    (finding,) = [one for one in doctor.diagnose(services, ada) if one.check == "transparency"]
    assert (finding.ok, said in finding.finding) == (False, True)


def test_a_log_whose_end_was_cut_off_contradicts_its_own_head_and_its_anchors(
    log: Log, tmp_path: Path
) -> None:
    services, ada = log
    anchors.add(services, ada, "vault", AnchorKind.FILE, str(tmp_path / "heads.jsonl"))
    heads.sign(services, ada)
    delivery.deliver(services, DAEMON)
    size = count(services)
    owner = Owner(services)
    owner.cut(size - 4)
    owner.leave()
    own, vault = heads.status(services, ada).contradictions
    assert own == f"a head of {size} rows is signed, and the log has {size - 4}: its end was cut off"
    assert vault.endswith(f"goes on where this log ends: rows {size - 3} to {size} were cut off")
    assert contradictions.on_record(services, ada) == [own]


def test_what_cannot_be_read_back_is_sent_and_not_said_to_agree(log: Log, tmp_path: Path) -> None:
    services, ada = log
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as system_log:
        system_log.bind(str(tmp_path / "log"))
        anchors.add(services, ada, "syslog", AnchorKind.SYSLOG, str(tmp_path / "log"))
        heads.sign(services, ada)
        delivery.deliver(services, DAEMON)
    assert standing_of(services, ada) is AnchorStanding.SENT
    add_rows(services, 3)
    heads.sign(services, ada)
    (failed,) = delivery.deliver(services, DAEMON)
    assert failed.delivery.fault is DeliveryFault.UNREACHABLE
    assert standing_of(services, ada) is AnchorStanding.UNREACHABLE


def test_a_witness_that_does_not_know_the_log_is_not_one_that_contradicts_it(
    log: Log, tmp_path: Path
) -> None:
    services, ada = log
    stranger = Witness.create(tmp_path / "witness", "w.example/1")
    with serving(stranger.folder) as (url, _):
        anchors.add(services, ada, "w1", AnchorKind.WITNESS, url, key=str(stranger.key.public))
        heads.sign(services, ada)
        (refused,) = delivery.deliver(services, DAEMON)
    assert refused.delivery.fault is DeliveryFault.REFUSED
    assert standing_of(services, ada) is AnchorStanding.REFUSED
    assert contradictions.on_record(services, ada) == []


def test_coverage_of_a_row_is_what_its_proof_says(log: Log, tmp_path: Path) -> None:
    services, ada = log
    anchors.add(services, ada, "vault", AnchorKind.FILE, str(tmp_path / "heads.jsonl"))
    assert proofs.coverage(services, ada, 7) == Coverage(6)
    with pytest.raises(NotFoundError, match="no signed head has audit row 7 yet"):
        proofs.existing_proof(services, ada, 7)
    head = heads.sign(services, ada)
    delivery.deliver(services, DAEMON)
    found = proofs.coverage(services, ada, 7)
    assert (found.leaf, found.head_size, found.holders, found.fault) == (6, head.size, ("vault",), "")
    assert found.hashes == len(proofs.existing_proof(services, ada, 7).hashes)
    add_rows(services, 1)
    assert proofs.coverage(services, ada, count(services)) == Coverage(count(services) - 1)
    owner = Owner(services)
    owner.write_anew(7, {"another": 1})
    owner.leave()
    assert "cannot be proven" in proofs.coverage(services, ada, 7).fault


def test_pauses_grow_and_a_clock_that_ran_back_waits_for_nothing() -> None:
    from datetime import UTC, datetime

    now = datetime(2026, 1, 1, tzinfo=UTC)
    failed = Delivery().failed("gone", now)
    assert not failed.is_due(5, now + timedelta(seconds=1))
    assert failed.is_due(5, now + timedelta(seconds=2))
    assert failed.is_due(5, now - timedelta(days=1))
    for _ in range(20):
        failed = failed.failed("gone", now)
    assert not failed.is_due(5, now + timedelta(seconds=599))
    assert failed.is_due(5, now + timedelta(seconds=600))
    assert failed.failing_since == now


def test_a_link_is_not_followed(log: Log, tmp_path: Path) -> None:
    services, ada = log
    (tmp_path / "link").symlink_to(tmp_path / "other")
    anchors.add(services, ada, "vault", AnchorKind.FILE, str(tmp_path / "link"))
    heads.sign(services, ada)
    (state,) = delivery.deliver(services, DAEMON)
    assert state.delivery.failures == 1
    assert not (tmp_path / "other").exists()


def test_the_systems_log_takes_heads_which_a_file_of_it_gives_back(log: Log, tmp_path: Path) -> None:
    services, ada = log
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as system_log:
        system_log.bind(str(tmp_path / "log"))
        anchors.add(services, ada, "syslog", AnchorKind.SYSLOG, str(tmp_path / "log"))
        heads.sign(services, ada)
        delivery.deliver(services, DAEMON)
        message = system_log.recv(65_536).decode()
    assert message.startswith("<85>pilothouse[")
    kept = tmp_path / "messages"
    kept.write_text(f"Nov 29 06:00:00 host cron[7]: tick\nNov 29 06:00:01 host {message[4:]}\n")

    found = anchored.compare(services, ada, kept_files=[kept])
    assert found.faults == []
    assert found.heads == 2
    owner = Owner(services)
    owner.write_anew(5, {"another": 1})
    owner.forget_heads()
    owner.leave()
    (fault,) = anchored.compare(services, ada, kept_files=[kept]).faults
    assert str(kept) in fault
    assert f"from a row among 1 to {count(services)} on" in fault


def test_a_witness_over_http_signs_growth_and_refuses_what_was_written_anew(log: Log, tmp_path: Path) -> None:
    services, ada = log
    witness = known_witness(tmp_path / "witness", services, ada)
    with serving(witness.folder) as (url, _):
        anchors.add(services, ada, "w1", AnchorKind.WITNESS, url, key=str(witness.key.public))
        anchors.set_quorum(services, ada, 1)
        for rows in (0, 5, 300):
            add_rows(services, rows)
            heads.sign(services, ada)
            (state,) = delivery.deliver(services, DAEMON)
            assert (state.delivery.sent_size, state.delivery.error) == (count(services), "")
        status = heads.status(services, ada)
        assert (status.cosigned_size, status.quorum) == (count(services), 1)
        head = heads.newest(services, ada)
        assert checkpoints.cosigned_at(head, witness.key.public) == pytest.approx(
            services.now().timestamp(), abs=60
        )
        text = str(proofs.row_proof(services, ada, 7))
        with services.registry.read() as connection:
            (row_hash,) = connection.execute("SELECT hash FROM audit WHERE seq = 7").fetchone()
        proof_files.check(proof_files.parse(text), bytes.fromhex(row_hash), proofs.policy(services, ada))
        sound = anchored.compare(services, ada)
        assert (sound.faults, sound.cosignatures, sound.heads) == ([], 3, 4)

        # the protocol, by hand: a stale size, a shrunk log, another key, another log, another path
        assert by_hand(services, url, old=1) == Answer(409, f"{count(services)}\n")
        assert by_hand(services, url, old=count(services), size=5, proof=()).status == 400
        assert (
            by_hand(services, url, old=count(services), key=notes.new_key(head.checkpoint.origin)).status
            == 403
        )
        assert by_hand(services, url, old=count(services), key=notes.new_key("stranger")).status == 404
        assert by_hand(services, url, old=count(services), proof=(bytes(32),)).status == 422
        assert by_hand(services, f"{url}/elsewhere", old=count(services)).status == 404

        owner = Owner(services)
        owner.write_anew(10, {"another": 1})
        owner.forget_heads()
        owner.leave()
        assert audits.verify_chain(services, ada).count == count(services)  # the chain alone says nothing
        heads.sign(services, ada)
        (refused,) = delivery.deliver(services, DAEMON)
        assert "this log does not begin with" in refused.delivery.error
        (fault,) = anchored.compare(services, ada).faults
        assert fault.startswith(f"w1 ({url}): it has signed a head of {count(services)} rows")

        owner = Owner(services)
        owner.cut(100)
        owner.forget_heads()
        owner.leave()
        heads.sign(services, ada)
        (fault,) = anchored.compare(services, ada).faults
        assert re.search(r"rows 101 to 32\d were cut off", fault)


def by_hand(
    services: Services,
    url: str,
    *,
    old: int,
    size: int | None = None,
    proof: tuple[bytes, ...] | None = None,
    key: notes.PrivateKey | None = None,
) -> Answer:
    with services.registry.read() as connection:
        tree = Tree(connection)
        size = size or log_heads.newest(connection).size  # type: ignore[union-attr]
        key = key or notes.parse_private_key(services.paths.log_key.read_text())
        head = checkpoints.sign(checkpoints.Checkpoint(key.name, size, tree.root(size)), key)
        if proof is None:
            proof = tuple(merkle.consistency_proof(old, size, tree.subtree))
    return ask_witness(url, Request(old, proof, head))


def test_a_witness_that_is_away_takes_the_newest_head_when_it_is_back(log: Log, tmp_path: Path) -> None:
    services, ada = log
    witness = known_witness(tmp_path / "witness", services, ada)
    place = f"unix:{tmp_path}/w.sock"
    anchors.add(services, ada, "w1", AnchorKind.WITNESS, place, key=str(witness.key.public))
    (away,) = delivery.deliver(services, DAEMON)
    assert away.delivery.failures == 1
    assert anchored.compare(services, ada).faults == []
    add_rows(services, 5)
    heads.sign(services, ada)
    with serving(witness.folder, place) as (url, _):
        assert url == place
        (back,) = delivery.deliver(services, DAEMON, at_once=True)
        assert back.delivery.sent_size == count(services)


def test_what_answers_there_is_no_witness_or_another_one(log: Log, tmp_path: Path) -> None:
    services, ada = log
    witness = known_witness(tmp_path / "witness", services, ada)
    other = Witness.create(tmp_path / "other", "w.example/2")
    with serving(witness.folder) as (url, _):
        anchors.add(services, ada, "w2", AnchorKind.WITNESS, url, key=str(other.key.public))
        (state,) = delivery.deliver(services, DAEMON)
    assert "another witness answers there" in state.delivery.error
    with serving(other.folder) as (url, _):  # it does not know the log
        anchors.add(services, ada, "w1", AnchorKind.WITNESS, url, key=str(witness.key.public))
        (state,) = [s for s in delivery.deliver(services, DAEMON, at_once=True) if s.anchor.name == "w1"]
    assert "404" in state.delivery.error


def test_a_witness_never_signs_two_heads_that_do_not_extend_each_other(log: Log, tmp_path: Path) -> None:
    """Two processes at once, each killed while it answers: what was signed is one line of growth."""
    services, ada = log
    witness = known_witness(tmp_path / "witness", services, ada)
    key = notes.parse_private_key(services.paths.log_key.read_text())
    add_rows(services, 200)
    with services.registry.read() as connection:
        tree = Tree(connection)
        real = [
            checkpoints.sign(checkpoints.Checkpoint(key.name, n, tree.root(n)), key) for n in range(1, 200)
        ]
    forged = [
        checkpoints.sign(checkpoints.Checkpoint(key.name, n, bytes([n]) * 32), key) for n in range(1, 200)
    ]
    signed: list[checkpoints.Checkpoint] = []

    def ask(url: str, of: list[checkpoints.SignedCheckpoint], number: int) -> None:
        for head in of[number:60:7]:
            try:
                size = int(by_size(url, head))
                if size < head.checkpoint.size:
                    with services.registry.read() as connection:
                        proof = merkle.consistency_proof(size, head.checkpoint.size, Tree(connection).subtree)
                    if ask_witness(url, Request(size, tuple(proof), head)).status == 200:
                        signed.append(head.checkpoint)
            except Exception:  # noqa: BLE001 - the process was killed: that is the point
                return

    def by_size(url: str, head: checkpoints.SignedCheckpoint) -> str:
        answer = ask_witness(url, Request(head.checkpoint.size, (), head))
        if answer.status == 200:
            signed.append(head.checkpoint)
        return answer.text if answer.status == 409 else str(head.checkpoint.size)

    for turn in range(3):
        with serving(witness.folder) as (one, first), serving(witness.folder) as (two, second):
            threads = [
                threading.Thread(target=ask, args=(url, heads_of, 7 * turn + place))
                for place, (url, heads_of) in enumerate(
                    [(one, real), (two, forged), (two, real), (one, forged)]
                )
            ]
            for thread in threads:
                thread.start()
            os.kill(first.pid, signal.SIGKILL)
            for thread in threads:
                thread.join()
            second.kill()
    sizes: dict[int, set[bytes]] = {}
    for checkpoint in signed:
        sizes.setdefault(checkpoint.size, set()).add(checkpoint.root)
    assert signed
    assert all(len(roots) == 1 for roots in sizes.values())
    (known,) = witness.logs()
    assert known.seen.size == max(sizes)
    assert {known.seen.root} == sizes[max(sizes)]
    kinds = {checkpoint.root in {head.checkpoint.root for head in real} for checkpoint in signed}
    assert len(kinds) == 1  # the log's own, or from the first on what was forged


def test_a_damaged_state_signs_nothing(log: Log, tmp_path: Path) -> None:
    services, ada = log
    witness = known_witness(tmp_path / "witness", services, ada)
    with serving(witness.folder) as (url, _):
        assert by_hand(services, url, old=0).status == 200
        (path,) = (witness.folder / "heads").glob("*.json")
        path.write_text('{"size": 1')
        assert by_hand(services, url, old=0).status == 500
        assert by_hand(services, url, old=0, proof=(bytes(32),) * 63).status == 500


def test_a_log_that_was_written_anew_is_found_by_an_anchors_file_and_by_one_that_was_kept(
    log: Log, tmp_path: Path
) -> None:
    services, ada = log
    vault, kept = tmp_path / "vault.jsonl", tmp_path / "kept"
    anchors.add(services, ada, "vault", AnchorKind.FILE, str(vault))
    heads.sign(services, ada)
    delivery.deliver(services, DAEMON)
    agreed = count(services)
    add_rows(services, 400)
    heads.sign(services, ada)
    delivery.deliver(services, DAEMON)
    kept.write_text(str(heads.newest(services, ada)))
    proof = tmp_path / "7.tlog-proof"
    proof.write_text(str(proofs.row_proof(services, ada, 7)))
    assert anchored.compare(services, ada, kept_files=[kept, proof]).faults == []

    owner = Owner(services)
    owner.write_anew(agreed + 3, {"another": 1})
    owner.leave()
    assert audits.verify_chain(services, ada).count == count(services)
    faults = anchored.compare(services, ada, kept_files=[kept]).faults
    assert len(faults) == 3
    for source, fault in zip((anchored.ON_RECORD, str(vault), str(kept)), faults, strict=True):
        assert source in fault
        assert f"from a row among {agreed + 1} to {count(services)} on" in fault

    owner = Owner(services)
    owner.cut(agreed + 1)
    owner.forget_heads()
    owner.leave()
    faults = anchored.compare(services, ada, kept_files=[kept]).faults
    assert len(faults) == 2
    assert all(f"rows {agreed + 2} to {agreed + 400} were cut off" in fault for fault in faults)


def test_a_log_with_a_key_of_its_own_making_is_found_by_what_was_kept(log: Log, tmp_path: Path) -> None:
    """Whoever writes everything anew may take another key: the file that was kept holds no head of that log."""
    services, ada = log
    heads.sign(services, ada)
    kept, key = tmp_path / "kept", proofs.policy(services, ada).logs[0]
    kept.write_text(str(heads.newest(services, ada)))
    theirs, ben = make_log(tmp_path / "forged", 40)
    heads.sign(theirs, ben)

    (fault,) = anchored.compare(theirs, ben, kept_files=[kept]).faults
    assert "it holds no head of this log" in fault
    faults = anchored.compare(theirs, ben, kept_files=[kept], trusted=[key]).faults
    assert any("is not signed by the log's key" in one for one in faults)
    assert any("is not of this log" in one or "goes on where this log ends" in one for one in faults)


def test_lines_that_were_taken_out_of_an_anchors_file(log: Log, tmp_path: Path) -> None:
    services, ada = log
    vault = tmp_path / "vault.jsonl"
    anchors.add(services, ada, "vault", AnchorKind.FILE, str(vault))
    for _ in range(2):
        heads.sign(services, ada)
        delivery.deliver(services, DAEMON)
        add_rows(services, 3)
    first, second = vault.read_text().splitlines(keepends=True)
    vault.write_text(first)
    (fault,) = anchored.compare(services, ada).faults
    assert "lines were taken out" in fault
    vault.write_text("")
    (fault,) = anchored.compare(services, ada).faults
    assert "it holds no head of this log" in fault
    decide(services, ada)
    heads.sign(services, ada)
    (emptied,) = delivery.deliver(services, DAEMON)
    assert "and it is empty" in emptied.delivery.error
    vault.unlink()
    (fault,) = anchored.compare(services, ada).faults
    assert "and is gone" in fault
    vault.write_text(first + second.replace("IHRl", "IHRm") + "noise\n")
    assert anchored.compare(services, ada).faults == []


def test_a_tree_on_record_that_is_not_of_the_rows(log: Log) -> None:
    services, ada = log
    add_rows(services, 600)
    owner = Owner(services)
    owner.connection.execute("UPDATE log_subtrees SET hash = zeroblob(32) WHERE place = 1")
    owner.leave()
    (fault,) = anchored.compare(services, ada).faults
    assert "rows 257 to 512" in fault


def test_a_head_or_a_signature_on_record_that_was_changed(log: Log, tmp_path: Path) -> None:
    services, ada = log
    witness = known_witness(tmp_path / "witness", services, ada)
    with serving(witness.folder) as (url, _):
        anchors.add(services, ada, "w1", AnchorKind.WITNESS, url, key=str(witness.key.public))
        delivery.deliver(services, DAEMON)
    owner = Owner(services)
    note = owner.connection.execute("SELECT note FROM log_heads").fetchone()[0]
    damaged = note[:-10] + ("A" if note[-10] != "A" else "B") + note[-9:]
    owner.connection.execute("UPDATE log_heads SET note = ?", (damaged,))
    (line,) = owner.connection.execute("SELECT line FROM log_cosignatures").fetchone()
    owner.connection.execute(
        "UPDATE log_cosignatures SET line = ?", (line.replace("w.example", "v.example"),)
    )
    owner.leave()
    faults = anchored.compare(services, ada).faults
    assert len(faults) == 2
    assert any("is not signed by the log's key" in one for one in faults)
    assert any(one.startswith("w1: its signature") for one in faults)


def test_anchors_are_set_by_an_admin_and_checked(log: Log, tmp_path: Path) -> None:
    services, ada = log
    key = str(Witness.create(tmp_path / "witness", "w.example/1").key.public)
    for kind, place, given in (
        (AnchorKind.FILE, "relative", ""), (AnchorKind.FILE, "/a\nb", ""), (AnchorKind.SYSLOG, "log", ""),
        (AnchorKind.WITNESS, "ftp://host", key), (AnchorKind.WITNESS, "http://", key),
        (AnchorKind.WITNESS, "http://u:p@host", key), (AnchorKind.WITNESS, "http://host", "no key"),
        (AnchorKind.WITNESS, "http://host", str(notes.new_key("a-log").public)), (AnchorKind.FILE, "/a", key),
    ):  # fmt: skip
        with pytest.raises(InvalidInputError):
            anchors.add(services, ada, "vault", kind, place, key=given)
    anchors.add(services, ada, "w1", AnchorKind.WITNESS, "http://127.0.0.1:9", key=key)
    with pytest.raises(ConflictError, match="counts once"):
        anchors.add(services, ada, "w2", AnchorKind.WITNESS, "http://127.0.0.1:8", key=key)
    with pytest.raises(ConflictError, match="already"):
        anchors.add(services, ada, "w1", AnchorKind.FILE, "/a")
    with pytest.raises(InvalidInputError, match="0 to 1"):
        anchors.set_quorum(services, ada, 2)
    anchors.set_quorum(services, ada, 1)
    with pytest.raises(ConflictError, match="quorum 0"):
        anchors.remove(services, ada, "w1")
    anchors.set_quorum(services, ada, 0)
    anchors.remove(services, ada, "w1")
    with pytest.raises(NotFoundError):
        anchors.remove(services, ada, "w1")
    anchors.add(services, ada, "w1", AnchorKind.FILE, "/a")  # the name is free again
    for refused in (
        lambda: anchors.add(services, workspaces.identify(services, "eve"), "x", AnchorKind.FILE, "/a"),
        lambda: anchors.remove(services, workspaces.identify(services, "eve"), "w1"),
        lambda: anchors.set_quorum(services, workspaces.identify(services, "eve"), 0),
    ):
        with pytest.raises(NotAllowedError):
            refused()


def test_a_file_that_is_gone_is_not_made_anew_and_is_shown(log: Log, tmp_path: Path) -> None:
    services, ada = log
    vault = tmp_path / "vault.jsonl"
    anchors.add(services, ada, "vault", AnchorKind.FILE, str(vault))
    heads.sign(services, ada)
    delivery.deliver(services, DAEMON)
    kept = vault.read_text()
    vault.unlink()
    for states in (anchors.states(services, ada), heads.status(services, ada).anchors):
        assert "it is gone" in states[0].delivery.error  # before anything is sent
    (finding,) = [one for one in doctor.diagnose(services, ada) if one.check == "transparency"]
    assert not finding.ok
    assert f"vault: {vault}: heads were sent to this file, and it is gone" in finding.finding

    decide(services, ada)
    heads.sign(services, ada)
    (state,) = delivery.deliver(services, DAEMON)
    assert "it is gone" in state.delivery.error
    assert not vault.exists()
    assert anchored.compare(services, ada).faults

    vault.write_text(kept)  # put back, it takes what it lacks
    delivery.deliver(services, DAEMON, at_once=True)
    assert [one["size"] for one in lines_of(vault)] == [count(services) - 1, count(services)]
    assert anchored.compare(services, ada).faults == []

    vault.unlink()
    anchors.remove(services, ada, "vault")
    anchors.add(services, ada, "vault", AnchorKind.FILE, str(vault))
    heads.sign(services, ada)
    delivery.deliver(services, DAEMON)
    assert len(lines_of(vault)) == 1
    assert anchored.compare(services, ada).faults == []


def test_a_line_that_was_written_in_part_is_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault, write = tmp_path / "vault.jsonl", os.write
    append_line(vault, "first")
    with monkeypatch.context() as full:
        full.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:4]))
        with pytest.raises(UnavailableError, match="the disk is full"):
            append_line(vault, "second", is_first=False)
    assert vault.read_text() == "first\n"
    with monkeypatch.context() as grows_alone:
        grows_alone.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:4]))
        grows_alone.setattr(os, "ftruncate", _refused)
        with pytest.raises(UnavailableError, match="the disk is full"):
            append_line(vault, "second", is_first=False)
    append_line(vault, "second", is_first=False, after_failure=True)
    assert vault.read_text() == "first\nseco\nsecond\n"


def _refused(*_: object) -> None:
    raise PermissionError(1, "Operation not permitted")


def test_a_log_that_was_made_anew_with_another_origin_is_found_by_the_old_heads_of_its_anchor(
    log: Log, tmp_path: Path
) -> None:
    services, ada = log
    vault = tmp_path / "vault.jsonl"
    anchors.add(services, ada, "vault", AnchorKind.FILE, str(vault))
    heads.sign(services, ada)
    delivery.deliver(services, DAEMON)
    (old,) = proofs.policy(services, ada).logs

    key = notes.new_key("forged/workspace")
    owner = Owner(services)
    (row,) = owner.connection.execute("SELECT seq FROM audit WHERE action = 'log.key_made'").fetchone()
    owner.write_anew(row, {"origin": key.name, "key": str(key.public), "before": None})
    owner.write_anew(5, {"another": 1})
    owner.connection.execute("UPDATE settings SET value = ? WHERE name = 'log_key'", (str(key.public),))
    owner.connection.execute("DELETE FROM log_heads")
    owner.leave()
    services.paths.log_key.write_text(key.to_text())
    decide(services, ada)
    heads.sign(services, ada)
    delivery.deliver(services, DAEMON)
    assert [one["origin"] for one in lines_of(vault)] == [old.name, key.name]

    (fault,) = anchored.compare(services, ada).faults
    assert fault.startswith(f"vault ({vault}): it holds heads of another log ({old.name}): either this log")
    assert "--log-key" in fault
    assert len(anchored.compare(services, ada, kept_files=[vault]).faults) == 2
    # with the key that one was given it is the rows that contradict
    faults = anchored.compare(services, ada, trusted=[old]).faults
    assert any("is not of this log" in one for one in faults)
    # whoever trusts the new one is told what was not compared
    found = anchored.compare(services, ada, trusted=[key.public])
    assert (found.faults, [old.name in note for note in found.notes]) == ([], [True])


def test_a_restored_log_says_that_the_origin_before_was_its_own(log: Log, tmp_path: Path) -> None:
    services, ada = log
    vault = tmp_path / "vault.jsonl"
    anchors.add(services, ada, "vault", AnchorKind.FILE, str(vault))
    heads.sign(services, ada)
    delivery.deliver(services, DAEMON)
    services.paths.log_key.unlink()  # no backup holds it
    decide(services, ada)
    heads.sign(services, ada)
    delivery.deliver(services, DAEMON)
    assert len({str(one["origin"]) for one in lines_of(vault)}) == 2
    assert anchored.compare(services, ada).faults == []
