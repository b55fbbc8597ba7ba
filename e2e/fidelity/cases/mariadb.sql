-- case: mariadb_{type}
-- about: its own types
-- servers: mariadb
-- for: type = uuid | inet4 | inet6
CREATE TABLE t (id INT PRIMARY KEY, v {type}, w {type} NULL DEFAULT NULL, n INT);
INSERT INTO t (id, n) VALUES (1, 1), (2, 2);
UPDATE t SET v = CASE '{type}' WHEN 'uuid' THEN '123e4567-e89b-12d3-a456-426655440000' WHEN 'inet4' THEN '192.168.0.0' ELSE '2001:db8::ff00:42:8329' END WHERE id = 1;
INSERT INTO t SELECT id + 10, v, v, n FROM t;
-- then
UPDATE t SET n = n + 1, w = v;
DELETE FROM t WHERE id = 2;

-- case: mariadb_uuid_key
-- about: a key of type UUID, versions 1, 4 and 7, which the server keeps in another order
-- servers: mariadb
CREATE TABLE t (id UUID PRIMARY KEY, v INT);
INSERT INTO t SELECT CONCAT(LPAD(HEX(seq * 2654435761 % 4294967296), 8, '0'), '-0000-', seq % 8, '000-8000-', LPAD(HEX(seq), 12, '0')), seq FROM seq_1_to_700;
-- then
UPDATE t SET v = v + 1 WHERE v % 3 = 0;
DELETE FROM t WHERE v % 5 = 0;
INSERT INTO t VALUES ('00000000-0000-0000-0000-000000000000', 0), ('ffffffff-ffff-ffff-ffff-ffffffffffff', 1);
UPDATE t SET id = '00000000-0000-0000-0000-000000000001' WHERE v = 1 AND id > 'f';

-- case: mariadb_inet_key_{type}
-- about: keys that are addresses
-- servers: mariadb
-- for: type = inet4 | inet6
CREATE TABLE t (id {type} PRIMARY KEY, v INT);
INSERT INTO t SELECT IF('{type}' = 'inet4', CONCAT('10.', seq % 7, '.', seq DIV 256, '.', seq % 256), CONCAT(HEX(seq), '::', HEX(seq * 977 % 65536))), seq FROM seq_1_to_700;
-- then
UPDATE t SET v = v + 1 WHERE v % 3 = 0;
DELETE FROM t WHERE v % 5 = 0;

-- case: mariadb_inet6_text
-- about: how addresses are printed
-- servers: mariadb
CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, v INET6);
-- log
INSERT INTO t (v) VALUES ('::'), ('::1'), ('1::'), ('1::1'), ('::1.2.3.4'), ('::ffff:1.2.3.4'), ('::ffff:0:1.2.3.4'), ('1:0:0:2::3'), ('1:0:0:2:0:0:3:4'), ('1:0:2:3:4:5:6:7'),
 ('0:1:0:0:0:1:0:0'), ('ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'), ('fe80::'), ('0:0:1::'), ('::1:0:0:0'), ('2001:db8:0:1:1:1:1:1'), ('::2:3'), ('0:0:0:0:0:0:1:0'), ('0:0:0:0:1:0:0:0'),
 ('64:ff9b::192.0.2.33'), ('abcd:0123:4567:89ab:cdef:0:0:1'), ('0:2:3:4:5:6:7:8'), ('1:2:3:4:5:6:7:0');
INSERT INTO t (v) SELECT UNHEX(MD5(seq)) FROM seq_1_to_50;
INSERT INTO t (v) SELECT INSERT(INSERT(UNHEX(MD5(seq)), 1 + seq % 14, 2, X'0000'), 1 + seq * 7 % 12, 4, X'00000000') FROM seq_1_to_200;

-- case: mariadb_compressed_{type}
-- about: columns that are compressed, in the log too
-- servers: mariadb
-- for: type = VARCHAR(4000) COMPRESSED | TINYTEXT COMPRESSED | TEXT COMPRESSED | LONGTEXT COMPRESSED | VARBINARY(4000) COMPRESSED | TINYBLOB COMPRESSED | BLOB COMPRESSED | LONGBLOB COMPRESSED | VARCHAR(200) CHARACTER SET latin1 COMPRESSED | TEXT CHARACTER SET utf16 COMPRESSED
-- session: SET sql_mode = '';
CREATE TABLE t (id INT PRIMARY KEY, v {type}, n INT, w {type} NOT NULL);
INSERT INTO t VALUES (1, NULL, 1, ''), (2, '', 2, 'a'), (3, ' ', 3, REPEAT('x', 99)), (4, REPEAT('abcä', 30), 4, REPEAT('ab ', 40));
INSERT INTO t VALUES (5, REPEAT('z', 200), 5, REPEAT(' ', 150)), (6, REPEAT('lorem ipsum ', 300), 6, '0');
-- then
UPDATE t SET n = n + 1, v = CONCAT(v, 'y') WHERE id > 2;
SET SESSION column_compression_zlib_wrap = ON;
INSERT INTO t SELECT id + 10, CONCAT(v, v), n, w FROM t;
SET SESSION column_compression_zlib_level = 0;
INSERT INTO t SELECT id + 100, v, n, REPEAT(w, 2) FROM t WHERE id < 10;
DELETE FROM t WHERE id = 13;

-- case: mariadb_log_compressed
-- about: statements and rows of the log are compressed
-- servers: mariadb
CREATE TABLE t (id INT PRIMARY KEY, v TEXT, n INT);
-- log
SET GLOBAL log_bin_compress = ON;
-- session
INSERT INTO t SELECT seq, REPEAT('compress me ', seq), seq FROM seq_1_to_300;
UPDATE t SET n = n + 1, v = CONCAT(v, 'x');
ALTER TABLE t ADD COLUMN w INT NOT NULL DEFAULT 7 COMMENT 'and a comment that is rather long, too, because a statement is compressed only from 256 bytes on, and this one must have some more of them than that';
DELETE FROM t WHERE id % 2 = 0;
SET GLOBAL log_bin_compress = OFF;

-- case: mariadb_json
-- about: JSON is a text with a check
-- servers: mariadb
CREATE TABLE t (id INT PRIMARY KEY, j JSON);
INSERT INTO t VALUES (1, '{"b": 1.50,   "a": [null, 18446744073709551616]}'), (2, NULL), (3, '"ä"'), (4, '1e400');
-- then
UPDATE t SET j = JSON_SET(j, '$.c', 'x') WHERE id = 1;
INSERT INTO t VALUES (5, '[ ]');

-- case: mariadb_json_added
-- about: a JSON column that is added
-- servers: mariadb
CREATE TABLE t (id INT PRIMARY KEY, v INT);
INSERT INTO t VALUES (1, 1), (2, 2);
-- log
ALTER TABLE t ADD COLUMN j JSON;
UPDATE t SET j = '{"a":   1}' WHERE id = 1;
INSERT INTO t VALUES (3, 3, '[1,  2]');

-- case: mariadb_invisible
-- about: invisible columns
-- servers: mariadb
CREATE TABLE t (id INT PRIMARY KEY, hidden INT INVISIBLE DEFAULT 5, v INT);
INSERT INTO t VALUES (1, 1), (2, 2);
-- then
UPDATE t SET hidden = 7 WHERE id = 1;
INSERT INTO t (id, hidden, v) VALUES (3, 9, 3);

-- case: mariadb_generated
-- about: virtual and persistent columns
-- servers: mariadb
CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20), a INT AS (id * 2) VIRTUAL, b VARCHAR(40) AS (CONCAT(v, '!')) PERSISTENT, c INT GENERATED ALWAYS AS (LENGTH(v)) STORED);
INSERT INTO t (id, v) VALUES (1, 'x'), (2, NULL);
-- then
UPDATE t SET v = 'longer' WHERE id = 1;
INSERT INTO t (id, v) VALUES (3, 'ä');

-- case: mariadb_versioned
-- about: the log of a system-versioned table has the rows of its history
-- servers: mariadb
-- expect: refused MARIADB_VERSIONED
CREATE TABLE t (id INT PRIMARY KEY, v INT) WITH SYSTEM VERSIONING;
INSERT INTO t VALUES (1, 1);
-- then
UPDATE t SET v = 2;

-- case: mariadb_versioned_later
-- about: a table that gets a history
-- servers: mariadb
-- may: refused MYSQL_DDL MARIADB_VERSIONED SCHEMA_MISMATCH
CREATE TABLE t (id INT PRIMARY KEY, v INT);
INSERT INTO t VALUES (1, 1);
-- then
ALTER TABLE t ADD SYSTEM VERSIONING;
UPDATE t SET v = 2;

-- case: mariadb_period
-- about: a period of the application's: UPDATE and DELETE FOR PORTION OF split rows
-- servers: mariadb
CREATE TABLE t (id INT, v INT, a DATE NOT NULL, b DATE NOT NULL, PERIOD FOR p (a, b), PRIMARY KEY (id, p WITHOUT OVERLAPS));
INSERT INTO t VALUES (1, 1, '2024-01-01', '2024-12-31'), (2, 2, '2024-01-01', '2024-02-01');
-- then
UPDATE t FOR PORTION OF p FROM '2024-03-01' TO '2024-04-01' SET v = 9;
DELETE FROM t FOR PORTION OF p FROM '2024-06-01' TO '2024-07-01';

-- case: mariadb_sequence
-- about: a sequence is no table; a table takes its values
-- servers: mariadb
CREATE SEQUENCE s START WITH 5;
CREATE TABLE t (id INT PRIMARY KEY DEFAULT NEXT VALUE FOR s, v INT);
INSERT INTO t (v) VALUES (1), (2);
-- then
INSERT INTO t (v) VALUES (3);

-- case: mariadb_returning
-- about: INSERT and DELETE RETURNING
-- servers: mariadb
CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, v INT DEFAULT (1 + 1), u UUID DEFAULT UUID());
INSERT INTO t (v) VALUES (1), (2) RETURNING id;
-- then
DELETE FROM t WHERE id = 1 RETURNING v;
REPLACE INTO t (id, v) VALUES (2, 5) RETURNING id;

-- case: mariadb_create_or_replace
-- about: a table is replaced by another
-- servers: mariadb
CREATE TABLE t (id INT PRIMARY KEY, v INT);
INSERT INTO t VALUES (1, 1);
-- then
CREATE OR REPLACE TABLE t (id INT PRIMARY KEY, w TEXT);
INSERT INTO t VALUES (2, 'new');

-- case: mariadb_select_into
-- about: CREATE TABLE … SELECT
-- servers: mariadb
CREATE TABLE a (id INT PRIMARY KEY, v INT);
INSERT INTO a VALUES (1, 1), (2, 2);
-- then
CREATE TABLE b (PRIMARY KEY (id)) SELECT id, v, v + 1 AS w FROM a;
INSERT INTO b VALUES (7, 8, 9);

-- case: mariadb_engine_{engine}
-- about: engines of MariaDB
-- servers: mariadb
-- for: engine = Aria | MyISAM
CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20)) ENGINE={engine};
INSERT INTO t VALUES (1, 'a'), (2, 'b');
-- then
BEGIN;
UPDATE t SET v = 'c' WHERE id = 1;
INSERT INTO t VALUES (3, 'd');
COMMIT;
DELETE FROM t WHERE id = 2;

-- case: mariadb_instant_{what}
-- about: ALTER TABLE in MariaDB's own ways
-- servers: mariadb
-- may: refused MYSQL_DDL
-- for: what = ADD COLUMN IF NOT EXISTS w INT DEFAULT 3 | ADD COLUMN w INT, ALGORITHM=INSTANT | NOWAIT DROP COLUMN IF EXISTS v | MODIFY COLUMN IF EXISTS v BIGINT | ADD COLUMN w UUID | ADD COLUMN w VARCHAR(10) COMPRESSED | WAIT 5 ADD COLUMN w INT | RENAME COLUMN v TO w | ADD COLUMN w INT DEFAULT (1 + 2) | ADD COLUMN w INT INVISIBLE
CREATE TABLE t (id INT PRIMARY KEY, v INT, z INT);
INSERT INTO t VALUES (1, 1, 1), (2, 2, 2);
-- log
ALTER TABLE t {what};
INSERT INTO t (id, z) VALUES (3, 3);
UPDATE t SET z = 9 WHERE id = 1;

-- case: mariadb_two_phases
-- about: an ALTER TABLE is logged when it starts and when it ends
-- servers: mariadb
CREATE TABLE t (id INT PRIMARY KEY, v INT);
INSERT INTO t VALUES (1, 1), (2, 2);
-- log
SET SESSION binlog_alter_two_phase = ON;
ALTER TABLE t ADD COLUMN w INT NOT NULL DEFAULT 4;
INSERT INTO t VALUES (3, 3, 3);
ALTER TABLE t DROP COLUMN v;
INSERT INTO t VALUES (4, 4);

-- case: mariadb_domains
-- about: transactions of several domains
-- servers: mariadb
CREATE TABLE t (id INT PRIMARY KEY, v INT);
INSERT INTO t VALUES (1, 1);
-- then
SET SESSION gtid_domain_id = 7;
INSERT INTO t VALUES (2, 2);
SET SESSION gtid_domain_id = 8;
UPDATE t SET v = 3;
SET SESSION gtid_domain_id = 0;
DELETE FROM t WHERE id = 1;

-- case: mariadb_collation_{collation}
-- about: collations of MariaDB's own
-- servers: mariadb
-- for: collation = utf8mb4_uca1400_ai_ci | utf8mb4_nopad_bin | utf8mb4_general_nopad_ci | latin1_swedish_nopad_ci | utf8mb3_croatian_mysql561_ci | uca1400_as_cs
CREATE TABLE t (k VARCHAR(20) PRIMARY KEY, v VARCHAR(20)) COLLATE {collation};
INSERT INTO t VALUES ('a', 'x '), ('b', 'ä'), ('Z', ''), ('', 'empty');
-- then
INSERT INTO t VALUES ('ß', 'y'), ('q ', 'blank');
UPDATE t SET v = CONCAT(v, '!');
UPDATE t SET k = 'A' WHERE k = 'a';
DELETE FROM t WHERE k = 'b';

-- case: mariadb_oracle_mode
-- about: statements in Oracle's dialect are not read
-- servers: mariadb
-- may: refused MYSQL_DDL
CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20));
INSERT INTO t VALUES (1, 'a');
-- log
SET SESSION sql_mode = 'EMPTY_STRING_IS_NULL';
ALTER TABLE t ADD COLUMN w VARCHAR(10) DEFAULT '';
INSERT INTO t VALUES (2, 'b', 'c');

-- case: mariadb_old_times
-- about: times as they were stored before 5.6
-- servers: mariadb
-- may: refused SCHEMA_MISMATCH
SET GLOBAL mysql56_temporal_format = OFF;
CREATE TABLE t (id INT PRIMARY KEY, a DATETIME, b TIMESTAMP NULL, c TIME, d DATETIME(6), e TIME(3));
SET GLOBAL mysql56_temporal_format = ON;
INSERT INTO t VALUES (1, '2024-01-02 03:04:05', '2024-01-02 03:04:05', '12:34:56', '2024-01-02 03:04:05.678901', '12:34:56.789');
-- then
INSERT INTO t VALUES (2, '1000-01-01', '1971-01-02 03:04:05', '-838:59:59', NULL, NULL);

-- case: mariadb_geometry_{k}
-- about: geometry under a reference system, which is written in another way
-- servers: mariadb
-- for: k = GEOMETRY | POINT | LINESTRING | POLYGON | MULTIPOINT | MULTILINESTRING | MULTIPOLYGON | GEOMETRYCOLLECTION
CREATE TABLE t (id INT PRIMARY KEY, g {k}, s {k} REF_SYSTEM_ID = 4326);
INSERT INTO t (id, g) VALUES (1, NULL);
SET @g = CASE '{k}' WHEN 'POINT' THEN 'POINT(1 -2.5)' WHEN 'LINESTRING' THEN 'LINESTRING(0 0, 1 1, 2 0.1)' WHEN 'POLYGON' THEN 'POLYGON((0 0, 10 0, 10 10, 0 0), (1 1, 2 1, 2 2, 1 1))' WHEN 'MULTIPOINT' THEN 'MULTIPOINT(0 0, 1 1)' WHEN 'MULTILINESTRING' THEN 'MULTILINESTRING((0 0, 1 1), (2 2, 3 3))' WHEN 'MULTIPOLYGON' THEN 'MULTIPOLYGON(((0 0, 1 0, 1 1, 0 0)), ((5 5, 6 5, 6 6, 5 5)))' ELSE 'GEOMETRYCOLLECTION(POINT(1 1), LINESTRING(0 0, 1 1))' END;
INSERT INTO t SELECT 2, ST_GeomFromText(@g), ST_GeomFromText(@g, 4326);
-- then
INSERT INTO t SELECT 3, s, g FROM t WHERE id = 2;
UPDATE t SET g = NULL WHERE id = 2;
DELETE FROM t WHERE id = 1;

-- case: mariadb_keyless
-- about: tables without a key, of its own types, with rows that are equal
-- servers: mariadb
CREATE TABLE t (u UUID, a INET4, b INET6, c TEXT COMPRESSED, j JSON, h INT INVISIBLE DEFAULT 3);
INSERT INTO t VALUES ('123e4567-e89b-12d3-a456-426655440000', '1.2.3.4', '::1', REPEAT('ab', 200), '{"a":  1}'), ('123e4567-e89b-12d3-a456-426655440000', '1.2.3.4', '::1', REPEAT('ab', 200), '{"a":  1}'), (NULL, NULL, NULL, NULL, NULL), (NULL, NULL, NULL, NULL, NULL);
-- then
DELETE FROM t WHERE u IS NULL LIMIT 1;
UPDATE t SET c = 'short' WHERE u IS NOT NULL LIMIT 1;
INSERT INTO t SELECT * FROM t;
SET SESSION column_compression_zlib_wrap = ON;
UPDATE t SET c = REPEAT('ab', 200);
UPDATE t SET h = 4 LIMIT 2;

-- case: mariadb_sequence_changes
-- about: rows of sequences are in the log, too
-- servers: mariadb
CREATE SEQUENCE s START WITH 5 CACHE 0;
CREATE TABLE t (id BIGINT PRIMARY KEY DEFAULT NEXT VALUE FOR s, v INT);
INSERT INTO t (v) VALUES (1), (2);
-- then
INSERT INTO t (v) VALUES (3);
SELECT SETVAL(s, 100);
INSERT INTO t (v) VALUES (4);
ALTER SEQUENCE s INCREMENT BY 7;
CREATE SEQUENCE r CACHE 2;
INSERT INTO t SELECT NEXTVAL(r) + 1000, 5;
INSERT INTO t SELECT NEXTVAL(r) + 1000, 5;
RENAME TABLE r TO q;
INSERT INTO t SELECT NEXTVAL(q) + 1000, 6;
CREATE OR REPLACE SEQUENCE q START WITH 9;
DROP SEQUENCE q;
INSERT INTO t (v) VALUES (7);

-- case: mariadb_versioned_{how}
-- about: system-versioned tables in every form, from the load and from the log
-- servers: mariadb
-- may: refused MARIADB_VERSIONED MYSQL_DDL SCHEMA_MISMATCH
-- for: how = (id INT PRIMARY KEY, v INT, w INT WITHOUT SYSTEM VERSIONING) WITH SYSTEM VERSIONING | (id INT PRIMARY KEY, v INT WITH SYSTEM VERSIONING, w INT) | (id INT PRIMARY KEY, v INT, w INT, a TIMESTAMP(6) GENERATED ALWAYS AS ROW START, b TIMESTAMP(6) GENERATED ALWAYS AS ROW END, PERIOD FOR SYSTEM_TIME (a, b)) WITH SYSTEM VERSIONING | (id INT PRIMARY KEY, v INT, w INT, a BIGINT UNSIGNED GENERATED ALWAYS AS ROW START INVISIBLE, b BIGINT UNSIGNED GENERATED ALWAYS AS ROW END INVISIBLE, PERIOD FOR SYSTEM_TIME (a, b)) WITH SYSTEM VERSIONING | (id INT, v INT, w INT) WITH SYSTEM VERSIONING PARTITION BY SYSTEM_TIME (PARTITION p HISTORY, PARTITION q CURRENT)
CREATE TABLE t {how};
CREATE TABLE k (id INT PRIMARY KEY);
INSERT INTO t (id, v, w) VALUES (1, 1, 1), (2, 2, 2);
-- then
UPDATE t SET v = 2;
DELETE FROM t WHERE id = 2;
CREATE TABLE later {how};
INSERT INTO later (id, v, w) VALUES (1, 1, 1), (2, 2, 2);
UPDATE later SET v = 7;
DELETE HISTORY FROM t;
INSERT INTO k VALUES (1);

-- case: mariadb_versioned_no_more
-- about: a table that loses its history
-- servers: mariadb
-- may: refused MARIADB_VERSIONED MYSQL_DDL SCHEMA_MISMATCH
CREATE TABLE t (id INT PRIMARY KEY, v INT) WITH SYSTEM VERSIONING;
INSERT INTO t VALUES (1, 1);
UPDATE t SET v = 5;
-- then
UPDATE t SET v = 2;
ALTER TABLE t DROP SYSTEM VERSIONING;
UPDATE t SET v = 3;
INSERT INTO t VALUES (2, 2);

-- case: mariadb_invisible_{how}
-- about: columns that become invisible or visible
-- servers: mariadb
-- for: how = MODIFY v INT INVISIBLE | MODIFY h INT DEFAULT 5 | ALTER COLUMN v SET DEFAULT 8, MODIFY h BIGINT INVISIBLE DEFAULT 5 | DROP COLUMN h | ADD COLUMN g INT NOT NULL INVISIBLE DEFAULT 4 FIRST | ADD COLUMN g INT AS (id + 1) PERSISTENT INVISIBLE
CREATE TABLE t (id INT PRIMARY KEY, h INT INVISIBLE DEFAULT 5, v INT);
INSERT INTO t (id, v) VALUES (1, 1), (2, 2);
-- log
ALTER TABLE t {how};
INSERT INTO t (id, v) VALUES (3, 3);
UPDATE t SET v = 9 WHERE id = 1;

-- case: mariadb_skip_replication
-- about: a session that asks replicas to pass over what it does
-- servers: mariadb
CREATE TABLE t (id INT PRIMARY KEY, v INT);
INSERT INTO t VALUES (1, 1);
-- then
SET SESSION skip_replication = ON;
INSERT INTO t VALUES (2, 2);
ALTER TABLE t ADD COLUMN w INT DEFAULT 3;
UPDATE t SET v = 7 WHERE id = 1;
SET SESSION skip_replication = OFF;
INSERT INTO t VALUES (3, 3, 3);

-- case: mariadb_ignore_{how}
-- about: ALTER IGNORE removes rows that do not fit, and changes others, of which the log says nothing
-- servers: mariadb
-- may: refused MYSQL_DDL
-- for: how = ADD UNIQUE KEY u (v) | ADD UNIQUE KEY u (v), ADD COLUMN w INT DEFAULT 3 | DROP PRIMARY KEY, ADD PRIMARY KEY (v) | MODIFY v TINYINT NOT NULL | ADD CONSTRAINT c CHECK (v < 300) | MODIFY s VARCHAR(2)
-- session: SET sql_mode = ''
CREATE TABLE t (id INT PRIMARY KEY, v INT, s VARCHAR(10));
INSERT INTO t VALUES (1, 1, 'long one'), (2, 1, 'x'), (3, 200, 'y'), (4, 200, 'z'), (5, 5, NULL);
-- log
ALTER IGNORE TABLE t {how};
INSERT INTO t (id, v, s) VALUES (6, 6, 'f');
UPDATE t SET s = 'g' WHERE v = 5;

-- case: mariadb_add_unique_ignore
-- about: CREATE UNIQUE INDEX, which removes nothing
-- servers: mariadb
CREATE TABLE t (id INT PRIMARY KEY, v INT);
INSERT INTO t VALUES (1, 1), (2, 2);
-- then
CREATE OR REPLACE UNIQUE INDEX u ON t (v);
INSERT IGNORE INTO t VALUES (3, 2), (4, 4);
DROP INDEX IF EXISTS u ON t;

-- case: mariadb_set_{what}
-- about: a statement with variables of its own
-- servers: mariadb
-- may: refused MYSQL_DDL TABLE_GONE
-- for: what = ALTER TABLE t ADD COLUMN w INT NOT NULL DEFAULT 3 | ALTER TABLE t DROP COLUMN v | TRUNCATE TABLE t | RENAME TABLE t TO u | DROP TABLE t | CREATE OR REPLACE TABLE t (id INT PRIMARY KEY, z INT)
CREATE TABLE t (id INT PRIMARY KEY, v INT, z INT);
INSERT INTO t VALUES (1, 1, 1), (2, 2, 2);
-- log
SET STATEMENT lock_wait_timeout = 10, sort_buffer_size = 100000 FOR {what};
CREATE TABLE IF NOT EXISTS t (id INT PRIMARY KEY, z INT);
INSERT INTO t (id, z) VALUES (7, 7);

-- case: mariadb_immediate_{what}
-- about: statements that are put together, or are parts of others
-- servers: mariadb
-- for: what = EXECUTE IMMEDIATE 'ALTER TABLE t ADD COLUMN w INT NOT NULL DEFAULT 3' | BEGIN NOT ATOMIC ALTER TABLE t ADD COLUMN w INT NOT NULL DEFAULT 3; UPDATE t SET z = 5; END | IF 1 THEN TRUNCATE TABLE t; END IF
CREATE TABLE t (id INT PRIMARY KEY, z INT);
INSERT INTO t VALUES (1, 1), (2, 2);
-- log
{what};
INSERT INTO t (id, z) VALUES (7, 7);

-- case: mariadb_no_wait_{what}
-- about: forms that only MariaDB has
-- servers: mariadb
-- may: refused TABLE_GONE MYSQL_DDL
-- for: what = TRUNCATE TABLE t NOWAIT | TRUNCATE t WAIT 3 | RENAME TABLE IF EXISTS t TO u, nothing TO nowhere | RENAME TABLE t WAIT 5 TO u | RENAME TABLES t NOWAIT TO u, u TO w | DROP TABLE IF EXISTS t WAIT 5 | DROP TABLE t /* a comment */ NOWAIT | ALTER ONLINE TABLE t ADD COLUMN w INT DEFAULT 3 | ALTER TABLE IF EXISTS t ADD COLUMN w INT DEFAULT 3 | ALTER TABLE t WAIT 5 RENAME TO u | ALTER TABLE t ADD w INT DEFAULT 3, RENAME u | OPTIMIZE TABLE t WAIT 3 | ALTER TABLE t ADD COLUMN (w INT DEFAULT 3, x UUID), DROP COLUMN IF EXISTS nothing | ALTER TABLE t RENAME COLUMN IF EXISTS v TO w | ALTER TABLE t CHANGE COLUMN IF EXISTS v w BIGINT | ALTER TABLE t ALTER COLUMN IF EXISTS v SET DEFAULT 8 | ALTER TABLE t ADD CONSTRAINT IF NOT EXISTS c CHECK (z < 10), DROP CONSTRAINT IF EXISTS d | ALTER TABLE t ADD INDEX IF NOT EXISTS i (z), DROP INDEX IF EXISTS j | ALTER TABLE t DROP PRIMARY KEY, ADD PRIMARY KEY (z) | ALTER TABLE t FORCE, ORDER BY z DESC
CREATE TABLE t (id INT PRIMARY KEY, v INT, z INT);
INSERT INTO t VALUES (1, 1, 1), (2, 2, 2);
-- log
{what};
CREATE TABLE IF NOT EXISTS t (id INT PRIMARY KEY, v INT, z INT);
INSERT INTO t (id, z) VALUES (7, 7);
UPDATE t SET z = 8 WHERE id = 1;

-- case: mariadb_added_{what}
-- about: what rows read that were there before a column
-- servers: mariadb
-- may: refused MYSQL_DDL
-- for: what = INT DEFAULT (v + 1) | INT NOT NULL DEFAULT (v * 2) | UUID NOT NULL | UUID DEFAULT UUID() | UUID NOT NULL DEFAULT '123e4567-e89b-12d3-a456-426655440000' | INET4 NOT NULL | INET4 NOT NULL DEFAULT '10.1.2.3' | INET6 NOT NULL | INET6 DEFAULT '2001:db8::1' | VARCHAR(20) NOT NULL DEFAULT CONCAT('x', v) | BIGINT NOT NULL DEFAULT NEXT VALUE FOR s | TEXT NOT NULL DEFAULT 'text' | BLOB DEFAULT X'00FF' | JSON DEFAULT '{"a":  1}' | JSON NOT NULL DEFAULT '[]' | VARCHAR(50) COMPRESSED DEFAULT 'c' | TIMESTAMP NOT NULL DEFAULT '2020-01-01 00:00:00' | TIMESTAMP NOT NULL | DATETIME DEFAULT CURRENT_TIMESTAMP() ON UPDATE CURRENT_TIMESTAMP | DATE DEFAULT (CURDATE() - INTERVAL 7 DAY) | POINT DEFAULT POINT(1, 2) | DOUBLE DEFAULT (1 / 3) | DECIMAL(10, 4) DEFAULT (10 / 3) | INT DEFAULT 5 CHECK (w > 0) | INT DEFAULT 5 REFERENCES r (id)
-- session: SET sql_mode = 'STRICT_ALL_TABLES,NO_ZERO_DATE'
CREATE SEQUENCE s START WITH 5;
CREATE TABLE r (id INT PRIMARY KEY);
INSERT INTO r VALUES (5);
CREATE TABLE t (id INT PRIMARY KEY, v INT);
INSERT INTO t VALUES (1, 10), (2, 20);
-- log
ALTER TABLE t ADD COLUMN w {what};
INSERT IGNORE INTO t (id, v) VALUES (3, 3);
UPDATE t SET v = 9 WHERE id = 1;

-- case: mariadb_modified_{to}_{from}
-- about: conversions that only MariaDB has
-- servers: mariadb
-- may: refused MYSQL_DDL
-- for: from = UUID | VARCHAR(40) | BINARY(16)
-- for: to = UUID | VARCHAR(40) | BINARY(16) | VARCHAR(40) COMPRESSED
CREATE TABLE t (id INT PRIMARY KEY, v INT, u {from});
INSERT INTO t VALUES (1, 1, IF('{from}' LIKE 'BIN%', 'aaaaaaaaaaaaaaaa', '123e4567-e89b-12d3-a456-426655440000')), (2, 2, NULL);
-- then
SET sql_mode = '';
ALTER TABLE t MODIFY COLUMN u {to};
INSERT INTO t (id, v) VALUES (3, 3);
UPDATE t SET v = 9 WHERE id = 1;

-- case: mariadb_address_{to}_{from}
-- about: the same with addresses
-- servers: mariadb
-- may: refused MYSQL_DDL
-- for: from = INET6 | VARCHAR(50)
-- for: to = INET6 | VARCHAR(50) | VARCHAR(50) COMPRESSED
CREATE TABLE t (id INT PRIMARY KEY, v INT, a {from});
INSERT INTO t VALUES (1, 1, IF('INET6' IN ('{from}', '{to}'), '::ffff:1.2.3.4', '1.2.3.4')), (2, 2, NULL);
-- then
ALTER TABLE t MODIFY COLUMN a {to};
INSERT INTO t (id, v) VALUES (3, 3);
UPDATE t SET v = 9 WHERE id = 1;

-- case: mariadb_text_{to}_{from}
-- about: the same with texts
-- servers: mariadb
-- may: refused MYSQL_DDL
-- for: from = TEXT | TEXT COMPRESSED | JSON
-- for: to = TEXT | TEXT COMPRESSED | LONGTEXT | JSON
CREATE TABLE t (id INT PRIMARY KEY, v INT, j {from});
INSERT INTO t VALUES (1, 1, '{"a":  1}'), (2, 2, NULL);
-- then
ALTER TABLE t MODIFY COLUMN j {to};
INSERT INTO t (id, v) VALUES (3, 3);
UPDATE t SET v = 9 WHERE id = 1;

-- case: mariadb_statement_{what}
-- about: changes in forms of its own that are logged as statements
-- servers: mariadb
-- may: refused MYSQL_STATEMENT_FORMAT MYSQL_DDL
-- for: what = SET STATEMENT sort_buffer_size = 100000 FOR UPDATE t SET v = 7 | SET STATEMENT max_statement_time = 9 FOR DELETE FROM t WHERE id = 1 | INSERT INTO t VALUES (5, 5) RETURNING id | /*M! DELETE */ FROM t | /*M!100500 UPDATE t SET v = 8 */ | BEGIN NOT ATOMIC UPDATE t SET v = 6; END | EXECUTE IMMEDIATE 'UPDATE t SET v = 6' | REPLACE t SET id = 1, v = 99 | DELETE t.* FROM t WHERE id = 1 | UPDATE t SET v = v + 1 ORDER BY id LIMIT 1 | IF 1 THEN DELETE FROM t; END IF | FOR i IN 8 .. 9 DO INSERT INTO t VALUES (i, i); END FOR | UPDATE t FORCE INDEX (PRIMARY) SET v = 2
CREATE TABLE t (id INT PRIMARY KEY, v INT);
INSERT INTO t VALUES (1, 1), (2, 2);
-- log
SET SESSION binlog_format = STATEMENT;
{what};
SET SESSION binlog_format = ROW;
INSERT INTO t VALUES (4, 4);

-- case: mariadb_created_{what}
-- about: tables that come into being in forms of MariaDB's own
-- servers: mariadb
-- for: what = TABLE u (id UUID PRIMARY KEY DEFAULT UUID(), v INT) | OR REPLACE TABLE u (id INT PRIMARY KEY, v INT) | TABLE IF NOT EXISTS u (id INT PRIMARY KEY, v INT, w TEXT COMPRESSED) | OR REPLACE TABLE u (PRIMARY KEY (id)) SELECT * FROM t | TABLE u (id INT PRIMARY KEY, v INT, x INT NOT NULL DEFAULT (v + 1)) ENGINE=Aria PAGE_CHECKSUM=1 | TABLE u (id INT PRIMARY KEY REFERENCES t (id), v INT INVISIBLE, a INET6)
CREATE TABLE t (id INT PRIMARY KEY, v INT);
INSERT INTO t VALUES (1, 1), (2, 2);
-- then
CREATE {what};
INSERT IGNORE INTO u (v) VALUES (1);
DELETE FROM u;
INSERT IGNORE INTO u (id, v) VALUES (1, 5);
UPDATE t SET v = 3;

-- case: mariadb_convert_partition
-- about: a partition becomes a table, and a table a partition
-- servers: mariadb
-- may: refused MYSQL_DDL MYSQL_PARTITION
CREATE TABLE t (id INT PRIMARY KEY, v INT) PARTITION BY RANGE (id) (PARTITION a VALUES LESS THAN (10), PARTITION b VALUES LESS THAN (20), PARTITION c VALUES LESS THAN (30));
INSERT INTO t VALUES (1, 1), (11, 11), (21, 21);
-- then
ALTER TABLE t CONVERT PARTITION a TO TABLE u;
UPDATE t SET v = 9 WHERE id = 11;
INSERT INTO u VALUES (2, 2);
CREATE TABLE w (id INT PRIMARY KEY, v INT);
INSERT INTO w VALUES (35, 35);
ALTER TABLE t CONVERT TABLE w TO PARTITION d VALUES LESS THAN (40);
INSERT INTO t VALUES (36, 36);

-- case: mariadb_or_replace_{what}
-- about: a table is replaced by one with rows, or by itself
-- servers: mariadb
-- for: what = (PRIMARY KEY (id)) SELECT id, z AS v, v + 1 AS z FROM o | LIKE o | (PRIMARY KEY (id)) ENGINE=Aria SELECT * FROM o | (id INT PRIMARY KEY, v INT, z INT)
CREATE TABLE t (id INT PRIMARY KEY, v INT, z INT);
CREATE TABLE o (id INT PRIMARY KEY, v INT, z INT);
INSERT INTO t VALUES (1, 1, 1), (2, 2, 2);
INSERT INTO o VALUES (5, 50, 500), (2, 20, 200);
-- log
CREATE OR REPLACE TABLE t {what};
INSERT INTO t (id, z) VALUES (7, 7);
UPDATE t SET z = 8 WHERE id < 3;

-- case: mariadb_two_phases_failed
-- about: an ALTER TABLE is logged when it starts, and fails
-- servers: mariadb
CREATE TABLE t (id INT PRIMARY KEY, v INT);
INSERT INTO t VALUES (1, 1), (2, 1);
CREATE PROCEDURE p() BEGIN DECLARE CONTINUE HANDLER FOR SQLEXCEPTION SET @failed = 1; ALTER TABLE t ADD COLUMN w INT NOT NULL DEFAULT 4, ADD UNIQUE KEY (v); END;
-- log
SET SESSION binlog_alter_two_phase = ON;
CALL p();
INSERT INTO t VALUES (3, 3);
ALTER TABLE t ADD COLUMN w INT NOT NULL DEFAULT 5;
INSERT INTO t VALUES (4, 4, 4);

-- case: mariadb_xa_compressed
-- about: XA transactions in a compressed log
-- servers: mariadb
CREATE TABLE t (id INT PRIMARY KEY, v TEXT);
INSERT INTO t VALUES (1, 'a'), (2, 'b');
-- log
SET GLOBAL log_bin_compress = ON;
XA START '{db}1', 'branch', 7;
INSERT INTO t SELECT seq, REPEAT('compress me', 50) FROM seq_10_to_100;
UPDATE t SET v = 'c' WHERE id = 1;
XA END '{db}1', 'branch', 7;
XA PREPARE '{db}1', 'branch', 7;
-- session
INSERT INTO t VALUES (5, 'between');
XA COMMIT '{db}1', 'branch', 7;
DELETE FROM t WHERE id = 50;
SET GLOBAL log_bin_compress = OFF;

-- case: mariadb_engines_mixed
-- about: a transaction with tables of several engines, that is taken back
-- servers: mariadb
CREATE TABLE t (id INT PRIMARY KEY, v INT) ENGINE=InnoDB;
CREATE TABLE a (id INT PRIMARY KEY, v INT) ENGINE=Aria;
CREATE TABLE n (id INT PRIMARY KEY, v INT) ENGINE=Aria TRANSACTIONAL=0;
INSERT INTO t VALUES (1, 1);
INSERT INTO a VALUES (1, 1);
-- then
BEGIN;
INSERT INTO t VALUES (2, 2);
INSERT INTO a SELECT id + 1, v FROM t;
INSERT INTO n SELECT * FROM t;
UPDATE t SET v = 8;
ROLLBACK;
INSERT INTO t VALUES (3, 3);
