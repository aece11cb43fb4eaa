/* Do the two directions and the lift agree? The AUROC of the fixed layer, read in four ways at the largest n_cells: the
   TF as the attending gene (queries) or as the attended one (keys), attention as it is or lifted by the number of keys.
   `sides` says, in the order of the columns, where the 95 % interval (over TFs and targets, mean of the repeats) lies:
   + above 0.5, - below, 0 where it holds 0.5, and nothing is told. */
with fixed as (
    select distinct tissue, network, model, layer from scaling_curves_latest where method = 'attention'
), largest as (
    from metrics_latest semi join fixed using (tissue, network, model, layer)
    where metric = 'auroc' and universe = 'tf_grid' and interval = 'network' and head is null
      and method in ('attention', 'attention_lift')
    qualify n_cells = max(n_cells) over (partition by tissue)
), readings as (
    select tissue, network, model, layer, method, direction, avg(value) as auroc,
           case when avg(lo) > 0.5 then '+' when avg(hi) < 0.5 then '-' else '0' end as side
    from largest
    group by all
)
select tissue, network, model, layer,
       round(any_value(auroc) filter (method = 'attention' and direction = 'tf_queries'), 3) as queries,
       round(any_value(auroc) filter (method = 'attention' and direction = 'tf_keys'), 3) as keys,
       round(any_value(auroc) filter (method = 'attention_lift' and direction = 'tf_queries'), 3) as lifted_queries,
       round(any_value(auroc) filter (method = 'attention_lift' and direction = 'tf_keys'), 3) as lifted_keys,
       string_agg(side, ' ' order by method, direction desc) as sides
from readings
group by tissue, network, model, layer
order by all
