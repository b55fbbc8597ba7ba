package config

// Key is one line of the public face: a key of the file.
type Key struct {
	Path    string // dotted; [] marks the elements of a list
	Default string // as written in YAML; empty: none, or what Doc says
	Doc     string
	// Init is the value that `cdc2lake init` writes for the key, uncommented. Empty: the key is written as a comment, with
	// its default or Example.
	Init    string
	Example string
}

// Sections introduces the top-level keys that hold others.
var Sections = map[string]string{
	"mysql":       "The source. The user needs SELECT on the tables, REPLICATION SLAVE and REPLICATION CLIENT; `cdc2lake check` says what is missing. SELECT, TRIGGER and SHOW VIEW on *.* let cdc2lake find out which tables a change may concern that a session logged as a statement; without them it pauses all.",
	"tables":      "Which tables are replicated, and how. Patterns are database.table with * and ?, or /regular expression/ over database.table. SIGHUP has a running service put changes of include, exclude and rules in force: tables join and leave (their Iceberg tables stay as they are), and the others go on. Rules of tables that it knows already, and all other keys, need a restart; it says so and changes nothing then.",
	"iceberg":     "The target.",
	"s3":          "The storage of s3:// locations. Without credentials here the usual chain is used: AWS_* variables, ~/.aws, container and instance roles.",
	"checkpoints": "All tables are committed at every checkpoint, so the interval is the freshness that readers see.",
	"state":       "The index from keys to rows, on local disk. It is derived: a lost disk costs a rebuild from the tables, never data.",
	"runtime":     "What the process may use.",
	"http":        "Metrics, health and status (docs/metrics.md).",
	"log":         "The log goes to standard error.",
}

// Keys lists every key.
var Keys = []Key{
	{Path: "version", Init: "1", Doc: "Format of this file."},
	{Path: "pipeline", Init: "shop", Doc: "Name of the pipeline: lower-case letters, digits, - and _. It stands in every table's marker; two pipelines never share a table."},

	{Path: "mysql.url", Init: `"mysql://cdc2lake@127.0.0.1:3306"`, Doc: "mysql://user@host:port/database. Use either this or host, port and user. A database selects its tables unless tables.include is given."},
	{Path: "mysql.host", Example: "db.example.com", Doc: "Host name or address, or the path of a Unix socket."},
	{Path: "mysql.port", Example: "3306", Doc: "Port; 3306 if not given."},
	{Path: "mysql.user", Example: "cdc2lake", Doc: "User."},
	{Path: "mysql.password", Init: "${MYSQL_PASSWORD}", Example: "", Doc: "Password: ${VARIABLE} takes it from the environment, file:/path from a file, which is read again at every connect."},
	{Path: "mysql.tls.mode", Default: "auto", Doc: "auto: verify, except on loopback addresses, where the connection is not encrypted. verify: check certificate and host name. skip-verify: encrypt, check nothing. off."},
	{Path: "mysql.tls.ca_file", Example: "/etc/cdc2lake/ca.pem", Doc: "Certificates to trust instead of the system's."},
	{Path: "mysql.tls.cert_file", Example: "/etc/cdc2lake/client.pem", Doc: "Client certificate."},
	{Path: "mysql.tls.key_file", Example: "/etc/cdc2lake/client.key", Doc: "Its key."},
	{Path: "mysql.tls.server_name", Example: "db.example.com", Doc: "Host name that the certificate must carry, if it is not mysql.host."},
	{Path: "mysql.server_id", Default: "0", Doc: "Replication server id, unique among the replicas of the server; 0 takes a random one at every start."},
	{Path: "mysql.position", Default: "auto", Doc: "gtid: follow by GTID. file: by file and offset. auto: gtid where the server has gtid_mode=ON."},
	{Path: "mysql.load.replica", Example: "replica.example.com:3306", Doc: "host:port of a replica that initial loads read from, with the same user. Tables without a key are read from the server itself."},
	{Path: "mysql.load.readers", Default: "4", Doc: "Chunks that are read in parallel."},
	{Path: "mysql.load.chunk_rows", Default: "25000", Doc: "Rows of a chunk, about."},
	{Path: "mysql.load.rows_per_second", Default: "0", Doc: "Limit of initial loads; 0: none."},
	{Path: "mysql.load.max_connections", Default: "8", Doc: "Limit of connections to MySQL, besides the one of the log and two for each table without a key that is being loaded."},
	{Path: "mysql.load.order", Example: `["shop.customers", "shop.*"]`, Doc: "Patterns of tables in the order in which they are loaded; the others follow by name."},

	{Path: "tables.include", Init: `["shop.*"]`, Doc: "Tables to replicate. Without it: those of the database in mysql.url, or all."},
	{Path: "tables.exclude", Example: `["shop.tmp_*"]`, Doc: "Tables to leave out of these."},
	{Path: "tables.hash_salt", Example: "${HASH_SALT}", Doc: "Secret that columns.hash of the rules below is salted with. Changing it changes the hashes of rows written from then on."},
	{Path: "tables.reload", Default: "auto", Doc: "What follows a change that no log can tell row by row (a column's type, a dropped partition, a table renamed into place). auto: the table is loaded anew, and keeps its rows until they are replaced. manual: it pauses until you reload it."},
	{Path: "tables.rules[].match", Example: `"shop.customers"`, Doc: "Rules hold options for some tables. The first rule whose pattern matches a table applies to it."},
	{Path: "tables.rules[].columns.exclude", Example: "[birthday]", Doc: "Columns that are left out: their values are dropped when they are decoded. Key columns cannot be."},
	{Path: "tables.rules[].columns.hash", Example: "[email]", Doc: "Columns whose values are replaced by the SHA-256 of tables.hash_salt and the value. Key columns cannot be."},
	{Path: "tables.rules[].columns.boolean", Example: "[active, paid]", Doc: "TINYINT columns that become boolean; any number but 0 and 1 pauses the table. [\"*\"]: all TINYINT(1). Key columns stay as they are. Without it: int."},
	{Path: "tables.rules[].columns.microseconds", Example: `["*"]`, Doc: "TIME columns that become long, in microseconds and with their sign. [\"*\"]: all. Key columns stay as they are. Without it: string, as MySQL prints it (a TIME may exceed a day, which Iceberg's time cannot)."},
	{Path: "tables.rules[].columns.wkb", Example: `["*"]`, Doc: "Geometric columns that become WKB without their reference system (SRID), for readers that do not know EWKB. [\"*\"]: all. Without it: EWKB where the SRID is not 0."},
	{Path: "tables.rules[].metadata", Example: "[op, ts, pos]", Doc: "Columns to add: op (_cdc_op: c, u, or r for a row of the initial load), ts (_cdc_ts: commit time in the source), pos (_cdc_pos: position in its log)."},
	{Path: "tables.rules[].zero_dates", Example: "refuse", Doc: "0000-00-00 and dates with a zero part. null: NULL, also in columns that are NOT NULL. refuse: the table pauses. Without it: NULL where the column allows it, otherwise the table pauses."},
	{Path: "tables.rules[].reload", Example: "manual", Doc: "As tables.reload."},
	{Path: "tables.rules[].format_version", Example: "3", Doc: "As iceberg.format_version."},
	{Path: "tables.rules[].partition", Example: `["day(created_at)", "bucket(16, id)"]`, Doc: "Partition fields of a new table: a column, or year, month, day, hour, bucket(n, …), truncate(n, …) of one."},
	{Path: "tables.rules[].target_file_size", Example: "512MiB", Doc: "As iceberg.target_file_size."},

	{Path: "iceberg.warehouse", Init: "file:///tmp/cdc2lake", Doc: "s3://bucket/prefix or file:///directory."},
	{Path: "iceberg.catalog.type", Default: "sqlite", Doc: "sqlite, postgres or rest."},
	{Path: "iceberg.catalog.uri", Example: "postgres://catalog:${CATALOG_PASSWORD}@db.example.com/iceberg", Doc: "sqlite: path of the database file, by default catalog.db in a file:// warehouse (keep it safe: it is what names the tables). postgres: postgres://user:password@host/database. rest: https://host/path."},
	{Path: "iceberg.catalog.name", Default: "cdc2lake", Doc: "Name of the catalog within the database (sqlite, postgres)."},
	{Path: "iceberg.catalog.warehouse", Example: "lake", Doc: "Name of the warehouse that a REST catalog is asked for."},
	{Path: "iceberg.catalog.token", Example: "${CATALOG_TOKEN}", Doc: "Bearer token of a REST catalog."},
	{Path: "iceberg.catalog.credential", Example: "${CLIENT_ID}:${CLIENT_SECRET}", Doc: "OAuth client of a REST catalog, id:secret; instead of token."},
	{Path: "iceberg.catalog.oauth_uri", Example: "https://auth.example.com/token", Doc: "Token endpoint for credential, if it is not the catalog's own."},
	{Path: "iceberg.catalog.scope", Example: "PRINCIPAL_ROLE:ALL", Doc: "OAuth scope for credential."},
	{Path: "iceberg.namespace", Default: `"{database}"`, Doc: "Namespace of a table; {database} and {table} stand for the source's names, with characters that have a meaning in paths replaced by their number: x.y becomes x_2e_y. Of two tables with one destination the second is paused."},
	{Path: "iceberg.table", Default: `"{table}"`, Doc: "Name of a table, the same way: mysql_{table} adds a prefix."},
	{Path: "iceberg.lower_case", Default: "true", Doc: "Turn destination names into lower case, as most engines do with names in queries."},
	{Path: "iceberg.format_version", Default: "2", Doc: "2: position deletes. 3: deletion vectors, row lineage. Tables of version 2 are upgraded if this becomes 3."},
	{Path: "iceberg.target_file_size", Default: "128MiB", Doc: "Size at which a data file is closed and the next one begun."},
	{Path: "iceberg.ddl_history", Default: "cdc2lake.ddl_history", Doc: "Iceberg table, namespace.table, that keeps the statements that changed tables (docs/ddl.md); several pipelines may share it. off: none."},

	{Path: "s3.endpoint", Example: "http://127.0.0.1:9000", Doc: "URL of an S3-compatible server; without it: AWS."},
	{Path: "s3.region", Example: "us-east-1", Doc: "Region; AWS_REGION or us-east-1 if not given."},
	{Path: "s3.path_style", Example: "true", Doc: "Put the bucket into the path; by default yes if there is an endpoint."},
	{Path: "s3.access_key", Example: "${AWS_ACCESS_KEY_ID}", Doc: "Access key, together with secret_key."},
	{Path: "s3.secret_key", Example: "${AWS_SECRET_ACCESS_KEY}", Doc: "Secret key; ${VARIABLE} or file:/path."},
	{Path: "s3.session_token", Example: "${AWS_SESSION_TOKEN}", Doc: "Session token of temporary credentials."},
	{Path: "s3.credentials_file", Example: "/etc/cdc2lake/credentials", Doc: "File in the format of ~/.aws/credentials."},
	{Path: "s3.profile", Example: "lake", Doc: "Section of it, or of ~/.aws."},
	{Path: "s3.ca_file", Example: "/etc/cdc2lake/s3-ca.pem", Doc: "Certificates to trust beside the system's."},

	{Path: "checkpoints.interval", Default: "10s", Doc: "Time between checkpoints, from 100ms to 1h. Shorter is fresher and makes more, smaller files."},
	{Path: "checkpoints.max_rows", Default: "5000000", Doc: "Row changes and loaded rows after which a checkpoint comes early; fewer where `runtime.memory` has no room for their keys (3,400 a MiB)."},
	{Path: "checkpoints.max_bytes", Default: "1GiB", Doc: "Bytes of row changes and loaded rows after which a checkpoint comes early."},
	{Path: "checkpoints.store", Example: "s3://bucket/cdc2lake/shop", Doc: "Location of the checkpoint records; by default <warehouse>/_cdc2lake/<pipeline>. Deleting it loses nothing that is committed."},

	{Path: "state.dir", Example: "/var/lib/cdc2lake", Doc: "Directory; by default _cdc2lake/<pipeline>/state in a file:// warehouse, otherwise cdc2lake/<pipeline> in the user's cache directory."},

	{Path: "runtime.parallelism", Default: "0", Doc: "Shards that write in parallel; 0: one per CPU, as far as the memory allows. At most 128, and one for each 32MiB of memory."},
	{Path: "runtime.memory", Default: "1GiB", Doc: "Memory budget of the process, at least 256MiB; pages of the index that are mapped from disk come on top, and the system can take them back. Queues, buffers, encoders and uploads are bounded by shares of it, and the garbage collector works harder near it."},

	{Path: "http.listen", Default: "127.0.0.1:9187", Doc: "Address of the HTTP server; off: none. Beyond loopback a token is required."},
	{Path: "http.token", Example: "file:/run/secrets/cdc2lake-token", Doc: "Bearer token wanted by /metrics and /status."},

	{Path: "log.level", Default: "info", Doc: "debug, info, warn or error."},
	{Path: "log.format", Default: "text", Doc: "text or json."},
}
