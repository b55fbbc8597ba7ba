package main

import (
	"context"
	"fmt"
	"net/url"
	"strings"
)

// howToQuery prints what to type into other programs. Spark's cache of tables is off, since each query prolongs it: a session
// that goes on asking would not see new commits. The catalog in memory keeps it from writing a metastore_db where it runs.
func (d *demo) howToQuery() {
	lake, err := openLake(d.service.catalogFile(), d.s3)
	location := ""
	if err == nil {
		location, err = lake.location(context.Background(), "orders")
		lake.close()
	}
	if err != nil {
		d.say("cannot show how to query the tables: %v", err)
		return
	}
	u, _ := url.Parse(d.s3.Endpoint)
	fmt.Print(strings.NewReplacer("{key}", d.s3.AccessKey, "{secret}", d.s3.SecretKey, "{endpoint}", d.s3.Endpoint, "{host}", u.Host, "{region}", d.s3.Region,
		"{catalog}", d.service.catalogFile(), "{metadata}", location, "{bucket}", d.s3.Bucket).Replace(`
How to query the tables (with make demo KEEP=1, which leaves the servers up):

  DuckDB
    INSTALL iceberg; LOAD iceberg; INSTALL httpfs; LOAD httpfs; SET enable_external_file_cache = false;
    CREATE SECRET (TYPE s3, KEY_ID '{key}', SECRET '{secret}', REGION '{region}', ENDPOINT '{host}', URL_STYLE 'path', USE_SSL false);
    SELECT status, count(*), sum(total) FROM iceberg_scan('{metadata}') GROUP BY status;

  PyIceberg (pip install 'pyiceberg[sql-sqlite,pyarrow]')
    from pyiceberg.catalog import load_catalog
    lake = load_catalog("cdc2lake", type="sql", uri="sqlite:///{catalog}", **{"s3.endpoint": "{endpoint}", "s3.access-key-id": "{key}", "s3.secret-access-key": "{secret}", "s3.region": "{region}"})
    print(lake.load_table("shop.customers").scan(row_filter="tier = 'gold'").to_arrow())

  Spark (pip install pyspark==4.1.4, with Java 17 or newer; for Spark 3.5 name iceberg-spark-runtime-3.5_2.12)
    spark-sql --packages org.apache.iceberg:iceberg-spark-runtime-4.1_2.13:1.12.0,org.apache.iceberg:iceberg-aws-bundle:1.12.0,org.xerial:sqlite-jdbc:3.49.1.0 \
      --conf spark.sql.catalog.cdc2lake=org.apache.iceberg.spark.SparkCatalog \
      --conf spark.sql.catalog.cdc2lake.catalog-impl=org.apache.iceberg.jdbc.JdbcCatalog --conf spark.sql.catalog.cdc2lake.uri=jdbc:sqlite:{catalog} \
      --conf spark.sql.catalog.cdc2lake.warehouse=s3://{bucket}/warehouse --conf spark.sql.catalog.cdc2lake.io-impl=org.apache.iceberg.aws.s3.S3FileIO \
      --conf spark.sql.catalog.cdc2lake.s3.endpoint={endpoint} --conf spark.sql.catalog.cdc2lake.s3.path-style-access=true \
      --conf spark.sql.catalog.cdc2lake.s3.access-key-id={key} --conf spark.sql.catalog.cdc2lake.s3.secret-access-key={secret} --conf spark.sql.catalog.cdc2lake.client.region={region} \
      --conf spark.sql.catalog.cdc2lake.cache-enabled=false --conf spark.sql.catalogImplementation=in-memory
    SELECT status, count(*), sum(total) FROM cdc2lake.shop.orders GROUP BY status;

`))
}
