-- Finance: a target that bills the people and books what they pay, and the source of what they owe.
CREATE TABLE accounts (
    account_no text PRIMARY KEY,
    person_id text NOT NULL,
    holder text NOT NULL,
    email text,
    country char(2) NOT NULL,
    credit_limit numeric(12,2) NOT NULL,
    opened_at timestamptz NOT NULL,
    balance numeric(12,2)
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

-- Two ledgers of what people owe, each with any number of entries of a person.
CREATE TABLE fees (
    entry_no bigint PRIMARY KEY,
    student_no text NOT NULL,
    amount numeric(12,2) NOT NULL,
    booked_on date NOT NULL
);
CREATE TABLE housing (
    contract_no bigint PRIMARY KEY,
    student_no text NOT NULL,
    room text NOT NULL,
    due numeric(11,2) NOT NULL,
    paid numeric(11,2) NOT NULL
);
-- Whose an entry is, is no part of its key: when one goes, the stream must say whose it was.
ALTER TABLE fees REPLICA IDENTITY FULL;
ALTER TABLE housing REPLICA IDENTITY FULL;
