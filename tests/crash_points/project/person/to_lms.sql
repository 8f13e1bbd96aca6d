INSERT INTO lms.public.people (email, name, about, phone, born, badge, grade)
SELECT email, name, about, phone, born, badge, grade FROM person;
