# SPDX-License-Identifier: Apache-2.0
"""jetcal tune from outside: kill and resume, several tuners, trials that pause and go on, exchange with Optuna and Katib."""

import collections
import contextlib
import json
import pathlib
import random
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

from conftest import JETCAL, ROOT
from studies import judge, run_killed, start, write_config
from test_train import write_jet_ntuple

TABLE = ROOT.parent / "shared" / "reference" / "pfn_trials.csv"


def wait_until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_killed_at_random_moments(jetcal, tmp_path):
    config = write_config(tmp_path, trials=40, parallel=2)
    rng = random.Random(1)
    for _ in range(6):
        tuner = start(config)
        time.sleep(rng.uniform(0.02, 0.5))
        tuner.send_signal(signal.SIGKILL)
        tuner.wait()
    assert start(config).wait(timeout=120) == 0
    judge(jetcal, config, 40)
    assert start(config).wait(timeout=60) == 0  # nothing is left to do
    judge(jetcal, config, 40)


def test_several_tuners_of_which_some_are_killed(jetcal, tmp_path):
    config = write_config(tmp_path, trials=150)
    with open(tmp_path / "errors.txt", "w") as errors:
        run_killed(config, tuners=4, kills=5, interval=0.4, errors=errors, seconds=200)
    judge(jetcal, config, 150)
    assert "lock" not in (tmp_path / "errors.txt").read_text()


def test_the_same_seed_proposes_the_same_values_however_it_is_cut(jetcal, tmp_path):
    values = []
    for name, kills in (("whole", 0), ("cut", 2)):
        folder = tmp_path / name
        folder.mkdir()
        config = write_config(folder, trials=12)
        for _ in range(kills):
            tuner = start(config)
            time.sleep(0.3)
            tuner.send_signal(signal.SIGKILL)
            tuner.wait()
        assert start(config).wait(timeout=60) == 0
        values.append([trial["values"] for trial in judge(jetcal, config, 12)["all_trials"]])
    assert values[0] == values[1]


def test_no_process_outlives_a_killed_tuner(tmp_path):
    marker = f"jetcal-test-{tmp_path.name}"
    config = write_config(tmp_path, trials=2, parallel=2,
                          arguments=f"""[bash, -c, '(exec -a {marker} sleep 60) & touch "$RAN.${{trial}}"; wait; : ${{x}}']""")
    tuner = start(config)
    wait_until(lambda: len(list(tmp_path.glob("ran.txt.*"))) == 2)

    def alive():
        return subprocess.run(["pgrep", "-f", f"^{marker}"], capture_output=True, text=True).stdout.split()

    wait_until(lambda: len(alive()) == 2)
    tuner.send_signal(signal.SIGKILL)
    tuner.wait()
    wait_until(lambda: not alive(), 10)


def test_stop_by_signal_gives_trials_back(jetcal, tmp_path):
    config = write_config(tmp_path, trials=3, parallel=3, command='touch "$RAN.${trial}"; sleep 60; : ${x}')
    with open(tmp_path / "errors.txt", "w") as errors:
        tuner = start(config, errors)
        wait_until(lambda: len(list(tmp_path.glob("ran.txt.*"))) == 3)
        tuner.send_signal(signal.SIGINT)
        assert tuner.wait(timeout=30) == 130
    assert "the same command goes on" in (tmp_path / "errors.txt").read_text()
    status = jetcal("tune", "status", tmp_path / "study" / "study.db")
    assert status["trials"]["waiting"] == 3
    assert status["trials"]["running"] == 0


@pytest.fixture(scope="module")
def shards(jetcal, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tune")
    write_jet_ntuple(folder / "jets.root", 600, seed=1)
    jetcal("ingest", folder / "jets.root", "--output", folder / "shards")
    return folder / "shards"


def write_training_study(folder, shards, algorithm, trials, epochs=4, parallel=2):
    config = folder / "tune.yaml"
    config.write_text(f"""
name: jets
space: paper-pfn
objective: validation_loss
outcome: best
algorithm: {algorithm}
limits: {{trials: {trials}}}
run: {{parallel: {parallel}}}
threads: 1
output: {folder / "study"}
trial:
  train:
    data: {{directory: {shards}}}
    model: {{network: pfn, mode: constituents, standardise: true}}
    training: {{epochs: {epochs}, batch_size: 50, checkpoint_steps: 2}}
    report: {{histograms: 0, figures: 0}}
""")
    return config


def epochs_trained(folder):
    """Which epochs each trial trained, in order, over all its processes: jetcal train says each when it has done it."""
    trained = {}
    for log in sorted(folder.glob("study/trials/*/train.log")):
        trained[int(log.parent.name)] = [int(epoch) for epoch in re.findall(r" epoch=(\d+) ", log.read_text())]
    return trained


def test_promoted_trainings_go_on_and_killed_ones_too(jetcal, tmp_path, shards):
    algorithm = "{name: asha, min_resource: 1, eta: 2}"  # up to the epochs of the training
    config = write_training_study(tmp_path, shards, algorithm, trials=5)
    for _ in range(3):
        tuner = start(config)
        time.sleep(1.5)
        tuner.send_signal(signal.SIGKILL)
        tuner.wait()
    assert start(config).wait(timeout=300) == 0
    status = jetcal("tune", "status", tmp_path / "study" / "study.db", "--trials", "--events")
    assert status["trials"]["total"] == 5
    assert status["trials"]["complete"] >= 1
    assert status["trials"]["running"] == status["trials"]["waiting"] == 0
    assert any(event["what"] == "promoted" for event in status["events"])
    trained = epochs_trained(tmp_path)
    for trial in status["all_trials"]:
        reached = trial["resource"]
        # Every epoch once; the tuner may have died before it was printed, never after.
        assert trained[trial["number"]] == sorted(set(trained[trial["number"]])), "an epoch was repeated"
        assert [report["resource"] for report in trial["course"]] == list(range(1, reached + 1))
        assert trial["state"] == ("complete" if reached == 4 else "paused")


def test_a_promoted_training_equals_one_that_never_paused(jetcal, tmp_path, shards):
    losses = []
    for name, pauses in (("whole", []), ("paused", [1, 3])):
        run = tmp_path / name
        flags = ["--data", shards, "--output", run, "--preset", "small-pfn", "--mode", "constituents", "--epochs", "5",
                 "--batch-size", "50", "--threads", "1"]
        for epoch in pauses:
            document = jetcal("train", *flags, "--pause-after", epoch)
            assert document["paused"] is True
            assert len(document["epochs"]) == epoch
            assert not (run / "model.jetcal").exists()
        document = jetcal("train", *flags)
        losses.append(([epoch["validation_loss"] for epoch in document["epochs"]], document["test_loss"],
                       document["fingerprint"]))
    assert losses[0] == losses[1]


def test_bad_input_is_one_sentence(jetcal, tmp_path):
    config = write_config(tmp_path, trials=2)
    text = config.read_text()

    def fails(old, new):
        config.write_text(text.replace(old, new))
        return jetcal.fails("tune", "--config", config)

    status, message = fails("type: float", "type: flaot")
    assert status == 2 and "flaot" in message
    status, message = fails("loss=${x}", "loss=${y}")
    assert status == 2 and "${y}" in message
    status, message = fails("loss=${x}", "loss=1")
    assert status == 2 and "'x'" in message
    status, message = fails("limits:", "limit:")
    assert status == 2 and "limit" in message
    status, message = fails("algorithm: random", "algorithm: random\nthreads: -2")
    assert status == 2 and "threads must not be negative" in message
    status, message = fails("algorithm: random", "algorithm: randam")
    assert status == 3 and "random" in message
    status, message = fails("objective: loss", "objective: loss\nearly_stopping: {name: median, min_trails: 3}")
    assert status == 2 and "min_trails" in message
    config.write_text(text)
    jetcal("tune", "--config", config, env={"RAN": str(tmp_path / "ran"), "PATH": "/usr/bin:/bin"})
    status, message = fails("name: trivial", "name: trivial\nseed: 2")
    assert status == 6 and "other seed" in message
    (tmp_path / "no.db").write_bytes(b"x" * 4096)
    status, message = jetcal.fails("tune", "status", tmp_path / "no.db")
    assert status == 4 and "no.db" in message


def test_objectives_of_flags_and_files(jetcal, tmp_path):
    config = write_config(tmp_path, trials=2)
    text = config.read_text()

    def objectives(lines, *flags):
        config.write_text(text.replace("objective: loss", lines))
        return jetcal("tune", "--config", config, "--dry-run", *flags)["objectives"]

    both = "objectives: [{metric: loss}, {metric: speed, goal: maximise}]"
    assert objectives(both) == [{"metric": "loss", "goal": "minimise"}, {"metric": "speed", "goal": "maximise"}]
    assert objectives(both, "--objective", "size") == [{"metric": "size", "goal": "minimise"}]
    assert objectives("goal: maximise") == [{"metric": "validation_loss", "goal": "maximise"}]
    for wrong in (both + "\nobjective: loss", both + "\ngoal: maximise"):
        config.write_text(text.replace("objective: loss", wrong))
        status, message = jetcal.fails("tune", "--config", config, "--dry-run")
        assert status == 2 and "give either objectives" in message
    config.write_text(text + '  measure: [{command: "true", json: perhaps}]\n')
    status, message = jetcal.fails("tune", "--config", config, "--dry-run")
    assert status == 2 and "json must be true or false, got 'perhaps'" in message


def test_flags_that_would_do_nothing_are_refused(jetcal, tmp_path):
    config = write_config(tmp_path, trials=2)
    assert start(config).wait(timeout=60) == 0
    study = tmp_path / "study" / "study.db"
    for name in ("all.csv", "all.json"):
        jetcal("tune", "export", study, tmp_path / name)
    new = tmp_path / "new.db"
    for arguments, word in (
            (["status", study, "--seed", 2], "--seed is a flag of the search itself, not of tune status"),
            (["--algorithm", "gp", "export", study, tmp_path / "x.csv"], "--algorithm is a flag of the search"),
            (["report", "--from", study, "--objective", "loss"], "--objective is a flag of the search"),
            (["status", study, "--config", config], "unknown field 'name'"),
            (["status", study, "--trials"], "with --json only"),
            (["enqueue", study, "x=0.5", "--config", config], "unknown field 'name'"),
            (["import", tmp_path / "all.json", new, "--space", "paper-pfn"], "all.json is none"),
            (["import", tmp_path / "all.csv", new, "--name", "trivial"], "all.csv is a table"),
            (["import", tmp_path / "all.csv", new, "--space", "paper-pfn", "--config", config], "give one of them")):
        status, message = jetcal.fails("tune", *arguments)
        assert status == 2 and word in message, (arguments, message)
    assert not new.exists()


def test_measurements_constraints_and_two_objectives(jetcal, tmp_path):
    more = """  measure:
    - command: "echo '{\\"time\\": {\\"ms\\": 3}}' # ${x}"
      json: true
      metrics: {latency: time.ms}
constraints:
  - {metric: size, at_most: 0.5}
"""
    config = write_config(tmp_path, trials=6, command='echo ${trial} >> "$RAN"; echo loss=${x} size=${x}', more=more)
    config.write_text(config.read_text().replace("objective: loss", "objectives: [{metric: loss}, {metric: latency, goal: minimise}]"))
    assert start(config).wait(timeout=60) == 0
    status = jetcal("tune", "status", tmp_path / "study" / "study.db", "--trials")
    for trial in status["all_trials"]:
        assert trial["objectives"] == [trial["values"]["x"], 3]
        assert trial["constraints"] == pytest.approx([trial["values"]["x"] - 0.5])
    feasible = [trial for trial in status["all_trials"] if trial["constraints"][0] <= 0]
    assert status["pareto_front"] == [min(feasible, key=lambda trial: trial["objectives"][0])["number"]]
    first = status["best"][0]
    assert first["constraints"][0] <= 0
    assert first["objectives"][0] == min(trial["objectives"][0] for trial in status["all_trials"])
    report = jetcal("tune", "report", "--from", tmp_path / "study" / "study.db")
    assert {trial["name"]: trial["feasible"] for trial in report["best_trials"]} == {
        str(trial["number"]): trial["constraints"][0] <= 0 for trial in status["all_trials"]}
    assert [trial["name"] for trial in report["pareto_front"]] == [str(number) for number in status["pareto_front"]]


def test_median_stopping_ends_trials(jetcal, tmp_path):
    command = 'for n in 1 2 3 4 5 6 7 8; do echo epoch=$n loss=${x}; sleep 0.1; done; echo ${trial} >> "$RAN"'
    config = write_config(tmp_path, trials=10, command=command, more="early_stopping: {name: median, min_trials: 2, start: 2}\n")
    assert start(config).wait(timeout=120) == 0
    status = jetcal("tune", "status", tmp_path / "study" / "study.db", "--trials")
    stopped = [trial for trial in status["all_trials"] if trial["state"] == "stopped"]
    complete = [trial for trial in status["all_trials"] if trial["state"] == "complete"]
    assert stopped and complete
    assert len(stopped) + len(complete) == 10
    assert all(trial["resource"] < 8 for trial in stopped)
    assert min(trial["values"]["x"] for trial in status["all_trials"]) in [trial["values"]["x"] for trial in complete]


def test_enqueued_trials_run_first(jetcal, tmp_path):
    config = write_config(tmp_path, trials=1)
    assert start(config).wait(timeout=60) == 0
    study = tmp_path / "study" / "study.db"
    assert jetcal("tune", "enqueue", study, "x=0.125")["trial"] == 1
    status, message = jetcal.fails("tune", "enqueue", study, "x=7")
    assert status == 2 and "'x'" in message
    assert start(config).wait(timeout=60) == 0
    assert jetcal("tune", "status", study, "--trials")["all_trials"][1]["objectives"] == [0.125]


def test_exchange_keeps_a_study(jetcal, tmp_path):
    config = write_config(tmp_path, trials=5, command='echo ${trial} >> "$RAN"; echo epoch=1 loss=2; echo epoch=2 loss=${x} other=5')
    assert start(config).wait(timeout=60) == 0
    study = tmp_path / "study" / "study.db"
    before = jetcal("tune", "status", study, "--trials")["all_trials"]
    for name in ("all.json", "all.journal"):
        jetcal("tune", "export", study, tmp_path / name)
        jetcal("tune", "import", tmp_path / name, tmp_path / (name + ".db"))
        after = jetcal("tune", "status", tmp_path / (name + ".db"), "--trials")["all_trials"]
        for field in ("number", "state", "values", "objectives", "course", "metrics"):
            assert [trial[field] for trial in after] == [trial[field] for trial in before], (name, field)
    jetcal("tune", "export", study, tmp_path / "all.csv")
    jetcal("tune", "import", tmp_path / "all.csv", tmp_path / "csv.db", "--config", config)
    after = jetcal("tune", "status", tmp_path / "csv.db", "--trials")["all_trials"]
    assert [(trial["values"], trial["objectives"]) for trial in after] == [(trial["values"], trial["objectives"]) for trial in before]
    status, message = jetcal.fails("tune", "import", tmp_path / "all.csv", tmp_path / "csv.db")
    assert status == 2 and "is there already" in message
    (tmp_path / "cut.json").write_text((tmp_path / "all.json").read_text()[:-200])
    status, message = jetcal.fails("tune", "import", tmp_path / "cut.json", tmp_path / "cut.db")
    assert status == 4 and "cut.json" in message
    document = json.loads((tmp_path / "all.json").read_text())
    document["trials"][3]["values"]["x"] = 7
    (tmp_path / "wrong.json").write_text(json.dumps(document))
    status, message = jetcal.fails("tune", "import", tmp_path / "wrong.json", tmp_path / "wrong.db")
    assert status == 2 and "wrong.json: trial 3: the parameter 'x' cannot be '7'" in message
    assert not list(tmp_path.glob("wrong.db*"))  # or the next import would find a study without trials
    (tmp_path / "none.journal").write_text("{}\n{}\n")
    status, message = jetcal.fails("tune", "import", tmp_path / "none.journal", tmp_path / "wrong.db")
    assert status == 2 and "none.journal: line 1 of the journal" in message


def test_tables_keep_two_objectives_and_constraints(jetcal, tmp_path):
    config = write_config(tmp_path, trials=6, command='echo ${trial} >> "$RAN"; echo loss=${x} latency=$((7 - ${trial})) size=${trial}',
                          more="constraints: [{metric: size, at_most: 3}]\n")
    config.write_text(config.read_text().replace("objective: loss", "objectives: [{metric: loss}, {metric: latency}]"))
    assert start(config).wait(timeout=60) == 0
    before = jetcal("tune", "status", tmp_path / "study" / "study.db", "--trials")
    jetcal("tune", "export", tmp_path / "study" / "study.db", tmp_path / "all.csv")
    jetcal("tune", "import", tmp_path / "all.csv", tmp_path / "csv.db", "--config", config)
    after = jetcal("tune", "status", tmp_path / "csv.db", "--trials")
    for field in ("objectives", "constraints"):
        assert [trial[field] for trial in after["all_trials"]] == [trial[field] for trial in before["all_trials"]]
    assert after["pareto_front"] == before["pareto_front"]


def test_katib_table_of_the_paper_becomes_a_study(jetcal, tmp_path):
    if not TABLE.exists():
        pytest.skip("shared/reference/pfn_trials.csv is not there")
    jetcal("tune", "import", TABLE, tmp_path / "paper.db", "--space", "paper-pfn")
    status = jetcal("tune", "status", tmp_path / "paper.db", "--trials")
    assert status["trials"]["total"] == 60
    best = status["best"][0]["values"]
    assert (best["particle_layers"], best["particle_units"], best["head_layers"], best["head_units"]) == (5, 50, 3, 400)
    assert best["optimizer"] == "ranger"
    assert best["lr"] == pytest.approx(1.078e-3, rel=1e-3)


def test_optuna_reads_our_journal(jetcal, tmp_path):
    optuna = pytest.importorskip("optuna")
    config = write_config(tmp_path, trials=6, command='echo ${trial} >> "$RAN"; echo epoch=1 loss=2; echo epoch=2 loss=${x}; test ${trial} != 3')
    config.write_text(config.read_text().replace("x: {type: float, low: 0, high: 1}", """x: {type: float, low: 0.001, high: 1, log: true}
  n: {type: integer, low: 1, high: 9, step: 2}
  units: {type: discrete, choices: [50, 100]}
  word: {type: categorical, choices: [a, b]}
  only: {type: float, low: 0, high: 1, when: {word: [b]}}""").replace("loss=${x}", "loss=${x} # ${n} ${units} ${word} ${only}"))
    config.write_text(config.read_text().replace("# ${n} ${units} ${word} ${only};", "n=${n} u=${units} w=${word} o=${only};"))
    assert start(config).wait(timeout=60) == 0
    study = tmp_path / "study" / "study.db"
    jetcal("tune", "export", study, tmp_path / "optuna.log")
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(tmp_path / "optuna.log")))
    theirs = optuna.load_study(study_name="trivial", storage=storage)
    ours = jetcal("tune", "status", study, "--trials")["all_trials"]
    assert len(theirs.trials) == 6
    assert theirs.metric_names == ["loss"]
    for trial, frozen in zip(ours, theirs.trials, strict=True):
        assert frozen.params == trial["values"]
        assert frozen.state.name == ("FAIL" if trial["number"] == 3 else "COMPLETE")
        if frozen.state.name == "COMPLETE":
            assert frozen.value == trial["objectives"][0]
            assert frozen.datetime_complete is not None
        assert frozen.intermediate_values == {report["resource"]: report["objectives"][0] for report in trial["course"]}
    assert theirs.best_value == min(trial["objectives"][0] for trial in ours if trial["objectives"])
    theirs.optimize(lambda trial: trial.suggest_float("x", 0.001, 1, log=True), n_trials=2)  # a journal that can go on
    assert len(theirs.trials) == 8


def test_optuna_dashboard_shows_our_study(jetcal, tmp_path):
    """The real dashboard, over the file that we wrote: the study, its trials, values, courses and failures."""
    config = write_config(tmp_path, trials=7, command='echo ${trial} >> "$RAN"; echo epoch=1 loss=2; echo epoch=2 loss=${x}; test ${trial} != 3')
    assert start(config).wait(timeout=60) == 0
    study, journal = tmp_path / "study" / "study.db", tmp_path / "optuna.log"
    jetcal("tune", "export", study, journal)
    ours = jetcal("tune", "status", study, "--trials")["all_trials"]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{probe.getsockname()[1]}"
    with open(tmp_path / "dashboard.txt", "w") as log:
        server = subprocess.Popen([pathlib.Path(sys.executable).with_name("optuna-dashboard"), "--host", "127.0.0.1", "--port",
                                   address.rsplit(":", 1)[1], journal], stdout=log, stderr=subprocess.STDOUT)

    def ask(path):
        with urllib.request.urlopen(address + path, timeout=30) as reply:
            return json.load(reply)

    try:
        deadline = time.monotonic() + 60
        while True:
            assert server.poll() is None and time.monotonic() < deadline, (tmp_path / "dashboard.txt").read_text()
            with contextlib.suppress(urllib.error.URLError):
                summary, = ask("/api/studies")["study_summaries"]
                break
            time.sleep(0.1)
        assert summary["study_name"] == "trivial" and summary["directions"] == ["minimize"]
        theirs = ask(f"/api/studies/{summary['study_id']}?after=0")["trials"]
    finally:
        server.kill()
        server.wait()
    assert [trial["state"] for trial in theirs] == ["Fail" if trial["number"] == 3 else "Complete" for trial in ours]
    for trial, shown in zip(ours, theirs, strict=True):
        assert float(next(one["param_internal_value"] for one in shown["params"] if one["name"] == "x")) == trial["values"]["x"]
        assert [one["value"] for one in shown["intermediate_values"]] == [report["objectives"][0] for report in trial["course"]]
        assert shown.get("values", []) == (trial["objectives"] if shown["state"] == "Complete" else [])


def test_we_read_a_journal_of_optuna(jetcal, tmp_path):
    optuna = pytest.importorskip("optuna")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    path = tmp_path / "journal.log"
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(path)))
    study = optuna.create_study(storage=storage, study_name="theirs", direction="maximize",
                                sampler=optuna.samplers.RandomSampler(seed=1))
    study.set_metric_names(["accuracy"])

    def objective(trial):
        x = trial.suggest_float("x", 1e-5, 1e-2, log=True)
        n = trial.suggest_int("n", 1, 5)
        word = trial.suggest_categorical("word", ["adam", "sgd"])
        if word == "sgd":
            trial.suggest_float("momentum", 0, 0.9, step=0.1)
        for step in range(3):
            trial.report(n * step, step)
        if trial.number == 2:
            raise optuna.TrialPruned
        if trial.number == 4:
            raise RuntimeError
        return x * n

    study.optimize(objective, n_trials=12, catch=(RuntimeError,))
    with open(path, "a") as journal:
        journal.write('{"op_code": 4, "worker')  # a writer that was killed
    document = jetcal("tune", "import", path, tmp_path / "ours.db")
    status = jetcal("tune", "status", tmp_path / "ours.db", "--trials")
    assert status["objectives"] == [{"metric": "accuracy", "goal": "maximise"}]
    states = collections.Counter(trial["state"] for trial in status["all_trials"])
    assert document["trials"] == 12
    assert states == {"complete": 10, "stopped": 1, "failed": 1}
    assert any("momentum" in note and "word" in note for note in document["notes"])  # a condition was seen
    for trial, frozen in zip(status["all_trials"], study.trials, strict=True):
        assert trial["values"] == pytest.approx(frozen.params)
        assert [report["objectives"][0] for report in trial["course"]] == list(frozen.intermediate_values.values())


def test_parameters_may_be_any_field_of_a_training(jetcal, tmp_path):
    names = ["skip", "epochs", "peak_at", "peak_ratio", "ema_start_step", "ema_best", "patience_gain", "steps_per_epoch", "samples_per_epoch"]
    config = tmp_path / "tune.yaml"
    config.write_text("parameters:\n" + "".join(f"  {name}: {{type: float, low: 1, high: 2}}\n" for name in names) +
                      f"output: {tmp_path / 'study'}\ntrial: {{train: {{data: {{directory: shards}}}}}}\n")
    document = jetcal("tune", "--config", config, "--dry-run")
    assert [parameter["name"] for parameter in document["parameters"]] == names


def test_configurations_are_read(jetcal, tmp_path):
    for config in sorted((ROOT / "configs").glob("tune-*.yaml")):
        result = subprocess.run([JETCAL, "tune", "--config", config, "--output", tmp_path / config.stem, "--dry-run", "--json"],
                                capture_output=True, text=True, cwd=ROOT)
        assert result.returncode == 0, result.stderr
        document = json.loads(result.stdout)
        assert document["limits"]["trials"] == 60
        assert document["parameters"]
