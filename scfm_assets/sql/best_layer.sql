/* Which layer scores highest in each tissue? A look at all layers, not a way to choose one:
   the layer of a curve is fixed in the catalog, and stands in the last two columns. */
with largest as (
    from metrics_latest
    where metric = 'auroc' and universe = 'tf_grid' and interval = 'network'
      and method = 'attention' and direction = 'tf_queries'
    qualify n_cells = max(n_cells) over (partition by tissue)
), layers as (
    select tissue, network, model, layer, avg(value) as auroc from largest group by all
), fixed as (
    select distinct tissue, network, model, layer from scaling_curves_latest
    where method = 'attention' and direction = 'tf_queries'
)
select l.tissue, l.network, l.model,
       arg_max(l.layer, l.auroc) as highest_layer, round(max(l.auroc), 3) as its_auroc,
       any_value(f.layer) as fixed_layer, round(max(l.auroc) filter (l.layer = f.layer), 3) as fixed_auroc
from layers l left join fixed f using (tissue, network, model)
group by all
order by all
