-- Several entries of one person: each is a claim, and the balance is their sum.
INSERT INTO person (person_id, balance)
SELECT student_no, amount
FROM finance.public.fees;
