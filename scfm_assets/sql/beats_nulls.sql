/* Does attention, at its fixed layer, beat each null at the largest n_cells? A null knows single genes, no pairs.
   `beaten` counts the nulls to which the paired difference of the AUROC lies above 0 by every kind of interval (over the
   same pairs, the same left out of both), and `least` is the smallest of these differences with its interval. Beating
   the nulls needs all of them, and to be better than on networks with the same degrees (p_degrees). */
with verdicts as (
    from method_verdicts_latest
    where metric = 'auroc' and universe = 'tf_grid' and method = 'attention'
    qualify n_cells = max(n_cells) over (partition by tissue)
), nulls as (
    select tissue, n_cells, network, model, reference, bool_and(verdict = 'better') as beaten,
           min(difference) as difference, min(lo) as lo, arg_min(hi, lo) as hi
    from method_comparison_latest
    where metric = 'auroc' and universe = 'tf_grid' and method = 'attention' and reference_role = 'null'
    group by all
)
select tissue, network, model, round(any_value(value), 3) as auroc, any_value(highest_null) as highest_null,
       round(any_value(highest_null_value), 3) as its_auroc,
       count(*) filter (beaten) || ' of ' || count(*) as beaten,
       round(min(difference), 3) as least, round(arg_min(lo, difference), 3) as lo, round(arg_min(hi, difference), 3) as hi,
       round(any_value(p_degrees), 3) as p_degrees, round(any_value(power), 2) as power, any_value(verdict) as verdict
from verdicts join nulls using (tissue, n_cells, network, model)
group by tissue, network, model
order by all
