INSERT INTO person (email, name, phone, born, grade)
SELECT email, name, phone, born, CAST(grade AS integer) FROM hr.public.staff;
