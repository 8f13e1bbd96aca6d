-- Student information system: the source of people, courses, enrolments and payments.
CREATE DOMAIN ects AS numeric(4,1) CHECK (VALUE BETWEEN 0 AND 600);
CREATE TYPE student_status AS ENUM ('applicant', 'active', 'on leave', 'graduated', 'left');
CREATE TYPE enrolment_status AS ENUM ('enrolled', 'completed', 'failed', 'withdrawn');
CREATE TYPE payment_method AS ENUM ('card', 'transfer', 'direct debit', 'cash');

CREATE TABLE students (
    student_no text PRIMARY KEY,
    given_name varchar(80) NOT NULL,
    family_name varchar(80),
    preferred_name varchar(80),
    email text,
    phone text,
    birth_date date,
    country char(2) NOT NULL,
    time_zone text NOT NULL,
    languages text[] NOT NULL,
    address jsonb,
    status student_status NOT NULL,
    gpa numeric(4,2),
    credits ects NOT NULL DEFAULT 0,
    admitted_at timestamptz NOT NULL,
    last_seen timestamp,
    photo_digest bytea,
    other_emails text[],
    national_id text,
    street text,
    postcode text,
    city text
);
-- A mapping reads only those who were admitted: when one is, the stream must carry a long address
-- although it did not change.
ALTER TABLE students REPLICA IDENTITY FULL;
COMMENT ON COLUMN students.family_name IS 'NULL: some people have one name';
COMMENT ON COLUMN students.last_seen IS 'wall clock of the campus';

CREATE TABLE courses (
    course_id integer PRIMARY KEY,
    code text NOT NULL UNIQUE,
    title text NOT NULL,
    department text NOT NULL,
    credits ects NOT NULL,
    level smallint NOT NULL,
    capacity integer,
    fee numeric(10,2),
    starts_on date,
    begins_at time,
    language text,
    tags text[],
    syllabus text
);
COMMENT ON COLUMN courses.department IS 'as HR spells it; nothing here holds it true';

CREATE TABLE enrolments (
    student_no text NOT NULL REFERENCES students ON UPDATE CASCADE,
    course_id integer NOT NULL REFERENCES courses,
    status enrolment_status NOT NULL DEFAULT 'enrolled',
    attempt smallint NOT NULL DEFAULT 1,
    grade numeric(4,2),
    enrolled_at timestamptz NOT NULL,
    PRIMARY KEY (student_no, course_id)
);

CREATE TABLE payments (
    payment_id uuid PRIMARY KEY,
    student_no text NOT NULL REFERENCES students ON UPDATE CASCADE,
    amount numeric(12,2) NOT NULL,
    currency char(3) NOT NULL,
    paid_at timestamptz NOT NULL,
    method payment_method NOT NULL,
    reference text,
    refunded boolean NOT NULL DEFAULT false
);

CREATE TABLE lecturers (
    course_id integer NOT NULL REFERENCES courses,
    employee_no integer NOT NULL,
    role text NOT NULL,
    hours numeric(5,1),
    PRIMARY KEY (course_id, employee_no)
);
COMMENT ON COLUMN lecturers.employee_no IS 'as HR numbers them; nothing here holds it true';
