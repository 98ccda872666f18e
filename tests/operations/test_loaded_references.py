"""References that are kept in memory: the ones used last, up to a size."""

import pytest

from pilothouse.artifacts import ArtifactStore
from pilothouse.operations.monitoring import loaded_references
from pilothouse.operations.monitoring.loaded_references import load
from support.flight_batches import specification
from support.monitored_flights import make_watched, reference_bytes


@pytest.fixture
def stored(tmp_path):
    services = make_watched(tmp_path)
    digests = (
        services.artifacts.put_bytes(specification().to_bytes()),
        services.artifacts.put_bytes(reference_bytes()),
    )
    yield services.paths.artifacts, services.artifacts, digests
    services.close()


def test_a_reference_is_loaded_once_and_its_profile_made_once(stored):
    _, artifacts, digests = stored
    first = load(artifacts, *digests)
    assert load(artifacts, *digests) is first
    assert first.profile("ewr") is first.profile("ewr")
    assert first.profile("elsewhere") is first.profile("nowhere")  # both have the pooled one


def test_the_ones_used_longest_ago_are_forgotten_when_they_are_large(stored, monkeypatch):
    folder, artifacts, digests = stored
    first = load(artifacts, *digests)
    monkeypatch.setattr(loaded_references, "LARGEST", first.size * 2 - 1)
    other = load(ArtifactStore(folder), *digests)  # of another store: it counts beside the first
    assert load(artifacts, *digests) is not first
    assert other.size == first.size
