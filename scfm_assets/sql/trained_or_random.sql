/* Do trained weights score above random ones, slice by slice? Each model at its fixed layer, minus the control whose
   name says `random`, over the same cells and pairs. `told_apart` counts the slices and repeats in which the whole
   95 % interval of the difference lies above 0, `from_n_cells` says from where on all of them do. The interval adds the
   two intervals over TFs and targets in quadrature, as if they were independent. */
with fixed as (
    select distinct tissue, network, model, layer, direction, method
    from scaling_curves_latest
    where method = 'attention'
), scores as (
    select tissue, network, n_cells, repeat, model, value, (hi - lo) / 2 as reach
    from metrics_latest semi join fixed using (tissue, network, model, layer, direction, method)
    where metric = 'auroc' and universe = 'tf_grid' and interval = 'network' and head is null
), pairs as (
    select tissue, network, model, n_cells, t.value - r.value as difference,
           sqrt(t.reach ** 2 + r.reach ** 2) as reach
    from (from scores where model not like '%random%') t
    join (select * exclude (model), model as control from scores where model like '%random%') r
        using (tissue, network, n_cells, repeat)
)
select tissue, network, model, max(n_cells) as n_cells,
       round(avg(difference) filter (n_cells = largest), 3) as difference,
       round(avg(difference - reach) filter (n_cells = largest), 3) as lo,
       round(avg(difference + reach) filter (n_cells = largest), 3) as hi,
       count(*) filter (difference > reach) || ' of ' || count(*) as told_apart,
       min(n_cells) filter (n_cells > coalesce(last_doubtful, 0)) as from_n_cells
from (
    select *, max(n_cells) over slices as largest,
           max(n_cells) filter (difference <= reach) over slices as last_doubtful
    from pairs
    window slices as (partition by tissue, network, model)
)
group by tissue, network, model
order by all
