"""The written sessions that ship with the harness, and modified versions made by rules."""
