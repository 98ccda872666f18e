"""Transparency logs as C2SP writes them down: tree, signed heads, tiles, proofs, policies. Values in, values out; no I/O."""
