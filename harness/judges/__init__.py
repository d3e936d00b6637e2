"""Judges: models that answer questions about finished sessions, and the tests that certify them."""
