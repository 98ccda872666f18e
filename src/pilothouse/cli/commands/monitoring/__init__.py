"""Commands on production data: ingested, monitored, kept; alerts, incidents, deployments."""
