"""Many engines on many GPUs and nodes: replicas that play the sessions of one run, each journalling its own shard."""
