"""Windows of production data: closed, estimated, computed again, read for the monitor's screens."""
