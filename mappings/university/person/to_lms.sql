INSERT INTO lms.public.users (
    user_id, display_name, sort_name, email, birth_year, country, time_zone, languages, address,
    active, workload, joined_at, last_seen, photo_digest
)
SELECT
    person_id,
    full_name,
    coalesce(family_name || ', ', '') || given_name,
    email,
    CAST(extract(YEAR FROM birth_date) AS integer),
    country,
    time_zone,
    languages,
    address,
    status IN ('active', 'on leave'),
    -- 30 hours of work a credit.
    CAST(credits * 30 AS integer),
    admitted_at,
    last_seen,
    photo_digest
FROM person;
