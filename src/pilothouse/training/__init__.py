"""What happens inside job processes: sources, snapshots, data checks, fitting, judging, reproducing.

No other part imports this package: each step is a module of ``steps`` that the launcher starts by its name.
"""
