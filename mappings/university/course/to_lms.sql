INSERT INTO lms.public.courses (
    course_id, code, title, department, credits, level, capacity, fee, starts_on, begins_at,
    language, tags, syllabus
)
SELECT
    course_id,
    code,
    title,
    department,
    credits,
    CASE level
        WHEN 1 THEN 'introductory'
        WHEN 2 THEN 'intermediate'
        WHEN 3 THEN 'advanced'
        ELSE 'doctoral'
    END,
    capacity,
    coalesce(fee, 0),
    starts_on,
    begins_at,
    coalesce(language, 'es'),
    tags,
    syllabus
FROM course
-- What the LMS can't do without.
WHERE code IS NOT NULL AND title IS NOT NULL AND department IS NOT NULL AND credits IS NOT NULL;
