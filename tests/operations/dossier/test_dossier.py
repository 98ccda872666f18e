"""Dossier of a version: what is in it, and that it is verified without Pilothouse, and refused where anything was changed."""

import hashlib
import io
import json
import os
import re
import shutil
import stat
import subprocess
import tarfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from fixtures.registries import ADMIN, Example
from pilothouse.domain.audit.inventory import ReviewOutcome
from pilothouse.domain.errors import ConflictError, InvalidInputError
from pilothouse.domain.identity.ssh_keys import read_key
from pilothouse.domain.promotion.break_glass import Review
from pilothouse.domain.promotion.statements import Component
from pilothouse.interop import signing_keys
from pilothouse.operations.dossier import dossiers, inventory
from pilothouse.operations.dossier.gathering import gather
from pilothouse.operations.identity import users
from pilothouse.operations.promotion import break_glass, promotions, statements
from pilothouse.operations.promotion.components import Signed
from pilothouse.operations.workspace import audits, workspaces, write_state
from pilothouse.presentation.dossier.pages import dossier_pages
from support.archives import unpack
from support.soft_keys import SoftKey

BARE = "/usr/bin:/bin"
"""Where the system's own Python, OpenSSL and OpenSSH are."""
HOSTILE = "<script>alert(1)</script>\x1b[2J\u202e ](http://evil) | `x`"


def _approve(example: Example, reference: str) -> int:
    services = example.services
    request = promotions.request_promotion(services, example.actor("oscar"), reference, reason=HOSTILE)
    promotions.comment(services, example.actor("sam"), request.id, HOSTILE)
    promotions.approve(services, example.actor("pat"), request.id, request.evidence_digest, "figures hold")
    return request.id


@pytest.fixture
def approved(example: Example) -> Example:
    """Two versions that were approved one after the other, and a review."""
    example.apply(
        description=HOSTILE,
        inventory={"risk_tier": "high", "intended_use": HOSTILE, "limits": ["no snow"], "validator": "pia"},
    )
    example.add_version()
    _approve(example, "delay/1")
    example.pass_time(days=1)
    inventory.review(
        example.services,
        example.actor("pia"),
        "delay",
        ReviewOutcome.FIT,
        next_review="2030-01-01",
        reason=HOSTILE,
    )
    example.add_version(incumbents=(1,), auc=0.75)
    _approve(example, "delay/2")
    example.pass_time(days=1)
    return example


def _write(example: Example, folder: Path, by: str = "aud", reference: str = "delay/2") -> dossiers.Written:
    return dossiers.write_dossier(example.services, example.actor(by), reference, folder, dossier_pages)


@pytest.fixture
def folder(approved: Example, tmp_path: Path) -> Path:
    return _write(approved, tmp_path / "dossier").folder


def _verify(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """As somebody does who has the folder alone: no environment, the system's Python, no packages of ours."""
    return subprocess.run(
        ["/bin/sh", str(folder / "verify.sh"), *arguments],
        env={"PATH": BARE},
        capture_output=True,
        text=True,
        cwd="/",
        check=False,
    )


needs_tools = pytest.mark.skipif(
    not all(shutil.which(name, path=BARE) for name in ("python3", "openssl")),
    reason="the system has no python3 or no openssl of its own",
)


@needs_tools
def test_it_verifies_on_a_machine_without_pilothouse(folder: Path) -> None:
    answer = _verify(folder)
    last = "all of it holds, if the key above is the workspace's: compare its fingerprint"
    assert (answer.returncode, answer.stdout.splitlines()[-1]) == (0, last)
    assert "WRONG" not in answer.stdout
    assert answer.stderr == ""


def _text(name: str, old: str, new: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new, 1))

    return change


def _byte(name: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        data = bytearray((folder / name).read_bytes())
        data[len(data) // 2] ^= 1
        (folder / name).write_bytes(data)

    return change


def _manifest_anew(folder: Path) -> None:
    names = sorted(
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and path.name not in ("manifest.sha256", "manifest.sig")
    )
    lines = [f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in names]
    (folder / "manifest.sha256").write_text("".join(lines))


CHANGES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "a byte of the model": (_byte("model/model.skops"), "model/model.skops: changed"),
    "a byte of the page": (_byte("dossier.html"), "dossier.html: changed"),
    "a file more": (
        lambda folder: (folder / "model" / "more").write_text("x"),
        "model/more: not named in the manifest",
    ),
    "a file less": (lambda folder: (folder / "model-card.md").unlink(), "model-card.md: missing"),
    "a link": (
        lambda folder: (folder / "notes").symlink_to("/etc/passwd"),
        "notes: a link, or something else that is no plain file",
    ),
    "a link to a folder": (
        lambda folder: (folder / "model" / "annex").symlink_to("/etc"),
        "model/annex: a link, or something else that is no plain file",
    ),
    "a link in place of the signature": (
        lambda folder: (
            (folder / "manifest.sig").rename(folder.parent / "elsewhere.sig"),
            (folder / "manifest.sig").symlink_to(folder.parent / "elsewhere.sig"),
        ),
        "manifest.sig: a link, or something else that is no plain file",
    ),
    "a link in place of a folder": (
        lambda folder: (
            (folder / "model").rename(folder.parent / "elsewhere"),
            (folder / "model").symlink_to(folder.parent / "elsewhere"),
        ),
        "model: a link, or something else that is no plain file",
    ),
    "a pipe": (
        lambda folder: ((folder / "manifest.sha256").unlink(), os.mkfifo(folder / "manifest.sha256")),
        "manifest.sha256: a link, or something else that is no plain file",
    ),
    "an empty folder": (
        lambda folder: (folder / "approved-by-the-board").mkdir(),
        "approved-by-the-board/: not named in the manifest",
    ),
    "a folder that cannot be read": (
        lambda folder: (folder / "log" / "hidden").mkdir(mode=0),
        "log/hidden/: ",
    ),
    "another reason in the record": (
        _text("dossier.json", "figures hold", "no reason"),
        "dossier.json: changed",
    ),
}


@needs_tools
@pytest.mark.parametrize("name", CHANGES)
def test_what_was_changed_is_named(folder: Path, name: str) -> None:
    change, said = CHANGES[name]
    change(folder)
    answer = _verify(folder)
    assert answer.returncode == 1
    assert f"WRONG  {said}" in answer.stdout


@needs_tools
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_byte("model/model.skops"), "the model's 2 files are those of its signature"),
        (
            _text("requests/2/evidence.json", '"version":2', '"version":3'),
            "request 2: evidence and policy have the digests",
        ),
        (_text("audit.jsonl", '"actor": "pat"', '"actor": "eve"'), "of the audit log does not have its hash"),
        (
            _text("dossier.json", '"verdict": "approve"', '"verdict": "reject"'),
            "the audit log has the same 1 decisions",
        ),
        (_byte("model.sig"), ""),
    ],
    ids=["model", "evidence", "audit", "decision", "bundle"],
)
def test_a_manifest_made_anew_hides_nothing(folder: Path, change: Callable[[Path], None], said: str) -> None:
    change(folder)
    _manifest_anew(folder)
    answer = _verify(folder)
    assert answer.returncode == 1
    assert "WRONG  the manifest is signed by the key" in answer.stdout
    assert any(line.startswith("WRONG") and said in line for line in answer.stdout.splitlines())


@needs_tools
def test_a_dossier_signed_anew_is_found_by_the_key_that_was_given_another_way(
    folder: Path, tmp_path: Path
) -> None:
    known = tmp_path / "known.pem"
    shutil.copy(folder / "signing-key.pem", known)
    assert _verify(folder, "--key", str(known)).returncode == 0
    private = signing_keys.make_key()
    (folder / "signing-key.pem").write_bytes(signing_keys.public_part(private))
    _manifest_anew(folder)
    (folder / "manifest.sig").write_bytes(
        signing_keys.sign(private, (folder / "manifest.sha256").read_bytes())
    )
    answer = _verify(folder, "--key", str(known))
    assert answer.returncode == 1
    assert f"WRONG  the key is the one in {known}" in answer.stdout
    assert "WRONG  the model's signature is about these files, by this key" in answer.stdout


@needs_tools
def test_without_openssl_it_says_what_was_not_checked(folder: Path, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("python3", "dirname"):
        found = shutil.which(name, path=BARE)
        assert found is not None
        (tools / name).symlink_to(found)
    answer = subprocess.run(
        ["/bin/sh", str(folder / "verify.sh")],
        env={"PATH": str(tools)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 3
    assert "not checked: signatures" in answer.stdout


@needs_tools
def test_every_decision_is_proven_to_be_in_the_log(folder: Path) -> None:
    proofs = sorted(folder.glob("log/*.tlog-proof"))
    entries = [json.loads(line) for line in (folder / "audit.jsonl").read_text().splitlines()]
    decided = [e["seq"] for e in entries if e["action"] in ("request.approved", "model.reviewed")]
    assert {path.name for path in proofs} == {f"entry-{seq}.tlog-proof" for seq in decided}
    said = _verify(folder).stdout
    assert all(f"ok     log/entry-{seq}.tlog-proof: row {seq} is in the log: " in said for seq in decided)


@needs_tools
def test_a_proof_of_another_entry_is_refused(folder: Path) -> None:
    first, *_, last = sorted(folder.glob("log/*.tlog-proof"))
    first.write_bytes(last.read_bytes())
    _manifest_anew(folder)
    assert f"WRONG  log/{first.name}: row " in _verify(folder).stdout


@needs_tools
@pytest.mark.parametrize("part", ["a hash", "the root", "the signature"])
def test_a_proof_that_was_changed_is_refused(folder: Path, part: str) -> None:
    proof = next(iter(folder.glob("log/*.tlog-proof")))
    lines = proof.read_text().split("\n")
    number = {"a hash": 2, "the root": lines.index("") + 3, "the signature": len(lines) - 2}[part]
    place = len(lines[number]) // 2
    other = "A" if lines[number][place] != "A" else "B"
    lines[number] = lines[number][:place] + other + lines[number][place + 1 :]
    proof.write_text("\n".join(lines))
    _manifest_anew(folder)
    said = [line for line in _verify(folder).stdout.splitlines() if line.startswith("WRONG")]
    assert any(".tlog-proof: " in line for line in said), said
    assert not any("cannot be read" in line for line in said), said


def test_what_changed_since_the_last_approved_version_comes_first(folder: Path) -> None:
    page = (folder / "dossier.html").read_text()
    titles = re.findall(r"<h2>(.*?)</h2>", page)
    assert titles[:2] == ["Summary", "Changes since version 1, approved 2026-05-03 by pat"]
    changes = json.loads((folder / "dossier.json").read_text())["changes"]
    assert changes["since"] == 1
    assert {"group": "metrics", "name": "auc", "before": "0.7100 [0.690 0.730] of 4,000",
            "after": "0.7500 [0.730 0.770] of 4,000", "note": changes["rows"][0]["note"]} in changes["rows"]  # fmt: skip


def test_the_page_stands_by_itself_and_obeys_nothing(folder: Path) -> None:
    page, card = ((folder / name).read_text() for name in ("dossier.html", "model-card.md"))
    assert "default-src 'none'" in page
    assert not re.search(r"<(script|img|link|iframe|object|form)\b|\bsrc=|url\(|@import", page)
    assert set(re.findall(r'href="(.)', page)) == {"#"}
    for text in (page, card):
        assert not any(character in text for character in "\x1b\u202e")
    assert "&lt;script&gt;" in page
    assert re.findall(r".<script|.\]\(http", card) == ["\\<script", "\\](http"] * 2
    assert "@media print" in page
    assert "max-width: 40rem" in page


def test_the_bill_of_materials_keeps_intervals_slices_and_what_was_said(folder: Path) -> None:
    bom = json.loads((folder / "ml-bom.cdx.json").read_text())
    model = bom["metadata"]["component"]
    assert (model["type"], model["name"], model["version"]) == ("machine-learning-model", "delay", "2")
    assert model["hashes"] == [
        {
            "alg": "SHA-256",
            "content": hashlib.sha256((folder / "model" / "model.skops").read_bytes()).hexdigest(),
        }
    ]
    assert model["modelCard"]["quantitativeAnalysis"]["performanceMetrics"] == [
        {"type": "auc", "value": "0.75", "slice": "hold-out",
         "confidenceInterval": {"lowerBound": "0.73", "upperBound": "0.77"}},
        {"type": "auc", "value": "0.75", "slice": "origin=JFK",
         "confidenceInterval": {"lowerBound": "0.6", "upperBound": "0.8"}},
    ]  # fmt: skip
    assert model["modelCard"]["considerations"]["technicalLimitations"] == ["no snow"]
    assert {"name": "pilothouse:validator", "value": "pia"} in model["modelCard"]["properties"]
    assert [one["purl"] for one in bom["components"] if one["type"] == "library"] == [
        "pkg:pypi/scikit-learn@1.6"
    ]


def test_decisions_stand_with_the_evidence_in_the_bytes_that_were_hashed(folder: Path) -> None:
    (request,) = json.loads((folder / "dossier.json").read_text())["requests"]
    evidence = (folder / "requests" / "2" / "evidence.json").read_bytes()
    assert hashlib.sha256(evidence).hexdigest() == request["evidence_digest"]
    assert [one["actor"] for one in request["decisions"]] == ["pat"]
    assert json.loads(evidence)["version"] == 2


@needs_tools
def test_it_goes_through_a_connection_as_a_tar(approved: Example, tmp_path: Path) -> None:
    stream = io.BytesIO()
    dossiers.send_dossier(approved.services, approved.actor("aud"), "delay/2", stream, dossier_pages)
    stream.seek(0)
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        unpack(archive, tmp_path / "taken")
    assert _verify(tmp_path / "taken" / "delay-2").returncode == 0


def test_the_key_is_made_once_and_is_the_accounts_alone(approved: Example, tmp_path: Path) -> None:
    first = _write(approved, tmp_path / "one")
    key = approved.services.paths.signing_key
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert _write(approved, tmp_path / "two").fingerprint == first.fingerprint
    made = [
        e for e in audits.show(approved.services, approved.actor("aud")) if e.action == "signing_key.made"
    ]
    assert [entry.detail["fingerprint"] for entry in made] == [first.fingerprint]
    assert made[0].detail["public"] == (tmp_path / "one" / "signing-key.pem").read_text()
    assert b"PRIVATE" not in b"".join(
        path.read_bytes() for path in (tmp_path / "one").rglob("*") if path.is_file()
    )


def test_who_took_it_away_is_on_record(approved: Example, tmp_path: Path) -> None:
    written = _write(approved, tmp_path / "dossier")
    newest = audits.show(approved.services, approved.actor("aud"), limit=1)[0]
    assert (newest.actor, newest.action, newest.subject) == ("aud", "dossier.made", "models:/delay/2")
    assert newest.detail["manifest"] == written.digest


def test_a_read_only_workspace_hands_it_out_too(approved: Example, tmp_path: Path) -> None:
    _write(approved, tmp_path / "before")
    write_state.make_read_only(approved.services, approved.actor(ADMIN), "an inspection")
    before = audits.head(approved.services, approved.actor("aud"))
    assert _write(approved, tmp_path / "dossier").files > 10
    assert audits.head(approved.services, approved.actor("aud")) == before


def test_folders_that_are_in_use_or_the_workspaces_own_are_refused(approved: Example, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "file").write_text("x")
    with pytest.raises(ConflictError, match="is not empty"):
        _write(approved, taken)
    with pytest.raises(InvalidInputError, match="name another place"):
        _write(approved, approved.services.paths.state / "dossier")
    assert [path.name for path in taken.iterdir()] == ["file"]


def test_a_narrow_screen_is_told_the_column_of_each_cell(folder: Path) -> None:
    page = (folder / "dossier.html").read_text()
    cells = re.findall(r"<td\b[^>]*>", page)
    names = [re.search(r' data-name="([^"]+)"', cell) for cell in cells]
    assert cells
    assert all(names)
    assert {"version 1", "version 2", "detail", "value"} <= {one[1] for one in names if one}
    assert "attr(data-name)" in page


def test_a_version_that_nobody_asked_for_has_a_dossier_too(example: Example, tmp_path: Path) -> None:
    example.add_version(passed=False)
    folder = _write(example, tmp_path / "dossier", reference="delay/1").folder
    assert "Nobody has asked for its promotion." in (folder / "dossier.html").read_text()
    assert gather(example.services, example.actor("aud"), "delay/1").changes.since is None


needs_ssh_keygen = pytest.mark.skipif(
    shutil.which("ssh-keygen", path=BARE) is None, reason="the system has no ssh-keygen of its own"
)


@pytest.fixture
def signed(example: Example, tmp_path: Path) -> Path:
    """A dossier of a version on which a key decided; the key has ended since."""
    services, ada, soft = example.services, example.actor(ADMIN), SoftKey()
    workspaces.set_workspace_policy(services, ada, approvals=1, signature=Component.KEY, reason="a bank")
    users.add_user(services, ada, "pat")
    terms = users.KeyTerms(valid_before=example.time + timedelta(days=30))
    users.add_key(services, ada, "pat", read_key(soft.line), terms)
    example.add_version()
    request = promotions.request_promotion(services, example.actor("sam"), "delay/1")
    printed = statements.print_statement(services, example.actor("pat"), request.id, "approve", "holds")
    component = Signed(soft.sshsig(printed.text.encode()))
    promotions.approve(services, example.actor("pat"), request.id, request.evidence_digest, "", component)
    example.pass_time(days=90)
    users.revoke_key(services, ada, "pat", soft.public.fingerprint, "a new one")
    return _write(example, tmp_path / "dossier", reference="delay/1").folder


@needs_tools
@needs_ssh_keygen
def test_a_signed_decision_is_verified_after_its_key_has_ended(signed: Path) -> None:
    answer = _verify(signed)
    assert answer.returncode == 0, answer.stdout
    assert "ok     request 1: pat's statement (approve) is signed by SHA256:" in answer.stdout
    assert "pat: a signature by an SSH key SHA256:" in (signed / "dossier.html").read_text()


@needs_tools
@needs_ssh_keygen
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_text("requests/1/decision-1.json", '"reason":"holds"', '"reason":"fails"'), "is signed by"),
        (
            _text("requests/1/decision-1.json", '"verdict":"approve"', '"verdict":"reject"'),
            "another verdict",
        ),
        (_text("requests/1/allowed_signers", "pat ", "eve "), "is signed by"),
        (_text("requests/1/decisions.json", '"actor":"pat"', '"actor":"eve"'), "its decisions agree"),
    ],
    ids=["reason", "verdict", "signer", "record"],
)
def test_a_statement_that_was_changed_is_refused(
    signed: Path, change: Callable[[Path], None], said: str
) -> None:
    change(signed)
    _manifest_anew(signed)
    wrong = [line for line in _verify(signed).stdout.splitlines() if line.startswith("WRONG")]
    assert any(said in line for line in wrong), wrong


@needs_tools
def test_a_deployment_that_one_person_made_alone_says_that_the_policy_was_not_met(
    approved: Example, tmp_path: Path
) -> None:
    services = approved.services
    workspaces.set_break_glass(services, approved.actor("ada"), allowed=True)
    approved.add_version(incumbents=(2,))
    glass = break_glass.break_glass(services, approved.actor("oscar"), "delay/3", reason="night")
    break_glass.review(services, approved.actor("pat"), glass.id, Review.KEEP, "right")
    folder = _write(approved, tmp_path / "glass", reference="delay/3").folder
    facts = json.loads((folder / "dossier.json").read_text())
    (request,) = facts["requests"]
    assert request["policy_met"] == "no: oscar broke the glass and deployed it alone, with 0 of 1 approvals"
    assert [one["actor"] for one in request["glass"]["reviews"]] == ["pat"]
    page = (folder / "dossier.html").read_text()
    assert "no: oscar broke the glass and deployed it alone" in page
    answer = _verify(folder)
    assert answer.returncode == 0, answer.stdout
    assert "the policy was not met: oscar broke the glass" in answer.stdout
    before = _write(approved, tmp_path / "regular", reference="delay/2").folder
    (request,) = json.loads((before / "dossier.json").read_text())["requests"]
    assert request["policy_met"] == "yes: 1 of 1 approvals"
