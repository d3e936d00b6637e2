"""Therapist models and simulated patients talk through whole sessions; no prompt ever overflows."""

__version__ = "0.1.0"
