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
