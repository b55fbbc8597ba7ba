-- case: rename_table
-- about: a table gets another name
-- expect: log,split refused MYSQL_DDL MYSQL_TABLE_GONE TABLE_GONE
CREATE TABLE t (id INT PRIMARY KEY, a INT);
INSERT INTO t VALUES (1, 1), (2, 2);
-- then
RENAME TABLE t TO u;
INSERT INTO u VALUES (3, 3);

-- case: rename_table_alter
-- about: the same by ALTER TABLE
-- expect: log,split refused MYSQL_DDL MYSQL_TABLE_GONE TABLE_GONE
CREATE TABLE t (id INT PRIMARY KEY, a INT);
INSERT INTO t VALUES (1, 1), (2, 2);
-- then
ALTER TABLE t RENAME TO u, ADD COLUMN b INT;
INSERT INTO u VALUES (3, 3, 3);

-- case: rename_table_back
-- about: away and back again
CREATE TABLE t (id INT PRIMARY KEY, a INT);
INSERT INTO t VALUES (1, 1), (2, 2);
-- then
RENAME TABLE t TO u;
INSERT INTO u VALUES (3, 3);
RENAME TABLE u TO t;
INSERT INTO t VALUES (4, 4);

-- case: rename_tables_swap
-- about: two tables swap their names in one statement
CREATE TABLE t (id INT PRIMARY KEY, a INT);
CREATE TABLE u (id INT PRIMARY KEY, a INT);
INSERT INTO t VALUES (1, 1), (2, 2);
INSERT INTO u VALUES (1, 100), (5, 500);
-- then
RENAME TABLE t TO tmp, u TO t, tmp TO u;
INSERT INTO t VALUES (7, 7);
DELETE FROM u WHERE id = 1;

-- case: rename_tables_chain
-- about: names move on by one
-- expect: log,split refused MYSQL_DDL MYSQL_TABLE_GONE TABLE_GONE
CREATE TABLE a (id INT PRIMARY KEY, v INT);
CREATE TABLE b (id INT PRIMARY KEY, v INT);
INSERT INTO a VALUES (1, 1);
INSERT INTO b VALUES (2, 2);
-- then
RENAME TABLE b TO c, a TO b;
INSERT INTO b VALUES (3, 3);
INSERT INTO c VALUES (4, 4);

-- case: rename_table_away
-- about: into a database that is not followed
-- expect: log,split refused MYSQL_DDL MYSQL_TABLE_GONE TABLE_GONE
CREATE TABLE t (id INT PRIMARY KEY, a INT);
INSERT INTO t VALUES (1, 1), (2, 2);
-- then
CREATE DATABASE IF NOT EXISTS elsewhere;
RENAME TABLE t TO elsewhere.{db};
INSERT INTO elsewhere.{db} VALUES (3, 3);

-- case: drop_table
-- about: a table goes
-- expect: log,split refused MYSQL_DDL MYSQL_TABLE_GONE TABLE_GONE
CREATE TABLE t (id INT PRIMARY KEY, a INT);
CREATE TABLE other (id INT PRIMARY KEY);
INSERT INTO t VALUES (1, 1), (2, 2);
INSERT INTO other VALUES (1);
-- then
DROP TABLE IF EXISTS nothing, t;
INSERT INTO other VALUES (2);

-- case: drop_database
-- about: a database goes with its tables
-- expect: log,split refused MYSQL_DDL MYSQL_TABLE_GONE TABLE_GONE
CREATE TABLE t (id INT PRIMARY KEY, a INT);
INSERT INTO t VALUES (1, 1), (2, 2);
-- then
DROP DATABASE {db};
CREATE DATABASE {db};

-- case: drop_create_{d}
-- about: dropped and made again under its name
-- for: d = id INT PRIMARY KEY, a INT | id INT PRIMARY KEY, a VARCHAR(10) | a INT, id INT PRIMARY KEY | id INT, a INT PRIMARY KEY | id BIGINT PRIMARY KEY, a INT, b INT
CREATE TABLE t (id INT PRIMARY KEY, a INT);
INSERT INTO t VALUES (1, 1), (2, 2);
-- then
DROP TABLE t;
CREATE TABLE t ({d});
INSERT INTO t (id, a) VALUES (1, 7), (5, 5);

-- case: create_table
-- about: a table that comes while the log is followed
CREATE TABLE t (id INT PRIMARY KEY, a INT);
INSERT INTO t VALUES (1, 1), (2, 2);
-- then
CREATE TABLE u (id INT PRIMARY KEY, v VARCHAR(10));
INSERT INTO u VALUES (1, 'x'), (2, 'y');
ALTER TABLE u ADD COLUMN w INT DEFAULT 5;
DELETE FROM u WHERE id = 1;
CREATE TABLE IF NOT EXISTS t (other INT);
INSERT INTO t VALUES (3, 3);

-- case: create_table_like
-- about: CREATE TABLE … LIKE
CREATE TABLE t (id INT PRIMARY KEY, a ENUM('x', 'y') DEFAULT 'y', b VARCHAR(10) CHARACTER SET latin1);
INSERT INTO t VALUES (1, 'x', 'é');
-- then
CREATE TABLE u LIKE t;
INSERT INTO u SELECT * FROM t;
INSERT INTO u (id) VALUES (2);
INSERT INTO t (id) VALUES (3);

-- case: create_table_select
-- about: CREATE TABLE … SELECT
CREATE TABLE t (id INT PRIMARY KEY, a INT);
INSERT INTO t VALUES (1, 1), (2, 2);
-- then
CREATE TABLE u (PRIMARY KEY (id)) SELECT id, a, a * 2 AS b FROM t;
INSERT INTO u VALUES (3, 3, 3);
UPDATE t SET a = 0;

-- case: create_table_select_no_key
-- about: the same without a key
CREATE TABLE t (id INT PRIMARY KEY, a INT);
INSERT INTO t VALUES (1, 1), (2, 2);
-- then
CREATE TABLE u SELECT * FROM t;
INSERT INTO t VALUES (3, 3);

-- case: create_and_drop
-- about: a table that comes and goes
CREATE TABLE t (id INT PRIMARY KEY, a INT);
INSERT INTO t VALUES (1, 1);
-- then
CREATE TABLE u (id INT PRIMARY KEY);
INSERT INTO u VALUES (1);
DROP TABLE u;
INSERT INTO t VALUES (2, 2);

-- case: truncate_{d}
-- about: all rows at once
-- for: d = TRUNCATE TABLE t | TRUNCATE t | /* c */ truncate table `{db}`.`t`
CREATE TABLE t (id INT PRIMARY KEY, a INT);
INSERT INTO t VALUES (1, 1), (2, 2);
-- then
{d};
INSERT INTO t VALUES (2, 3), (7, 7);

-- case: truncate_empty
-- about: no rows at once
CREATE TABLE t (id INT PRIMARY KEY, a INT);
-- then
TRUNCATE TABLE t;
INSERT INTO t VALUES (2, 3);

-- case: delete_all
-- about: DELETE without WHERE
CREATE TABLE t (id INT PRIMARY KEY, a INT);
INSERT INTO t VALUES (1, 1), (2, 2);
-- then
DELETE FROM t;
INSERT INTO t VALUES (2, 3);

-- case: ghost
-- about: a migration as gh-ost does it
CREATE TABLE t (id INT PRIMARY KEY, a INT);
INSERT INTO t VALUES (1, 1), (2, 2);
-- then
CREATE TABLE `_t_ghc` (id BIGINT AUTO_INCREMENT, last_update TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP, hint VARCHAR(64) CHARSET ascii NOT NULL, value VARCHAR(4096) CHARSET ascii NOT NULL, PRIMARY KEY (id), UNIQUE KEY hint_uidx (hint)) AUTO_INCREMENT = 256;
CREATE /* gh-ost */ TABLE `_t_gho` LIKE t;
ALTER /* gh-ost */ TABLE `_t_gho` ADD COLUMN b INT NOT NULL DEFAULT 5, MODIFY a BIGINT;
INSERT /* gh-ost `t` */ IGNORE INTO `_t_gho` (id, a) SELECT id, a FROM t;
UPDATE t SET a = 10 WHERE id = 1;
REPLACE /* gh-ost `_t_gho` */ INTO `_t_gho` (id, a) VALUES (1, 10);
CREATE TABLE `_t_del` (id INT AUTO_INCREMENT PRIMARY KEY) COMMENT = 'ghost-cut-over-sentry';
DROP TABLE `_t_del`;
RENAME /* gh-ost */ TABLE t TO `_t_del`, `_t_gho` TO t;
INSERT INTO t VALUES (3, 3, 3);
DROP /* gh-ost */ TABLE IF EXISTS `_t_ghc`, `_t_del`;

-- case: pt_osc
-- about: a migration as pt-online-schema-change does it
-- session: SET GLOBAL log_bin_trust_function_creators = 1
CREATE TABLE t (id INT PRIMARY KEY, a INT);
INSERT INTO t VALUES (1, 1), (2, 2);
-- then
CREATE TABLE `_t_new` (id INT PRIMARY KEY, a INT);
ALTER TABLE `_t_new` ADD COLUMN b VARCHAR(5) DEFAULT 'x';
CREATE TRIGGER pt_del AFTER DELETE ON t FOR EACH ROW DELETE IGNORE FROM `_t_new` WHERE id <=> OLD.id;
CREATE TRIGGER pt_upd AFTER UPDATE ON t FOR EACH ROW REPLACE INTO `_t_new` (id, a) VALUES (NEW.id, NEW.a);
CREATE TRIGGER pt_ins AFTER INSERT ON t FOR EACH ROW REPLACE INTO `_t_new` (id, a) VALUES (NEW.id, NEW.a);
INSERT LOW_PRIORITY IGNORE INTO `_t_new` (id, a) SELECT id, a FROM t LOCK IN SHARE MODE;
UPDATE t SET a = 5 WHERE id = 2;
RENAME TABLE t TO `_t_old`, `_t_new` TO t;
DROP TABLE IF EXISTS `_t_old`;
INSERT INTO t VALUES (3, 3, 'y');

-- case: spirit
-- about: a migration as spirit does it
CREATE TABLE t (id INT PRIMARY KEY, a INT);
INSERT INTO t VALUES (1, 1), (2, 2);
-- then
CREATE TABLE `_t_chkpnt` (id INT AUTO_INCREMENT PRIMARY KEY, low_watermark TEXT);
CREATE TABLE `_t_new` LIKE t;
ALTER TABLE `_t_new` DROP COLUMN a;
INSERT IGNORE INTO `_t_new` (id) SELECT id FROM t;
RENAME TABLE t TO `_t_old`, `_t_new` TO t;
DROP TABLE `_t_old`, `_t_chkpnt`;
INSERT INTO t VALUES (9);

-- case: partition_dml_{p}
-- about: rows in partitions, and rows that move between them
-- for: p = HASH(id) PARTITIONS 3 | KEY(id) PARTITIONS 2 | LINEAR HASH(id) PARTITIONS 4 | RANGE(id) (PARTITION a VALUES LESS THAN (10), PARTITION b VALUES LESS THAN MAXVALUE) | LIST(id) (PARTITION a VALUES IN (1, 2, 3, 4), PARTITION b VALUES IN (11, 12, 13, 14, 15)) | RANGE COLUMNS(id) (PARTITION a VALUES LESS THAN (10), PARTITION b VALUES LESS THAN (MAXVALUE)) | RANGE(id) SUBPARTITION BY HASH(id) SUBPARTITIONS 2 (PARTITION a VALUES LESS THAN (10), PARTITION b VALUES LESS THAN (100))
CREATE TABLE t (id INT PRIMARY KEY, a INT) PARTITION BY {p};
INSERT INTO t VALUES (1, 1), (2, 2), (3, 3), (11, 11);
-- then
UPDATE t SET id = id + 10 WHERE id IN (2, 3);
DELETE FROM t WHERE id = 1;
INSERT INTO t VALUES (4, 4), (15, 15);

-- case: partition_keep_{d}
-- about: partition operations that keep all rows
-- for: d = ADD PARTITION (PARTITION c VALUES LESS THAN (300)) | REORGANIZE PARTITION a, b INTO (PARTITION ab VALUES LESS THAN (200)) | REMOVE PARTITIONING | PARTITION BY HASH(id) PARTITIONS 4 | REBUILD PARTITION a | OPTIMIZE PARTITION a | ANALYZE PARTITION a | CHECK PARTITION a
-- session: SET sql_mode = ''
CREATE TABLE t (id INT PRIMARY KEY, v INT) PARTITION BY RANGE (id) (PARTITION a VALUES LESS THAN (100), PARTITION b VALUES LESS THAN (200));
INSERT INTO t VALUES (1, 1), (150, 150);
-- then
ALTER TABLE t {d};
UPDATE t SET v = -v;
INSERT INTO t VALUES (2, 2);

-- case: partition_lose_{d}
-- about: partition operations that remove rows without row events
-- for: d = DROP PARTITION a | TRUNCATE PARTITION a | TRUNCATE PARTITION ALL | EXCHANGE PARTITION a WITH TABLE x
CREATE TABLE t (id INT PRIMARY KEY, v INT) PARTITION BY RANGE (id) (PARTITION a VALUES LESS THAN (100), PARTITION b VALUES LESS THAN (200));
CREATE TABLE x (id INT PRIMARY KEY, v INT);
INSERT INTO t VALUES (1, 1), (150, 150);
INSERT INTO x VALUES (50, 50);
-- then
ALTER TABLE t {d};
INSERT INTO t VALUES (160, 2);
INSERT INTO x VALUES (60, 60);

-- case: partition_coalesce
-- about: fewer hash partitions
CREATE TABLE t (id INT PRIMARY KEY, v INT) PARTITION BY HASH (id) PARTITIONS 4;
INSERT INTO t VALUES (1, 1), (2, 2), (3, 3), (4, 4);
-- then
ALTER TABLE t COALESCE PARTITION 2;
ALTER TABLE t ADD PARTITION PARTITIONS 3;
UPDATE t SET v = v + 1;

-- case: views_and_programs
-- about: views, procedures, events and triggers that name a table
-- session: SET GLOBAL log_bin_trust_function_creators = 1
CREATE TABLE t (id INT PRIMARY KEY, a INT);
INSERT INTO t VALUES (1, 1), (2, 2);
-- then
CREATE VIEW v AS SELECT * FROM t;
CREATE OR REPLACE VIEW v AS SELECT id FROM t;
ALTER VIEW v AS SELECT a AS truncated FROM t;
CREATE PROCEDURE p() BEGIN DELETE FROM t WHERE id = 1; END;
CREATE FUNCTION f() RETURNS INT READS SQL DATA RETURN (SELECT COUNT(*) FROM t);
CREATE EVENT e ON SCHEDULE EVERY 1 YEAR STARTS CURRENT_TIMESTAMP + INTERVAL 1 YEAR DO TRUNCATE TABLE t;
CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET NEW.a = NEW.a * 2;
INSERT INTO t VALUES (3, 3);
CALL p();
DROP TRIGGER tr;
DROP EVENT e;
DROP VIEW v;
DROP PROCEDURE p;
DROP FUNCTION f;
INSERT INTO t VALUES (4, 4);
GRANT SELECT ON {db}.t TO 'cdc'@'127.0.0.1';

-- case: comments_and_a_reload
-- about: comments that change with what makes the table be loaded anew
CREATE TABLE t (id INT PRIMARY KEY, a INT COMMENT 'old', b INT COMMENT 'goes', c INT COMMENT 'stays', d INT);
INSERT INTO t VALUES (1, 1, 1, 1, 1), (2, 2, 2, 2, 2);
-- then
ALTER TABLE t MODIFY a VARCHAR(20) COMMENT 'new', MODIFY b INT, MODIFY id INT COMMENT 'the key', MODIFY d INT COMMENT 'now';
INSERT INTO t VALUES (3, 'three', 3, 3, 3);

-- case: comments
-- about: comments become the columns' docs
CREATE TABLE t (id INT PRIMARY KEY COMMENT 'the key', a INT COMMENT 'it''s "quoted" \\ and é😀', b INT COMMENT '', c INT) COMMENT 'of the table';
INSERT INTO t VALUES (1, 1, 1, 1);
-- then
ALTER TABLE t ADD COLUMN d INT COMMENT 'new one';
ALTER TABLE t COMMENT 'another';
INSERT INTO t VALUES (2, 2, 2, 2, 2);

-- case: comment_changed
-- about: a comment changes, and nothing else
CREATE TABLE t (id INT PRIMARY KEY, a INT COMMENT 'old');
INSERT INTO t VALUES (1, 1);
-- then
ALTER TABLE t MODIFY a INT COMMENT 'new';
INSERT INTO t VALUES (2, 2);

-- case: name_upper_case
-- about: names in upper case, named in other ways
CREATE TABLE `Orders` (`ID` INT PRIMARY KEY, `Amount` INT, `NOTE` VARCHAR(5));
INSERT INTO Orders VALUES (1, 1, 'x');
-- then
ALTER TABLE Orders DROP COLUMN note, ADD COLUMN `Extra` INT AFTER AMOUNT;
INSERT INTO Orders (id, amount, EXTRA) VALUES (2, 2, 2);
UPDATE Orders SET aMOUNT = 5;

-- case: name_case_change
-- about: a column whose name changes in nothing but case
CREATE TABLE t (id INT PRIMARY KEY, a INT);
INSERT INTO t VALUES (1, 1);
-- then
ALTER TABLE t RENAME COLUMN a TO A;
INSERT INTO t VALUES (2, 2);

-- case: name_{n}
-- about: table names that need quotes or look like something else
-- for: n = select | table | a-b | a b | 1st | $x | ä | 日本語 | a'b | PARTITION
CREATE TABLE `{n}` (id INT PRIMARY KEY, `{n}` INT);
INSERT INTO `{n}` VALUES (1, 1), (2, 2);
-- then
UPDATE `{n}` SET `{n}` = 5 WHERE id = 1;
ALTER TABLE `{n}` ADD COLUMN `x{n}` INT;
INSERT INTO `{n}` VALUES (3, 3, 3);
DELETE FROM `{n}` WHERE id = 2;

-- case: enum_ddl_{d}
-- about: ENUM and SET redefined
-- for: d = e ENUM('a','b','c','d') | e ENUM('z','a','b','c') | e ENUM('a','c') | e ENUM('c','b','a') | e ENUM('A','b','c') | s SET('x','y','z') | s SET('y','x') | s SET('x') | e ENUM('a','b','c') CHARACTER SET latin1 | e SET('a','b','c') | e INT
-- session: SET sql_mode = ''
CREATE TABLE t (id INT PRIMARY KEY, e ENUM('a','b','c'), s SET('x','y'));
INSERT INTO t VALUES (1, 'a', 'x'), (2, 'b', 'x,y'), (3, 'c', ''), (4, NULL, NULL);
-- then
ALTER TABLE t MODIFY {d};
INSERT INTO t (id, e, s) VALUES (5, 2, 1);

-- case: convert_{d}
-- about: character sets converted
-- for: d = CONVERT TO CHARACTER SET utf8mb4 | CONVERT TO CHARACTER SET latin2 | CONVERT TO CHARACTER SET binary | MODIFY v VARCHAR(20) CHARACTER SET utf8mb4 | MODIFY v VARCHAR(20) CHARACTER SET latin1 COLLATE latin1_bin
CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20), x TEXT) CHARACTER SET latin1;
INSERT INTO t VALUES (1, 'ä', 'ö'), (2, 'abc', NULL);
-- then
ALTER TABLE t {d};
INSERT INTO t VALUES (3, 'ü', 'ß');

-- case: default_charset_{d}
-- about: the table's default character set decides on new columns
-- for: d = CHARACTER SET cp1251 | DEFAULT CHARACTER SET = koi8r | COLLATE utf8mb4_bin | CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci | CHARACTER SET greek, COMMENT 'x'
CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20)) CHARACTER SET latin1;
INSERT INTO t VALUES (1, 'ä');
-- then
ALTER TABLE t {d};
ALTER TABLE t ADD COLUMN w VARCHAR(20);
INSERT IGNORE INTO t VALUES (2, 'ü', 'Жяα');

-- case: database_charset
-- about: the database's default character set decides on new tables
CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20));
INSERT INTO t VALUES (1, 'ä');
-- then
ALTER DATABASE {db} CHARACTER SET latin1;
CREATE TABLE u (id INT PRIMARY KEY, v VARCHAR(20));
INSERT INTO u VALUES (1, 'ä');
ALTER TABLE t ADD COLUMN w VARCHAR(20);
INSERT INTO t VALUES (2, 'Ж', 'Ж');

-- case: column_default_{d}
-- about: the default of later rows changes, the old rows stay
-- for: d = ALTER COLUMN a SET DEFAULT 7 | ALTER a DROP DEFAULT | ALTER COLUMN a SET DEFAULT (1 + 1)
CREATE TABLE t (id INT PRIMARY KEY, a INT DEFAULT 3, b INT);
INSERT INTO t (id) VALUES (1);
-- then
ALTER TABLE t {d};
INSERT INTO t (id, a) VALUES (2, 2);
INSERT IGNORE INTO t (id, b) VALUES (3, 3);

-- case: several_{d}
-- about: several changes in one statement
-- for: d = ADD COLUMN x INT, DROP COLUMN b | DROP COLUMN a, DROP COLUMN b, ADD COLUMN c INT FIRST | ADD COLUMN x INT AFTER b, ADD INDEX (x), COMMENT 'y' | DROP COLUMN b, ADD COLUMN x INT AFTER a | ADD COLUMN x INT FIRST, DROP COLUMN a, ADD COLUMN y INT AFTER x
CREATE TABLE t (id INT PRIMARY KEY, a INT, b INT);
INSERT INTO t VALUES (1, 1, 11), (2, 2, 22);
-- then
ALTER TABLE t {d};
INSERT INTO t (id) VALUES (3);
DELETE FROM t WHERE id = 2;

-- case: drop_add_{d}
-- about: a column dropped and added under its name in one statement has no old values
-- for: d = DROP COLUMN a, ADD COLUMN a INT | DROP a, ADD a INT FIRST | ADD COLUMN x INT, DROP COLUMN a, ADD COLUMN a SMALLINT | DROP COLUMN a, ADD COLUMN a VARCHAR(10) | DROP COLUMN a, ADD COLUMN A INT
CREATE TABLE t (id INT PRIMARY KEY, a INT, b INT);
INSERT INTO t VALUES (1, 1, 11), (2, 2, 22);
-- then
ALTER TABLE t {d};
INSERT INTO t (id, a) VALUES (3, 3);

-- case: rename_and_{d}
-- about: renames together with other changes
-- for: d = RENAME COLUMN a TO c, ADD COLUMN a INT | CHANGE a c INT, CHANGE b a INT, CHANGE id nr INT | DROP COLUMN b, CHANGE a b INT | RENAME COLUMN a TO b, RENAME COLUMN b TO c | RENAME COLUMN a TO c, DROP COLUMN b, ADD COLUMN b INT
CREATE TABLE t (id INT PRIMARY KEY, a INT, b INT);
INSERT INTO t VALUES (1, 1, 11), (2, 2, 22);
-- then
ALTER TABLE t {d};
INSERT INTO t SELECT * FROM t WHERE 1 = 0;

-- case: ddl_in_transaction
-- about: DDL commits what is open
CREATE TABLE t (id INT PRIMARY KEY, a INT);
INSERT INTO t VALUES (1, 1);
-- then
BEGIN;
INSERT INTO t VALUES (2, 2);
ALTER TABLE t ADD COLUMN b INT;
INSERT INTO t VALUES (3, 3, 3);
ROLLBACK;
LOCK TABLES t WRITE;
ALTER TABLE t ADD COLUMN c INT;
INSERT INTO t VALUES (4, 4, 4, 4);
UNLOCK TABLES;

-- case: ddl_dml_mixed
-- about: many changes of definition, with rows between them
CREATE TABLE t (id INT PRIMARY KEY, a INT, b INT);
INSERT INTO t VALUES (1, 1, 1), (2, 2, 2), (3, 3, 3);
-- then
UPDATE t SET a = 10;
ALTER TABLE t ADD COLUMN c INT FIRST;
UPDATE t SET c = id WHERE id = 1;
ALTER TABLE t DROP COLUMN a;
INSERT INTO t VALUES (4, 4, 4);
ALTER TABLE t ADD COLUMN a VARCHAR(10) AFTER c, ADD COLUMN d DATE;
INSERT INTO t VALUES (5, 'five', 5, 5, '2020-01-01');
DELETE FROM t WHERE id = 2;
ALTER TABLE t DROP COLUMN d, DROP COLUMN c;
INSERT INTO t VALUES ('six', 6, 6);
UPDATE t SET b = b + 100;

-- case: ddl_if_exists
-- about: statements that find nothing to do
CREATE TABLE t (id INT PRIMARY KEY, a INT);
INSERT INTO t VALUES (1, 1);
-- then
CREATE TABLE IF NOT EXISTS t (x INT);
DROP TABLE IF EXISTS t2;
CREATE TABLE IF NOT EXISTS t LIKE mysql.user;
INSERT INTO t VALUES (2, 2);
