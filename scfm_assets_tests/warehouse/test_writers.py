"""Several processes write tables and publish while another reads: nobody fails, nobody waits, no half row is seen."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

WRITER = """
import json, sys, time
from pathlib import Path
import pyarrow as pa
from scfm_assets.core.base import digest_json
from scfm_assets.partitions import Place
from scfm_assets.resources.store import Format, Output, Store
from scfm_assets_tests.published import publish
from scfm_assets.tables.schema import check_table
from scfm_assets_tests.warehouse.test_publish import panel

home, writer, seconds = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
words = Format(".txt", lambda path, text: path.write_text(text), Path.read_text, digest_json)
store, times, round_, failed, end = Store(home), [], 0, 0, time.monotonic() + seconds
while time.monotonic() < end:
    for tissue in (f"own{writer}", "shared"):  # a slice of its own, and one that all four fight for
        rows = panel(tissue, 1000)
        begun = time.perf_counter()
        try:
            output = Output(words, "", {"gene_panel": rows}, code="1", config="", inputs={})
            store.write("atlas/gene_panel", Place(tissue), output)
        except Exception:
            failed += 1
            raise
        finally:
            times.append(time.perf_counter() - begun)
    round_ += 1
    if round_ % 20 == writer:
        publish(home)
print(json.dumps({"times": times, "failed": failed}))
"""

READER = """
import json, sys, time
import duckdb

path, seconds = sys.argv[1], float(sys.argv[2])
reads, wrong, failed, end = 0, [], [], time.monotonic() + seconds
while time.monotonic() < end:
    try:
        with duckdb.connect(path, read_only=True) as con:
            found = con.execute(
                "select tissue, count(*), count(distinct gene_id), count(distinct materialization)"
                " from gene_panel group by 1"
            ).fetchall()
            con.execute("select count(*) from gene_panel_latest").fetchall()
    except duckdb.Error as error:
        failed.append(str(error))
        continue
    reads += 1
    wrong += [row for row in found if row[1:] != (1000, 1000, 1)]
print(json.dumps({"reads": reads, "wrong": wrong, "failed": failed}))
"""


def _start(code: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)], stdout=subprocess.PIPE, text=True)


def _said(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, _ = process.communicate(timeout=300)
    assert process.returncode == 0
    return json.loads(out)


@pytest.mark.long
@pytest.mark.parametrize("seconds", [4, 60])
def test_four_writers_and_a_reader_do_not_disturb_each_other(tmp_path: Path, seconds: int) -> None:
    _said(_start(WRITER, tmp_path, 1, 0.01))  # one round of the second writer, which publishes after it
    writers = [_start(WRITER, tmp_path, writer, seconds) for writer in range(4)]
    reader = _start(READER, tmp_path / "scfm.duckdb", seconds)
    read, wrote = _said(reader), [_said(writer) for writer in writers]
    times = [time for writer in wrote for time in writer["times"]]
    middle, high = np.percentile(times, [50, 95]) * 1000
    print(f"\n{len(times)} writes, median {middle:.1f} ms, p95 {high:.1f} ms, longest {max(times) * 1000:.0f} ms; "
          f"{read['reads']} reads")  # fmt: skip
    assert read["failed"] == []
    assert read["wrong"] == []
    assert read["reads"] > 3
    assert sum(writer["failed"] for writer in wrote) == 0
    assert all(writer["times"] for writer in wrote)
    assert list(tmp_path.rglob(".data*")) == []
