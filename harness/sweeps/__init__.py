"""Sweeps: many runs that differ in named settings, in one folder; expanded, checked, launched and resumed."""
