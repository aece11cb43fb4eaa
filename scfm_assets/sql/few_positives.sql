/* Which numbers rest on fewer than 30 positives? Their intervals are wide, and one edge more or less moves them. */
select tissue, network, universe, count(*) as numbers, min(n_pos) as fewest_positives,
       count(*) filter (n_pos < 30) as on_fewer_than_30
from metrics_latest
group by all
order by on_fewer_than_30 desc, fewest_positives, tissue, universe
