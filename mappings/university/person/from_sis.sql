-- Applicants become people when they are admitted.
INSERT INTO person (
    person_id, given_name, family_name, full_name, email, birth_date, country, time_zone, languages,
    address, status, credits, admitted_at, last_seen, photo_digest
)
SELECT
    student_no,
    given_name,
    family_name,
    trim(coalesce(preferred_name, given_name) || ' ' || coalesce(family_name, '')),
    lower(trim(email)),
    birth_date,
    country,
    time_zone,
    languages,
    address,
    status,
    credits,
    admitted_at,
    -- The campus clock is naive: it is read in the project's time zone.
    CAST(last_seen AS timestamptz),
    photo_digest
FROM sis.public.students
WHERE status <> 'applicant';
