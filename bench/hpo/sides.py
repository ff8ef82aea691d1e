# SPDX-License-Identifier: Apache-2.0
"""The two sides of the comparison behind one interface: Optuna in this process, jetcal as a program on a pipe."""

import json
import pathlib
import subprocess
import sys
import tempfile
import time

import tasks


class Optuna:
    """Samplers of Optuna with their default settings, in memory."""

    def __init__(self, name, algorithm, seed):
        import optuna
        import warnings

        warnings.simplefilter("ignore")
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        if algorithm == "gp":
            sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
            from peers.torch_cpu import torch

            torch.set_num_threads(1)
        sampler = {"tpe": optuna.samplers.TPESampler, "gp": optuna.samplers.GPSampler, "random": optuna.samplers.RandomSampler,
                   "cmaes": optuna.samplers.CmaEsSampler}[algorithm](seed=seed)
        self._study = optuna.create_study(sampler=sampler)
        self._space = distributions(tasks.load(name).space)
        self.seconds = []

    def add(self, values):
        self._study.enqueue_trial(values)
        return self._study.ask(self._space)

    def ask(self):
        start = time.process_time()
        trial = self._study.ask(self._space)
        self.seconds.append(time.process_time() - start)
        return trial, trial.params

    def tell(self, trial, loss):
        self._study.tell(trial, loss)

    def close(self):
        pass


def distributions(space):
    """Optuna's distributions of a space: (name, "categorical", choices), or (name, "integer" or "float", low, high)."""
    import optuna

    make = {"categorical": optuna.distributions.CategoricalDistribution, "integer": optuna.distributions.IntDistribution,
            "float": optuna.distributions.FloatDistribution}
    return {entry[0]: make[entry[1]](*entry[2:]) for entry in space}


class AskTell:
    """`jetcal tune ask-tell`: one JSON document a line each way."""

    def __init__(self, space, algorithm, seed, program, settings=()):
        parameters = {name: {"type": kind, "choices": rest[0]} if kind == "categorical" else {"type": kind, "low": rest[0], "high": rest[1]}
                      for name, kind, *rest in space}
        self._file = tempfile.NamedTemporaryFile("w", suffix=".yaml")
        json.dump({"parameters": parameters}, self._file)  # JSON is YAML
        self._file.flush()
        command = [*program, "--space", self._file.name, "--algorithm", algorithm, "--seed", str(seed)]
        for setting in settings:
            command += ["--set", setting]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def request(self, **request):
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        reply = json.loads(self._process.stdout.readline())
        if "error" in reply:
            raise RuntimeError(reply["error"])
        return reply

    def peak_memory_mib(self):
        for line in pathlib.Path(f"/proc/{self._process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 1024
        return None

    def close(self):
        self._process.stdin.close()
        self._process.wait()
        self._file.close()


class Jetcal:
    """An algorithm of jetcal with its default settings, or with those given."""

    def __init__(self, name, algorithm, seed, program, settings=()):
        self._talk = AskTell(tasks.load(name).space, algorithm, seed, program, settings)
        self.peak_memory_mib, self.close = self._talk.peak_memory_mib, self._talk.close
        self.seconds = []

    def add(self, values):
        return self._talk.request(op="add", values=values)["trial"]

    def ask(self):
        reply = self._talk.request(op="ask")
        self.seconds.append(reply["cpu_seconds"])
        return reply["trial"], reply["values"]

    def tell(self, trial, loss):
        self._talk.request(op="tell", trial=trial, objectives=[loss])
