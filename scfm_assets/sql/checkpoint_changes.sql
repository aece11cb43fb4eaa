/* What changed between checkpoints? Attention at its fixed layer, now and with the checkpoint before, at the largest
   n_cells: the same cells and pairs (95 % interval of the difference over TFs and targets, mean of the repeats). A model
   that had one checkpoint only says so. */
with fixed as (
    select distinct tissue, network, model, layer, direction
    from scaling_curves_latest
    where method = 'attention'
), changes as (
    from checkpoint_comparison_latest
    where metric = 'auroc' and universe = 'tf_grid' and interval = 'network' and method = 'attention' and head is null
    qualify n_cells = max(n_cells) over (partition by tissue, model)
)
select tissue, network, model, layer,
       coalesce(any_value(checkpoint_before) || ' -> ' || any_value(checkpoint), 'one checkpoint only') as change,
       round(avg(value_before), 3) as before, round(avg(value), 3) as now, round(avg(difference), 3) as difference,
       round(avg(lo), 3) as lo, round(avg(hi), 3) as hi,
       string_agg(distinct verdict, ', ' order by verdict) as verdict
from fixed left join changes using (tissue, network, model, layer, direction)
group by tissue, network, model, layer
order by all
