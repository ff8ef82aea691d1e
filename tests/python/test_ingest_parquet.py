# SPDX-License-Identifier: Apache-2.0
"""ingest of Parquet: the shards of the same jets in ROOT; wrong columns and damaged files are named."""

import pyarrow
import pyarrow.parquet
import pytest
from jet_files import JET_BRANCHES, PARTICLE_BRANCHES, make_branches, write_ntuple, write_parquet
from test_ingest import ALL_ROWS, SPLITS, by_source, ingest_error, read_shards


def test_parquet_gives_the_shards_of_the_same_jets(jetcal, tmp_path):
    jets = make_branches(3000)
    write_ntuple(tmp_path / "a.root", jets)
    write_parquet(tmp_path / "a.parquet", jets, row_group_size=700)
    from_root = jetcal("ingest", tmp_path / "a.root", "--output", tmp_path / "root")
    from_parquet = jetcal("ingest", tmp_path / "a.parquet", "--output", tmp_path / "parquet")
    assert from_parquet["rows"] == from_root["rows"] and from_parquet["rows"]["selected"] > 1000
    assert from_parquet["files"][0]["storage"] == "Parquet" and from_parquet["schema"] == "JetTable"
    for split in SPLITS:
        name = f"{split}-00000.arrow"
        assert (tmp_path / "parquet" / name).read_bytes() == (tmp_path / "root" / name).read_bytes()


def test_shards_go_through_parquet_unchanged(jetcal, tmp_path):
    write_ntuple(tmp_path / "a.root", make_branches(500))
    jetcal("ingest", tmp_path / "a.root", "--output", tmp_path / "first", *ALL_ROWS)
    table = by_source(read_shards(tmp_path / "first"))
    pyarrow.parquet.write_table(table, tmp_path / "shards.parquet", compression="zstd")
    jetcal("ingest", tmp_path / "shards.parquet", "--output", tmp_path / "second", *ALL_ROWS)
    again = by_source(read_shards(tmp_path / "second"))
    for name in [*JET_BRANCHES, *PARTICLE_BRANCHES]:
        assert again[name].to_pylist() == table[name].to_pylist(), name


@pytest.mark.parametrize("case", ["missing", "text", "empty", "list", "real"])
def test_a_wrong_column_of_parquet_is_named(jetcal, tmp_path, case):
    path = tmp_path / "a.parquet"
    jets = make_branches(40)
    write_parquet(path, jets, leave_out=("qg_mult", "pf_mass"))
    table = pyarrow.parquet.read_table(path)
    masses = table["pf_pt"]
    counts = {"text": pyarrow.array(["many"] * 40), "empty": pyarrow.array([None] + [1] * 39), "list": table["pf_pt"],
              "real": pyarrow.array([1.5] * 40), "missing": None}[case]
    if counts is not None:
        table = table.append_column("qg_mult", counts)
    pyarrow.parquet.write_table(table.append_column("pf_mass", masses), path)
    status, message = ingest_error(jetcal, tmp_path, path)
    assert status == 2
    assert "qg_mult" in message and "a.parquet" in message, message


def test_an_empty_list_of_parquet_is_no_missing_one(jetcal, tmp_path):
    path = tmp_path / "a.parquet"
    write_parquet(path, make_branches(40))
    table = pyarrow.parquet.read_table(path)
    for missing in ([], None):
        changed = table
        for name in PARTICLE_BRANCHES:
            lists = [missing, *table[name].to_pylist()[1:]]
            at = changed.schema.get_field_index(name)
            changed = changed.set_column(at, name, pyarrow.array(lists, table.schema.field(name).type))
        pyarrow.parquet.write_table(changed, path)
        if missing is not None:
            jetcal("ingest", path, "--output", tmp_path / "good")
    status, message = ingest_error(jetcal, tmp_path, path)
    assert status == 2
    assert "pf_pt" in message and "empty values" in message, message


def test_truncated_and_damaged_parquet_is_one_sentence(jetcal, tmp_path):
    write_parquet(tmp_path / "a.parquet", make_branches(400), write_page_checksum=True)
    data = bytearray((tmp_path / "a.parquet").read_bytes())
    for size in (5, len(data) // 2, len(data) - 1):
        (tmp_path / "cut.parquet").write_bytes(data[:size])
        status, message = ingest_error(jetcal, tmp_path, tmp_path / "cut.parquet")
        assert status == 4 and message.startswith(f"truncated or damaged Parquet file {tmp_path}/cut.parquet"), message
    data[len(data) // 3: len(data) // 3 + 2000] = b"\x5a" * 2000
    (tmp_path / "bad.parquet").write_bytes(data)
    status, message = ingest_error(jetcal, tmp_path, tmp_path / "bad.parquet")
    assert status == 4 and "bad.parquet" in message
