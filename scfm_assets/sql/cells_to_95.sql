/* How many cells bring a curve 95 % of the way from chance (AUROC 0.5) to its asymptote?
   Asked of curves whose asymptote is above chance, in the forms that the points support and that have an asymptote.
   What lies beyond the largest n_cells is extrapolated. */
with fits as (
    select *, 0.5 + 0.95 * (asymptote - 0.5) as wanted,
           (parameters -> 'a' ->> 'value')::double as a, (parameters -> 'c' ->> 'value')::double as c,
           (parameters -> 'b' ->> 'value')::double as b, (parameters -> 'h' ->> 'value')::double as h
    from scaling_curves_latest
    where metric = 'auroc' and universe = 'tf_grid' and weighting = 'none'
      and verdict in ('best', 'indistinguishable') and asymptote_lo > 0.55
), solved as (
    select *, try(case form
        when 'exponential_saturation' then -ln(1 - (wanted - c) / a) / b
        when 'michaelis_menten' then h * (wanted - c) / (a + c - wanted)
        when 'power' then ((wanted - c) / a) ** (1 / b)
    end) as n
    from fits
)
select tissue, network, model, method, form, verdict, round(asymptote, 3) as asymptote,
       try(ceil(n)::bigint) as cells_to_95,
       n > (select max(n_cells) from metrics_latest m where m.tissue = solved.tissue) as extrapolated
from solved
order by all
