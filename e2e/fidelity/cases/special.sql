-- case: geometry_{k}
-- about: geometry of each kind
-- for: k = GEOMETRY | POINT | LINESTRING | POLYGON | MULTIPOINT | MULTILINESTRING | MULTIPOLYGON | GEOMETRYCOLLECTION
CREATE TABLE t (id INT PRIMARY KEY, g {k}, s {k} SRID 4326);
INSERT INTO t (id, g) VALUES (1, NULL);
INSERT INTO t (id, g) SELECT 2, ST_GeomFromText(CASE '{k}' WHEN 'POINT' THEN 'POINT(1 -2.5)' WHEN 'LINESTRING' THEN 'LINESTRING(0 0, 1 1, 2 0.1)' WHEN 'POLYGON' THEN 'POLYGON((0 0, 10 0, 10 10, 0 0), (1 1, 2 1, 2 2, 1 1))' WHEN 'MULTIPOINT' THEN 'MULTIPOINT(0 0, 1 1)' WHEN 'MULTILINESTRING' THEN 'MULTILINESTRING((0 0, 1 1), (2 2, 3 3))' WHEN 'MULTIPOLYGON' THEN 'MULTIPOLYGON(((0 0, 1 0, 1 1, 0 0)), ((5 5, 6 5, 6 6, 5 5)))' ELSE 'GEOMETRYCOLLECTION(POINT(1 1), LINESTRING(0 0, 1 1))' END);
-- then
INSERT INTO t (id, g, s) SELECT 3, g, ST_SRID(g, 4326) FROM t WHERE id = 2;
UPDATE t SET g = NULL WHERE id = 2;
DELETE FROM t WHERE id = 1;

-- case: geometry_srid_{s}
-- about: points under several reference systems
-- for: s = 0 | 4326 | 3857 | 4269 | 32633 | 2193
CREATE TABLE t (id INT PRIMARY KEY, g POINT NOT NULL SRID {s}, SPATIAL INDEX (g));
INSERT INTO t VALUES (1, ST_PointFromText('POINT(1 2)', {s}));
-- then
UPDATE t SET g = ST_PointFromText('POINT(3 4)', {s});

-- case: geometry_any_srid
-- about: each value of a column has a reference system of its own
CREATE TABLE t (id INT PRIMARY KEY, g GEOMETRY);
INSERT INTO t VALUES (1, ST_GeomFromText('POINT(1 2)')), (2, ST_GeomFromText('POINT(1 2)', 4326)), (3, ST_GeomFromText('POINT(89.5 -179.25)', 4326)), (4, ST_GeomFromText('LINESTRING(1 2, 3 4)', 3857));
-- then
UPDATE t SET g = ST_SRID(g, 3857) WHERE id = 1;
UPDATE t SET g = ST_SwapXY(g) WHERE id = 2;
INSERT INTO t VALUES (5, ST_GeomFromText('POINT(12 -3e-300)', 4269)), (6, ST_GeomFromText('POINT(-0.0 1e300)'));

-- case: geometry_large
-- about: a line of many points
-- session: SET SESSION group_concat_max_len = 10000000
CREATE TABLE t (id INT PRIMARY KEY, g LINESTRING, p MULTIPOINT SRID 4326);
INSERT INTO t (id, g) SELECT 1, ST_GeomFromText(CONCAT('LINESTRING(', (WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 20000) SELECT GROUP_CONCAT(i / 7, ' ', -i) FROM n), ')'));
-- then
INSERT INTO t (id, g) SELECT 2, g FROM t AS x WHERE id = 1;
UPDATE t SET g = ST_GeomFromText('LINESTRING(0 0, 1 1)') WHERE id = 1;

-- case: geometry_added_{k}
-- about: a column added while the log is followed
-- for: k = GEOMETRY | POINT | POINT SRID 4326 | MULTIPOLYGON | GEOMETRYCOLLECTION NULL SRID 0 COMMENT 'a POINT' | GEOMCOLLECTION
CREATE TABLE t (id INT PRIMARY KEY, a INT);
INSERT INTO t VALUES (1, 1);
-- then
ALTER TABLE t ADD COLUMN g {k};
INSERT INTO t VALUES (2, 2, NULL);
ALTER TABLE t ADD COLUMN h POINT AFTER a;
INSERT INTO t VALUES (3, 3, POINT(3, 4), NULL);

-- case: spatial_index_added
-- about: spatial indexes come and go
CREATE TABLE t (id INT PRIMARY KEY, g POINT NOT NULL SRID 0, h POINT NOT NULL SRID 4326);
INSERT INTO t VALUES (1, POINT(1, 2), ST_SRID(POINT(1, 2), 4326));
-- then
ALTER TABLE t ADD SPATIAL INDEX (g), ADD SPATIAL KEY k (h);
INSERT INTO t VALUES (2, POINT(3, 4), ST_SRID(POINT(3, 4), 4326));
ALTER TABLE t DROP INDEX k, ADD COLUMN x INT;
CREATE SPATIAL INDEX l ON t (h);
INSERT INTO t VALUES (3, POINT(3, 4), ST_SRID(POINT(3, 4), 4326), 5);

-- case: geometry_functions
-- about: geometry that a generated column and a function make
CREATE TABLE t (id INT PRIMARY KEY, x DOUBLE, y DOUBLE, p POINT AS (POINT(x, y)) STORED, b GEOMETRY);
INSERT INTO t (id, x, y) VALUES (1, 1.5, -2), (2, NULL, 1);
-- then
UPDATE t SET b = ST_Buffer(p, 1.5), x = 7 WHERE id = 1;
INSERT INTO t (id, x, y, b) VALUES (3, 0.1, 0.2, ST_GeomFromGeoJSON('{"type": "Point", "coordinates": [102.0, 0.5]}'));

-- case: geometry_empty
-- about: an empty collection
CREATE TABLE t (id INT PRIMARY KEY, g GEOMETRYCOLLECTION);
INSERT INTO t VALUES (1, ST_GeomFromText('GEOMETRYCOLLECTION EMPTY'));
-- then
INSERT INTO t VALUES (2, ST_GeomFromText('GEOMETRYCOLLECTION(GEOMETRYCOLLECTION(POINT(1 1)))'));

-- case: vector_{n}
-- about: vectors of each size
-- for: n = 1 | 3 | 2048
CREATE TABLE t (id INT PRIMARY KEY, v VECTOR({n}));
INSERT INTO t VALUES (1, NULL), (2, TO_VECTOR('[1.5]'));
-- then
INSERT INTO t VALUES (3, TO_VECTOR('[-0.1]'));
UPDATE t SET v = TO_VECTOR('[1.2e-38]') WHERE id = 1;
UPDATE t SET v = NULL WHERE id = 2;

-- case: vector_long
-- about: as many numbers as there is room for, and fewer
CREATE TABLE t (id INT PRIMARY KEY, v VECTOR(16383), w VECTOR NOT NULL);
INSERT INTO t VALUES (1, TO_VECTOR(CONCAT('[', REPEAT('0.333,', 16382), '3.4e38]')), TO_VECTOR('[1,2,3]'));
-- then
INSERT INTO t VALUES (2, TO_VECTOR('[1,-2]'), TO_VECTOR(CONCAT('[', REPEAT('-7.25e-3,', 2047), '0]')));
UPDATE t SET v = w, w = TO_VECTOR('[0,-0]') WHERE id = 1;
ALTER TABLE t ADD COLUMN x VECTOR(4);
INSERT INTO t VALUES (3, NULL, TO_VECTOR('[5]'), TO_VECTOR('[1e10,2,3,4]'));

-- case: generated_{k}
-- about: generated columns of several types
-- for: k = VIRTUAL | STORED
CREATE TABLE t (id INT PRIMARY KEY, a INT, s VARCHAR(20), g INT GENERATED ALWAYS AS (a + 1) {k}, h VARCHAR(30) AS (CONCAT(s, '-', a)) {k} NOT NULL, j JSON AS (JSON_OBJECT('a', a)) {k}, d DECIMAL(10,2) AS (a / 3) {k}, u CHAR(20) CHARACTER SET latin1 AS (UPPER(s)) {k});
INSERT INTO t (id, a, s) VALUES (1, 1, 'é'), (2, -2, 'b');
INSERT IGNORE INTO t (id, a, s) VALUES (3, 5, '');
-- then
UPDATE t SET a = 10 WHERE id = 1;
UPDATE t SET s = 'ü' WHERE id = 2;
INSERT INTO t (id, a, s) VALUES (4, 4, 'x');
DELETE FROM t WHERE id = 3;

-- case: generated_both
-- about: virtual and stored columns among others
CREATE TABLE t (v INT AS (a * 2) VIRTUAL, id INT PRIMARY KEY, a INT, w INT AS (a * 3) STORED, b INT, x INT AS (b + v) VIRTUAL, KEY (v), KEY (x));
INSERT INTO t (id, a, b) VALUES (1, 1, 1), (2, 2, NULL);
-- then
UPDATE t SET a = 5, b = 6 WHERE id = 2;
INSERT INTO t (id, a) VALUES (3, NULL);
ALTER TABLE t ADD COLUMN c INT AFTER id;
INSERT INTO t (id, c, a, b) VALUES (4, 4, 4, 4);

-- case: generated_json
-- about: columns out of a document
-- session: SET sql_mode = ''
CREATE TABLE t (id INT PRIMARY KEY, j JSON, n VARCHAR(20) AS (j->>'$.name') VIRTUAL, p DECIMAL(10,2) AS (CAST(j->>'$.price' AS DECIMAL(10,2))) STORED, KEY (n));
INSERT INTO t (id, j) VALUES (1, '{"name": "é", "price": 1.5}'), (2, '{"price": null}'), (3, NULL);
-- then
UPDATE t SET j = JSON_SET(j, '$.name', 'new') WHERE id < 3;
INSERT INTO t (id, j) VALUES (4, '{"name": "x"}');

-- case: functional_index
-- about: an index over an expression has a hidden column
CREATE TABLE t (id INT PRIMARY KEY, a INT, b VARCHAR(10), KEY ((a * 2)), UNIQUE KEY ((UPPER(b))));
INSERT INTO t VALUES (1, 1, 'x'), (2, NULL, 'y');
-- then
UPDATE t SET a = 5, b = 'z' WHERE id = 1;
INSERT INTO t VALUES (3, 3, 'w');
ALTER TABLE t ADD COLUMN c INT;
INSERT INTO t VALUES (4, 4, 'v', 4);
DELETE FROM t WHERE id = 2;

-- case: functional_index_added
-- about: the hidden column comes and goes while the log is followed
CREATE TABLE t (id INT PRIMARY KEY, a INT, b VARCHAR(10));
INSERT INTO t VALUES (1, 1, 'x'), (2, NULL, 'y');
-- then
ALTER TABLE t ADD INDEX f ((a + 1));
INSERT INTO t VALUES (3, 3, 'w');
CREATE INDEX g ON t ((CONCAT(b, 'x')));
UPDATE t SET a = 7;
ALTER TABLE t DROP INDEX f;
INSERT INTO t VALUES (4, 4, 'v');

-- case: multi_valued_index
-- about: an index over the elements of an array
CREATE TABLE t (id INT PRIMARY KEY, j JSON, KEY z ((CAST(j->'$.zip' AS UNSIGNED ARRAY))));
INSERT INTO t VALUES (1, '{"zip": [1, 2]}'), (2, '{"zip": []}'), (3, NULL);
-- then
UPDATE t SET j = '{"zip": [3]}' WHERE id = 2;
DELETE FROM t WHERE id = 1;
INSERT INTO t VALUES (4, '{"zip": [5, 6, 7]}');

-- case: invisible
-- about: invisible columns
CREATE TABLE t (id INT PRIMARY KEY, a INT INVISIBLE, b INT DEFAULT 5 INVISIBLE, c INT);
INSERT INTO t VALUES (1, 1);
INSERT INTO t (id, a, b, c) VALUES (2, 2, 2, 2);
-- then
UPDATE t SET a = 9;
INSERT INTO t VALUES (3, 3);

-- case: default_expression
-- about: defaults that are expressions, and on update
-- session: SET timestamp = 1577934245.678901
CREATE TABLE t (id INT PRIMARY KEY, u VARCHAR(40) DEFAULT (UUID()), r DOUBLE DEFAULT (RAND()), j JSON DEFAULT (JSON_ARRAY(1, 2)), x TEXT DEFAULT ('text'), ts TIMESTAMP(6) DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6), dt DATETIME(3) DEFAULT CURRENT_TIMESTAMP(3), b BINARY(16) DEFAULT (UUID_TO_BIN(UUID())));
INSERT INTO t (id) VALUES (1), (2);
-- then
INSERT INTO t (id) VALUES (3);
UPDATE t SET r = RAND() WHERE id = 1;

-- case: many_columns
-- about: more columns than one byte of a bitmap holds
CREATE TABLE t (id INT PRIMARY KEY, a1 INT, a2 INT, a3 INT, a4 INT, a5 INT, a6 INT, a7 INT, a8 INT, a9 INT, b1 INT, b2 INT, b3 INT, b4 INT, b5 INT, b6 INT, b7 VARCHAR(5), b8 BIT(3), b9 DATE);
INSERT INTO t (id, a1, a7, a8, b6) VALUES (1, 1, 7, 8, 6), (2, NULL, NULL, 8, NULL);
INSERT INTO t VALUES (3, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3, 4, 5, 6, '7', 5, '2020-01-01');
-- then
UPDATE t SET a8 = NULL, b7 = 'x', b8 = 1;
ALTER TABLE t DROP COLUMN a3, ADD COLUMN c INT AFTER a7;
UPDATE t SET c = 1, b9 = '2021-01-01' WHERE id = 2;

-- case: columns_{n}
-- about: tables with many columns
-- for: n = 300 | 900
-- session: SET SESSION group_concat_max_len = 1000000
SET @s = (WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < {n}) SELECT CONCAT('CREATE TABLE t (id INT PRIMARY KEY, ', GROUP_CONCAT(CONCAT('c', i, IF(i % 3 = 0, ' VARCHAR(1)', ' INT')) ORDER BY i), ')') FROM n);
PREPARE p FROM @s;
EXECUTE p;
-- log
INSERT INTO t (id, c1, c3, c{n}) VALUES (1, 1, 'x', 7), (2, NULL, NULL, NULL);
-- then
UPDATE t SET c{n} = 9, c200 = 5 WHERE id = 2;
INSERT INTO t (id, c64) VALUES (3, 64);

-- case: mixed_charsets
-- about: a table with a column in each of several character sets
CREATE TABLE t (id INT PRIMARY KEY, a VARCHAR(10) CHARACTER SET latin1, b VARCHAR(10) CHARACTER SET utf8mb4, c CHAR(10) CHARACTER SET utf16, d TEXT CHARACTER SET cp1251, e CHAR(5) CHARACTER SET ascii, f VARCHAR(10) CHARACTER SET sjis, g VARCHAR(10) CHARACTER SET gbk, h VARCHAR(10) CHARACTER SET ucs2, i VARBINARY(10), j VARCHAR(10) CHARACTER SET utf32);
INSERT INTO t VALUES (1, 'é', '😀', '😀', 'Ж', 'a', 'ア', '中', '日', X'FF', '😀'), (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL), (3, '', '', '', '', '', '', '', '', '', '');
-- then
UPDATE t SET a = 'ÿ', c = 'x ', d = CONCAT(IFNULL(d, ''), 'я'), f = '表', g = '文', i = X'00', j = 'é';
INSERT INTO t (id, f, h) VALUES (4, '能ソ', '€');

-- case: latin1_is_cp1252
-- about: latin1 is Windows-1252 to MySQL, with the five bytes that it leaves out
CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(300) CHARACTER SET latin1, b VARBINARY(300));
INSERT INTO t VALUES (1, X'808182838485868788898A8B8C8D8E8F909192939495969798999A9B9C9D9E9F', NULL), (2, X'00017F80FF', NULL);
-- then
UPDATE t SET b = v;
INSERT INTO t VALUES (3, X'818D8F909D', X'81');

-- case: bytes_{c}
-- about: every byte of an 8-bit character set, as bytes
-- for: c = ascii | latin2 | latin5 | latin7 | cp850 | cp852 | cp866 | cp1250 | cp1251 | cp1256 | cp1257 | koi8r | koi8u | greek | hebrew | macce | macroman | keybcs2 | hp8 | dec8 | armscii8 | geostd8 | swe7 | tis620
CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20) CHARACTER SET {c}, k CHAR(3) CHARACTER SET {c});
INSERT IGNORE INTO t WITH RECURSIVE n AS (SELECT 0 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 255) SELECT i, CONVERT(CONVERT(CHAR(i USING {c}) USING utf8mb4) USING {c}), 'x' FROM n;
-- then
UPDATE t SET k = v WHERE id % 2 = 0;
DELETE FROM t WHERE id % 5 = 0;

-- case: bit_in_set_of_columns
-- about: columns that take fractions of a byte, next to each other
CREATE TABLE t (id INT PRIMARY KEY, a BIT(1), b BIT(7), c BOOLEAN, d BIT(9), e ENUM('x'), f SET('y'), g BIT(1) NOT NULL);
INSERT INTO t VALUES (1, 1, 127, TRUE, 511, 'x', 'y', 1), (2, NULL, NULL, NULL, NULL, NULL, NULL, 0);
-- then
UPDATE t SET a = NOT IFNULL(a, 0), b = 64, d = 256, g = 1 - g;

-- case: null_everywhere
-- about: NULL in every type, from the start and by an update
CREATE TABLE t (id INT PRIMARY KEY, a TINYINT, b INT, c BIGINT UNSIGNED, d DECIMAL(30,5), e FLOAT, f DOUBLE, g BIT(1), h BIT(9), i CHAR(3), j VARCHAR(300), k TEXT, l BINARY(3), m VARBINARY(3), n BLOB, o DATE, p DATETIME(6), q TIMESTAMP NULL, r TIME(2), s YEAR, t ENUM('a'), u SET('a'), v JSON);
INSERT INTO t (id) VALUES (1);
INSERT INTO t VALUES (2, 1, 1, 1, 1, 1, 1, 1, 1, 'a', 'a', 'a', 'a', 'a', 'a', '2020-01-01', '2020-01-01', '2020-01-01', '1:1:1', 2020, 'a', 'a', '1');
-- then
INSERT INTO t SELECT 3, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v FROM t AS x WHERE id = 2;
UPDATE t SET a = NULL, b = NULL, c = NULL, d = NULL, e = NULL, f = NULL, g = NULL, h = NULL, i = NULL, j = NULL, k = NULL, l = NULL, m = NULL, n = NULL, o = NULL, p = NULL, q = NULL, r = NULL, s = NULL, t = NULL, u = NULL, v = NULL WHERE id = 2;

-- case: column_names
-- about: columns named like Iceberg's own, or like SQL
CREATE TABLE t (id INT PRIMARY KEY, `_pos` INT, `file_path` INT, `pos` INT, `_row_id` INT, `_last_updated_sequence_number` INT, `select` INT, ` lead` INT, `a.b` INT, `a"b` INT);
INSERT INTO t VALUES (1, 1, 1, 1, 1, 1, 1, 1, 1, 1), (2, 2, 2, 2, 2, 2, 2, 2, 2, 2);
-- then
UPDATE t SET `_pos` = 10, `a.b` = 20 WHERE id = 1;
DELETE FROM t WHERE id = 2;

-- case: choice_time
-- about: TIME as microseconds
CREATE TABLE t (id INT PRIMARY KEY, a TIME, b TIME(3) NOT NULL, c TIME(6) DEFAULT '-01:02:03.456789');
INSERT INTO t VALUES (1, '838:59:59', '-838:59:58.999', '00:00:00'), (2, NULL, '-00:00:00.001', NULL), (3, '-00:00:01', '00:00:00', '00:00:00.000001');
INSERT INTO t (id, b) VALUES (4, '12:34:56.789');
-- then
UPDATE t SET a = '-12:00:01', b = '25:00:00.5', c = '-00:59:59.999999' WHERE id < 3;
INSERT INTO t VALUES (5, '00:00:01', '100:00:00', NULL);

-- case: choice_boolean
-- about: TINYINT(1) as boolean; other integers stay what they are
CREATE TABLE t (id INT PRIMARY KEY, a BOOLEAN, b TINYINT(1) NOT NULL DEFAULT 1, c TINYINT, d TINYINT(1) UNSIGNED, e BIT(1));
INSERT INTO t VALUES (1, TRUE, FALSE, 5, 7, 1), (2, NULL, 0, -5, NULL, NULL);
INSERT INTO t (id) VALUES (3);
-- then
UPDATE t SET a = NOT a, b = NOT b, c = 1 WHERE id < 3;
INSERT INTO t VALUES (4, 0, 1, 0, 0, 0);

-- case: choice_boolean_two
-- about: a number that is no boolean pauses the table
-- expect: refused INVALID_VALUE
CREATE TABLE t (id INT PRIMARY KEY, a BOOLEAN);
INSERT INTO t VALUES (1, TRUE), (2, 2);
-- then
UPDATE t SET a = -1;

-- case: choice_key
-- about: columns of the key stay as they are
CREATE TABLE t (a TINYINT, b SMALLINT, v BOOLEAN, PRIMARY KEY (a, b));
INSERT INTO t VALUES (1, 2, 1), (3, 4, 0);
-- then
UPDATE t SET a = 5, v = NULL WHERE a = 1;

-- case: choice_added
-- about: what old rows read in new columns
-- session: SET sql_mode = ''
-- format: 2
CREATE TABLE t (id INT PRIMARY KEY);
INSERT INTO t VALUES (1);
-- then
ALTER TABLE t ADD COLUMN a BOOLEAN NOT NULL DEFAULT TRUE, ADD COLUMN b BOOLEAN NOT NULL, ADD COLUMN c TIME(2) DEFAULT '-12:34:56', ADD COLUMN d TIME NOT NULL, ADD COLUMN e BOOLEAN;
INSERT INTO t (id) VALUES (2);
INSERT INTO t VALUES (3, 0, 1, '00:00:00.25', '700:00:00', 1);

-- case: choice_wkb
-- about: geometry without its reference system
CREATE TABLE t (id INT PRIMARY KEY, g GEOMETRY, p POINT SRID 4326);
INSERT INTO t VALUES (1, ST_GeomFromText('POINT(1 2)'), ST_GeomFromText('POINT(3 4)', 4326)), (2, ST_GeomFromText('LINESTRING(0 0, 1 1)', 3857), NULL);
-- then
UPDATE t SET g = p;

-- case: choice_zero_dates
-- about: dates that are no calendar dates as NULL, also where MySQL has no NULL
-- session: SET sql_mode = 'ALLOW_INVALID_DATES'
CREATE TABLE t (id INT PRIMARY KEY, d DATE NOT NULL, dt DATETIME(3) NOT NULL, ts TIMESTAMP NOT NULL, e DATE);
INSERT INTO t VALUES (1, '0000-00-00', '2020-00-01', '0000-00-00', '2021-02-30'), (2, '2020-01-01', '2020-01-01', '2020-01-01', '2020-01-01');
-- then
INSERT INTO t VALUES (3, '2020-00-00', '2020-02-31 10:00:00', '0000-00-00', NULL);
UPDATE t SET d = '2021-01-01' WHERE id = 1;
UPDATE t SET d = '2021-00-01', dt = '0000-00-00' WHERE id = 2;
