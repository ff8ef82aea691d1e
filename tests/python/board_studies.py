# SPDX-License-Identifier: Apache-2.0
"""Studies of any size without running a trial: made as an export of jetcal tune, then imported."""

import json
import math
import random

WORDS = ["adam", "ranger", "rmsprop"]


def study_document(trials, objectives=1, failed_every=40, seed=1, reason="the loss is not a number in epoch 2", began=1_790_000_000.0):
    """A study of a smooth valley with noise, intermediate values, stopped and failed trials; times go up."""
    draw = random.Random(seed)
    goals = [{"metric": "validation_loss", "goal": "minimise"}, {"metric": "latency_ms", "goal": "minimise"}][:objectives]
    parameters = [{"name": "lr", "type": "float", "low": 1e-5, "high": 1e-1, "log": True}, {"name": "head_units", "type": "integer", "low": 16, "high": 512},
                  {"name": "dropout", "type": "float", "low": 0.0, "high": 0.6}, {"name": "optimizer", "type": "categorical", "choices": WORDS}]
    rows, events, clock = [], [], [began] * 4
    for number in range(trials):
        values = {"lr": 10 ** draw.uniform(-5, -1), "head_units": draw.randint(16, 512), "dropout": draw.uniform(0, 0.6), "optimizer": draw.choice(WORDS)}
        loss = (0.085 + 0.012 * (math.log10(values["lr"]) + 2.7) ** 2 + 0.02 * (values["dropout"] - 0.15) ** 2 + 2e-6 * abs(values["head_units"] - 280)
                + 0.004 * WORDS.index(values["optimizer"]) + draw.expovariate(400))
        latency = 0.4 + values["head_units"] / 180 + draw.random() * 0.2
        state = "failed" if failed_every and number % failed_every == failed_every - 1 else "stopped" if loss > 0.14 and draw.random() < 0.6 else "complete"
        epochs = {"failed": 1, "stopped": draw.randint(2, 5), "complete": 10}[state]
        course = [{"resource": epoch, "objectives": [loss + 0.2 * math.exp(-epoch / 2.2) + draw.gauss(0, 0.001), latency][:objectives]} for epoch in range(1, epochs + 1)]
        worker = number % len(clock)
        started, seconds = clock[worker] + draw.random(), epochs * draw.uniform(2, 3)
        clock[worker] = started + seconds
        final = course[-1]["objectives"]
        rows.append({"number": number, "state": state, "values": values, "objectives": final if state == "complete" else [], "constraints": [],
                     "metrics": {"train_loss": final[0] * 0.97} if state == "complete" else {}, "resource": epochs, "last": True, "attempts": 1,
                     "failures": int(state == "failed"), "created": started, "started": started, "ended": clock[worker], "seconds": seconds, "course": course,
                     **({"error": reason} if state == "failed" else {})})
    return goals, parameters, rows


def import_study(jetcal, path, trials, name="valley", **options):
    """Makes the study file `path`; returns its trials."""
    goals, parameters, rows = study_document(trials, **options)
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {"format": "jetcal-study-1", "trials": rows, "definition": {
        "name": name, "parameters": parameters, "objectives": goals, "constraints": [], "outcome": "last", "algorithm": "tpe", "settings": {},
        "early_stopping": "median", "early_stopping_settings": {}, "seed": 7, "limits": {"trials": trials, "resource": 0, "failed_trials": 0, "hours": 0.0}}}
    exported = path.with_suffix(".json")
    exported.write_text(json.dumps(document))
    result = jetcal.raw("tune", "import", exported, path)
    assert result.returncode == 0, result.stderr
    exported.unlink()
    return rows
