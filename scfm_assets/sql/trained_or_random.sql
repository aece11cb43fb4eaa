/* Do trained weights score above random ones, slice by slice? Each model at its fixed layer, minus its control of the
   same family with random weights, over the same cells and pairs. `told_apart` counts the slices in which the paired
   difference lies above 0 by every kind of interval, `from_n_cells` says from where on all of them do. The interval is
   the widest one at the largest n_cells. */
with pairs as (
    select tissue, network, model, n_cells, any_value(difference) as difference, min(lo) as lo, max(hi) as hi,
           bool_and(verdict = 'better') as better
    from method_comparison_latest
    where metric = 'auroc' and universe = 'tf_grid' and method = 'attention' and reference_role = 'random'
    group by all
)
select tissue, network, model, max(n_cells) as n_cells,
       round(arg_max(difference, n_cells), 3) as difference,
       round(arg_max(lo, n_cells), 3) as lo, round(arg_max(hi, n_cells), 3) as hi,
       count(*) filter (better) || ' of ' || count(*) as told_apart,
       min(n_cells) filter (n_cells > coalesce(last_doubtful, 0)) as from_n_cells
from (
    select *, max(n_cells) filter (not better) over (partition by tissue, network, model) as last_doubtful from pairs
)
group by tissue, network, model
order by all
