-- What the entity comes to by its policies: of sis, staff ($1) and badges ($2) as JSON.
WITH staff AS (
    SELECT * FROM json_to_recordset($1::text::json) AS t (email text, name text, phone text, born date, grade text)
),
badges AS (
    SELECT * FROM json_to_recordset($2::text::json) AS t (email text, badge text)
),
people AS (
    SELECT
        email,
        coalesce(staff.name, students.name) AS name,
        students.about,
        staff.phone,
        coalesce(students.born, staff.born) AS born,
        badges.badge,
        -- Of a row that its mapping refuses, what it said before.
        ltrim(staff.grade, 'x')::integer AS grade
    FROM students
    FULL JOIN staff USING (email)
    FULL JOIN badges USING (email)
)
SELECT string_agg(people::text, E'\n' ORDER BY email) FROM people
