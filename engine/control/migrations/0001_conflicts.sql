-- What the next conflict and the next event are numbered; its row is also the lock of every writer.
CREATE TABLE control_numbers (
    one BIGINT NOT NULL PRIMARY KEY,
    next_conflict BIGINT NOT NULL,
    next_event BIGINT NOT NULL
);

INSERT INTO control_numbers (one, next_conflict, next_event) VALUES (1, 1, 1);

-- A question for people: one for an entity, a key and a subject, for ever.
CREATE TABLE control_conflict (
    id BIGINT NOT NULL PRIMARY KEY,
    entity TEXT NOT NULL,
    key_text TEXT NOT NULL,
    -- The key's texts in lower case, for people who look for one.
    key_search TEXT NOT NULL,
    subject TEXT NOT NULL,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    -- What settled it, with the decision where that was one; NULL while it is open.
    settled TEXT,
    decision_id TEXT,
    evidence TEXT NOT NULL,
    claims TEXT NOT NULL,
    in_force TEXT,
    policy TEXT NOT NULL,
    policy_revision TEXT NOT NULL,
    raised_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    times_reopened BIGINT NOT NULL,
    waiting BIGINT NOT NULL
);

CREATE UNIQUE INDEX control_conflict_identity ON control_conflict (entity, key_text, subject);

CREATE INDEX control_conflict_state ON control_conflict (state, id);

-- The sources among a conflict's claims, so that those between two of them are found by index.
CREATE TABLE control_conflict_source (
    source TEXT NOT NULL,
    conflict_id BIGINT NOT NULL,
    PRIMARY KEY (source, conflict_id)
);

CREATE INDEX control_conflict_source_conflict ON control_conflict_source (conflict_id);

-- What happened to a conflict, in order of id.
CREATE TABLE control_event (
    id BIGINT NOT NULL PRIMARY KEY,
    conflict_id BIGINT NOT NULL,
    at BIGINT NOT NULL,
    what TEXT NOT NULL,
    person TEXT,
    decision_id TEXT,
    reason TEXT,
    evidence TEXT,
    claims TEXT
);

CREATE INDEX control_event_conflict ON control_event (conflict_id, id);

-- What people decided; number is that of its event.
CREATE TABLE control_decision (
    id TEXT NOT NULL PRIMARY KEY,
    number BIGINT NOT NULL,
    conflict_id BIGINT NOT NULL,
    what TEXT NOT NULL,
    person TEXT NOT NULL,
    at BIGINT NOT NULL,
    note TEXT,
    evidence TEXT NOT NULL,
    undone_by TEXT,
    undone_at BIGINT
);

CREATE UNIQUE INDEX control_decision_number ON control_decision (number);

CREATE INDEX control_decision_conflict ON control_decision (conflict_id, number);

-- How many conflicts of each kind there were, those decided automatically among them.
CREATE TABLE control_kind_count (
    kind TEXT NOT NULL PRIMARY KEY,
    total BIGINT NOT NULL
);
