"""Execution of jobs: the launcher, its client, and the order of steps. Opens no database."""
