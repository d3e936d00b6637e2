"""Judges: models that answer questions about finished sessions, and what proves that they can."""
