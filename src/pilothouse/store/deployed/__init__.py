"""SQL on deployments, their states, processes, alerts and incidents."""
