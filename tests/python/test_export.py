# SPDX-License-Identifier: Apache-2.0
"""An exported network in other people's hands: the onnx checker, ONNX Runtime from Python, numpy as judge."""

import json
import pathlib

import numpy as np
import onnx
import onnxruntime
import pytest

LEVELS = [onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL, onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC,
          onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED, onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL]


@pytest.fixture(scope="module", params=["small-pfn", "small-particlenet", "small-transformer"])
def exported(request, jetcal, tmp_path_factory):
    repository = tmp_path_factory.mktemp("repository")
    document = jetcal("export", "--preset", request.param, "--seed", 3, "--repository", repository)
    return document, pathlib.Path(document["onnx"])


def session(path, level=LEVELS[-1]):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = level
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def jets(model, lengths, slots, seed=1):
    """Padded random jets, with the inputs that the model asks for."""
    rng = np.random.default_rng(seed)
    n = len(lengths)
    mask = (np.arange(slots)[None, :] < np.array(lengths)[:, None]).astype(np.float32)[:, None, :]
    features = rng.normal(size=(n, 6, slots)).astype(np.float32) * mask
    tensors = {"pf_points": features[:, 2:4], "pf_features": features, "pf_mask": mask,
               "jet_features": rng.normal(size=(n, 8)).astype(np.float32)}
    return {spec.name: tensors[spec.name] for spec in model.get_inputs()}


def test_file_passes_the_onnx_checker_and_names_itself(exported):
    document, path = exported
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    assert model.opset_import[0].version >= 17
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    assert model.producer_name == "jetcal"
    assert metadata["fingerprint"] == document["fingerprint"]
    assert metadata["input_mode"] == "paper"
    assert json.loads(metadata["config"])["network"] == document["network"]


def test_tensors_have_the_names_and_shapes_of_the_paper(exported):
    document, path = exported
    model = session(path)
    inputs = {spec.name: spec.shape for spec in model.get_inputs()}
    expected = {"pf_features": ["N", 6, "P"], "pf_mask": ["N", 1, "P"], "jet_features": ["N", 8]}
    if document["network"] == "particlenet":
        expected["pf_points"] = ["N", 2, "P"]
    assert inputs == expected
    assert [(spec.name, spec.shape) for spec in model.get_outputs()] == [("output", ["N", 1])]


def test_every_optimisation_level_gives_the_same_numbers(exported):
    _, path = exported
    reference = None
    for level in LEVELS:
        model = session(path, level)
        for lengths, slots in [([1], 1), ([3], 3), ([0], 4), ([7, 2], 7), ([40] * 7, 40), (list(range(100)), 100), ([150], 150)]:
            output = model.run(["output"], jets(model, lengths, slots))[0]
            assert output.shape == (len(lengths), 1)
            assert np.isfinite(output).all()
        reference = output if reference is None else reference
        np.testing.assert_allclose(output, reference, atol=1e-5)


def test_padding_batch_and_order_do_not_matter(exported):
    _, path = exported
    model = session(path)
    lengths = [30, 3, 1, 0, 17]
    feeds = jets(model, lengths, 30)
    plain = model.run(None, feeds)[0]
    rng = np.random.default_rng(2)
    order = rng.permutation(41)
    moved = {name: np.concatenate([value, np.full((5, value.shape[1], 11), 0 if name == "pf_mask" else np.nan, np.float32)],
                                  axis=2)[:, :, order] if value.ndim == 3 else value for name, value in feeds.items()}
    np.testing.assert_allclose(model.run(None, moved)[0], plain, atol=1e-5)
    for j, length in enumerate(lengths):
        alone = {name: value[j:j + 1, :, :length] if value.ndim == 3 else value[j:j + 1] for name, value in feeds.items()}
        np.testing.assert_allclose(model.run(None, alone)[0], plain[j:j + 1], atol=1e-5)


def test_verify_reports_every_case(jetcal, tmp_path):
    for preset in ["small-pfn", "small-particlenet", "small-transformer"]:
        document = jetcal("export", "--preset", preset, "--repository", tmp_path, "--name", preset, "--verify")
        verify = document["verify"]
        assert verify["passed"]
        assert {(case["batch"], case["particles"]) for case in verify["cases"]} == {
            (n, p) for n in (1, 2, 7, 100) for p in (1, 7, 40, 100, 150)}
        assert {case["optimization"] for case in verify["cases"]} == {0, 1, 2, 99}
        assert 0 < verify["max_difference"] <= 1e-4
        assert max(verify["max_difference_padding"], verify["max_difference_order"]) <= 1e-5
    assert sorted(path.name for path in tmp_path.iterdir()) == ["small-particlenet", "small-pfn", "small-transformer"]


def test_model_file_and_config_file_work_together(jetcal, tmp_path):
    first = jetcal("export", "--preset", "small-pfn", "--mode", "constituents", "--repository", tmp_path / "a")
    config = tmp_path / "export.yaml"
    config.write_text(f"model: {first['weights']}\nrepository: {tmp_path / 'b'}\nname: again\nversion: 4\n")
    second = jetcal("export", "--config", config)
    assert second["fingerprint"] == first["fingerprint"]
    assert second["input_mode"] == "constituents"
    assert pathlib.Path(second["onnx"]) == tmp_path / "b" / "again" / "4" / "model.onnx"
    assert pathlib.Path(second["onnx"]).read_bytes() == pathlib.Path(first["onnx"]).read_bytes()


def test_bad_input_is_one_sentence(jetcal, tmp_path):
    repository = tmp_path / "repository"
    weights = pathlib.Path(jetcal("export", "--preset", "small-pfn", "--repository", repository)["weights"])
    before = sorted(repository.rglob("*"))
    (tmp_path / "truncated.jetcal").write_bytes(weights.read_bytes()[:1000])
    (tmp_path / "config.yaml").write_text("repositry: x\n")
    for status, text, arguments in [
            (2, "version 2 is free", ["--preset", "small-pfn", "--repository", repository]),
            (6, "config.pbtxt", ["--preset", "small-particlenet", "--repository", repository, "--version", 2]),
            (2, "either a model file or --preset", ["--repository", repository]),
            (2, "--repository", ["--preset", "small-pfn"]),
            (2, "paper-pfn", ["--preset", "nonsense", "--repository", repository]),
            (2, "model name", ["--preset", "small-pfn", "--repository", repository, "--name", "../x"]),
            (3, "no such file", [tmp_path / "none.jetcal", "--repository", repository, "--name", "x"]),
            (4, "truncated.jetcal", [tmp_path / "truncated.jetcal", "--repository", repository, "--name", "x"]),
            (2, "repositry", ["--preset", "small-pfn", "--config", tmp_path / "config.yaml"])]:
        got, message = jetcal.fails("export", *arguments)
        assert (got, text in message) == (status, True), message
    assert sorted(repository.rglob("*")) == before


def test_bench_measures_both_engines(jetcal):
    document = jetcal("bench", "inference", "--networks", "small-pfn,small-particlenet", "--batches", "1,4", "--seconds", 0.05)
    assert document["benchmark"] == "inference"
    assert document["isa"] in ("ref", "avx2", "avx512", "amx")
    assert [(case["network"], case["batch"]) for case in document["cases"]] == [
        ("small-pfn", 1), ("small-pfn", 4), ("small-particlenet", 1), ("small-particlenet", 4)]
    for case in document["cases"]:
        assert case["rounds"] >= 7
        assert case["max_difference"] < 1e-4
        for engine in ("native", "onnxruntime"):
            assert case[engine]["jets_per_s"] == pytest.approx(1e6 * case["batch"] / case[engine]["p50_us"], rel=1e-6)
    status, message = jetcal.fails("bench", "nonsense")
    assert (status, "known: inference" in message) == (2, True)
