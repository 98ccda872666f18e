"""Replay of recorded traffic: rows from files, answers of two versions, and what they show."""
