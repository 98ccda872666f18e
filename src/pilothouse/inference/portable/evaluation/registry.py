"""Ops by name, and operations made of nodes."""

from pilothouse.inference.portable.evaluation import (
    boosting,
    calibration,
    categories,
    composition,
    constants,
    ensembles,
    linear,
    multiclass,
    naive_bayes,
    scaling,
    trees,
)
from pilothouse.inference.portable.evaluation.operation import Operation
from pilothouse.inference.portable.program import Node

OPERATIONS: dict[str, type[Operation]] = {
    **linear.OPERATIONS,
    **scaling.OPERATIONS,
    **categories.OPERATIONS,
    **composition.OPERATIONS,
    **constants.OPERATIONS,
    **trees.OPERATIONS,
    **boosting.OPERATIONS,
    **calibration.OPERATIONS,
    **ensembles.OPERATIONS,
    **multiclass.OPERATIONS,
    **naive_bayes.OPERATIONS,
}
"""Operation of each op. A module of a family gives its own."""


def made(node: Node) -> Operation:
    """Operation of a node, its children's made first. Raises IntegrityError for an op that is not known here."""
    kind = OPERATIONS.get(node.op)
    if kind is None:
        node.fault("there is no such op here; a newer Pilothouse may know it")
    children = [made(child) for child in node.children]
    try:
        return kind(node, children)
    except (TypeError, ValueError, LookupError, OverflowError, MemoryError) as error:
        node.fault(f"{type(error).__name__}: {error}")
