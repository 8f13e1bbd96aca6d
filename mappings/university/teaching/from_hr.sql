INSERT INTO teaching (course_id, employee_no, hours)
SELECT course_id, employee_no, hours
FROM hr.public.assignments;
