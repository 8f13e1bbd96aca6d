-- Finance: a target that bills the people and books what they pay.
CREATE TABLE accounts (
    account_no text PRIMARY KEY,
    person_id text NOT NULL,
    holder text NOT NULL,
    email text,
    country char(2) NOT NULL,
    credit_limit numeric(12,2) NOT NULL,
    opened_at timestamptz NOT NULL
);

CREATE TABLE ledger (
    payment_id uuid PRIMARY KEY,
    account_no text NOT NULL REFERENCES accounts,
    amount numeric(12,2) NOT NULL CONSTRAINT ledger_is_not_zero CHECK (amount <> 0),
    currency char(3) NOT NULL,
    paid_at timestamptz NOT NULL,
    method text NOT NULL,
    reference text NOT NULL
);
CREATE INDEX ON ledger (account_no);

CREATE TABLE cost_centres (
    code text PRIMARY KEY,
    name text NOT NULL,
    budget numeric(14,2) NOT NULL,
    currency char(3) NOT NULL
);
