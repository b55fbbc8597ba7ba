-- case: add_first
-- about: a column in front of all
CREATE TABLE t (id INT PRIMARY KEY, a INT);
INSERT INTO t VALUES (1, 1), (2, 2);
-- then
ALTER TABLE t ADD COLUMN n INT FIRST;
INSERT INTO t VALUES (7, 3, 3);
UPDATE t SET n = id WHERE id < 3;

-- case: add_after
-- about: a column in the middle
CREATE TABLE t (id INT PRIMARY KEY, a INT, b INT);
INSERT INTO t VALUES (1, 1, 1), (2, 2, 2);
-- then
ALTER TABLE t ADD n DATETIME(3) AFTER a;
INSERT INTO t VALUES (3, 3, '2020-01-01 00:00:00.5', 3);
UPDATE t SET b = 9 WHERE id = 2;

-- case: add_several
-- about: several columns in one statement, with positions that build on each other
CREATE TABLE t (id INT PRIMARY KEY, a INT);
INSERT INTO t VALUES (1, 1), (2, 2);
-- then
ALTER TABLE t ADD COLUMN x INT AFTER id, ADD COLUMN y INT AFTER x, ADD COLUMN (z INT, w TEXT), ADD COLUMN v JSON FIRST;
INSERT INTO t VALUES ('{"a": 1}', 3, 4, 5, 6, 7, 'w');
UPDATE t SET y = 1, w = 'old' WHERE id = 1;

-- case: add_twice
-- about: one column after the other, rows in between
CREATE TABLE t (id INT PRIMARY KEY);
INSERT INTO t VALUES (1);
-- then
ALTER TABLE t ADD COLUMN a INT;
INSERT INTO t VALUES (2, 2);
ALTER TABLE t ADD COLUMN b INT FIRST;
INSERT INTO t VALUES (3, 3, 3);
ALTER TABLE t ADD COLUMN c INT AFTER b;
INSERT INTO t VALUES (4, 4, 4, 4);
UPDATE t SET a = 0;

-- case: add_drop_add
-- about: a column dropped and added again under its name does not get its old values back
CREATE TABLE t (id INT PRIMARY KEY, a INT, b INT);
INSERT INTO t VALUES (1, 1, 1), (2, 2, 2);
-- then
ALTER TABLE t DROP COLUMN a;
INSERT INTO t VALUES (3, 3);
ALTER TABLE t ADD COLUMN a INT;
INSERT INTO t VALUES (4, 4, 4);
UPDATE t SET b = 7 WHERE id = 1;

-- case: add_drop_add_type
-- about: the same with another type
CREATE TABLE t (id INT PRIMARY KEY, a INT, b INT);
INSERT INTO t VALUES (1, 1, 1), (2, 2, 2);
-- then
ALTER TABLE t DROP COLUMN a;
ALTER TABLE t ADD COLUMN a VARCHAR(10);
INSERT INTO t VALUES (4, 4, 'four');

-- case: add_drop_one_statement
-- about: dropped and added in one statement
CREATE TABLE t (id INT PRIMARY KEY, a INT, b INT);
INSERT INTO t VALUES (1, 1, 1), (2, 2, 2);
-- then
ALTER TABLE t DROP COLUMN a, ADD COLUMN a BIGINT;
INSERT INTO t VALUES (4, 4, 44);
UPDATE t SET a = -1 WHERE id = 1;

-- case: default_{d}
-- about: ADD COLUMN with a default: rows that were there read it
-- for: d = INT NOT NULL DEFAULT 5 | INT DEFAULT 5 | INT NOT NULL | BIGINT UNSIGNED NOT NULL DEFAULT 18446744073709551615 | TINYINT(1) DEFAULT TRUE | BIT(1) DEFAULT 1 | BIT(9) DEFAULT 257 | DECIMAL(10,3) DEFAULT 1.5 | DECIMAL(20,0) NOT NULL | DECIMAL(50,2) DEFAULT 7 | FLOAT DEFAULT 0.1 | DOUBLE NOT NULL DEFAULT -1.5e-10 | CHAR(5) NOT NULL DEFAULT 'x ' | VARCHAR(10) DEFAULT 'é€😀' | VARCHAR(10) NOT NULL | TEXT NOT NULL | BINARY(4) DEFAULT 'ab' | VARBINARY(4) DEFAULT 0x00FF | BLOB NOT NULL | YEAR DEFAULT 1999 | YEAR NOT NULL | ENUM('a','b') DEFAULT 'b' | ENUM('a','b') NOT NULL | SET('x','y') NOT NULL
-- format: 2
CREATE TABLE t (id INT PRIMARY KEY, a INT);
INSERT INTO t VALUES (1, 1), (2, 2), (3, 3);
-- then
ALTER TABLE t ADD COLUMN n {d};
UPDATE t SET a = 9 WHERE id = 1;
DELETE FROM t WHERE id = 2;
INSERT INTO t SELECT 10, 10, n FROM t WHERE id = 3;

-- case: default_{d}
-- about: the same, in types that iceberg-go cannot read a default of
-- for: d = DATE DEFAULT '2020-02-29' | DATETIME(3) DEFAULT '1000-01-01 00:00:00.5'
-- readers: pyiceberg,duckdb
-- format: 2
CREATE TABLE t (id INT PRIMARY KEY, a INT);
INSERT INTO t VALUES (1, 1), (2, 2), (3, 3);
-- then
ALTER TABLE t ADD COLUMN n {d};
UPDATE t SET a = 9 WHERE id = 1;
DELETE FROM t WHERE id = 2;
INSERT INTO t SELECT 10, 10, n FROM t WHERE id = 3;

-- case: default_{d}
-- about: the same, in types whose defaults are not followed yet
-- for: d = TIMESTAMP NULL DEFAULT '2020-01-01 00:00:00' | TIME(2) DEFAULT '-10:00:00.25' | SET('x','y') DEFAULT 'y,x'
CREATE TABLE t (id INT PRIMARY KEY, a INT);
INSERT INTO t VALUES (1, 1), (2, 2), (3, 3);
-- then
ALTER TABLE t ADD COLUMN n {d};
UPDATE t SET a = 9 WHERE id = 1;
DELETE FROM t WHERE id = 2;
INSERT INTO t SELECT 10, 10, n FROM t WHERE id = 3;

-- case: default_expr_{d}
-- about: ADD COLUMN with a default that each row computes
-- for: d = TIMESTAMP DEFAULT CURRENT_TIMESTAMP | DATETIME(6) DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6) | JSON DEFAULT (JSON_ARRAY(1)) | INT DEFAULT (1 + 2)
CREATE TABLE t (id INT PRIMARY KEY, a INT);
INSERT INTO t VALUES (1, 1), (2, 2), (3, 3);
-- then
SET sql_log_bin = 1;
ALTER TABLE t ADD COLUMN n {d};
INSERT INTO t (id, a) VALUES (10, 10);

-- case: add_default_null
-- about: an explicit DEFAULT NULL
CREATE TABLE t (id INT PRIMARY KEY);
INSERT INTO t VALUES (1);
-- then
ALTER TABLE t ADD COLUMN n INT NULL DEFAULT NULL COMMENT 'a comment';
INSERT INTO t VALUES (2, 2);

-- case: add_default_to_empty
-- about: a default on a table without rows
-- format: 2
CREATE TABLE t (id INT PRIMARY KEY);
-- then
ALTER TABLE t ADD COLUMN n INT NOT NULL DEFAULT 3;
INSERT INTO t (id) VALUES (1);

-- case: add_auto_increment
-- about: a new AUTO_INCREMENT column numbers the rows without events
CREATE TABLE t (id INT PRIMARY KEY);
INSERT INTO t VALUES (10), (20);
-- then
ALTER TABLE t ADD COLUMN n INT AUTO_INCREMENT UNIQUE;
INSERT INTO t (id) VALUES (30);

-- case: add_generated_{k}
-- about: a new generated column has values in the old rows
-- for: k = VIRTUAL | STORED
CREATE TABLE t (id INT PRIMARY KEY, a INT);
INSERT INTO t VALUES (1, 2), (2, NULL);
-- then
ALTER TABLE t ADD COLUMN g INT AS (a * 2) {k};
INSERT INTO t (id, a) VALUES (3, 5);

-- case: add_invisible
-- about: an invisible column is a column
CREATE TABLE t (id INT PRIMARY KEY, a INT);
INSERT INTO t VALUES (1, 2);
-- then
ALTER TABLE t ADD COLUMN h INT INVISIBLE;
INSERT INTO t (id, a, h) VALUES (3, 5, 7);
INSERT INTO t VALUES (4, 5);

-- case: add_not_null_text_charset
-- about: a column in another character set
CREATE TABLE t (id INT PRIMARY KEY, a INT) CHARACTER SET latin1;
INSERT INTO t VALUES (1, 2);
-- then
ALTER TABLE t ADD COLUMN v VARCHAR(20), ADD COLUMN w VARCHAR(20) CHARACTER SET utf8mb4, ADD COLUMN x VARCHAR(20) COLLATE cp1251_bin;
INSERT INTO t VALUES (3, 5, 'é', '😀', 'Ж');

-- case: add_ansi_quotes
-- about: names in double quotes
-- session: SET sql_mode = 'ANSI_QUOTES'
CREATE TABLE "t" ("id" INT PRIMARY KEY, "or der" INT);
INSERT INTO t VALUES (1, 2);
-- then
ALTER TABLE "t" ADD COLUMN "sel ect" INT, ADD COLUMN "a""b" VARCHAR(5);
INSERT INTO t VALUES (3, 5, 6, 'q');

-- case: add_versioned_comment
-- about: statements in comments that the server's version decides on
CREATE TABLE t (id INT PRIMARY KEY);
INSERT INTO t VALUES (1);
-- then
ALTER TABLE t /*!50000 ADD COLUMN a INT */ /*!99999 , ADD COLUMN b INT */;
INSERT INTO t VALUES (2, 2);
/* leading */ ALTER /* in the middle */ TABLE t -- a comment to the end of the line
 ADD COLUMN /*! c */ INT # another one
;
INSERT INTO t VALUES (3, 3, 3);

-- case: add_strange_names
-- about: names with spaces, quotes, dots, umlauts and beyond
CREATE TABLE `tä ble` (`id` INT PRIMARY KEY, `a b` INT, `c``d` INT, `é` INT, `日本` INT, `x.y` INT, `q'q` INT, `d"d` INT, `%s` INT);
INSERT INTO `tä ble` VALUES (1, 1, 1, 1, 1, 1, 1, 1, 1);
-- then
ALTER TABLE `tä ble` ADD COLUMN `new``col ü` INT, ADD COLUMN `カ` VARCHAR(3) AFTER `日本`;
INSERT INTO `tä ble` VALUES (2, 2, 2, 2, 2, '㈱', 2, 2, 2, 2, 2);
UPDATE `tä ble` SET `c``d` = 5;

-- case: add_other_database
-- about: a statement that names the database, run in another one
CREATE TABLE t (id INT PRIMARY KEY);
INSERT INTO t VALUES (1);
-- then
USE mysql;
ALTER TABLE `{db}`.t ADD COLUMN a INT;
INSERT INTO `{db}`.`t` VALUES (2, 2);

-- case: add_algorithm_{a}
-- about: the server's ways to do it
-- for: a = ALGORITHM=INSTANT | ALGORITHM=INPLACE, LOCK=NONE | ALGORITHM=COPY
CREATE TABLE t (id INT PRIMARY KEY, a INT);
INSERT INTO t VALUES (1, 1), (2, 2);
-- then
ALTER TABLE t ADD COLUMN b INT AFTER id, {a};
INSERT INTO t VALUES (3, 3, 3);

-- case: add_index
-- about: indexes do not change rows
CREATE TABLE t (id INT PRIMARY KEY, a INT, b VARCHAR(10));
INSERT INTO t VALUES (1, 1, 'x'), (2, 2, 'y');
-- then
ALTER TABLE t ADD INDEX (a), ADD UNIQUE KEY u (b), ADD FULLTEXT KEY f (b);
CREATE INDEX i ON t (a, b);
INSERT INTO t VALUES (3, 3, 'z');
DROP INDEX i ON t;
ALTER TABLE t RENAME INDEX u TO uu, DROP INDEX f;
ALTER TABLE t ALTER INDEX uu INVISIBLE;
UPDATE t SET a = 0;

-- case: add_check
-- about: constraints do not change rows
CREATE TABLE t (id INT PRIMARY KEY, a INT);
INSERT INTO t VALUES (1, 1), (2, 2);
-- then
ALTER TABLE t ADD CONSTRAINT c CHECK (a < 10);
ALTER TABLE t ALTER CHECK c NOT ENFORCED;
INSERT INTO t VALUES (3, 30);
ALTER TABLE t DROP CHECK c;
ALTER TABLE t ENGINE = InnoDB, COMMENT 'a table', ROW_FORMAT = DYNAMIC, AUTO_INCREMENT = 100;
INSERT INTO t VALUES (4, 4);
ALTER TABLE t FORCE;
OPTIMIZE TABLE t;
ANALYZE TABLE t;
INSERT INTO t VALUES (5, 5);
