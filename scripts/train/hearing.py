#!/usr/bin/env python
"""Train what hears a therapist's turn, and say how well it does on what it was not trained on.

    python scripts/train/hearing.py [--mibot FOLDER] [--write]

The classifier is logistic regression for each act over the features of harness/hearing/features.py (L2, one seed). Our
sessions are labelled by turn: which of a turn's sentences earned a label is found by training first on single lines,
then choosing the likeliest sentence, twice. Every number printed is of groups (a persona, a block of lines, a person)
that were left out. `--write` trains on everything and writes harness/hearing/weights.npz. Needs scikit-learn.
"""

import argparse
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from hearing_data import Labelled, Row, Told, as_rows, lines, mibot, sessions, spoken, swapped
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from harness.hearing.acts import ACTS, Act
from harness.hearing.features import context, features
from harness.hearing.model import WEIGHTS
from harness.hearing.words import BACKCHANNELS, meaning
from harness.text import FUNCTION_WORDS, words

SEED = 7
FOLDS = 5
C = 0.25
SWAP = 0.5
ROOT = Path(__file__).resolve().parents[2]


def rarity_of(heard: Iterable[Sequence[str]]) -> dict[str, float]:
    """How rare each meaning is among patients' turns, scaled to [0.2, 1]; only what is common is listed."""
    counts: Counter[str] = Counter()
    turns = {text for texts in heard for text in texts}
    for text in turns:
        counts.update({meaning(w) for w in words(text) if w not in FUNCTION_WORDS and w not in BACKCHANNELS})
    total = max(1, len(turns))
    found = {
        name: min(1.0, max(0.2, float(np.log(total / n) / np.log(total / 8)))) for name, n in counts.items() if n > 3
    }
    return {name: round(value, 3) for name, value in sorted(found.items()) if value < 1.0}


class Trained:
    """Weights for each act."""

    def __init__(self, rows: Sequence[Row], rarity: Mapping[str, float], turns: Sequence[Labelled]) -> None:
        self.rarity = rarity
        single = [*rows, *spoken([row for row in rows if row.source == "lines"], SEED)]
        whole = [as_rows(turn) for turn in turns]
        named = [self.names(row) for row in single]
        swaps = swapped(single, SEED, SWAP)
        names_s = [self.names(row) for row in swaps]
        whole_rows = [row for one in whole for row in one]
        whole_names = [self.names(row) for row in whole_rows]
        self._index([*named, *names_s, *whole_names])
        self.fit([*single, *swaps], [*named, *names_s])
        for _ in range(2):
            chosen = self.choose(whole)
            more = swapped(chosen, SEED, SWAP)
            self.fit(
                [*single, *swaps, *chosen, *more], [*named, *names_s, *whole_names, *[self.names(row) for row in more]]
            )

    def names(self, row: Row) -> list[str]:
        return features(row.every[row.place], row.place, row.every, context(row.heard, self.rarity))

    def _index(self, named: Sequence[Sequence[str]]) -> None:
        counts: Counter[str] = Counter()
        for names in named:
            counts.update(set(names))
        self.rows = {name: row for row, name in enumerate(sorted(name for name, n in counts.items() if n >= 4))}

    def matrix(self, named: Sequence[Sequence[str]]) -> csr_matrix:
        places, ends = [], [0]
        for names in named:
            places += [self.rows[name] for name in names if name in self.rows]
            ends.append(len(places))
        return csr_matrix((np.ones(len(places)), places, ends), shape=(len(named), len(self.rows)))

    def fit(self, rows: Sequence[Row], named: Sequence[Sequence[str]]) -> None:
        x = self.matrix(named)
        self.weights = np.zeros((len(self.rows) + 1, len(ACTS)))
        for column, act in enumerate(ACTS):
            held = np.array([act in row.known for row in rows])
            y = np.array([act in row.acts for row in rows])[held]
            w = np.array([row.weight for row in rows])[held]
            fitted = LogisticRegression(C=C, max_iter=400, random_state=SEED, solver="liblinear").fit(
                x[held], y, sample_weight=w
            )
            self.weights[:-1, column], self.weights[-1, column] = fitted.coef_[0], fitted.intercept_[0]

    def chances(self, named: Sequence[Sequence[str]]) -> np.ndarray:
        return 1 / (1 + np.exp(-(self.matrix(named) @ self.weights[:-1] + self.weights[-1])))

    def choose(self, whole: Sequence[Sequence[Row]]) -> list[Row]:
        """Of each turn's labels the sentence that most likely earned them."""
        chosen: list[Row] = []
        for rows in whole:
            if not rows:
                continue
            p = self.chances([self.names(row) for row in rows])
            statement = np.array([row.every[row.place].question is None for row in rows])
            given: dict[int, set[Act]] = defaultdict(set)
            for column, act in enumerate(ACTS):
                if act not in rows[0].acts:
                    continue
                score = p[:, column] + (
                    0.0 if act in (Act.SAFETY, Act.ADVICE, Act.PERMISSION) or not statement.any() else statement * 2.0
                )
                best = score.max()
                for place, value in enumerate(score):
                    if value == best or (p[place, column] > 0.6 and statement[place]):
                        given[place].add(act)
            for place, row in enumerate(rows):
                # a sentence that may have helped to earn a label says nothing against the act
                unsure = {act for act in rows[0].acts if act not in given[place] and p[place, ACTS.index(act)] > 0.3}
                chosen.append(replace(row, acts=frozenset(given[place]), known=row.known - unsure - {Act.PERMISSION}))
        return chosen

    def turn(self, turn: Labelled, heard: Sequence[str] | None = None) -> tuple[np.ndarray, list[Row]]:
        rows = as_rows(turn)
        if heard is not None:
            rows = [replace(row, heard=tuple(heard)) for row in rows]
        return (self.chances([self.names(row) for row in rows]) if rows else np.zeros((1, len(ACTS)))), rows


def f1(truth: np.ndarray, found: np.ndarray) -> tuple[float, float, float]:
    hits = float((truth & found).sum())
    precision, recall = hits / max(1.0, found.sum()), hits / max(1.0, truth.sum())
    return precision, recall, 2 * precision * recall / max(1e-9, precision + recall)


def best_limit(truth: np.ndarray, p: np.ndarray) -> float:
    grid = np.arange(0.1, 0.91, 0.02)
    return float(max(grid, key=lambda limit: f1(truth, p >= limit)[2]))


def folds(groups: Iterable[str]) -> dict[str, int]:
    names = sorted(set(groups))
    order = np.random.default_rng(SEED).permutation(len(names))
    return {names[place]: number % FOLDS for number, place in enumerate(order)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mibot", type=Path)
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    single = list(lines(Path(__file__).with_name("hearing_lines.txt")))
    if args.mibot:
        single += mibot(args.mibot)
    told: list[Told] = []
    turns: list[Labelled] = []
    for session, labelled in sessions(ROOT / "examples" / "sessions"):
        told.append(session)
        turns += labelled
    rarity = rarity_of([*(row.heard for row in single), *(turn.heard for turn in turns)])
    print(f"{len(single)} lines, {len(turns)} turns of {len(told)} sessions, {len(rarity)} common meanings")
    limits = evaluate(single, turns, rarity)
    if args.write:
        write(Trained(single, rarity, turns), limits)


def evaluate(single: Sequence[Row], turns: Sequence[Labelled], rarity: Mapping[str, float]) -> dict[Act, float]:
    """Print agreement on left-out groups and return the best limits."""
    of = folds([row.group for row in single] + [turn.persona for turn in turns])
    line_p = np.zeros((len(single), len(ACTS)))
    turn_p = np.zeros((len(turns), len(ACTS)))
    swap_p = np.zeros((len(turns), len(ACTS)))
    share = np.zeros((len(turns), 2))
    rng = np.random.default_rng(SEED)
    for fold in range(FOLDS):
        trained = Trained(
            [r for r in single if of[r.group] != fold], rarity, [t for t in turns if of[t.persona] != fold]
        )
        held = [place for place, row in enumerate(single) if of[row.group] == fold]
        line_p[held] = trained.chances([trained.names(single[place]) for place in held])
        for place, turn in enumerate(turns):
            if of[turn.persona] == fold:
                p, rows = trained.turn(turn)
                turn_p[place] = p.max(axis=0)
                other = turns[int(rng.integers(len(turns)))]
                while other.session == turn.session:
                    other = turns[int(rng.integers(len(turns)))]
                q, _ = trained.turn(turn, other.heard)
                swap_p[place] = q.max(axis=0)
                size = np.array(
                    [len(r.every[r.place].words) * (r.every[r.place].question is None) for r in rows] or [0]
                )
                column = ACTS.index(Act.REFLECTION)
                share[place] = [
                    (p[:, column] * size).sum() / max(1, size.sum()),
                    (q[:, column] * size).sum() / max(1, size.sum()),
                ]
    limits = {}
    print(f"{'act':16}{'lines P':>9}{'R':>6}{'F1':>6}{'n':>6} | turns {'P':>6}{'R':>6}{'F1':>6}{'n':>6}  limit")
    for column, act in enumerate(ACTS):
        held = [p for p, row in enumerate(single) if row.source == "lines"]
        truth_l = np.array([act in single[p].acts for p in held])
        truth_t = np.array([act in turn.acts for turn in turns])
        pl, pt = line_p[held, column], turn_p[:, column]
        both = np.concatenate([truth_l, truth_t]), np.concatenate([pl, pt])
        limits[act] = best_limit(*both)
        a, b = f1(truth_l, pl >= limits[act]), f1(truth_t, pt >= limits[act])
        print(
            f"{act:16}{a[0]:9.2f}{a[1]:6.2f}{a[2]:6.2f}{truth_l.sum():6} |       {b[0]:6.2f}{b[1]:6.2f}{b[2]:6.2f}{truth_t.sum():6}  {limits[act]:.2f}"
        )
    held = [p for p, row in enumerate(single) if row.source == "mibot"]
    if held:
        truth = np.array([Act.REFLECTION in single[p].acts for p in held])
        p = line_p[held, ACTS.index(Act.REFLECTION)]
        print(
            "mibot reflection",
            [round(v, 2) for v in f1(truth, p >= limits[Act.REFLECTION])],
            "auc",
            round(roc_auc_score(truth, p), 3),
        )
    limit = limits[Act.REFLECTION]
    column = ACTS.index(Act.REFLECTION)
    print(
        f"swap: rate {(turn_p[:, column] >= limit).mean():.3f} -> {(swap_p[:, column] >= limit).mean():.3f}; share {share[:, 0].mean():.3f} -> {share[:, 1].mean():.3f}"
    )
    by: dict[str, list[int]] = defaultdict(list)
    for place, turn in enumerate(turns):
        by[turn.session].append(place)
    good = np.array([name.startswith("good") for name in by])
    for name, values in (
        ("reflection rate", (turn_p[:, column] >= limit).astype(float)),
        ("reflection share", share[:, 0]),
        ("advice", turn_p[:, ACTS.index(Act.ADVICE)]),
    ):
        print(
            f"good against others, {name}: AUC {roc_auc_score(good, [values[places].mean() for places in by.values()]):.3f}"
        )
    return limits


def write(trained: Trained, limits: Mapping[Act, float]) -> None:
    names = sorted(trained.rows, key=trained.rows.__getitem__)
    held = np.abs(trained.weights[:-1]).max(axis=1) > 0.02
    weights = np.vstack([trained.weights[:-1][held], trained.weights[-1:]])
    np.savez_compressed(
        WEIGHTS,
        features="\n".join(name for name, kept in zip(names, held, strict=True) if kept),
        weights=weights.astype(np.float16),
        acts="\n".join(ACTS),
        limits=np.array([limits[act] for act in ACTS]),
        meanings="\n".join(trained.rarity),
        rarity=np.array(list(trained.rarity.values())),
    )
    print(f"{WEIGHTS}: {len(weights)} rows, {WEIGHTS.stat().st_size} bytes")


if __name__ == "__main__":
    main()
