/* Which edges score highest and are in no network? The three strongest of each model at its fixed layer and the largest
   n_cells (mean of the repeats), with the share of the known edges that they outscore. Random weights have such a list,
   too: it proposes nothing by itself. */
with fixed as (
    select distinct tissue, model, layer, direction, method from scaling_curves_latest where method = 'attention'
), names as (
    select tissue, symbol, unnest([symbol, gene_id]) as name from gene_panel_latest
), known as (
    select distinct t.tissue, t.symbol as tf, g.symbol as target
    from networks_latest n join names t on t.name = n.tf join names g on g.name = n.target and g.tissue = t.tissue
), edges as (
    select tissue, model, layer, tf, target, avg(score) as score, min(n_cells_seen) as cells
    from (
        from edge_scores_latest semi join fixed using (tissue, model, layer, direction, method)
        where head is null
        qualify n_cells = max(n_cells) over (partition by tissue)
    )
    group by all
), strongest as (
    select *, row_number() over (partition by tissue, model order by score desc, tf, target) as rank
    from edges anti join known using (tissue, tf, target)
    qualify rank <= 3
), known_edges as (
    from edges semi join known using (tissue, tf, target)
)
select s.tissue, s.model, s.rank, s.tf, s.target, round(s.score, 5) as score, s.cells,
       round(avg((k.score < s.score)::int), 3) as above_known
from strongest s left join known_edges k using (tissue, model)
group by all
order by all
