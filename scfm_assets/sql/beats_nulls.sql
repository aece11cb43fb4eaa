/* Does attention, at its fixed layer, beat each null at the largest n_cells? A null knows single genes, no pairs.
   The column of a null holds attention's AUROC minus the null's. `beaten` counts the nulls that lie below the whole
   95 % interval of attention (over TFs and targets, mean of the repeats). */
with largest as (
    from metrics_latest
    where metric = 'auroc' and universe = 'tf_grid' and interval = 'network'
    qualify n_cells = max(n_cells) over (partition by tissue)
), scores as (
    select tissue, network, model, method, layer, direction, avg(value) as auroc, avg(lo) as lo, avg(hi) as hi
    from largest
    group by all
), attention as (
    select tissue, network, model, auroc, lo, hi
    from scores semi join scaling_curves_latest using (tissue, network, model, method, layer, direction)
    where method = 'attention'
)
select a.tissue, a.network, a.model, round(a.auroc, 3) as auroc, round(a.lo, 3) as lo, round(a.hi, 3) as hi,
       round(a.auroc - max(s.auroc) filter (s.method = 'mean_product'), 3) as mean_product,
       round(a.auroc - max(s.auroc) filter (s.method = 'detection_product'), 3) as detection_product,
       round(a.auroc - max(s.auroc) filter (s.method = 'variance_product'), 3) as variance_product,
       round(a.auroc - max(s.auroc) filter (s.method = 'uniform_attention'), 3) as uniform_attention,
       count(*) filter (a.lo > s.auroc) || ' of ' || count(*) as beaten
from attention a join scores s using (tissue, network)
where s.method in ('mean_product', 'detection_product', 'variance_product', 'uniform_attention')
group by a.tissue, a.network, a.model, a.auroc, a.lo, a.hi
order by all
