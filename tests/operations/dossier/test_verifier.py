"""The verifier's own reading of logs beside the program's: it shares no line with it, since it runs where that is not."""

import hashlib
import importlib.util
import random
from types import ModuleType

import pytest

from pilothouse.domain.errors import IntegrityError
from pilothouse.operations.dossier import verifier
from pilothouse.transparency import checkpoints, merkle, policies
from pilothouse.transparency.checkpoints import Checkpoint
from pilothouse.transparency.notes import COSIGNATURE, new_key


@pytest.fixture(scope="module")
def verify() -> ModuleType:
    specification = importlib.util.spec_from_file_location("verify", f"{verifier.__path__[0]}/verify.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def _tree(count: int) -> tuple[list[bytes], merkle.Subtree]:
    entries = [hashlib.sha256(str(number).encode()).digest() for number in range(count)]
    leaves = [merkle.leaf_hash(entry) for entry in entries]
    return entries, lambda level, place: merkle.fold(leaves[place << level : (place + 1) << level])


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 31, 64, 100])
def test_proofs_of_inclusion_hold_as_the_program_says(verify: ModuleType, size: int) -> None:
    draw = random.Random(size)
    entries, subtree = _tree(size)
    root = merkle.root(size, subtree)
    for index in range(size):
        proof = list(merkle.inclusion_proof(index, size, subtree))
        assert verify.leads_to_root(index, size, entries[index], proof, root)
        wrong = (index + draw.randrange(1, size)) % size if size > 1 else 5
        for place, entry, steps in (
            (index, b"\x00" * 32, proof),
            (wrong, entries[index], proof),
            (index, entries[index], [*proof, root]),
            (index, entries[index], proof[:-1] if proof else [root]),
        ):
            try:
                merkle.check_inclusion(place, size, merkle.leaf_hash(entry), steps, root)
                holds = True
            except IntegrityError:
                holds = False
            assert verify.leads_to_root(place, size, entry, steps, root) == holds


def test_signatures_and_cosignatures_count_as_the_policy_says(verify: ModuleType) -> None:
    log, other = new_key("example.org/log"), new_key("example.org/other")
    witnesses = [new_key(f"witness-{number}", COSIGNATURE) for number in range(3)]
    head = checkpoints.sign(Checkpoint(log.name, 9, b"\x07" * 32), log)
    note = str(head.note.plus([checkpoints.cosign(head, key, 1_800_000_000) for key in witnesses[:2]]))
    assert verify.has_signed(note, str(log.public), False)
    assert not verify.has_signed(note, str(other.public), False)
    assert not verify.has_signed(note.replace("\n9\n", "\n8\n"), str(log.public), False)
    seen = {key.name for key in witnesses if verify.has_signed(note, str(key.public), True)}
    assert seen == {"witness-0", "witness-1"}
    assert not verify.has_signed(note.replace("\n9\n", "\n8\n"), str(witnesses[0].public), True)
    for least in range(4):
        policy = policies.at_least(least, [log.public], {key.name: key.public for key in witnesses})
        lines = [line.split(" ") for line in str(policy).splitlines()]
        groups = {line[1]: line[2:] for line in lines if line[0] == "group"}
        assert verify.enough(policy.quorum, groups, seen) == policy.is_met(seen) == (least <= 2)


def test_a_group_takes_any_or_all_of_its_members(verify: ModuleType) -> None:
    groups = {"any-of": ["any", "a", "b"], "all-of": ["all", "a", "any-of"]}
    assert [verify.enough("all-of", groups, seen) for seen in (set(), {"b"}, {"a"}, {"a", "b"})] == [
        False,
        False,
        True,
        True,
    ]
