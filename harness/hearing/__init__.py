"""Detects what a therapist's turn does: questions, reflections, affirmations, validation, advice, information and more.

Used by metrics, guard, the simulated patient's appraisal and rewards. To "hear" a turn means to classify it.
"""

from harness.hearing.acts import ACTS, Act, Heard, Sentence
from harness.hearing.hear import hear, rests_on

__all__ = ["ACTS", "Act", "Heard", "Sentence", "hear", "rests_on"]
