"""Texts, times and files from outside: read within bounds, made safe, written one way."""
