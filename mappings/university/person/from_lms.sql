-- Self-service: what people type there themselves. What was written there comes back as an echo,
-- and is nobody's word.
INSERT INTO person (person_id, preferred_name, phone)
SELECT user_id, preferred_name, phone
FROM lms.public.users;
