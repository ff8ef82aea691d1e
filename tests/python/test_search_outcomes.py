# SPDX-License-Identifier: Apache-2.0
"""bench/hpo/compare.py: outcomes of searches add up over sessions, and those of other code do not count."""

import json
import math
import sys
import types

import pytest
from conftest import JETCAL, ROOT

sys.path.append(str(ROOT / "bench" / "hpo"))
import compare  # noqa: E402
import measure  # noqa: E402
import searches  # noqa: E402
import tasks  # noqa: E402


@pytest.fixture
def session(tmp_path, monkeypatch):
    """Starts sessions: an empty cache each, one file of committed outcomes. Tasks have the minimum 0 and the median 1."""
    monkeypatch.setattr(tasks, "load", lambda name: types.SimpleNamespace(minimum=0, median=1))
    committed = tmp_path / "hpo-searches.json"
    monkeypatch.setattr(searches, "COMMITTED", committed)
    number = iter(range(100))

    def start():
        monkeypatch.setattr(searches, "CACHE", tmp_path / f"cache-{next(number)}")

    start()
    start.committed = committed
    return start


def search(side, seed, loss, made_by=None, label="", task="made-a"):
    path = searches.path_of(side, label, "gp", task, 1, 60, seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    record = {"made_by": made_by or searches.made_by(side), "losses": [1.0] * 59 + [loss], "cpu_seconds": [0.002] * 50}
    path.write_text(json.dumps(record | ({"peak_memory_mib": 20} if side == "jetcal" else {})))


def run(monkeypatch, tmp_path, *flags):
    monkeypatch.setattr(sys, "argv", ["compare.py", "--algorithms", "gp", "--tasks", "made-a,made-b", "--jetcal", JETCAL, "--output",
                                      str(tmp_path / "out.json"), *flags])
    compare.main()
    return json.loads((tmp_path / "out.json").read_text())


def test_seeds_add_up_over_sessions(session, monkeypatch, tmp_path):
    for seed, (ours, theirs) in enumerate([(0.1, 0.2), (0.4, 0.2)]):
        search("jetcal", seed, ours)
        search("optuna", seed, theirs)
    first = run(monkeypatch, tmp_path, "--keep")
    assert first["comparisons"][0]["seeds"] == [2, 2]
    assert first["cpu_ms"]["optuna gp"]["60"] == pytest.approx(2)

    session()
    search("jetcal", 7, 0.05)
    search("optuna", 7, 0.2)
    second = run(monkeypatch, tmp_path, "--keep")
    row, = second["comparisons"]
    assert row["seeds"] == [3, 3] and row["wins_ties_losses"] == [2, 0, 1]
    assert row["ratio"] == pytest.approx((0.5 * 2 * 0.25) ** (1 / 3))
    assert {entry["side"]: sorted(entry["regret"]) for entry in json.loads(session.committed.read_text())["searches"]} == \
        {"jetcal": ["0", "1", "7"], "optuna": ["0", "1", "7"]}

    session()
    text = session.committed.read_text()
    third = run(monkeypatch, tmp_path, "--keep")
    assert third["comparisons"] == second["comparisons"] and session.committed.read_text() == text
    assert third["cpu_ms"]["optuna gp"] == {}, "times are those of this machine"


def test_searches_of_other_code_do_not_count(session, monkeypatch, tmp_path, capsys):
    search("jetcal", 0, 0.1)
    search("optuna", 0, 0.2)
    search("jetcal", 1, 0.1, made_by="jetcal/hpo 0123, tasks 4567")
    search("optuna", 1, 0.2)
    entry = {"side": "optuna", "made_by": "optuna 4.0.0", "algorithm": "gp", "task": "made-a", "workers": 1, "trials": 60,
             "regret": {"1": {"60": 0.9}, "2": {"60": 0.9}}}
    session.committed.write_text(json.dumps({"searches": [entry]}))
    row, = run(monkeypatch, tmp_path, "--keep")["comparisons"]
    assert row["seeds"] == [1, 1] and row["ratio"] == pytest.approx(0.5)
    told = capsys.readouterr().out
    assert "left out, made by other code: 2 searches (committed, optuna 4.0.0)" in told
    assert "left out, made by other code: 1 searches (here, jetcal gp made-a, 1 workers, 60 trials)" in told
    assert "4.0.0" not in session.committed.read_text()


def test_a_committed_search_is_not_run_again(session, monkeypatch, tmp_path):
    search("jetcal", 3, 0.1)
    search("optuna", 3, 0.2)
    run(monkeypatch, tmp_path, "--keep")
    session()

    def is_done(seed, **changes):
        options = types.SimpleNamespace(**{"side": "optuna", "algorithm": "gp", "trials": 60, "label": "", "set": []} | changes)
        return measure.is_done(options, searches.Kept(), searches.path_of("optuna", "", "gp", "made-a", 1, 60, seed), "made-a", 1, seed)

    assert is_done(3) and not is_done(4)
    assert not is_done(3, trials=200) and not is_done(3, label="x")
    search("optuna", 4, 0.2, made_by="optuna 4.0.0")
    assert not is_done(4)
    search("optuna", 4, 0.2)
    assert is_done(4)


def test_a_variant_is_compared_but_not_kept(session, monkeypatch, tmp_path):
    search("jetcal", 0, 0.1, label="-wide", made_by=searches.made_by("jetcal", ["climbs=8"]))
    search("optuna", 0, 0.2)
    assert run(monkeypatch, tmp_path)["comparisons"] == []
    assert run(monkeypatch, tmp_path, "--label=-wide")["comparisons"][0]["ratio"] == pytest.approx(0.5)
    with pytest.raises(SystemExit):
        run(monkeypatch, tmp_path, "--label=-wide", "--keep")


def test_code_that_decides_has_a_name_of_its_own(tmp_path, monkeypatch):
    before = searches.made_by("jetcal")
    assert searches.made_by("optuna").startswith(f"optuna {searches.pinned('optuna')}, tasks ")
    assert before != searches.made_by("jetcal", ["climbs=8"])
    source = tmp_path / "gp.cc"
    source.write_text("a")
    first = searches.digest([source])
    source.write_text("b")
    assert searches.digest([source]) != first


def test_a_result_names_the_machine(session, jetcal, monkeypatch, tmp_path):
    search("jetcal", 0, 0.1)
    search("optuna", 0, 0.2)
    document, doctor = run(monkeypatch, tmp_path), jetcal("doctor")
    assert (document["cpu"], document["isa"], document["cores"]) == (doctor["cpu"]["model"], doctor["isa"], doctor["cpu"]["cores"])
    assert document["commit"] == doctor["commit"] and "machine" not in document
    assert document["peak_memory_mib"] == {"jetcal gp": 20} and math.isclose(document["comparisons"][0]["ratio"], 0.5)
