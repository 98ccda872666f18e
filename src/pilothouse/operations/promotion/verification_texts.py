"""Files of an evidence export that a stranger reads and runs: ``verify.sh`` and ``README.txt``."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pilothouse.domain.statements import NAMESPACE
from pilothouse.signing.allowed_signers import principal, time_option


@dataclass(frozen=True, slots=True)
class ExportedDecision:
    """Decision in an export. Files are named after ``stem``; without a key there is no signature to verify."""

    stem: str
    name: str
    verdict: str
    kind: str
    fingerprint: str
    recorded_at: datetime
    revoked_before: str
    """File of keys that had been revoked by then; empty where there were none."""
    revoked_since: str
    """When and why its key was revoked after it; empty where it was not."""
    has_statement: bool = True
    row: int = 0
    """Row of the audit log that is proven to be in the transparency log; 0 where none is."""
    row_hash: str = ""

    @property
    def command(self) -> str:
        """Line of ssh-keygen that verifies it as of its time."""
        time = f" -Overify-time={time_option(self.recorded_at)}"
        krl = f" -r {self.revoked_before}" if self.revoked_before else ""
        return (
            f"ssh-keygen -Y verify -f allowed_signers -I {shlex.quote(principal(self.name))} -n {NAMESPACE} "
            f"-s {self.stem}.sig{krl}{time} < {self.stem}.json"
        )


POLICY, VERIFIER = "log_policy", "verify_proof.py"

_HEAD = """#!/bin/sh
# Verifies the decisions on request {request} with OpenSSH (8.9 or newer) and sha256. Exit code 0: all holds.
cd "$(dirname "$0")" || exit 2
failed=0
digest() {{
  if command -v sha256sum >/dev/null 2>&1; then sha256sum "$1"
  elif command -v shasum >/dev/null 2>&1; then shasum -a 256 "$1"
  else openssl dgst -sha256 -r "$1"; fi | cut -d' ' -f1
}}
says() {{ # statement, field, file: the statement names the sha256 of the file
  if grep -qF "\\"$2\\":{{\\"sha256\\":\\"$(digest "$3")\\"}}" "$1"
  then echo "ok      $1 is about this $3"
  else echo "FAILED  $1 is not about this $3"; failed=1; fi
}}
logged() {{ # proof, row, program and its arguments
  name=$1 row=$2; shift 2
  if ! command -v python3 >/dev/null 2>&1 || ! command -v openssl >/dev/null 2>&1
  then echo "note    $name was not checked: that takes python3 and openssl"
  elif python3 "$@" >/dev/null 2>&1; then echo "ok      $name: the log has row $row"
  else echo "FAILED  $name does not prove row $row"; failed=1; fi
}}
holds() {{ # statement, words, result of ssh-keygen
  if [ "$3" -eq 0 ]; then echo "ok      $1 $2"; else echo "FAILED  $1 $2"; failed=1; fi
}}
"""


def verify_script(request: int, decisions: Sequence[ExportedDecision]) -> str:
    """``verify.sh``."""
    lines = [_HEAD.format(request=request)]
    for one in decisions:
        if one.row:
            check = f"{VERIFIER} {one.stem}.tlog-proof --policy {POLICY} --entry {one.row_hash}"
            lines.append(f"logged {one.stem}.tlog-proof {one.row} {check}")
        if not one.has_statement:
            continue
        lines += [f"says {one.stem}.json evidence evidence.json", f"says {one.stem}.json policy policy.json"]
        if not one.fingerprint:
            lines.append(f"echo 'note    {one.stem}.json has {one.kind}, which only the workspace can check'")
            continue
        lines.append(f"{one.command} >/dev/null")
        lines.append(f"holds {one.stem}.json {shlex.quote(f'is signed by {one.name} ({one.verdict})')} $?")
        if one.revoked_since:
            note = f"note    the key of {one.stem}.sig was revoked {one.revoked_since}: it rests on the time in the log"
            lines.append(f"echo {shlex.quote(note)}")
    lines.append('[ "$failed" -eq 0 ]')
    return "\n".join(lines) + "\n"


_README = """Request {request}: {what}
{rule}

Who decided, and with what:

{decisions}

Run verify.sh, or the lines below, on any machine that has OpenSSH. Nothing of Pilothouse is needed.

{commands}

evidence.json     what was decided on; its sha256 is in each statement
policy.json       the rules by which it was decided; its sha256 is in each statement
decision-N.json   the statement that a person signed, to the byte: one line of JSON (RFC 8785)
decision-N.sig    the signature of it (SSHSIG), in the namespace {namespace}
decisions.json    the decisions as the registry has them, with the row of the audit log of each
allowed_signers   keys of those who decided, as they were on record at the time of the decision
*.revoked_keys    keys that had been revoked by then (KRL); absent where there were none
revoked_keys      keys that have been revoked until this export (KRL); absent where there are none
*.tlog-proof      proof that the transparency log has the row of the decision; log_policy names the keys of the log, which
                  you compare with what you were given otherwise; verify_proof.py checks it with Python and OpenSSL

A signature is verified as of the time of its decision: keys expire, and decisions do not. That time is the one of the audit
log; each statement also names the head of the log that its signer saw. To ask whether a key still counts today, leave
-Overify-time out and add -r revoked_keys. These files support an audit; they are no statement of conformity.
"""


def readme(request: int, what: str, decisions: Sequence[ExportedDecision], notes: Sequence[str]) -> str:
    """``README.txt``; ``notes``: one line for each decision."""
    rule = "=" * (len(f"Request {request}: {what}"))
    commands = [f"    {one.command}" for one in decisions if one.fingerprint]
    return _README.format(
        request=request,
        what=what,
        rule=rule,
        decisions="\n".join(f"    {note}" for note in notes) or "    nobody yet",
        commands="\n\n".join(commands) or "    (no decision on it is signed by a key)",
        namespace=NAMESPACE,
    )
