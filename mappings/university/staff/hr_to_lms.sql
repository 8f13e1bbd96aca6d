-- Only who works here now.
INSERT INTO lms.public.staff (
    employee_no, name, email, department, position, hired_on, skills, badge, notes
)
SELECT
    employee_no,
    trim(given_name || ' ' || coalesce(family_name, '')),
    lower(email),
    department,
    position,
    hired_on,
    skills,
    badge,
    notes
FROM hr.public.employees
WHERE active;
