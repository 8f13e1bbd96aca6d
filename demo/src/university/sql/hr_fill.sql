-- Expects names.sql, and the sizes as settings university.employees, .departments, .courses.
INSERT INTO departments
SELECT
    'D' || lpad(i::text, 2, '0'),
    (ARRAY['Mathematics', 'Physics', 'Chemistry', 'Biology', 'History', 'Philosophy', 'Law', 'Medicine', 'Music', 'Informatics'])[1 + (i - 1) % 10]
        || CASE WHEN i > 10 THEN ' ' || chr(64 + i / 10 + 1) ELSE '' END,
    (ARRAY['Matemáticas', 'Física', 'Química', NULL, 'Історія', 'Φιλοσοφία', 'Derecho', '医学', 'Musique', 'Informàtica'])[1 + (i - 1) % 10],
    (ARRAY['Sciences', 'Sciences', 'Sciences', 'Life', 'Humanities', 'Humanities', 'Law', 'Life', 'Arts', 'Engineering'])[1 + (i - 1) % 10],
    CASE WHEN i % 7 > 0 THEN 100000 + pg_temp.pick(i, 1, 900000000) / 100.0 END,
    date '1750-01-01' + pg_temp.pick(i, 2, 90000),
    (ARRAY['Europe/Madrid', 'Europe/Madrid', 'Atlantic/Canary', 'Africa/Ceuta'])[1 + pg_temp.pick(i, 3, 4)],
    CASE WHEN i % 5 > 0 THEN jsonb_build_object('phone', '+34 91 ' || (1000000 + i), 'rooms', jsonb_build_array('A' || i, 'ß' || i)) END
FROM generate_series(1, current_setting('university.departments')::integer) AS i;

INSERT INTO employees
SELECT
    i,
    o.given[1 + pg_temp.pick(i, 2, 8)],
    CASE WHEN i % 60 > 0 THEN o.family[1 + pg_temp.pick(i, 3, 8)] END,
    o.given_plain[1 + pg_temp.pick(i, 2, 8)] || '.' || i || '@Staff.Uni.Example',
    'D' || lpad((1 + pg_temp.pick(i, 4, current_setting('university.departments')::integer))::text, 2, '0'),
    CASE WHEN i > 20 THEN 1 + pg_temp.pick(i, 5, 20) END,
    (ARRAY['Lecturer', 'Professor', 'Profesora titular', 'Technician', 'Secretary', 'Post-doc'])[1 + pg_temp.pick(i, 6, 6)],
    24000 + pg_temp.pick(i, 7, 6000000) / 100.0,
    date '1985-01-01' + pg_temp.pick(i, 8, 15000),
    CASE WHEN i % 4 > 0 THEN ARRAY['teaching', o.language, 'C++ "and" \ more'] END,
    md5('badge ' || i)::uuid,
    pg_temp.pick(i, 9, 12) > 0,
    CASE WHEN i % 3 = 0 THEN (
        SELECT string_agg(md5((i * 777 + line)::text), ' – ') FROM generate_series(1, 120) AS line
    ) END
FROM generate_series(1, current_setting('university.employees')::integer) AS i
JOIN origin AS o ON o.id = pg_temp.pick(i, 1, 20);

INSERT INTO assignments
SELECT course_id, pg_temp.teacher(course_id, place), 1 + pg_temp.pick(course_id, 21, 12) / 2.0
FROM generate_series(1, current_setting('university.courses')::integer) AS course_id
CROSS JOIN generate_series(1, 2) AS place
WHERE place = 1 OR course_id % 3 = 0
ON CONFLICT DO NOTHING;
ANALYZE;
