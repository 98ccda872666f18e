"""A request to a served model as a command line that can be pasted into a shell."""

import json
import shlex
from typing import Any


def curl_command(url: str, body: dict[str, Any]) -> str:
    """``curl … -d '…'`` in one line of ASCII, quoted for a POSIX shell whatever the values hold.

    The protocol of the address is pinned, so that a proxy set in the environment is not asked for the machine's own address.
    """
    document = json.dumps(body, allow_nan=False)  # non-ASCII and control characters become JSON's escapes
    return f"curl -sS --noproxy '*' {shlex.quote(url)} -d {shlex.quote(document)}"
