-- Rent is due; what was paid of it is not.
INSERT INTO person (person_id, balance)
SELECT student_no, due - paid
FROM finance.public.housing;
