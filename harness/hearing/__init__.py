"""Hears what a therapist's turn does: questions, reflections, affirmations, validation, advice, information and more.

One module for all that listens: metrics, guard, the simulated patient's appraisal, rewards.
"""

from harness.hearing.acts import ACTS, Act, Heard, Sentence
from harness.hearing.hear import hear, rests_on

__all__ = ["ACTS", "Act", "Heard", "Sentence", "hear", "rests_on"]
