-- case: keyless_nulls
-- about: equal rows that hold NULL, some or nothing but
CREATE TABLE t (a INT, b VARCHAR(10), c DATETIME, d DECIMAL(20,4), e BLOB);
INSERT INTO t VALUES (NULL, NULL, NULL, NULL, NULL), (NULL, NULL, NULL, NULL, NULL), (NULL, '', NULL, 0, ''), (NULL, '', NULL, 0, NULL), (0, NULL, NULL, 0, '');
INSERT INTO t VALUES (NULL, NULL, NULL, NULL, NULL), (0, NULL, NULL, 0, '');
-- then
DELETE FROM t WHERE a IS NULL AND b IS NULL LIMIT 2;
UPDATE t SET e = NULL WHERE e = '' LIMIT 1;
INSERT INTO t VALUES (NULL, NULL, NULL, NULL, NULL), (NULL, '', NULL, NULL, '');
UPDATE t SET a = 1 WHERE a <=> NULL;

-- case: keyless_floats
-- about: floats: zero and minus zero, what prints alike and is not, the edges
CREATE TABLE t (f FLOAT, d DOUBLE, g FLOAT(7,3));
INSERT INTO t VALUES (0, 0, 0), (-0e0, -0e0, -0e0), (0.1, 0.1, 0.1), (0.1, 0.1, 0.1), (16777216, 1e308, -1.001), (16777217, 1.0000000000000002, 1), (1.17549e-38, 5e-324, 9999.999), (NULL, NULL, NULL);
-- then
DELETE FROM t WHERE d = 0 LIMIT 1;
UPDATE t SET f = -f WHERE d = 0.1 LIMIT 1;
UPDATE t SET d = -d WHERE d = 0;
INSERT INTO t SELECT * FROM t;
DELETE FROM t WHERE d > 1 LIMIT 2;

-- case: keyless_text_{c}
-- about: texts that a collation does not tell apart are rows of their own
-- for: c = utf8mb4_0900_ai_ci | utf8mb4_general_ci | utf8mb4_bin | latin1_swedish_ci | utf16_general_ci | sjis_japanese_ci
CREATE TABLE t (v VARCHAR(10) COLLATE {c}, c CHAR(10) COLLATE {c}, x TEXT COLLATE {c});
INSERT INTO t VALUES ('a', 'a', 'a'), ('A', 'A', 'A'), ('a ', 'a ', 'a '), ('a', 'a ', 'a'), ('', '', ''), (' ', ' ', ' '), ('a', 'a', 'a');
-- then
DELETE FROM t WHERE v = 'A' LIMIT 2;
UPDATE t SET x = 'b' WHERE v = 'a' LIMIT 1;
INSERT INTO t VALUES ('a ', 'a', 'a'), ('A', 'a', 'a'), ('a', 'a', 'a');
DELETE FROM t WHERE v = BINARY ' ';

-- case: keyless_which_of_equal
-- about: LIMIT takes any of equal rows, in one statement, one transaction and the next
CREATE TABLE t (a INT, b INT);
INSERT INTO t VALUES (1, 1), (1, 1), (1, 1), (1, 1), (2, 2), (2, 2);
-- then
UPDATE t SET b = 2 WHERE a = 1 LIMIT 2;
BEGIN;
UPDATE t SET a = 2 WHERE a = 1 LIMIT 1;
DELETE FROM t WHERE a = 2 LIMIT 2;
INSERT INTO t VALUES (2, 2), (1, 1);
DELETE FROM t WHERE a = 1 AND b = 1 LIMIT 1;
COMMIT;
UPDATE t SET a = 2, b = 2;
DELETE FROM t LIMIT 1;
INSERT INTO t VALUES (2, 2);

-- case: keyless_many_equal
-- about: ten thousand equal rows, of which some go, then most
CREATE TABLE t (a INT, b VARCHAR(20));
INSERT INTO t WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 10000) SELECT 7, 'equal' FROM n;
INSERT INTO t VALUES (8, 'other'), (8, 'other');
-- then
DELETE FROM t WHERE a = 7 LIMIT 777;
UPDATE t SET b = 'changed' WHERE a = 7 LIMIT 2500;
INSERT INTO t SELECT a, b FROM t WHERE b = 'changed';
DELETE FROM t WHERE b = 'equal' LIMIT 6000;
UPDATE t SET b = 'equal';

-- case: keyless_all_go
-- about: every row goes, and some come again
CREATE TABLE t (a INT, b VARCHAR(20));
INSERT INTO t WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 3000) SELECT i % 100, 'x' FROM n;
-- then
DELETE FROM t;
INSERT INTO t VALUES (1, 'x'), (1, 'x'), (200, NULL);
DELETE FROM t WHERE a = 1;
INSERT INTO t VALUES (1, 'x');

-- case: keyless_blobs
-- about: large values that differ in a byte, and of length zero
CREATE TABLE t (b LONGBLOB, x LONGTEXT, v VARBINARY(100));
INSERT INTO t VALUES (REPEAT(X'00', 100000), REPEAT('x', 70000), X'00'), (REPEAT(X'00', 100000), REPEAT('x', 70000), X'0000'), ('', '', ''), (X'00', '', ''), ('', '', X'00'), ('', '', '');
-- then
UPDATE t SET b = CONCAT(b, X'01') WHERE v = X'0000';
DELETE FROM t WHERE b = '' AND v = '' LIMIT 1;
INSERT INTO t VALUES (REPEAT(X'00', 100000), REPEAT('x', 70000), X'00');
UPDATE t SET v = '' WHERE LENGTH(v) = 1 LIMIT 1;

-- case: keyless_neighbours
-- about: values whose bytes one behind the other are the same
CREATE TABLE t (a VARCHAR(10), b VARCHAR(10), c VARBINARY(10));
INSERT INTO t VALUES ('ab', 'c', ''), ('a', 'bc', ''), ('', 'abc', ''), ('', '', 'abc'), ('abc', '', ''), (NULL, 'abc', ''), ('abc', NULL, ''), ('abc', '', NULL);
-- then
DELETE FROM t WHERE a = 'ab';
UPDATE t SET c = 'd' WHERE b = 'abc';
INSERT INTO t VALUES ('ab', 'c', ''), ('a', 'b', 'c');

-- case: keyless_types
-- about: a column of every kind, deleted and updated by value
CREATE TABLE t (i TINYINT, u BIGINT UNSIGNED, d9 DECIMAL(9,2), d38 DECIMAL(38,10), d65 DECIMAL(65,30), b1 BIT(1), b9 BIT(9), y YEAR, da DATE, tm TIME(3), dt DATETIME(6), ts TIMESTAMP(2) NULL,
  e ENUM('a', 'b'), s SET('x', 'y', 'z'), j JSON, bi BINARY(5), vb VARBINARY(5), ch CHAR(5), tx TEXT);
INSERT INTO t VALUES (-1, 18446744073709551615, -1.50, 12345678901234567890.0123456789, 1.5, 1, 257, 2024, '2024-02-29', '-838:59:59', '1000-01-01 00:00:00.000001', '2001-01-01 00:00:00.25', 'a', 'x,z', '{"b": 1.50, "a": [1e3, null, "é"]}', 'ab', 'ab', 'ab', 'ab');
INSERT INTO t SELECT * FROM t;
INSERT INTO t (i) VALUES (1), (1), (2);
-- then
DELETE FROM t WHERE i = -1 LIMIT 1;
UPDATE t SET j = JSON_SET(j, '$.c', 1.50), d65 = -d65 WHERE i = -1;
INSERT INTO t SELECT * FROM t;
DELETE FROM t WHERE i = 1 LIMIT 3;
UPDATE t SET bi = X'616200', b1 = 0 WHERE i = -1 LIMIT 1;

-- case: keyless_generated
-- about: generated columns, virtual ones too, and an invisible one
CREATE TABLE t (a INT, v INT AS (a * 2) VIRTUAL, s VARCHAR(20) AS (CONCAT('s', a)) STORED, x INT INVISIBLE DEFAULT 5, w TEXT AS (REPEAT('w', a)) VIRTUAL);
INSERT INTO t (a, x) VALUES (1, 1), (1, 1), (1, 2), (2, 2), (NULL, NULL);
-- then
UPDATE t SET a = 3 WHERE a = 1 LIMIT 1;
DELETE FROM t WHERE v = 2 LIMIT 1;
INSERT INTO t (a) VALUES (1), (3);
UPDATE t SET x = 9;

-- case: keyless_zero_dates
-- about: dates that are no dates become NULL, as NULL is: the rows are equal then
-- session: SET sql_mode = ''
CREATE TABLE t (d DATE, t DATETIME);
INSERT INTO t VALUES ('0000-00-00', NULL), (NULL, NULL), ('2024-00-00', '0000-00-00'), (NULL, '2020-01-01');
-- then
DELETE FROM t WHERE d = '0000-00-00';
UPDATE t SET t = NULL WHERE d = '2024-00-00';
INSERT INTO t VALUES ('0000-00-00', '2020-01-01');
DELETE FROM t WHERE d IS NULL AND t = '2020-01-01';

-- case: keyless_engine_{e}
-- about: an engine that cannot show the rows of a moment
-- for: e = MyISAM | ARCHIVE | MEMORY
CREATE TABLE t (a INT, b VARCHAR(10)) ENGINE = {e};
INSERT INTO t VALUES (1, 'x'), (1, 'x'), (2, NULL), (3, '');
-- then
INSERT INTO t VALUES (1, 'x'), (NULL, 'y');
INSERT INTO t SELECT * FROM t WHERE a = 1;

-- case: keyless_myisam
-- about: a table without transactions, whose rows change and go
CREATE TABLE t (a INT, b VARCHAR(10)) ENGINE = MyISAM;
INSERT INTO t VALUES (1, 'x'), (1, 'x'), (2, NULL), (3, '');
-- then
DELETE FROM t WHERE a = 1 LIMIT 1;
UPDATE t SET b = 'x', a = 1;
DELETE FROM t LIMIT 2;

-- case: keyless_index
-- about: indexes and keys that are none come and go: no row changes
CREATE TABLE t (a INT, b INT, UNIQUE KEY u (a));
INSERT INTO t VALUES (1, 1), (NULL, 1), (NULL, 1);
-- then
ALTER TABLE t ADD INDEX i (b);
DELETE FROM t WHERE a IS NULL LIMIT 1;
ALTER TABLE t DROP INDEX u, ADD KEY j (b, a);
INSERT INTO t VALUES (1, 1), (NULL, 1);
CREATE INDEX k ON t (a);
DROP INDEX k ON t;
UPDATE t SET b = 2 WHERE a = 1 LIMIT 1;

-- case: keyless_ddl_{d}
-- about: a definition that changes makes another row of each
-- for: d = ADD COLUMN c INT DEFAULT 5 | DROP COLUMN b | MODIFY a BIGINT | RENAME COLUMN a TO z | MODIFY b VARCHAR(10) FIRST | ADD UNIQUE KEY (n) | ADD PRIMARY KEY (n) | COLLATE utf8mb4_bin | ADD COLUMN id INT AUTO_INCREMENT PRIMARY KEY
CREATE TABLE t (a INT, b VARCHAR(10), n INT NOT NULL);
INSERT INTO t VALUES (1, 'x', 1), (1, 'x', 2), (NULL, NULL, 3);
-- then
ALTER TABLE t {d};
INSERT INTO t (n) VALUES (4);
DELETE FROM t WHERE n = 1;

-- case: keyless_truncate
-- about: all rows go at once
CREATE TABLE t (a INT);
INSERT INTO t VALUES (1), (1), (2);
-- then
TRUNCATE TABLE t;
INSERT INTO t VALUES (1);

-- case: keyless_savepoint
-- about: what is taken back was never there
CREATE TABLE t (a INT, b INT);
INSERT INTO t VALUES (1, 1), (1, 1);
-- then
BEGIN;
INSERT INTO t VALUES (2, 2), (1, 1);
SAVEPOINT s;
DELETE FROM t WHERE a = 1;
ROLLBACK TO s;
DELETE FROM t WHERE a = 1 LIMIT 1;
COMMIT;
BEGIN;
DELETE FROM t;
ROLLBACK;

-- case: keyless_partitioned
-- about: rows that change their partition
CREATE TABLE t (a INT, b INT) PARTITION BY LIST (a) (PARTITION p0 VALUES IN (0, 1), PARTITION p1 VALUES IN (2, 3));
INSERT INTO t VALUES (0, 1), (0, 1), (1, 1), (2, 1), (3, 1);
-- then
UPDATE t SET a = 3 WHERE a = 0 LIMIT 1;
UPDATE t SET a = 3 - a;
DELETE FROM t WHERE a = 3 LIMIT 1;

-- case: keyless_cascade
-- about: a child without a key
CREATE TABLE p (id INT PRIMARY KEY);
CREATE TABLE t (pid INT, v INT, FOREIGN KEY (pid) REFERENCES p (id));
INSERT INTO p VALUES (1), (2);
INSERT INTO t VALUES (1, 1), (1, 1), (2, 2), (NULL, 2);
-- then
DELETE FROM t WHERE pid = 1 LIMIT 1;
UPDATE t SET pid = 2 WHERE pid = 1;
DELETE FROM p WHERE id = 1;

-- case: keyless_created_{h}
-- about: tables that are created with rows in them
-- for: h = AS SELECT 1 AS a, 'x' AS b UNION ALL SELECT 1, 'x' | (a INT, b VARCHAR(5)) | LIKE s
CREATE TABLE s (a INT, b VARCHAR(5));
INSERT INTO s VALUES (5, 'y'), (5, 'y');
-- then
CREATE TABLE t {h};
INSERT INTO t SELECT * FROM s;
DELETE FROM t WHERE a = 5 LIMIT 1;

-- case: keyless_one_column_{t}
-- about: nothing but one column
-- for: t = INT | VARCHAR(20) | DOUBLE | BIT(1) | BLOB
CREATE TABLE t (a {t});
INSERT INTO t VALUES (1), (1), (NULL), (0), (NULL), (1);
-- then
DELETE FROM t WHERE a IS NULL LIMIT 1;
INSERT INTO t VALUES (0), (1);
DELETE FROM t WHERE a IS NOT NULL LIMIT 3;

-- case: keyless_json
-- about: documents that MySQL calls equal and prints differently
CREATE TABLE t (j JSON);
INSERT INTO t VALUES ('1'), ('1.0'), ('1.00'), ('1e0'), ('{"a": 1, "b": 2}'), ('{"b": 2, "a": 1}'), ('null'), (NULL), ('"1"'), ('[]'), ('1');
-- then
DELETE FROM t WHERE j = CAST('1' AS JSON) LIMIT 2;
UPDATE t SET j = JSON_SET(j, '$.c', 1.0) WHERE JSON_TYPE(j) = 'OBJECT' LIMIT 1;
UPDATE t SET j = JSON_REPLACE(j, '$.a', CAST(1.0 AS DECIMAL(5,1))) WHERE JSON_TYPE(j) = 'OBJECT';
INSERT INTO t VALUES ('1.0'), (NULL);
DELETE FROM t WHERE j IS NULL LIMIT 1;

-- case: keyless_vectors
-- about: vectors and geometry, equal and not
CREATE TABLE t (v VECTOR(2), g GEOMETRY);
INSERT INTO t VALUES (TO_VECTOR('[1,2]'), ST_GeomFromText('POINT(1 2)')), (TO_VECTOR('[1,2]'), ST_GeomFromText('POINT(1 2)')), (TO_VECTOR('[1,-2]'), ST_GeomFromText('POINT(1 2)')), (NULL, NULL), (TO_VECTOR('[1,2]'), ST_GeomFromText('POINT(1 3)'));
-- then
DELETE FROM t WHERE v = TO_VECTOR('[1,2]') LIMIT 1;
UPDATE t SET v = TO_VECTOR('[0,0]') WHERE v IS NULL;
INSERT INTO t SELECT * FROM t;
