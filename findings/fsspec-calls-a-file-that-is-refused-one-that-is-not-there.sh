#!/usr/bin/env bash
# fsspec says "file not found" of a file on a web server whose token has run out or that is overloaded
#
# What:     fsspec 2026.9.0 with aiohttp 3.14.5, an https/http file system; pandas 3.1.1 reading a csv by such a URL through it.
# Guess:    404 is FileNotFoundError, every other refusal an error that names its status: cat() has a function for just that,
#           _raise_not_found_for_status, and object stores raise PermissionError.
# Seen:     cat() does as guessed (401 and 503 raise ClientResponseError with the status). info(), open() and, through
#           open(), pandas.read_csv(..., storage_options=...) raise FileNotFoundError for 401, 403, 429 and 503 alike, with
#           the URL as the whole message; the status is in __cause__ alone. exists() answers False, glob-like loops go on.
# Why:      "no new file tonight" is handled by catching FileNotFoundError or asking exists(): a training that may be
#           skipped then is skipped for good on the day on which the token runs out, and nobody is told. Who reads rows by
#           fsspec has to look at __cause__ and tell a refusal from an absence.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check fsspec==2026.9.0 aiohttp==3.14.5 pandas==3.1.1
cat > "$work/ask.py" <<'PY'
import http.server
import sys
import threading

import fsspec
import pandas as pd


class Refusing(http.server.BaseHTTPRequestHandler):
    """Answers with the status that the path begins with."""

    def do_GET(self):
        status = int(self.path.split("/")[1])
        body = b"x\n1\n" if status == 200 else b""
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_HEAD = do_GET

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
threading.Thread(target=server.serve_forever, daemon=True).start()
files = fsspec.filesystem("http")


def said(ask):
    try:
        ask()
    except Exception as error:
        return type(error).__name__, getattr(error, "status", None), getattr(error.__cause__, "status", None)
    return "read", None, None


broken = []
for status in (200, 404, 401, 403, 429, 503):
    url = f"http://127.0.0.1:{server.server_port}/{status}/rows.csv"
    answers = {
        "cat": said(lambda: files.cat(url)),
        "info": said(lambda: files.info(url)),
        "open": said(lambda: files.open(url).read()),
        "pandas": said(lambda: pd.read_csv(files.open(url))),
    }
    exists = files.exists(url)
    print(status, answers, "exists:", exists)
    if status == 200:
        expected = all(answer[0] == "read" for answer in answers.values()) and exists
    else:
        absent = all(answers[name][0] == "FileNotFoundError" for name in ("info", "open", "pandas"))
        hidden = all(answers[name][2] == status for name in ("info", "open"))
        plain = answers["cat"][0] == "FileNotFoundError" if status == 404 else answers["cat"][1] == status
        expected = absent and hidden and plain and not exists
    if not expected:
        broken.append(str(status))
server.shutdown()
if broken:
    sys.exit("CHANGED: " + ", ".join(broken))
print("as described: a file that is refused with 401, 403, 429 or 503 is said not to be there")
PY
"$work/venv/bin/python" "$work/ask.py"
