"""Answers of the hub that serving processes wait for, or share."""
