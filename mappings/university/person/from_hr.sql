-- Only who studies or studied here too: HR knows the student number.
INSERT INTO person (
    person_id, given_name, family_name, emails, phone, birth_date, national_id, street, postcode,
    city, status
)
SELECT
    student_no,
    given_name,
    family_name,
    emails,
    phone,
    birth_date,
    national_id,
    street,
    postcode,
    city,
    standing
FROM hr.public.employees
WHERE student_no IS NOT NULL;
