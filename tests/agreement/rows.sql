CREATE EXTENSION citext;
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE DOMAIN label AS text CHECK (VALUE <> 'forbidden');
CREATE DOMAIN nickname AS citext;
CREATE DOMAIN amount AS numeric;
CREATE DOMAIN mark AS mood;
CREATE TABLE result (id integer PRIMARY KEY, value text);
CREATE TABLE t (
    id integer PRIMARY KEY, s smallint, i integer, b bigint, r real, f double precision,
    n numeric(10,2), m numeric(20,6), w numeric, h numeric(50,4), x text, v varchar(20), c char(5),
    ci citext, e mood, j jsonb, js json, d date, ts timestamp, ts0 timestamp(0), tz timestamptz,
    ti time, bo boolean, u uuid, by bytea, iv interval, ip inet, ar integer[], mo money,
    dt label, dc nickname, dn amount, de mark
);
INSERT INTO t VALUES
(1, 3, 7, 12345678901, 1.1, 2.5, 12.34, 1234567.891234, 12.5, 1234.5678, 'Ada Lovelace', 'ab  ',
 'ab', 'Ada', 'ok', '{"a": 1}', '{"a":1}', '2024-05-19', '2024-07-15 22:30:00.5',
 '2024-07-15 22:30:01', '2024-07-15 22:30:00.25Z', '12:34:56.789', true,
 '61616161-6161-6161-6161-616161616161', '\x00617f', '1 day 02:00', '10.0.0.1', '{1,2}', '$1.50',
 'one', 'ADA', 9.5, 'ok'),
(2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
 NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
(3, -3, -7, -9223372036854775808, -1.005, -2.675, -1.05, -0.000001, -12.4999, -0.5, E'Stra\u00dfe\nline two',
 '+34 600 11', '', 'ÉCOLE', 'sad', '[]', '[]', '0044-03-15 BC', '2024-03-30 02:30:00',
 '1999-12-31 23:59:59', '2024-10-27 00:30Z', '00:00', false, 'ffffffff-ffff-ffff-ffff-ffffffffffff',
 '', '-1 mon', '::1', '{}', '-$0.01', 'two', 'x', 10, 'sad'),
(4, 32767, 2147483647, 9223372036854775807, 3.4e38, 1.005, 99999999.99, 99999999999999.999999,
 123456789012345678901234567890.5, 1, '$1 \d|a.b', 'x', 'a b c', 'x', 'happy', '"s"', '"s"',
 '2024-02-29', '1500-01-31 12:00:00', '2024-01-01', '2024-03-30 01:30Z', '23:59:59.999999', NULL,
 '00000000-0000-0000-0000-000000000000', '\x5c', '00:00:01', '10.0.0.0/8', NULL, '$0.00', '', '',
 -0.5, 'happy'),
(5, 0, 0, 0, 0, 0, 0.00, 0, 0, 0, '', '', 'ab', 'ada', 'ok', '1', '1', '1970-01-01',
 '1970-01-01 00:00:00', '1970-01-01', '1970-01-01 00:00Z', '12:00', true,
 '61616161-6161-6161-6161-616161616161', '\x61', '0', '10.0.0.1', '{3}', '$1,000.00', 'ab', 'ADA', 0,
 'ok'),
(6, 1, 1, 42, 0.1, 1e15, 0.05, 0.5, 1e-10, 99.99995, '  12.355 ', '0012', 'é', 'Straße', NULL, NULL,
 NULL, '2000-12-31', '2000-12-31 23:59:59.999999', '2000-12-31 23:59:59', '2024-12-31 23:30Z', '01:02:03', true, NULL,
 NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
