"""Completion of command lines in a shell: a table of the commands' words, and what answers at each press of Tab."""
