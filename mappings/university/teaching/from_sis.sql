INSERT INTO teaching (course_id, employee_no, role, hours)
SELECT course_id, employee_no, role, hours
FROM sis.public.lecturers;
