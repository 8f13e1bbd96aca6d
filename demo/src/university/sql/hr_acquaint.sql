-- Every third employee studies or studied here. Expects them as the student desk knows them in
-- `studied`; HR knows them by the same facts, as far as it knows any.
UPDATE employees AS e
SET student_no = s.student_no,
    given_name = s.given_name,
    family_name = s.family_name,
    birth_date = s.birth_date,
    national_id = CASE WHEN employee_no % 4 > 0 THEN s.national_id END,
    phone = CASE WHEN employee_no % 2 = 0 THEN s.phone ELSE '+34 91 ' || (2000000 + employee_no) END,
    emails = ARRAY[lower(e.email)],
    street = s.street,
    postcode = s.postcode,
    city = s.city,
    standing = (ARRAY['active', 'active', 'on leave', 'left'])[1 + employee_no % 4]
FROM studied AS s
WHERE s.student_no = 'S' || lpad((2 * e.employee_no)::text, 7, '0') AND e.employee_no % 3 = 0;
