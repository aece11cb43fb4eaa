from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from scfm_assets_bench import attention, memory, naive, roofline, workers
from scfm_assets_bench.engine import sum_attention
from scfm_assets_bench.models import SHAPES, base_encoder, collecting_encoder, config_of, masked_language_model
from scfm_assets_bench.processes import DiedError
from scfm_assets_bench.settings import BenchSettings
from scfm_assets_bench.simulated import draw_cells, spread_lengths
from scfm_assets_tests.bench.tiny import FRAMED, TINY, silent

TOLERANCE = 2e-5
LENGTHS = (60, 12, 33, 47, 25)


def test_the_shapes_have_as_many_parameters_as_the_published_models():
    from transformers import BertModel

    found = {}
    for key, shape in SHAPES.items():
        with torch.device("meta"):
            found[key] = sum(p.numel() for p in BertModel(config_of(shape), add_pooling_layer=False).parameters())
    assert found == {
        "v1-6l": pytest.approx(10e6, rel=0.05),
        "v1-12l": pytest.approx(38e6, rel=0.05),
        "v2-104m": pytest.approx(104e6, rel=0.05),
    }


def test_cells_hold_distinct_genes_and_as_many_of_the_panel_as_real_ones():
    cells = draw_cells(SHAPES["v1-6l"], (500, 1500))
    assert all(len(np.unique(row)) == len(row) and row.min() >= 2 for row in cells.rows)
    short, long = cells.in_panel
    assert 290 <= short <= 390
    assert 650 <= long <= 770
    assert (cells.panel_of_token >= 0).sum() == 1000
    framed = draw_cells(FRAMED, (30,), n_panel=50)
    assert framed.lengths == (30,)
    assert framed.rows[0][[0, -1]].tolist() == [2, 3]


@pytest.mark.parametrize("shape", [TINY, FRAMED], ids=lambda shape: shape.name)
def test_both_baselines_and_the_engine_agree_with_float64(shape):
    cells = draw_cells(shape, LENGTHS, n_panel=100)
    eager = base_encoder(shape, "eager")
    exact = naive.reference(eager, cells)
    seen = exact.pairs > 0
    ours = sum_attention(collecting_encoder(shape), cells)
    typical = naive.typical(masked_language_model(shape), cells, batch=2)
    careful = naive.careful(eager, cells)
    assert seen.any()
    assert not seen.all()
    for found in (ours, typical, careful):
        np.testing.assert_array_equal(found.pairs, exact.pairs)
        assert naive.relative_error(found.plain, exact.plain, seen) < TOLERANCE
    assert naive.relative_error(ours.lifted, exact.lifted, seen) < TOLERANCE


def test_the_float64_reference_reads_the_maps_that_transformers_returns():
    cells = draw_cells(TINY, (40,), n_panel=200)
    eager = base_encoder(TINY, "eager").double()
    row = cells.rows[0]
    with torch.no_grad():
        maps = eager(torch.from_numpy(row)[None], output_attentions=True).attentions
    expected = np.zeros((2, 200, 200))
    for i, one in enumerate(row):
        for j, other in enumerate(row):
            pair = cells.panel_of_token[one], cells.panel_of_token[other]
            if min(pair) >= 0:
                expected[:, *pair] = [float(layer[0, :, i, j].mean()) for layer in maps]
    np.testing.assert_allclose(naive.reference(eager, cells).plain, expected, rtol=1e-12)


def test_attention_of_the_random_models_is_far_from_even():
    cells = draw_cells(TINY, (50,), n_panel=200)
    exact = naive.reference(base_encoder(TINY, "eager"), cells)
    assert exact.lifted.max() > 2


def test_a_case_gives_a_line_per_baseline_and_one_each_for_memory_error_and_limit(monkeypatch):
    peaks = {"ours": 10, "typical": 400, "careful": 30}
    monkeypatch.setattr(memory, "peak_of", lambda side, *_, **__: peaks[side])
    case = attention.AttentionCase(TINY, "a few tokens", LENGTHS, batch=2, exact=3, n_panel=100)
    typical, careful, memory_line, error, limit = attention.compare(case, BenchSettings(repeats=2), silent)
    assert (typical.baseline, careful.baseline) == ("typical, batch 2", "careful")
    for line in (typical, careful):
        assert line.ratio == line.baseline_seconds / line.seconds
        assert 0 < line.error < TOLERANCE
        assert line.peak_bytes == 10
        assert line.roofline_share > 0
    assert (typical.baseline_peak_bytes, careful.baseline_peak_bytes) == (400, 30)
    assert memory_line.ratio == 40
    assert error.error == typical.error
    assert error.ratio > 0
    assert limit.ratio == limit.roofline_share == typical.roofline_share


def test_a_side_that_dies_for_want_of_memory_has_no_peak_but_a_time(monkeypatch):
    told = []

    def peak_of(side, *_, **__):
        if side == "typical":
            message = "exit code -9"
            raise DiedError(message)
        return 10

    monkeypatch.setattr(memory, "peak_of", peak_of)
    case = attention.AttentionCase(TINY, "a few tokens", LENGTHS, batch=2, exact=1, n_panel=100)
    typical, careful, memory_line, *_ = attention.compare(case, BenchSettings(repeats=1), told.append)
    assert (typical.baseline_peak_bytes, careful.baseline_peak_bytes, memory_line.ratio) == (None, 10, None)
    assert typical.ratio > 0
    assert any("not known: exit code -9" in words for words in told)


def test_memory_is_compared_between_few_and_many_cells(monkeypatch):
    monkeypatch.setattr(memory, "peak_of", lambda side, shape, lengths, **_: 1000 + len(lengths))
    line = attention.flat_memory(TINY, (100, 2000), threads=1, tell=silent)
    assert (line.peak_bytes, line.baseline_peak_bytes) == (3000, 1100)
    assert line.ratio == 3000 / 1100


def test_sides_that_count_other_pairs_are_not_compared():
    cells = draw_cells(TINY, (20, 30), n_panel=100)
    ours, theirs = sum_attention(collecting_encoder(TINY), cells), naive.careful(base_encoder(TINY, "eager"), cells)
    attention.check_same_pairs("cells", ours, theirs)
    theirs.pairs[0, 0] += 1
    with pytest.raises(RuntimeError, match="1 pairs of genes are counted differently"):
        attention.check_same_pairs("cells", ours, theirs)


def test_fewer_layers_are_compared_with_all():
    lines = list(attention.layers_wanted(replace(FRAMED, layers=4), (20, 40), repeats=1, tell=silent, n_panel=100))
    assert [line.case.partition(": ")[2] for line in lines] == ["layers 1-2", "layer 2 alone", "layer 1 alone"]
    assert {line.baseline for line in lines} == {"all 4 layers"}


def test_workers_share_all_cells_by_length_and_their_sums_add_up():
    lengths = spread_lengths(10, 60, 7)
    first, second = workers.shares_of(lengths, 2)
    assert sorted(first + second) == list(range(7))
    assert abs(sum(lengths[i] for i in first) - sum(lengths[i] for i in second)) <= max(lengths) - min(lengths)
    halves = [workers.sums_of(TINY, lengths, share) for share in (first, second)]
    whole = workers.sums_of(TINY, lengths, list(range(7)))
    np.testing.assert_array_equal((halves[0] + halves[1]).pairs, whole.pairs)
    np.testing.assert_allclose((halves[0] + halves[1]).plain, whole.plain, rtol=TOLERANCE)


def test_the_floating_point_operations_are_those_that_torch_counts():
    L, m, h, H = 40, 15, FRAMED.hidden, FRAMED.heads
    encoder = base_encoder(FRAMED, "eager")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        encoder(torch.arange(4, 4 + L)[None])
    one_more, _ = roofline.work_of(replace(FRAMED, layers=4), L, m)
    projections_and_rows = L * 4 * h**2 + 2 * m * L * h
    assert one_more - projections_and_rows == counter.get_total_flops()
    flop, exps = roofline.work_of(FRAMED, L, m)
    assert exps == 2 * H * L * L + H * m * L
    assert roofline.work_of(replace(FRAMED, layers=5), L, m, last_layer=3) == (flop, exps)


def test_the_limit_is_the_time_of_all_work_at_the_rates_measured():
    cells = draw_cells(TINY, (20, 30), n_panel=100)
    flop, exps = np.sum(
        [roofline.work_of(TINY, n, m) for n, m in zip(cells.lengths, cells.in_panel, strict=True)], axis=0
    )
    limit = roofline.limit_seconds(TINY, cells, roofline.Rates(1e9, 1e8))
    assert limit == pytest.approx(flop / 1e9 + exps / 1e8)
    rates = roofline.measure_rates(TINY, 30, seconds=0.002)
    assert rates.flops > 0
    assert rates.exps > 0


def test_a_batch_is_halved_until_its_maps_fit(monkeypatch):
    shape = SHAPES["v2-104m"]
    for free, batch in ((None, 8), (1e12, 8), (23e9, 4), (8e9, 2), (1e6, 1)):
        monkeypatch.setattr(memory.machine, "free_memory", lambda free=free: free)
        assert memory.batch_that_fits(shape, [2048] * 8, 8) == batch
    assert memory.batch_that_fits(shape, [10, 20], 8) <= 2


def test_every_model_has_a_case_and_quick_ones_are_small():
    everything = attention.cases(BenchSettings())
    assert {case.shape.name for case in everything} == {"V1-6L", "V1-12L", "V2-104M"}
    for model in SHAPES:
        assert attention.cases(BenchSettings(model=model))
        quick = attention.cases(BenchSettings(model=model, quick=True))
        assert {case.shape for case in quick} == {SHAPES[model]}
        assert max(max(case.lengths) for case in quick) <= 500
