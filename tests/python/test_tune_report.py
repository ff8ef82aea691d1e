# SPDX-License-Identifier: Apache-2.0
"""jetcal tune report: the published table of 60 trials to the paper's digits, and pandas' own numbers."""

import json
import re

import pandas
import pytest
from browser import shown_by_a_browser

from conftest import ROOT

TRIALS = ROOT.parent / "shared" / "reference" / "pfn_trials.csv"
# Table 2 of the paper, and the quartile means of its text.
PEARSON = {"Num conv layers": "0.27", "Conv dim": "-0.21", "Num fc layers": "-0.08", "Fc dim": "0.33", "Dropout": "-0.54",
           "Start lr": "-0.39"}
QUARTILE_MEANS = {"Start lr": ("3.0e-03", "5.6e-03"), "Dropout": ("1.1e-01", "3.1e-01")}


@pytest.fixture(scope="module")
def trials():
    if not TRIALS.exists():
        pytest.skip("shared/reference/pfn_trials.csv is not there")
    return TRIALS


@pytest.fixture(scope="module")
def report(jetcal, trials):
    return jetcal("tune", "report", "--from", trials)


def test_the_paper_is_met_to_the_printed_digits(report):
    assert report["score"] == "1 / Avg loss"
    assert (report["trials"], report["counted"]) == (60, 60)
    assert {name: f"{value:.2f}" for name, value in report["pearson"].items()} == PEARSON
    for name, (lower, upper) in QUARTILE_MEANS.items():
        means = report["quartile_means"][name]
        assert (f"{means['lower']:.1e}", f"{means['upper']:.1e}") == (lower, upper)


def test_correlations_are_those_of_pandas(report, trials):
    frame = pandas.read_csv(trials)
    score = 1 / frame["Avg loss"]
    for method in ("pearson", "spearman", "kendall"):
        assert set(report[method]) == set(PEARSON)
        for name, value in report[method].items():
            # pandas takes Kendall's tau-b and Spearman's ranks from scipy or its own code.
            expected = frame[name].corr(score, method=method)
            assert value == pytest.approx(expected, abs=1e-12), (method, name)


def test_best_trials_and_losses_per_optimizer(report, trials):
    frame = pandas.read_csv(trials).sort_values("Avg loss", kind="stable")
    best = report["best_trials"]
    assert [trial["name"] for trial in best] == list(frame["Trial name"][:10])
    assert best[0]["parameters"]["Optimizer"] == "ranger"  # the paper's best PFN
    assert best[0]["metrics"]["Avg loss"] == pytest.approx(0.0876814)
    grouped = frame.groupby("Optimizer")["Avg loss"]
    rows = report["categories"]["Optimizer"]
    assert [row["median"] for row in rows] == sorted(row["median"] for row in rows)
    for row in rows:
        losses = grouped.get_group(row["value"])
        assert row["trials"] == len(losses)
        for key, value in {"best": losses.min(), "mean": losses.mean(), "median": losses.median(),
                           "worst": losses.max()}.items():
            assert row[key] == pytest.approx(value, rel=1e-12)
    assert report["constant"]["Num epochs"] == "50"


def test_another_metric_of_the_table(jetcal, trials):
    frame = pandas.read_csv(trials)
    report = jetcal("tune", "report", "--from", trials, "--metric", "Mse")
    assert report["pearson"]["Dropout"] == pytest.approx(frame["Dropout"].corr(1 / frame["Mse"]), abs=1e-12)


def test_an_optuna_table_with_unfinished_trials(jetcal, tmp_path):
    path = tmp_path / "optuna.csv"
    path.write_text("number,value,params_lr,params_units,state\n"
                    "0,0.5,0.1,10,COMPLETE\n1,0.4,0.2,,COMPLETE\n2,,0.3,20,FAIL\n3,0.3,0.4,30,COMPLETE\n4,0.9,0.5,40,PRUNED\n")
    report = jetcal("tune", "report", "--from", path)
    assert report["counted"] == 3
    assert report["states"] == {"complete": 3, "failed": 1, "stopped": 1}
    assert set(report["pearson"]) == {"lr", "units"}
    assert report["best_trials"][0]["name"] == "3"
    assert report["pearson"]["units"] == pytest.approx(1.0)  # the trial without it does not count


@pytest.mark.parametrize("text, message", [
    ("name,loss,x\na,1,2\nb,oops,3\n", "row 3: 'oops' in the column 'loss' is no number"),
    ("name,loss,x\na,1\n", "row 2: 2 fields, but the first row names 3 columns"),
    ("name,loss,x\n\"a,1,2\n", "no CSV"),
    ("name,x\na,1\nb,2\n", "the table has no metric; name its column with --metric"),
    ("name,loss,loss\na,1,2\n", "two columns have the same name"),
    ("name,loss,x\na,1,2\n", "a report needs two trials with 'loss', there are 1"),
    ("name,status,loss\na,Gone,2\n", "row 2: a trial has no state 'Gone'"),
    ("", "the table is empty"),
])
def test_wrong_tables_are_named(jetcal, tmp_path, text, message):
    path = tmp_path / "trials.csv"
    path.write_text(text)
    status, error = jetcal.fails("tune", "report", "--from", path)
    assert message in error and "trials.csv" in error or "--metric" in error
    assert status in (2, 4)


def test_a_missing_file_is_named(jetcal, tmp_path):
    status, error = jetcal.fails("tune", "report", "--from", tmp_path / "none.csv")
    assert status == 3 and "none.csv" in error


# ---- The page ----


@pytest.fixture(scope="module")
def folder(jetcal, trials, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report") / "page"
    jetcal("tune", "report", "--from", trials, "--output", folder)
    return folder


def test_the_page_needs_nothing_else(folder):
    page = (folder / "index.html").read_text()
    markup = re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)
    assert not re.search(r"<(script|link|img|iframe)[^>]*\b(src|href)=|https?://|@import|url\(", markup)
    data = json.loads(re.search(r'<script id="data" type="application/json">(.*?)</script>', page, re.DOTALL).group(1))
    assert len(data["table"]["trials"]) == 60 and data["metric"] == "Avg loss"
    report = json.loads((folder / "report.json").read_text())
    assert {key: data[key] for key in report} == report
    frame = pandas.read_csv(folder / "trials.csv")
    assert len(frame) == 60 and frame["value"].min() == pytest.approx(0.0876814)


def test_hostile_names_stay_text(jetcal, tmp_path):
    path = tmp_path / "hostile.csv"
    name = "</script><script>alert(1)</script><!--"
    path.write_text(f"name,loss,x\n\"{name}\",1,2\nb,2,3\n")
    jetcal("tune", "report", "--from", path, "--output", tmp_path / "out")
    page = (tmp_path / "out" / "index.html").read_text()
    assert "alert(1)</script>" not in page and "<!--" not in page.split('id="data"')[1].split("</script>")[0]
    data = json.loads(re.search(r'<script id="data" type="application/json">(.*?)</script>', page, re.DOTALL).group(1))
    assert data["table"]["trials"][0]["name"] == name


def test_a_browser_draws_every_figure(folder, tmp_path):
    page = shown_by_a_browser(folder / "index.html", tmp_path)
    body = page.split("<body", 1)[1]
    charts = re.findall(r'id="chart-([^"]+)"', body)
    assert charts == ["history", "cost", "importance", "parallel", *(f"slice-{name}" for name in [
        "Num conv layers", "Conv dim", "Num fc layers", "Fc dim", "Dropout", "Start lr", "Optimizer"]), "by-Optimizer"]
    assert f'data-charts="{len(charts)}"' in page  # set at the end of the script: nothing before it failed
    assert body.count("<svg") == len(charts)
    assert len(re.findall(r"<tr>", body.split('id="trials"')[1])) == 61
    assert "ranger" in body and "-0.536" in body
