-- case: add_type_{d}
-- about: a new column of each type and name of a type
-- for: d = TINYINT | TINYINT UNSIGNED | TINYINT(1) | SMALLINT | MEDIUMINT UNSIGNED | INT | INTEGER | INT UNSIGNED | BIGINT | BIGINT UNSIGNED | INT1 | INT2 | INT3 | INT4 | INT8 | MIDDLEINT | INT(5) ZEROFILL | DEC | DEC(10,2) | FIXED(5,1) | NUMERIC(30,10) | DECIMAL(5) UNSIGNED | DECIMAL(65,30) | FLOAT | FLOAT(10) | FLOAT(30) | FLOAT(7,3) | FLOAT4 | FLOAT8 | REAL | DOUBLE PRECISION | DOUBLE(10,2) UNSIGNED | BIT | BIT(1) | BIT(20) | BOOL | BOOLEAN | CHAR | CHAR(3) | CHARACTER(3) | CHARACTER VARYING(10) | VARCHAR(10) | VARCHAR(300) | NCHAR(3) | NATIONAL CHAR(3) | NATIONAL VARCHAR(10) | NVARCHAR(10) | NATIONAL CHARACTER VARYING(10) | LONG | LONG VARCHAR | LONG VARBINARY | TINYTEXT | TEXT | TEXT(10) | TEXT(100000) | MEDIUMTEXT | LONGTEXT | CHAR BYTE | CHAR(4) BYTE | BINARY | BINARY(4) | VARBINARY(10) | TINYBLOB | BLOB | BLOB(70000) | MEDIUMBLOB | LONGBLOB | VARCHAR(10) ASCII | VARCHAR(10) UNICODE | VARCHAR(10) BINARY | VARCHAR(10) CHARSET latin1 | VARCHAR(10) CHARACTER SET utf8 | VARCHAR(10) CHARACTER SET binary | ENUM('0','1') | SET('0','1') | ENUM('1','x ') CHARACTER SET latin1 | JSON | YEAR | YEAR(4)
-- session: SET sql_mode = ''
CREATE TABLE t (id INT PRIMARY KEY, a INT);
INSERT INTO t VALUES (1, 1), (2, 2);
-- then
ALTER TABLE t ADD COLUMN n {d};
INSERT INTO t VALUES (3, 3, '1'), (4, 4, NULL);
UPDATE t SET n = '0' WHERE id = 1;

-- case: add_time_type_{d}
-- about: the same for times
-- for: d = DATE | DATETIME | DATETIME(3) | DATETIME(6) | TIMESTAMP NULL | TIMESTAMP(6) NULL | TIME | TIME(3)
CREATE TABLE t (id INT PRIMARY KEY, a INT);
INSERT INTO t VALUES (1, 1), (2, 2);
-- then
ALTER TABLE t ADD COLUMN n {d} AFTER id;
INSERT INTO t VALUES (3, TIMESTAMP'2020-02-29 23:59:58.123456', 3), (4, NULL, 4);
UPDATE t SET n = '1999-12-31 10:11:12' WHERE id = 1;

-- case: add_serial
-- about: SERIAL is a number of its own for each row
CREATE TABLE t (id INT PRIMARY KEY, a INT);
INSERT INTO t VALUES (1, 1), (2, 2);
-- then
ALTER TABLE t ADD COLUMN n SERIAL;
INSERT INTO t (id) VALUES (3);

-- case: add_geometry_{d}
-- about: new columns of geometry and vectors
-- for: d = GEOMETRY | POINT | VECTOR(3)
CREATE TABLE t (id INT PRIMARY KEY, a INT);
INSERT INTO t VALUES (1, 1), (2, 2);
-- then
ALTER TABLE t ADD COLUMN n {d};
INSERT INTO t (id) VALUES (3);

-- case: add_real_as_float
-- about: REAL is FLOAT under REAL_AS_FLOAT
-- session: SET sql_mode = 'REAL_AS_FLOAT'
CREATE TABLE t (id INT PRIMARY KEY, a REAL);
INSERT INTO t VALUES (1, 0.1);
-- then
ALTER TABLE t ADD COLUMN n REAL, ADD COLUMN m DOUBLE;
INSERT INTO t VALUES (2, 0.2, 0.3, 0.3);

-- case: add_no_backslash
-- about: a backslash is a letter under NO_BACKSLASH_ESCAPES
-- session: SET sql_mode = 'NO_BACKSLASH_ESCAPES'
-- format: 2
CREATE TABLE t (id INT PRIMARY KEY);
INSERT INTO t VALUES (1);
-- then
ALTER TABLE t ADD COLUMN n VARCHAR(10) DEFAULT 'a\tb\', ADD COLUMN e ENUM('x\n', 'y') DEFAULT 'x\n';
INSERT INTO t VALUES (2, '\', 'y');

-- case: add_escapes
-- about: escapes in a default
-- format: 2
CREATE TABLE t (id INT PRIMARY KEY);
INSERT INTO t VALUES (1);
-- then
ALTER TABLE t ADD COLUMN n VARCHAR(20) DEFAULT 'a\tb\n\\\'\"\0\Z\%\_''', ADD COLUMN m VARCHAR(20) DEFAULT "it's ""so""", ADD COLUMN o VARCHAR(20) DEFAULT _latin1'x', ADD COLUMN p VARCHAR(20) DEFAULT X'4142';
INSERT INTO t (id) VALUES (2);

-- case: add_client_{c}
-- about: a statement in another character set of the client: its bytes mean other letters
-- for: c = latin1 | cp1251 | koi8r | latin2
-- session: SET NAMES {c}
-- format: 2
CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20)) CHARACTER SET utf8mb4;
INSERT INTO t VALUES (1, 'x');
-- then
ALTER TABLE t ADD COLUMN n VARCHAR(20) CHARACTER SET utf8mb4 DEFAULT 'é';
INSERT INTO t (id, v) VALUES (2, 'é');

-- case: add_client_name_{c}
-- about: the same for the name of a column
-- for: c = latin1 | cp1251 | koi8r | latin2
-- session: SET NAMES {c}
CREATE TABLE t (id INT PRIMARY KEY, `é` VARCHAR(20)) CHARACTER SET utf8mb4;
INSERT INTO t VALUES (1, 'x');
-- then
ALTER TABLE t ADD COLUMN `ß` VARCHAR(20), ADD COLUMN c INT COMMENT 'ü';
INSERT INTO t VALUES (2, 'é', 'y', 2);

-- case: add_client_enum_{c}
-- about: the same for members of ENUM and SET
-- for: c = latin1 | cp1251
-- session: SET NAMES {c}
CREATE TABLE t (id INT PRIMARY KEY, e ENUM('é', 'ß') CHARACTER SET utf8mb4);
INSERT INTO t VALUES (1, 1);
-- then
ALTER TABLE t ADD COLUMN f ENUM('é', 'ß') CHARACTER SET utf8mb4, ADD COLUMN s SET('ü', 'x') CHARACTER SET utf8mb4;
INSERT INTO t VALUES (2, 2, 1, 3);

-- case: add_zero_date
-- about: a date that is NOT NULL and has no default is 0000-00-00 in old rows
-- session: SET sql_mode = ''
-- expect: log,split refused MYSQL_DDL SCHEMA_CHANGE ZERO_DATE
CREATE TABLE t (id INT PRIMARY KEY);
INSERT INTO t VALUES (1);
-- then
ALTER TABLE t ADD COLUMN d DATE NOT NULL;
INSERT INTO t VALUES (2, '2020-01-01');

-- case: add_zero_date_null
-- about: a zero date as the default of a column that allows NULL
-- session: SET sql_mode = ''
CREATE TABLE t (id INT PRIMARY KEY);
INSERT INTO t VALUES (1);
-- then
ALTER TABLE t ADD COLUMN d DATE DEFAULT '0000-00-00', ADD COLUMN e DATETIME DEFAULT '0000-00-00';
INSERT INTO t VALUES (2, '2020-01-01', '2020-01-01');
INSERT INTO t (id) VALUES (3);

-- case: add_rounded_{d}
-- about: defaults that the server rounds or converts
-- for: d = INT NOT NULL DEFAULT '7' | INT DEFAULT 1.0 | DECIMAL(5,2) DEFAULT 1 | DECIMAL(5,2) DEFAULT '1.5' | FLOAT DEFAULT 16777217 | FLOAT(5,2) DEFAULT 1.25 | DOUBLE(5,1) DEFAULT 1.25 | VARCHAR(5) DEFAULT 12 | VARCHAR(10) DEFAULT 1.50 | CHAR(3) DEFAULT ' x' | DATETIME(1) DEFAULT '2020-01-01 00:00:00.25' | DATE DEFAULT 20200101 | YEAR DEFAULT 99 | BIT(8) DEFAULT b'101' | BIT(4) DEFAULT 0x0A | TINYINT(1) DEFAULT FALSE | ENUM('a','B') DEFAULT 'b' | ENUM('1','2','0') DEFAULT '0' | BIGINT DEFAULT -9223372036854775808 | VARBINARY(4) DEFAULT 'é'
-- session: SET sql_mode = ''
CREATE TABLE t (id INT PRIMARY KEY);
INSERT INTO t VALUES (1);
-- then
ALTER TABLE t ADD COLUMN n {d};
INSERT INTO t (id) VALUES (2);
UPDATE t SET id = 3 WHERE id = 1;
INSERT INTO t (id, n) SELECT 4, n FROM t WHERE id = 3;
