"""AUROC and its bootstraps against scikit-learn, one call per resample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from scfm_assets_bench import naive
from scfm_assets_bench.measure import Timed, interleaved
from scfm_assets_bench.record import Result
from scfm_assets_bench.simulated import draw_scores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from scfm_assets.core.metrics import Bins
    from scfm_assets_bench.settings import BenchSettings, Tell

BENCH = "metrics"
RESAMPLES = 1000

NOTES = (
    "Against scikit-learn: indices drawn with replacement, roc_auc_score on the pairs drawn, for each resample.",
    f"Its time for {RESAMPLES} resamples is {RESAMPLES} times the median of the few that are run (extrapolated); every "
    "resample costs the same. Ours runs all of them, and sorts and counts within its time.",
    "Errors are absolute: the same draws, scored by both.",
)


@dataclass(frozen=True)
class MetricsCase:
    """Scores of pairs with some positives."""

    pairs: int
    positives: int
    ties: bool

    @property
    def name(self) -> str:
        """How results call it."""
        return f"{self.pairs:,} pairs, {self.positives:,} positives, {'ties' if self.ties else 'no ties'}"


def cases(settings: BenchSettings) -> list[MetricsCase]:
    """The cases: few and many positives, with ties and without."""
    pairs, positives = (20_000, (20, 160)) if settings.quick else (1_000_000, (161, 8000))
    return [MetricsCase(pairs, n, ties) for n in positives for ties in (False, True)]


def run(settings: BenchSettings, tell: Tell) -> Iterator[Result]:
    """Compare bootstraps over pairs, then one over TFs."""
    for case in cases(settings):
        scores, is_positive = draw_scores(case.pairs, case.positives, ties=case.ties)
        yield compare(
            f"{case.name}: AUROC and {RESAMPLES:,} resamples of pairs",
            lambda s=scores, p=is_positive: resample_pairs(s, p, resamples=RESAMPLES),
            lambda s=scores, p=is_positive: naive.bootstrap_pairs(p, s, resamples=1, rng=np.random.default_rng(0)),
            error=error_of_pairs(scores, is_positive),
            settings=settings,
            tell=tell,
        )
    n_tfs, n_targets = (20, 500) if settings.quick else (1000, 1000)
    scores, is_positive = draw_scores(n_tfs * n_targets, n_tfs * n_targets // 125, ties=False)
    scores, is_positive = scores.reshape(n_tfs, n_targets), is_positive.reshape(n_tfs, n_targets)
    yield compare(
        f"{n_tfs:,} TFs x {n_targets:,} genes: AUROC and {RESAMPLES:,} resamples of TFs",
        lambda: resample_tfs(scores, is_positive, resamples=RESAMPLES),
        lambda: naive.bootstrap_tfs(is_positive, scores, resamples=1, rng=np.random.default_rng(0)),
        error=error_of_tfs(scores, is_positive),
        settings=settings,
        tell=tell,
    )


def compare(
    name: str,
    ours: Callable[[], np.ndarray],
    one_resample: Callable[[], np.ndarray],
    *,
    error: float,
    settings: BenchSettings,
    tell: Tell,
) -> Result:
    """Time all resamples of ours and single ones of scikit-learn in turn."""
    repeats = settings.repeats or (2 if settings.quick else 5)
    ours()
    timed = cast(
        "dict[str, Timed[np.ndarray]]",
        interleaved({"ours": ours, "scikit-learn": one_resample}, repeats=repeats, tell=tell, what=name),
    )
    theirs = timed["scikit-learn"].cpu * RESAMPLES
    return Result(
        BENCH,
        name,
        f"scikit-learn, {RESAMPLES} x one (extrapolated)",
        ratio=theirs / timed["ours"].cpu,
        seconds=timed["ours"].cpu,
        baseline_seconds=theirs,
        error=error,
    )


def resample_pairs(scores: np.ndarray, is_positive: np.ndarray, *, resamples: int) -> np.ndarray:
    """Value and AUROC of resampled pairs with ours, from the scores on: (1 + resamples,)."""
    from scfm_assets.core.metrics import auroc, bins_of

    bins = bins_of(scores, is_positive)
    return np.concatenate([auroc(bins)[None], *map(auroc, draws_of_pairs(bins, resamples=resamples))])


def draws_of_pairs(bins: Bins, *, resamples: int, seed: int = 0) -> Iterator[Bins]:
    """Draw the pairs of a ranking with replacement, some resamples at a time."""
    from scfm_assets.core.statistics import PairBootstrap

    n_pos, n_neg = int(bins.n_pos), int(bins.n_neg)
    drawn = int(np.random.default_rng(seed).integers(2**62))
    return PairBootstrap(n_pos, n_neg, resamples=resamples, seed=drawn).draws(bins)


def joined(parts: Iterable[Bins]) -> Bins:
    """Put the draws of `draws_of_pairs` below each other, shapes (resamples, p)."""
    from scfm_assets.core.metrics import Bins

    names, listed = ("positive", "tied", "below", "n_neg"), list(parts)
    return Bins(*(np.concatenate([getattr(part, name) for part in listed]) for name in names))


def weights_of(scores: np.ndarray, is_positive: np.ndarray, bins: Bins) -> np.ndarray:
    """Spread the bins of one resample over pairs that lie in them, for software that takes a weight for each pair.

    Parameters
    ----------
    scores, is_positive
        The ranking that was resampled, as for `bins_of`.
    bins
        The resample, shapes (p,).

    Returns
    -------
    Weight of each pair, shape (n,): that of the bin on its first pair, 0 on all others.
    """
    from scfm_assets.core.metrics import codes_of

    codes = codes_of(scores, np.unique(scores[is_positive]))
    lower = np.append(bins.below, bins.n_neg)
    negative = np.empty(2 * len(bins.below) + 1)
    negative[1::2] = bins.tied
    negative[0::2] = np.diff(lower, prepend=0) - np.append(0, bins.tied)
    weights = np.zeros(len(scores))
    at_score = np.append(bins.positive, 0)
    for kind, weight_of_code in ((is_positive, at_score.repeat(2)), (~is_positive, negative)):
        pairs = np.flatnonzero(kind)
        held, first = np.unique(codes[pairs], return_index=True)
        weights[pairs[first]] = weight_of_code[held - (kind is is_positive)]
    return weights


def tf_weights(n_tfs: int, *, resamples: int, seed: int = 0) -> np.ndarray:
    """Draw TFs with replacement: how often each is drawn, shape (resamples, n_tfs)."""
    return np.random.default_rng(seed).multinomial(n_tfs, np.full(n_tfs, 1 / n_tfs), size=resamples)


def resample_tfs(scores: np.ndarray, is_positive: np.ndarray, *, resamples: int) -> np.ndarray:
    """Value and AUROC of resampled TFs with ours, from the scores (n_tfs, n_targets) on: (1 + resamples,)."""
    from scfm_assets.core.metrics import auroc
    from scfm_assets.core.statistics import tf_bootstrap

    bins = bins_of_rows(scores, is_positive)
    weights = tf_weights(len(scores), resamples=resamples)
    return np.append(auroc(bins.total()), _auroc_of(tf_bootstrap(bins, weights)))


def bins_of_rows(scores: np.ndarray, is_positive: np.ndarray) -> Bins:
    """Count the bins of each TF's pairs, shapes (n_tfs, p)."""
    from scfm_assets.core.metrics import as_bins, codes_of

    thresholds = np.unique(scores[is_positive])
    n_tfs, width = len(scores), 2 * len(thresholds) + 1
    flat = codes_of(scores, thresholds) + width * np.arange(n_tfs)[:, None]
    every, chosen = (
        np.bincount(codes.ravel(), minlength=n_tfs * width).reshape(n_tfs, width).astype(np.float64)
        for codes in (flat, flat[is_positive])
    )
    return as_bins(every, chosen)


def _auroc_of(draws: np.ndarray) -> np.ndarray:
    from scfm_assets.core.metrics import METRICS

    return draws[[metric.name for metric in METRICS].index("auroc")]


def error_of_pairs(scores: np.ndarray, is_positive: np.ndarray, *, resamples: int = 3) -> float:
    """Largest difference to scikit-learn, of the value and of resamples drawn by ours."""
    from sklearn.metrics import roc_auc_score

    from scfm_assets.core.metrics import bins_of

    bins = bins_of(scores, is_positive)
    drawn = joined(draws_of_pairs(bins, resamples=resamples))
    value, *resampled_values = resample_pairs(scores, is_positive, resamples=resamples)
    differences = [value - roc_auc_score(is_positive, scores)]
    for draw, resampled in enumerate(resampled_values):
        weights = weights_of(scores, is_positive, drawn[draw])
        differences.append(resampled - roc_auc_score(is_positive, scores, sample_weight=weights))
    return float(np.max(np.abs(differences)))


def error_of_tfs(scores: np.ndarray, is_positive: np.ndarray, *, resamples: int = 3) -> float:
    """Largest difference to scikit-learn, of the value and of the same draws of TFs."""
    from sklearn.metrics import roc_auc_score

    weights = tf_weights(len(scores), resamples=resamples)
    value, *resampled_values = resample_tfs(scores, is_positive, resamples=resamples)
    differences = [value - roc_auc_score(is_positive.ravel(), scores.ravel())]
    for times, resampled in zip(weights, resampled_values, strict=True):
        draw = np.repeat(np.arange(len(scores)), times)
        differences.append(resampled - roc_auc_score(is_positive[draw].ravel(), scores[draw].ravel()))
    return float(np.max(np.abs(differences)))
