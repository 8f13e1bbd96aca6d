INSERT INTO lms.public.users (
    user_id, display_name, sort_name, preferred_name, email, emails, phone, birth_year, country,
    time_zone, languages, address, street, postcode, city, active, workload, joined_at, last_seen,
    photo_digest
)
SELECT
    person_id,
    trim(coalesce(preferred_name, given_name) || ' ' || coalesce(family_name, '')),
    coalesce(family_name || ', ', '') || given_name,
    preferred_name,
    email,
    emails,
    phone,
    CAST(extract(YEAR FROM birth_date) AS integer),
    country,
    time_zone,
    languages,
    address,
    street,
    postcode,
    city,
    status IN ('active', 'on leave'),
    -- 30 hours of work a credit.
    CAST(credits * 30 AS integer),
    admitted_at,
    last_seen,
    photo_digest
FROM person
-- What the LMS can't do without.
WHERE
    given_name IS NOT NULL
    AND country IS NOT NULL
    AND time_zone IS NOT NULL
    AND languages IS NOT NULL
    AND status IS NOT NULL
    AND credits IS NOT NULL
    AND admitted_at IS NOT NULL;
