#!/usr/bin/env bash
# A Dask client that reached a restarted scheduler runs tasks again, and hears nothing of the topics it subscribed to
#
# What:     distributed 2026.8.0: Client.subscribe_topic, Worker.log_event; the scheduler is killed and another is started at the
#           same address, with a new worker. The client is the same object throughout.
# Guess:    a client that reconnects by itself subscribes again: it keeps its handlers by topic, and says "running". Or, where it
#           does not, it ends or says that the connection was another one.
# Seen:     the client goes "running" -> "connecting" -> "running" in silence. Futures of before are cancelled, new tasks run and
#           give their results; but the subscription was state of the scheduler that is gone, and only the start of a client
#           subscribes. Events of the new tasks are kept by the new scheduler (get_events shows them) and never arrive; the
#           handler is still registered. client.scheduler.identity() asked while the scheduler is away raises nothing: it waits
#           and is answered by the next scheduler, under another id. subscribe_topic() called again mends it.
# Why:      progress, announcements or metrics of a training by log_event stop for ever after one restart of the scheduler, while
#           every job succeeds and every health check by identity() is green. Subscribe before each submit, or watch the id.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check dask==2026.8.0 distributed==2026.8.0
cat > "$work/deaf.py" <<'PY'
import asyncio
import socket
import subprocess
import sys

from distributed import Client

with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
address = f"tcp://127.0.0.1:{port}"
running = []


def start():
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "stdin": subprocess.DEVNULL}
    scheduler = ["dask_scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard", "--no-jupyter"]
    worker = ["dask_worker", address, "--no-nanny", "--no-dashboard", "--nthreads", "1"]
    for program, *arguments in (scheduler, worker):
        running.append(subprocess.Popen([sys.executable, "-m", f"distributed.cli.{program}", *arguments], **quiet))


def kill():
    while running:
        process = running.pop()
        process.kill()
        process.wait()


def task(number):
    from distributed import get_worker

    get_worker().log_event("news", {"number": number})
    return number


async def until(condition):
    for _ in range(1200):
        if condition():
            return
        await asyncio.sleep(0.1)
    sys.exit("waited for two minutes")


async def main():
    heard = []
    async with Client(address, asynchronous=True, set_as_default=False, timeout=120) as client:
        hear = lambda event: heard.append(event[1]["number"])
        client.subscribe_topic("news", hear)
        await client.submit(task, 1, pure=False)
        await until(lambda: heard == [1])
        before = (await client.scheduler.identity())["id"]
        kill()
        await until(lambda: client.status == "connecting")
        asked = asyncio.ensure_future(client.scheduler.identity())
        start()
        after = (await asked)["id"]
        await until(lambda: client.status == "running")
        results = [await client.submit(task, 2, pure=False), await client.submit(task, 3, pure=False)]
        await asyncio.sleep(3)
        kept = [event[1]["number"] for event in await client.get_events("news")]
        deaf = list(heard)
        client.subscribe_topic("news", hear)
        results.append(await client.submit(task, 4, pure=False))
        await until(lambda: 4 in heard)
    print(f"the scheduler is another one: {before != after}; results {results}")
    print(f"the new scheduler keeps events {kept}; the client, still subscribed as it believes, heard {deaf}")
    print(f"after subscribing again it heard {heard}")
    if (before != after, results, kept, deaf, heard) != (True, [2, 3, 4], [2, 3], [1], [1, 4]):
        sys.exit("CHANGED: the client hears of its topics after a restart of the scheduler, or fails")
    print("as described")


try:
    start()
    asyncio.run(main())
finally:
    kill()
PY
"$work/venv/bin/python" "$work/deaf.py"
