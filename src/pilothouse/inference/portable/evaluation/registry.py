"""Ops by name, and operations made of nodes."""

from pilothouse.inference.portable.evaluation import linear
from pilothouse.inference.portable.evaluation.operation import Operation
from pilothouse.inference.portable.program import Node

OPERATIONS: dict[str, type[Operation]] = {
    **linear.OPERATIONS,
}
"""Operation of each op. A module of a family gives its own."""


def made(node: Node) -> Operation:
    """Operation of a node, its children's made first. Raises IntegrityError for an op that is not known here."""
    kind = OPERATIONS.get(node.op)
    if kind is None:
        node.fault("there is no such op here; a newer Pilothouse may know it")
    return kind(node, [made(child) for child in node.children])
