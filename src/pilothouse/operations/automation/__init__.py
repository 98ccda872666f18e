"""What starts work without a person: schedules, triggers, the monitor's round, retraining."""
