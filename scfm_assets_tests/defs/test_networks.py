"""The asset of a reference network: what it tells of itself, and what makes it anew."""

from __future__ import annotations

from copy import deepcopy

from scfm_assets.core.base.digest import digest_file
from scfm_assets.inputs import sources
from scfm_assets.partitions import Place
from scfm_assets_tests.platforms import TINY, Home


def test_a_network_tells_version_digest_licence_and_every_repair_and_follows_its_gene_table(home: Home) -> None:
    (home.folder / "mine.csv").write_text("tf,target,level\nMYC,SEPT7,A\nMYC,7-Sep,A\nMYC,2-Mar,A\nMYC,X,B\n")
    genes = home.folder / "genes.tsv"
    genes.write_text("gene_name\tensembl_id\nMYC\tENSG00000136997\n")
    catalog = deepcopy(TINY)
    mine = {"file": "mine.csv", "columns": {"confidence": "level"}, "dates": "repair", "gene_table": "genes.tsv"}
    catalog["networks"]["mine"] = {**mine, "where": {"level": "A"}, "version": "3", "licence": "CC0"}
    home.write(catalog)
    chosen = 'key:"networks/mine"'
    assert home.run(select=chosen).success
    first = home.store.manifest("networks/mine", Place())
    assert first is not None
    told = {"version": "3", "licence": "CC0", "rows_read": 4, "filtered": 1, "dates_repaired": 1, "dates_dropped": 1}
    assert {name: first.facts.get(name) for name in told} == told
    assert first.facts["named_by_table"] == 1
    network = sources.read_network(home.catalog, "mine")
    assert first.facts["digest"] == network.digest
    stored = home.store.read(first, home.platform.nodes["networks/mine"].format)
    assert stored.select(network.table.column_names).equals(network.table)
    assert sources.network_files(home.catalog, "mine") == {"mine.csv": digest_file(home.folder / "mine.csv")}

    assert not home.run(select=chosen).computed
    genes.write_text("gene_name\tensembl_id\nMYC\tENSG00000136997\nSEPT7\tENSG00000122545\n")
    assert [done.asset for done in home.run(select=chosen).computed] == ["networks/mine"]
    second = home.store.manifest("networks/mine", Place())
    assert second is not None
    assert second.facts["named_by_table"] == 2
    assert second.version != first.version
