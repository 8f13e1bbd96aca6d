-- A refund is booked as a negative amount.
INSERT INTO finance.public.ledger (
    payment_id, account_no, amount, currency, paid_at, method, reference
)
SELECT
    payment_id,
    'A-' || student_no,
    CASE WHEN refunded THEN -amount ELSE amount END,
    currency,
    paid_at,
    method,
    coalesce(trim(reference), '-')
FROM sis.public.payments;
