#!/usr/bin/env bash
# mlflow-skinny 3.17.2 (Python 3.11)
#
# Guess:    MLFLOW_TRACKING_TOKEN in the environment of one command outranks ~/.mlflow/credentials, as a variable outranks
#           a file with every other client of this kind.
# Seen:     where the file has a user and a password, the token is never sent: the request carries Basic of the file. User
#           and password are looked up one by one, so that a user from the environment goes out with the password that
#           the file holds for another user. A password with a percent sign that is not doubled makes every call fail.
# Output:   token and file: Basic ada:of-ada; user ben and file: Basic ben:of-ada; token alone: Bearer.
# Matters:  a job that is given a token of its own acts as the person whose home it runs in. Here a variable comes before
#           the file (foreign/tracking_access), which docs/mlflow.md says, for it is not what MLflow's client does.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check mlflow-skinny==3.17.2
cat > "$work/check.py" <<'PY'
import base64
import configparser
import http.server
import os
import pathlib
import threading

seen = []


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        kind, _, word = self.headers.get("Authorization", "none").partition(" ")
        seen.append(f"{kind} {base64.b64decode(word).decode() if kind == 'Basic' else word}")
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    do_GET = do_POST

    def log_message(self, *args):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
from mlflow import MlflowClient  # noqa: E402

client = MlflowClient(f"http://127.0.0.1:{server.server_address[1]}")
file = pathlib.Path(os.environ["HOME"]) / ".mlflow" / "credentials"
file.parent.mkdir()


def sent(password, **variables):
    for name in ("USERNAME", "PASSWORD", "TOKEN"):
        os.environ.pop(f"MLFLOW_TRACKING_{name}", None)
    os.environ.update({f"MLFLOW_TRACKING_{name}": value for name, value in variables.items()})
    if password is None:
        file.unlink(missing_ok=True)
    else:
        file.write_text(f"[mlflow]\nmlflow_tracking_username = ada\nmlflow_tracking_password = {password}\n")
    seen.clear()
    client.search_experiments()
    return seen[-1]


for what, found, expected in (
    ("token and file", sent("of-ada", TOKEN="of-the-job"), "Basic ada:of-ada"),
    ("user and file", sent("of-ada", USERNAME="ben"), "Basic ben:of-ada"),
    ("token alone", sent(None, TOKEN="of-the-job"), "Bearer of-the-job"),
):
    print(f"{what:20}{found}")
    assert found == expected, what
try:
    sent("50%off")
except configparser.InterpolationError as error:
    print(f"{'a percent sign':20}{type(error).__name__}")
else:
    raise SystemExit("a password with a percent sign is read now")
PY
cd "$work"
mkdir home
export HOME="$work/home" MLFLOW_DISABLE_TELEMETRY=true DO_NOT_TRACK=true
nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
