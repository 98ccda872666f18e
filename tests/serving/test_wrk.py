"""wrk, a load generator of its own: every request is answered, and every answer's rows are at the hub.

A bounded load of two seconds on loopback. Where wrk is not installed the test says so.
"""

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from serving_kit import ModelFile, ServingProcess, TestHub, body_of, wait_until

ROWS = 3
_SCRIPT = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
local body = io.open("{body}", "rb"):read("*a")
wrk.body = body
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("errors %d %d %d %d %d\\n", e.connect, e.read, e.write, e.status, e.timeout))
end
"""


@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")
def test_every_request_of_wrk_is_answered_and_stored(
    launch: Callable[..., ServingProcess], hub: TestHub, first: ModelFile, tmp_path: Path
) -> None:
    hub.deploy(first)
    server = launch(hub)
    server.wait_for_port()
    server.wait_until_ready()
    (tmp_path / "body").write_bytes(body_of(ROWS))
    (tmp_path / "load.lua").write_text(_SCRIPT.format(body=tmp_path / "body"))
    url = f"http://127.0.0.1:{server.port}/v2/models/{first.name}/infer"
    shown = subprocess.run(
        ["wrk", "-t1", "-c16", "-d2s", "-s", tmp_path / "load.lua", url],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "errors 0 0 0 0 0" in shown, shown
    asked = re.search(r"(\d+) requests in", shown)
    assert asked
    answered = int(asked[1])
    assert answered > 16
    server.terminate()  # finishes what wrk had asked when it ended, and ships the rest
    server.process.wait()

    def stored() -> int:
        with hub.lock:
            return sum(batch.rows for batch in hub.batches)

    wait_until(lambda: stored() >= answered * ROWS)
    # wrk counts no request that was under way when its time ended: one for each connection at most
    assert answered * ROWS <= stored() <= (answered + 16) * ROWS
    assert stored() % ROWS == 0
