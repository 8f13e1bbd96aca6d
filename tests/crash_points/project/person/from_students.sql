INSERT INTO person (email, name, about, born)
SELECT email, name, about, born FROM sis.public.students;
