INSERT INTO lms.public.teachers (course_id, employee_no, is_assistant, hours)
SELECT course_id, employee_no, coalesce(role = 'assistant', FALSE), hours
FROM teaching;
