"""Plays one run on many GPUs and nodes: replicas of its engines play its sessions, each with its own journal shard."""
