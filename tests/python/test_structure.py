# SPDX-License-Identifier: Apache-2.0
"""The layer check fails where it must: each case breaks a copy of the tree in one way."""

import pathlib
import re
import shutil
import subprocess

import pytest

from conftest import JETCAL, ROOT


def check(tree):
    result = subprocess.run(["/usr/bin/python3", tree / "tools" / "check_layers.py"], capture_output=True, text=True)
    return result.returncode, result.stdout


@pytest.fixture
def tree(tmp_path):
    shutil.copytree(ROOT / "jetcal", tmp_path / "jetcal")
    (tmp_path / "tools").mkdir()
    shutil.copy(ROOT / "tools" / "check_layers.py", tmp_path / "tools")
    return tmp_path


def test_the_tree_as_it_is_passes(tree):
    status, output = check(tree)
    assert status == 0, output


@pytest.mark.parametrize("path, text, complaint", [
    ("jetcal/edm/features.cc", '#include "jetcal/models/model.h"\n', "edm may not include models"),
    ("jetcal/models/model.cc", '#include <torch/torch.h>\n', "models may not see torch"),
    ("jetcal/server/server.cc", '#include "jetcal/engine/detail/x.h"\n', "detail/ of engine is private to it"),
])
def test_a_forbidden_include_is_named(tree, path, text, complaint):
    file = next((tree / path).parent.glob("*.cc"))
    file.write_text(text + file.read_text())
    status, output = check(tree)
    assert status == 1 and complaint in output, output


def test_an_idle_arrow_and_a_cycle_are_named(tree):
    line = tree / "jetcal" / "edm" / "CMakeLists.txt"
    line.write_text(line.read_text().replace("DEPENDS base", "DEPENDS base kernels"))
    status, output = check(tree)
    assert status == 1 and "idle arrow, nothing in edm includes kernels" in output
    line = tree / "jetcal" / "base" / "CMakeLists.txt"
    line.write_text(line.read_text().replace("jetcal_room(base", "jetcal_room(base DEPENDS edm"))
    status, output = check(tree)
    assert "rooms form a cycle" in output, output


def test_the_c_plus_plus_library_comes_before_root():
    """ROOT's libCore exports a copy of std::filesystem of an older compiler, which nobody else may call."""
    program = pathlib.Path(JETCAL).parent.parent / "libexec" / "jetcal" / "jetcal-physics"
    output = subprocess.run(["readelf", "-d", program], capture_output=True, text=True, check=True).stdout
    needed = [line.split("[")[1].rstrip("]") for line in output.splitlines() if "(NEEDED)" in line]
    assert "libCore.so" in needed
    assert needed[0].startswith("libstdc++.so"), needed


def test_the_gpu_check_lists_what_it_checks_without_a_gpu():
    result = subprocess.run(["bash", ROOT / "tools" / "gpu_check.sh", "--list"], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    checks = set(re.findall(r"^JETCAL_CHECK\((\w+)\)", "".join(
        path.read_text() for path in (ROOT / "tests" / "cuda").glob("*.cc")), re.MULTILINE))
    assert len(checks) > 20
    listed = {line.strip() for line in result.stdout.splitlines()}
    assert checks <= listed
