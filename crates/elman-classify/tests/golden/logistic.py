"""Writes logistic.json next to this file: logistic regressions and their scores, by scikit-learn in float64.

    pip install scikit-learn numpy && python logistic.py

Each case has the vectors `x` `[examples, width]`, exactly representable in float32, and their `labels`; for each
strength (scikit-learn's C) the weights `[rows, width]`, the biases `[rows]` and the probabilities of the first examples
`[NUM_PROBED, classes]`; and the scores of the predictions of the last regression. Two classes have one row.
"""

import json
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score, precision_recall_fscore_support

NUM_PROBED = 4
NAMES = ["cat", "dog", "mouse", "owl"]
rng = np.random.default_rng(0)


def round_digits(values, digits=9):
    return [round_digits(v, digits) for v in values] if np.ndim(values) else float(f"{values:.{digits}g}")


def case(classes, examples, width, spread):
    # unequal class frequencies, so that the biases matter
    y = np.minimum(rng.geometric(0.4, examples) - 1, classes - 1)
    x = rng.normal(size=(classes, width))[y] + spread * rng.normal(size=(examples, width))
    x = np.round(x / np.linalg.norm(x, axis=1, keepdims=True) * 256) / 256
    regressions = []
    for strength in (0.1, 10.0, 1000.0):
        model = LogisticRegression(C=strength, tol=1e-12, max_iter=100_000).fit(x, y)
        regressions.append({
            "strength": strength,
            "weights": round_digits(model.coef_),
            "biases": round_digits(model.intercept_),
            "probabilities": round_digits(model.predict_proba(x[:NUM_PROBED])),
        })
    predicted = model.predict(x)
    precision, recall, f1, support = precision_recall_fscore_support(y, predicted, zero_division=0)
    return {
        "x": x.tolist(),
        "labels": [NAMES[c] for c in y],
        "regressions": regressions,
        "accuracy": accuracy_score(y, predicted),
        "macro_f1": f1_score(y, predicted, average="macro"),
        "precision": precision.tolist(),
        "recall": recall.tolist(),
        "f1": f1.tolist(),
        "support": support.tolist(),
    }


cases = {"two": case(2, 60, 6, 1.0), "three": case(3, 80, 5, 1.2), "four": case(4, 70, 8, 2.0)}
Path(__file__).with_suffix(".json").write_text(json.dumps(cases, separators=(",", ":")) + "\n")
