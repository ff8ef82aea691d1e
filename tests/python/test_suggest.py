# SPDX-License-Identifier: Apache-2.0
"""jetcal suggest, called by a client generated from the .proto: what Katib's controller does with its services."""

import os
import re
import signal
import subprocess
import threading
import time

import pytest

pytest.importorskip("grpc_tools", reason="tools/setup.py test installs grpcio-tools")

import grpc  # noqa: E402

import katib_messages as katib  # noqa: E402
from conftest import JETCAL  # noqa: E402


@pytest.fixture(scope="module")
def messages(tmp_path_factory):
    return katib.generate(tmp_path_factory.mktemp("katib"))


@pytest.fixture(scope="module")
def pb(messages):
    return messages[0]


class Service:
    def __init__(self, *arguments, environment=None):
        self.process = subprocess.Popen([JETCAL, "suggest", "--port", "0", *map(str, arguments)], stderr=subprocess.PIPE,
                                        text=True, env={**os.environ, **(environment or {})})
        line = self.process.stderr.readline()
        assert "ready" in line, line
        self.ports = [int(port) for port in re.search(r"port ([\d, ]+), services", line).group(1).split(", ")]
        self.lines = []
        threading.Thread(target=lambda: self.lines.extend(self.process.stderr), daemon=True).start()

    def channel(self, index=0):
        return grpc.insecure_channel(f"127.0.0.1:{self.ports[index]}",
                                     options=[("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)])

    def peak_memory(self):
        """Bytes; since the start of the process."""
        status = open(f"/proc/{self.process.pid}/status").read()
        return int(re.search(r"VmHWM:\s+(\d+) kB", status).group(1)) * 1024

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            assert self.process.wait(timeout=20) == 0
        finally:
            self.process.kill()  # nothing to do unless it hangs


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    service = Service("--port", "0", "--db", tmp_path_factory.mktemp("db") / "observations.db")
    yield service
    service.stop()


@pytest.fixture(scope="module")
def suggestion(service, messages):
    with service.channel() as channel:
        yield messages[1].SuggestionStub(channel)


ALIASES = {"bayesianoptimization": "gp", "multivariate-tpe": "tpe", "jetcal-tpe": "tpe"}


@pytest.fixture(autouse=True)
def only_what_there_is(request, pb, suggestion):
    """Skips a test of an algorithm that this build does not have, aloud."""
    algorithm = getattr(request.node, "callspec", None) and request.node.callspec.params.get("algorithm")
    if algorithm:
        _, text = katib.refusal(suggestion.ValidateAlgorithmSettings,
                                pb.ValidateAlgorithmSettingsRequest(experiment=katib.experiment(pb, "none")))
        if ALIASES.get(algorithm, algorithm) not in text.split("there are ")[1].split(", "):
            pytest.skip(f"this build has no algorithm {algorithm}")


def ask(pb, suggestion, experiment, trials=(), count=1, total=None):
    reply = suggestion.GetSuggestions(pb.GetSuggestionsRequest(
        experiment=experiment, trials=trials, current_request_number=count, total_request_number=total or len(trials) + count),
        timeout=60)
    assert len(reply.parameter_assignments) == count
    return reply


@pytest.mark.parametrize("algorithm", ["random", "sobol", "tpe", "gp", "cmaes", "bayesianoptimization", "multivariate-tpe",
                                       "jetcal-tpe"])
@pytest.mark.parametrize("space", ["pfn", "particlenet"])
def test_the_papers_spaces(pb, suggestion, algorithm, space):
    parameters = (katib.pfn_parameters if space == "pfn" else katib.particlenet_parameters)(pb)
    experiment = katib.experiment(pb, algorithm, parameters)
    suggestion.ValidateAlgorithmSettings(pb.ValidateAlgorithmSettingsRequest(experiment=experiment), timeout=60)
    reply = ask(pb, suggestion, experiment, count=10)
    trials = []
    for i, one in enumerate(reply.parameter_assignments):
        katib.check_assignments(parameters, one.assignments)
        dropout = float(dict((item.name, item.value) for item in one.assignments)["dropout"])
        trials.append(katib.trial(pb, f"t{i}", one.assignments, pb.TrialStatus.SUCCEEDED, 0.08 + dropout / 50,
                                  f"2026-11-23T07:00:{i:02}Z"))
    assert len(set(katib.values_of(reply))) == 10
    for one in ask(pb, suggestion, experiment, trials, count=5).parameter_assignments:
        katib.check_assignments(parameters, one.assignments)


@pytest.mark.parametrize("algorithm", ["random", "sobol", "tpe", "gp", "cmaes"])
def test_the_same_request_has_the_same_answer_even_from_another_process(pb, suggestion, messages, algorithm):
    experiment = katib.experiment(pb, algorithm)
    first = ask(pb, suggestion, experiment, count=12)
    trials = [katib.trial(pb, f"t{i}", one.assignments, pb.TrialStatus.SUCCEEDED, 0.09 - 1e-4 * i,
                          f"2026-11-23T07:00:{i:02}Z") for i, one in enumerate(first.parameter_assignments)]
    answer = katib.values_of(ask(pb, suggestion, experiment, trials, count=3))
    shuffled = list(reversed(trials))  # the controller's order means nothing
    assert katib.values_of(ask(pb, suggestion, experiment, shuffled, count=3)) == answer
    other = Service()
    try:
        with other.channel() as channel:
            assert katib.values_of(ask(pb, messages[1].SuggestionStub(channel), experiment, trials, count=3)) == answer
    finally:
        other.stop()
    renamed = katib.experiment(pb, algorithm, name="another")
    assert katib.values_of(ask(pb, suggestion, renamed, count=12)) != katib.values_of(first)
    seeded = katib.experiment(pb, algorithm, name="another", settings={"random_state": 5})
    again = katib.experiment(pb, algorithm, name="a third", settings={"random_state": 5})
    assert katib.values_of(ask(pb, suggestion, seeded)) == katib.values_of(ask(pb, suggestion, again))


@pytest.mark.parametrize("algorithm", ["random", "tpe", "gp", "sobol", "cmaes"])
def test_a_conversation_of_the_controller(pb, suggestion, algorithm):
    """What the real controller was seen to do: n = 1 of 5 asked again as n = 3 of 7, trials CREATED, RUNNING and lost."""
    status = pb.TrialStatus
    experiment = katib.experiment(pb, algorithm)
    seen, trials = [], []

    def add(reply, *conditions):
        for one, condition in zip(reply.parameter_assignments, conditions):
            i = len(trials)
            value = 0.09 - 1e-4 * i if condition == status.SUCCEEDED else None
            start = "" if condition == status.CREATED else f"2026-11-23T07:00:{i:02}Z"
            trials.append(katib.trial(pb, f"jec-{i}", one.assignments, condition, value, start))
            seen.append(katib.values_of(reply)[list(reply.parameter_assignments).index(one)])

    add(ask(pb, suggestion, experiment, count=4, total=4), status.SUCCEEDED, status.RUNNING, status.RUNNING, status.CREATED)
    lost = ask(pb, suggestion, experiment, trials, count=1, total=5)  # its reply is stored, its trial not yet there
    repeated = ask(pb, suggestion, experiment, trials, count=1, total=5)
    assert katib.values_of(lost) == katib.values_of(repeated)
    grown = ask(pb, suggestion, experiment, trials, count=3, total=7)
    after = ask(pb, suggestion, experiment, trials, count=2, total=7)  # the one of n = 1 exists, but is not told of
    everything = seen + katib.values_of(grown)
    assert len(set(everything)) == len(everything)
    assert not set(katib.values_of(after)) & set(seen + katib.values_of(lost))
    add(grown, status.FAILED, status.KILLED, status.EARLYSTOPPED)
    for i in range(8, 14):
        add(ask(pb, suggestion, experiment, trials, count=1, total=i), status.RUNNING)
    assert len(set(seen)) == len(seen) == 13


@pytest.mark.parametrize("algorithm", ["tpe", "gp"])
def test_running_trials_are_taken_into_account(pb, suggestion, algorithm):
    """Ten asked for at once, and ten asked one by one while the earlier ones run, are spread alike."""
    parameters = [pb.ParameterSpec(name="x", parameter_type=pb.DOUBLE, feasible_space=pb.FeasibleSpace(min="0", max="1"))]
    experiment = katib.experiment(pb, algorithm, parameters)
    known = [katib.trial(pb, f"k{i}", {"x": str(i / 19)}, pb.TrialStatus.SUCCEEDED, (i / 19 - 0.3) ** 2,
                         f"2026-11-23T07:00:{i:02}Z") for i in range(20)]
    running = []
    for i in range(6):
        one = ask(pb, suggestion, experiment, known + running).parameter_assignments[0]
        running.append(katib.trial(pb, f"r{i}", one.assignments, pb.TrialStatus.RUNNING, start=f"2026-11-23T08:00:{i:02}Z"))
    places = sorted(float(one.spec.parameter_assignments.assignments[0].value) for one in running)
    assert min(b - a for a, b in zip(places, places[1:])) > 0
    batch = ask(pb, suggestion, experiment, known, count=6)
    assert len(set(katib.values_of(batch))) == 6
    # A service that drops running trials suggests the same point again.
    assert katib.values_of(ask(pb, suggestion, experiment, known + running)) != katib.values_of(
        ask(pb, suggestion, experiment, known))


def test_learning_beats_chance(pb, suggestion):
    """Katib's loop on a bowl: after 40 trials TPE has come closer than its first ten, and uses dropout near 0."""
    experiment = katib.experiment(pb, "tpe")
    trials, losses = [], []
    while len(trials) < 40:
        for one in ask(pb, suggestion, experiment, trials, count=5).parameter_assignments:
            values = {item.name: item.value for item in one.assignments}
            loss = 0.088 + 0.01 * float(values["dropout"]) + 0.001 * abs(int(values["num_conv_layers"]) - 5)
            losses.append(loss)
            trials.append(katib.trial(pb, f"t{len(trials)}", one.assignments, pb.TrialStatus.SUCCEEDED, loss,
                                      f"2026-11-23T07:{len(trials):02}:00Z"))
    assert sum(losses[-10:]) < sum(losses[:10])
    assert min(losses[10:]) < min(losses[:10])


def test_a_plus_before_a_value_changes_nothing(pb, suggestion):
    """Katib's collectors hand values on as they were printed, and take '+0.5' for a number."""
    experiment = katib.experiment(pb, "tpe")
    given = ask(pb, suggestion, experiment, count=12).parameter_assignments

    def answer(sign):
        trials = [katib.trial(pb, f"t{i}", one.assignments, pb.TrialStatus.SUCCEEDED, f"{sign}{0.08 + i / 1000}", f"2026-11-23T07:00:{i:02}Z")
                  for i, one in enumerate(given)]
        return katib.values_of(ask(pb, suggestion, experiment, trials, count=3))

    assert answer("+") == answer("")


def test_asha_promotes_with_labels(pb, suggestion):
    epochs = pb.ParameterSpec(name="epochs", parameter_type=pb.INT, feasible_space=pb.FeasibleSpace(min="1", max="9"))
    parameters = katib.pfn_parameters(pb) + [epochs]
    experiment = katib.experiment(pb, "asha", parameters, {"resource_name": "epochs", "eta": 3})
    suggestion.ValidateAlgorithmSettings(pb.ValidateAlgorithmSettingsRequest(experiment=experiment), timeout=60)
    trials = []
    for i, one in enumerate(ask(pb, suggestion, experiment, count=3).parameter_assignments):
        katib.check_assignments(parameters, one.assignments)
        assert dict(katib.values_of(pb.GetSuggestionsReply(parameter_assignments=[one]))[0])["epochs"] == "1"
        trials.append(katib.trial(pb, f"t{i}", one.assignments, pb.TrialStatus.SUCCEEDED, 0.3 - 0.1 * i,
                                  f"2026-11-23T07:00:{i:02}Z", dict(one.labels)))
    promoted = ask(pb, suggestion, experiment, trials).parameter_assignments[0]
    values = {item.name: item.value for item in promoted.assignments}
    best = {item.name: item.value for item in trials[2].spec.parameter_assignments.assignments}
    assert values == {**best, "epochs": "3"}
    assert promoted.labels["jetcal-resumes"] == "t2"
    assert promoted.labels["jetcal-trial"] == trials[2].spec.labels["jetcal-trial"]
    trials.append(katib.trial(pb, "t3", promoted.assignments, pb.TrialStatus.RUNNING, start="2026-11-23T07:01:00Z",
                              labels=dict(promoted.labels)))
    following = ask(pb, suggestion, experiment, trials).parameter_assignments[0]
    assert {item.name: item.value for item in following.assignments}["epochs"] == "1"
    assert following.labels["jetcal-trial"] not in {t.spec.labels["jetcal-trial"] for t in trials}


def test_a_grid_is_counted_before_it_begins(pb, suggestion):
    parameters = katib.pfn_parameters(pb)[1:2] + katib.pfn_parameters(pb)[6:]
    experiment = katib.experiment(pb, "grid", parameters, max_trial_count=20)
    suggestion.ValidateAlgorithmSettings(pb.ValidateAlgorithmSettingsRequest(experiment=experiment), timeout=60)
    assert len(set(katib.values_of(ask(pb, suggestion, experiment, count=20)))) == 20
    larger = katib.experiment(pb, "grid", parameters, max_trial_count=21)
    assert katib.refusal(suggestion.ValidateAlgorithmSettings, pb.ValidateAlgorithmSettingsRequest(experiment=larger)) == (
        "INVALID_ARGUMENT", "maxTrialCount is 21, but the grid has only 20 points")


def test_wrong_settings_are_refused_in_one_clear_sentence(pb, suggestion):
    def refused(experiment):
        code, text = katib.refusal(suggestion.ValidateAlgorithmSettings,
                                   pb.ValidateAlgorithmSettingsRequest(experiment=experiment))
        assert code == "INVALID_ARGUMENT", text
        return text

    def space(**fields):
        kind = fields.pop("kind", pb.DOUBLE)
        return [pb.ParameterSpec(name="x", parameter_type=kind, feasible_space=pb.FeasibleSpace(**fields))]

    assert "there is no algorithm 'darts'; there are grid" in refused(katib.experiment(pb, "darts"))
    assert "algorithmName is missing" in refused(katib.experiment(pb, ""))
    assert "nonsense" in refused(katib.experiment(pb, "tpe", settings={"nonsense": 1}))
    assert "gamma" in refused(katib.experiment(pb, "tpe", settings={"gamma": "much"}))
    assert "random_state must be an integer, got '0.5'" in refused(katib.experiment(pb, settings={"random_state": 0.5}))
    assert "needs the setting resource_name" in refused(katib.experiment(pb, "hyperband"))
    assert "names no parameter: 'epochs'" in refused(katib.experiment(pb, "asha", settings={"resource_name": "epochs"}))
    assert "'lr' is the resource and so must be an int" in refused(
        katib.experiment(pb, "asha", settings={"resource_name": "lr"}))
    assert "feasibleSpace.max is missing" in refused(katib.experiment(pb, parameters=space(min="0")))
    assert "feasibleSpace.min must be a number, got 'low'" in refused(katib.experiment(pb, parameters=space(min="low", max="1")))
    assert "'x'" in refused(katib.experiment(pb, parameters=space(min="2", max="1")))
    assert "above 0, got 0" in refused(katib.experiment(pb, parameters=space(min="0", max="1", distribution=pb.LOG_UNIFORM)))
    assert "feasibleSpace.list is missing" in refused(katib.experiment(pb, parameters=space(kind=pb.CATEGORICAL)))
    assert "parameterType must be" in refused(katib.experiment(pb, parameters=space(kind=pb.UNKNOWN_TYPE, min="0", max="1")))
    assert "objective.type must be minimize or maximize" in refused(pb.Experiment(spec=pb.ExperimentSpec(
        algorithm=pb.AlgorithmSpec(algorithm_name="random"), objective=pb.ObjectiveSpec(objective_metric_name="loss"))))
    assert "the experiment has no parameters" in refused(pb.Experiment(spec=pb.ExperimentSpec(
        algorithm=pb.AlgorithmSpec(algorithm_name="random"),
        objective=pb.ObjectiveSpec(type=pb.MINIMIZE, objective_metric_name="loss"))))


def test_trials_of_another_space_are_left_out_not_fatal(pb, service, suggestion):
    experiment = katib.experiment(pb, "tpe", name="changed")
    trials = [katib.trial(pb, f"t{i}", {"x": "1"}, pb.TrialStatus.SUCCEEDED, 0.1) for i in range(3)]
    ask(pb, suggestion, experiment, trials, count=2)
    time.sleep(0.2)
    assert any("experiment changed" in line and "3 of another space, left out" in line for line in service.lines)


def test_bytes_that_are_no_message(service, messages):
    with service.channel() as channel:
        call = channel.unary_unary("/api.v1.beta1.Suggestion/GetSuggestions")
        code, text = katib.refusal(call, b"\xff\xff\xff")
        assert code == "INVALID_ARGUMENT" and "api.v1.beta1.GetSuggestionsRequest" in text
        assert katib.refusal(channel.unary_unary("/api.v1.beta1.Suggestion/Nothing"), b"")[0] == "UNIMPLEMENTED"


@pytest.mark.parametrize("algorithm", ["random", "tpe", "gp", "cmaes", "sobol"])
def test_14500_trials_in_one_request_within_100_mib(pb, messages, algorithm):
    """The number at which Katib's own resource runs full; its default limit for a suggestion pod is 100 MiB."""
    parameters = katib.pfn_parameters(pb)
    experiment = katib.experiment(pb, algorithm, max_trial_count=20000)
    names = [f"jec-katib-pfn-regressor-open-{i:08x}" for i in range(14500)]
    trials = []
    for i, name in enumerate(names):
        values = {"num_conv_layers": str(1 + i % 5), "conv_dim": "100", "num_fc_layers": str(1 + i // 5 % 5), "fc_dim": "400",
                  "dropout": repr(i % 499 / 1000), "lr": repr(1e-5 * 10 ** (3 * (i % 1009) / 1009)),
                  "optimizer": katib.OPTIMIZERS[i % 5]}
        state = pb.TrialStatus.RUNNING if i >= 14490 else pb.TrialStatus.SUCCEEDED
        trials.append(katib.trial(pb, name, values, state, 0.09 + i % 499 * 1e-5 if i < 14490 else None,
                                  f"2026-11-{1 + i // 1000:02}T{i // 60 % 24:02}:{i % 60:02}:00Z"))
    other = Service()
    try:
        with other.channel() as channel:
            start = time.monotonic()
            reply = ask(pb, messages[1].SuggestionStub(channel), experiment, trials, count=3)
            seconds = time.monotonic() - start
        for one in reply.parameter_assignments:
            katib.check_assignments(parameters, one.assignments)
        peak = other.peak_memory() / 2**20
    finally:
        other.stop()
    print(f"{algorithm}: {seconds:.1f} s, {peak:.0f} MiB")
    assert algorithm != "gp" or any("(13490 too many for a Gaussian process)" in line for line in other.lines)
    assert peak < 100
    assert seconds < 55  # the controller waits 60


def test_the_database_manager_keeps_what_is_reported(pb, service, messages):
    with service.channel(1) as channel:  # every service answers on every port
        stub = messages[1].DBManagerStub(channel)

        def report(trial, *rows):
            stub.ReportObservationLog(pb.ReportObservationLogRequest(trial_name=trial, observation_log=pb.ObservationLog(
                metric_logs=[pb.MetricLog(time_stamp=stamp, metric=pb.Metric(name=name, value=value))
                             for stamp, name, value in rows])), timeout=60)

        def get(trial, **fields):
            reply = stub.GetObservationLog(pb.GetObservationLogRequest(trial_name=trial, **fields), timeout=60)
            return [(log.time_stamp, log.metric.name, log.metric.value) for log in reply.observation_log.metric_logs]

        rows = [("2026-11-23T07:00:02Z", "loss", "0.2"), ("2026-11-23T08:00:01.5+01:00", "loss", "0.3"),
                ("2026-11-23T07:00:03.25Z", "mse", "unavailable")]
        report("a", *rows)
        report("a", *rows)  # a retry
        report("b", ("2026-11-23T07:00:00Z", "loss", "1"))
        assert get("a") == [rows[1], rows[0], rows[2]]
        assert get("a", metric_name="loss") == [rows[1], rows[0]]
        assert get("a", start_time="2026-11-23T07:00:02Z") == [rows[0], rows[2]]
        assert get("a", end_time="2026-11-23T07:00:01.9Z") == [rows[1]]
        stub.DeleteObservationLog(pb.DeleteObservationLogRequest(trial_name="a"), timeout=60)
        assert get("a") == [] and len(get("b")) == 1
        code, text = katib.refusal(stub.ReportObservationLog, pb.ReportObservationLogRequest(
            trial_name="c", observation_log=pb.ObservationLog(metric_logs=[pb.MetricLog(time_stamp="yesterday")])))
        assert code == "INVALID_ARGUMENT" and "'yesterday' is no time" in text


def test_observations_survive_a_kill(pb, messages, tmp_path):
    database = tmp_path / "observations.db"
    for round_ in range(3):
        service = Service("--db", database)
        with service.channel() as channel:
            stub = messages[1].DBManagerStub(channel)
            reply = stub.GetObservationLog(pb.GetObservationLogRequest(trial_name="t"), timeout=60)
            assert len(reply.observation_log.metric_logs) == round_
            stub.ReportObservationLog(pb.ReportObservationLogRequest(trial_name="t", observation_log=pb.ObservationLog(
                metric_logs=[pb.MetricLog(time_stamp=f"2026-11-23T07:00:0{round_}Z",
                                          metric=pb.Metric(name="loss", value="1"))])), timeout=60)
        service.process.kill()
        service.process.wait()


def early_request(pb, trials, address="", maximize=False, **settings):
    stopping = pb.EarlyStoppingSpec(algorithm_name="medianstop", algorithm_settings=[
        pb.EarlyStoppingSetting(name=key, value=str(value)) for key, value in settings.items()])
    return pb.GetEarlyStoppingRulesRequest(experiment=katib.experiment(pb, maximize=maximize, early_stopping=stopping),
                                           trials=trials, db_manager_address=address)


@pytest.mark.parametrize("remote", [False, True], ids=["own file", "another database manager"])
def test_early_stopping_by_the_median(pb, service, messages, remote):
    database = messages[1].DBManagerStub(service.channel())
    trials = []
    # Means of the first two reports: 1, 2, 3, 10, so that the median (2.5) is not the mean (4).
    for i, value in enumerate([1, 2, 3, 10]):
        trials.append(katib.trial(pb, f"es{i}", {"dropout": "0.1"}, pb.TrialStatus.SUCCEEDED, 0.1))
        database.ReportObservationLog(pb.ReportObservationLogRequest(
            trial_name=f"es{i}", observation_log=pb.ObservationLog(metric_logs=[
                pb.MetricLog(time_stamp=f"2026-11-23T07:00:0{step}Z", metric=pb.Metric(name="test_loss", value=str(number)))
                for step, number in enumerate([value - 0.5, value + 0.5, 1000])])), timeout=60)
    trials.append(katib.trial(pb, "es9", {"dropout": "0.1"}, pb.TrialStatus.RUNNING))
    other = Service() if remote else service
    try:
        with other.channel() as channel:
            stub = messages[1].EarlyStoppingStub(channel)
            address = f"127.0.0.1:{service.ports[0]}"
            reply = stub.GetEarlyStoppingRules(early_request(pb, trials, address, start_step=2), timeout=60)
            (rule,) = reply.early_stopping_rules
            assert (rule.name, float(rule.value), rule.comparison, rule.start_step) == ("test_loss", 2.5, pb.GREATER, 2)
            reply = stub.GetEarlyStoppingRules(early_request(pb, trials, address, True, start_step=2), timeout=60)
            assert reply.early_stopping_rules[0].comparison == pb.LESS
            reply = stub.GetEarlyStoppingRules(early_request(pb, trials[:2], address), timeout=60)
            assert not reply.early_stopping_rules
            if remote:
                code, text = katib.refusal(stub.GetEarlyStoppingRules, early_request(pb, trials, "127.0.0.1:1"))
                assert code == "UNAVAILABLE" and "127.0.0.1:1" in text
                assert katib.refusal(stub.GetEarlyStoppingRules, early_request(pb, trials, "nowhere"))[0] == "INVALID_ARGUMENT"
    finally:
        if remote:
            other.stop()


def test_early_stopping_settings(pb, service, messages):
    with service.channel() as channel:
        stub = messages[1].EarlyStoppingStub(channel)

        def spec(name="medianstop", **settings):
            return pb.ValidateEarlyStoppingSettingsRequest(early_stopping=pb.EarlyStoppingSpec(
                algorithm_name=name, algorithm_settings=[pb.EarlyStoppingSetting(name=key, value=str(value))
                                                         for key, value in settings.items()]))

        stub.ValidateEarlyStoppingSettings(spec(min_trials_required=3, start_step=4), timeout=60)
        for request, words in [(spec("truncation"), "there is no early stopping 'truncation'"),
                               (spec(start_step=0), "start_step must be an integer above 0, got '0'"),
                               (spec(min_trials_required="few"), "min_trials_required must be an integer above 0"),
                               (spec(patience=3), "no setting 'patience'")]:
            code, text = katib.refusal(stub.ValidateEarlyStoppingSettings, request)
            assert code == "INVALID_ARGUMENT" and words in text


def test_a_trials_status_is_set_only_in_a_cluster(pb, service, messages):
    with service.channel() as channel:
        code, text = katib.refusal(messages[1].EarlyStoppingStub(channel).SetTrialStatus,
                                   pb.SetTrialStatusRequest(trial_name="t"))
        assert code == "UNAVAILABLE" and "no pod with a service account" in text


def test_kubernetes_probes(service):
    with service.channel() as channel:
        reply = channel.unary_unary("/grpc.health.v1.Health/Check")(b"\x0a\x1amanager.v1beta1.Suggestion", timeout=60)
        assert reply == b"\x08\x01"  # status = 1: SERVING


def test_a_wrong_database_file_is_named(jetcal, tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("no database\n" * 100)
    status, error = jetcal.fails("suggest", "--port", "0", "--db", path)
    assert status == 4 and str(path) in error
