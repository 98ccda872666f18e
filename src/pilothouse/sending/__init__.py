"""Processes that send one message each: they read the secrets, know no database, and leave the answer in a file."""
