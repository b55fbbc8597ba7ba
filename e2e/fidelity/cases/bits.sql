-- case: bit_{n}
-- about: BIT(n) of each length of its bytes
-- for: n = 1 | 2 | 7 | 8 | 9 | 12 | 15 | 16 | 17 | 24 | 25 | 31 | 32 | 33 | 40 | 41 | 48 | 49 | 56 | 57 | 63 | 64
-- session: SET sql_mode = ''
CREATE TABLE t (id INT PRIMARY KEY, b BIT({n}), c BIT({n}) NOT NULL);
INSERT INTO t VALUES (1, 0, 0), (2, 1, 1), (3, 18446744073709551615, 18446744073709551615), (4, NULL, b'1'), (5, b'10', b'101010'), (6, 9223372036854775808, 255);
-- then
UPDATE t SET b = ~c WHERE id < 4;
UPDATE t SET c = c ^ 1;
DELETE FROM t WHERE id = 2;

-- case: bit_key
-- about: BIT as a key
CREATE TABLE t (b BIT(40) PRIMARY KEY, v INT);
INSERT INTO t VALUES (0, 1), (1, 2), (b'1111111111111111111111111111111111111111', 3);
-- then
UPDATE t SET v = 9 WHERE b = 1;
UPDATE t SET b = 255 WHERE b = 0;
DELETE FROM t WHERE v = 3;

-- case: bit1_key
-- about: BIT(1) as a part of a key
CREATE TABLE t (a INT, b BIT(1), v INT, PRIMARY KEY (b, a));
INSERT INTO t VALUES (1, 0, 1), (1, 1, 2), (2, 0, 3);
-- then
UPDATE t SET b = 1 WHERE a = 2;
DELETE FROM t WHERE a = 1 AND b = 0;

-- case: boolean
-- about: BOOLEAN is TINYINT(1), which holds more than two values
CREATE TABLE t (id INT PRIMARY KEY, b BOOLEAN, c BOOL NOT NULL DEFAULT TRUE, d TINYINT(1) UNSIGNED, e TINYINT(4));
INSERT INTO t VALUES (1, TRUE, FALSE, 255, -128), (2, -128, 127, 2, 3), (3, NULL, 0, NULL, NULL);
-- then
UPDATE t SET b = NOT b, c = NOT c;
INSERT INTO t (id) VALUES (4);
