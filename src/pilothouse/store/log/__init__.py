"""SQL on the audit log: rows, tree, heads, anchors, and whether the tables agree with it."""
