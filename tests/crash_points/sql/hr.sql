CREATE TABLE staff (
    id integer PRIMARY KEY,
    email text NOT NULL UNIQUE,
    name text,
    phone text,
    born date,
    grade text
);
-- The key at the target is another.
ALTER TABLE staff REPLICA IDENTITY FULL;
INSERT INTO staff
SELECT i, 'p' || i || '@x', 'Staff ' || i, NULL, date '1990-01-01' + i, (i % 9)::text
FROM generate_series(1, 100) AS i;

CREATE TABLE badges (email text PRIMARY KEY, badge text);
INSERT INTO badges SELECT 'p' || i || '@x', 'badge ' || i FROM generate_series(1, 60) AS i;
