"""Our log and witness against an independent log and witness (aics-tlog, aics-witness), each over the wire."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pilothouse.domain.audit.log_anchors import AnchorKind
from pilothouse.domain.identity.roles import DAEMON
from pilothouse.operations.transparency import anchored, anchors, delivery, heads, proofs
from pilothouse.operations.transparency.witness_folder import Witness
from pilothouse.transparency import notes
from support import wait_until
from support.log_workspace import Owner, add_rows, count, make_log

HERE = Path(__file__).parent
PROGRAMS = HERE.parents[1] / ".peers" / "aics" / "bin"
NAME = "w.example/peer"


@pytest.fixture(autouse=True)
def installed() -> None:
    if not (PROGRAMS / "python").exists():
        pytest.skip("aics-tlog and aics-witness are not installed: make test-peers does it")


def run(program: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    words = [str(PROGRAMS / program), *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, timeout=120)


def said(program: str, *arguments: object) -> str:
    done = run(program, *arguments)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


@contextmanager
def their_witness(folder: Path, origin: str, key: notes.PublicKey) -> Iterator[tuple[str, str]]:
    """URL and key of aics-witness, which knows a log."""
    folder.mkdir()
    config = folder / "witness.json"
    witness_key = said("aics-witness", "init", "-c", config, "--name", NAME).strip().splitlines()[0]
    said("aics-witness", "add-log", "-c", config, "--origin", origin, "--vkey", key)
    port = 20_000 + (os.getpid() * 7 + int(time.monotonic())) % 30_000
    process = subprocess.Popen(
        [str(PROGRAMS / "aics-witness"), "serve", "-c", str(config), "--listen", f"127.0.0.1:{port}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield f"http://127.0.0.1:{port}", witness_key
    finally:
        process.terminate()
        process.communicate(timeout=30)


def test_their_witness_signs_our_growth_and_refuses_what_we_wrote_anew(tmp_path: Path) -> None:
    services, ada = make_log(tmp_path / "workspace")
    origin = heads.sign(services, ada).origin
    with their_witness(tmp_path / "witness", origin, proofs.policy(services, ada).logs[0]) as (url, key):
        anchors.add(services, ada, "peer", AnchorKind.WITNESS, url, key=key)
        wait_until(lambda: not delivery.deliver(services, DAEMON, at_once=True)[0].delivery.error, 30)
        for rows in (3, 400):
            add_rows(services, rows)
            heads.sign(services, ada)
            (state,) = delivery.deliver(services, DAEMON)
            assert (state.delivery.error, state.delivery.sent_size) == ("", count(services))
        assert anchored.compare(services, ada).faults == []

        owner = Owner(services)
        owner.write_anew(10, {"another": 1})
        owner.forget_heads()
        owner.leave()
        heads.sign(services, ada)
        (refused,) = delivery.deliver(services, DAEMON)
        assert "this log does not begin with" in refused.delivery.error

        owner = Owner(services)
        owner.cut(100)
        owner.forget_heads()
        owner.leave()
        heads.sign(services, ada)
        (refused,) = delivery.deliver(services, DAEMON, at_once=True)
        assert "were cut off" in refused.delivery.error


def test_our_witness_signs_their_growth_and_refuses_what_they_wrote_anew(tmp_path: Path) -> None:
    witness = Witness.create(tmp_path / "witness", "w.example/ours")
    witness.add_log(notes.parse_key(said("python", HERE / "tlog_feeder.py", "", "")))
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "pilothouse.cli.main",
            "witness",
            "serve",
            str(witness.folder),
            "--listen",
            "127.0.0.1:0",
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().removeprefix("listens on ").strip()
        answers = json.loads(said("python", HERE / "tlog_feeder.py", url, witness.key.public))
    finally:
        process.terminate()
        process.communicate(timeout=30)
    assert answers == ["cosigned"] * 5 + ["422", "holds 700", "holds 700"]


def test_their_verifier_accepts_our_tiles_heads_and_proofs(tmp_path: Path) -> None:
    services, ada = make_log(tmp_path / "workspace", 600)
    folder, old = tmp_path / "tiles", tmp_path / "old"
    proofs.write_tiles(services, ada, folder)
    old.write_text((folder / "checkpoint").read_text())
    add_rows(services, 200)
    head, _ = proofs.write_tiles(services, ada, folder)
    key = proofs.policy(services, ada).logs[0]
    given = ["--tiles", folder, "--log-key", key]

    assert str(head.checkpoint.size) in said("aics-tlog", "verify-checkpoint", *given)
    entry = tmp_path / "entry"
    with services.registry.read() as connection:
        (row_hash,) = connection.execute("SELECT hash FROM audit WHERE seq = 300").fetchone()
    entry.write_bytes(bytes.fromhex(row_hash))
    said("aics-tlog", "verify-inclusion", *given, "--leaf", entry, "--index", 299)
    assert run("aics-tlog", "verify-inclusion", *given, "--leaf", entry, "--index", 298).returncode != 0
    said("aics-tlog", "verify-consistency", *given, "--old-checkpoint", old)

    found = proofs.row_proof(services, ada, 300)
    lines, note = tmp_path / "hashes", tmp_path / "note"
    lines.write_text("".join(f"{notes.encode(one)}\n" for one in found.hashes))
    note.write_text(str(found.head))
    checked = ["--leaf", entry, "--index", found.index, "--proof", lines]
    facts = found.head.checkpoint
    said("aics-tlog", "verify-inclusion", *checked, "--size", facts.size, "--root", notes.encode(facts.root))


def test_the_vectors_on_record_are_what_the_peer_makes() -> None:
    kept = HERE.parent / "transparency" / "aics_tlog.json"
    assert json.loads(said("python", HERE / "tlog_vectors.py")) == json.loads(kept.read_text())
