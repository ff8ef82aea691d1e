# SPDX-License-Identifier: Apache-2.0
"""The front program: doctor's contract, help, unknown verbs, and one clear sentence for every kind of bad input."""

import subprocess

from conftest import JETCAL

VERBS = ["doctor", "simulate", "ingest", "jec", "train", "tune", "suggest", "model", "export", "serve", "client", "loadgen", "predict",
         "analyze", "pipeline", "store", "board", "bench"]


def test_doctor_prints_the_contract(jetcal):
    report = jetcal("doctor")
    assert set(report) >= {"version", "commit", "cpu", "isa", "rooms", "libraries"}
    assert report["isa"] in ("ref", "avx2", "avx512", "amx")
    assert report["cpu"]["cores"] >= 1
    assert {"base", "edm", "kernels", "data", "models", "analysis", "sim", "train", "onnx", "engine", "server"} <= set(
        report["rooms"]), report["rooms_left_out"]
    assert report["libraries"]["root"].startswith("6.")
    assert all(state == "ready" for state in report["verbs"].values()), report["verbs"]
    assert {"doctor", *report["verbs"]} == set(VERBS)


def test_doctor_names_a_forced_isa_that_is_unknown():
    result = subprocess.run([JETCAL, "doctor"], capture_output=True, text=True, env={"JETCAL_ISA": "sse9"})
    assert result.returncode == 2
    assert "expected ref, avx2, avx512 or amx, got 'sse9'" in result.stderr


def test_every_verb_has_help_and_refuses_unknown_flags(jetcal):
    for verb in VERBS:
        assert jetcal.raw(verb, "--help").returncode == 0, verb
        status, message = jetcal.fails(verb, "--no-such-flag")
        assert status == 2 and message.startswith(f"jetcal {verb}: "), message


def test_the_help_lists_every_verb(jetcal):
    listed = [line.split()[0] for line in jetcal.raw("--help").stdout.splitlines() if line.startswith("  ")]
    assert sorted(listed) == sorted(VERBS)


def test_flags_may_stand_before_the_name_of_a_benchmark(jetcal, tmp_path):
    jetcal("bench", "--threads", 1, "jets", "--num-jets", 2, "--output", tmp_path / "jets")
    assert (tmp_path / "jets").exists()


def test_unknown_verb_is_one_sentence(jetcal):
    status, message = jetcal.fails("calibrate")
    assert (status, message) == (2, "jetcal: unknown verb 'calibrate'; see jetcal --help")


def test_light_verbs_need_neither_torch_nor_root(jetcal):
    libraries = subprocess.run(["ldd", JETCAL], capture_output=True, text=True, check=True).stdout
    assert "libtorch" not in libraries and "libCore" not in libraries and "libarrow" not in libraries


def test_unknown_config_field_names_the_nearest(jetcal, tmp_path):
    config = tmp_path / "train.yaml"
    config.write_text("training:\n  epoch: 3\n")
    status, message = jetcal.fails("train", "--config", config)
    assert status == 2 and "training.epoch" in message, message


def test_model_summary_counts_what_the_paper_counts(jetcal):
    pfn = jetcal("model", "summary", "--preset", "paper-pfn")
    particlenet = jetcal("model", "summary", "--preset", "paper-particlenet", "--mode", "constituents")
    assert pfn["parameters"] == 355_351 and particlenet["parameters"] == 123_469
