"""Text for strangers in an evidence export: how ssh-keygen alone verifies who decided on what."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pilothouse.domain.promotion.statements import NAMESPACE
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

    @property
    def command(self) -> str:
        """Line of ssh-keygen that verifies it as of its time."""
        time = f" -Overify-time={time_option(self.recorded_at)}"
        krl = f" -r {self.revoked_before}" if self.revoked_before else ""
        return (
            f"ssh-keygen -Y verify -f allowed_signers -I {shlex.quote(principal(self.name))} -n {NAMESPACE} "
            f"-s {self.stem}.sig{krl}{time} < {self.stem}.json"
        )


_README = """Request {request}: {what}
{rule}

Who decided, and with what:

{decisions}

Run verify.sh in the folder that you were given: it needs Python, OpenSSL and OpenSSH, and nothing of Pilothouse. Which key
belongs to whom is vouched for by the workspace alone, whose key has signed manifest.sha256: compare the fingerprint of that key
with one that you have from elsewhere, or name it with sh verify.sh --key.

The signatures alone, by OpenSSH alone (what a statement says, and that it is the one of this request, is yours to read then):

{commands}

evidence.json     what was decided on; its sha256 is in each statement
policy.json       the rules by which it was decided; its sha256 is in each statement
decision-N.json   the statement that a person signed, to the byte: one line of JSON (RFC 8785)
decision-N.sig    the signature of it (SSHSIG), in the namespace {namespace}
decisions.json    the decisions as the registry has them, with the row of the audit log of each
documents.json    documents that were attached, with the sha256 of each; documents/: these, each under its sha256
                  (absent where there are none); a statement names the documents that it was given on
break-glass.json  what somebody signed who deployed it alone, and break-glass.sig its signature (absent where nobody did)
allowed_signers   keys of those who decided, as they were on record at the time of the decision
*.revoked_keys    keys that had been revoked by then (KRL); absent where there were none
revoked_keys      keys that have been revoked until this export (KRL); absent where there are none
request.json      the request; audit.jsonl: the rows of the audit log in which it was decided
log/              proofs that the transparency log has these rows; log/policy names the keys of the log, which you compare too
manifest.sha256   the sha256 of every file; manifest.sig: the signature of the workspace's key, signing-key.pem
                  (in a dossier these are in its own folder, for all of it)

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
