-- case: key_type_{t}
-- about: keys of each type, changed and found again
-- for: t = TINYINT | TINYINT UNSIGNED | SMALLINT | SMALLINT UNSIGNED | MEDIUMINT | MEDIUMINT UNSIGNED | INT | INT UNSIGNED | BIGINT | BIGINT UNSIGNED | INT ZEROFILL | BIT(3) | BIT(64) | CHAR(5) | VARCHAR(5) | VARCHAR(300) | BINARY(3) | VARBINARY(5) | VARBINARY(300) | ENUM('1','2','3','4','5','9') | SET('1','2','3','4','5','9') | YEAR | DECIMAL(5,2) | DECIMAL(20,0) | DECIMAL(40,5) | TIME
-- session: SET sql_mode = ''
CREATE TABLE t (k {t} NOT NULL PRIMARY KEY, v INT);
INSERT INTO t VALUES (20010101, 1) ON DUPLICATE KEY UPDATE v = 100;
INSERT INTO t VALUES ('2', 2), ('3', 3) ON DUPLICATE KEY UPDATE v = 200;
-- then
UPDATE t SET v = v + 10;
UPDATE IGNORE t SET k = '5' WHERE v = 12;
DELETE FROM t WHERE v = 13;
REPLACE INTO t VALUES ('3', 30), ('9', 90), ('3', 31);

-- case: key_bigint_unsigned
-- about: a key that does not fit into 63 bits
CREATE TABLE t (k BIGINT UNSIGNED PRIMARY KEY, v INT);
INSERT INTO t VALUES (18446744073709551615, 1), (9223372036854775807, 2), (9223372036854775808, 3), (0, 4);
-- then
UPDATE t SET v = v * 10;
UPDATE t SET k = k - 1 WHERE k > 9223372036854775808;
DELETE FROM t WHERE k = 0;

-- case: key_composite_{n}
-- about: keys of several columns, in another order than the table's
-- for: n = (a, b) | (b, a) | (c, b, a) | (d, a) | (b, d, c, a)
CREATE TABLE t (a INT, b VARCHAR(20), c DATE, d DECIMAL(10,3), v TEXT, PRIMARY KEY {n});
INSERT INTO t VALUES (1, 'x', '2020-01-01', 1.5, 'one'), (2, 'x', '2020-01-02', -1.5, 'two'), (3, 'y', '1000-01-01', 0, 'three'), (4, '', '9999-12-31', 9999999.999, NULL);
-- then
UPDATE t SET v = CONCAT(v, '!') WHERE a = 1;
UPDATE t SET b = 'z', c = '2021-01-01' WHERE a = 2;
DELETE FROM t WHERE a = 3;
INSERT INTO t VALUES (5, 'é', '2020-02-02', 5, 'five') ON DUPLICATE KEY UPDATE v = 'dup';
UPDATE t SET a = a + 10 ORDER BY a DESC;

-- case: key_composite_text
-- about: texts whose concatenation is the same
CREATE TABLE t (a VARCHAR(10), b VARCHAR(10), c VARCHAR(10), v INT, PRIMARY KEY (a, b, c));
INSERT INTO t VALUES ('ab', 'c', '', 1), ('a', 'bc', '', 2), ('', 'abc', '', 3), ('', '', 'abc', 4), ('abc', '', '', 5), ('a', 'b', 'c', 6);
-- then
UPDATE t SET v = v + 10;
DELETE FROM t WHERE a = 'a' AND b = 'bc';
UPDATE t SET b = 'cc' WHERE a = 'ab';

-- case: key_collation_{c}
-- about: a text key under a collation: case, accents and trailing spaces that it does not tell apart
-- for: c = utf8mb4_0900_ai_ci | utf8mb4_0900_as_cs | utf8mb4_0900_bin | utf8mb4_bin | utf8mb4_general_ci | utf8mb4_unicode_ci | utf8mb4_unicode_520_ci | utf8mb4_de_pb_0900_ai_ci | utf8mb4_tr_0900_ai_ci | utf8mb4_ja_0900_as_cs_ks | utf8mb4_zh_0900_as_cs | utf8mb4_spanish2_ci | utf8mb3_general_ci | utf8mb3_bin | latin1_swedish_ci | latin1_german1_ci | latin1_german2_ci | latin1_bin | latin1_general_cs | latin2_czech_cs | latin5_turkish_ci | latin7_general_cs | cp1250_general_ci | cp1256_general_ci | cp1257_lithuanian_ci | ascii_general_ci | ascii_bin | utf16_general_ci | utf16le_bin | utf32_unicode_ci | ucs2_general_ci | macroman_general_ci | swe7_swedish_ci | dec8_swedish_ci | hp8_english_ci
-- session: SET sql_mode = ''
CREATE TABLE t (k VARCHAR(20) COLLATE {c} PRIMARY KEY, v INT);
INSERT IGNORE INTO t VALUES ('a', 1), ('A', 2), ('b', 3), ('ab', 4), ('a ', 5), ('', 6), ('ss', 7), ('z', 8), ('i', 9);
-- then
UPDATE t SET k = UPPER(k) WHERE k IN ('b', 'ab');
INSERT INTO t VALUES ('Z', 80) ON DUPLICATE KEY UPDATE v = 800;
REPLACE INTO t VALUES ('I', 90);
UPDATE t SET k = 'a  ' WHERE k = 'a';
DELETE FROM t WHERE k = 'SS';
INSERT IGNORE INTO t VALUES ('SS', 70), (' ', 60);

-- case: key_accents_{c}
-- about: accents in a key
-- for: c = utf8mb4_0900_ai_ci | utf8mb4_0900_as_ci | utf8mb4_general_ci | utf8mb4_unicode_ci | utf8mb4_bin | latin1_swedish_ci | latin1_german2_ci | latin1_bin | utf8mb3_unicode_ci | utf16_unicode_ci | utf32_general_ci | cp850_general_ci
CREATE TABLE t (k CHAR(20) COLLATE {c} PRIMARY KEY, v INT);
INSERT IGNORE INTO t VALUES ('é', 1), ('e', 2), ('É', 3), ('ü', 4), ('ue', 5), ('ß', 6), ('ss', 7), ('ä', 8), ('å', 9), ('n', 10), ('ñ', 11);
-- then
UPDATE IGNORE t SET k = 'E' WHERE k = 'é';
UPDATE IGNORE t SET k = 'Ü' WHERE k = 'ü';
REPLACE INTO t VALUES ('Ñ', 100);
DELETE FROM t WHERE k = 'ss';
UPDATE t SET v = v + 1000;

-- case: key_text_{c}
-- about: a key over the beginning of a TEXT or BLOB
-- for: c = TEXT | BLOB | VARCHAR(100) | VARBINARY(100)
CREATE TABLE t (k {c} NOT NULL, v INT, PRIMARY KEY (k(5)));
INSERT INTO t VALUES ('abcdefgh', 1), ('abcd', 2), ('xyz', 3), ('', 4);
-- then
UPDATE t SET k = 'abcdeXXX' WHERE v = 1;
UPDATE t SET v = 20 WHERE k = 'abcd';
DELETE FROM t WHERE v = 3;
REPLACE INTO t VALUES ('abcdeYYY', 5);

-- case: key_binary_padding
-- about: BINARY keys that end with zero bytes or spaces
CREATE TABLE t (k BINARY(4) PRIMARY KEY, v INT);
INSERT INTO t VALUES (X'00', 1), (X'20', 2), (X'2000', 3) ON DUPLICATE KEY UPDATE v = 33;
INSERT INTO t VALUES (X'FF', 4), (X'61626300', 5) ON DUPLICATE KEY UPDATE v = 55;
-- then
UPDATE t SET k = X'01' WHERE v = 1;
DELETE FROM t WHERE k = X'61626300';
UPDATE t SET v = v + 1;

-- case: key_varbinary_zero
-- about: VARBINARY keys that differ by a zero byte at the end
CREATE TABLE t (k VARBINARY(4) PRIMARY KEY, v INT);
INSERT INTO t VALUES (X'', 1), (X'00', 2), (X'0000', 3), (X'20', 4), (X'2020', 5);
-- then
UPDATE t SET v = v * 10;
DELETE FROM t WHERE k = X'00';
UPDATE t SET k = CONCAT(k, X'00') WHERE k = X'0000';

-- case: key_char_empty
-- about: a CHAR key of nothing but spaces
CREATE TABLE t (k CHAR(5) PRIMARY KEY, v INT);
INSERT INTO t VALUES ('', 1), ('a', 2);
-- then
UPDATE t SET v = 10 WHERE k = '  ';
UPDATE t SET k = ' b ' WHERE k = 'a';

-- case: key_enum_empty
-- about: the invalid value of an ENUM as a key
-- session: SET sql_mode = ''
CREATE TABLE t (k ENUM('a', 'b') NOT NULL PRIMARY KEY, v INT);
INSERT INTO t VALUES ('a', 1), ('wrong', 2);
-- then
UPDATE t SET v = v + 10;
UPDATE t SET k = 'b' WHERE k = '';

-- case: key_enum_ambiguous
-- about: an empty member beside the invalid value
-- expect: refused UNSUPPORTED_TYPE
-- session: SET sql_mode = ''
CREATE TABLE t (k ENUM('', 'b') NOT NULL PRIMARY KEY, v INT);
INSERT INTO t VALUES ('', 1), ('wrong', 2);
-- then
UPDATE t SET v = v + 10;

-- case: key_unique_instead
-- about: no primary key, but a unique key that is not null
CREATE TABLE t (a INT, u INT NOT NULL, w VARCHAR(10) NOT NULL, UNIQUE KEY (u), UNIQUE KEY (w));
INSERT INTO t VALUES (1, 1, 'x'), (NULL, 2, 'y'), (3, 3, 'z');
-- then
UPDATE t SET u = u + 10 WHERE a = 1;
UPDATE t SET w = 'ZZ' WHERE u = 3;
DELETE FROM t WHERE u = 2;
INSERT INTO t VALUES (5, 2, 'y');

-- case: key_unique_nullable
-- about: a unique key that allows NULL is no key
CREATE TABLE t (a INT, u INT, UNIQUE KEY (u));
INSERT INTO t VALUES (1, 1), (2, NULL), (3, NULL);
-- then
UPDATE t SET u = 5 WHERE a = 2;

-- case: key_unique_composite
-- about: a unique key of two columns, one of which allows NULL, and another that is complete
CREATE TABLE t (a INT, b INT NOT NULL, c INT NOT NULL, UNIQUE KEY x (a, b), UNIQUE KEY y (b, c));
INSERT INTO t VALUES (1, 1, 1), (NULL, 1, 2), (NULL, 1, 3);
-- then
UPDATE t SET a = 9 WHERE c = 3;
DELETE FROM t WHERE c = 2;
INSERT INTO t VALUES (NULL, 1, 2);

-- case: key_swap_unique
-- about: two rows swap a unique value that is no key
CREATE TABLE t (id INT PRIMARY KEY, u INT UNIQUE);
INSERT INTO t VALUES (1, 10), (2, 20), (3, NULL);
-- then
BEGIN;
UPDATE t SET u = -1 WHERE id = 1;
UPDATE t SET u = 10 WHERE id = 2;
UPDATE t SET u = 20 WHERE id = 1;
COMMIT;

-- case: key_swap_primary
-- about: two rows swap their keys in a transaction
CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(10));
INSERT INTO t VALUES (1, 'one'), (2, 'two'), (3, 'three');
-- then
BEGIN;
UPDATE t SET id = 99 WHERE id = 1;
UPDATE t SET id = 1 WHERE id = 2;
UPDATE t SET id = 2 WHERE id = 99;
COMMIT;
BEGIN;
UPDATE t SET id = -id;
UPDATE t SET id = 4 + id ORDER BY id;
COMMIT;

-- case: key_shift_{d}
-- about: all keys move by one, in the order that MySQL allows
-- for: d = + 1 ORDER BY id DESC | - 1 ORDER BY id
CREATE TABLE t (id INT PRIMARY KEY, v INT);
INSERT INTO t VALUES (1, 1), (2, 2), (3, 3), (4, 4), (5, 5);
-- then
UPDATE t SET id = id {d};
UPDATE t SET id = id {d};
DELETE FROM t WHERE id = 3;

-- case: key_delete_insert
-- about: deleted and inserted again in one transaction, and in the next
CREATE TABLE t (id INT PRIMARY KEY, v INT);
INSERT INTO t VALUES (1, 1), (2, 2);
-- then
BEGIN;
DELETE FROM t WHERE id = 1;
INSERT INTO t VALUES (1, 100);
COMMIT;
DELETE FROM t WHERE id = 2;
INSERT INTO t VALUES (2, 200);
BEGIN;
INSERT INTO t VALUES (3, 3);
DELETE FROM t WHERE id = 3;
COMMIT;

-- case: key_onto_deleted
-- about: a key takes the place of one that was just deleted
CREATE TABLE t (id INT PRIMARY KEY, v INT);
INSERT INTO t VALUES (1, 1), (2, 2), (3, 3);
-- then
BEGIN;
DELETE FROM t WHERE id = 1;
UPDATE t SET id = 1 WHERE id = 2;
INSERT INTO t VALUES (2, 22);
UPDATE t SET id = 4 WHERE id = 3;
COMMIT;

-- case: key_replace
-- about: REPLACE that removes several rows for one
CREATE TABLE t (id INT PRIMARY KEY, a INT UNIQUE, b INT UNIQUE);
INSERT INTO t VALUES (1, 1, 1), (2, 2, 2), (3, 3, 3);
-- then
REPLACE INTO t VALUES (4, 1, 2);
REPLACE INTO t VALUES (3, 9, 9);
INSERT INTO t VALUES (5, 9, 10) ON DUPLICATE KEY UPDATE id = 50, b = 7;

-- case: key_auto_increment
-- about: AUTO_INCREMENT keys, with zero as a value
-- session: SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO'
CREATE TABLE t (id BIGINT AUTO_INCREMENT PRIMARY KEY, v INT);
INSERT INTO t VALUES (0, 0), (NULL, 1), (NULL, 2);
-- then
INSERT INTO t (v) VALUES (3), (4);
UPDATE t SET id = -5 WHERE v = 0;
DELETE FROM t ORDER BY id DESC LIMIT 1;

-- case: key_generated
-- about: a key over a stored generated column
CREATE TABLE t (a INT, g INT AS (a * 10) STORED NOT NULL PRIMARY KEY, v INT);
INSERT INTO t (a, v) VALUES (1, 1), (2, 2);
-- then
UPDATE t SET a = 5 WHERE v = 1;
DELETE FROM t WHERE g = 20;
INSERT INTO t (a, v) VALUES (7, 7);

-- case: key_invisible_column
-- about: a key over an invisible column
CREATE TABLE t (k INT INVISIBLE AUTO_INCREMENT PRIMARY KEY, v INT);
INSERT INTO t VALUES (1), (2);
-- then
UPDATE t SET v = 10 WHERE k = 1;
INSERT INTO t VALUES (3);

-- case: key_descending
-- about: a key in descending order
CREATE TABLE t (a INT, b VARCHAR(5), v INT, PRIMARY KEY (a DESC, b ASC));
INSERT INTO t VALUES (1, 'x', 1), (2, 'x', 2), (2, 'y', 3), (-1, '', 4);
-- then
UPDATE t SET a = a + 1 WHERE b = 'x' ORDER BY a DESC;
DELETE FROM t WHERE a = -1;

-- case: gipk
-- about: the generated invisible primary key
-- session: SET SESSION sql_generate_invisible_primary_key = ON
CREATE TABLE t (a INT, b VARCHAR(10));
INSERT INTO t VALUES (1, 'x'), (1, 'x'), (2, NULL);
-- then
DELETE FROM t WHERE a = 1 LIMIT 1;
INSERT INTO t VALUES (1, 'x');
UPDATE t SET b = 'y' WHERE a = 2;

-- case: gipk_visible
-- about: the generated key is made visible
-- session: SET SESSION sql_generate_invisible_primary_key = ON
CREATE TABLE t (a INT);
INSERT INTO t VALUES (1), (1);
-- then
ALTER TABLE t ALTER COLUMN my_row_id SET VISIBLE;
INSERT INTO t (a) VALUES (2);

-- case: key_ddl_{d}
-- about: the definition of the key changes
-- for: d = DROP PRIMARY KEY | DROP PRIMARY KEY, ADD PRIMARY KEY (a) | DROP PRIMARY KEY, ADD PRIMARY KEY (id, a) | MODIFY id BIGINT | MODIFY id VARCHAR(20) | RENAME COLUMN id TO nr | DROP COLUMN id | DROP PRIMARY KEY, ADD UNIQUE KEY (a)
CREATE TABLE t (id INT NOT NULL, a INT NOT NULL, b INT, PRIMARY KEY (id));
INSERT INTO t VALUES (1, 10, 1), (2, 20, 2);
-- then
ALTER TABLE t {d};
UPDATE t SET b = 5;

-- case: key_ddl_add
-- about: a primary key beside the unique key that served
CREATE TABLE t (u INT NOT NULL UNIQUE, a INT NOT NULL);
INSERT INTO t VALUES (1, 10), (2, 20);
-- then
ALTER TABLE t ADD PRIMARY KEY (a);
UPDATE t SET a = 11 WHERE u = 1;

-- case: key_ddl_unique_dropped
-- about: the unique key that served as the key is dropped
CREATE TABLE t (u INT NOT NULL, w INT NOT NULL, UNIQUE KEY x (u), UNIQUE KEY y (w));
INSERT INTO t VALUES (1, 10), (2, 20);
-- then
ALTER TABLE t DROP INDEX x;
INSERT INTO t VALUES (1, 30);

-- case: key_ddl_other_unique
-- about: another unique key comes and goes
CREATE TABLE t (id INT PRIMARY KEY, u INT NOT NULL);
INSERT INTO t VALUES (1, 10), (2, 20);
-- then
ALTER TABLE t ADD UNIQUE KEY x (u);
UPDATE t SET u = 30 WHERE id = 1;
ALTER TABLE t DROP KEY x;
INSERT INTO t VALUES (3, 20);

-- case: key_ddl_unique_earlier
-- about: without a primary key, a new unique key sorts before the one that served
CREATE TABLE t (u INT NOT NULL, w INT NOT NULL, v INT, UNIQUE KEY m (u));
INSERT INTO t VALUES (1, 10, 1), (2, 20, 2);
-- then
ALTER TABLE t ADD UNIQUE KEY a (w);
UPDATE t SET u = 3 WHERE w = 10;
UPDATE t SET w = 30 WHERE u = 2;
INSERT INTO t VALUES (4, 40, 4);

-- case: no_key_{d}
-- about: tables without a key: equal rows, and which of them go
-- for: d = DELETE FROM t WHERE a = 1 LIMIT 1 | UPDATE t SET b = 'z' WHERE a = 1 LIMIT 1 | INSERT INTO t SELECT * FROM t | DELETE FROM t
CREATE TABLE t (id INT NOT NULL, a INT, b VARCHAR(5));
INSERT INTO t VALUES (1, 1, 'x'), (2, 1, 'x'), (3, NULL, NULL);
-- then
{d};

-- case: no_key_gets_one
-- about: a table without a key gets one
CREATE TABLE t (id INT NOT NULL, a INT);
INSERT INTO t VALUES (1, 1), (2, 2);
-- then
ALTER TABLE t ADD PRIMARY KEY (id);
INSERT INTO t VALUES (3, 3);

-- case: key_date
-- about: DATE as a key
CREATE TABLE t (k DATE PRIMARY KEY, v INT);
INSERT INTO t VALUES ('1000-01-01', 1), ('1969-12-31', 2), ('9999-12-31', 3), ('2024-02-29', 4);
-- then
UPDATE t SET k = k + INTERVAL 1 DAY WHERE v IN (1, 2, 4);
DELETE FROM t WHERE v = 3;

-- case: key_many_rows_{t}
-- about: some thousand rows, loaded in several chunks by their key
-- for: t = INT | BIGINT UNSIGNED | VARCHAR(20) | VARCHAR(20) COLLATE utf8mb4_bin | VARCHAR(20) CHARACTER SET latin1 | VARBINARY(20) | BINARY(8) | DECIMAL(12,3) | CHAR(12) COLLATE utf8mb4_0900_as_cs
CREATE TABLE t (k {t} PRIMARY KEY, v INT, w VARCHAR(20));
INSERT INTO t WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 2000) SELECT i * 7919 % 2003, i, CONV(i, 10, 36) FROM n;
-- then
UPDATE t SET v = -v WHERE v % 3 = 0;
DELETE FROM t WHERE v % 5 = 0;
UPDATE t SET k = 100000 + ABS(v) WHERE v % 7 = 0;

-- case: key_many_words
-- about: words in upper and lower case as keys, loaded in several chunks
CREATE TABLE t (k VARCHAR(20) PRIMARY KEY, v INT);
INSERT IGNORE INTO t WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 1500) SELECT IF(i % 2, UPPER(CONV(i * 7919, 10, 36)), CONCAT(LOWER(CONV(i * 7919, 10, 36)), 'é')), i FROM n;
-- then
UPDATE t SET k = LOWER(k) WHERE v % 3 = 0;
UPDATE t SET v = 0 WHERE v % 4 = 0;
DELETE FROM t WHERE v % 5 = 0;
