INSERT INTO person (email, badge)
SELECT email, badge FROM hr.public.badges;
