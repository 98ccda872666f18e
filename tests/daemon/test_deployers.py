"""Commands that bring versions to platforms of others, as real processes: what they are given, when they are asked again, what
becomes of one that fails, hangs, or is broken off with the daemon."""

import hashlib
import json
import os
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from pilothouse.daemon.deployers import DeployerKeeper
from pilothouse.daemon.thread_loop import Wakeup
from pilothouse.domain.models.target_file import Deployer
from pilothouse.domain.monitoring.monitoring import ServingState
from pilothouse.operations.fleet import deployers, health, places
from pilothouse.operations.fleet.deployers import TargetDeployer
from pilothouse.operations.fleet.processes import Pulse
from pilothouse.operations.promotion import deployments
from pilothouse.operations.services import Services
from pilothouse.operations.workspace import apply_models
from pilothouse.store.deployed import deployer_states
from pilothouse.system.processes import is_alive, name_of, own_name
from support import leftovers, wait_until
from support.daemons import stand_for_daemon
from support.registered_versions import promote, register
from support.small_workspace import SmallWorkspace, make_small_workspace
from support.ssh_keys import make_key, public
from support.sshd import ACCOUNT, needs_sshd, running_sshd

FAR = "far"
COMMAND = """
import json, os, sys, time
from pathlib import Path
folder = Path(sys.argv[1])
asked = json.load(sys.stdin)
with (folder / "asked.jsonl").open("a") as stream:
    stream.write(json.dumps({**asked, "environment": dict(os.environ), "pid": os.getpid()}) + "\\n")
how = (folder / "how").read_text() if (folder / "how").exists() else ""
if how == "hang" and asked["action"] != "probe" or how == f"hang {asked['action']} {asked['version']}":
    time.sleep(600)
if how == "fail" or (how == "fail " + asked["action"]):
    sys.exit("\\x1b[31mthe platform is \\x07gone")
"""
TARGETS = """
[[target]]
name = "ewr"

[[target]]
name = "far"
labels = {{ site = "hall-2" }}
[target.deployer]
command = {command}
timeout = "{timeout}"
ready_within = "2s"
probe_every = "1s"
environment = ["PH_GIVEN"]
"""


@dataclass
class Platform:
    """A workspace with a command target, and the daemon's keeper of commands."""

    shop: SmallWorkspace
    folder: Path
    pulse: Pulse = field(init=False)
    stop: threading.Event | None = None
    thread: threading.Thread | None = None

    def __post_init__(self) -> None:
        self.pulse = Pulse(self.shop.services, own_name())

    def describe(self, timeout: str = "30s") -> None:
        command = json.dumps([sys.executable, str(self.folder / "command.py"), str(self.folder)])
        (self.shop.root / "targets.toml").write_text(TARGETS.format(command=command, timeout=timeout))
        apply_models.apply(self.shop.services, self.shop.admin)

    def how(self, text: str) -> None:
        (self.folder / "how").write_text(text)

    def asked(self, action: str = "") -> list[dict[str, Any]]:
        path = self.folder / "asked.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        found = [json.loads(line) for line in lines]
        return [one for one in found if action in ("", one["action"])]

    def start(self) -> None:
        self.stop = threading.Event()
        keeper = DeployerKeeper(self.shop.services, self.pulse)
        self.thread = threading.Thread(target=keeper.run, args=(Wakeup(self.stop),))
        self.thread.start()

    def end(self) -> None:
        if self.stop is not None and self.thread is not None:
            self.stop.set()
            self.thread.join()
            self.thread = None

    def state(self) -> str:
        with self.shop.services.registry.read() as connection:
            known = deployer_states.states(connection, FAR).get("delay")
        return known.state if known is not None else ""

    def serving(self) -> ServingState:
        self.pulse.beat()
        (one,) = [
            s for s in health.target_states(self.shop.services, self.shop.admin, "delay") if s.target == FAR
        ]
        return one.serving


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    with leftovers.shared("deployer"):
        shop = make_small_workspace(tmp_path / "w")
        stand_for_daemon(shop.services)
        made = Platform(shop, tmp_path)
        (tmp_path / "command.py").write_text(COMMAND)
        shop.write_model(more=f'[[targets]]\nname = "{FAR}"')
        made.describe()
        for number in (1, 2):
            register(shop, number)
        yield made
        made.end()


def test_a_command_is_given_what_it_needs_and_is_told_a_rollback(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PH_GIVEN", "yes")
    monkeypatch.setenv("PH_SECRET", "no")
    promote(platform.shop, 1, FAR)
    platform.start()
    wait_until(lambda: platform.state() == "ready")
    (first,) = platform.asked("deploy")
    assert (first["form"], first["target"], first["model"], first["version"]) == (1, FAR, "delay", 1)
    assert (first["canary"], first["attempt"], first["labels"]["site"]) == (None, 1, "hall-2")
    assert Path(first["artifact"]["path"]).name in first["artifact"]["digest"] + first["artifact"]["path"]
    assert first["environment"]["PH_GIVEN"] == "yes"
    assert not {"PH_SECRET", "PYTHONPATH", "VIRTUAL_ENV"} & first["environment"].keys()
    wait_until(lambda: platform.serving() is ServingState.ANSWERING)
    promote(platform.shop, 2, FAR)
    wait_until(lambda: [one["version"] for one in platform.asked("deploy")] == [1, 2])
    wait_until(lambda: platform.state() == "ready")
    deployments.roll_back(platform.shop.services, platform.shop.admin, "delay", [FAR], "worse")
    wait_until(lambda: [one["version"] for one in platform.asked("rollback")] == [1])
    wait_until(lambda: platform.state() == "ready" and platform.serving() is ServingState.ANSWERING)
    places.compare(platform.shop.services)
    assert places.list_places(platform.shop.services, platform.shop.admin)[FAR].differences == ()


def test_a_command_that_fails_is_a_dead_target_and_is_asked_again(platform: Platform) -> None:
    platform.how("fail deploy")
    promote(platform.shop, 1, FAR)
    platform.start()
    wait_until(lambda: platform.state() == "failed")
    wait_until(lambda: platform.serving() is ServingState.DOWN)
    places.compare(platform.shop.services)
    (one,) = places.list_places(platform.shop.services, platform.shop.admin)[FAR].differences
    assert (one.desired, one.actual) == (1, None)
    assert one.why.startswith("deploy failed: exit code 1:")
    assert one.why.isprintable()
    assert "the platform is" in one.why
    platform.how("")
    wait_until(lambda: platform.state() == "ready")
    assert [run["attempt"] for run in platform.asked("deploy")][:2] == [1, 2]
    assert len({run["key"] for run in platform.asked("deploy")}) == 1
    wait_until(lambda: platform.serving() is ServingState.ANSWERING)
    platform.how("fail probe")
    wait_until(lambda: platform.serving() is ServingState.DOWN)
    platform.how("")
    wait_until(lambda: platform.serving() is ServingState.ANSWERING)


def test_a_dead_target_is_written_once_and_not_each_second(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    note = deployers.note_serving_end

    def counted(services: Services, target: str, cause: str) -> None:
        written.append(cause)
        note(services, target, cause)

    monkeypatch.setattr(deployers, "note_serving_end", counted)
    platform.how("fail deploy")
    promote(platform.shop, 1, FAR)
    turns = TargetDeployer(platform.shop.services, platform.pulse, FAR, lambda: False)
    deployer = Deployer(command=(sys.executable, str(platform.folder / "command.py"), str(platform.folder)))
    for _ in range(4):  # three within the pause before it is asked again
        turns.turn(deployer)
    assert platform.state() == "failed"
    assert platform.serving() is ServingState.DOWN
    assert len(written) == 1


@pytest.mark.parametrize("how", ["its description is damaged", "our own fault"])
def test_a_deployer_that_cannot_be_run_holds_up_no_other(
    platform: Platform, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = platform.shop.root / "targets.toml"
    path.write_text(path.read_text() + TARGETS.partition("[[target]]\nname = \"far\"")[2].join(
        ['\n[[target]]\nname = "bad"', ""]
    ).format(command=json.dumps(["true"]), timeout="30s"))  # fmt: skip
    apply_models.apply(platform.shop.services, platform.shop.admin)
    if how == "our own fault":
        turn = TargetDeployer.turn

        def failing(self: TargetDeployer, deployer: Deployer) -> float:
            if deployer.command == ("true",):
                raise ZeroDivisionError("never to be")
            return turn(self, deployer)

        monkeypatch.setattr(TargetDeployer, "turn", failing)
    else:
        with platform.shop.services.registry.transaction() as connection:
            connection.execute(
                "UPDATE target_places SET deployer = '{}' WHERE target_id = (SELECT id FROM targets WHERE name = 'bad')"
            )
    promote(platform.shop, 1, FAR)
    platform.start()
    wait_until(lambda: platform.state() == "ready")
    assert platform.thread is not None
    assert platform.thread.is_alive(), "nor does it end the daemon"


def test_a_run_that_the_daemon_s_end_breaks_off_is_asked_for_again(platform: Platform) -> None:
    platform.how("hang")
    promote(platform.shop, 1, FAR)
    platform.start()
    wait_until(lambda: platform.asked("deploy"))
    (first,) = platform.asked("deploy")
    platform.end()
    assert not Path(f"/proc/{first['pid']}").exists()
    assert platform.state() == "running"
    # one that a killed daemon has left running is ended before the same is asked for again
    with platform.shop.services.registry.transaction() as connection:
        known = deployer_states.states(connection, FAR)["delay"]
        left = subprocess.Popen(["sleep", "600"], start_new_session=True)
        name = name_of(left.pid)
        assert name is not None
        deployer_states.put(connection, FAR, "delay", replace(known, process=name))
    platform.how("")
    platform.start()
    wait_until(lambda: platform.state() == "ready")
    left.wait(10)
    assert not is_alive(name)
    assert [one["attempt"] for one in platform.asked("deploy")] == [1, 1]


def test_a_command_that_hangs_is_ended_with_its_time(platform: Platform) -> None:
    platform.describe(timeout="1s")
    platform.how("hang")
    promote(platform.shop, 1, FAR)
    platform.start()
    wait_until(lambda: platform.state() == "failed")
    with platform.shop.services.registry.read() as connection:
        assert deployer_states.states(connection, FAR)["delay"].message == "deploy failed: over 1s"


@pytest.mark.parametrize("action", ["deploy", "probe"])
def test_a_roll_back_waits_for_no_command_that_hangs(platform: Platform, action: str) -> None:
    promote(platform.shop, 1, FAR)
    platform.start()
    wait_until(lambda: platform.state() == "ready")
    platform.how(f"hang {action} 2")
    promote(platform.shop, 2, FAR)
    wait_until(lambda: [one for one in platform.asked(action) if one["version"] == 2])
    deployments.roll_back(platform.shop.services, platform.shop.admin, "delay", [FAR], "worse")
    wait_until(lambda: [one["version"] for one in platform.asked("rollback")] == [1])
    wait_until(lambda: platform.state() == "ready" and platform.serving() is ServingState.ANSWERING)
    (hung,) = [one for one in platform.asked(action) if one["version"] == 2]
    assert not Path(f"/proc/{hung['pid']}").exists()


EXAMPLES = Path(__file__).parents[2] / "docs" / "deployers"
STAND_IN = """import json, os, sys
sent = "" if sys.stdin is None else sys.stdin.read()
with open(os.environ["PH_TOLD"], "a") as stream:
    stream.write(json.dumps([sys.argv[1:], sent]) + "\\n")
print(os.environ.get("PH_SAYS", ""))
"""


def run_example(
    tmp_path: Path, name: str, asked: dict[str, Any], *arguments: str, says: str = ""
) -> tuple[int, list[Any], str]:
    """Run an example with a stand-in for the program that it calls; its exit code, what the stand-in was told, its output."""
    (tmp_path / "stand_in.py").write_text(STAND_IN)
    stand_in = tmp_path / "stand-in"  # a path with a blank is no interpreter of a first line
    stand_in.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{tmp_path}/stand_in.py" "$@"\n')
    stand_in.chmod(0o700)
    told = tmp_path / "told.jsonl"
    told.unlink(missing_ok=True)
    environment = {**os.environ, "PH_TOLD": str(told), "PH_SAYS": says}
    environment |= dict.fromkeys(("DOCKER", "SSH", "KUBECTL"), str(stand_in))
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *arguments],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        env=environment,
        timeout=60,
        check=False,
    )
    lines = told.read_text().splitlines() if told.exists() else []
    return done.returncode, [json.loads(line) for line in lines], done.stdout + done.stderr


def document(tmp_path: Path, action: str = "deploy", **more: Any) -> dict[str, Any]:
    file = tmp_path / "model.skops"
    file.write_bytes(b"a model")
    one = {"path": str(file), "digest": hashlib.sha256(b"a model").hexdigest()}
    return {
        "form": 1, "action": action, "target": "far", "labels": {}, "model": "delay", "version": 4, "artifact": one,
        "schema": one, "portable": None, "canary": None, "attempt": 1, "key": "0123456789abcdef", **more,
    }  # fmt: skip


def test_the_example_for_kserve_applies_a_manifest_with_a_canary(tmp_path: Path) -> None:
    asked = document(tmp_path)
    asked["canary"] = {**{k: asked[k] for k in ("model", "artifact", "schema")}, "version": 5, "share": 0.1}
    code, ((words, sent),), _ = run_example(tmp_path, "kserve.py", asked, "models", "s3://b/m")
    assert code == 0
    assert words[:2] == ["apply", "--server-side"]
    made = json.loads(sent)
    assert (made["apiVersion"], made["kind"]) == ("serving.kserve.io/v1beta1", "InferenceService")
    assert made["spec"]["predictor"]["model"]["storageUri"] == f"s3://b/m/{asked['artifact']['digest']}"
    assert [(one["trafficPercent"], one["predictor"]["name"]) for one in made["spec"]["canary"]] == [
        (10, "v5")
    ]
    asked["canary"]["share"] = 0.004
    code, told, said = run_example(tmp_path, "kserve.py", asked, "models", "s3://b/m")
    assert (code, told, "0.004 is no whole percent" in said) == (1, [], True)
    there = {
        "metadata": {"generation": 2, "annotations": {"pilothouse/key": asked["key"]}},
        "status": {"observedGeneration": 2, "conditions": [{"type": "Ready", "status": "True"}]},
    }
    probe = document(tmp_path, "probe")
    assert run_example(tmp_path, "kserve.py", probe, "models", "s3://b/m", says=json.dumps(there))[0] == 0
    there["status"]["observedGeneration"] = 1  # type: ignore[index]
    code, _, said = run_example(tmp_path, "kserve.py", probe, "models", "s3://b/m", says=json.dumps(there))
    assert (code, "is not looked at yet" in said) == (1, True)


def test_the_example_for_a_unit_on_a_far_host_copies_by_digest_and_restarts_it(tmp_path: Path) -> None:
    asked = document(tmp_path)
    code, told, _ = run_example(tmp_path, "systemd_ssh.py", asked, "deploy@edge7", "scorer@desk.service")
    assert code == 0
    assert all(words[:5] == ["-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "--"] for words, _ in told)
    assert [sent for _, sent in told] == ["a model", "a model", ""]
    assert asked["artifact"]["digest"] in told[0][0][-1]
    assert told[-1][0][-1].endswith("sudo systemctl restart scorer@desk.service")
    # the far side's scripts are the shell's: run for real in a folder of our own
    script = told[0][0][-1].replace("/var/lib/pilothouse", str(tmp_path / "var"))
    for _ in range(2):
        subprocess.run(["sh", "-c", script], input=b"a model", check=True)
    kept = tmp_path / "var" / "far" / "delay" / "files" / asked["artifact"]["digest"]
    assert kept.read_bytes() == b"a model"
    broken = script.replace(asked["artifact"]["digest"], "0" * 64)
    assert subprocess.run(["sh", "-c", broken], input=b"cut", capture_output=True, check=False).returncode
    turned = told[-1][0][-1].replace("/var/lib/pilothouse", str(tmp_path / "var")).replace("sudo ", "echo ")
    subprocess.run(["sh", "-c", turned], check=True, capture_output=True)
    assert (kept.parents[1] / "current" / "model.skops").read_bytes() == b"a model"
    probe = document(tmp_path, "probe")
    arguments = ("deploy@edge7", "scorer@desk.service")
    assert run_example(tmp_path, "systemd_ssh.py", probe, *arguments, says=asked["key"])[0] == 0
    assert run_example(tmp_path, "systemd_ssh.py", probe, *arguments, says="other")[0] == 1
    Path(asked["artifact"]["path"]).write_bytes(b"another")
    assert run_example(tmp_path, "systemd_ssh.py", asked, *arguments)[0] == 1


FAR_PROGRAMS = {
    "sudo": 'exec "$@"',
    "systemctl": 'echo "$@" >> "$PH_FAR/units"; [ "$1" != is-active ] || [ -e "$PH_FAR/active" ]',
    "curl": "exit 0",
}
"""Stand-ins on the far host, of what a test may not have it do: of systemd, of the rights to ask it, and of what answers."""


@needs_sshd
def test_the_example_for_a_unit_on_a_far_host_brings_a_version_through_a_real_sshd(tmp_path: Path) -> None:
    far, programs = tmp_path / "far host", tmp_path / "programs"
    for folder in (far, programs):
        folder.mkdir()
    for name, text in FAR_PROGRAMS.items():
        (programs / name).write_text(f"#!/bin/sh\n{text}\n")
        (programs / name).chmod(0o755)
    key = make_key(tmp_path, "deploy")
    (tmp_path / "authorized").write_text(public(key))
    lines = (
        f'AuthorizedKeysFile "{tmp_path / "authorized"}"',
        f'SetEnv "PATH={programs}:/usr/local/bin:/usr/bin:/bin" "PH_FAR={far}"',
    )
    with running_sshd(tmp_path / "sshd", *lines) as server:
        own = [word for word in server.command(key) if "@" not in word]
        wrapper = tmp_path / "ssh"
        wrapper.write_text(f'#!/bin/sh\nexec {shlex.join(own)} "$@"\n')
        wrapper.chmod(0o755)

        def run(asked: dict[str, Any]) -> subprocess.CompletedProcess[str]:
            command = [
                sys.executable,
                str(EXAMPLES / "systemd_ssh.py"),
                f"{ACCOUNT}@127.0.0.1",
                "scorer@desk.service",
            ]
            return subprocess.run(
                [*command, str(far)],
                input=json.dumps(asked),
                env={**os.environ, "SSH": str(wrapper)},
                capture_output=True,
                text=True,
                check=False,
            )

        asked = document(tmp_path)
        for _ in range(2):  # it bears being asked twice
            done = run(asked)
            assert (done.returncode, done.stderr) == (0, "")
        assert (far / "far" / "delay" / "current" / "model.skops").read_bytes() == b"a model"
        assert (far / "units").read_text().splitlines() == ["restart scorer@desk.service"] * 2
        assert run(document(tmp_path, "probe")).returncode == 1, "the unit is not active"
        (far / "active").touch()
        assert run(document(tmp_path, "probe")).returncode == 0
        (tmp_path / "authorized").write_text("")
        refused = run(asked)
        assert refused.returncode == 1
        assert "Permission denied" in refused.stderr


def test_the_example_for_a_container_starts_one_and_leaves_what_runs(tmp_path: Path) -> None:
    asked = document(tmp_path)
    code, told, _ = run_example(tmp_path, "container.py", asked, "registry.example/scorer:3", "8501")
    assert code == 0
    assert [words[0] for words, _ in told] == ["inspect", "stop", "rm", "run"]
    run = told[-1][0]
    assert f"pilothouse.key={asked['key']}" in run
    assert f"{asked['artifact']['path']}:/model/model.skops:ro" in run
    assert "127.0.0.1:8501:8080" in run
    assert told[-1][0][told[-1][0].index("--stop-signal") + 1] == "INT"
    code, told, _ = run_example(tmp_path, "container.py", asked, "image", "8501", says=f"true {asked['key']}")
    assert (code, [words[0] for words, _ in told]) == (0, ["inspect"])
    code, told, _ = run_example(
        tmp_path, "container.py", asked, "image", "8501", says=f"false {asked['key']}"
    )
    assert (code, told[-1][0][0]) == (0, "run"), "one that was made and does not run is made anew"
    probe = document(tmp_path, "probe")
    code, _, said = run_example(
        tmp_path, "container.py", probe, "image", "8501", says=f"false {asked['key']}"
    )
    assert (code, "does not run" in said) == (1, True)
    asked["canary"] = {"version": 5, "share": 0.1}
    code, told, said = run_example(tmp_path, "container.py", asked, "image", "8501")
    assert (code, told) == (1, [])
    assert "these containers have no canary" in said
