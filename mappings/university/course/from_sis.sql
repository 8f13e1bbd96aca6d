INSERT INTO course (
    course_id, code, title, department, credits, level, capacity, fee, starts_on, begins_at,
    language, tags, syllabus
)
SELECT
    course_id, code, title, department, credits, level, capacity, fee, starts_on, begins_at,
    language, tags, syllabus
FROM sis.public.courses;
