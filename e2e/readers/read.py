#!/usr/bin/env python3
"""Read a table with PyIceberg or DuckDB and print its rows, one JSON array of texts a line, for e2e to compare with MySQL.

usage: read.py '{"reader": "pyiceberg"|"duckdb", "catalog": "sqlite file", "namespace": "…", "table": "…", "columns": […],
                 "s3": {"endpoint": …, "region": …, "access_key": …, "secret_key": …} | null}'
"""
import datetime
import decimal
import json
import pathlib
import sqlite3
import sys


def text(v):
    """The form in which e2e prints MySQL's value."""
    if v is None:
        return None
    if isinstance(v, bool):
        return "true" if v else "false"
    if isinstance(v, (bytes, bytearray)):
        return bytes(v).hex()
    if isinstance(v, datetime.datetime):
        if v.tzinfo is not None:
            v = v.astimezone(datetime.timezone.utc)
        return v.strftime("%Y-%m-%d %H:%M:%S.%f")
    if isinstance(v, datetime.date):
        return v.isoformat()
    if isinstance(v, decimal.Decimal):
        return format(v, "f")
    return str(v)


def pyiceberg(a):
    from pyiceberg.catalog.sql import SqlCatalog

    props = {"uri": "sqlite:///" + a["catalog"], "warehouse": "none"}
    if a["s3"]:
        props |= {"s3.endpoint": a["s3"]["endpoint"], "s3.region": a["s3"]["region"],
                  "s3.access-key-id": a["s3"]["access_key"], "s3.secret-access-key": a["s3"]["secret_key"]}
    table = SqlCatalog("cdc2lake", **props).load_table((a["namespace"], a["table"]))
    for batch in table.scan(selected_fields=tuple(a["columns"])).to_arrow().to_batches():
        cols = [batch.column(c).to_pylist() for c in a["columns"]]
        yield from zip(*cols)


def duckdb(a):
    import duckdb
    import importlib

    con = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    for name in ("httpfs", "avro", "iceberg"):
        module = importlib.import_module("duckdb_extension_" + name)
        path = next(pathlib.Path(module.__file__).parent.rglob(name + ".duckdb_extension"))
        con.execute(f"LOAD '{path}'")
    con.execute("SET TimeZone = 'UTC'")
    # DuckDB 1.5.5 reads the wrong vector now and then where a Puffin file holds several, if it keeps files in memory.
    con.execute("SET enable_external_file_cache = false")
    if a["s3"]:
        scheme, host = a["s3"]["endpoint"].split("://")
        con.execute("CREATE SECRET (TYPE s3, KEY_ID '%s', SECRET '%s', REGION '%s', ENDPOINT '%s', URL_STYLE 'path', USE_SSL %s)" % (
            a["s3"]["access_key"], a["s3"]["secret_key"], a["s3"]["region"], host, "true" if scheme == "https" else "false"))
    row = sqlite3.connect(f"file:{a['catalog']}?mode=ro", uri=True).execute(
        "SELECT metadata_location FROM iceberg_tables WHERE table_namespace = ? AND table_name = ?", (a["namespace"], a["table"])).fetchone()
    cols = ", ".join('"%s"' % c for c in a["columns"])
    cur = con.execute(f"SELECT {cols} FROM iceberg_scan('{row[0]}')")
    while rows := cur.fetchmany(10000):
        yield from rows


if __name__ == "__main__":
    args = json.loads(sys.argv[1])
    for r in {"pyiceberg": pyiceberg, "duckdb": duckdb}[args["reader"]](args):
        print(json.dumps([text(v) for v in r], ensure_ascii=True))
