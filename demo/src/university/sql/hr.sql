-- Human resources: the source of departments and of the people who work in them.
CREATE TABLE departments (
    code text PRIMARY KEY,
    name varchar(80) NOT NULL,
    local_name varchar(80),
    faculty varchar(80) NOT NULL,
    budget numeric(14,2),
    opened_on date NOT NULL,
    time_zone text NOT NULL,
    contact jsonb
);

CREATE TABLE employees (
    employee_no integer PRIMARY KEY,
    given_name text NOT NULL,
    family_name text,
    email text NOT NULL,
    department text NOT NULL REFERENCES departments,
    manager_no integer REFERENCES employees,
    position text NOT NULL,
    salary numeric(10,2) NOT NULL,
    hired_on date NOT NULL,
    skills text[],
    badge uuid NOT NULL,
    active boolean NOT NULL DEFAULT true,
    notes text,
    student_no text UNIQUE,
    birth_date date,
    national_id text,
    phone text,
    emails text[],
    street text,
    postcode text,
    city text,
    standing text
);
COMMENT ON COLUMN employees.student_no IS 'of those who study or studied here too';
COMMENT ON COLUMN employees.standing IS 'active, on leave or left';
-- A mapping reads only the active ones and their long notes: when one comes back, the stream must
-- carry the notes although they did not change.
ALTER TABLE employees REPLICA IDENTITY FULL;

-- What they are paid for teaching.
CREATE TABLE assignments (
    course_id integer NOT NULL,
    employee_no integer NOT NULL,
    hours numeric(5,1),
    PRIMARY KEY (course_id, employee_no)
);
