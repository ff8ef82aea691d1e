# SPDX-License-Identifier: Apache-2.0
"""Simulates a search: workers that train as long as the table says, and an algorithm behind ask and tell."""

import heapq

import tasks

START = 10  # random trials that all algorithms begin with


def run(name, side, seed, workers, trials):
    """Losses in the order the trials end. `side` has add(values), ask() and tell(trial, loss); ask returns (trial, values)."""
    task = tasks.load(name)
    start = tasks.start_design(name, seed, START)
    ends, losses, begun, now = [], [], 0, 0.0
    while len(losses) < trials:
        while len(ends) < workers and begun < trials:
            if begun < START:
                values = start[begun]
                trial = side.add(values)
            else:
                trial, values = side.ask()
            heapq.heappush(ends, (now + task.seconds(values, begun), begun, trial, values))
            begun += 1
        now, _, trial, values = heapq.heappop(ends)
        loss = task.loss(values)
        losses.append(loss)
        side.tell(trial, loss)
    return losses


def regrets(name, losses):
    """(best so far - minimum) / (median of random points - minimum) after each trial."""
    task, best, course = tasks.load(name), float("inf"), []
    for loss in losses:
        best = min(best, loss)
        course.append((best - task.minimum) / (task.median - task.minimum))
    return course
