#!/usr/bin/env bash
# s3fs 2026.9.0, pyarrow 26.0.1, cloudpathlib 0.26.0, smart_open 9.0.2, obstore 0.12.1 (moto 5.2.5, Python 3.11)
#
# Guess:    an object of a store appears whole or not at all: a with-block that an error leaves gives the upload up, and what stood under
#           the name stays.
# Seen:     s3fs (and fsspec.open above it), pyarrow's file system and cloudpathlib close the file on the way out, and closing is what
#           puts it in place: the rows before the error replace the object that was whole. With compression the part is a whole gzip
#           file. smart_open and obstore give up. The error is raised in all five.
# Output:   an object of three rows, a writer that fails at its third: two rows by s3fs, fsspec.open with gzip, pyarrow, cloudpathlib; the
#           former three by smart_open, obstore.
# Matters:  yesterday's table was right, today's run failed and said so, and the reader finds a shorter table that parses: fewer rows, no
#           error. On a disk one expects half a file, on a store "writes are atomic" is why nobody does. Write into memory or under
#           another name first.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    s3fs==2026.9.0 fsspec==2026.9.0 pyarrow==26.0.1 'cloudpathlib[s3]==0.26.0' 'smart_open[s3]==9.0.2' obstore==0.12.1 \
    'moto[server,s3]==5.2.5'
cat > "$work/check.py" <<'PY'
import gzip
import logging
import os

os.environ.update(AWS_ACCESS_KEY_ID="nobody", AWS_SECRET_ACCESS_KEY="nothing", AWS_DEFAULT_REGION="us-east-1")

import boto3
import cloudpathlib
import fsspec
import obstore
import pyarrow.fs
import s3fs
import smart_open
from moto.server import ThreadedMotoServer
from obstore.store import S3Store

logging.getLogger("werkzeug").setLevel(logging.ERROR)
former = b"key,value\nyesterday,1\nyesterday,2\n"
half = b"key,value\ntoday,1\n"


def rows():
    yield b"key,value\n"
    yield b"today,1\n"
    raise ValueError("the value of row 2 is none")


server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
try:
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    client = boto3.client("s3", endpoint_url=url)
    client.create_bucket(Bucket="tables")
    options = {"key": "nobody", "secret": "nothing", "endpoint_url": url}
    arrow = pyarrow.fs.S3FileSystem(
        access_key="nobody", secret_key="nothing", endpoint_override=f"{host}:{port}", scheme="http"
    )
    cloud = cloudpathlib.S3Client(boto3_session=boto3.Session(), endpoint_url=url)
    store = S3Store(
        "tables", endpoint=url, access_key_id="nobody", secret_access_key="nothing", region="us-east-1",
        client_options={"allow_http": True},
    )
    openers = {
        "s3fs": lambda name: s3fs.S3FileSystem(**options).open(f"tables/{name}", "wb"),
        "fsspec.open gzip": lambda name: fsspec.open(f"s3://tables/{name}", "wb", compression="gzip", **options),
        "pyarrow": lambda name: arrow.open_output_stream(f"tables/{name}"),
        "cloudpathlib": lambda name: cloud.CloudPath(f"s3://tables/{name}").open("wb"),
        "smart_open": lambda name: smart_open.open(f"s3://tables/{name}", "wb", transport_params={"client": client}),
        "obstore": lambda name: obstore.open_writer(store, name),
    }
    found = {}
    for which, opener in openers.items():
        name = which.replace(" ", "-").replace(".", "-")
        client.put_object(Bucket="tables", Key=name, Body=gzip.compress(former) if "gzip" in which else former)
        raised = False
        try:
            with opener(name) as file:
                for row in rows():
                    file.write(row)
        except ValueError:
            raised = True
        assert raised, which
        body = client.get_object(Bucket="tables", Key=name)["Body"].read()
        found[which] = gzip.decompress(body) if "gzip" in which else body
finally:
    server.stop()
for which, body in found.items():
    print(f"{which:17}", "the former object" if body == former else body)
for which in ("s3fs", "fsspec.open gzip", "pyarrow", "cloudpathlib"):
    assert found[which] == half, f"{which} gives the upload up now"
for which in ("smart_open", "obstore"):
    assert found[which] == former, f"{which} puts a part in place now"
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
