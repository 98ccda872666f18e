"""Main function of a process that sends one message: ``python -I -m pilothouse.sending.main``.

The request comes on its standard input, as JSON. The answer is a file that is on the disk before the process ends, so that a
daemon that was killed meanwhile learns what the receiver said. It holds the lock that it was given until it ends.
"""

import json
import os
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pilothouse.sending.http_post import Outcome, post
from pilothouse.sending.secret_values import MissingSecretError, secret
from pilothouse.sending.webhook import signed_headers

LONGEST_S = 40.0
"""Seconds after which the process ends, whatever it does."""
_JSON = {"Content-Type": "application/json"}


def send(request: dict[str, Any]) -> Outcome:
    """Send the message of a request to its receiver. Whatever goes wrong is in the outcome."""
    receiver = request["receiver"]
    try:
        url = receiver.get("url") or secret(receiver.get("url_file"), receiver.get("url_env"), "its URL")
        key = secret(receiver.get("secret_file"), receiver.get("secret_env"), "its secret")
    except MissingSecretError as error:
        return Outcome(str(error))
    assert url is not None
    allow = receiver.get("allow") or ()
    kind = receiver["kind"]
    if kind == "apprise":
        from pilothouse.sending.by_apprise import notify

        return notify(url, request["message"])
    how = {"allow": allow, "ca_file": receiver.get("ca_file"), "timeout_s": receiver["timeout"]}
    if kind == "alertmanager":
        body = json.dumps(request["alerts"]).encode()
        headers = {**_JSON, **({"Authorization": f"Bearer {key}"} if key else {})}
        return post(url.rstrip("/") + "/api/v2/alerts", body, headers, **how)
    own = {"id": request["delivery"], "sequence": request["sequence"]}
    body = json.dumps({**own, **request["message"]}, sort_keys=True).encode()
    try:
        headers = {**_JSON, **signed_headers(key or "", request["delivery"], int(time.time()), body)}
    except ValueError as error:
        return Outcome(f"its secret {error}")
    return post(url, body, headers, **how)


def write_answer(path: Path, outcome: Outcome) -> None:
    """Put what came of it on the disk, whole or not at all."""
    partial = path.with_suffix(".part")
    with partial.open("w") as stream:
        json.dump(asdict(outcome), stream)
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def main() -> int:
    """Send, and leave the answer."""
    watchdog = threading.Timer(LONGEST_S, os._exit, (1,))
    watchdog.daemon = True
    watchdog.start()
    request = json.loads(sys.stdin.buffer.read())
    write_answer(Path(request["answer"]), send(request))
    return 0


if __name__ == "__main__":
    sys.exit(main())
