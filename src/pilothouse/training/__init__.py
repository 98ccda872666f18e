"""Steps that run inside job processes: snapshots, data checks, fitting, evaluation, reproduction.

No other package imports this one: each step is a module of ``steps`` that the launcher starts by its name.
"""
