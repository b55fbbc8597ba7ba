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
-- expect: refused KEY_TYPE
CREATE TABLE t (d DOUBLE PRIMARY KEY, v INT);
INSERT INTO t VALUES (0.1, 1), (-1e300, 2);
-- then
UPDATE t SET v = 3 WHERE d > 0;

-- case: float_key
-- about: FLOAT as a part of a key
-- expect: refused KEY_TYPE
CREATE TABLE t (a INT, f FLOAT, v INT, PRIMARY KEY (a, f));
INSERT INTO t VALUES (1, 0.1, 1), (1, 0.2, 2);
-- then
UPDATE t SET v = 3 WHERE a = 1;
