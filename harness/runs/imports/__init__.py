"""Imports transcripts of people or of other systems into a run folder."""
