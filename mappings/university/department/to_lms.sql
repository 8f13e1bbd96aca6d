INSERT INTO lms.public.departments (code, name, faculty, time_zone, opened_on, contact)
SELECT code, coalesce(local_name, name), faculty, time_zone, opened_on, contact
FROM department
WHERE
    name IS NOT NULL AND faculty IS NOT NULL AND time_zone IS NOT NULL AND opened_on IS NOT NULL;
