-- case: default_case_{d}
-- about: a default that only a binary collation tells from another member
-- for: d = ENUM('a','A') COLLATE utf8mb4_bin NOT NULL DEFAULT 'A' | ENUM('a','A') COLLATE utf8mb4_0900_as_cs DEFAULT 'A' | SET('a','A') COLLATE utf8mb4_bin DEFAULT 'A' | ENUM('x','X') CHARACTER SET latin1 COLLATE latin1_bin DEFAULT 'X'
CREATE TABLE t (id INT PRIMARY KEY, a INT);
INSERT INTO t VALUES (1, 1);
-- then
ALTER TABLE t ADD COLUMN n {d};
INSERT INTO t (id) VALUES (2);
INSERT INTO t VALUES (3, 3, 1), (4, 4, 2);

-- case: default_number_{d}
-- about: a number as the default of a text
-- for: d = VARCHAR(30) DEFAULT 1e20 | VARCHAR(30) DEFAULT 1e15 | VARCHAR(30) DEFAULT 1e-10 | VARCHAR(30) DEFAULT 1.50 | VARCHAR(30) DEFAULT .5 | VARCHAR(30) DEFAULT 007 | VARCHAR(30) DEFAULT -5 | VARCHAR(30) DEFAULT TRUE | VARCHAR(40) DEFAULT 123456789012345678901234567890 | VARCHAR(30) DEFAULT 1.0e2 | CHAR(10) DEFAULT 0.10 | VARCHAR(30) DEFAULT +3 | VARCHAR(30) DEFAULT -0.0
CREATE TABLE t (id INT PRIMARY KEY, a INT);
INSERT INTO t VALUES (1, 1);
-- then
ALTER TABLE t ADD COLUMN n {d};
INSERT INTO t (id) VALUES (2);

-- case: default_time_{d}
-- about: defaults of TIME that MySQL prints in another way
-- for: d = TIME DEFAULT '-00:00:00' | TIME DEFAULT '010:00:00' | TIME DEFAULT '838:59:59' | TIME(3) DEFAULT '-01:02:03' | TIME NOT NULL | TIME(6) NOT NULL | TIME DEFAULT '00:00:00'
-- session: SET sql_mode = ''
CREATE TABLE t (id INT PRIMARY KEY, a INT);
INSERT INTO t VALUES (1, 1);
-- then
ALTER TABLE t ADD COLUMN n {d};
INSERT INTO t (id, a) VALUES (2, 2);

-- case: default_client_binary
-- about: a default of bytes, given by a client of another character set
-- session: SET NAMES latin1
CREATE TABLE t (id INT PRIMARY KEY, a INT);
INSERT INTO t VALUES (1, 1);
-- then
ALTER TABLE t ADD COLUMN n VARBINARY(10) DEFAULT 'é', ADD COLUMN m BINARY(6) NOT NULL DEFAULT 'ü';
INSERT INTO t (id) VALUES (2);

-- case: default_latin1_column
-- about: a default with letters in a column of another character set
-- format: 2
CREATE TABLE t (id INT PRIMARY KEY, a INT);
INSERT INTO t VALUES (1, 1);
-- then
ALTER TABLE t ADD COLUMN n VARCHAR(10) CHARACTER SET latin1 DEFAULT 'é€', ADD COLUMN m CHAR(5) CHARACTER SET utf16 DEFAULT '😀 ', ADD COLUMN o ENUM('ж', 'я') CHARACTER SET cp1251 DEFAULT 'я';
INSERT INTO t (id) VALUES (2);

-- case: default_introducer_{d}
-- about: defaults with a character set or a national prefix before them
-- for: d = _utf8mb4'é' | _latin1'abc' | N'é' | _latin1 X'E9' | _binary'abc' | 'a' 'b' | _utf8mb4 X'C3A9'
CREATE TABLE t (id INT PRIMARY KEY, a INT);
INSERT INTO t VALUES (1, 1);
-- then
ALTER TABLE t ADD COLUMN n VARCHAR(20) DEFAULT {d};
INSERT INTO t (id) VALUES (2);

-- case: comment_of_tidb
-- about: a comment that only TiDB executes
CREATE TABLE t (id INT PRIMARY KEY, a INT, b INT);
INSERT INTO t VALUES (1, 1, 1);
-- then
ALTER TABLE t ADD COLUMN x INT /*T! , DROP COLUMN b */;
UPDATE t SET x = 5;
INSERT INTO t VALUES (2, 2, 2, 2);

-- case: comment_of_mariadb
-- about: a comment that only MariaDB executes
CREATE TABLE t (id INT PRIMARY KEY, a INT, b INT);
INSERT INTO t VALUES (1, 1, 1);
-- then
ALTER TABLE t ADD COLUMN x INT /*M! , DROP COLUMN b */ /*M!100000 , DROP COLUMN a */;
INSERT INTO t (id, x) VALUES (2, 2);

-- case: comment_versions_{v}
-- about: versions of five and six digits
-- for: v = 50000 | 80000 | 90000 | 99999 | 080000 | 090700 | 090999 | 100000 | 101100
CREATE TABLE t (id INT PRIMARY KEY, a INT);
INSERT INTO t VALUES (1, 1);
-- then
ALTER TABLE t ADD COLUMN x INT /*!{v} , ADD COLUMN y INT */;
INSERT INTO t (id, a) VALUES (2, 2);

-- case: add_order_{d}
-- about: places that build on each other
-- for: d = ADD x INT FIRST, ADD y INT FIRST | ADD x INT AFTER id, ADD y INT AFTER id | ADD x INT AFTER a, ADD y INT FIRST, ADD z INT AFTER x | ADD z INT, ADD y INT AFTER z | ADD x INT AFTER id, DROP COLUMN a
CREATE TABLE t (id INT PRIMARY KEY, a INT, b INT);
INSERT INTO t VALUES (1, 10, 20);
-- then
ALTER TABLE t {d};
INSERT INTO t (id, b) VALUES (2, 2);
UPDATE t SET b = 100 WHERE id = 1;

-- case: add_and_charset_{d}
-- about: a new column and a new default character set in one statement
-- for: d = ADD COLUMN v VARCHAR(20), CHARACTER SET cp1251 | CHARACTER SET cp1251, ADD COLUMN v VARCHAR(20) | ADD COLUMN v VARCHAR(20), DEFAULT COLLATE koi8r_bin | ADD COLUMN v VARCHAR(20) CHARACTER SET latin1, CHARACTER SET utf8mb4
CREATE TABLE t (id INT PRIMARY KEY, a VARCHAR(20)) CHARACTER SET latin1;
INSERT INTO t VALUES (1, 'é');
-- then
ALTER TABLE t {d};
INSERT IGNORE INTO t (id, a, v) VALUES (2, 'ü', 'Жяé');
UPDATE IGNORE t SET v = 'щü' WHERE id = 1;

-- case: statement_view
-- about: a statement that names a view, and changes the table below it
-- expect: log,split refused MYSQL_STATEMENT_FORMAT
CREATE TABLE t (id INT PRIMARY KEY, a INT);
CREATE VIEW v AS SELECT id, a FROM t;
INSERT INTO t VALUES (1, 1), (2, 2);
-- then
SET SESSION binlog_format = STATEMENT;
UPDATE v SET a = 9 WHERE id = 1;
INSERT INTO v VALUES (3, 3);

-- case: statement_trigger
-- about: a statement whose trigger changes a table that it does not name
-- session: SET GLOBAL log_bin_trust_function_creators = 1
-- expect: log,split refused MYSQL_STATEMENT_FORMAT
CREATE TABLE t (id INT PRIMARY KEY, a INT);
CREATE TABLE u (id INT PRIMARY KEY, a INT);
CREATE TRIGGER tr AFTER INSERT ON u FOR EACH ROW UPDATE t SET a = a + NEW.a;
INSERT INTO t VALUES (1, 1), (2, 2);
-- then
SET SESSION binlog_format = STATEMENT;
INSERT INTO u VALUES (1, 100);

-- case: statement_function
-- about: a SELECT whose function changes a table
-- session: SET GLOBAL log_bin_trust_function_creators = 1
-- expect: log,split refused MYSQL_STATEMENT_FORMAT
CREATE TABLE t (id INT PRIMARY KEY, a INT);
CREATE FUNCTION f() RETURNS INT DETERMINISTIC BEGIN UPDATE t SET a = a + 1; RETURN 1; END;
INSERT INTO t VALUES (1, 1), (2, 2);
-- then
SET SESSION binlog_format = STATEMENT;
DO f();
SELECT f();

-- case: statement_cascade
-- about: a statement on the parent whose cascade changes the child
-- expect: log,split refused MYSQL_STATEMENT_FORMAT
CREATE TABLE p (id INT PRIMARY KEY);
CREATE TABLE t (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES p (id) ON DELETE CASCADE);
INSERT INTO p VALUES (1), (2);
INSERT INTO t VALUES (1, 1), (2, 2);
-- then
SET SESSION binlog_format = STATEMENT;
DELETE FROM p WHERE id = 1;

-- case: statement_values_{s}
-- about: statements with events of their own for what they depend on
-- for: s = INSERT INTO t VALUES (9, RAND() * 100) | INSERT INTO t VALUES (9, @x) | INSERT INTO t VALUES (9, LAST_INSERT_ID()) | INSERT INTO t (a) VALUES (5), (6)
-- expect: log,split refused MYSQL_STATEMENT_FORMAT
CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, a INT);
INSERT INTO t VALUES (1, 1), (2, 2);
-- then
SET @x = 77;
SET SESSION binlog_format = STATEMENT;
{s};

-- case: truncate_in_procedure
-- about: DDL in a procedure and in a prepared statement
CREATE TABLE t (id INT PRIMARY KEY, a INT);
CREATE PROCEDURE p() TRUNCATE TABLE t;
INSERT INTO t VALUES (1, 1), (2, 2);
-- then
CALL p();
INSERT INTO t VALUES (3, 3);

-- case: ddl_prepared
-- about: a column added by a prepared statement and by a procedure
CREATE TABLE t (id INT PRIMARY KEY, a INT);
CREATE PROCEDURE p() ALTER TABLE t ADD COLUMN y INT;
INSERT INTO t VALUES (1, 1), (2, 2);
-- then
PREPARE s FROM 'ALTER TABLE t ADD COLUMN x INT';
EXECUTE s;
CALL p();
INSERT INTO t VALUES (3, 3, 3, 3);

-- case: drop_index_primary
-- about: the key dropped by DROP INDEX
CREATE TABLE t (id INT NOT NULL PRIMARY KEY, a INT);
INSERT INTO t VALUES (1, 1), (2, 2);
-- then
DROP INDEX `PRIMARY` ON t;
INSERT INTO t VALUES (1, 3);

-- case: column_named_as_table
-- about: statements in which a table's name stands for something else
CREATE TABLE t (id INT PRIMARY KEY, t INT);
CREATE TABLE u (id INT PRIMARY KEY, t INT);
INSERT INTO t VALUES (1, 1);
INSERT INTO u VALUES (1, 1);
-- then
ALTER TABLE u DROP COLUMN t;
ALTER TABLE u ADD COLUMN t INT COMMENT 'TRUNCATE TABLE t';
INSERT INTO u VALUES (2, 2);
INSERT INTO t VALUES (2, 2);

-- case: same_table_name
-- about: a table of the same name in another database, which is not followed
CREATE TABLE t (id INT PRIMARY KEY, a INT);
INSERT INTO t VALUES (1, 1);
-- then
CREATE DATABASE IF NOT EXISTS elsewhere2;
CREATE TABLE IF NOT EXISTS elsewhere2.t (x INT);
TRUNCATE TABLE elsewhere2.t;
ALTER TABLE elsewhere2.t COMMENT 'y';
INSERT INTO elsewhere2.t VALUES (5);
USE elsewhere2;
TRUNCATE t;
ALTER TABLE t ENGINE = InnoDB;
INSERT INTO {db}.t VALUES (2, 2);

-- case: null_to_not_null_rows
-- about: a column becomes NOT NULL: rows change without events
-- session: SET sql_mode = ''
CREATE TABLE t (id INT PRIMARY KEY, a INT, b VARCHAR(5));
INSERT INTO t VALUES (1, NULL, NULL), (2, 2, 'x');
-- then
ALTER TABLE t MODIFY a INT NOT NULL, MODIFY b VARCHAR(5) NOT NULL;
INSERT INTO t VALUES (3, 3, 'y');

-- case: insert_ignore_values
-- about: values that the server changes as it stores them
-- session: SET sql_mode = ''
CREATE TABLE t (id INT PRIMARY KEY, a TINYINT, b VARCHAR(3), c DATE, d DECIMAL(3,1), e ENUM('a'), f INT UNSIGNED, g YEAR, h TIME, i BIT(2), j FLOAT);
INSERT IGNORE INTO t VALUES (1, 300, 'toolong', '2021-02-30', 99.96, 'z', -1, 1800, '25:61:00', 9, 1e60), (2, 'x', 12345, 'x', 'x', 5, 'x', 'x', 'x', 0, 'x');
-- then
UPDATE IGNORE t SET a = a * 100, b = CONCAT(b, b), d = d * 10 WHERE id = 1;
INSERT IGNORE INTO t (id, a) VALUES (1, 5), (3, 6);

-- case: auto_increment_step
-- about: steps and gaps
-- session: SET SESSION auto_increment_increment = 5, SESSION auto_increment_offset = 3
CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, a INT);
INSERT INTO t (a) VALUES (1), (2);
-- then
INSERT INTO t (a) VALUES (3), (4);
INSERT INTO t VALUES (1000, 5);
INSERT INTO t (a) VALUES (6);
