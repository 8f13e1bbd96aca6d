-- Expects names.sql, and the size as setting university.students. The accounts come from the others.
INSERT INTO fees
SELECT
    i * 10::bigint + n,
    'S' || lpad(i::text, 7, '0'),
    (pg_temp.pick(i * 10::bigint + n, 1, 400000) - 100000) / 100.0,
    date '2026-01-10' + pg_temp.pick(i, 2, 250)
FROM generate_series(1, current_setting('university.students')::integer) AS i
CROSS JOIN LATERAL generate_series(1, 1 + pg_temp.pick(i, 3, 3)) AS n
WHERE pg_temp.pick(i, 4, 6) = 0;

INSERT INTO housing
SELECT
    i,
    'S' || lpad(i::text, 7, '0'),
    'Room ' || pg_temp.pick(i, 5, 900),
    300 + pg_temp.pick(i, 6, 40000) / 100.0,
    pg_temp.pick(i, 7, 30000) / 100.0
FROM generate_series(1, current_setting('university.students')::integer) AS i
WHERE pg_temp.pick(i, 8, 12) = 0;

CREATE INDEX ON fees (student_no);
CREATE INDEX ON housing (student_no);
ANALYZE fees, housing;
