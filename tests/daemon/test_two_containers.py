"""The example that keeps two containers, beside a stand-in for docker that remembers what it was told, and real ports."""

import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

EXAMPLE = Path(__file__).parents[2] / "docs" / "deployers" / "container.py"
STAND_IN = """import json, os, sys
from pathlib import Path
path = Path(os.environ["PH_STATE"])
made = json.loads(path.read_text())
what, *words = sys.argv[1:]
with open(os.environ["PH_TOLD"], "a") as stream:
    stream.write(" ".join([what, *words[-2:]]) + chr(10))
name = words[-1]
if what == "inspect":
    if name not in made:
        sys.exit("no such container")
    print("true", made[name]["key"], made[name]["port"])
elif what == "rm":
    made.pop(name, None)
elif what == "rename":
    assert words[1] not in made, "the name is taken"
    made[words[1]] = made.pop(words[0])
elif what == "run":
    labels = dict(word[11:].split("=") for word in words if word.startswith("pilothouse."))
    assert labels["port"] not in {one["port"] for one in made.values()}, "the port is taken"
    made[words[words.index("--name") + 1]] = labels
path.write_text(json.dumps(made))
"""


class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/v2/health/ready" else 404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


@dataclass
class Machine:
    folder: Path
    ports: list[str]

    def ask(self, version: int, action: str = "deploy") -> tuple[int, list[str], str]:
        """Exit code, what docker was told, and what was said."""
        told = self.folder / "told"
        told.write_text("")
        file = {"path": str(self.folder / "model.skops"), "digest": "d"}
        asked = {
            "form": 1, "action": action, "target": "desk", "model": "delay", "version": version, "artifact": file,
            "schema": file, "canary": None, "key": f"key-of-{version}",
        }  # fmt: skip
        given = {"PH_TOLD": str(told), "PH_STATE": str(self.state), "DOCKER": str(self.folder / "docker")}
        done = subprocess.run(
            [sys.executable, str(EXAMPLE), "image", *self.ports, str(self.folder / "turn proxy")],
            input=json.dumps(asked), capture_output=True, text=True, env={**os.environ, **given}, timeout=60, check=False,
        )  # fmt: skip
        words = [line.split()[0] for line in told.read_text().splitlines()]
        return done.returncode, [word for word in words if word != "inspect"], done.stdout + done.stderr

    @property
    def state(self) -> Path:
        return self.folder / "state.json"

    def made(self) -> dict[str, Any]:
        """Port by name and key."""
        found = json.loads(self.state.read_text())
        return {f"{name} {one['key']}": one["port"] for name, one in found.items()}

    def turned(self) -> str:
        return (self.folder / "turned").read_text().strip()


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    (tmp_path / "docker.py").write_text(STAND_IN)
    for name, line in (
        ("docker", f'exec "{sys.executable}" "{tmp_path}/docker.py" "$@"'),
        ("turn proxy", f'echo "$1" > "{tmp_path}/turned"'),
    ):
        (tmp_path / name).write_text(f"#!/bin/sh\n{line}\n")
        (tmp_path / name).chmod(0o700)
    (tmp_path / "state.json").write_text("{}")
    servers = [http.server.ThreadingHTTPServer(("127.0.0.1", 0), Ready) for _ in range(2)]
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    yield Machine(tmp_path, [str(server.server_address[1]) for server in servers])
    for server in servers:
        server.shutdown()
        server.server_close()


NAME = "pilothouse-desk-delay"


def test_the_version_before_keeps_running_and_the_way_back_starts_nothing(machine: Machine) -> None:
    first, second = machine.ports
    assert machine.ask(1)[0] == 0
    assert (machine.made(), machine.turned()) == ({f"{NAME} key-of-1": first}, first)
    assert machine.ask(2)[0] == 0
    assert machine.made() == {f"{NAME} key-of-2": second, f"{NAME}-before key-of-1": first}
    assert machine.turned() == second

    code, told, _ = machine.ask(1, "rollback")
    assert (code, told) == (0, ["rename", "rename", "rename"])
    assert machine.made() == {f"{NAME} key-of-1": first, f"{NAME}-before key-of-2": second}
    assert machine.turned() == first
    assert machine.ask(1, "rollback")[:2] == (0, []), "asked again for what answers"
    assert machine.ask(1, "probe")[0] == 0
    code, _, said = machine.ask(2, "probe")
    assert (code, "runs key-of-1; expected key-of-2" in said) == (1, True)

    assert machine.ask(3)[0] == 0, "a third takes the place of the version that went back"
    assert machine.made() == {f"{NAME} key-of-3": second, f"{NAME}-before key-of-1": first}


@pytest.mark.parametrize("names", [("", "-before", "-next"), ("-before", "-next"), ("", "-next")])
def test_one_that_was_broken_off_between_two_steps_is_brought_to_its_end(
    machine: Machine, names: tuple[str, ...]
) -> None:
    """``-next`` has the version that is asked for again; the port of ``-before`` is of no matter here."""
    first, second = machine.ports
    of = {"": ("key-of-1", first), "-before": ("key-of-0", "1"), "-next": ("key-of-2", second)}
    machine.state.write_text(
        json.dumps({NAME + name: {"key": of[name][0], "port": of[name][1]} for name in names})
    )
    code, told, _ = machine.ask(2)
    assert (code, "run" in told) == (0, False)
    assert machine.made()[f"{NAME} key-of-2"] == second
    assert machine.turned() == second
    assert (f"{NAME}-before key-of-1" in machine.made()) is ("" in names)


def test_a_proxy_that_is_not_turned_leaves_the_version_that_answers(machine: Machine) -> None:
    assert machine.ask(1)[0] == 0
    (machine.folder / "turn proxy").write_text("#!/bin/sh\necho no such proxy >&2\nexit 3\n")
    code, _, said = machine.ask(2)
    assert (code, "no such proxy" in said) == (1, True)
    assert machine.made()[f"{NAME} key-of-1"] == machine.ports[0]
    assert machine.ask(1, "probe")[0] == 0
