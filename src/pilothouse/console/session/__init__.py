"""What one operator's session holds: settings, status, keys, history, drawings. No screens."""
