-- case: tinyint_signed
-- about: TINYINT at its bounds
CREATE TABLE t (id INT PRIMARY KEY, a TINYINT, b TINYINT NOT NULL, c TINYINT(1), d BOOLEAN);
INSERT INTO t VALUES (1, -128, -128, -128, FALSE), (2, 127, 127, 127, TRUE), (3, 0, 0, 0, NULL), (4, NULL, -1, 2, 1);
-- then
UPDATE t SET a = -a - 1, b = b DIV 2;
INSERT INTO t VALUES (5, 1, 1, 1, 1), (6, -1, -1, -1, 0);
DELETE FROM t WHERE id = 3;

-- case: {t}_unsigned
-- about: unsigned integers at their bounds
-- for: t = TINYINT | SMALLINT | MEDIUMINT | INT | BIGINT
-- session: SET sql_mode = ''
CREATE TABLE t (id INT PRIMARY KEY, a {t} UNSIGNED, b {t} UNSIGNED NOT NULL, z {t} UNSIGNED ZEROFILL);
INSERT INTO t VALUES (1, 0, 0, 0), (2, 18446744073709551615, 18446744073709551615, 18446744073709551615), (3, 127, 128, 129), (4, 32767, 32768, 32769), (5, 8388607, 8388608, 8388609);
INSERT INTO t VALUES (6, 2147483647, 2147483648, 2147483649), (7, 9223372036854775807, 9223372036854775808, 9223372036854775809), (8, NULL, 1, NULL);
-- then
UPDATE t SET a = b, b = 7 WHERE id IN (2, 4, 6, 7);
DELETE FROM t WHERE id = 5;
INSERT INTO t VALUES (9, 18446744073709551614, 1, 2);

-- case: {t}_bounds
-- about: signed integers at their bounds, out-of-range values clipped by the server
-- for: t = SMALLINT | MEDIUMINT | INT | BIGINT
-- session: SET sql_mode = ''
CREATE TABLE t (id INT PRIMARY KEY, a {t}, b {t} NOT NULL, z {t}(5) ZEROFILL);
INSERT INTO t VALUES (1, -99999999999999999999, 99999999999999999999, 3), (2, -1, 0, 0), (3, NULL, 1, NULL), (4, -32769, 32768, 99);
-- then
UPDATE t SET a = b WHERE id = 1;
UPDATE t SET id = id + 10 WHERE id > 2;
INSERT INTO t VALUES (3, -8388608, 8388607, 1);

-- case: no_key
-- about: a table without a key
CREATE TABLE t (a INT, b VARCHAR(10));
INSERT INTO t VALUES (1, 'x'), (1, 'x'), (2, NULL);
-- then
DELETE FROM t WHERE a = 1 LIMIT 1;

-- case: add_column_default
-- about: old rows read the default of a new column
-- format: 2
CREATE TABLE t (id INT PRIMARY KEY, a INT);
INSERT INTO t VALUES (1, 1), (2, 2);
-- then
ALTER TABLE t ADD COLUMN c INT NOT NULL DEFAULT 5;
INSERT INTO t VALUES (3, 3, 3);
