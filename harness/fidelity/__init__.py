"""Compares simulated patients with people, by reference profiles, and tests whether they distinguish therapists."""
