# SPDX-License-Identifier: Apache-2.0
"""jetcal board about trainings, models with their lineage, servers and reports."""

import json
import re
import subprocess
import time

import pytest
import yaml

from board_page import Watch, board, browser, page_of  # noqa: F401 (browser is a fixture)
from conftest import JETCAL
from served import Served, export
from test_train import write_jet_ntuple

PIPELINE = """
format: jetcal-pipeline/1
name: exporting
parameters:
  seed: {type: integer, default: 5}
inputs:
  notes: {default: notes.txt}
steps:
  - name: check
    command: [sh, -c, 'cp "$0" "$1"', '${inputs.notes}', '${outputs.checked}']
    inputs: {notes: inputs.notes}
    outputs: {checked: {type: Artifact}}
  - name: export
    command: jetcal export --preset small-pfn --seed ${parameters.seed} --repository ${outputs.repository} --name optimal --json
    inputs: {checked: check.checked}
    after: [check]
    outputs: {repository: {type: Model}}
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A training with its model, a report, and a pipeline that exported a network."""
    folder = tmp_path_factory.mktemp("models")

    def verb(*words):
        result = subprocess.run([JETCAL, *map(str, words), "--json"], capture_output=True, text=True, timeout=300)
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)

    write_jet_ntuple(folder / "jets.root", 1500, seed=1)
    verb("ingest", folder / "jets.root", "--output", folder / "shards")
    verb("train", "--data", folder / "shards", "--output", folder / "net", "--preset", "small-pfn", "--epochs", 3, "--histograms", 0, "--figures", 0)
    verb("analyze", "--input", folder / "shards", "--corrector", f"Network={folder / 'net' / 'model.jetcal'}", "--output", folder / "report", "--bootstrap", 2,
         "--min-jets", 5)
    (folder / "notes.txt").write_text("checked by hand\n")
    (folder / "exporting.yaml").write_text(PIPELINE)
    verb("pipeline", "run", folder / "exporting.yaml", "--directory", folder / "pipeline", "--cores", "1")
    return folder


@pytest.fixture(scope="module")
def shown(place):
    with board(place) as running:
        yield running


def test_a_training_tells_its_epochs_and_its_model(shown, place):
    line = shown.api("trainings")["trainings"][0]
    history = json.loads((place / "net" / "history.json").read_text())
    assert (line["name"], line["state"], line["epochs"]) == ("net", "finished", 3)
    assert line["validation_loss"] == history["epochs"][-1]["validation_loss"] and line["test"]["loss"] == history["test"]["loss"]
    document = shown.api(f"trainings/{line['id']}")
    assert [epoch["epoch"] for epoch in document["history"]] == [1, 2, 3]
    model = shown.api(f"models/model/{document['model']}")
    assert model["config"]["network"] == "pfn" and model["lineage"] == []
    assert model["manifests"][0]["path"] == str(place / "shards" / "manifest.json")


def test_a_model_leads_back_to_data_and_commit(shown, place):
    served = next(model for model in shown.api("models")["models"] if model["kind"] == "repository")
    document = shown.api(f"models/repository/{served['id']}")
    assert 'name: "optimal"' in document["config"]
    kinds = {resource["kind"]: resource for resource in yaml.safe_load_all(document["deployment"]["manifests"])}
    assert kinds["InferenceService"]["metadata"]["name"] == "optimal" and "ServingRuntime" in kinds
    version = document["versions"][0]
    assert version["version"] == "1" and {"model.onnx", "model.jetcal"} <= {file["name"] for file in version["files"]}
    lineage = version["model"]["lineage"][0]
    assert [step["step"] for step in lineage["steps"]] == ["export", "check"] and lineage["steps"][0]["parameters"] == {"seed": 5}
    assert [data["path"] for data in lineage["data"]] == [str(place / "notes.txt")]
    assert re.fullmatch(r"[\d.]+ \(.+\)", lineage["commits"][0])


def test_a_damaged_model_is_named(shown, place):
    (place / "broken.jetcal").write_bytes(b"\x10\x00\x00\x00")
    try:
        deadline = time.monotonic() + 30
        while not (broken := [model for model in shown.api("models")["models"] if model["name"] == "broken.jetcal"]):
            assert time.monotonic() < deadline
            time.sleep(0.2)
        status, _, body = shown.get(f"/api/models/model/{broken[0]['id']}")
        assert status == 500 and "broken.jetcal" in json.loads(body)["error"]
    finally:
        (place / "broken.jetcal").unlink()


def test_the_numbers_of_a_report(shown, place):
    found = shown.api("reports")["reports"][0]
    document = shown.api(f"reports/{found['id']}")["report"]
    report = json.loads((place / "report" / "report.json").read_text())
    assert document["kind"] == "analysis"
    assert [(one["name"], one["loss"]) for one in document["correctors"]] == [(one["name"], one["loss"]) for one in report["correctors"]]
    for name in ("report.json", "index.html"):
        assert shown.get(f"/reports/{found['id']}/{name}")[2] == (place / "report" / name).read_bytes()
    for name in ("nothing.png", "..%2fnotes.txt", "%2e%2e", ".hidden", "/etc/passwd"):
        assert shown.get(f"/reports/{found['id']}/{name}")[0] == 404
    policy = shown.get(f"/reports/{found['id']}/index.html")[1]["content-security-policy"]
    assert policy.startswith("sandbox") and "allow-same-origin" not in policy and "connect-src" not in policy and "default-src 'none'" in policy


def test_pages_of_models_and_trainings(browser, shown):
    with page_of(browser, shown.url) as page:
        page.goto(shown.url + "#/trainings")
        page.locator("tbody a.name").click()
        page.locator(".chart[data-drawn]").nth(2).wait_for()
        assert "After 3 epochs" in page.locator(".figure .remark").first.inner_text()
        page.get_by_role("link", name="model.jetcal").click()
        page.locator("h2", has_text="Lineage").wait_for()
        page.goto(shown.url + "#/models")
        page.locator("a.name", has_text="optimal").click()
        page.locator(".lineage li").nth(1).wait_for()
        assert "notes.txt" in page.locator("main").inner_text()
        page.locator(".lineage a").first.click()  # the run that made it
        page.locator("#step h2", has_text="export").wait_for()
        page.locator("#step").get_by_role("link", name="repository").click()  # and back to what it gave
        page.locator("h2", has_text="config.pbtxt").wait_for()
        page.locator("summary", has_text="Manifests").last.click()
        page.locator("pre", has_text="kind: InferenceService").wait_for()


def test_a_report_is_opened(browser, shown):
    with page_of(browser, shown.url) as page:
        page.goto(shown.url + "#/physics")
        page.locator("tbody td", has_text="Network 0.").wait_for()
        page.locator("tbody a.name").click()
        page.locator(".chart[data-drawn]").nth(3).wait_for()
        with page.context.expect_page() as opened:
            page.locator("#open-report").click()
        report = opened.value
        watch = Watch(report, shown.url)
        report.wait_for_load_state()
        report.reload()
        report.get_by_text("Network").first.wait_for()
        assert report.locator("img").count() > 4
        assert report.locator("img").evaluate_all("images => images.every(image => image.complete && image.naturalWidth > 0)")
        assert report.evaluate("self.origin") == "null", "it runs in a world of its own"
        watch.calm()


def test_a_server_is_watched(browser, jetcal, tmp_path):
    export(jetcal, tmp_path / "repository", "small-pfn", "optimal")
    with Served(tmp_path / "repository") as server, board(tmp_path, "--serving", f"http://{server.url}") as shown, page_of(browser, shown.url) as page:
        page.goto(shown.url + "#/serving")
        page.locator(".heading .state", has_text="ready").wait_for()
        page.locator(".served", has_text="optimal, version 1").wait_for()
        jetcal("loadgen", "--url", f"http://{server.url}", "--model-name", "optimal", "--batch-sizes", 4, "--connections", 2, "--seconds", 3)
        deadline = time.monotonic() + 20
        while True:
            counts = shown.api("serving")["endpoints"][0]["counts"][0]
            if any(point[1] > 0 for point in counts["points"]):
                break
            assert time.monotonic() < deadline
            time.sleep(0.2)
        fields = shown.api("serving")["point_fields"]
        busy = dict(zip(fields, next(point for point in counts["points"] if point[1] > 0)))
        # Batches of four jets; the server may take several requests into one run.
        assert busy["rows"] == pytest.approx(4 * busy["requests"], rel=1e-6) and busy["batch"] >= 4 and 0 < busy["p50"] <= busy["p99"]
        page.locator(".tile", has_text="answered since its start").get_by_text(re.compile("[1-9]")).wait_for()
        assert shown.api("overview")["problems"] == []
        server.stop()
        page.locator(".alert", has_text="cannot connect").wait_for()
        problem = shown.api("overview")["problems"][0]
        assert (problem["kind"], problem["state"]) == ("serving", "unreachable") and "cannot connect" in problem["reason"]


def test_what_is_no_server_is_refused(jetcal, tmp_path):
    for url in ("https://host:1", "ftp://x", "host:0", "host:70000", "http://", "http://a/b:80"):
        status, message = jetcal.fails("board", tmp_path, "--serving", url)
        assert status == 2 and url in message
