#!/usr/bin/env bash
# gcsfs 2026.10 reads a file behind an HTTP endpoint right, a minute late: open() asks by gRPC first what kind of bucket it is
#
# What:     gcsfs 2026.10.1 with token="anon" and endpoint_url= of gcp-storage-emulator 2026.7.19 (JSON API over HTTP), one
#           object of ten bytes; beside it the same through gcsfs.core.GCSFileSystem.
# Guess:    endpoint_url says where all requests go, and they go by HTTP, as info() does: some milliseconds each.
# Seen:     info() takes milliseconds; open() about a minute. fsspec's "gs" has been ExtendedGcsFileSystem since the zonal
#           buckets came: it asks the storage layout by gRPC at the same host, tries that for 60 s, logs a warning
#           ("Could not determine bucket type ..., falling back"), and then reads the right bytes by HTTP. "Unknown" is not
#           remembered: the next open() waits again. The class of before, gcsfs.core.GCSFileSystem, reads at once;
#           GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT=false in the environment *before the import* chooses it for "gs" too.
# Why:      behind a proxy or gateway that lets HTTP/1.1 through alone, a training on a folder of 500 parquet files begins
#           eight hours late, and no error says why. Tests against an emulator time out for the same reason.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check gcsfs==2026.10.1
"$PYTHON" -m venv "$work/server"
"$work/server/bin/python" -m pip install --quiet --disable-pip-version-check gcp-storage-emulator==2026.7.19
port=$("$PYTHON" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"$work/server/bin/gcp-storage-emulator" start --host=127.0.0.1 --port="$port" --in-memory --default-bucket=flights > "$work/log" 2>&1 &
server=$!
cat > "$work/read.py" <<'PY'
import json
import sys
import time
import urllib.error
import urllib.request

import fsspec
import gcsfs.core

address = f"http://127.0.0.1:{sys.argv[1]}"
request = urllib.request.Request(f"{address}/upload/storage/v1/b/flights/o?uploadType=media&name=one.csv", b"wind\n1\n2\n3\n", method="POST")
for _ in range(300):
    try:
        json.load(urllib.request.urlopen(request, timeout=20))
        break
    except (urllib.error.URLError, ConnectionError):
        time.sleep(0.2)


def timed(ask):
    began = time.monotonic()
    answer = ask()
    return answer, time.monotonic() - began


default = fsspec.filesystem("gs", token="anon", endpoint_url=address)
plain = gcsfs.core.GCSFileSystem(token="anon", endpoint_url=address)
size, of_info = timed(lambda: default.info("flights/one.csv")["size"])
at_once, of_plain = timed(lambda: plain.open("flights/one.csv").read())
late, of_default = timed(lambda: default.open("flights/one.csv").read())
print(f"{type(default).__name__}: info {of_info:.2f} s, open and read {of_default:.1f} s; GCSFileSystem of gcsfs.core: {of_plain:.2f} s")
if not (late == at_once and size == len(late) and of_default > 20 and of_default > 10 * (of_plain + of_info)):
    sys.exit("CHANGED: the default class no longer waits, or reads something else")
print("as described: the same bytes, later by", round(of_default - of_plain), "s")
PY
"$work/venv/bin/python" "$work/read.py" "$port" 2> "$work/warnings" || { cat "$work/warnings" >&2; exit 1; }
