"""Compares the settings of a sweep, or of several runs, by paired differences."""
