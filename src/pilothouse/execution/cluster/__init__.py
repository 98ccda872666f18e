"""Steps on a Dask cluster: what is sent by digest, the agent on a worker, the process that talks to the cluster."""
