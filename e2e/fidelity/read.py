#!/usr/bin/env python3
"""Read tables with PyIceberg or DuckDB and print them, a JSON object a line, in the notation of mysql_test.go.

Standard input: {"reader": "pyiceberg"|"duckdb", "tables": [{"catalog": "sqlite file", "namespace": …, "table": …}, …]}
"""
import functools
import importlib
import json
import pathlib
import sqlite3
import struct
import sys

import pyarrow as pa


def cells(col):
    """The values of an Arrow column as texts."""
    t = col.type
    if pa.types.is_dictionary(t):
        col = col.cast(t.value_type)
        t = t.value_type
    if pa.types.is_boolean(t):
        f = lambda v: "B:1" if v else "B:0"
    elif pa.types.is_integer(t):
        f = lambda v: "i:%d" % v
    elif pa.types.is_floating(t):
        f = lambda v: "f:" + struct.pack(">d", v).hex()
    elif pa.types.is_decimal(t):
        f = lambda v: "n:" + format(v, "f")
    elif pa.types.is_date32(t):
        col = col.cast(pa.int32())
        f = lambda v: "d:%d" % v
    elif pa.types.is_timestamp(t) and t.unit == "us":
        col = col.cast(pa.int64())
        tag = "z" if t.tz else "t"
        f = lambda v: "%s:%d" % (tag, v)
    elif pa.types.is_string(t) or pa.types.is_large_string(t):
        f = lambda v: "s:" + v.encode().hex()
    elif pa.types.is_list(t) or pa.types.is_large_list(t):
        f = lambda v: "[" + ",".join("f:" + struct.pack(">d", x).hex() for x in v) + "]"
    elif pa.types.is_binary(t) or pa.types.is_large_binary(t):
        f = lambda v: "b:" + v.hex()
    else:
        f = lambda v: "unexpected " + str(t)
    return ["NULL" if v is None else f(v) for v in col.to_pylist()]


def pyiceberg():
    from pyiceberg.catalog.sql import SqlCatalog

    @functools.cache
    def catalog(path):
        return SqlCatalog("cdc2lake", uri="sqlite:///" + path, warehouse="none")

    return lambda t: catalog(t["catalog"]).load_table((t["namespace"], t["table"])).scan().to_arrow()


def duckdb():
    import duckdb

    con = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    for name in ("avro", "iceberg"):
        module = importlib.import_module("duckdb_extension_" + name)
        path = next(pathlib.Path(module.__file__).parent.rglob(name + ".duckdb_extension"))
        con.execute(f"LOAD '{path}'")
    con.execute("SET TimeZone = 'UTC'")
    # DuckDB 1.5.5 reads the wrong vector now and then where a Puffin file holds several, if it keeps files in memory.
    con.execute("SET enable_external_file_cache = false")

    @functools.cache
    def catalog(path):
        return sqlite3.connect(f"file:{path}?mode=ro", uri=True)

    def read(t):
        row = catalog(t["catalog"]).execute("SELECT metadata_location FROM iceberg_tables WHERE table_namespace = ? AND table_name = ?",
                              (t["namespace"], t["table"])).fetchone()
        return con.execute("SELECT * FROM iceberg_scan('%s')" % row[0].replace("'", "''")).to_arrow_table()

    return read


if __name__ == "__main__":
    arg = json.load(sys.stdin)
    read = {"pyiceberg": pyiceberg, "duckdb": duckdb}[arg["reader"]]()
    for t in arg["tables"]:
        out = dict(t)
        try:
            data = read(t)
            columns = [cells(c) for c in data.columns]
            out["columns"] = data.column_names
            out["rows"] = [list(r) for r in zip(*columns)]
        except Exception as e:  # one table that cannot be read does not hide the others
            out["error"] = f"{type(e).__name__}: {e}"
        print(json.dumps(out))
