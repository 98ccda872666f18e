"""Intake: batches and files admitted, rolled up, or rejected and kept."""
