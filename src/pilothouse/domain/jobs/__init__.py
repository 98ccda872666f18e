"""Jobs: kinds, states, failures, what triggers one."""
