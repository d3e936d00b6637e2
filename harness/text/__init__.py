"""Splits text into words and sentences, and makes text safe to show."""
