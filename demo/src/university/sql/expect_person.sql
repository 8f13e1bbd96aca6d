-- What is agreed of each person, by the policies of mappings/university/person/entity.toml: at the student
-- desk, beside what the others know (see beside.rs). Where clocks decide, any of the words will do, whole.
CREATE TEMP VIEW agreed AS
SELECT
    s.student_no,
    -- A group, from HR where HR speaks.
    CASE WHEN h.given_name IS NULL THEN s.given_name ELSE h.given_name END AS given_name,
    CASE WHEN h.given_name IS NULL THEN s.family_name ELSE h.family_name END AS family_name,
    coalesce(t.preferred_name, s.preferred_name) AS preferred_name,
    -- To and fro: whoever took it away again and again, soon after it was written, is left with that, and asked.
    CASE
        WHEN t.insists AND held.preferred_name IS NULL THEN NULL
        ELSE coalesce(t.preferred_name, s.preferred_name)
    END AS shown_name,
    lower(trim(s.email)) AS email,
    CASE WHEN num_nulls(s.other_emails, h.emails) < 2 THEN ARRAY(
        SELECT address COLLATE "C" FROM (
            SELECT unnest(s.other_emails) WHERE coalesce(array_ndims(s.other_emails), 1) = 1
            UNION
            SELECT unnest(h.emails) WHERE coalesce(array_ndims(h.emails), 1) = 1
        ) AS known (address)
        WHERE address IS NOT NULL
        ORDER BY 1
    ) END AS emails,
    CASE
        WHEN held.phone IN (t.phone, h.phone, s.phone) THEN held.phone
        ELSE coalesce(t.phone, h.phone, s.phone)
    END AS phone,
    coalesce(s.birth_date, h.birth_date) AS birth_date,
    s.country,
    s.time_zone,
    s.languages,
    s.address,
    CASE
        WHEN h.post IS NULL OR s.post = h.post THEN s.post
        WHEN s.post IS NULL THEN h.post
        -- Asked about, unless the clocks could tell: what was agreed on before, if anything was.
        WHEN held.post IN (s.post, h.post) THEN held.post
        ELSE before.post
    END AS post,
    ('{left,graduated,on leave,active}'::text[])[greatest(
        array_position('{left,graduated,on leave,active}', s.status::text),
        array_position('{left,graduated,on leave,active}', h.standing)
    )] AS status,
    s.credits,
    s.admitted_at,
    s.last_seen,
    s.photo_digest,
    CASE WHEN abs(owed.balance) < 1e10 THEN owed.balance END AS balance
FROM (
    SELECT *, nullif(ARRAY[street, postcode, city], ARRAY[NULL, NULL, NULL]::text[]) AS post
    FROM students
    WHERE status <> 'applicant'
) AS s
LEFT JOIN at_hr AS h USING (student_no)
LEFT JOIN typed AS t USING (student_no)
LEFT JOIN held USING (student_no)
LEFT JOIN before USING (student_no)
LEFT JOIN owed USING (student_no);
