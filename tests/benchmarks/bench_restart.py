"""How long a killed serving process of another machine takes to answer again, in one run: the whole command killed and started
again at once, as systemd would, beside its serving process killed under a parent that has the libraries and holds the port.

``RESTART_ROUNDS`` (three) times each, in turn. Clients ask without a pause on new connections; the gap is from the kill to the
first answer of 200.
"""

import json
import os
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from pilothouse.daemon import control
from support import raw_writes, wait_until
from support.raw_http import RawConnection
from support.remote_places import FarProcess, make_remote_hub, serve_far

ROUNDS = int(os.environ.get("RESTART_ROUNDS", "3"))
CLIENTS = 4
BODY = json.dumps({"rows": [{"wind": 3.0, "load": 0.5}]}).encode()


def run() -> None:
    raw_writes.allow()
    with tempfile.TemporaryDirectory() as place:
        hub = make_remote_hub(Path(place))
        with socket.create_server(("127.0.0.1", 0)) as free:
            hub.port = free.getsockname()[1]
        hub.describe(hub.port)
        control.start_in_background(hub.shop.root)
        folder, token = Path(place) / "far", hub.token().token
        far = None
        try:
            wait_until(hub.answers, 60)
            far = serve_far(folder, hub.url, hub.authority, token=token)
            far.wait_until_ready()
            gaps: dict[str, list[float]] = {"started again": [], "forked again": []}
            for _ in range(ROUNDS):
                for how in gaps:
                    port = far.port
                    wait_until(lambda port=port: ask(port) == "200", 60)
                    wait_until(lambda far=far: idle(far.process.pid), 120)
                    killed, seen, stop = time.monotonic(), Counter[str](), threading.Event()
                    found = [killed]
                    clients = [
                        threading.Thread(target=keep_asking, args=(port, seen, found, stop))
                        for _ in range(CLIENTS)
                    ]
                    if how == "started again":
                        far.kill()
                        killed = found[0] = time.monotonic()
                        far = serve_far(folder, hub.url, hub.authority, "--port", str(port))
                    else:
                        far.kill_child()
                        killed = found[0] = time.monotonic()
                    for client in clients:
                        client.start()
                    wait_until(lambda found=found, killed=killed: found[0] > killed, 120)
                    stop.set()
                    for client in clients:
                        client.join()
                    gaps[how].append(found[0] - killed)
                    others = {name: count for name, count in sorted(seen.items()) if name != "200"}
                    print(
                        f"{how:14} {gaps[how][-1]:6.2f} s, meanwhile {others or 'connections waited'}",
                        flush=True,
                    )
            for how, found in gaps.items():
                print(f"{how:14} median {statistics.median(found):.2f} s of {len(found)}")
        finally:
            if far is not None:
                end(far)
            control.stop(hub.shop.root)


def idle(pid: int) -> bool:
    """True where the parent has done nothing for a second: it has what its first process needed."""
    seen = []
    for _ in range(4):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        seen.append((fields[0], *fields[11:13]))
        time.sleep(0.25)
    return seen[0][0] == "S" and len(set(seen)) == 1


def end(far: FarProcess) -> None:
    if far.process.poll() is None:
        far.kill()


def keep_asking(port: int, seen: "Counter[str]", found: list[float], stop: threading.Event) -> None:
    """Ask until told to stop; the time of the first 200 takes the place of that of the kill."""
    killed = found[0]
    while not stop.is_set():
        answer = ask(port)
        seen[answer] += 1
        if answer == "200" and found[0] == killed:
            found[0] = time.monotonic()
        if answer != "200":
            stop.wait(0.02)


def ask(port: int) -> str:
    connection = RawConnection(port, 30.0)
    try:
        return str(connection.post("/v2/models/delay/predict", BODY)[0])
    except ConnectionRefusedError:
        return "refused"
    except OSError:
        return "broken"
    finally:
        connection.close()


if __name__ == "__main__":
    run()
