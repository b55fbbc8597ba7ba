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
-- session: SET SESSION cte_max_recursion_depth = 100000
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
-- expect: log,split refused PARTIAL_JSON
CREATE TABLE t (id INT PRIMARY KEY, j JSON);
INSERT INTO t VALUES (1, '{"a": "long enough to be changed in place", "b": [1, 2, 3], "c": {"d": 1}}');
-- then
SET SESSION binlog_row_value_options = 'PARTIAL_JSON';
UPDATE t SET j = JSON_SET(j, '$.b[1]', 9, '$.c.d', 'x');
UPDATE t SET j = JSON_REMOVE(j, '$.a');
