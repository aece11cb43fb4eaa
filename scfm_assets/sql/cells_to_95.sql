/* How many cells bring a curve 95 % of the way from chance (AUROC 0.5) to its asymptote?
   Asked of curves whose asymptote, averaged over all forms, is bounded and above chance. `cells_to_95` is where the
   likeliest form gets there, and no fewer than were measured and fell short. What lies beyond the largest n_cells is
   extrapolated; the interval is over other cells, with the same network. */
with fits as (
    select *, 0.5 + 0.95 * (curve_asymptote - 0.5) as wanted,
           (parameters -> 'a' ->> 'value')::double as a, (parameters -> 'c' ->> 'value')::double as c,
           (parameters -> 'b' ->> 'value')::double as b, (parameters -> 'h' ->> 'value')::double as h
    from scaling_curves_latest
    where metric = 'auroc' and universe = 'tf_grid' and curve_asymptote_lo > 0.55
      and verdict in ('best', 'indistinguishable') and asymptote is not null
    qualify row_number() over (partition by tissue, network, model, method, layer, direction order by weight desc) = 1
), measured as (
    select tissue, network, model, method, layer, direction, n_cells, avg(value) as value
    from (select distinct tissue, network, model, method, layer, direction, n_cells, repeat, value from metrics_latest
          where metric = 'auroc' and universe = 'tf_grid' and head is null)
    group by all
), solved as (
    select *, try(case form
        when 'exponential_saturation' then -ln(1 - (wanted - c) / a) / b
        when 'michaelis_menten' then h * (wanted - c) / (a + c - wanted)
        when 'power' then ((wanted - c) / a) ** (1 / b)
    end) as n, (
        select max(n_cells) from measured m
        where (m.tissue, m.network, m.model, m.method, m.direction) =
              (fits.tissue, fits.network, fits.model, fits.method, fits.direction)
          and m.layer is not distinct from fits.layer and m.value < wanted
    ) as fell_short
    from fits
)
select tissue, network, model, method, form, round(curve_asymptote, 3) as asymptote,
       round(curve_asymptote_lo, 3) as lo, round(curve_asymptote_hi, 3) as hi,
       try(ceil(greatest(n, fell_short))::bigint) as cells_to_95,
       greatest(n, fell_short) > largest_n as extrapolated
from solved
order by all
