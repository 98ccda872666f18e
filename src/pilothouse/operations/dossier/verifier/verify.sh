#!/bin/sh
# Verifies this folder with OpenSSL, OpenSSH and Python (3.8 or newer), without Pilothouse and without a network.
# Exit code 0: all of it holds. 1: something does not. 3: something could not be checked here.
#   sh verify.sh [--key KEY]    KEY is the workspace's public key (a file), or its sha256, as you have it from elsewhere.
set -eu
here=$PWD
cd "$(dirname "$0")"
for python in ${PYTHON:-python3 python}; do
    if command -v "$python" >/dev/null 2>&1; then
        exec "$python" -I -S -B verify.py --from "$here" "$@"
    fi
done
echo "not checked: there is no Python here (PYTHON=/path/to/python sh verify.sh names one)" >&2
exit 3
