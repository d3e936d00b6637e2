"""Branches: sessions that continue from a turn of another session."""
