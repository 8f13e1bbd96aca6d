-- Expects names.sql, and the sizes as settings university.students, .employees, .courses,
-- .enrolments, .departments.
INSERT INTO students
SELECT
    'S' || lpad(i::text, 7, '0'),
    o.given[1 + pg_temp.pick(i, 2, 8)],
    CASE WHEN o.country = 'ID' AND i % 3 = 0 THEN NULL ELSE o.family[1 + pg_temp.pick(i, 3, 8)] END,
    CASE pg_temp.pick(i, 4, 40)
        WHEN 0 THEN left(o.given[1 + pg_temp.pick(i, 2, 8)], 2) || '.'
        WHEN 1 THEN '🦊 ' || o.given_plain[1 + pg_temp.pick(i, 2, 8)]
        WHEN 2 THEN normalize(o.given[1 + pg_temp.pick(i, 2, 8)], NFD)
        WHEN 3 THEN '"' || o.given[1 + pg_temp.pick(i, 2, 8)] || E'" \\o/'
    END,
    CASE
        WHEN pg_temp.pick(i, 5, 25) = 0 THEN NULL
        WHEN pg_temp.pick(i, 5, 25) = 1 THEN '  ' || initcap(o.given_plain[1 + pg_temp.pick(i, 2, 8)])
            || '.' || upper(o.family_plain[1 + pg_temp.pick(i, 3, 8)]) || '.' || i || '@Uni.Example '
        ELSE o.given_plain[1 + pg_temp.pick(i, 2, 8)] || '.' || o.family_plain[1 + pg_temp.pick(i, 3, 8)]
            || '.' || i || '@uni.example'
    END,
    CASE WHEN pg_temp.pick(i, 6, 5) > 0 THEN '+' || (10000000000 + pg_temp.pick(i, 7, 2000000000)) END,
    CASE WHEN pg_temp.pick(i, 8, 50) > 0 THEN date '1960-01-01' + pg_temp.pick(i, 8, 17500) END,
    o.country,
    o.zone,
    CASE pg_temp.pick(i, 9, 3)
        WHEN 0 THEN ARRAY[o.language]
        WHEN 1 THEN ARRAY[o.language, 'en']
        ELSE ARRAY[o.language, 'en', 'es']
    END,
    CASE WHEN pg_temp.pick(i, 10, 6) > 0 THEN jsonb_build_object(
        'street', o.family[1 + pg_temp.pick(i, 11, 8)] || ' ' || (1 + pg_temp.pick(i, 12, 200)),
        'postcode', lpad(pg_temp.pick(i, 13, 100000)::text, 5, '0'),
        'country', o.country,
        'geo', jsonb_build_array(pg_temp.pick(i, 14, 180) - 90, round((pg_temp.pick(i, 15, 3600) - 1800) / 10.0, 1))
    ) END,
    (CASE pg_temp.pick(i, 16, 20)
        WHEN 0 THEN 'applicant' WHEN 1 THEN 'on leave' WHEN 2 THEN 'left'
        WHEN 3 THEN 'graduated' WHEN 4 THEN 'graduated' ELSE 'active' END)::student_status,
    CASE WHEN pg_temp.pick(i, 17, 4) > 0 THEN pg_temp.pick(i, 17, 1001) / 100.0 END,
    pg_temp.pick(i, 18, 481) / 2.0,
    timestamptz '2019-09-01 07:00:00Z' + make_interval(secs => pg_temp.pick(i, 19, 220000000))
        + make_interval(secs => pg_temp.pick(i, 20, 1000000) / 1e6),
    CASE WHEN pg_temp.pick(i, 21, 3) > 0 THEN
        timestamp '2026-01-05 08:00' + make_interval(days => pg_temp.pick(i, 22, 300), mins => pg_temp.pick(i, 23, 700))
    END,
    CASE WHEN pg_temp.pick(i, 24, 10) = 0 THEN decode(md5(i::text), 'hex') END,
    CASE pg_temp.pick(i, 25, 6)
        WHEN 0 THEN ARRAY[o.given_plain[1 + pg_temp.pick(i, 2, 8)] || i || '@mail.example']
        WHEN 1 THEN ARRAY['x' || i || '@web.example', 'a' || i || '@mail.example']
        WHEN 2 THEN '{}'
    END,
    CASE WHEN pg_temp.pick(i, 26, 10) > 0 THEN o.country || lpad((i * 7919::bigint % 100000000)::text, 8, '0') END,
    p.street, p.postcode, p.city
FROM generate_series(1, current_setting('university.students')::integer) AS i
JOIN origin AS o ON o.id = pg_temp.pick(i, 1, 20)
LEFT JOIN LATERAL (
    SELECT
        (ARRAY['Calle del Ángel', 'Gran Vía', 'Plaça Nova', 'Kutxa kalea'])[1 + pg_temp.pick(i, 27, 4)]
            || ' ' || (1 + pg_temp.pick(i, 28, 150)) AS street,
        lpad((1000 + pg_temp.pick(i, 29, 51000))::text, 5, '0') AS postcode,
        (ARRAY['Madrid', 'Cáceres', 'Lleida', 'Donostia'])[1 + pg_temp.pick(i, 27, 4)] AS city
) AS p ON pg_temp.pick(i, 30, 8) > 0;

INSERT INTO courses
SELECT
    i,
    'C' || lpad(i::text, 5, '0'),
    (ARRAY['Foundations of', 'Advanced', 'Topics in', 'History of', 'Métodos de', 'Einführung in', 'Séminaire de', 'Лекції:'])[1 + pg_temp.pick(i, 1, 8)]
        || ' ' || (ARRAY['Algebra', 'Thermodynamics', 'Ethics', 'Linguistics', 'Økologi', 'Fotosíntesis', 'Übersetzung', 'Πολιτική', '書道', 'Génétique'])[1 + pg_temp.pick(i, 2, 10)],
    'D' || lpad((1 + pg_temp.pick(i, 3, current_setting('university.departments')::integer))::text, 2, '0'),
    (ARRAY[3, 4.5, 6, 7.5, 9, 12])[1 + pg_temp.pick(i, 4, 6)],
    1 + pg_temp.pick(i, 5, 4),
    CASE WHEN pg_temp.pick(i, 6, 10) > 0 THEN 10 + pg_temp.pick(i, 6, 290) END,
    CASE WHEN pg_temp.pick(i, 7, 10) > 0 THEN pg_temp.pick(i, 7, 250000) / 100.0 END,
    CASE WHEN pg_temp.pick(i, 8, 20) > 0 THEN date '2026-09-07' + pg_temp.pick(i, 8, 120) END,
    time '08:00' + make_interval(mins => 30 * pg_temp.pick(i, 9, 24)),
    (ARRAY['es', 'en', 'fr', 'de', NULL])[1 + pg_temp.pick(i, 10, 5)],
    CASE pg_temp.pick(i, 11, 4)
        WHEN 0 THEN NULL
        WHEN 1 THEN '{}'
        WHEN 2 THEN ARRAY['lab', 'no "exam"']
        ELSE ARRAY['lecture', NULL, 'a, b', 'ünï']
    END,
    CASE WHEN pg_temp.pick(i, 12, 5) > 0 THEN (
        SELECT string_agg(md5((i * 1000 + line)::text) || ' ¶ ' || md5((i + line * 7)::text), E'\n')
        FROM generate_series(1, pg_temp.pick(i, 12, 120)) AS line
    ) END
FROM generate_series(1, current_setting('university.courses')::integer) AS i;

-- A student's courses are a run of numbers from a place of his own, so none comes twice.
INSERT INTO enrolments
SELECT
    s.student_no,
    1 + (s.first_course + n) % current_setting('university.courses')::integer,
    (CASE WHEN n > 2 AND pick < 6 THEN 'withdrawn' WHEN pick < 50 THEN 'enrolled' WHEN pick < 92 THEN 'completed' ELSE 'failed' END)::enrolment_status,
    1 + (pick % 13 = 0)::integer,
    CASE WHEN pick >= 92 THEN pick / 100.0 * 4.9 WHEN pick >= 50 THEN 5 + pick / 19.0 END,
    timestamptz '2026-02-01 09:00Z' + make_interval(secs => pick * 7919 + n * 61)
FROM (
    SELECT student_no, row_number() OVER (ORDER BY student_no) AS place,
        count(*) OVER () AS students,
        pg_temp.pick(hashtext(student_no), 1, current_setting('university.courses')::integer) AS first_course
    FROM students WHERE status <> 'applicant'
) AS s
CROSS JOIN LATERAL generate_series(0,
    -- As many each as make the wanted sum.
    (s.place * current_setting('university.enrolments')::bigint / s.students
        - (s.place - 1) * current_setting('university.enrolments')::bigint / s.students - 1)::integer
) AS n
CROSS JOIN LATERAL (SELECT pg_temp.pick(s.place * 31 + n, 2, 100) AS pick) AS chance;

INSERT INTO payments
SELECT
    md5('payment ' || row_number() OVER (ORDER BY student_no))::uuid,
    student_no,
    (1 + pg_temp.pick(hashtext(student_no), 3, 300000)) / 100.0,
    (ARRAY['EUR', 'EUR', 'EUR', 'USD', 'GBP', 'JPY'])[1 + pg_temp.pick(hashtext(student_no), 4, 6)],
    timestamptz '2026-01-10 00:00Z' + make_interval(secs => pg_temp.pick(hashtext(student_no), 5, 20000000)),
    (enum_range(NULL::payment_method))[1 + pg_temp.pick(hashtext(student_no), 6, 4)],
    CASE WHEN pg_temp.pick(hashtext(student_no), 7, 3) > 0 THEN 'Ref. ' || student_no || E' \t№ 1' END,
    pg_temp.pick(hashtext(student_no), 8, 30) = 0
FROM students
WHERE status <> 'applicant' AND pg_temp.pick(hashtext(student_no), 9, 10) < 4;

INSERT INTO lecturers
SELECT
    course_id,
    pg_temp.teacher(course_id, place),
    CASE place WHEN 1 THEN 'lecturer' ELSE 'assistant' END,
    CASE WHEN course_id % 9 > 0 THEN 1 + pg_temp.pick(course_id, 20, 12) / 2.0 END
FROM courses CROSS JOIN generate_series(1, 2) AS place
WHERE place = 1 OR course_id % 3 = 0
ON CONFLICT DO NOTHING;

CREATE INDEX ON payments (student_no);
CREATE INDEX ON students (email text_pattern_ops);
CREATE INDEX ON enrolments (course_id);
ANALYZE;
