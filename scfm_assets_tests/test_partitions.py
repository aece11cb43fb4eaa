"""One grid: keys are built and parsed in one place, and our relations are Dagster's mappings."""

from __future__ import annotations

import dagster as dg
import pytest

from scfm_assets.partitions import Grid, Place, Relation, Space

GRID = Grid(("lung", "blood-2"), (25, 100, 400))


@pytest.mark.parametrize("space", list(Space))
def test_places_survive_the_way_through_a_key(space: Space) -> None:
    for place in GRID.places(space):
        assert GRID.parse(place.key) == place


def test_dagster_orders_the_dimensions_by_name() -> None:
    assert str(Place("lung", 100).key) == "100|lung"


def test_every_place_of_a_space_is_a_partition() -> None:
    assert {p.key for p in GRID.places(Space.SLICE)} == set(GRID.by_slice.get_partition_keys())
    assert {p.key for p in GRID.places(Space.TISSUE)} == set(GRID.by_tissue.get_partition_keys())


def test_the_base_of_a_count_is_the_next_smaller_one() -> None:
    assert [GRID.base_of(n) for n in GRID.counts] == [0, 25, 100]


CASES = [
    (Space.SLICE, Relation.SAME, Space.SLICE),
    (Space.SLICE, Relation.UP_TO, Space.SLICE),
    (Space.SLICE, Relation.SAME, Space.TISSUE),
    (Space.TISSUE, Relation.ALL, Space.SLICE),
    (Space.TISSUE, Relation.SAME, Space.TISSUE),
    (Space.WHOLE, Relation.ALL, Space.SLICE),
    (Space.SLICE, Relation.SAME, Space.WHOLE),
]


@pytest.mark.parametrize(("here", "relation", "there"), CASES)
def test_our_relations_read_what_dagsters_mappings_say(here: Space, relation: Relation, there: Space) -> None:
    @dg.asset(partitions_def=GRID.definition(there))
    def above() -> None: ...

    mapping = relation.mapping(GRID, here, there)

    @dg.asset(partitions_def=GRID.definition(here), deps=[dg.AssetDep(above, partition_mapping=mapping)])
    def below() -> None: ...

    graph = dg.Definitions([above, below]).resolve_asset_graph()
    for place in GRID.places(here):
        ours = {p.key for p in relation.upstream(GRID, place, there)}
        if there is Space.WHOLE:
            assert ours == {None}
            continue
        if here is Space.WHOLE:
            assert ours == set(GRID.by_slice.get_partition_keys())
            continue
        found = graph.get_partition_mapping(below.key, above.key).get_upstream_mapped_partitions_result_for_partitions(
            GRID.definition(here).subset_with_partition_keys([place.key]), GRID.definition(here), GRID.definition(there)
        )
        assert ours == set(found.partitions_subset.get_partition_keys())


def test_mappings_are_built_in_ones() -> None:
    # A custom subclass works inside a run and is silently dropped by the daemon.
    for here, relation, there in CASES:
        mapping = relation.mapping(GRID, here, there)
        assert mapping is None or type(mapping).__module__.startswith("dagster.")
