-- case: json_{v}
-- about: a JSON value as MySQL prints it
-- for: v = null | true | false | 0 | -0 | 1.0 | -1 | 32767 | 32768 | 65535 | 65536 | 2147483648 | 4294967295 | 4294967296 | 9223372036854775807 | 18446744073709551615 | -9223372036854775808 | 18446744073709551616 | 1e400000 | 0.1 | 1e10 | 1e-10 | 123456789012345678 | 1.7976931348623157e308 | 5e-324 | 3.14159 | "" | "a" | "é😀" | "\\u0000\\u001f\\"\\\\/" | [] | {} | [[[]]] | {"b": 1, "a": 2, "aa": 3, "": 4} | {"a": 1, "a": 2} | [1, "a", null, true, {"x": [1.5]}]
-- session: SET NAMES utf8mb4
CREATE TABLE t (id INT PRIMARY KEY, j JSON, k JSON NOT NULL);
INSERT IGNORE INTO t SELECT 1, IF(JSON_VALID('{v}'), '{v}', NULL), IF(JSON_VALID('{v}'), '[{v}]', '[]');
INSERT INTO t VALUES (2, NULL, '{}');
-- then
UPDATE t SET j = k, k = JSON_ARRAY(k, k);
INSERT IGNORE INTO t SELECT 3, IF(JSON_VALID('{v}'), '{"key": {v}}', NULL), '1';

-- case: json_opaque_{e}
-- about: JSON values of SQL types that JSON has not
-- for: e = CAST(1.10 AS DECIMAL(10,2)) | CAST('-99999999999999999999999999999999999.123456789012345678901234567890' AS DECIMAL(65,30)) | DATE'2020-02-29' | TIMESTAMP'2020-01-01 10:11:12.123456' | TIMESTAMP'0001-01-01 00:00:00' | TIME'-838:59:59' | TIME'10:11:12.5' | X'00FF' | b'101' | CAST('x' AS BINARY(4)) | CAST(1 AS UNSIGNED) | CAST(-1 AS SIGNED) | 1.5e0 | YEAR('2020-01-01') | TRUE | NULL
CREATE TABLE t (id INT PRIMARY KEY, j JSON, k JSON);
INSERT INTO t VALUES (1, JSON_ARRAY({e}), JSON_OBJECT('k', {e}, 'l', JSON_ARRAY({e}, 1))), (2, CAST({e} AS JSON), NULL);
-- then
UPDATE t SET k = j, j = JSON_OBJECT('x', {e});
INSERT INTO t SELECT 3, JSON_MERGE_PRESERVE(k, k), j FROM t WHERE id = 1;

-- case: json_column_types
-- about: JSON made of columns of each type
CREATE TABLE s (id INT PRIMARY KEY, a DECIMAL(30,10), b DATETIME(6), c TIME(3), d DATE, e VARBINARY(5), f BIT(9), g ENUM('x','y'), h SET('p','q'), i YEAR, j FLOAT, k DOUBLE, l BIGINT UNSIGNED, m CHAR(3) CHARACTER SET latin1);
CREATE TABLE t (id INT PRIMARY KEY, j JSON);
INSERT INTO s VALUES (1, 1.5, '2020-01-01 01:01:01.5', '-10:00:00.5', '2020-01-01', X'FF', 257, 'y', 'p,q', 2020, 0.1, 0.1, 18446744073709551615, 'é'), (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO t SELECT id, JSON_OBJECT('a', a, 'b', b, 'c', c, 'd', d, 'e', e, 'f', f, 'g', g, 'h', h, 'i', i, 'j', j, 'k', k, 'l', l, 'm', m) FROM s;
-- then
INSERT INTO t SELECT id + 10, JSON_ARRAY(a, b, c, d, e, f, g, h, i, j, k, l, m) FROM s;
UPDATE t SET j = JSON_SET(j, '$.n', CAST(2.50 AS DECIMAL(5,2))) WHERE id < 3;

-- case: json_keys_order
-- about: keys in the order of MySQL: by length, then by bytes
CREATE TABLE t (id INT PRIMARY KEY, j JSON);
INSERT INTO t VALUES (1, '{"zz": 1, "a": 2, "é": 3, "B": 4, "aa": 5, "10": 6, "9": 7, "😀": 8, "b": 9, "": 10}'), (2, '{"id": {"b": {"y": 1, "x": 2}, "a": []}}');
-- then
UPDATE t SET j = JSON_SET(j, '$.c', 1, '$."d d"', 2, '$.aaa', JSON_OBJECT('z', 1, 'y', 2));
UPDATE t SET j = JSON_REMOVE(j, '$.a') WHERE id = 1;

-- case: json_large
-- about: documents beyond 64 KiB have offsets of four bytes
CREATE TABLE t (id INT PRIMARY KEY, j JSON);
INSERT INTO t WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 7000) SELECT 1, JSON_ARRAYAGG(JSON_OBJECT('i', i, 's', CONCAT('value ', i))) FROM n;
INSERT INTO t WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 7000) SELECT 2, JSON_OBJECTAGG(CONCAT('key', i), i * 1.5) FROM n;
INSERT INTO t VALUES (3, JSON_OBJECT('a', REPEAT('x', 70000), 'b', REPEAT('é', 200), 'c', REPEAT('y', 128)));
-- then
UPDATE t SET j = JSON_SET(j, '$[10].s', 'changed') WHERE id = 1;
UPDATE t SET j = JSON_REMOVE(j, '$.a') WHERE id = 3;

-- case: json_deep
-- about: documents of a hundred levels
CREATE TABLE t (id INT PRIMARY KEY, j JSON);
INSERT INTO t VALUES (1, CONCAT(REPEAT('[', 99), REPEAT(']', 99))), (2, CONCAT(REPEAT('{"a":', 99), '1', REPEAT('}', 99)));
-- then
UPDATE t SET j = JSON_ARRAY(1) WHERE id = 1;

-- case: json_doubles
-- about: doubles as MySQL prints them inside JSON
CREATE TABLE t (id INT PRIMARY KEY, d DOUBLE, j JSON);
INSERT INTO t (id, d) VALUES (1, 0.1), (2, 1e15), (3, 1e16), (4, 1e17), (5, 123456789012345680), (6, 1e-5), (7, 1e-4), (8, 1.5e300), (9, -0.0), (10, 1/3), (11, 100), (12, 1e21), (13, 1e22), (14, 5e-324), (15, 12345678.9), (16, 0.000001234);
UPDATE t SET j = JSON_ARRAY(d, -d);
-- then
UPDATE t SET j = JSON_OBJECT('d', d * 3, 'e', d / 7);

-- case: json_partial
-- about: partial updates of JSON in the log
CREATE TABLE t (id INT PRIMARY KEY, j JSON);
INSERT INTO t VALUES (1, '{"a": "long enough to be changed in place", "b": [1, 2, 3], "c": {"d": 1}}');
-- then
SET SESSION binlog_row_value_options = 'PARTIAL_JSON';
UPDATE t SET j = JSON_SET(j, '$.b[1]', 9, '$.c.d', 'x');
UPDATE t SET j = JSON_REMOVE(j, '$.a');

-- case: json_partial_nested
-- about: partial updates deep in a document, several in a statement, that build on each other
CREATE TABLE t (id INT PRIMARY KEY, j JSON);
INSERT INTO t VALUES (1, JSON_OBJECT('pad', REPEAT('p', 300), 'list', JSON_ARRAY(1, JSON_ARRAY(2, JSON_OBJECT('x', JSON_ARRAY(3, 4))), 5), 'o', JSON_OBJECT('b', 1, 'aa', 2, 'a', 3)));
INSERT INTO t SELECT 2, JSON_ARRAY(REPEAT('q', 300), j, j) FROM t;
-- then
SET SESSION binlog_row_value_options = 'PARTIAL_JSON';
UPDATE t SET j = JSON_SET(j, '$.list[1][1].x[0]', 'deep', '$.list[1][1].y', JSON_ARRAY(), '$.o.c', 0, '$.o.bb', TRUE, '$.o.A', NULL) WHERE id = 1;
UPDATE t SET j = JSON_SET(j, '$.list[1][1].y[0]', 1, '$.list[1][1].y[1]', 2, '$.list[7]', 'end', '$.list[last-9]', 'begin') WHERE id = 1;
UPDATE t SET j = JSON_REMOVE(j, '$.list[0]', '$.list[0]', '$.o.aa', '$.pad');
UPDATE t SET j = JSON_REPLACE(j, '$[1].o', JSON_OBJECT(), '$[2].list[last]', JSON_OBJECT('k', JSON_ARRAY(1))) WHERE id = 2;
UPDATE t SET j = JSON_SET(JSON_REMOVE(JSON_REPLACE(j, '$[2].list[last].k[0]', 'r'), '$[1].list'), '$[1].list', 'again', '$[9]', 9) WHERE id = 2;
UPDATE t SET id = id + 10, j = JSON_SET(j, '$.moved', id, '$[0]', id);

-- case: json_partial_large
-- about: partial updates of documents beyond 64 KiB, and ones that make documents grow beyond it and shrink again
CREATE TABLE t (id INT PRIMARY KEY, j JSON);
INSERT INTO t VALUES (1, JSON_OBJECT('s', REPEAT('s', 70000), 'a', JSON_ARRAY(1, 65536, 3000000000, TRUE, JSON_OBJECT('k', 1)), 'n', 40000)), (2, JSON_OBJECT('s', 'short', 'pad', REPEAT('p', 60000)));
INSERT INTO t SELECT 3, JSON_OBJECTAGG(CONCAT('key', n), JSON_ARRAY(n, n * 1000, CONCAT('v', n))) FROM (WITH RECURSIVE s AS (SELECT 1 n UNION ALL SELECT n + 1 FROM s WHERE n < 900) SELECT n FROM s) x;
-- then
SET SESSION binlog_row_value_options = 'PARTIAL_JSON';
UPDATE t SET j = JSON_SET(j, '$.a[1]', 1, '$.a[4].k', 70000, '$.n', -1, '$.z', JSON_ARRAY()) WHERE id = 1;
UPDATE t SET j = JSON_SET(j, '$.s', REPEAT('g', 8000), '$.t', 65536) WHERE id = 2;
UPDATE t SET j = JSON_SET(j, '$.key77[1]', NULL, '$.key78.x', 1, '$.key901', 'new', '$.key5[9]', 9.5);
UPDATE t SET j = JSON_REMOVE(j, '$.key1', '$.key900', '$.key450[0]') WHERE id = 3;
UPDATE t SET j = JSON_REMOVE(j, '$.s', '$.pad');

-- case: json_partial_types
-- about: partial updates with values that JSON text has no words for, and with keys of all kinds
CREATE TABLE t (id INT PRIMARY KEY, j JSON, dec1 DECIMAL(30,10), ts DATETIME(6), b VARBINARY(100), f DOUBLE);
INSERT INTO t VALUES (1, JSON_OBJECT('pad', REPEAT('p', 300), 'é', 1, '😀', JSON_ARRAY(1, 2), 'a b', 3, 'q"u', 4, 'back\\slash', 5, '', 6, '$', 7, 'a.b', 8), 12345678901234567890.0123456789, '2024-02-29 23:59:59.000001', X'00ff10', 1e300);
-- then
SET SESSION binlog_row_value_options = 'PARTIAL_JSON';
UPDATE t SET j = JSON_SET(j, '$.é', dec1, '$."😀"[1]', ts, '$."a b"', b, '$."q\\"u"', f, '$."back\\\\slash"', CAST(ts AS TIME(6)), '$.""', CAST(ts AS DATE));
UPDATE t SET j = JSON_SET(j, '$."😀"[0]', CAST(18446744073709551615 AS JSON), '$."$"', -9223372036854775808, '$."a.b"', ST_GeomFromText('POINT(1 2)'), '$."naïve"', b'1010', '$."ü ü"', JSON_OBJECT('ß', dec1));
UPDATE t SET j = JSON_REMOVE(j, '$.é', '$."a.b"', '$.""');
UPDATE t SET j = JSON_SET(j, '$."tab\\t"', '\t\n"', '$."\\u0001"', 'control', '$."/"', '/');

-- case: json_partial_some
-- about: a statement of which only some rows, and some columns, are logged as partial updates
CREATE TABLE t (k VARCHAR(10) PRIMARY KEY, a JSON, n INT, b JSON NOT NULL, t TEXT, c JSON, g JSON AS (JSON_EXTRACT(b, '$.x')) VIRTUAL);
INSERT INTO t (k, a, n, b, t, c) VALUES ('null', NULL, 1, '[]', 'text', NULL), ('small', '{"x": 1}', 2, '{"x": 1}', NULL, '1'), ('scalar', '7', NULL, '"s"', 't', 'null');
INSERT INTO t (k, a, n, b, t, c) SELECT 'large', JSON_OBJECT('x', 1, 'p', REPEAT('p', 400)), 4, JSON_OBJECT('x', JSON_ARRAY(1), 'p', REPEAT('q', 400)), REPEAT('t', 500), JSON_ARRAY(REPEAT('r', 400), 1);
INSERT INTO t (k, a, n, b, t, c) SELECT 'half', JSON_OBJECT('x', 1, 'p', REPEAT('p', 400)), 4, '{}', REPEAT('t', 500), NULL;
-- then
SET SESSION binlog_row_value_options = 'PARTIAL_JSON';
UPDATE t SET a = JSON_SET(a, '$.x', 2);
UPDATE t SET a = JSON_SET(a, '$.y', 'new'), n = n + 1, b = JSON_SET(b, '$.x', 'b'), c = JSON_REPLACE(c, '$[1]', 2);
UPDATE t SET a = JSON_REMOVE(a, '$.x'), b = '{"x": "whole"}', t = NULL, c = NULL WHERE n > 4;
UPDATE t SET n = 0;
UPDATE t SET c = JSON_ARRAY(REPEAT('z', 100), 1), a = JSON_SET(a, '$.x', 1, '$.x', 2, '$.missing.y', 3) WHERE k IN ('large', 'small');
UPDATE t SET k = CONCAT(k, '2'), c = JSON_SET(c, '$[1]', CAST('{"o": [true]}' AS JSON));

-- case: json_partial_compressed
-- about: partial updates in compressed transactions
-- session: SET SESSION binlog_transaction_compression = ON
CREATE TABLE t (id INT PRIMARY KEY, j JSON);
INSERT INTO t SELECT n, JSON_OBJECT('pad', REPEAT('p', 200), 'n', n, 'l', JSON_ARRAY(n, n)) FROM (WITH RECURSIVE s AS (SELECT 1 n UNION ALL SELECT n + 1 FROM s WHERE n < 500) SELECT n FROM s) x;
-- then
SET SESSION binlog_row_value_options = 'PARTIAL_JSON';
START TRANSACTION;
UPDATE t SET j = JSON_SET(j, '$.n', id * 2, '$.l[0]', 'x') WHERE id % 3 = 0;
UPDATE t SET j = JSON_REMOVE(j, '$.l[1]') WHERE id % 2 = 0;
SAVEPOINT s;
UPDATE t SET j = JSON_SET(j, '$.gone', 1);
ROLLBACK TO s;
DELETE FROM t WHERE id % 7 = 0;
COMMIT;

-- case: json_partial_keyless
-- about: partial updates in a table without a key
CREATE TABLE t (a INT, j JSON);
INSERT INTO t SELECT n % 3, JSON_OBJECT('pad', REPEAT('p', 200), 'n', n % 2) FROM (WITH RECURSIVE s AS (SELECT 1 n UNION ALL SELECT n + 1 FROM s WHERE n < 12) SELECT n FROM s) x;
-- then
SET SESSION binlog_row_value_options = 'PARTIAL_JSON';
UPDATE t SET j = JSON_SET(j, '$.n', 'all') WHERE a = 1 LIMIT 2;
UPDATE t SET j = JSON_SET(j, '$.m', a, '$.n', 7);
DELETE FROM t WHERE a = 2 LIMIT 1;

-- case: json_partial_xa
-- about: partial updates in an XA transaction
CREATE TABLE t (id INT PRIMARY KEY, j JSON);
INSERT INTO t VALUES (1, JSON_OBJECT('pad', REPEAT('p', 200), 'n', 1)), (2, JSON_OBJECT('pad', REPEAT('p', 200), 'n', 1));
-- then
SET SESSION binlog_row_value_options = 'PARTIAL_JSON';
XA START '{db}1';
UPDATE t SET j = JSON_SET(j, '$.n', 2);
UPDATE t SET j = JSON_REMOVE(j, '$.pad') WHERE id = 2;
XA END '{db}1';
XA PREPARE '{db}1';
XA COMMIT '{db}1';
