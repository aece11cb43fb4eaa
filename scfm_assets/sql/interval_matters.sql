/* Which conclusion depends on the kind of interval? Widths at the largest n_cells, and what follows from each kind, in
   the same order: + where the whole 95 % interval of the AUROC lies above 0.5, - below, 0 where it holds 0.5 (mean of
   the repeats; models at their fixed layer). Network asks what other TFs and targets would say, TFs and targets what one
   of them would while the other stays; cells ask what other cells of the same donors would, and of other donors where
   there are enough (column `cells`): a score can be steady over those and still rest on a few TFs or popular targets. */
with rankings as (
    from metrics_latest
    where metric = 'auroc' and universe = 'tf_grid' and interval <> 'pairs' and head is null and lo is not null
    qualify n_cells = max(n_cells) over (partition by tissue)
), scores as (
    select tissue, network, model, method, direction, interval,
           avg(value) as auroc, avg(hi - lo) as width, avg(lo) as lo, avg(hi) as hi
    from rankings
    where layer is null
       or (tissue, network, model, method, layer, direction) in
          (select (tissue, network, model, method, layer, direction) from scaling_curves_latest)
    group by all
), told as (
    select *, case when lo > 0.5 then '+' when hi < 0.5 then '-' else '0' end as conclusion from scores
)
select tissue, network, model, method, round(any_value(auroc), 3) as auroc,
       round(any_value(width) filter (interval = 'network'), 3) as network_wide,
       round(any_value(width) filter (interval = 'tfs'), 3) as tfs,
       round(any_value(width) filter (interval = 'targets'), 3) as targets,
       round(any_value(width) filter (interval in ('cells', 'donors')), 3) as cells,
       string_agg(conclusion, ' ' order by list_position(['network', 'tfs', 'targets', 'cells', 'donors'], interval))
           as conclusions,
       count(distinct conclusion) > 1 as depends
from told
group by tissue, network, model, method, direction
having depends or method = 'attention'
order by depends desc, tissue, network, model, method
