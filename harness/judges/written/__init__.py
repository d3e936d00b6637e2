"""The written sessions that ship with the harness, and what is made of them by rule."""
