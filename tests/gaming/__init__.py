"""Gaming policies that no rule was written from: what an outsider would try on patients who can be talked round.

Each maps a name to a factory: given a persona's public words and a seeded source of chance it returns what the therapist says in
an exchange after the patient's turn. They understand nothing; some take words out of the patient's turns. The harness never
imports them: they measure the ears (`tests/property/test_gaming.py`), which must hold for tricks that they have not met.
"""

from tests.gaming.policies import POLICIES, Factory

__all__ = ["POLICIES", "Factory"]
