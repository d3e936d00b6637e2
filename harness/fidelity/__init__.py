"""How like people the simulated patients are, beside reference profiles, and whether a good therapist and a poor one part."""
