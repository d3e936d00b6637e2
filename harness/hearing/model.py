"""The linear classifier: its weights, read from a file, and the probabilities that it gives.

scripts/train/hearing.py trains it; docs/metrics.md describes the data and the agreement with human coders.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from harness.hearing.acts import ACTS
from harness.hearing.features import Rarity

WEIGHTS = Path(__file__).with_name("weights.npz")
_MOST = 30.0
"""Largest absolute value of a logit, so that the exponential does not overflow."""


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A row of weights for every known feature, a column for every act."""

    rows: Mapping[str, int]
    """Feature to its row."""
    weights: npt.NDArray[np.float64]
    """Features x acts, counted from 1; row 0 is the intercept."""
    limits: tuple[float, ...]
    """For each act, the least probability at which it counts."""
    rarity: Rarity
    """Of meanings in patients' turns."""

    @classmethod
    def of(
        cls, names: Sequence[str], weights: npt.NDArray[np.floating], limits: Sequence[float], rarity: Rarity
    ) -> "Model":
        """The model with these features. `weights` has a row for each, and a last one, the intercept."""
        rows = {name: row for row, name in enumerate(names, 1)}
        ordered = np.concatenate((weights[-1:], weights[:-1])).astype(np.float64)
        return cls(rows, ordered, tuple(limits), rarity)

    def chances(self, found: Sequence[Collection[str]]) -> npt.NDArray[np.float64]:
        """Probabilities, an array of (sentences, acts), from the features of each sentence."""
        if not found:
            return np.empty((0, len(ACTS)))
        rows: list[int] = []
        begins: list[int] = []
        known = self.rows.get
        for names in found:
            begins.append(len(rows))
            rows.append(0)
            rows += filter(None, map(known, names))
        logits = np.add.reduceat(self.weights.take(rows, axis=0), begins, axis=0)
        chances: npt.NDArray[np.float64] = 1.0 / (1.0 + np.exp(-logits.clip(-_MOST, _MOST)))
        return chances


@cache
def model() -> Model:
    """The model in the package. Raises `ValueError` if its file was made for other acts."""
    with np.load(WEIGHTS, allow_pickle=False) as data:
        names = str(data["features"]).split("\n")
        meanings = str(data["meanings"]).split("\n")
        acts = str(data["acts"]).split("\n")
        if tuple(acts) != ACTS:
            raise ValueError(f"{WEIGHTS}: made for other acts ({', '.join(acts)}); train it again")
        return Model.of(
            names,
            data["weights"],
            data["limits"].tolist(),
            Rarity(dict(zip(meanings, map(float, data["rarity"]), strict=True)), int(data["turns"])),
        )
