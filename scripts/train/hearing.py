#!/usr/bin/env python
"""Train the classifier that hears a therapist's turn, and print how well it does on left-out data.

    python scripts/train/hearing.py [--mibot FOLDER] [--write]

The classifier is one logistic regression per act over the features of harness/hearing/features.py (L2, one seed). Our
sessions are labelled by turn, not by sentence. So training starts with single lines, and then twice picks the sentence
of each turn that most likely earned a label. Every number printed is for groups (a persona, a block of lines, a person)
that were left out of training the weights; limits and calibration are fitted on the same predictions. `--write` trains
on everything and writes harness/hearing/weights.npz. Needs scikit-learn.
"""

import argparse
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from hearing_data import Labelled, Row, Told, as_rows, asked, lines, mibot, sessions, spoken, swapped
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from harness.hearing.acts import ACTS, Act
from harness.hearing.features import RARE, Rarity, context, features
from harness.hearing.model import WEIGHTS
from harness.hearing.words import BACKCHANNELS, meaning
from harness.text.words import FUNCTION_WORDS, words

SEED = 7
FOLDS = 5
C = 0.12
SWAP = 0.4
KEPT = 0.5
NEGLIGIBLE = 0.1
"""A feature with no weight above this is left out of the file: half the features, for 0.2% of decisions."""
ROOT = Path(__file__).resolve().parents[2]


def rarity_of(heard: Iterable[Sequence[str]]) -> Rarity:
    """How rare each meaning is among patients' turns, scaled to [0.2, 1]; only common meanings are listed."""
    counts: Counter[str] = Counter()
    turns = {text for texts in heard for text in texts}
    for text in turns:
        counts.update({meaning(w) for w in words(text) if w not in FUNCTION_WORDS and w not in BACKCHANNELS})
    total = max(1, len(turns))
    found = {
        name: min(1.0, max(0.2, float(np.log(total / n) / np.log(total / RARE)))) for name, n in counts.items() if n > 3
    }
    return Rarity({name: round(value, 3) for name, value in sorted(found.items()) if value < 1.0}, total)


class Trained:
    """Weights for each act."""

    def __init__(self, rows: Sequence[Row], rarity: Rarity, turns: Sequence[Labelled]) -> None:
        self.rarity = rarity
        own = [row for row in rows if row.source == "lines"]
        single = [*rows, *spoken(own, SEED), *asked(own, SEED)]
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

    def odds(self, named: Sequence[Sequence[str]]) -> np.ndarray:
        odds: np.ndarray = self.matrix(named) @ self.weights[:-1] + self.weights[-1]
        return odds

    def chances(self, named: Sequence[Sequence[str]]) -> np.ndarray:
        return sure(self.odds(named))

    def choose(self, whole: Sequence[Sequence[Row]]) -> list[Row]:
        """The rows, with each label of a turn on the sentence that most likely earned it."""
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
                # a sentence that may have helped to earn a label is no evidence against the act
                unsure = {act for act in rows[0].acts if act not in given[place] and p[place, ACTS.index(act)] > 0.3}
                chosen.append(replace(row, acts=frozenset(given[place]), known=row.known - unsure - {Act.PERMISSION}))
        return chosen


def f1(truth: np.ndarray, found: np.ndarray) -> tuple[float, float, float]:
    hits = float((truth & found).sum())
    precision, recall = hits / max(1.0, found.sum()), hits / max(1.0, truth.sum())
    return precision, recall, 2 * precision * recall / max(1e-9, precision + recall)


def best_limit(
    sets: Sequence[tuple[np.ndarray, np.ndarray]], swap: tuple[np.ndarray, np.ndarray] | None = None
) -> float:
    """The limit with the best mean F1 over the sets of truths and probabilities.

    With `swap`, only limits at which at most `KEPT` of the findings remain after another patient's words.
    """
    told = [(truth, p) for truth, p in sets if truth.any()]
    grid = [
        float(x)
        for x in np.arange(0.1, 0.81, 0.02)
        if swap is None or (swap[1] >= x).sum() <= KEPT * (swap[0] >= x).sum()
    ]
    return max(grid or [0.5], key=lambda limit: sum(f1(truth, p >= limit)[2] for truth, p in told))


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
    print(f"{len(single)} lines, {len(turns)} turns of {len(told)} sessions, {len(rarity.values)} common meanings")
    settings = evaluate(single, turns, rarity)
    if args.write:
        write(Trained(single, rarity, turns), settings)


@dataclass(frozen=True)
class LeftOut:
    """Log-odds of left-out data: of single parts, and of turns (their likeliest part) as they are and swapped."""

    parts: np.ndarray
    turns: np.ndarray
    swapped: np.ndarray
    share: np.ndarray
    """For each turn: log-odds of a reflection for every part, as it is and swapped, and its words (0 for a question)."""


def leave_out(single: Sequence[Row], turns: Sequence[Labelled], rarity: Rarity) -> LeftOut:
    of = folds([row.group for row in single] + [turn.persona for turn in turns])
    found = np.zeros((len(single), len(ACTS)))
    told, other = np.full((len(turns), len(ACTS)), -9.0), np.full((len(turns), len(ACTS)), -9.0)
    share = np.empty(len(turns), object)
    draw = np.random.default_rng(SEED)  # the patient whose words replace those before a turn
    column = ACTS.index(Act.REFLECTION)
    for fold in range(FOLDS):
        trained = Trained(
            [r for r in single if of[r.group] != fold], rarity, [t for t in turns if of[t.persona] != fold]
        )
        held = [place for place, row in enumerate(single) if of[row.group] == fold]
        found[held] = trained.odds([trained.names(single[place]) for place in held])
        for place, turn in enumerate(turns):
            if of[turn.persona] != fold:
                continue
            rows = as_rows(turn)
            strangers = [t for t in turns if t.persona != turn.persona]
            swap = [replace(row, heard=strangers[int(draw.integers(len(strangers)))].heard) for row in rows]
            if rows:
                p, q = trained.odds(list(map(trained.names, rows))), trained.odds(list(map(trained.names, swap)))
                told[place], other[place] = p.max(axis=0), q.max(axis=0)
                size = [len(r.every[r.place].words) * (r.every[r.place].question is None) for r in rows]
                share[place] = (p[:, column], q[:, column], np.array(size))
    return LeftOut(found, told, other, share)


def calibrate(truth: np.ndarray, odds: np.ndarray) -> tuple[float, float]:
    """Slope and intercept that turn log-odds into probabilities (Platt 1999)."""
    fitted = LogisticRegression(C=1e6).fit(odds[:, None], truth)
    return float(fitted.coef_[0, 0]), float(fitted.intercept_[0])


def sure(odds: np.ndarray) -> np.ndarray:
    chances: np.ndarray = 1 / (1 + np.exp(-odds))
    return chances


def evaluate(single: Sequence[Row], turns: Sequence[Labelled], rarity: Rarity) -> dict[Act, tuple[float, float, float]]:
    """Print agreement on left-out groups. Returns slope, intercept and limit of each act."""
    out = leave_out(single, turns, rarity)
    lined = np.array([row.source == "lines" for row in single])
    settings = {}
    print(
        f"{'act':16}{'lines P':>9}{'R':>6}{'F1':>6}{'AUC':>6}{'n':>6} | turns {'P':>6}{'R':>6}{'F1':>6}{'AUC':>6}{'n':>6}  limit"
    )
    for column, act in enumerate(ACTS):
        truth = np.array([act in row.acts for row in single]), np.array([act in turn.acts for turn in turns])
        known = np.array([act in row.known and (row.source == "lines" or act is Act.REFLECTION) for row in single])
        slope, shift = calibrate(
            np.concatenate([truth[0][known], truth[1]]),
            np.concatenate([out.parts[known, column], out.turns[:, column]]),
        )
        parts_p, turns_p = sure(slope * out.parts[:, column] + shift), sure(slope * out.turns[:, column] + shift)
        swap_p = sure(slope * out.swapped[:, column] + shift)
        sets = [(truth[0][lined], parts_p[lined]), (truth[1], turns_p)]
        limit = best_limit(sets, (turns_p, swap_p) if act is Act.REFLECTION else None)
        settings[act] = (slope, shift, limit)
        cells = []
        for t, p in sets:
            area = roc_auc_score(t, p) if t.any() else float("nan")
            cells.append("".join(f"{v:6.2f}" for v in (*f1(t, p >= limit), area)) + f"{t.sum():6}")
        print(f"{act:16}   {cells[0]} |       {cells[1]}  {limit:.2f} slope {slope:.2f}")
        if act is Act.REFLECTION:
            report(single, turns, out, (parts_p, turns_p, swap_p), slope, shift, limit)
    return settings


def report(
    single: Sequence[Row],
    turns: Sequence[Labelled],
    out: LeftOut,
    chances: tuple[np.ndarray, ...],
    slope: float,
    shift: float,
    limit: float,
) -> None:
    """Print further figures of reflections."""
    parts_p, turns_p, swap_p = chances
    other = np.array([row.source == "mibot" for row in single])
    if other.any():
        truth = np.array([Act.REFLECTION in row.acts for row in single])[other]
        print(
            "mibot",
            [round(v, 2) for v in f1(truth, parts_p[other] >= limit)],
            "auc",
            round(roc_auc_score(truth, parts_p[other]), 3),
        )
    shares = np.array(
        [
            [((sure(slope * odds + shift) >= limit) * size).sum() / max(1, size.sum()) for odds in (p, q)]
            if size.sum()
            else [0.0, 0.0]
            for p, q, size in (one if one is not None else (np.zeros(1), np.zeros(1), np.zeros(1)) for one in out.share)
        ]
    )
    rates = (turns_p >= limit).mean(), (swap_p >= limit).mean()
    means = shares.mean(axis=0)
    print(
        f"swap: rate {rates[0]:.3f} -> {rates[1]:.3f} ({rates[1] / rates[0]:.2f}); "
        f"share {means[0]:.3f} -> {means[1]:.3f} ({means[1] / means[0]:.2f})"
    )
    by: dict[str, list[int]] = defaultdict(list)
    for place, turn in enumerate(turns):
        by[turn.session].append(place)
    good = np.array([name.startswith("good") for name in by])
    for name, values in (("rate", (turns_p >= limit).astype(float)), ("share", shares[:, 0])):
        print(
            f"good against others by reflection {name}: AUC {roc_auc_score(good, [values[places].mean() for places in by.values()]):.3f}"
        )


def write(trained: Trained, settings: Mapping[Act, tuple[float, float, float]]) -> None:
    names = sorted(trained.rows, key=trained.rows.__getitem__)
    slopes, shifts, limits = map(np.array, zip(*[settings[act] for act in ACTS], strict=True))
    trained.weights = trained.weights * slopes
    trained.weights[-1] += shifts
    held = np.abs(trained.weights[:-1]).max(axis=1) > NEGLIGIBLE
    weights = np.vstack([trained.weights[:-1][held], trained.weights[-1:]])
    np.savez_compressed(
        WEIGHTS,
        features="\n".join(name for name, kept in zip(names, held, strict=True) if kept),
        weights=weights.astype(np.float16),
        acts="\n".join(ACTS),
        limits=limits,
        meanings="\n".join(trained.rarity.values),
        rarity=np.array(list(trained.rarity.values.values())),
        turns=trained.rarity.turns,
    )
    print(f"{WEIGHTS}: {len(weights)} rows, {WEIGHTS.stat().st_size} bytes")


if __name__ == "__main__":
    main()
