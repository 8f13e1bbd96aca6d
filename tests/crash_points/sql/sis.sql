CREATE TABLE students (
    id integer PRIMARY KEY,
    email text NOT NULL UNIQUE,
    name text,
    about text,
    born date
);
ALTER TABLE students ALTER COLUMN about SET STORAGE EXTERNAL;
-- The key at the target is another.
ALTER TABLE students REPLICA IDENTITY FULL;
INSERT INTO students
SELECT
    i,
    'p' || i || '@x',
    'Person ' || i,
    CASE WHEN i % 10 = 0 THEN (SELECT string_agg(md5(i || '-' || k), '') FROM generate_series(1, 100) AS k) END,
    date '1990-01-01' + i
FROM generate_series(1, 600) AS i;

CREATE TABLE courses (id integer PRIMARY KEY, title text);
INSERT INTO courses SELECT i, 'Course ' || i FROM generate_series(1, 20) AS i;

CREATE TABLE enrolments (
    student integer,
    course integer REFERENCES courses,
    grade numeric,
    PRIMARY KEY (student, course)
);
INSERT INTO enrolments SELECT s, c, 1 FROM generate_series(1, 200) AS s, generate_series(1, 7, 2) AS c;

CREATE TABLE ticks (id integer PRIMARY KEY, n integer);
INSERT INTO ticks SELECT i, 0 FROM generate_series(1, 5) AS i;

CREATE TABLE bulk (id integer PRIMARY KEY, payload text);
INSERT INTO bulk SELECT i, md5(i::text) FROM generate_series(1, 2000) AS i;
