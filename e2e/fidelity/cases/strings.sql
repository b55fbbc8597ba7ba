-- case: char_trailing
-- about: trailing spaces of CHAR, VARCHAR and TEXT
CREATE TABLE t (id INT PRIMARY KEY, c CHAR(10), v VARCHAR(10), x TEXT, y TINYTEXT, z LONGTEXT);
INSERT INTO t VALUES (1, 'a  ', 'a  ', 'a  ', 'a  ', 'a  '), (2, '   ', '   ', '   ', '   ', '   '), (3, '', '', '', '', ''), (4, NULL, NULL, NULL, NULL, NULL), (5, 'a\t ', 'a\n ', ' a', '\0', 'a\0 ');
-- then
UPDATE t SET c = CONCAT(c, 'b '), v = CONCAT(v, ' ') WHERE id < 3;
INSERT INTO t VALUES (6, '          ', '          ', ' ', ' ', ' ');

-- case: char_trailing_pad
-- about: the same, written under PAD_CHAR_TO_FULL_LENGTH
-- session: SET sql_mode = 'PAD_CHAR_TO_FULL_LENGTH'
CREATE TABLE t (id INT PRIMARY KEY, c CHAR(10), v VARCHAR(20));
INSERT INTO t VALUES (1, 'a', 'a'), (2, '', ''), (3, NULL, NULL);
-- then
UPDATE t SET v = c;
INSERT INTO t SELECT id + 10, v, c FROM t;

-- case: char_{n}
-- about: CHAR of each length around the limits of its encoding
-- for: n = 0 | 1 | 63 | 64 | 85 | 127 | 255
CREATE TABLE t (id INT PRIMARY KEY, c CHAR({n}) CHARACTER SET utf8mb4, l CHAR({n}) CHARACTER SET latin1, b BINARY({n}));
INSERT INTO t VALUES (1, LEFT(REPEAT('😀', 255), {n}), LEFT(REPEAT('é', 255), {n}), LEFT(REPEAT('b', 255), {n})), (2, '', '', ''), (3, NULL, NULL, NULL);
-- then
UPDATE t SET c = LEFT(c, 1), l = LEFT(CONCAT('x', l), {n});
DELETE FROM t WHERE id = 2;

-- case: varchar_{n}
-- about: VARCHAR around the lengths where its length takes two bytes
-- for: n = 0 | 1 | 63 | 64 | 255 | 256 | 4000 | 8000
CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR({n}), l VARBINARY({n}));
INSERT INTO t VALUES (1, LEFT(REPEAT('ü', {n}), {n}), LEFT(REPEAT('b', {n}), {n})), (2, '', ''), (3, NULL, NULL), (4, LEFT('ab', {n}), LEFT(X'00', {n}));
-- then
UPDATE t SET v = LEFT(CONCAT('x', v), {n});
DELETE FROM t WHERE id = 2;

-- case: text_sizes
-- about: TEXT and BLOB of each kind, empty and large
-- session: SET SESSION group_concat_max_len = 10000000
CREATE TABLE t (id INT PRIMARY KEY, a TINYTEXT, b TEXT, c MEDIUMTEXT, d LONGTEXT, e TINYBLOB, f BLOB, g MEDIUMBLOB, h LONGBLOB);
INSERT INTO t VALUES (1, REPEAT('a', 255), REPEAT('ä', 32767), REPEAT('日', 100000), REPEAT('😀', 300000), REPEAT(X'FF', 255), REPEAT(X'00', 65535), REPEAT(X'80', 70000), REPEAT('h', 1000000)), (2, '', '', '', '', '', '', '', ''), (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
-- then
UPDATE t SET d = CONCAT(d, 'x'), h = CONCAT(h, X'01') WHERE id = 1;
UPDATE t SET a = 'now', e = X'0A0B' WHERE id = 3;

-- case: text_{n}
-- about: TEXT(n) takes the smallest type that fits
-- for: n = 10 | 100 | 20000 | 5000000
CREATE TABLE t (id INT PRIMARY KEY, a TEXT({n}), b BLOB({n}));
INSERT INTO t VALUES (1, 'é ', X'00FF00'), (2, NULL, NULL);
-- then
UPDATE t SET a = b'0100001' WHERE id = 2;

-- case: binary_{n}
-- about: BINARY is padded with zero bytes, which are part of the value
-- for: n = 1 | 4 | 16 | 255
CREATE TABLE t (id INT PRIMARY KEY, b BINARY({n}), c BINARY({n}) NOT NULL DEFAULT '', v VARBINARY({n}));
INSERT INTO t VALUES (1, 'a', 'b', 'c'), (2, '', '', ''), (3, NULL, X'00', X'00'), (4, X'20', X'20', X'20'), (5, X'FF', X'FE', X'FD');
-- then
UPDATE t SET b = c, v = LEFT(b, {n}) WHERE id > 1;
INSERT INTO t (id, b) VALUES (6, X'80');
DELETE FROM t WHERE id = 1;

-- case: binary_charset
-- about: columns of character set binary are binary types
CREATE TABLE t (id INT PRIMARY KEY, a CHAR(5) CHARACTER SET binary, b VARCHAR(5) CHARACTER SET binary, c TEXT CHARACTER SET binary);
INSERT INTO t VALUES (1, 'x', 'x', 'x'), (2, X'FF00', X'FF00', X'FF00');
-- then
UPDATE t SET a = X'8081', b = a, c = NULL;

-- case: binary_attribute
-- about: the attribute BINARY is a collation, not a type
CREATE TABLE t (id INT PRIMARY KEY, a VARCHAR(5) BINARY, b CHAR(5) CHARACTER SET latin1 BINARY, n NCHAR(5), w NVARCHAR(5));
INSERT INTO t VALUES (1, 'é', 'é', 'é', 'é');
-- then
UPDATE t SET a = 'x', n = 'ж';

-- case: enum
-- about: ENUM with the empty, the invalid and the last value
-- session: SET sql_mode = ''
CREATE TABLE t (id INT PRIMARY KEY, e ENUM('a', 'B', 'it''s', 'with,comma', 'ü', '😀', '\\', 'x '), f ENUM('', 'a') , g ENUM('one') NOT NULL);
INSERT INTO t VALUES (1, 'a', '', 'one'), (2, 'nothing', 'nothing', 'nothing'), (3, NULL, NULL, ''), (4, 'it''s', 'a', 0), (5, 'b', 2, 1), (6, '\\', 0, 1), (7, 8, 1, 1), (8, 'ü', 1, 1), (9, '😀', 1, 1), (10, 'with,comma', 1, 1);
-- then
UPDATE t SET e = e + 1 WHERE id IN (1, 4, 5);
UPDATE t SET f = 'a', g = 'wrong';
INSERT INTO t (id) VALUES (11);

-- case: enum_many
-- about: an ENUM of more than 255 members takes two bytes
CREATE TABLE helper (n INT PRIMARY KEY);
CREATE TABLE t (id INT PRIMARY KEY, e ENUM('m0','m1','m2','m3','m4','m5','m6','m7','m8','m9','n0','n1','n2','n3','n4','n5','n6','n7','n8','n9','o0','o1','o2','o3','o4','o5','o6','o7','o8','o9','p0','p1','p2','p3','p4','p5','p6','p7','p8','p9','q0','q1','q2','q3','q4','q5','q6','q7','q8','q9','r0','r1','r2','r3','r4','r5','r6','r7','r8','r9','s0','s1','s2','s3','s4','s5','s6','s7','s8','s9','t0','t1','t2','t3','t4','t5','t6','t7','t8','t9','u0','u1','u2','u3','u4','u5','u6','u7','u8','u9','v0','v1','v2','v3','v4','v5','v6','v7','v8','v9','aa0','aa1','aa2','aa3','aa4','aa5','aa6','aa7','aa8','aa9','ab0','ab1','ab2','ab3','ab4','ab5','ab6','ab7','ab8','ab9','ac0','ac1','ac2','ac3','ac4','ac5','ac6','ac7','ac8','ac9','ad0','ad1','ad2','ad3','ad4','ad5','ad6','ad7','ad8','ad9','ae0','ae1','ae2','ae3','ae4','ae5','ae6','ae7','ae8','ae9','af0','af1','af2','af3','af4','af5','af6','af7','af8','af9','ag0','ag1','ag2','ag3','ag4','ag5','ag6','ag7','ag8','ag9','ah0','ah1','ah2','ah3','ah4','ah5','ah6','ah7','ah8','ah9','ai0','ai1','ai2','ai3','ai4','ai5','ai6','ai7','ai8','ai9','aj0','aj1','aj2','aj3','aj4','aj5','aj6','aj7','aj8','aj9','ak0','ak1','ak2','ak3','ak4','ak5','ak6','ak7','ak8','ak9','al0','al1','al2','al3','al4','al5','al6','al7','al8','al9','am0','am1','am2','am3','am4','am5','am6','am7','am8','am9','an0','an1','an2','an3','an4','an5','an6','an7','an8','an9','ao0','ao1','ao2','ao3','ao4','ao5','ao6','ao7','ao8','ao9','ap0','ap1','ap2','ap3','ap4','ap5','ap6','ap7','ap8','ap9'));
INSERT INTO t VALUES (1, 'm0'), (2, 254), (3, 255), (4, 256), (5, 257), (6, 'ap9'), (7, NULL);
-- then
UPDATE t SET e = 260 - e WHERE id < 6;

-- case: set
-- about: SET with no member, all and invalid ones
-- session: SET sql_mode = ''
CREATE TABLE t (id INT PRIMARY KEY, s SET('a', 'B', 'it''s', 'ü') NOT NULL, n SET('x', 'y'));
INSERT INTO t VALUES (1, '', ''), (2, 'a,B,it''s,ü', 'y,x'), (3, 'ü,a', NULL), (4, 'a,nothing', 'nothing'), (5, 15, 3), (6, 255, 0), (7, 'a,a', 'x,x');
-- then
UPDATE t SET s = s | 2, n = n ^ 1;
INSERT INTO t (id) VALUES (8);
DELETE FROM t WHERE id = 2;

-- case: set_{n}
-- about: SET of n members, each size of its bytes
-- for: n = 8 | 9 | 16 | 17
CREATE TABLE t (id INT PRIMARY KEY, s SET('a','b','c','d','e','f','g','h','i','j','k','l','m','n','o','p','q'));
INSERT INTO t VALUES (1, (1 << {n}) - 1), (2, 1 << ({n} - 1)), (3, 0), (4, NULL), (5, 'a,c,e');
-- then
UPDATE t SET s = s >> 1;

-- case: set_64
-- about: SET of 64 members, with the highest bit
CREATE TABLE t (id INT PRIMARY KEY, s SET('1','2','3','4','5','6','7','8','9','10','11','12','13','14','15','16','17','18','19','20','21','22','23','24','25','26','27','28','29','30','31','32','33','34','35','36','37','38','39','40','41','42','43','44','45','46','47','48','49','50','51','52','53','54','55','56','57','58','59','60','61','62','63','64'));
INSERT INTO t VALUES (1, '64'), (2, '1,64'), (3, 18446744073709551615), (4, ''), (5, '33');
-- then
UPDATE t SET s = '32,33,63' WHERE id = 4;
UPDATE t SET s = ~(s + 0) WHERE id < 3;

-- case: enum_charset_{c}
-- about: members of ENUM and SET in another character set
-- for: c = latin1 | cp1251 | koi8r | sjis | gbk | euckr | utf16 | utf32 | ucs2 | utf8mb3 | greek | hebrew
CREATE TABLE t (id INT PRIMARY KEY, e ENUM('a', 'b') CHARACTER SET {c}, s SET('x', 'y') CHARACTER SET {c}, v VARCHAR(10) CHARACTER SET {c});
INSERT INTO t VALUES (1, 'a', 'x,y', 'abc'), (2, 'b', '', ''), (3, NULL, 'y', NULL);
-- then
UPDATE t SET e = 'b', s = 'x', v = CONCAT(v, e);
INSERT INTO t VALUES (4, 'a', 'y', 'z');

-- case: enum_letters_latin1
-- about: members of ENUM and SET that are no ASCII, in latin1
CREATE TABLE t (id INT PRIMARY KEY, e ENUM('é', 'ÿ') CHARACTER SET latin1, s SET('é', 'ÿ') CHARACTER SET latin1, v VARCHAR(10) CHARACTER SET latin1, k CHAR(4) CHARACTER SET latin1);
INSERT INTO t VALUES (1, 'é', 'é,ÿ', 'éÿ', 'é'), (2, 'ÿ', '', '', ''), (3, NULL, 'ÿ', NULL, NULL);
-- then
UPDATE t SET e = 'ÿ', s = 'é', v = CONCAT(v, e, 'é');
INSERT INTO t VALUES (4, 'é', 'ÿ', ' ÿ ', 'ÿ ');

-- case: enum_letters_cp1251
-- about: members of ENUM and SET that are no ASCII, in cp1251
CREATE TABLE t (id INT PRIMARY KEY, e ENUM('Ж', 'я') CHARACTER SET cp1251, s SET('Ж', 'я') CHARACTER SET cp1251, v VARCHAR(10) CHARACTER SET cp1251, k CHAR(4) CHARACTER SET cp1251);
INSERT INTO t VALUES (1, 'Ж', 'Ж,я', 'Жя', 'Ж'), (2, 'я', '', '', ''), (3, NULL, 'я', NULL, NULL);
-- then
UPDATE t SET e = 'я', s = 'Ж', v = CONCAT(v, e, 'Ж');
INSERT INTO t VALUES (4, 'Ж', 'я', ' я ', 'я ');

-- case: enum_letters_koi8r
-- about: members of ENUM and SET that are no ASCII, in koi8r
CREATE TABLE t (id INT PRIMARY KEY, e ENUM('Ж', 'я') CHARACTER SET koi8r, s SET('Ж', 'я') CHARACTER SET koi8r, v VARCHAR(10) CHARACTER SET koi8r, k CHAR(4) CHARACTER SET koi8r);
INSERT INTO t VALUES (1, 'Ж', 'Ж,я', 'Жя', 'Ж'), (2, 'я', '', '', ''), (3, NULL, 'я', NULL, NULL);
-- then
UPDATE t SET e = 'я', s = 'Ж', v = CONCAT(v, e, 'Ж');
INSERT INTO t VALUES (4, 'Ж', 'я', ' я ', 'я ');

-- case: enum_letters_sjis
-- about: members of ENUM and SET that are no ASCII, in sjis
CREATE TABLE t (id INT PRIMARY KEY, e ENUM('日', 'ア') CHARACTER SET sjis, s SET('日', 'ア') CHARACTER SET sjis, v VARCHAR(10) CHARACTER SET sjis, k CHAR(4) CHARACTER SET sjis);
INSERT INTO t VALUES (1, '日', '日,ア', '日ア', '日'), (2, 'ア', '', '', ''), (3, NULL, 'ア', NULL, NULL);
-- then
UPDATE t SET e = 'ア', s = '日', v = CONCAT(v, e, '日');
INSERT INTO t VALUES (4, '日', 'ア', ' ア ', 'ア ');

-- case: enum_letters_gbk
-- about: members of ENUM and SET that are no ASCII, in gbk
CREATE TABLE t (id INT PRIMARY KEY, e ENUM('中', '文') CHARACTER SET gbk, s SET('中', '文') CHARACTER SET gbk, v VARCHAR(10) CHARACTER SET gbk, k CHAR(4) CHARACTER SET gbk);
INSERT INTO t VALUES (1, '中', '中,文', '中文', '中'), (2, '文', '', '', ''), (3, NULL, '文', NULL, NULL);
-- then
UPDATE t SET e = '文', s = '中', v = CONCAT(v, e, '中');
INSERT INTO t VALUES (4, '中', '文', ' 文 ', '文 ');

-- case: enum_letters_euckr
-- about: members of ENUM and SET that are no ASCII, in euckr
CREATE TABLE t (id INT PRIMARY KEY, e ENUM('가', '나') CHARACTER SET euckr, s SET('가', '나') CHARACTER SET euckr, v VARCHAR(10) CHARACTER SET euckr, k CHAR(4) CHARACTER SET euckr);
INSERT INTO t VALUES (1, '가', '가,나', '가나', '가'), (2, '나', '', '', ''), (3, NULL, '나', NULL, NULL);
-- then
UPDATE t SET e = '나', s = '가', v = CONCAT(v, e, '가');
INSERT INTO t VALUES (4, '가', '나', ' 나 ', '나 ');

-- case: enum_letters_utf16
-- about: members of ENUM and SET that are no ASCII, in utf16
CREATE TABLE t (id INT PRIMARY KEY, e ENUM('é', '😀') CHARACTER SET utf16, s SET('é', '😀') CHARACTER SET utf16, v VARCHAR(10) CHARACTER SET utf16, k CHAR(4) CHARACTER SET utf16);
INSERT INTO t VALUES (1, 'é', 'é,😀', 'é😀', 'é'), (2, '😀', '', '', ''), (3, NULL, '😀', NULL, NULL);
-- then
UPDATE t SET e = '😀', s = 'é', v = CONCAT(v, e, 'é');
INSERT INTO t VALUES (4, 'é', '😀', ' 😀 ', '😀 ');

-- case: enum_letters_utf32
-- about: members of ENUM and SET that are no ASCII, in utf32
CREATE TABLE t (id INT PRIMARY KEY, e ENUM('é', '😀') CHARACTER SET utf32, s SET('é', '😀') CHARACTER SET utf32, v VARCHAR(10) CHARACTER SET utf32, k CHAR(4) CHARACTER SET utf32);
INSERT INTO t VALUES (1, 'é', 'é,😀', 'é😀', 'é'), (2, '😀', '', '', ''), (3, NULL, '😀', NULL, NULL);
-- then
UPDATE t SET e = '😀', s = 'é', v = CONCAT(v, e, 'é');
INSERT INTO t VALUES (4, 'é', '😀', ' 😀 ', '😀 ');

-- case: enum_letters_ucs2
-- about: members of ENUM and SET that are no ASCII, in ucs2
CREATE TABLE t (id INT PRIMARY KEY, e ENUM('é', '日') CHARACTER SET ucs2, s SET('é', '日') CHARACTER SET ucs2, v VARCHAR(10) CHARACTER SET ucs2, k CHAR(4) CHARACTER SET ucs2);
INSERT INTO t VALUES (1, 'é', 'é,日', 'é日', 'é'), (2, '日', '', '', ''), (3, NULL, '日', NULL, NULL);
-- then
UPDATE t SET e = '日', s = 'é', v = CONCAT(v, e, 'é');
INSERT INTO t VALUES (4, 'é', '日', ' 日 ', '日 ');

-- case: enum_letters_greek
-- about: members of ENUM and SET that are no ASCII, in greek
CREATE TABLE t (id INT PRIMARY KEY, e ENUM('α', 'ω') CHARACTER SET greek, s SET('α', 'ω') CHARACTER SET greek, v VARCHAR(10) CHARACTER SET greek, k CHAR(4) CHARACTER SET greek);
INSERT INTO t VALUES (1, 'α', 'α,ω', 'αω', 'α'), (2, 'ω', '', '', ''), (3, NULL, 'ω', NULL, NULL);
-- then
UPDATE t SET e = 'ω', s = 'α', v = CONCAT(v, e, 'α');
INSERT INTO t VALUES (4, 'α', 'ω', ' ω ', 'ω ');

-- case: enum_letters_hebrew
-- about: members of ENUM and SET that are no ASCII, in hebrew
CREATE TABLE t (id INT PRIMARY KEY, e ENUM('א', 'ת') CHARACTER SET hebrew, s SET('א', 'ת') CHARACTER SET hebrew, v VARCHAR(10) CHARACTER SET hebrew, k CHAR(4) CHARACTER SET hebrew);
INSERT INTO t VALUES (1, 'א', 'א,ת', 'את', 'א'), (2, 'ת', '', '', ''), (3, NULL, 'ת', NULL, NULL);
-- then
UPDATE t SET e = 'ת', s = 'א', v = CONCAT(v, e, 'א');
INSERT INTO t VALUES (4, 'א', 'ת', ' ת ', 'ת ');

-- case: enum_letters_latin2
-- about: members of ENUM and SET that are no ASCII, in latin2
CREATE TABLE t (id INT PRIMARY KEY, e ENUM('ł', 'ž') CHARACTER SET latin2, s SET('ł', 'ž') CHARACTER SET latin2, v VARCHAR(10) CHARACTER SET latin2, k CHAR(4) CHARACTER SET latin2);
INSERT INTO t VALUES (1, 'ł', 'ł,ž', 'łž', 'ł'), (2, 'ž', '', '', ''), (3, NULL, 'ž', NULL, NULL);
-- then
UPDATE t SET e = 'ž', s = 'ł', v = CONCAT(v, e, 'ł');
INSERT INTO t VALUES (4, 'ł', 'ž', ' ž ', 'ž ');

-- case: enum_letters_latin5
-- about: members of ENUM and SET that are no ASCII, in latin5
CREATE TABLE t (id INT PRIMARY KEY, e ENUM('ğ', 'ş') CHARACTER SET latin5, s SET('ğ', 'ş') CHARACTER SET latin5, v VARCHAR(10) CHARACTER SET latin5, k CHAR(4) CHARACTER SET latin5);
INSERT INTO t VALUES (1, 'ğ', 'ğ,ş', 'ğş', 'ğ'), (2, 'ş', '', '', ''), (3, NULL, 'ş', NULL, NULL);
-- then
UPDATE t SET e = 'ş', s = 'ğ', v = CONCAT(v, e, 'ğ');
INSERT INTO t VALUES (4, 'ğ', 'ş', ' ş ', 'ş ');

-- case: enum_letters_cp850
-- about: members of ENUM and SET that are no ASCII, in cp850
CREATE TABLE t (id INT PRIMARY KEY, e ENUM('é', 'ß') CHARACTER SET cp850, s SET('é', 'ß') CHARACTER SET cp850, v VARCHAR(10) CHARACTER SET cp850, k CHAR(4) CHARACTER SET cp850);
INSERT INTO t VALUES (1, 'é', 'é,ß', 'éß', 'é'), (2, 'ß', '', '', ''), (3, NULL, 'ß', NULL, NULL);
-- then
UPDATE t SET e = 'ß', s = 'é', v = CONCAT(v, e, 'é');
INSERT INTO t VALUES (4, 'é', 'ß', ' ß ', 'ß ');

-- case: enum_letters_cp932
-- about: members of ENUM and SET that are no ASCII, in cp932
CREATE TABLE t (id INT PRIMARY KEY, e ENUM('日', '①') CHARACTER SET cp932, s SET('日', '①') CHARACTER SET cp932, v VARCHAR(10) CHARACTER SET cp932, k CHAR(4) CHARACTER SET cp932);
INSERT INTO t VALUES (1, '日', '日,①', '日①', '日'), (2, '①', '', '', ''), (3, NULL, '①', NULL, NULL);
-- then
UPDATE t SET e = '①', s = '日', v = CONCAT(v, e, '日');
INSERT INTO t VALUES (4, '日', '①', ' ① ', '① ');

-- case: enum_letters_utf8mb3
-- about: members of ENUM and SET that are no ASCII, in utf8mb3
CREATE TABLE t (id INT PRIMARY KEY, e ENUM('é', '日') CHARACTER SET utf8mb3, s SET('é', '日') CHARACTER SET utf8mb3, v VARCHAR(10) CHARACTER SET utf8mb3, k CHAR(4) CHARACTER SET utf8mb3);
INSERT INTO t VALUES (1, 'é', 'é,日', 'é日', 'é'), (2, '日', '', '', ''), (3, NULL, '日', NULL, NULL);
-- then
UPDATE t SET e = '日', s = 'é', v = CONCAT(v, e, 'é');
INSERT INTO t VALUES (4, 'é', '日', ' 日 ', '日 ');

