-- Applicants become people when they are admitted.
INSERT INTO person (
    person_id, given_name, family_name, preferred_name, email, emails, phone, birth_date,
    national_id, country, time_zone, languages, address, street, postcode, city, status, credits,
    admitted_at, last_seen, photo_digest
)
SELECT
    student_no,
    given_name,
    family_name,
    preferred_name,
    lower(trim(email)),
    other_emails,
    phone,
    birth_date,
    national_id,
    country,
    time_zone,
    languages,
    address,
    street,
    postcode,
    city,
    status,
    credits,
    admitted_at,
    -- The campus clock is naive: it is read in the project's time zone.
    CAST(last_seen AS timestamptz),
    photo_digest
FROM sis.public.students
WHERE status <> 'applicant';
