-- case: decimal_{p}
-- about: DECIMAL of each width, at its bounds, through zero and with both signs
-- for: p = 1,0 | 2,1 | 4,4 | 5,2 | 9,0 | 9,9 | 10,0 | 10,3 | 17,8 | 18,0 | 18,9 | 18,18 | 19,0 | 19,9 | 20,0 | 27,9 | 28,10 | 30,30 | 36,18 | 37,1 | 38,0 | 38,10 | 38,30 | 39,0 | 39,10 | 40,30 | 57,19 | 65,0 | 65,1 | 65,29 | 65,30
-- session: SET sql_mode = ''
CREATE TABLE t (id INT PRIMARY KEY, d DECIMAL({p}), n DECIMAL({p}) NOT NULL DEFAULT 0, u DECIMAL({p}) UNSIGNED);
INSERT INTO t VALUES (1, 9e99, -9e99, 9e99), (2, 0, 0, 0), (3, NULL, 1, NULL), (4, -0.0, 0.1, 0.000000001), (5, 0.5, -0.5, 0.05);
INSERT INTO t VALUES (6, 123456789.123456789, -123456789.123456789, 1), (7, 1000000000, -1000000000, 999999999), (8, 12345678901234567890.12345678901234567890, -98765432109876543210.98765432109876543210, 1);
-- then
UPDATE t SET d = n, n = -n;
INSERT INTO t (id, d) VALUES (9, 0.123456789012345678901234567890), (10, -0.000000000000000000000000000001);
DELETE FROM t WHERE id = 5;

-- case: decimal_key_{p}
-- about: DECIMAL as a key, rows found again by it
-- for: p = 9,2 | 18,9 | 30,10 | 38,30 | 65,30
-- session: SET sql_mode = ''
CREATE TABLE t (d DECIMAL({p}) PRIMARY KEY, v INT);
INSERT INTO t VALUES (0, 1), (-0.5, 2), (0.5, 3), (0.1, 4), (-0.01, 5), (0.25, 6);
-- then
UPDATE t SET v = v * 10 WHERE d > 0;
UPDATE t SET d = d / 2 WHERE d < 0;
DELETE FROM t WHERE d = 0.1;
INSERT INTO t VALUES (0.1, 7) ON DUPLICATE KEY UPDATE v = 8;

-- case: decimal_zerofill
-- about: DECIMAL ZEROFILL is a number
CREATE TABLE t (id INT PRIMARY KEY, d DECIMAL(10,3) ZEROFILL, e DECIMAL(5) UNSIGNED ZEROFILL);
INSERT INTO t VALUES (1, 1.5, 7), (2, 0, 0), (3, NULL, NULL);
-- then
UPDATE t SET d = d + 1, e = e + 1;

-- case: float_plain
-- about: FLOAT and DOUBLE, exact to the bit
-- session: SET sql_mode = ''
CREATE TABLE t (id INT PRIMARY KEY, f FLOAT, d DOUBLE, u FLOAT UNSIGNED, w DOUBLE UNSIGNED, r REAL);
INSERT INTO t VALUES (1, 3.402823466e38, 1.7976931348623157e308, 3.402823466e38, 1.7976931348623157e308, 1.7976931348623157e308);
INSERT INTO t VALUES (2, -3.402823466e38, -1.7976931348623157e308, 0, 0, -1.7976931348623157e308), (3, 1.175494351e-38, 2.2250738585072014e-308, 1e-38, 1e-308, 5e-324);
INSERT INTO t VALUES (4, 1.4e-45, 5e-324, 1.4e-45, 5e-324, 5e-324), (5, -0.0, -0.0, -0.0, -0.0, -0.0), (6, 0.1, 0.1, 0.1, 0.1, 0.1), (7, 16777217, 9007199254740993, 16777217, 9007199254740993, 1/3);
INSERT INTO t VALUES (8, NULL, NULL, NULL, NULL, NULL), (9, -0e0, -0e0, 1e10, 1e15, 123456789012345678);
-- then
UPDATE t SET f = f / 3, d = d / 3, r = SQRT(ABS(r));
INSERT INTO t VALUES (10, 1e-50, 1e-320, 1e50, 1e308, PI());
DELETE FROM t WHERE id = 6;

-- case: float_{p}
-- about: FLOAT and DOUBLE with width and scale
-- for: p = 7,3 | 10,2 | 5,0 | 24,10 | 53,0 | 30,30 | 10,10
-- session: SET sql_mode = ''
CREATE TABLE t (id INT PRIMARY KEY, f FLOAT({p}), d DOUBLE({p}), u DOUBLE({p}) UNSIGNED);
INSERT INTO t VALUES (1, 1234.5678, 1234.5678, 1234.5678), (2, -0.0005, -0.0005, 0.0005), (3, 1e30, 1e30, 1e30), (4, NULL, NULL, NULL), (5, 0.1, 0.1, 0.1);
-- then
UPDATE t SET f = -f, d = d * 1.1;
INSERT INTO t VALUES (6, 99999.995, 99999.995, 99999.995);

-- case: float_p{p}
-- about: FLOAT(p) is FLOAT up to 24 bits, and DOUBLE above
-- for: p = 0 | 1 | 24 | 25 | 53
CREATE TABLE t (id INT PRIMARY KEY, f FLOAT({p}));
INSERT INTO t VALUES (1, 0.1), (2, 1e30), (3, -1234567.891), (4, NULL);
-- then
UPDATE t SET f = f / 7;

-- case: double_key
-- about: DOUBLE as a key; 0 and -0 are one key to MySQL
CREATE TABLE t (d DOUBLE PRIMARY KEY, v INT);
INSERT INTO t VALUES (0.1, 1), (-1e300, 2), (0, 3), (5e-324, 4), (1.7976931348623157e308, 5), (9007199254740993, 6), (0.30000000000000004, 7), (0.3, 8);
-- then
UPDATE t SET v = v + 10 WHERE d >= 0;
UPDATE t SET d = -d WHERE d = 0;
UPDATE t SET v = v + 1 WHERE d = 0;
UPDATE t SET d = d * 2 WHERE d = 0.1;
DELETE FROM t WHERE d = 0.3;
DELETE FROM t WHERE v = 2;
INSERT INTO t VALUES (0.3, 9), (-5e-324, 10);
UPDATE t SET d = 0 WHERE d = 0;

-- case: double_key_zero
-- about: a key of -0 that becomes 0, is deleted, and comes again
CREATE TABLE t (d DOUBLE PRIMARY KEY, v INT);
INSERT INTO t VALUES (-0e0, 1), (1, 1);
-- then
UPDATE t SET v = 2;
UPDATE t SET d = 0e0 WHERE d = 0;
DELETE FROM t WHERE d = -0e0;
INSERT INTO t VALUES (-0e0, 3);
START TRANSACTION;
DELETE FROM t WHERE d = 0;
INSERT INTO t VALUES (0, 4);
UPDATE t SET d = -d, v = 5;
COMMIT;

-- case: float_key
-- about: FLOAT as a part of a key
CREATE TABLE t (a INT, f FLOAT, v INT, PRIMARY KEY (a, f));
INSERT INTO t VALUES (1, 0.1, 1), (1, 0.2, 2), (1, 16777216, 3), (1, 16777218, 4), (2, -0e0, 5), (3, 1e-45, 6), (3, 3.4028234e38, 7);
-- then
UPDATE t SET v = 3 WHERE a = 1;
UPDATE t SET a = 3 - a WHERE a < 3 AND f < 1;
DELETE FROM t WHERE f > 1e30;

-- case: float_key_digits
-- about: FLOAT and DOUBLE with digits as keys
-- expect: refused KEY_TYPE
CREATE TABLE t (f FLOAT(9,3), d DOUBLE(12,2), v INT, PRIMARY KEY (d, f));
INSERT INTO t SELECT n * 1.001, n / 7, n FROM (WITH RECURSIVE s AS (SELECT -50 n UNION ALL SELECT n + 1 FROM s WHERE n < 50) SELECT n FROM s) x;
-- then
UPDATE t SET f = f + 0.001 WHERE v % 3 = 0;
UPDATE t SET v = 0 WHERE d > 1.3;
DELETE FROM t WHERE v = -7;

-- case: float_key_keeps
-- about: a table with a FLOAT key whose other columns change, and whose key column is renamed
CREATE TABLE t (f FLOAT NOT NULL, a INT, PRIMARY KEY (f));
INSERT INTO t VALUES (0.1, 1), (0.7, 2);
-- then
ALTER TABLE t ADD COLUMN b VARCHAR(10), RENAME COLUMN f TO g;
INSERT INTO t VALUES (0.9, 3, 'x');
UPDATE t SET b = 'y' WHERE g < 0.5;
ALTER TABLE t MODIFY g DOUBLE NOT NULL;
UPDATE t SET a = a + 1;
DELETE FROM t WHERE a = 4;

