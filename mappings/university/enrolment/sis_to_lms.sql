-- Straight from table to table: nobody else speaks of enrolments. Who withdraws, leaves.
INSERT INTO lms.public.enrolments (
    user_id, course_id, status, attempt, grade, passed, enrolled_at
)
SELECT student_no, course_id, status, attempt, grade, grade >= 5, enrolled_at
FROM sis.public.enrolments
WHERE status <> 'withdrawn';
