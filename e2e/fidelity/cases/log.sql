-- case: xa_commit
-- about: an XA transaction in two phases
CREATE TABLE t (id INT PRIMARY KEY, a INT);
INSERT INTO t VALUES (1, 1);
-- then
XA START '{db}1';
INSERT INTO t VALUES (2, 2);
UPDATE t SET a = 5 WHERE id = 1;
XA END '{db}1';
XA PREPARE '{db}1';
XA COMMIT '{db}1';
INSERT INTO t VALUES (3, 3);

-- case: xa_one_phase
-- about: an XA transaction in one phase is as any other
CREATE TABLE t (id INT PRIMARY KEY, a INT);
INSERT INTO t VALUES (1, 1);
-- then
XA START '{db}1';
INSERT INTO t VALUES (2, 2);
XA END '{db}1';
XA COMMIT '{db}1' ONE PHASE;
INSERT INTO t VALUES (3, 3);

-- case: xa_rollback
-- about: an XA transaction that is prepared and taken back
CREATE TABLE t (id INT PRIMARY KEY, a INT);
INSERT INTO t VALUES (1, 1);
-- then
XA START '{db}1';
INSERT INTO t VALUES (2, 2);
XA END '{db}1';
XA PREPARE '{db}1';
-- session
XA ROLLBACK '{db}1';
INSERT INTO t VALUES (3, 3);

-- case: xa_over_load
-- about: prepared before the load, committed after it
CREATE TABLE t (id INT PRIMARY KEY, a INT);
INSERT INTO t VALUES (1, 1);
XA START '{db}1';
INSERT INTO t VALUES (2, 2);
UPDATE t SET a = 7 WHERE id = 1;
XA END '{db}1';
XA PREPARE '{db}1';
-- then
XA COMMIT '{db}1';
INSERT INTO t VALUES (3, 3);

-- case: xa_interleaved
-- about: branches that overlap, with compressed ones among them, and other transactions between their halves
CREATE TABLE t (id INT PRIMARY KEY, a INT, v VARCHAR(100));
CREATE TABLE u (id INT PRIMARY KEY);
INSERT INTO t VALUES (1, 1, 'x'), (2, 2, 'y'), (3, 3, 'z');
-- then
SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED;
XA START '{db}1';
UPDATE t SET a = 10 WHERE id = 1;
XA END '{db}1';
XA PREPARE '{db}1';
-- session
SET SESSION autocommit = 1 /*!80020 , binlog_transaction_compression = ON */;
SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED;
XA START '{db}2', 'branch', 99;
UPDATE t SET v = REPEAT('long', 20) WHERE id = 2;
INSERT INTO u VALUES (1), (2);
XA END '{db}2', 'branch', 99;
XA PREPARE '{db}2', 'branch', 99;
-- session
SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED;
INSERT INTO t VALUES (4, 4, 'w');
XA START '{db}3';
DELETE FROM t WHERE id = 3;
XA END '{db}3';
XA PREPARE '{db}3';
-- session
XA COMMIT '{db}2', 'branch', 99;
INSERT INTO t VALUES (5, 5, 'v');
XA ROLLBACK '{db}3';
XA COMMIT '{db}1';
UPDATE t SET a = a + 1;

-- case: savepoint
-- about: what is taken back to a savepoint never was
CREATE TABLE t (id INT PRIMARY KEY, a INT);
INSERT INTO t VALUES (1, 1);
-- then
BEGIN;
INSERT INTO t VALUES (2, 2);
SAVEPOINT a;
INSERT INTO t VALUES (3, 3);
UPDATE t SET a = 9;
ROLLBACK TO a;
INSERT INTO t VALUES (4, 4);
SAVEPOINT b;
DELETE FROM t WHERE id = 1;
ROLLBACK TO b;
RELEASE SAVEPOINT a;
COMMIT;
BEGIN;
DELETE FROM t;
ROLLBACK;

-- case: rollback
-- about: a transaction that is taken back
CREATE TABLE t (id INT PRIMARY KEY, a INT);
INSERT INTO t VALUES (1, 1);
-- then
START TRANSACTION;
INSERT INTO t VALUES (2, 2);
DELETE FROM t WHERE id = 1;
ROLLBACK;
SET autocommit = 0;
INSERT INTO t VALUES (3, 3);
COMMIT;
INSERT INTO t VALUES (4, 4);
-- session
INSERT INTO t VALUES (5, 5);

-- case: myisam
-- about: a table without transactions
CREATE TABLE t (id INT PRIMARY KEY, a INT) ENGINE = MyISAM;
INSERT INTO t VALUES (1, 1);
-- then
INSERT INTO t VALUES (2, 2);
UPDATE t SET a = a + 1;
DELETE FROM t WHERE id = 1;

-- case: myisam_partial_statement
-- about: a statement that fails half-way keeps its first rows
CREATE TABLE m (id INT PRIMARY KEY, a INT) ENGINE = MyISAM;
INSERT INTO m VALUES (3, 3);
-- then
INSERT IGNORE INTO m VALUES (1, 1), (2, 2), (3, 4), (4, 4);
UPDATE m SET a = 10 ORDER BY id DESC LIMIT 2;

-- case: compressed
-- about: compressed transactions
-- session: SET SESSION autocommit = 1 /*!80020 , binlog_transaction_compression = ON, binlog_transaction_compression_level_zstd = 10 */
CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(500), j JSON);
INSERT INTO t VALUES (1, REPEAT('a', 500), '{"a": 1}'), (2, REPEAT('b', 500), '[1, 2]'), (3, '', NULL);
-- then
UPDATE t SET v = CONCAT('x', LEFT(v, 499));
BEGIN;
INSERT INTO t SELECT id + 10, v, j FROM t;
DELETE FROM t WHERE id = 3;
UPDATE t SET id = id + 100 WHERE id > 10;
COMMIT;
ALTER TABLE t ADD COLUMN n INT;
INSERT INTO t VALUES (4, 'q', NULL, 4);

-- case: compressed_large
-- about: a compressed transaction of several MB
-- session: SET SESSION autocommit = 1 /*!80020 , binlog_transaction_compression = ON */
CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(300));
-- then
INSERT INTO t WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 20000) SELECT i, REPEAT(CONCAT(i, ' '), 40) FROM n;
UPDATE t SET v = CONCAT(id, 'x') WHERE id % 3 = 0;
DELETE FROM t WHERE id % 5 = 0;

-- case: load_data
-- about: LOAD DATA in row format
CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(50), d DECIMAL(10,2));
INSERT INTO t VALUES (1, 'a\tb\nc', 1.5), (2, NULL, NULL), (3, 'é😀', -1);
-- then
SELECT * FROM t INTO OUTFILE '{tmp}/{db}.txt' CHARACTER SET utf8mb4;
DELETE FROM t WHERE id = 2;
LOAD DATA INFILE '{tmp}/{db}.txt' REPLACE INTO TABLE t CHARACTER SET utf8mb4;
LOAD DATA INFILE '{tmp}/{db}.txt' IGNORE INTO TABLE t CHARACTER SET utf8mb4 (@i, v, d) SET id = @i + 10;

-- case: load_data_{f}
-- about: LOAD DATA in a session of another format
-- for: f = STATEMENT | MIXED
-- may: log,split refused MYSQL_STATEMENT_FORMAT
CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(50));
CREATE TABLE u (id INT PRIMARY KEY, v VARCHAR(50));
INSERT INTO t VALUES (1, 'x'), (2, 'y');
-- then
SELECT * FROM t INTO OUTFILE '{tmp}/{db}.txt';
SET SESSION binlog_format = {f};
LOAD DATA INFILE '{tmp}/{db}.txt' INTO TABLE t (@i, v) SET id = @i + 10;
SET SESSION binlog_format = ROW;
INSERT INTO u VALUES (1, 'x');

-- case: statement_{s}
-- about: changes that are logged as statements
-- for: s = INSERT INTO t VALUES (9, 9) | UPDATE t SET a = 7 WHERE id = 1 | DELETE FROM t WHERE id = 1 | REPLACE INTO t VALUES (1, 5) | INSERT INTO t SELECT id + 10, a FROM t | UPDATE t JOIN u USING (id) SET t.a = 8 | DELETE t FROM t JOIN u USING (id) | WITH c AS (SELECT 1 AS id) UPDATE t JOIN c USING (id) SET t.a = 3 | CALL p()
-- expect: log,split refused MYSQL_STATEMENT_FORMAT
CREATE TABLE t (id INT PRIMARY KEY, a INT);
CREATE TABLE u (id INT PRIMARY KEY);
CREATE PROCEDURE p() UPDATE t SET a = 100;
INSERT INTO t VALUES (1, 1), (2, 2);
INSERT INTO u VALUES (1);
-- then
SET SESSION binlog_format = STATEMENT;
{s};

-- case: mixed_{s}
-- about: what a session of mixed format logs as rows, and what not
-- for: s = INSERT INTO t VALUES (9, 9) | UPDATE t SET a = 7 WHERE id = 1 | DELETE FROM t WHERE id = 1
-- expect: log,split refused MYSQL_STATEMENT_FORMAT
CREATE TABLE t (id INT PRIMARY KEY, a INT);
INSERT INTO t VALUES (1, 1), (2, 2);
-- then
SET SESSION binlog_format = MIXED;
{s};

-- case: mixed_unsafe
-- about: mixed format logs unsafe statements as rows
CREATE TABLE t (id INT PRIMARY KEY, a VARCHAR(40));
INSERT INTO t VALUES (1, 'x'), (2, 'y');
-- then
SET SESSION binlog_format = MIXED;
UPDATE t SET a = UUID();
INSERT INTO t VALUES (3, UUID());

-- case: statement_in_function
-- about: a function that writes another table
-- session: SET GLOBAL log_bin_trust_function_creators = 1
CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, a INT);
CREATE TABLE u (id INT PRIMARY KEY, a INT);
CREATE FUNCTION f(x INT) RETURNS INT NO SQL RETURN x + 1;
CREATE TRIGGER tr AFTER INSERT ON u FOR EACH ROW INSERT INTO t (a) VALUES (NEW.a);
CREATE TRIGGER td AFTER DELETE ON u FOR EACH ROW DELETE FROM t WHERE a = OLD.a;
INSERT INTO u VALUES (1, f(1)), (2, f(2));
-- then
INSERT INTO u VALUES (3, f(3));
DELETE FROM u WHERE id = 1;
DROP TRIGGER td;
DELETE FROM u WHERE id = 2;

-- case: row_image_{i}
-- about: images without all columns
-- for: i = MINIMAL | NOBLOB
-- expect: log,split refused ROW_IMAGE
CREATE TABLE t (id INT PRIMARY KEY, a INT, b TEXT);
INSERT INTO t VALUES (1, 1, 'x'), (2, 2, 'y');
-- then
SET SESSION binlog_row_image = {i};
UPDATE t SET a = 5 WHERE id = 1;

-- case: not_logged
-- about: an update that changes nothing, and rows that come and go in one transaction
CREATE TABLE t (id INT PRIMARY KEY, a INT);
INSERT INTO t VALUES (1, 1), (2, 2);
-- then
UPDATE t SET a = a;
BEGIN;
INSERT INTO t VALUES (3, 3);
UPDATE t SET a = 4 WHERE id = 3;
DELETE FROM t WHERE id = 3;
INSERT INTO t VALUES (4, 4);
DELETE FROM t WHERE id = 4;
INSERT INTO t VALUES (4, 5);
COMMIT;
UPDATE t SET a = a WHERE id = 1;

-- case: rotated
-- about: log files that change in the middle
CREATE TABLE t (id INT PRIMARY KEY, a INT);
INSERT INTO t VALUES (1, 1), (2, 2);
-- then
FLUSH BINARY LOGS;
UPDATE t SET a = 10;
FLUSH BINARY LOGS;
FLUSH BINARY LOGS;
DELETE FROM t WHERE id = 2;

-- case: gtid_tagged
-- about: a GTID with a tag
CREATE TABLE t (id INT PRIMARY KEY, a INT);
INSERT INTO t VALUES (1, 1), (2, 2);
-- then
SET gtid_next = 'AUTOMATIC:fidelity';
UPDATE t SET a = 10;
INSERT INTO t VALUES (3, 3);
SET gtid_next = 'AUTOMATIC';
INSERT INTO t VALUES (4, 4);

-- case: no_checksum_comment
-- about: rows with the query in the log
-- session: SET SESSION binlog_rows_query_log_events = ON
CREATE TABLE t (id INT PRIMARY KEY, a INT);
INSERT INTO t VALUES (1, 1), (2, 2);
-- then
UPDATE /* a comment */ t SET a = 10;
INSERT INTO t VALUES (3, 3) AS n ON DUPLICATE KEY UPDATE a = n.a;

-- case: temporary_table
-- about: temporary tables of a followed table's name
CREATE TABLE t (id INT PRIMARY KEY, a INT);
INSERT INTO t VALUES (1, 1), (2, 2);
-- then
CREATE TEMPORARY TABLE t (x INT, y INT);
INSERT INTO t VALUES (5, 5);
ALTER TABLE t ADD COLUMN z INT;
TRUNCATE TABLE t;
DROP TEMPORARY TABLE t;
INSERT INTO t VALUES (3, 3);

-- case: temporary_table_statement
-- about: the same in statement format, which logs the temporary table
-- expect: log,split refused MYSQL_STATEMENT_FORMAT MYSQL_DDL
CREATE TABLE t (id INT PRIMARY KEY, a INT);
INSERT INTO t VALUES (1, 1), (2, 2);
-- then
SET SESSION binlog_format = STATEMENT;
CREATE TEMPORARY TABLE tt (x INT, y INT);
INSERT INTO tt VALUES (5, 5);
INSERT INTO t SELECT x, y FROM tt;
DROP TEMPORARY TABLE tt;

-- case: large_row
-- about: a row of several MB, in events that exceed a packet
CREATE TABLE t (id INT PRIMARY KEY, b LONGBLOB, c LONGTEXT);
INSERT INTO t VALUES (1, REPEAT('b', 3000000), 'x');
-- then
UPDATE t SET c = REPEAT('é', 1000000);
INSERT INTO t SELECT 2, c, b FROM t;

-- case: many_transactions
-- about: many small transactions of one row
CREATE TABLE t (id INT PRIMARY KEY, a INT);
INSERT INTO t VALUES (1, 0);
CREATE PROCEDURE p() BEGIN DECLARE i INT DEFAULT 0; WHILE i < 300 DO UPDATE t SET a = a + 1 WHERE id = 1; INSERT INTO t VALUES (i + 2, i); SET i = i + 1; END WHILE; END;
-- then
CALL p();
DELETE FROM t WHERE id BETWEEN 100 AND 200;

-- case: multi_table
-- about: one statement, several tables
CREATE TABLE t (id INT PRIMARY KEY, a INT);
CREATE TABLE u (id INT PRIMARY KEY, a INT);
INSERT INTO t VALUES (1, 1), (2, 2), (3, 3);
INSERT INTO u VALUES (1, 10), (2, 20), (4, 40);
-- then
UPDATE t JOIN u USING (id) SET t.a = u.a, u.a = t.a;
DELETE t, u FROM t JOIN u USING (id) WHERE id = 2;
INSERT INTO t SELECT id + 100, a FROM u;

-- case: cascade_{a}
-- about: what a foreign key changes
-- for: a = ON DELETE CASCADE | ON DELETE SET NULL | ON UPDATE CASCADE | ON UPDATE SET NULL | ON DELETE RESTRICT | ON UPDATE CASCADE ON DELETE CASCADE
CREATE TABLE p (id INT PRIMARY KEY, a INT);
CREATE TABLE t (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES p (id) {a});
INSERT INTO p VALUES (1, 1), (2, 2), (3, 3);
INSERT INTO t VALUES (1, 1), (2, 2), (3, NULL), (4, 1);
-- then
UPDATE IGNORE p SET id = 11 WHERE id = 1;
DELETE IGNORE FROM p WHERE id = 2;
DELETE FROM p WHERE id = 3;
