INSERT INTO finance.public.accounts (
    account_no, person_id, holder, email, country, credit_limit, balance, opened_at
)
SELECT
    'A-' || person_id,
    person_id,
    trim(coalesce(preferred_name, given_name) || ' ' || coalesce(family_name, '')),
    email,
    country,
    CASE
        WHEN status = 'active' THEN 500.00
        WHEN status = 'on leave' THEN 50.00
        ELSE 0.00
    END,
    balance,
    admitted_at
FROM person
-- Whom nobody gave a name or a country, has no account.
WHERE given_name IS NOT NULL AND country IS NOT NULL AND admitted_at IS NOT NULL;
