# SPDX-License-Identifier: Apache-2.0
"""jetcal board about studies: thousands of trials sorted and filtered, charts, a trial's page, comparisons, a search watched live."""

import csv
import io
import json
import subprocess
import time

import pytest

from board_page import board, browser, page_of  # noqa: F401 (browser is a fixture)
from board_studies import import_study
from conftest import JETCAL, Verb

HOSTILE = "<script>document.title='taken'</script><b>bold</b>"
MANY = 5000

LIVE = """
name: live
parameters:
  x: {type: float, low: 0, high: 1}
  kind: {type: categorical, choices: [a, b]}
objective: loss
algorithm: random
seed: 3
limits: {trials: 6}
run: {parallel: 2, retries: 0}
trial:
  command: |
    : ${kind}
    test ${trial} = 2 && { echo 'the detector is not there' >&2; exit 3; }
    for epoch in 1 2 3; do echo "epoch=$epoch loss=${x}$epoch"; done
    until test -e FOLDER/go || test ${trial} -lt 4; do sleep 0.05; done
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("studies")
    jetcal = Verb()
    rows = import_study(jetcal, folder / "large" / "study.db", MANY, name="large valley")
    import_study(jetcal, folder / "two" / "study.db", 120, name="two goals", objectives=2, reason=HOSTILE)
    return folder, rows


@pytest.fixture(scope="module")
def shown(place):
    with board(place[0]) as running:
        yield running


@pytest.fixture(scope="module")
def ids(shown):
    return {study["title"]: study["id"] for study in shown.api("studies")["studies"]}


def loss(row):
    return row["objectives"][0]


def test_all_trials_are_told(shown, place, ids):
    rows = place[1]
    document = shown.api(f"studies/{ids['large valley']}")
    assert document["trials"]["total"] == MANY and document["trials"]["failed"] == MANY // 40
    best = min((row for row in rows if row["state"] == "complete"), key=loss)
    assert document["best"]["trial"] == best["number"] and document["best"]["value"] == pytest.approx(loss(best))
    assert document["errors"] == [{"reason": "the loss is not a number in epoch 2", "count": MANY // 40, "trial": MANY - 1, "time": document["errors"][0]["time"]}]
    table = shown.api(f"studies/{ids['large valley']}/trials")
    names = [field["name"] for field in table["fields"]]
    assert names[:3] == ["trial", "state", "validation_loss"] and len(table["rows"]) == MANY
    for row, wanted in zip(table["rows"], rows):
        assert row[0] == wanted["number"] and row[1] == wanted["state"] and row[names.index("lr")] == pytest.approx(wanted["values"]["lr"])


def test_curves_and_importance_are_bounded_and_say_so(shown, ids):
    curves = shown.api(f"studies/{ids['large valley']}/curves")
    assert curves["total"] == MANY and curves["shown"] == len(curves["trials"]) <= 300
    importance = shown.api(f"studies/{ids['large valley']}/importance")
    assert importance["counted"] == 1000 < importance["with_result"]
    assert max(importance["fanova"], key=importance["fanova"].get) == "lr"  # the valley is steep in lr alone


@pytest.mark.parametrize("path", ["trials/-1", "trials/5000", "trials/1e3", "trials/99999999999999999999", "trials/x", "trials/1/log?name=../../study.db", "trials/1/log?name=/etc/passwd",
                                  "trials/1/log", "trials/1/more", "nothing", "curves/1"])
def test_wrong_trials_are_refused(shown, ids, path):
    status, _, body = shown.get(f"/api/studies/{ids['large valley']}/{path}")
    assert status in (400, 404) and "error" in json.loads(body)


def test_a_study_that_is_damaged_is_a_problem_of_its_own(jetcal, tmp_path):
    import_study(jetcal, tmp_path / "good" / "study.db", 8)
    (tmp_path / "bad").mkdir()
    data = (tmp_path / "good" / "study.db").read_bytes()
    (tmp_path / "bad" / "study.db").write_bytes(data[:5000])
    with board(tmp_path) as shown:
        overview = shown.api("overview")
        assert [problem["kind"] for problem in overview["problems"]] == ["study"] and overview["problems"][0]["reason"]
        assert {study.get("title") for study in overview["studies"]} == {"valley", None}


def test_a_study_that_is_made_anew_is_another_one(jetcal, tmp_path):
    import_study(jetcal, tmp_path / "study.db", 8)
    with board(tmp_path) as shown:
        study = shown.api("studies")["studies"][0]["id"]
        assert shown.api(f"studies/{study}")["trials"]["total"] == 8
        for left in tmp_path.glob("study.db*"):
            left.unlink()
        import_study(jetcal, tmp_path / "study.db", 12)
        assert shown.api(f"studies/{study}")["trials"]["total"] == 12


# ---- in a browser ----------------------------------------------------------------------------------------------------------


def visible(page):
    return [int(text) for text in page.locator("table.data tbody th").all_inner_texts()]


def test_thousands_of_trials_are_sorted_and_filtered(browser, shown, place, ids):
    rows = place[1]
    complete = sorted((row for row in rows if row["state"] == "complete"), key=loss)
    with page_of(browser, shown.url) as page:
        page.goto(f"{shown.url}#/studies/{ids['large valley']}")
        page.locator("table.data tbody th").first.wait_for()
        assert page.locator("#counter").inner_text() == "5,000 trials"
        assert page.locator("table.data tbody tr").count() < 120, "only rows in sight are in the page"
        assert page.locator("table.data").get_attribute("aria-rowcount") == str(MANY + 1)
        assert visible(page)[:8] == [row["number"] for row in complete[:8]]  # the best come first
        assert page.locator("th[aria-sort=ascending]").inner_text().startswith("validation_loss")
        began = time.monotonic()
        page.get_by_role("button", name="lr", exact=True).click()
        assert page.locator("th[aria-sort=ascending]").inner_text().startswith("lr")
        took = time.monotonic() - began
        assert visible(page)[:8] == [row["number"] for row in sorted(rows, key=lambda row: row["values"]["lr"])[:8]]
        page.get_by_role("button", name="lr", exact=True).click()
        assert visible(page)[:8] == [row["number"] for row in sorted(rows, key=lambda row: -row["values"]["lr"])[:8]]
        page.locator("#filter").fill("state=failed head_units>=300 adam")
        wanted = [row for row in rows if row["state"] == "failed" and row["values"]["head_units"] >= 300 and row["values"]["optimizer"] == "adam"]
        page.locator("#counter", has_text=f"{len(wanted)} of 5,000 trials").wait_for()
        assert 0 < len(wanted) and set(visible(page)) <= {row["number"] for row in wanted}
        with page.expect_download() as download:
            page.locator("#csv").click()
        saved = list(csv.DictReader(io.StringIO(open(download.value.path()).read())))
        assert sorted(int(row["trial"]) for row in saved) == sorted(row["number"] for row in wanted)
        print(f"sorted {MANY} rows in {1000 * took:.0f} ms, the click and the browser's driver included")


def test_rows_are_walked_through_and_compared_by_keys(browser, shown, place, ids):
    complete = sorted((row for row in place[1] if row["state"] == "complete"), key=loss)
    with page_of(browser, shown.url) as page:
        page.goto(f"{shown.url}#/studies/{ids['large valley']}")
        page.locator("table.data tbody th a").first.focus()
        page.keyboard.press("Space")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Space")
        focused = lambda: int(page.evaluate("document.activeElement.textContent"))
        assert focused() == complete[2]["number"]
        page.keyboard.press("End")
        assert focused() not in [row["number"] for row in complete], "trials without a result come last"
        assert page.evaluate("document.activeElement.closest('tr').getAttribute('aria-rowindex')") == str(MANY + 1)
        page.keyboard.press("Home")
        assert focused() == complete[0]["number"]
        assert page.evaluate("document.querySelectorAll('table.data a[tabindex=\"0\"]').length") == 1, "one stop of the Tab key"
        page.get_by_role("link", name="Compare 2 trials").click()
        page.locator("tr.differs").first.wait_for()
        assert page.locator("h1").inner_text() == "Comparison of 2 trials"
        head = page.locator("table.beside thead").inner_text()
        assert f"Trial {complete[0]['number']}" in head and f"Trial {complete[2]['number']}" in head


@pytest.mark.parametrize("view, charts", [("history", 2), ("parallel", 1), ("slices", 4), ("importance", 1), ("curves", 1)])
def test_every_chart_is_drawn(browser, shown, ids, view, charts):
    with page_of(browser, shown.url) as page:
        page.goto(f"{shown.url}#/studies/{ids['large valley']}?view={view}")
        page.locator(".chart[data-drawn]").nth(charts - 1).wait_for()
        assert page.locator(".chart").count() == charts
        # Something else than the ground was painted, and it says in words what is to be seen.
        for chart in page.locator(".chart").all():
            colors = chart.locator("canvas").first.evaluate("canvas => new Set(new Uint32Array(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.buffer)).size")
            assert colors > 20, view
            assert chart.get_attribute("role") == "img" and len(chart.get_attribute("aria-label")) > 2


def test_two_objectives_have_a_front_and_failures_stay_text(browser, shown, ids):
    with page_of(browser, shown.url) as page:
        page.goto(f"{shown.url}#/studies/{ids['two goals']}?view=front")
        page.locator(".chart[data-drawn]").wait_for()
        assert "that no other beats in both" in page.locator(".figure .remark").inner_text()
        assert HOSTILE in page.locator(".alert").inner_text()
        assert page.locator("main script, main .alert b").count() == 0 and page.title() != "taken"
        page.goto(shown.url)
        assert HOSTILE in page.locator(".problems").inner_text()
        assert page.locator("main script, main .problems b").count() == 0


def test_a_search_is_watched(browser, jetcal, tmp_path):
    """Trials 4 and 5 end when the test lets them."""
    config = tmp_path / "live.yaml"
    config.write_text(LIVE.replace("FOLDER", str(tmp_path)) + f"output: {tmp_path / 'out'}\n")
    tuner = subprocess.Popen([JETCAL, "tune", "--config", config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not (tmp_path / "out" / "trials" / "00005" / "train.log").exists() and not list((tmp_path / "out").glob("trials/00005/*.log")):
        assert tuner.poll() is None
        time.sleep(0.05)
    with board("--study", tmp_path / "out") as shown, page_of(browser, shown.url) as page:
        study = shown.api("studies")["studies"][0]["id"]
        page.goto(f"{shown.url}#/studies/{study}")
        page.locator(".alert .reason", has_text="the detector is not there").wait_for()
        page.locator(".heading .state", has_text="running").wait_for()
        page.locator("table.data tbody td", has_text="running").nth(1).wait_for()
        (tmp_path / "go").touch()
        page.locator(".tile", has_text="complete").get_by_text("5", exact=True).wait_for()
        assert tuner.wait(timeout=60) == 0
        assert page.locator("table.data tbody tr", has_text="complete").count() == 5
        page.goto(f"{shown.url}#/studies/{study}?view=workers")
        page.locator(".figure .remark", has_text="6 stretches of work").wait_for()
        page.goto(f"{shown.url}#/studies/{study}/trials/2")
        page.locator(".alert .reason", has_text="the detector is not there").wait_for()
        page.locator(".log", has_text="the detector is not there").wait_for()
        assert "until test -e" in page.locator("pre.command").first.inner_text()  # what was started
        page.get_by_role("link", name="Next").click()
        page.locator("h1", has_text="Trial 3").wait_for()
        page.locator("#log-pick").wait_for()
        page.locator(".log", has_text="epoch=3").wait_for()
        assert "3 reports of loss" in page.locator(".figure .remark").inner_text()
