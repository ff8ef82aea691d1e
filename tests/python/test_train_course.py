# SPDX-License-Identifier: Apache-2.0
"""jetcal train, the course of a run: kills with every option on, TensorBoard's HParams, histograms and images, Katib's two
formats at once, the learning-rate test, another model's weights."""

import json
import re
import subprocess

import numpy as np
import pytest

from conftest import JETCAL
from test_train import FLAGS, flags_with, lines_in, same_numbers, shards, wait_for  # noqa: F401 (a fixture)
from torch_networks import read_tensors

COURSE = [*FLAGS, "--schedule", "one-cycle", "--warmup-steps", "20", "--clip-norm", "0.3", "--ema-decay", "0.95",
          "--ema-start-step", "30", "--steps-per-epoch", "45", "--patience", "5", "--lr-multiplier", "head*=0.5",
          "--weight-decay", "0.01", "--weight-decay-multiplier", "*.bias=0", "--freeze", "particle0.weight", "--figures", "3",
          "--histograms", "2"]
EPOCHS = 6


@pytest.fixture(scope="module")
def whole(jetcal, shards, tmp_path_factory):  # noqa: F811
    """An uninterrupted run with everything on: its folder and its JSON."""
    output = tmp_path_factory.mktemp("course") / "run"
    return output, jetcal("train", "--data", shards, "--output", output, *COURSE)


def events_below(folder):
    return sorted(path for path in (folder / "tensorboard").rglob("events.out.tfevents.*"))


def accumulate(folder):
    event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    accumulator = event_accumulator.EventAccumulator(
        str(folder), size_guidance={event_accumulator.HISTOGRAMS: 0, event_accumulator.IMAGES: 0})
    accumulator.Reload()
    return accumulator


def test_every_option_is_in_the_run(whole):
    _, result = whole
    training = result["configuration"]["training"]
    assert training["schedule"] == "one-cycle" and training["ema_decay"] == 0.95 and training["clip_norm"] == 0.3
    assert training["freeze"] == ["particle0.weight"] and training["lr_multipliers"] == ["head*=0.5"]
    assert [epoch["jets"] for epoch in result["epochs"]] != [result["jets"]["train"]] * EPOCHS
    assert sum(epoch["clipped_steps"] for epoch in result["epochs"]) > 0
    assert all(epoch["ema_validation_loss"] > 0 for epoch in result["epochs"])
    assert len({epoch["learning_rate"] for epoch in result["epochs"]}) == EPOCHS


def test_kill_9_anywhere_changes_nothing(jetcal, whole, shards, tmp_path):  # noqa: F811
    expected_output, expected = whole
    output = tmp_path / "run"
    kills = 0
    moments = [lambda: (output / "checkpoint" / "state").exists(), lambda: lines_in(output / "metrics.txt") >= 1,
               lambda: lines_in(output / "metrics.txt") >= 2, lambda: lines_in(output / "metrics.txt") >= 4]
    for moment in moments:
        command = [JETCAL, "train", "--data", shards, "--output", output, *COURSE, "--json"]
        process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if wait_for(moment, process):
            process.kill()
            kills += 1
        process.communicate()
    assert kills >= 2
    resumed = jetcal("train", "--data", shards, "--output", output, *COURSE)
    assert resumed["resumed_step"] > 0
    assert same_numbers(resumed, expected)
    assert (output / "model.jetcal").read_bytes() == (expected_output / "model.jetcal").read_bytes()
    # Histograms and figures of every epoch that has them, however often it was begun.
    for folder in ("histograms", "figures"):
        ours, theirs = (sorted((run / "tensorboard" / folder).iterdir()) for run in (output, expected_output))
        assert len(ours) == len(theirs) > 0


def test_frozen_tensors_keep_their_bits(jetcal, whole, shards, tmp_path):  # noqa: F811
    trained, _ = read_tensors(whole[0] / "model.jetcal")
    jetcal("train", "--data", shards, "--output", tmp_path / "run", *FLAGS[:4], "--epochs", "1", "--lr", "1e-30",
           "--optimizer", "adam", "--threads", "1")
    start, _ = read_tensors(tmp_path / "run" / "model.jetcal")
    assert trained["particle0.weight"].tobytes() == start["particle0.weight"].tobytes()
    assert trained["particle0.bias"].tobytes() != start["particle0.bias"].tobytes()


def test_hparams_shows_the_run(whole):
    plugin = pytest.importorskip("tensorboard.plugins.hparams.metadata")
    from tensorboard.backend.event_processing import data_provider, plugin_event_multiplexer
    from tensorboard import context
    from tensorboard.plugins import base_plugin
    from tensorboard.plugins.hparams import api_pb2, backend_context, get_experiment, list_session_groups
    output, result = whole
    multiplexer = plugin_event_multiplexer.EventMultiplexer()
    multiplexer.AddRunsFromDirectory(str(output / "tensorboard"))
    multiplexer.Reload()
    provider = data_provider.MultiplexerDataProvider(multiplexer, str(output))
    ctx = backend_context.Context(base_plugin.TBContext(data_provider=provider, logdir=str(output)))
    request = context.RequestContext()
    content = ctx.hparams_metadata(request, "")
    assert plugin.SESSION_START_INFO_TAG in content["."]
    experiment = get_experiment.Handler(request, backend_context=ctx, experiment_id="",
                                        request=api_pb2.GetExperimentRequest()).run()
    names = {info.name for info in experiment.hparam_infos}
    assert {"training.lr", "training.optimizer", "model.head_units", "training.ema_decay"} <= names
    assert "model.neighbors" not in names  # this is a PFN
    metrics = [info.name for info in experiment.metric_infos]
    assert {metric.tag for metric in metrics} == {"test_loss", "validation/loss", "train/loss"}
    groups = list_session_groups.Handler(
        request, ctx, "", api_pb2.ListSessionGroupsRequest(
            col_params=[api_pb2.ColParams(metric=metric) for metric in metrics],
            allowed_statuses=[api_pb2.STATUS_SUCCESS], start_index=0, slice_size=10)).run()
    assert len(groups.session_groups) == 1
    group = groups.session_groups[0]
    assert group.hparams["training.optimizer"].string_value == "adam"
    assert group.hparams["training.lr"].number_value == 0.005
    values = {value.name.tag: value.value for value in group.metric_values}
    assert values["test_loss"] == pytest.approx(result["test_loss"])
    assert values["validation/loss"] == pytest.approx(result["epochs"][-1]["validation_loss"])


def test_tensorboard_shows_histograms_of_weights_and_gradients(whole):
    output, result = whole
    accumulator = accumulate(output / "tensorboard" / "histograms")
    tags = accumulator.Tags()["histograms"]
    tensors, _ = read_tensors(output / "model.jetcal")
    names = [name for name in tensors if not name.startswith("standardisation.")]
    assert {f"{kind}/{name}" for kind in ("weights", "gradients") for name in names} == set(tags)
    for name in names:
        points = accumulator.Histograms(f"weights/{name}")
        assert [point.step for point in points] == [2, 4, 6]
        for point in points:
            values = point.histogram_value
            assert values.num == sum(values.bucket) == tensors[name].size
            assert values.min <= values.sum / values.num <= values.max
    frozen = accumulator.Histograms("gradients/particle0.weight")[0].histogram_value
    assert frozen.min == frozen.max == 0


def test_tensorboard_shows_response_and_resolution(whole):
    accumulator = accumulate(whole[0] / "tensorboard" / "figures")
    assert set(accumulator.Tags()["images"]) == {f"{what}_{where}" for what in ("response", "resolution")
                                                 for where in ("barrel", "endcap")}
    for tag in accumulator.Tags()["images"]:
        images = accumulator.Images(tag)
        assert [image.step for image in images] == [3, 6]
        for image in images:
            assert image.encoded_image_string.startswith(b"\x89PNG") and image.width > 200 and image.height > 200


KATIB = re.compile(r"([\w|-]+)\s*=\s*([+-]?\d*(\.\d+)?([Ee][+-]?\d+)?)")  # its default filter


def test_katib_reads_standard_output_and_files_at_once(jetcal, shards, tmp_path):  # noqa: F811
    lines, objects = tmp_path / "metrics.log", tmp_path / "metrics.json"
    for file, output in ((lines, "a"), (objects, "b")):
        run = jetcal.raw("train", "--data", shards, "--output", tmp_path / output, *FLAGS, "--metrics-file", file)
        assert run.returncode == 0, run.stderr
    result = jetcal("train", "--data", shards, "--output", tmp_path / "b", *FLAGS)
    losses = [epoch["validation_loss"] for epoch in result["epochs"]]

    def read(text):
        return [{name: float(value) for name, value, *_ in KATIB.findall(line)} for line in text.splitlines()]
    printed = [entry for entry in read(run.stdout) if "epoch" in entry]
    assert [entry["validation_loss"] for entry in printed] == losses
    assert read(run.stdout)[-2]["test_loss"] == pytest.approx(result["test_loss"])
    filed = read(lines.read_text())
    assert [entry["validation_loss"] for entry in filed[:-1]] == losses and filed[-1]["test_loss"] == result["test_loss"]
    rows = [json.loads(line) for line in objects.read_text().splitlines()]
    assert [float(row["validation_loss"]) for row in rows[:-1]] == losses
    assert all(isinstance(value, str) for row in rows for value in row.values())
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", row["timestamp"]) for row in rows)


def test_metrics_appear_while_the_run_goes_on(shards, tmp_path):  # noqa: F811
    """Katib's early stopping reads standard output line by line and ends the run with SIGTERM."""
    command = [JETCAL, "train", "--data", shards, "--output", tmp_path / "run", *flags_with("--epochs", "2000")]
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    lines = [process.stdout.readline() for _ in range(2)]
    process.terminate()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert [int(dict(KATIB.findall(line)[i][:2] for i in range(2))["epoch"]) for line in lines] == [1, 2]


def test_lr_finder_suggests_a_rate_and_leaves_no_run(jetcal, shards, tmp_path):  # noqa: F811
    output = tmp_path / "run"
    result = jetcal("train", "--data", shards, "--output", output, *FLAGS, "--lr-finder", "1e-6,10,120")
    assert result == json.loads((output / "lr_finder.json").read_text())
    assert result["rates"][0] == 1e-6 and result["rates"][1] / 1e-6 == pytest.approx(1e7 ** (1 / 119))
    assert 1e-5 < result["suggestion"] <= result["lowest_rate"] < 10
    assert (output / "lr_finder.png").read_bytes().startswith(b"\x89PNG")
    assert {path.suffix for path in output.iterdir()} <= {".json", ".png", ".pdf", ".svg"}
    again = jetcal("train", "--data", shards, "--output", tmp_path / "again", *FLAGS, "--lr-finder", "1e-6,10,120")
    assert again == result
    for bad in ("1,1e-6,100", "0,1,100", "1e-6,1,5", "1e-6,1", "fast"):
        status, message = jetcal.fails("train", "--data", shards, "--output", output, *FLAGS, "--lr-finder", bad)
        assert status == 2 and "LOW,HIGH,STEPS" in message


def test_another_models_weights(jetcal, whole, shards, tmp_path):  # noqa: F811
    model = whole[0] / "model.jetcal"
    flags = ["--data", shards, *FLAGS[:4], "--epochs", "1", "--lr", "1e-30", "--optimizer", "adam", "--threads", "1"]
    jetcal("train", "--output", tmp_path / "a", *flags, "--init", model)
    jetcal("train", "--output", tmp_path / "b", *flags, "--init", model, "--init-exclude", "head*")
    source, all_taken, some_taken = (read_tensors(path)[0] for path in (model, tmp_path / "a" / "model.jetcal",
                                                                       tmp_path / "b" / "model.jetcal"))
    for name, values in source.items():
        assert np.array_equal(all_taken[name], values), name
        assert np.array_equal(some_taken[name], values) != name.startswith("head"), name
    flags[flags.index("small-pfn")] = "paper-pfn"
    status, message = jetcal.fails("train", "--output", tmp_path / "c", *flags, "--init", model, "--standardise")
    assert status == 2 and re.search(r"tensor '[\w.]+' has the shape", message)


def test_patience_ends_a_run_and_says_so(jetcal, shards, tmp_path):  # noqa: F811
    result = jetcal("train", "--data", shards, "--output", tmp_path / "run", *FLAGS[:4], "--epochs", "30", "--lr", "1e-30",
                    "--optimizer", "adam", "--patience", "2", "--threads", "1")
    assert result["stopped_early"] is True and len(result["epochs"]) == 3


def test_a_device_that_is_not_there_is_named(jetcal, shards, tmp_path):  # noqa: F811
    if "cuda" in jetcal("doctor")["rooms"]:
        pytest.skip("this build has the room cuda")
    status, message = jetcal.fails("train", "--data", shards, "--output", tmp_path / "run", *FLAGS, "--device", "cuda")
    assert status != 0 and "no room cuda" in message and len(message.strip().splitlines()) == 1, message


def test_what_is_not_offered_is_refused_by_name(jetcal, shards, tmp_path):  # noqa: F811
    def refusal(*flags):
        status, message = jetcal.fails("train", "--data", shards, "--output", tmp_path / "run", *FLAGS, *flags)
        assert status == 2
        return message
    assert "training.precision" in refusal("--precision", "bf16")
    assert "training.precision" in refusal("--precision", "tf32")  # of GPUs
    assert "training.device" in refusal("--device", "tpu")
    assert "no parameter of the network matches 'tail*'" in refusal("--freeze", "tail*")
    assert "training.ema_decay" in refusal("--ema-decay", "2")
    assert "cosine" in refusal("--schedule", "cosinus")
    assert not (tmp_path / "run" / "model.jetcal").exists()


def test_summary_counts_as_the_paper_does(jetcal, whole, shards, tmp_path):  # noqa: F811
    for preset, parameters, macs in (("paper-pfn", 355351, 1.374e6), ("paper-particlenet", 123469, 45.39e6)):
        document = jetcal("model", "summary", "--preset", preset)
        assert sum(layer["parameters"] for layer in document["layers"]) == document["parameters"] == parameters
        assert sum(layer["macs_padded"] for layer in document["layers"]) == pytest.approx(macs, rel=1e-3)
        assert sum(layer["macs"] for layer in document["layers"]) == document["macs_per_jet"]
    run = jetcal.raw("train", "--data", shards, "--output", whole[0], *COURSE, "--summary", "--json")
    assert "particle0" in run.stderr and "sum" in run.stderr and json.loads(run.stdout)["was_finished"]
