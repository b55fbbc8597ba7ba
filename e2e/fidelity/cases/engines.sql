-- case: engine_{e}
-- about: tables of other engines and row formats
-- for: e = MyISAM | MEMORY | InnoDB ROW_FORMAT=COMPRESSED | InnoDB ROW_FORMAT=REDUNDANT | InnoDB ROW_FORMAT=COMPACT | InnoDB COMPRESSION='zlib' | MyISAM ROW_FORMAT=FIXED
CREATE TABLE t (id INT PRIMARY KEY, a INT, b VARCHAR(100), c CHAR(10)) ENGINE = {e};
INSERT INTO t VALUES (1, 1, 'one', 'x '), (2, 2, NULL, NULL), (3, NULL, '', '');
-- then
UPDATE t SET a = 10, b = CONCAT(b, 'ü') WHERE id < 3;
DELETE FROM t WHERE id = 3;
INSERT INTO t VALUES (4, 4, 'four', 'y');

-- case: engine_archive
-- about: ARCHIVE takes new rows only
CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, a INT) ENGINE = ARCHIVE;
INSERT INTO t (a) VALUES (1), (2);
-- then
INSERT INTO t (a) VALUES (3);

-- case: engine_csv
-- about: CSV has no keys
CREATE TABLE t (id INT NOT NULL, a VARCHAR(10) NOT NULL) ENGINE = CSV;
INSERT INTO t VALUES (1, 'x'), (1, 'x');
-- then
INSERT INTO t VALUES (2, 'y');

-- case: engine_blackhole
-- about: BLACKHOLE logs rows that it does not keep
-- expect: refused MYSQL_ENGINE
CREATE TABLE t (id INT PRIMARY KEY, a INT) ENGINE = BLACKHOLE;
INSERT INTO t VALUES (1, 1), (2, 2);
-- then
INSERT INTO t VALUES (3, 3);

-- case: engine_merge
-- about: rows written through a MERGE table are in its parts, and logged under its own name
-- expect: refused MYSQL_ENGINE MYSQL_MERGED
CREATE TABLE t (id INT PRIMARY KEY, a INT) ENGINE = MyISAM;
CREATE TABLE u (id INT PRIMARY KEY, a INT) ENGINE = MyISAM;
CREATE TABLE m (id INT NOT NULL, a INT, KEY (id)) ENGINE = MERGE UNION = (t, u) INSERT_METHOD = LAST;
INSERT INTO t VALUES (1, 1);
INSERT INTO u VALUES (2, 2);
-- then
INSERT INTO m VALUES (3, 3);
UPDATE m SET a = 10 WHERE id = 1;

-- case: engine_merge_later
-- about: a table becomes a part of a MERGE table
-- expect: refused MYSQL_ENGINE MYSQL_MERGED
CREATE TABLE t (id INT PRIMARY KEY, a INT) ENGINE = MyISAM;
CREATE TABLE u (id INT PRIMARY KEY, a INT) ENGINE = MyISAM;
INSERT INTO t VALUES (1, 1);
INSERT INTO u VALUES (1, 1);
-- then
CREATE TABLE m (id INT NOT NULL, a INT, KEY (id)) ENGINE = MERGE UNION = (t) INSERT_METHOD = LAST;
INSERT INTO m VALUES (3, 3);
ALTER TABLE m UNION = (t, u);
INSERT INTO m VALUES (4, 4);

-- case: engine_change
-- about: a table changes its engine
CREATE TABLE t (id INT PRIMARY KEY, a INT) ENGINE = MyISAM;
INSERT INTO t VALUES (1, 1);
-- then
ALTER TABLE t ENGINE = InnoDB;
INSERT INTO t VALUES (2, 2);
ALTER TABLE t ENGINE = MyISAM;
UPDATE t SET a = 5;

-- case: engine_to_blackhole
-- about: a table loses its rows to an engine that keeps none
-- expect: refused MYSQL_DDL MYSQL_ENGINE
CREATE TABLE t (id INT PRIMARY KEY, a INT);
INSERT INTO t VALUES (1, 1), (2, 2);
-- then
ALTER TABLE t ENGINE = BLACKHOLE;
INSERT INTO t VALUES (3, 3);

-- case: administration
-- about: statements that look after tables; REPAIR drops rows that it finds damaged, and does not say so in the log
CREATE TABLE t (id INT PRIMARY KEY, a INT);
CREATE TABLE m (id INT PRIMARY KEY, a INT) ENGINE = MyISAM;
INSERT INTO t VALUES (1, 1), (2, 2);
INSERT INTO m VALUES (1, 1), (2, 2);
-- then
ANALYZE TABLE t UPDATE HISTOGRAM ON a;
OPTIMIZE TABLE t, m;
CHECK TABLE t;
REPAIR TABLE m;
CHECKSUM TABLE t;
FLUSH TABLES t, m;
ALTER TABLE t ORDER BY a DESC;
ALTER TABLE t STATS_PERSISTENT = 1, MAX_ROWS = 1000, AVG_ROW_LENGTH = 100, PACK_KEYS = 1, CHECKSUM = 1, DELAY_KEY_WRITE = 1;
ALTER TABLE m DISABLE KEYS;
ALTER TABLE m ENABLE KEYS;
INSERT INTO t VALUES (3, 3);
INSERT INTO m VALUES (3, 3);

-- case: view_dml
-- about: rows written through a view
CREATE TABLE t (id INT PRIMARY KEY, a INT, b INT DEFAULT 7);
CREATE VIEW v AS SELECT id, a FROM t WHERE a < 10;
INSERT INTO v VALUES (1, 1), (2, 2);
-- then
INSERT INTO v VALUES (3, 3);
UPDATE v SET a = a + 1;
DELETE FROM v WHERE id = 1;

-- case: cascade_chain
-- about: a cascade over three tables, and one into itself
CREATE TABLE p (id INT PRIMARY KEY);
CREATE TABLE q (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES p (id) ON DELETE CASCADE ON UPDATE CASCADE);
CREATE TABLE t (id INT PRIMARY KEY, q INT, FOREIGN KEY (q) REFERENCES q (id) ON DELETE CASCADE);
CREATE TABLE s (id INT PRIMARY KEY, up INT, FOREIGN KEY (up) REFERENCES s (id) ON DELETE CASCADE);
INSERT INTO p VALUES (1), (2), (3);
INSERT INTO q VALUES (1, 1), (2, 2), (3, 2), (4, 3);
INSERT INTO t VALUES (1, 1), (2, 2), (3, 3), (4, 4), (5, 3);
INSERT INTO s VALUES (1, NULL), (2, 1), (3, 2), (4, NULL), (5, 4);
-- then
DELETE FROM p WHERE id = 2;
UPDATE p SET id = 30 WHERE id = 3;
DELETE FROM s WHERE id = 1;

-- case: cascade_key
-- about: a cascade that changes the key of the other table
CREATE TABLE p (id INT PRIMARY KEY, a INT);
CREATE TABLE t (p INT, n INT, v INT, PRIMARY KEY (p, n), FOREIGN KEY (p) REFERENCES p (id) ON UPDATE CASCADE ON DELETE CASCADE);
INSERT INTO p VALUES (1, 1), (2, 2);
INSERT INTO t VALUES (1, 1, 1), (1, 2, 2), (2, 1, 3);
-- then
UPDATE p SET id = 10 WHERE id = 1;
DELETE FROM p WHERE id = 2;

-- case: cascade_added
-- about: a foreign key that comes while the log is followed
CREATE TABLE p (id INT PRIMARY KEY);
CREATE TABLE t (id INT PRIMARY KEY, p INT);
INSERT INTO p VALUES (1), (2);
INSERT INTO t VALUES (1, 1), (2, 2), (3, 2);
-- then
ALTER TABLE t ADD CONSTRAINT f FOREIGN KEY (p) REFERENCES p (id) ON DELETE CASCADE;
DELETE FROM p WHERE id = 2;
ALTER TABLE t DROP FOREIGN KEY f;
DELETE FROM p;

-- case: cascade_unchecked
-- about: foreign keys that are not checked
CREATE TABLE p (id INT PRIMARY KEY);
CREATE TABLE t (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES p (id) ON DELETE CASCADE);
INSERT INTO p VALUES (1), (2);
INSERT INTO t VALUES (1, 1), (2, 2);
-- then
SET foreign_key_checks = 0;
DELETE FROM p WHERE id = 2;
INSERT INTO t VALUES (3, 99);
SET foreign_key_checks = 1;
DELETE FROM p WHERE id = 1;

-- case: partition_named
-- about: statements that name partitions
CREATE TABLE t (id INT PRIMARY KEY, a INT) PARTITION BY RANGE (id) (PARTITION x VALUES LESS THAN (10), PARTITION y VALUES LESS THAN MAXVALUE);
INSERT INTO t PARTITION (x) VALUES (1, 1), (2, 2);
INSERT INTO t PARTITION (y) VALUES (11, 11);
-- then
DELETE FROM t PARTITION (x) WHERE a = 1;
UPDATE t PARTITION (y) SET a = 5;

-- case: gtid_given
-- about: transactions with the identifiers of another server, out of order and empty
CREATE TABLE t (id INT PRIMARY KEY, a INT);
INSERT INTO t VALUES (1, 1);
-- then
SET @u = UUID();
SET @g = CONCAT(@u, ':7');
SET gtid_next = @g;
INSERT INTO t VALUES (2, 2);
SET @g = CONCAT(@u, ':3');
SET gtid_next = @g;
INSERT INTO t VALUES (3, 3);
SET @g = CONCAT(@u, ':5');
SET gtid_next = @g;
BEGIN;
COMMIT;
SET gtid_next = 'AUTOMATIC';
UPDATE t SET a = a + 1;

-- case: xa_rollback_over_load
-- about: prepared before the load, taken back after it
CREATE TABLE t (id INT PRIMARY KEY, a INT);
INSERT INTO t VALUES (1, 1);
XA START '{db}1';
INSERT INTO t VALUES (2, 2);
XA END '{db}1';
XA PREPARE '{db}1';
-- then
XA ROLLBACK '{db}1';
INSERT INTO t VALUES (3, 3);

-- case: xa_left
-- about: prepared and never ended
CREATE TABLE t (id INT PRIMARY KEY, a INT);
INSERT INTO t VALUES (1, 1);
-- then
XA START '{db}1';
INSERT INTO t VALUES (2, 2);
XA END '{db}1';
XA PREPARE '{db}1';

-- case: xa_two
-- about: two XA transactions, prepared one after the other and ended in the other order
CREATE TABLE t (id INT PRIMARY KEY, a INT);
INSERT INTO t VALUES (1, 1), (2, 2), (3, 3);
-- then
XA START '{db}1';
UPDATE t SET a = 10 WHERE id = 1;
XA END '{db}1';
XA PREPARE '{db}1';
-- session
XA START '{db}2';
UPDATE t SET a = 20 WHERE id = 2;
XA END '{db}2';
XA PREPARE '{db}2';
XA COMMIT '{db}2';
XA ROLLBACK '{db}1';

-- case: default_dropped_again
-- about: a default, another one after the column was dropped, and a third for later rows
-- format: 2
CREATE TABLE t (id INT PRIMARY KEY, a INT);
INSERT INTO t VALUES (1, 1), (2, 2);
-- then
ALTER TABLE t ADD COLUMN c INT DEFAULT 5;
INSERT INTO t (id) VALUES (3);
ALTER TABLE t DROP COLUMN c;
ALTER TABLE t ADD COLUMN c INT DEFAULT 7;
INSERT INTO t (id) VALUES (4);
ALTER TABLE t ALTER COLUMN c SET DEFAULT 9;
INSERT INTO t (id) VALUES (5);
UPDATE t SET a = 20 WHERE id = 2;

-- case: default_then_null
-- about: a row that reads the default is set to NULL
-- format: 2
CREATE TABLE t (id INT PRIMARY KEY, a INT);
INSERT INTO t VALUES (1, 1), (2, 2), (3, 3);
-- then
ALTER TABLE t ADD COLUMN c VARCHAR(10) DEFAULT 'x', ADD COLUMN d INT DEFAULT 0;
UPDATE t SET c = NULL WHERE id = 1;
UPDATE t SET d = NULL WHERE id = 2;

-- case: add_drop_cycle
-- about: a column that comes and goes many times
CREATE TABLE t (id INT PRIMARY KEY, a INT);
INSERT INTO t VALUES (1, 1);
-- then
ALTER TABLE t ADD COLUMN x INT;
UPDATE t SET x = 1;
ALTER TABLE t DROP COLUMN x;
ALTER TABLE t ADD COLUMN x INT;
INSERT INTO t VALUES (2, 2, 2);
ALTER TABLE t DROP COLUMN x;
ALTER TABLE t ADD COLUMN x DATE FIRST;
INSERT INTO t VALUES ('2020-01-01', 3, 3);
ALTER TABLE t DROP COLUMN x;
ALTER TABLE t ADD COLUMN x INT AFTER id;
INSERT INTO t VALUES (4, 4, 4);

-- case: reserved_{n}
-- about: column names that readers use for themselves
-- for: n = _file | _pos | _deleted | _spec_id | _partition | _row_id | _last_updated_sequence_number | file_path | pos | row | filename | file_row_number | rowid | element | key | value | list
CREATE TABLE t (id INT PRIMARY KEY, `{n}` INT, b INT);
INSERT INTO t VALUES (1, 1, 1), (2, NULL, 2), (3, 3, 3);
-- then
UPDATE t SET `{n}` = 10 WHERE id = 1;
DELETE FROM t WHERE id = 3;

-- case: table_named_{n}
-- about: table names that catalogs use for metadata
-- for: n = snapshots | history | files | metadata | partitions | refs | data | entries
CREATE TABLE {n} (id INT PRIMARY KEY, b INT);
INSERT INTO {n} VALUES (1, 1), (2, NULL);
-- then
UPDATE {n} SET b = 10 WHERE id = 1;
DELETE FROM {n} WHERE id = 2;

-- case: table_strange_{n}
-- about: names that cannot be those of a path or an identifier
-- for: n = `x.y` | `a/b` | `a\b` | `a"b` | `{table}` | `a``b`
CREATE TABLE {n} (id INT PRIMARY KEY, v INT);
INSERT INTO {n} VALUES (1, 1), (2, 2);
-- then
ALTER TABLE {n} ADD COLUMN w INT AFTER id;
UPDATE {n} SET v = 3, w = 4 WHERE id = 1;
INSERT INTO {n} VALUES (3, 3, 3);

-- case: table_one_name
-- about: two tables that one Iceberg name would stand for: the second is refused
-- expect: refused NAME_COLLISION
CREATE TABLE `x.y` (id INT PRIMARY KEY, v INT);
CREATE TABLE x_2e_y (id INT PRIMARY KEY, v INT);
INSERT INTO `x.y` VALUES (1, 1), (2, 2);
INSERT INTO x_2e_y VALUES (5, 5);
-- then
UPDATE `x.y` SET v = 3 WHERE id = 1;
UPDATE x_2e_y SET v = 6;

-- case: long_names
-- about: names of 64 letters, in one and in several bytes, and a comment of 1024
CREATE TABLE `abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijkl` (`idcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijkl` INT PRIMARY KEY, `ééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééé` INT);
INSERT INTO `abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijkl` VALUES (1, 1);
-- then
ALTER TABLE `abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijkl` ADD COLUMN `日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日` INT;
INSERT INTO `abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijkl` VALUES (2, 2, 2);

-- case: only_key
-- about: a table of nothing but its key
CREATE TABLE t (id INT PRIMARY KEY);
INSERT INTO t VALUES (1), (2);
-- then
INSERT INTO t VALUES (3);
UPDATE t SET id = 20 WHERE id = 2;
DELETE FROM t WHERE id = 1;

-- case: empty_{w}
-- about: a table that is empty, or becomes so
-- for: w = WHERE 1 = 0 | WHERE 1 = 1
CREATE TABLE t (id INT PRIMARY KEY, a INT);
INSERT INTO t SELECT 1, 1 FROM DUAL WHERE 1 = 1;
-- then
DELETE FROM t {w};

-- case: stats_{v}
-- about: values at the places where column statistics are cut
-- for: v = REPEAT('z', 15) | REPEAT('z', 16) | REPEAT('z', 17) | REPEAT('é', 16) | REPEAT('😀', 16) | CONCAT(REPEAT('a', 15), '😀😀') | REPEAT(CHAR(0x7F), 20) | CONCAT(REPEAT('퟿', 16), 'x') | CONCAT(REPEAT('􏿿', 16), 'x')
CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(100), b VARBINARY(400), k VARCHAR(100));
INSERT INTO t VALUES (1, {v}, {v}, {v}), (2, 'a', REPEAT(X'FF', 20), 'b');
-- then
UPDATE t SET k = v, v = k;
INSERT INTO t VALUES (3, CONCAT({v}, 'a'), X'FF', NULL);
