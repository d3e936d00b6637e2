"""Sessions of other origin made into a run folder: transcripts of people or of other systems."""
