"""Artifacts: content-addressed files, written once, never changed, verified whenever they are read."""

from pilothouse.artifacts.artifact_store import ArtifactStore

__all__ = ["ArtifactStore"]
