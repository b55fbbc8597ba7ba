-- case: drop_column
-- about: a column goes
CREATE TABLE t (id INT PRIMARY KEY, a INT, b INT, c VARCHAR(5));
INSERT INTO t VALUES (1, 1, 1, 'x'), (2, 2, 2, 'y');
-- then
ALTER TABLE t DROP COLUMN b;
INSERT INTO t VALUES (3, 3, 'z');
ALTER TABLE t DROP a;
UPDATE t SET c = 'c';

-- case: drop_all_but_key
-- about: nothing but the key is left
CREATE TABLE t (a INT, id INT PRIMARY KEY, b INT);
INSERT INTO t VALUES (1, 1, 1), (2, 2, 2);
-- then
ALTER TABLE t DROP COLUMN a, DROP COLUMN b;
INSERT INTO t VALUES (3);
DELETE FROM t WHERE id = 1;

-- case: rename_column
-- about: a column gets another name
CREATE TABLE t (id INT PRIMARY KEY, a INT, b INT);
INSERT INTO t VALUES (1, 1, 1), (2, 2, 2);
-- then
ALTER TABLE t RENAME COLUMN a TO z;
INSERT INTO t VALUES (3, 3, 3);

-- case: rename_column_swap
-- about: two columns swap their names
CREATE TABLE t (id INT PRIMARY KEY, a INT, b INT);
INSERT INTO t VALUES (1, 10, 20), (2, 20, 10);
-- then
ALTER TABLE t RENAME COLUMN a TO b, RENAME COLUMN b TO a;
INSERT INTO t VALUES (3, 30, 40);

-- case: rename_key_column
-- about: a column of the key gets another name
CREATE TABLE t (id INT PRIMARY KEY, a INT);
INSERT INTO t VALUES (1, 10), (2, 20);
-- then
ALTER TABLE t RENAME COLUMN id TO nr;
UPDATE t SET a = 1 WHERE nr = 1;

-- case: change_{d}
-- about: CHANGE COLUMN: name, type or both
-- session: SET sql_mode = ''
-- for: d = a z INT | a a BIGINT | a z BIGINT | a a SMALLINT | a a VARCHAR(20) | a a INT UNSIGNED | a a DECIMAL(20,2) | a a INT NOT NULL | a a INT FIRST | a a DOUBLE
CREATE TABLE t (id INT PRIMARY KEY, a INT, b INT);
INSERT INTO t VALUES (1, 10, 20), (2, 20, 10);
-- then
ALTER TABLE t CHANGE COLUMN {d};
UPDATE t SET b = 5 WHERE id = 1;
INSERT INTO t (id, b) SELECT 7, 7;

-- case: modify_{d}
-- about: MODIFY COLUMN of an INT
-- for: d = BIGINT | BIGINT UNSIGNED | SMALLINT | TINYINT UNSIGNED | DECIMAL(12,2) | FLOAT | DOUBLE | VARCHAR(20) | CHAR(3) | TEXT | INT UNSIGNED | INT NOT NULL | INT DEFAULT 7 | INT COMMENT 'new' | INT INVISIBLE | INT FIRST | INT AFTER b | BIT(8) | YEAR | JSON | VARBINARY(10)
-- session: SET sql_mode = ''
CREATE TABLE t (id INT PRIMARY KEY, a INT, b INT);
INSERT INTO t VALUES (1, 1, 20), (2, 2, 10);
-- then
ALTER TABLE t MODIFY COLUMN a {d};
UPDATE t SET b = 5 WHERE id = 1;

-- case: modify_float_to_double
-- about: FLOAT becomes DOUBLE
-- session: SET sql_mode = ''
CREATE TABLE t (id INT PRIMARY KEY, v FLOAT, w INT);
INSERT INTO t VALUES (1, 1.1, 1), (2, NULL, 2);
-- then
ALTER TABLE t MODIFY v DOUBLE;
UPDATE t SET w = 9 WHERE id = 1;
INSERT INTO t VALUES (3, NULL, 3);

-- case: modify_double_to_float
-- about: DOUBLE becomes FLOAT
-- session: SET sql_mode = ''
CREATE TABLE t (id INT PRIMARY KEY, v DOUBLE, w INT);
INSERT INTO t VALUES (1, 1.1, 1), (2, NULL, 2);
-- then
ALTER TABLE t MODIFY v FLOAT;
UPDATE t SET w = 9 WHERE id = 1;
INSERT INTO t VALUES (3, NULL, 3);

-- case: modify_decimal_10_2_to_decimal_12_2
-- about: DECIMAL(10,2) becomes DECIMAL(12,2)
-- session: SET sql_mode = ''
CREATE TABLE t (id INT PRIMARY KEY, v DECIMAL(10,2), w INT);
INSERT INTO t VALUES (1, 1.25, 1), (2, NULL, 2);
-- then
ALTER TABLE t MODIFY v DECIMAL(12,2);
UPDATE t SET w = 9 WHERE id = 1;
INSERT INTO t VALUES (3, NULL, 3);

-- case: modify_decimal_10_2_to_decimal_10_1
-- about: DECIMAL(10,2) becomes DECIMAL(10,1)
-- session: SET sql_mode = ''
CREATE TABLE t (id INT PRIMARY KEY, v DECIMAL(10,2), w INT);
INSERT INTO t VALUES (1, 1.25, 1), (2, NULL, 2);
-- then
ALTER TABLE t MODIFY v DECIMAL(10,1);
UPDATE t SET w = 9 WHERE id = 1;
INSERT INTO t VALUES (3, NULL, 3);

-- case: modify_decimal_10_2_to_decimal_60_2
-- about: DECIMAL(10,2) becomes DECIMAL(60,2)
-- session: SET sql_mode = ''
CREATE TABLE t (id INT PRIMARY KEY, v DECIMAL(10,2), w INT);
INSERT INTO t VALUES (1, 1.25, 1), (2, NULL, 2);
-- then
ALTER TABLE t MODIFY v DECIMAL(60,2);
UPDATE t SET w = 9 WHERE id = 1;
INSERT INTO t VALUES (3, NULL, 3);

-- case: modify_varchar_10_to_varchar_20
-- about: VARCHAR(10) becomes VARCHAR(20)
-- session: SET sql_mode = ''
CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(10), w INT);
INSERT INTO t VALUES (1, 'ab ', 1), (2, NULL, 2);
-- then
ALTER TABLE t MODIFY v VARCHAR(20);
UPDATE t SET w = 9 WHERE id = 1;
INSERT INTO t VALUES (3, NULL, 3);

-- case: modify_varchar_20_to_varchar_10
-- about: VARCHAR(20) becomes VARCHAR(10)
-- session: SET sql_mode = ''
CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20), w INT);
INSERT INTO t VALUES (1, 'ab ', 1), (2, NULL, 2);
-- then
ALTER TABLE t MODIFY v VARCHAR(10);
UPDATE t SET w = 9 WHERE id = 1;
INSERT INTO t VALUES (3, NULL, 3);

-- case: modify_varchar_10_to_char_10
-- about: VARCHAR(10) becomes CHAR(10)
-- session: SET sql_mode = ''
CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(10), w INT);
INSERT INTO t VALUES (1, 'ab ', 1), (2, NULL, 2);
-- then
ALTER TABLE t MODIFY v CHAR(10);
UPDATE t SET w = 9 WHERE id = 1;
INSERT INTO t VALUES (3, NULL, 3);

-- case: modify_char_10_to_varchar_10
-- about: CHAR(10) becomes VARCHAR(10)
-- session: SET sql_mode = ''
CREATE TABLE t (id INT PRIMARY KEY, v CHAR(10), w INT);
INSERT INTO t VALUES (1, 'ab ', 1), (2, NULL, 2);
-- then
ALTER TABLE t MODIFY v VARCHAR(10);
UPDATE t SET w = 9 WHERE id = 1;
INSERT INTO t VALUES (3, NULL, 3);

-- case: modify_varchar_10_to_text
-- about: VARCHAR(10) becomes TEXT
-- session: SET sql_mode = ''
CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(10), w INT);
INSERT INTO t VALUES (1, 'é', 1), (2, NULL, 2);
-- then
ALTER TABLE t MODIFY v TEXT;
UPDATE t SET w = 9 WHERE id = 1;
INSERT INTO t VALUES (3, NULL, 3);

-- case: modify_text_to_blob
-- about: TEXT becomes BLOB
-- session: SET sql_mode = ''
CREATE TABLE t (id INT PRIMARY KEY, v TEXT, w INT);
INSERT INTO t VALUES (1, 'é', 1), (2, NULL, 2);
-- then
ALTER TABLE t MODIFY v BLOB;
UPDATE t SET w = 9 WHERE id = 1;
INSERT INTO t VALUES (3, NULL, 3);

-- case: modify_varbinary_10_to_varchar_10
-- about: VARBINARY(10) becomes VARCHAR(10)
-- session: SET sql_mode = ''
CREATE TABLE t (id INT PRIMARY KEY, v VARBINARY(10), w INT);
INSERT INTO t VALUES (1, 'ab', 1), (2, NULL, 2);
-- then
ALTER TABLE t MODIFY v VARCHAR(10);
UPDATE t SET w = 9 WHERE id = 1;
INSERT INTO t VALUES (3, NULL, 3);

-- case: modify_binary_4_to_binary_8
-- about: BINARY(4) becomes BINARY(8)
-- session: SET sql_mode = ''
CREATE TABLE t (id INT PRIMARY KEY, v BINARY(4), w INT);
INSERT INTO t VALUES (1, 'ab', 1), (2, NULL, 2);
-- then
ALTER TABLE t MODIFY v BINARY(8);
UPDATE t SET w = 9 WHERE id = 1;
INSERT INTO t VALUES (3, NULL, 3);

-- case: modify_binary_4_to_varbinary_8
-- about: BINARY(4) becomes VARBINARY(8)
-- session: SET sql_mode = ''
CREATE TABLE t (id INT PRIMARY KEY, v BINARY(4), w INT);
INSERT INTO t VALUES (1, 'ab', 1), (2, NULL, 2);
-- then
ALTER TABLE t MODIFY v VARBINARY(8);
UPDATE t SET w = 9 WHERE id = 1;
INSERT INTO t VALUES (3, NULL, 3);

-- case: modify_date_to_datetime
-- about: DATE becomes DATETIME
-- session: SET sql_mode = ''
CREATE TABLE t (id INT PRIMARY KEY, v DATE, w INT);
INSERT INTO t VALUES (1, '2020-01-01', 1), (2, NULL, 2);
-- then
ALTER TABLE t MODIFY v DATETIME;
UPDATE t SET w = 9 WHERE id = 1;
INSERT INTO t VALUES (3, NULL, 3);

-- case: modify_datetime_3_to_datetime
-- about: DATETIME(3) becomes DATETIME
-- session: SET sql_mode = ''
CREATE TABLE t (id INT PRIMARY KEY, v DATETIME(3), w INT);
INSERT INTO t VALUES (1, '2020-01-01 00:00:00.6', 1), (2, NULL, 2);
-- then
ALTER TABLE t MODIFY v DATETIME;
UPDATE t SET w = 9 WHERE id = 1;
INSERT INTO t VALUES (3, NULL, 3);

-- case: modify_datetime_to_datetime_6
-- about: DATETIME becomes DATETIME(6)
-- session: SET sql_mode = ''
CREATE TABLE t (id INT PRIMARY KEY, v DATETIME, w INT);
INSERT INTO t VALUES (1, '2020-01-01', 1), (2, NULL, 2);
-- then
ALTER TABLE t MODIFY v DATETIME(6);
UPDATE t SET w = 9 WHERE id = 1;
INSERT INTO t VALUES (3, NULL, 3);

-- case: modify_datetime_to_timestamp_null
-- about: DATETIME becomes TIMESTAMP NULL
-- session: SET sql_mode = ''
CREATE TABLE t (id INT PRIMARY KEY, v DATETIME, w INT);
INSERT INTO t VALUES (1, '2020-01-01', 1), (2, NULL, 2);
-- then
ALTER TABLE t MODIFY v TIMESTAMP NULL;
UPDATE t SET w = 9 WHERE id = 1;
INSERT INTO t VALUES (3, NULL, 3);

-- case: modify_timestamp_null_to_datetime
-- about: TIMESTAMP NULL becomes DATETIME
-- session: SET sql_mode = ''
CREATE TABLE t (id INT PRIMARY KEY, v TIMESTAMP NULL, w INT);
INSERT INTO t VALUES (1, '2020-01-01', 1), (2, NULL, 2);
-- then
ALTER TABLE t MODIFY v DATETIME;
UPDATE t SET w = 9 WHERE id = 1;
INSERT INTO t VALUES (3, NULL, 3);

-- case: modify_time_to_time_3
-- about: TIME becomes TIME(3)
-- session: SET sql_mode = ''
CREATE TABLE t (id INT PRIMARY KEY, v TIME, w INT);
INSERT INTO t VALUES (1, '10:00:00', 1), (2, NULL, 2);
-- then
ALTER TABLE t MODIFY v TIME(3);
UPDATE t SET w = 9 WHERE id = 1;
INSERT INTO t VALUES (3, NULL, 3);

-- case: modify_time_6_to_time
-- about: TIME(6) becomes TIME
-- session: SET sql_mode = ''
CREATE TABLE t (id INT PRIMARY KEY, v TIME(6), w INT);
INSERT INTO t VALUES (1, '10:00:00.9', 1), (2, NULL, 2);
-- then
ALTER TABLE t MODIFY v TIME;
UPDATE t SET w = 9 WHERE id = 1;
INSERT INTO t VALUES (3, NULL, 3);

-- case: modify_enum_a_b_to_varchar_5
-- about: ENUM('a','b') becomes VARCHAR(5)
-- session: SET sql_mode = ''
CREATE TABLE t (id INT PRIMARY KEY, v ENUM('a','b'), w INT);
INSERT INTO t VALUES (1, 'b', 1), (2, NULL, 2);
-- then
ALTER TABLE t MODIFY v VARCHAR(5);
UPDATE t SET w = 9 WHERE id = 1;
INSERT INTO t VALUES (3, NULL, 3);

-- case: modify_bit_4_to_bit_12
-- about: BIT(4) becomes BIT(12)
-- session: SET sql_mode = ''
CREATE TABLE t (id INT PRIMARY KEY, v BIT(4), w INT);
INSERT INTO t VALUES (1, 3, 1), (2, NULL, 2);
-- then
ALTER TABLE t MODIFY v BIT(12);
UPDATE t SET w = 9 WHERE id = 1;
INSERT INTO t VALUES (3, NULL, 3);

-- case: modify_bit_1_to_int
-- about: BIT(1) becomes INT
-- session: SET sql_mode = ''
CREATE TABLE t (id INT PRIMARY KEY, v BIT(1), w INT);
INSERT INTO t VALUES (1, 1, 1), (2, NULL, 2);
-- then
ALTER TABLE t MODIFY v INT;
UPDATE t SET w = 9 WHERE id = 1;
INSERT INTO t VALUES (3, NULL, 3);

-- case: modify_tinyint_1_to_tinyint
-- about: TINYINT(1) becomes TINYINT
-- session: SET sql_mode = ''
CREATE TABLE t (id INT PRIMARY KEY, v TINYINT(1), w INT);
INSERT INTO t VALUES (1, 1, 1), (2, NULL, 2);
-- then
ALTER TABLE t MODIFY v TINYINT;
UPDATE t SET w = 9 WHERE id = 1;
INSERT INTO t VALUES (3, NULL, 3);

-- case: modify_json_to_text
-- about: JSON becomes TEXT
-- session: SET sql_mode = ''
CREATE TABLE t (id INT PRIMARY KEY, v JSON, w INT);
INSERT INTO t VALUES (1, '{"a": 1}', 1), (2, NULL, 2);
-- then
ALTER TABLE t MODIFY v TEXT;
UPDATE t SET w = 9 WHERE id = 1;
INSERT INTO t VALUES (3, NULL, 3);

-- case: modify_year_to_int
-- about: YEAR becomes INT
-- session: SET sql_mode = ''
CREATE TABLE t (id INT PRIMARY KEY, v YEAR, w INT);
INSERT INTO t VALUES (1, 2000, 1), (2, NULL, 2);
-- then
ALTER TABLE t MODIFY v INT;
UPDATE t SET w = 9 WHERE id = 1;
INSERT INTO t VALUES (3, NULL, 3);

-- case: modify_int_unsigned_to_bigint
-- about: INT UNSIGNED becomes BIGINT
-- session: SET sql_mode = ''
CREATE TABLE t (id INT PRIMARY KEY, v INT UNSIGNED, w INT);
INSERT INTO t VALUES (1, 4000000000, 1), (2, NULL, 2);
-- then
ALTER TABLE t MODIFY v BIGINT;
UPDATE t SET w = 9 WHERE id = 1;
INSERT INTO t VALUES (3, NULL, 3);

-- case: modify_bigint_to_decimal_20_0
-- about: BIGINT becomes DECIMAL(20,0)
-- session: SET sql_mode = ''
CREATE TABLE t (id INT PRIMARY KEY, v BIGINT, w INT);
INSERT INTO t VALUES (1, 5, 1), (2, NULL, 2);
-- then
ALTER TABLE t MODIFY v DECIMAL(20,0);
UPDATE t SET w = 9 WHERE id = 1;
INSERT INTO t VALUES (3, NULL, 3);

-- case: modify_bigint_unsigned_to_bigint
-- about: BIGINT UNSIGNED becomes BIGINT
-- session: SET sql_mode = ''
CREATE TABLE t (id INT PRIMARY KEY, v BIGINT UNSIGNED, w INT);
INSERT INTO t VALUES (1, 5, 1), (2, NULL, 2);
-- then
ALTER TABLE t MODIFY v BIGINT;
UPDATE t SET w = 9 WHERE id = 1;
INSERT INTO t VALUES (3, NULL, 3);

-- case: truncate
-- about: all rows at once
CREATE TABLE t (id INT PRIMARY KEY, a INT);
INSERT INTO t VALUES (1, 1), (2, 2);
-- then
TRUNCATE TABLE t;
INSERT INTO t VALUES (2, 3);
