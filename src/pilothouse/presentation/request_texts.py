"""A request to a served model as a command line that can be pasted into a shell."""

import json
import shlex
from typing import Any


def curl_command(url: str, body: dict[str, Any], token_file: str = "") -> str:
    """``curl … -d '…'`` in one line of ASCII, quoted for a POSIX shell whatever the values hold.

    No proxy that is set in the environment is asked for the machine's own address, and there no certificate is compared with
    it. A token is read from its file when the command runs.
    """
    document = json.dumps(body, allow_nan=False)  # non-ASCII and control characters become JSON's escapes
    trust = " --insecure" if _is_own_tls(url) else ""
    token = ""
    if token_file:
        token = f""" -H "Authorization: Bearer $(grep -v '^#' {shlex.quote(token_file)} | head -1)\""""
    return f"curl -sS{trust} --noproxy '*'{token} {shlex.quote(url)} -d {shlex.quote(document)}"


def curl_remark(url: str) -> str:
    """What is to be known of the command before it is used elsewhere; empty where there is nothing."""
    if not _is_own_tls(url):
        return ""
    return (
        "--insecure: on this machine's own address no certificate is compared; "
        "from elsewhere ask by the name in it, with --cacert FILE in its place"
    )


def _is_own_tls(url: str) -> bool:
    return url.startswith(("https://127.", "https://[::1]"))
