/* Does attention, at its fixed layer, beat each null at the largest n_cells? A null knows single genes, no pairs. Ranked
   are the pairs that all methods can score: 'common', or all of tf_grid where every method sees every gene.
   `beaten` counts the nulls that it is better than by paired differences, over TFs and over cells; `hardest` is the one
   that it is least above, `over_hardest` and `over_expression` its AUROC minus that null's and minus that of the model of
   all that single genes are like. */
with largest as (
    from method_comparison_latest
    where metric = 'auroc' and universe in ('common', 'tf_grid') and reference_role = 'null' and method = 'attention'
    qualify n_cells = max(n_cells) over (partition by tissue)
        and universe = min(universe) over (partition by tissue, n_cells, network)
), nulls as (
    select tissue, network, model, reference_model, reference, any_value(value) as auroc,
           any_value(difference) as difference, bool_and(verdict = 'better') as beaten
    from largest
    group by tissue, network, model, reference_model, reference
)
select tissue, network, model, round(any_value(auroc), 3) as auroc,
       arg_min(reference, difference) as hardest, round(min(difference), 3) as over_hardest,
       round(any_value(difference) filter (reference = 'expression_alone'), 3) as over_expression,
       count(*) filter (beaten) || ' of ' || count(*) as beaten
from nulls
group by tissue, network, model
order by all
