#!/usr/bin/env python3
"""Read tables with Spark, through the lines that `make demo` prints, and write the rows of each as read.py does to a file
named after the table, for e2e to compare with MySQL.

usage: spark.py '{"packages": "…", "ivy": "folder", "catalog": "sqlite file", "namespace": "…", "tables": {"name": [columns]},
                  "out": "folder", "s3": {"endpoint": …, "region": …, "access_key": …, "secret_key": …} | null}'
With no tables it fetches the packages only.
"""
import collections
import json
import os
import pathlib
import random
import sys

sys.dont_write_bytecode = True  # of read, into the repository
from read import text  # noqa: E402


def session(a):
    os.environ |= {"TZ": "UTC", "SPARK_LOCAL_IP": "127.0.0.1"}
    from pyspark.sql import SparkSession

    catalog = {"": "org.apache.iceberg.spark.SparkCatalog", ".catalog-impl": "org.apache.iceberg.jdbc.JdbcCatalog",
               ".uri": "jdbc:sqlite:" + a["catalog"], ".warehouse": "s3://none/", ".cache-enabled": "false"}
    if a["s3"]:
        catalog |= {".io-impl": "org.apache.iceberg.aws.s3.S3FileIO", ".s3.endpoint": a["s3"]["endpoint"], ".s3.path-style-access": "true",
                    ".s3.access-key-id": a["s3"]["access_key"], ".s3.secret-access-key": a["s3"]["secret_key"], ".client.region": a["s3"]["region"]}
    b = SparkSession.builder.master("local[2]").config("spark.jars.packages", a["packages"]).config("spark.jars.ivy", a["ivy"])
    b = b.config("spark.ui.enabled", "false").config("spark.sql.session.timeZone", "UTC").config("spark.sql.shuffle.partitions", "2")
    for k, v in catalog.items():
        b = b.config("spark.sql.catalog.cdc2lake" + k, v)
    spark = b.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    return spark


def rows(df):
    return [tuple(bytes(v) if isinstance(v, bytearray) else v for v in r) for r in df.collect()]


def check_filters(name, df, all_rows, rng):
    """Filters use the bounds, null counts and partitions that the writer has put down: what they find must be what a full scan holds."""
    from pyspark.sql import functions as F

    for i, c in enumerate(df.columns):
        held = [r[i] for r in all_rows if r[i] is not None]
        for v in rng.sample(held, min(1, len(held))):
            found = df.where(F.col(f"`{c}`") == F.lit(v)).count()
            if found != held.count(v):
                raise SystemExit(f"{name}: {c} = {v!r} finds {found} rows, a full scan holds {held.count(v)}")
        found = df.where(F.col(f"`{c}`").isNull()).count()
        if found != len(all_rows) - len(held):
            raise SystemExit(f"{name}: {c} IS NULL finds {found} rows, a full scan holds {len(all_rows) - len(held)}")


def main(a):
    if not a["tables"]:
        session(a | {"catalog": ":memory:", "s3": None}).stop()
        return
    spark = session(a)
    rng = random.Random(42)
    for name, columns in a["tables"].items():
        df = spark.table(f"cdc2lake.`{a['namespace']}`.`{name}`").select(*[f"`{c}`" for c in columns])
        both = []
        for vectorised in ("true", "false"):  # two readers that share little
            spark.conf.set("spark.sql.iceberg.vectorization.enabled", vectorised)
            both.append(rows(df))
        if collections.Counter(map(repr, both[0])) != collections.Counter(map(repr, both[1])):
            raise SystemExit(f"{name}: the vectorised and the plain Parquet reader of Spark differ")
        if df.count() != len(both[0]):
            raise SystemExit(f"{name}: count(*) is {df.count()}, {len(both[0])} rows are read")
        check_filters(name, df, both[0], rng)
        with pathlib.Path(a["out"], name).open("w") as f:
            for r in both[0]:
                f.write(json.dumps([text(v) for v in r]) + "\n")
    spark.stop()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
