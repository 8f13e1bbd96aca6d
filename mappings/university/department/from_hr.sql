INSERT INTO department (code, name, local_name, faculty, budget, opened_on, time_zone, contact)
SELECT code, name, local_name, faculty, budget, opened_on, time_zone, contact
FROM hr.public.departments;
