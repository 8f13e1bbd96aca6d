INSERT INTO lms.public.departments (code, name, faculty, time_zone, opened_on, contact)
SELECT code, coalesce(local_name, name), faculty, time_zone, opened_on, contact
FROM department;
