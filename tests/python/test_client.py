# SPDX-License-Identifier: Apache-2.0
"""jetcal client, and jetcal predict through the client library: every call, several requests under way, a server that goes away."""

import json
import re
import threading

import numpy as np
import onnxruntime
import pytest
import uproot
from browser import shown_by_a_browser
from certificates import Authority
from jet_files import make_branches, write_ntuple, write_parquet
from relay import Relay
from served import Served, export

TREE = "AK4jets/jetTree"
NUM_JETS = 900


@pytest.fixture(scope="module")
def repository(jetcal, tmp_path_factory):
    folder = tmp_path_factory.mktemp("repository")
    export(jetcal, folder, "small-particlenet", "optimal")
    export(jetcal, folder, "small-pfn", "pfn")
    return folder


@pytest.fixture(scope="module")
def server(repository):
    with Served(repository, "--model-control-mode", "explicit", "--load-model", "*") as running:
        yield running


@pytest.fixture(scope="module")
def ntuple(tmp_path_factory):
    path = tmp_path_factory.mktemp("jets") / "jets.root"
    write_ntuple(path, make_branches(NUM_JETS))
    return path


def branch(path):
    with uproot.open(path) as file:
        return file[TREE]["jetPtCorr"].array(library="np")


def test_what_a_server_says_of_itself(jetcal, server):
    def ask(*words):
        return jetcal("client", *words, "--url", f"http://{server.url}")

    assert ask("health", "--model-name", "pfn") == {"live": True, "ready": True, "model_ready": True}
    assert ask("metadata")["name"] == "jetcal"
    assert [tensor["name"] for tensor in ask("metadata", "--model-name", "pfn")["inputs"]] == ["pf_features", "pf_mask", "jet_features"]
    assert ask("config", "--model-name", "pfn")["max_batch_size"] == 100000
    ask("infer", "--model-name", "pfn", "--sample", "3")
    (model,) = ask("statistics", "--model-name", "pfn")["model_stats"]
    assert model["inference_count"] >= 3
    assert {model["name"] for model in ask("statistics")["model_stats"]} == {"optimal", "pfn"}
    assert {model["name"] for model in ask("index")} == {"optimal", "pfn"}
    assert ask("unload", "--model-name", "pfn") == {"model": "pfn", "loaded": False}
    result = jetcal.raw("client", "health", "--model-name", "pfn", "--url", f"http://{server.url}")
    assert result.returncode == 6 and re.search("model_ready +no", result.stdout)
    ask("load", "--model-name", "pfn")
    assert ask("health", "--model-name", "pfn")["model_ready"]
    assert "READY" in jetcal.raw("client", "index", "--url", f"http://{server.url}").stdout


def test_loading_with_a_configuration_of_its_own(jetcal, server, repository, tmp_path):
    config = {"name": "renewed", "platform": "onnxruntime_onnx", "max_batch_size": 7,
              "input": [{"name": "pf_features", "data_type": "TYPE_FP32", "dims": [6, -1]}, {"name": "pf_mask", "data_type": "TYPE_FP32", "dims": [1, -1]},
                        {"name": "jet_features", "data_type": "TYPE_FP32", "dims": [8]}],
              "output": [{"name": "output", "data_type": "TYPE_FP32", "dims": [1]}]}
    (tmp_path / "config.json").write_text(json.dumps(config))
    url = f"http://{server.url}"
    jetcal("client", "load", "--model-name", "renewed", "--model-config", tmp_path / "config.json", "--url", url,
           "--file", f"1/model.onnx={repository / 'pfn' / '1' / 'model.onnx'}")
    assert jetcal("client", "config", "--model-name", "renewed", "--url", url)["max_batch_size"] == 7
    ours = jetcal("client", "infer", "--sample", 5, "--model-name", "pfn", "--url", url)
    theirs = jetcal("client", "infer", "--sample", 5, "--model-name", "renewed", "--url", url)
    np.testing.assert_allclose([jet["y"] for jet in theirs["jets"]], [jet["y"] for jet in ours["jets"]], atol=1e-5)
    jetcal("client", "unload", "--model-name", "renewed", "--url", url)


@pytest.mark.parametrize("name", ["optimal", "pfn"])
def test_every_form_and_coding_gives_the_same_numbers(jetcal, server, name):
    answers = [jetcal("client", "infer", "--model-name", name, "--sample", 20, "--form", form, "--coding", coding, "--url", f"http://{server.url}")
               for form in ("ragged", "padded", "auto") for coding in ("binary", "json")]
    assert [answer["form"] for answer in answers] == ["ragged", "ragged", "padded", "padded", "ragged", "ragged"]
    for answer in answers[1:]:
        assert answer["jets"] == answers[0]["jets"]


def test_jets_as_json(jetcal, server, repository, tmp_path):
    rng = np.random.default_rng(5)
    jets = [{"particles": rng.normal(size=(count, 6)).round(3).tolist(), "features": rng.normal(size=8).round(3).tolist()} for count in (4, 0, 31)]
    path = tmp_path / "jets.json"
    path.write_text(json.dumps({"jets": jets}))
    answer = jetcal("client", "infer", "--model-name", "pfn", "--input", path, "--url", f"http://{server.url}")
    session = onnxruntime.InferenceSession(str(repository / "pfn" / "1" / "model.onnx"))
    features, mask = np.zeros((3, 6, 31), np.float32), np.zeros((3, 1, 31), np.float32)
    for j, jet in enumerate(jets):
        count = len(jet["particles"])
        features[j, :, :count], mask[j, 0, :count] = np.array(jet["particles"], np.float32).reshape(count, 6).T, 1
    (expected,) = session.run(None, {"pf_features": features, "pf_mask": mask, "jet_features": np.float32([jet["features"] for jet in jets])})
    np.testing.assert_allclose([jet["y"] for jet in answer["jets"]], expected[:, 0], atol=2e-5)
    np.testing.assert_allclose([jet["pt_corr"] for jet in answer["jets"]], np.exp([jet["features"][0] for jet in jets] + expected[:, 0]), rtol=1e-4)
    request = {"id": "mine", "inputs": [{"name": tensor, "shape": list(values.shape), "datatype": "FP32", "data": values.tolist()} for tensor, values in
                                        [("pf_features", features), ("pf_mask", mask), ("jet_features", np.float32([jet["features"] for jet in jets]))]]}
    path.write_text(json.dumps(request))
    reply = jetcal("client", "infer", "--model-name", "pfn", "--input", path, "--url", f"http://{server.url}")
    assert reply["id"] == "mine" and reply["outputs"][0]["shape"] == [3, 1]
    np.testing.assert_array_equal(np.float32(reply["outputs"][0]["data"]), np.float32([jet["y"] for jet in answer["jets"]]))


def test_other_files_go_to_predict(jetcal, server, ntuple, repository, tmp_path):
    parquet = tmp_path / "jets.parquet"
    write_parquet(parquet, make_branches(40))
    for source, output in [(ntuple, tmp_path / "a.root"), (parquet, tmp_path / "b.parquet")]:
        result = jetcal.raw("client", "infer", "--model-name", "pfn", "--input", source, "--output", output, "--url", f"http://{server.url}")
        assert result.returncode == 0, result.stderr
        assert output.exists()
    words = ["client", "infer", "--model-name", "pfn", "--input", parquet, "--output", tmp_path / "c.parquet", "--url", f"http://{server.url}"]
    assert jetcal(*words)["jets"] == 40  # --json goes along
    status, message = jetcal.fails(*words, "--coding", "json")
    assert status == 2 and "--coding json is for" in message


def test_errors_are_one_sentence(jetcal, server, tmp_path):
    url = f"http://{server.url}"
    (tmp_path / "bad.json").write_text('[{"particles": [[1, 2]], "features": []}]')
    (tmp_path / "nothing.json").write_text("[]")
    for status, text, words in [
            (2, "client cannot 'dance'", ["dance", "--url", url]), (3, "nobody", ["config", "--model-name", "nobody", "--url", url]),
            (2, "needs --model-name", ["infer", "--url", url]), (2, "either --input", ["infer", "--model-name", "pfn", "--url", url]),
            (2, "jet 0 needs 6 numbers", ["infer", "--model-name", "pfn", "--input", tmp_path / "bad.json", "--url", url]),
            (2, "holds no jets", ["infer", "--model-name", "pfn", "--input", tmp_path / "nothing.json", "--url", url]),
            (6, "cannot ask the server", ["metadata", "--url", "http://127.0.0.1:1", "--retries", "0"]),
            (3, "no such file", ["metadata", "--url", url, "--token-file", tmp_path / "none"]),
            (6, "JETCAL_NO_SUCH", ["metadata", "--url", url, "--token-variable", "JETCAL_NO_SUCH"]),
            (2, "key belong together", ["metadata", "--url", "https://a", "--cert", "c.pem"]),
            (2, "deadline", ["metadata", "--url", url, "--deadline", "0"])]:
        result = jetcal.fails("client", *words)
        assert result[0] == status and text in result[1], (words, result)


def test_tls_client_certificate_and_token(jetcal, repository, tmp_path):
    authority = Authority(tmp_path / "certificates")
    certificate, key = authority.sign("server", "127.0.0.1")
    mine, my_key = authority.sign("client")
    token = tmp_path / "token"
    token.write_text("open-sesame\n")
    with Served(repository, "--tls-certificate", certificate, "--tls-key", key, "--tls-client-ca", authority.file, "--token-file", token) as server:
        words = ["client", "infer", "--model-name", "pfn", "--sample", 2, "--url", f"https://{server.url}", "--retries", 1]
        trust, proof = ["--ca", authority.file], ["--cert", mine, "--key", my_key]
        assert len(jetcal(*words, *trust, *proof, "--token-file", token)["jets"]) == 2
        (tmp_path / "wrong").write_text("close-sesame")
        for flags, text in [([*proof, "--token-file", token], "no trust"), ([*trust, "--token-file", token], "the server"),
                            ([*trust, *proof], "(401)"), ([*trust, *proof, "--token-file", tmp_path / "wrong"], "(401)")]:
            status, message = jetcal.fails(*words, *flags)
            assert status == 6 and text in message, (flags, message)


@pytest.mark.parametrize("form", ["ragged", "padded"])
def test_many_requests_under_way_keep_order_and_bits(jetcal, server, ntuple, repository, tmp_path, form):
    alone = jetcal("predict", "--model", repository / "optimal" / "1" / "model.jetcal", "--input", ntuple, "--output", tmp_path / "alone.root")
    report = jetcal("predict", "--url", f"http://{server.url}", "--input", ntuple, "--output", tmp_path / "served.root", "--batch-size", 7,
                    "--connections", 5, "--form", form)
    assert report["model"]["form"] == form and report["corrected"] == alone["corrected"] and alone["server"] is None
    assert report["server"]["requests"] >= report["batches"] == -(-NUM_JETS // 7)
    np.testing.assert_array_equal(branch(tmp_path / "served.root"), branch(tmp_path / "alone.root"))


def test_predict_survives_a_restart_of_the_server(jetcal, repository, ntuple, tmp_path):
    jetcal("predict", "--model", repository / "optimal" / "1" / "model.jetcal", "--input", ntuple, "--output", tmp_path / "alone.root")
    restarted = threading.Event()
    with Served(repository) as first:
        second = []

        def restart(number):
            if number != 20:
                return
            first.process.kill()  # in the middle of requests
            first.process.wait()
            relay.cut()
            again = Served(repository)
            second.append(again.__enter__())
            relay.port = again.port
            restarted.set()

        with Relay(first.port, restart) as relay:
            report = jetcal("predict", "--url", relay.url, "--input", ntuple, "--output", tmp_path / "served.root", "--batch-size", 10,
                            "--connections", 4, timeout=120)
        assert restarted.is_set()
        second[0].__exit__()
    assert report["server"]["broken"] > 0 and report["server"]["attempts"] > report["server"]["requests"]
    np.testing.assert_array_equal(branch(tmp_path / "served.root"), branch(tmp_path / "alone.root"))


def test_predict_gives_up_at_its_deadline(jetcal, repository, ntuple, tmp_path):
    with Served(repository) as server, Relay(server.port, lambda number: number > 5 and relay.cut()) as relay:
        status, message = jetcal.fails("predict", "--url", relay.url, "--input", ntuple, "--output", tmp_path / "out.root", "--batch-size", 10,
                                       "--retries", 3, "--deadline", 2)
    assert status == 6 and "asked" in message
    assert not (tmp_path / "out.root").exists()


def test_a_plot_of_batch_sizes(jetcal, server, tmp_path):
    flags = ["--url", f"http://{server.url}", "--batch-sizes", "1,4,16", "--seconds", 0.2, "--warmup-seconds", 0.05, "--check-equal"]
    first = jetcal("loadgen", "--model-name", "pfn", *flags)
    (tmp_path / "first.json").write_text(json.dumps(first))
    second = jetcal("loadgen", "--model-name", "optimal", "--form", "ragged", *flags, "--plot", tmp_path / "plot.html", "--beside", tmp_path / "first.json")
    assert all(row["failed"] == {} for row in first["results"] + second["results"])
    page = (tmp_path / "plot.html").read_text()
    data = json.loads(re.search(r'id="data" type="application/json">(.*?)</script>', page, re.S).group(1))
    assert data == [second, first]
    drawn = shown_by_a_browser(tmp_path / "plot.html", tmp_path)
    assert 'data-charts="1"' in drawn  # set at the end of the script: nothing before it failed
    body = drawn.split("<body", 1)[1]
    assert body.count("<svg") == 1 and body.count('stroke-dasharray') >= 4 and len(re.findall("<tr>", body)) == 7
    status, message = jetcal.fails("loadgen", "--model-name", "pfn", *flags, "--plot", tmp_path / "plot.svg")
    assert status == 2 and "FILE.html" in message
