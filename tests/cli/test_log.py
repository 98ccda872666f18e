"""The transparency log and a witness on the command line; the daemon keeps the log by itself."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pilothouse.composition import open_workspace
from pilothouse.daemon.log_keeper import keep_log
from pilothouse.daemon.thread_loop import ThreadGroup
from pilothouse.transparency import checkpoints, notes, policies, proofs
from support import wait_until
from support.log_workspace import Owner, decide


@contextmanager
def witness(folder: Path) -> Iterator[str]:
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "pilothouse.cli.main",
            "witness",
            "serve",
            str(folder),
            "--listen",
            "127.0.0.1:0",
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().removeprefix("listens on ").strip()
    finally:
        process.terminate()
        process.communicate(timeout=30)
    assert process.returncode == 0


def test_init_makes_the_key_and_says_under_which_name_the_log_is_known(root: Path, pilothouse) -> None:
    made = pilothouse("init", "--admin", "olga", "--demo", "--origin", "acme.example/ops", as_name=None)
    assert "its log is acme.example/ops" in made.err
    assert (root / "state" / "log.key").stat().st_mode & 0o777 == 0o600
    shown = pilothouse("log", "status", "--json").json
    assert notes.parse_key(shown["key"]).name == shown["origin"] == "acme.example/ops"


def test_an_origin_that_cannot_be_one_makes_no_workspace(root: Path, pilothouse) -> None:
    assert pilothouse("init", "--admin", "olga", "--origin", "two words", as_name=None).code == 2
    assert not (root / "state").exists()


def test_from_the_first_head_to_a_proof_for_strangers(workspace, root: Path, tmp_path: Path) -> None:
    vault, folder = tmp_path / "vault.jsonl", tmp_path / "witness"
    assert workspace("log", "checkpoint").code == 3
    key = workspace("witness", "init", str(folder), "--name", "w.example/1").out.strip()
    log_key = workspace("log", "status", "--json").json["key"]
    assert workspace("witness", "add-log", str(folder), log_key).code == 0
    assert workspace("witness", "add-log", str(folder), log_key).code == 5
    assert workspace("log", "anchors", "add", "file", "vault", str(vault)).code == 0
    assert workspace("log", "anchors", "add", "file", "other", str(vault), as_name="ada").code == 4
    with witness(folder) as url:
        assert workspace("log", "witness", "add", "w1", url, key).code == 0
        assert workspace("log", "quorum", "1").code == 0
        printed = workspace("log", "checkpoint", "--sign")
        assert printed.code == 0, printed.err
        head = checkpoints.parse(printed.out)
        assert checkpoints.check(head, [notes.parse_key(log_key)])
        assert checkpoints.cosigned_at(head, notes.parse_key(key))
        assert json.loads(vault.read_text())["note"] == printed.out  # with the witness's signature
        sound = workspace("audit", "verify", "--anchors")
        assert sound.code == 0
        assert "agree with" in sound.err
    assert workspace("witness", "show", str(folder), "--json").json["logs"][0]["size"] == head.checkpoint.size
    assert "vault" in workspace("log", "anchors", "list").out
    shown = workspace("log", "status").out
    assert "1 of 1 witness: met by the newest head" in shown
    assert shown.count("● agrees") == 2
    assert [one["state"] for one in workspace("log", "status", "--json").json["anchors"]] == ["agrees"] * 2

    assert workspace("log", "proof", "3", "--output", str(tmp_path / "3.tlog-proof")).code == 0
    assert workspace("log", "policy", "--output", str(tmp_path / "policy")).code == 0
    entry = next(one for one in workspace("audit", "show", "--json").json if one["seq"] == 3)
    proof = proofs.parse((tmp_path / "3.tlog-proof").read_text())
    proofs.check(proof, bytes.fromhex(entry["hash"]), policies.parse((tmp_path / "policy").read_text()))

    assert workspace("log", "verifier", "--output", str(tmp_path / "verify_proof.py")).code == 0
    exported = tmp_path / "audit.jsonl"
    assert workspace("audit", "export", "--output", str(exported)).code == 0
    stranger = [sys.executable, "-I", "-S", str(tmp_path / "verify_proof.py"), str(tmp_path / "3.tlog-proof")]
    (tmp_path / "none").write_text("quorum none\n")
    altered = tmp_path / "altered.jsonl"
    altered.write_text(exported.read_text().replace('"role": "data-scientist"', '"role": "admin"'))
    for arguments, code, words in (
        (["--policy", "policy", "--row", "audit.jsonl"], 0, "ok     row 3 is in the log: "),
        (["--policy", "policy", "--entry", entry["hash"]], 0, "signed by w1 at "),
        (["--policy", "policy", "--entry", "00" * 32], 1, "does not have this entry"),
        (["--policy", "none", "--entry", entry["hash"]], 1, "no log of the policy has signed"),
        (["--policy", "policy", "--row", "altered.jsonl"], 1, "does not have its hash"),
        (["--policy", "policy"], 1, "give the row's hash"),
    ):
        done = subprocess.run([*stranger, *arguments], cwd=tmp_path, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (code, "")
        assert words in done.stdout
    assert shutil.which("openssl") is not None
    shown = workspace("log", "consistency", "3", "--json").json
    assert (shown["old"], len(shown["old_root"])) == (3, 44)
    assert workspace("log", "consistency", "3", "99999").code == 2
    assert workspace("log", "tiles", str(tmp_path / "tiles")).code == 0
    assert checkpoints.parse((tmp_path / "tiles" / "checkpoint").read_text())
    away = workspace("log", "checkpoint", "--sign")  # the export of the log is an entry of it
    assert (away.code, checkpoints.parse(away.out).checkpoint.size) == (7, head.checkpoint.size + 1)
    assert "w1: " in away.err


def test_verify_with_anchors_names_what_contradicts(workspace, root: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_text(workspace("log", "checkpoint", "--sign").out)
    services = open_workspace(root)
    try:
        owner = Owner(services)
        owner.write_anew(5, {"another": 1})
        owner.forget_heads()
        owner.leave()
    finally:
        services.close()
    assert "✖" not in workspace("log", "status").out, "nothing on record says so any more"
    found = workspace("audit", "verify", "--anchor", str(kept))
    assert found.code == 6
    assert f"{kept}: its head of" in found.err
    assert "was written anew" in found.err
    facts = workspace("audit", "verify", "--anchor", str(kept), "--json")
    assert facts.json["verified"] is False
    assert facts.json["anchors"]["faults"]
    assert workspace("audit", "verify", "--anchor", str(tmp_path / "nothing")).code == 2


def test_a_contradiction_is_the_first_line_of_the_status(workspace, root: Path) -> None:
    assert workspace("log", "checkpoint", "--sign").code == 0
    services = open_workspace(root)
    try:
        owner = Owner(services)
        owner.write_anew(5, {"another": 1})
        owner.leave()
    finally:
        services.close()
    shown = workspace("log", "status")
    assert shown.out.startswith("✖ the first ")
    assert "not those of the newest signed head" in shown.out.split("\n")[0]
    assert len(workspace("log", "status", "--json").json["contradictions"]) == 1


def test_the_daemon_signs_after_a_decision_and_sends(workspace, root: Path, tmp_path: Path) -> None:
    vault = tmp_path / "vault.jsonl"
    assert workspace("log", "anchors", "add", "file", "vault", str(vault)).code == 0
    services = open_workspace(root)
    group = ThreadGroup()
    wakeup = group.wakeup()
    group.start("log", lambda: keep_log(services, wakeup))
    try:
        wait_until(lambda: vault.exists() and vault.read_text().count("\n") == 1)
        from pilothouse.operations.workspace import workspaces

        decide(services, workspaces.identify(services, "olga"))
        wakeup.wake()
        wait_until(lambda: vault.read_text().count("\n") == 2)
        first, second = (json.loads(line)["size"] for line in vault.read_text().splitlines())
        assert second > first
    finally:
        group.stop.set()
        assert group.join(30) == []
        services.close()
    assert group.failed == ""


def test_commands_without_a_key_do_not_import_cryptography(workspace, root: Path) -> None:
    code = (
        "import sys; from pilothouse.cli.main import main; sys.argv[1:] = ['-w', sys.argv[1], 'status']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\nassert 'cryptography' not in sys.modules, 'imported'"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(root)], capture_output=True, text=True, env=os.environ
    )
    assert "imported" not in done.stderr


def test_a_witness_that_is_none(workspace, tmp_path: Path) -> None:
    assert workspace("witness", "show", str(tmp_path)).code == 3
    assert workspace("witness", "serve", str(tmp_path)).code == 3
    assert workspace("witness", "init", str(tmp_path / "w"), "--name", "two words").code == 2
    assert workspace("witness", "init", str(tmp_path / "w"), "--name", "w").code == 0
    assert workspace("witness", "init", str(tmp_path / "w"), "--name", "w").code == 5
    assert workspace("witness", "serve", str(tmp_path / "w"), "--listen", "nowhere").code == 2
    assert workspace("witness", "add-log", str(tmp_path / "w"), "no key").code == 2


@pytest.mark.parametrize(
    "arguments", [("log", "--help"), ("log", "anchors", "--help"), ("witness", "--help")]
)
def test_help(pilothouse, arguments: tuple[str, ...]) -> None:
    assert pilothouse(*arguments, as_name=None).code == 0
