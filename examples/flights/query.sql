-- One row a flight that arrived: what was known when it was due to leave, and how late it was.
WITH flights AS (
  -- Every column of the delivery, so that the data gate sees one that is renamed; but not those that say how the flight
  -- went, from which the answer could be read.
  SELECT COLUMNS(lambda name: name NOT IN ('dep_time', 'dep_delay', 'arr_time', 'air_time'))
  FROM read_parquet({flights}, union_by_name = true)
  WHERE arr_delay IS NOT NULL
)
SELECT
  f.* EXCLUDE (year, time_hour),
  isodow(make_date(f.year, f.month, f.day))::INTEGER AS weekday,
  w.temp::FLOAT AS temp,
  w.dewp::FLOAT AS dew_point,
  w.humid::FLOAT AS humidity,
  w.wind_dir::FLOAT AS wind_direction,
  w.wind_speed::FLOAT AS wind_speed,
  w.precip::FLOAT AS precipitation,
  w.pressure::FLOAT AS pressure,
  w.visib::FLOAT AS visibility,
  p.year::FLOAT AS plane_year,
  p.seats::FLOAT AS plane_seats,
  coalesce(p.engine, 'unknown') AS plane_engine,
  a.lat::FLOAT AS dest_lat,
  a.lon::FLOAT AS dest_lon,
  (f.arr_delay > 15)::INTEGER AS late
FROM flights f
-- Weather as of the scheduled hour: the latest observation at that airport that is not from after it.
ASOF LEFT JOIN '{base}/weather.parquet' w ON f.origin = w.origin AND f.time_hour >= w.time_hour
LEFT JOIN '{base}/planes.parquet' p ON f.tailnum = p.tailnum
LEFT JOIN '{base}/airports.parquet' a ON f.dest = a.faa
