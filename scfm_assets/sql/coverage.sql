/* Which share of the candidate pairs, and of the positives among them, do n_cells cells show together at least once?
   All other pairs tie at score 0. As far as a scaling curve follows these shares, it is their shadow. */
with seen as (
    from metrics_latest where metric = 'auroc' and universe = 'tf_grid'
)
pivot seen on tissue using round(avg(pair_coverage), 4) as pairs, round(avg(positive_coverage), 4) as positives
group by network, n_cells
order by network, n_cells
