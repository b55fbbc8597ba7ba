-- case: year
-- about: YEAR at its bounds, and 0000
-- session: SET sql_mode = ''
CREATE TABLE t (id INT PRIMARY KEY, y YEAR, z YEAR NOT NULL);
INSERT INTO t VALUES (1, 1901, 2155), (2, 0, 0), (3, '0', '00'), (4, 69, 70), (5, NULL, 1970), (6, 3000, 1800), (7, '0000', 1999);
-- then
UPDATE t SET y = z, z = 2000;
INSERT INTO t VALUES (8, 2024, '24');

-- case: year_key
-- about: YEAR in a key
CREATE TABLE t (y YEAR, n INT, PRIMARY KEY (y, n));
INSERT INTO t VALUES (1901, 1), (2155, 1), (2000, 1), (2000, 2);
-- then
UPDATE t SET y = y + 1 WHERE y < 2155 AND n = 1;
DELETE FROM t WHERE n = 2;

-- case: time_{f}
-- about: TIME beyond a day and negative, with fractions
-- for: f = 0 | 1 | 2 | 3 | 4 | 5 | 6
-- session: SET sql_mode = ''
CREATE TABLE t (id INT PRIMARY KEY, a TIME({f}), b TIME({f}) NOT NULL);
INSERT INTO t VALUES (1, '838:59:59', '-838:59:59'), (2, '00:00:00', '-00:00:00.000001'), (3, '-00:00:00.9', '23:59:59.999999'), (4, NULL, '24:00:00'), (5, '-00:00:01.5', '-100:00:00.25');
INSERT INTO t VALUES (6, '-00:00:00.1', '-00:00:00.01'), (7, '-00:59:59.999', '-00:01:00.5'), (8, '-01:00:00.000001', '-838:59:58.999999'), (9, '0:0:0.123456', '-0:0:0.123456'), (10, '9999:00:00', '-9999:00:00');
-- then
UPDATE t SET a = b, b = SUBTIME(b, '00:00:00.1');
UPDATE t SET a = TIMEDIFF('00:00:00', a) WHERE id > 4;
DELETE FROM t WHERE id = 2;

-- case: time_key_{f}
-- about: TIME as a key
-- for: f = 0 | 3 | 6
CREATE TABLE t (a TIME({f}) PRIMARY KEY, v INT);
INSERT INTO t VALUES ('-838:59:59', 1), ('838:59:59', 2), ('00:00:00', 3), ('-00:00:01', 4);
-- then
UPDATE t SET v = v + 1;
UPDATE t SET a = ADDTIME(a, '00:00:10') WHERE a < 0;
DELETE FROM t WHERE a = 0;

-- case: date_range
-- about: DATE from the year 0 to 9999, the switch of calendars, leap days
-- session: SET sql_mode = ''
CREATE TABLE t (id INT PRIMARY KEY, d DATE, e DATE);
INSERT INTO t VALUES (1, '1000-01-01', '9999-12-31'), (2, '0001-01-01', '0000-01-01'), (3, '1582-10-04', '1582-10-15'), (4, '1582-10-10', '1752-09-03'), (5, '1969-12-31', '1970-01-01');
INSERT INTO t VALUES (6, '2000-02-29', '1900-02-28'), (7, NULL, '1899-12-31'), (8, '0999-12-31', '0099-12-31'), (9, '2024-02-29', '0004-02-29'), (10, '0000-12-31', '0000-02-28');
-- then
UPDATE t SET d = e, e = NULL WHERE id < 6;
UPDATE t SET e = '2038-01-20';
INSERT INTO t VALUES (11, CURDATE(), '70-1-1');

-- case: date_zero_null
-- about: zero and partial dates in columns that allow NULL
-- session: SET sql_mode = ''
CREATE TABLE t (id INT PRIMARY KEY, d DATE, dt DATETIME, dt6 DATETIME(6), ts TIMESTAMP NULL, ts3 TIMESTAMP(3) NULL);
INSERT INTO t VALUES (1, '0000-00-00', '0000-00-00', '0000-00-00', '0000-00-00', '0000-00-00'), (2, '2020-00-00', '2020-00-00 10:00:00', '2020-00-00 10:00:00.5', '2020-01-01', '2020-01-01');
INSERT INTO t VALUES (3, '2020-01-00', '2020-01-00 00:00:00', '2020-01-00 23:59:59.999999', NULL, NULL), (4, '0000-01-00', '0000-00-01 00:00:01', '0000-10-10 10:10:10.1', 0, 0), (5, '2020-01-01', '2020-01-01', '2020-01-01', '2020-01-01', '2020-01-01');
-- then
UPDATE t SET d = dt, dt = NULL WHERE id = 2;
UPDATE t SET d = '0000-00-00', dt = 0, ts = 0 WHERE id = 5;
INSERT INTO t VALUES (6, 0, 0, 0, 0, 0);
UPDATE t SET d = '2021-01-01', ts3 = '2021-01-01' WHERE id = 1;

-- case: date_zero_not_null
-- about: zero dates in columns that are NOT NULL
-- session: SET sql_mode = ''
-- expect: refused ZERO_DATE
CREATE TABLE t (id INT PRIMARY KEY, d DATE NOT NULL);
INSERT INTO t VALUES (1, '2020-01-01'), (2, '0000-00-00');
-- then
INSERT INTO t VALUES (3, '2020-00-00');

-- case: datetime_zero_not_null
-- about: zero datetimes in columns that are NOT NULL
-- session: SET sql_mode = ''
-- expect: refused ZERO_DATE
CREATE TABLE t (id INT PRIMARY KEY, d DATETIME(3) NOT NULL DEFAULT '0000-00-00');
INSERT INTO t (id) VALUES (1);
-- then
INSERT INTO t VALUES (3, '2020-00-00');

-- case: date_invalid
-- about: dates that ALLOW_INVALID_DATES lets in
-- session: SET sql_mode = 'ALLOW_INVALID_DATES'
CREATE TABLE t (id INT PRIMARY KEY, d DATE, dt DATETIME(2));
INSERT INTO t VALUES (1, '2021-02-31', '2021-02-30 10:00:00'), (2, '1900-02-29', '2021-11-31 23:59:59.99'), (3, '2021-04-31', '2024-02-29');
-- then
UPDATE t SET d = '2021-06-31', dt = '2100-02-29' WHERE id = 3;
UPDATE t SET d = '2021-06-30' WHERE id = 1;

-- case: datetime_{f}
-- about: DATETIME before 1900 and up to 9999, with fractions
-- for: f = 0 | 1 | 2 | 3 | 4 | 5 | 6
-- session: SET sql_mode = ''
CREATE TABLE t (id INT PRIMARY KEY, a DATETIME({f}), b DATETIME({f}) NOT NULL);
INSERT INTO t VALUES (1, '1000-01-01', '9999-12-31 23:59:59'), (2, '0001-01-01 00:00:00.000001', '1899-12-31 23:59:59.999999'), (3, '1582-10-10 12:00:00.5', '1752-09-10 12:30:00.123456'), (4, NULL, '1969-12-31 23:59:59.999999');
INSERT INTO t VALUES (5, '1970-01-01', '1969-12-31 23:59:59.5'), (6, '2038-01-19 03:14:08', '1901-12-13 20:45:51'), (7, '2020-02-29 23:59:59.999999', '2016-12-31 23:59:59'), (8, '0000-01-01', '0000-03-01 01:01:01');
-- then
UPDATE t SET a = b, b = b + INTERVAL 1 MICROSECOND WHERE id BETWEEN 2 AND 6;
DELETE FROM t WHERE id = 1;
INSERT INTO t VALUES (1, '1600-02-29 01:02:03.040506', '1700-02-28 06:05:04.030201');

-- case: datetime_key_{f}
-- about: DATETIME as a key; keys change by a microsecond
-- for: f = 0 | 3 | 6
CREATE TABLE t (a DATETIME({f}), n INT, PRIMARY KEY (a, n));
INSERT INTO t VALUES ('1000-01-01', 1), ('9999-12-31 23:59:59', 1), ('1969-12-31 23:59:59', 1), ('2020-01-01 00:00:00.5', 2), ('2020-01-01 00:00:00.5', 3);
-- then
UPDATE t SET a = a + INTERVAL 1 SECOND WHERE n = 2;
UPDATE t SET n = n + 1;
DELETE FROM t WHERE n = 4;

-- case: timestamp_{f}
-- about: TIMESTAMP at its bounds, with fractions
-- for: f = 0 | 1 | 2 | 3 | 4 | 5 | 6
-- session: SET time_zone = '+00:00'
CREATE TABLE t (id INT PRIMARY KEY, a TIMESTAMP({f}) NULL, b TIMESTAMP({f}) NOT NULL DEFAULT CURRENT_TIMESTAMP({f}) ON UPDATE CURRENT_TIMESTAMP({f}));
INSERT INTO t VALUES (1, '1970-01-01 00:00:01', '2038-01-19 03:14:07'), (2, '2000-01-01 00:00:00.999999', '2000-01-01 00:00:00.000001'), (3, NULL, '2020-06-01 12:00:00.123456');
INSERT INTO t (id, a) VALUES (4, '1999-12-31 23:59:59.4');
-- then
UPDATE t SET a = b;
INSERT INTO t (id) VALUES (5);
DELETE FROM t WHERE id = 1;

-- case: timestamp_zone_{z}
-- about: TIMESTAMP and DATETIME written under another time zone
-- for: z = +00:00 | -13:59 | +14:00 | +05:30 | Test/Summer
-- session: SET time_zone = '{z}'
CREATE TABLE t (id INT PRIMARY KEY, ts TIMESTAMP(3) NULL, dt DATETIME(3), d DATE, ti TIME(3));
INSERT INTO t VALUES (1, '2024-03-31 03:30:00', '2024-03-31 02:30:00', '2024-03-31', '02:30:00'), (2, '2024-10-27 02:30:00', '2024-10-27 02:30:00', '2024-10-27', '02:30:00');
INSERT INTO t VALUES (3, '2000-01-01 00:00:00.001', '2000-01-01 00:00:00.001', '2000-01-01', '00:00:00.001'), (4, '2000-07-01 00:00:00', '2000-07-01 00:00:00', '2000-07-01', '00:00:00'), (5, '2038-01-18 00:00:00', '2038-01-18', '2038-01-18', '0');
-- then
UPDATE t SET ts = ts + INTERVAL 1 HOUR, dt = ts;
INSERT INTO t VALUES (6, NOW(3), NOW(3), NOW(), NOW(3));
SET time_zone = '-03:00';
INSERT INTO t VALUES (7, '2024-06-01 12:00:00', '2024-06-01 12:00:00', '2024-06-01', '12:00:00');

-- case: timestamp_dst_hours
-- about: the hour that summer time leaves out, and the one that comes twice
-- session: SET time_zone = 'Test/Summer', sql_mode = ''
CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, ts TIMESTAMP NULL, u BIGINT);
INSERT INTO t (ts) VALUES ('2024-03-31 01:59:59'), ('2024-03-31 02:30:00'), ('2024-03-31 03:00:00'), ('2024-10-27 01:59:59'), ('2024-10-27 02:00:00'), ('2024-10-27 03:00:00');
INSERT INTO t (ts) VALUES (FROM_UNIXTIME(1729987200)), (FROM_UNIXTIME(1729990800)), (FROM_UNIXTIME(1729994400));
-- then
UPDATE t SET u = UNIX_TIMESTAMP(ts);
INSERT INTO t (ts) VALUES (FROM_UNIXTIME(1711846800)), (FROM_UNIXTIME(1711846799));
SET time_zone = '+00:00';
INSERT INTO t (ts) VALUES ('2024-10-27 00:30:00'), ('2024-10-27 01:30:00');
UPDATE t SET ts = ts + INTERVAL 1 HOUR WHERE id = 1;

-- case: timestamp_key
-- about: TIMESTAMP as a key, changed under several time zones
-- session: SET time_zone = '+02:00'
CREATE TABLE t (ts TIMESTAMP(6) PRIMARY KEY, v INT);
INSERT INTO t VALUES ('2024-01-01 00:00:00.000001', 1), ('2024-01-01 00:00:00.000002', 2), ('1970-01-01 02:00:01', 3);
-- then
SET time_zone = '-08:00';
UPDATE t SET v = 10 WHERE v = 1;
UPDATE t SET ts = ts + INTERVAL 1 DAY WHERE v = 2;
DELETE FROM t WHERE v = 3;

-- case: timestamp_auto
-- about: what MySQL sets by itself: explicit_defaults_for_timestamp off
-- session: SET explicit_defaults_for_timestamp = 0, sql_mode = ''
CREATE TABLE t (id INT PRIMARY KEY, a TIMESTAMP, v INT);
INSERT INTO t (id) VALUES (1), (2);
-- then
UPDATE t SET v = 1 WHERE id = 1;
INSERT INTO t VALUES (3, NULL, 5);

-- case: timestamp_added_{s}
-- about: a TIMESTAMP that is not nullable and has a default since explicit_defaults_for_timestamp is off
-- for: s = ADD COLUMN a TIMESTAMP | ADD COLUMN a TIMESTAMP(3) AFTER id | ADD COLUMN a TIMESTAMP NULL | MODIFY d TIMESTAMP | CHANGE d a TIMESTAMP
-- session: SET explicit_defaults_for_timestamp = 0, sql_mode = ''
-- may: refused ZERO_DATE
CREATE TABLE t (id INT PRIMARY KEY, d TIMESTAMP NULL);
INSERT INTO t VALUES (1, '2020-01-01 00:00:00'), (2, '2021-01-01 00:00:00');
-- then
ALTER TABLE t {s};
INSERT INTO t (id) VALUES (3);
UPDATE t SET id = 4 WHERE id = 2;
