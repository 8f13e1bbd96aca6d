-- Learning management system: a target with constraints of its own, where people may change some of
-- what is written about them.
CREATE TABLE departments (
    code text PRIMARY KEY,
    name text NOT NULL,
    faculty text NOT NULL,
    time_zone text NOT NULL,
    opened_on date NOT NULL,
    contact jsonb
);

CREATE TABLE users (
    user_id text PRIMARY KEY,
    display_name text NOT NULL,
    sort_name text NOT NULL,
    email text UNIQUE,
    birth_year integer,
    country char(2) NOT NULL,
    time_zone text NOT NULL,
    languages text[] NOT NULL,
    address jsonb,
    active boolean NOT NULL,
    workload integer NOT NULL,
    joined_at timestamptz NOT NULL,
    last_seen timestamptz,
    photo_digest bytea,
    preferred_name text,
    phone text,
    emails text[],
    street text,
    postcode text,
    city text
);

-- Self-service: what people typed into their own row, as the LMS keeps it for itself.
CREATE TABLE self_service (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id text NOT NULL,
    field text NOT NULL,
    value text
);
CREATE INDEX ON self_service (user_id, field, number);

CREATE TABLE courses (
    course_id integer PRIMARY KEY,
    code text NOT NULL,
    title text NOT NULL,
    department text NOT NULL REFERENCES departments,
    credits numeric(4,1) NOT NULL,
    level text NOT NULL,
    capacity integer CONSTRAINT courses_have_room CHECK (capacity > 0),
    fee numeric(10,2) NOT NULL,
    starts_on date,
    begins_at time,
    language text NOT NULL,
    tags text[],
    syllabus text
);

CREATE TABLE enrolments (
    user_id text NOT NULL REFERENCES users,
    course_id integer NOT NULL REFERENCES courses,
    status text NOT NULL,
    attempt smallint NOT NULL,
    grade numeric(4,2),
    passed boolean,
    enrolled_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, course_id)
);
CREATE INDEX ON enrolments (course_id);

CREATE TABLE staff (
    employee_no integer PRIMARY KEY,
    name text NOT NULL,
    email text NOT NULL,
    department text NOT NULL REFERENCES departments,
    position text NOT NULL,
    hired_on date NOT NULL,
    skills text[],
    badge uuid NOT NULL,
    notes text
);

CREATE TABLE teachers (
    course_id integer NOT NULL,
    employee_no integer NOT NULL,
    is_assistant boolean NOT NULL,
    hours numeric(5,1),
    PRIMARY KEY (course_id, employee_no)
);
