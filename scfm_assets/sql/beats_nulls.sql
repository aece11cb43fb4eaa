/* Does attention, at its fixed layer, beat each null at the largest n_cells? A null knows single genes, no pairs. Ranked
   are the pairs that all methods can score: 'common', or all of tf_grid where every method sees every gene.
   `beaten` counts the nulls to which the paired difference of the AUROC lies above 0 by every kind of interval (over the
   same pairs, the same left out of both), and `least` is the smallest of these differences, to `hardest`, with its
   interval; `over_expression` is that to the model of all that single genes are like. Beating the nulls needs all of
   them, and to be better than on networks with the same degrees (p_degrees). */
with verdicts as (
    from method_verdicts_latest
    where metric = 'auroc' and universe in ('common', 'tf_grid') and method = 'attention'
    qualify n_cells = max(n_cells) over (partition by tissue)
        and universe = min(universe) over (partition by tissue, n_cells, network)
), nulls as (
    select tissue, n_cells, network, universe, model, reference_model, reference, bool_and(verdict = 'better') as beaten,
           min(difference) as difference, min(lo) as lo, arg_min(hi, lo) as hi
    from method_comparison_latest
    where metric = 'auroc' and method = 'attention' and reference_role = 'null'
    group by all
)
select tissue, network, model, round(any_value(value), 3) as auroc,
       count(*) filter (beaten) || ' of ' || count(*) as beaten, arg_min(reference, difference) as hardest,
       round(min(difference), 3) as least, round(arg_min(lo, difference), 3) as lo, round(arg_min(hi, difference), 3) as hi,
       round(any_value(difference) filter (reference = 'expression_alone'), 3) as over_expression,
       round(any_value(p_degrees), 3) as p_degrees, round(any_value(power), 2) as power, any_value(verdict) as verdict
from verdicts join nulls using (tissue, n_cells, network, universe, model)
group by tissue, network, model
order by all
