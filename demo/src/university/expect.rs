//! What must each target table hold? The mappings once more, in PostgreSQL's own SQL, to be run at
//! the source: an answer that owes nothing to the engine.

use super::System;
use super::beside::{ASSIGNMENTS, Beside, PEOPLE};

/// What one mapping's target table must hold.
#[derive(Debug, Clone, Copy)]
pub struct Expectation {
    /// The mapping that writes it, as the project names its file.
    pub mapping: &'static str,
    /// Where `sql` is run.
    pub source: System,
    /// What has to be brought there before.
    pub beside: Option<&'static Beside>,
    /// Where the table is.
    pub target: System,
    /// The table.
    pub table: &'static str,
    /// Its key.
    pub key: &'static [&'static str],
    /// The columns that the mapping writes, in the order of `sql`.
    pub columns: &'static [&'static str],
    /// The rows, as a `SELECT` whose columns are named as the target's.
    pub sql: &'static str,
}

/// All target tables of `mappings/university`, parents before children.
#[must_use]
pub fn expectations() -> &'static [Expectation] {
    &[DEPARTMENTS, COST_CENTRES, COURSES, USERS, ACCOUNTS, STAFF, TEACHERS, ENROLMENTS, LEDGER]
}

const DEPARTMENTS: Expectation = Expectation {
    mapping: "department/to_lms.sql",
    source: System::Hr,
    beside: None,
    target: System::Lms,
    table: "public.departments",
    key: &["code"],
    columns: &["code", "name", "faculty", "time_zone", "opened_on", "contact"],
    sql: "SELECT code, coalesce(local_name, name) AS name, faculty, time_zone, opened_on, contact
          FROM departments",
};

const COST_CENTRES: Expectation = Expectation {
    mapping: "department/to_finance.sql",
    source: System::Hr,
    beside: None,
    target: System::Finance,
    table: "public.cost_centres",
    key: &["code"],
    columns: &["code", "name", "budget", "currency"],
    sql: "SELECT code, name || ' (' || faculty || ')' AS name,
                 coalesce(budget, 0)::numeric(14,2) AS budget, 'EUR' AS currency
          FROM departments",
};

const COURSES: Expectation = Expectation {
    mapping: "course/to_lms.sql",
    source: System::Sis,
    beside: None,
    target: System::Lms,
    table: "public.courses",
    key: &["course_id"],
    columns: &[
        "course_id",
        "code",
        "title",
        "department",
        "credits",
        "level",
        "capacity",
        "fee",
        "starts_on",
        "begins_at",
        "language",
        "tags",
        "syllabus",
    ],
    sql: "SELECT course_id, code, title, department, credits,
                 CASE level WHEN 1 THEN 'introductory' WHEN 2 THEN 'intermediate'
                            WHEN 3 THEN 'advanced' ELSE 'doctoral' END AS level,
                 capacity, coalesce(fee, 0)::numeric(10,2) AS fee, starts_on, begins_at,
                 coalesce(language, 'es') AS language, tags, syllabus
          FROM courses",
};

const USERS: Expectation = Expectation {
    mapping: "person/to_lms.sql",
    source: System::Sis,
    beside: Some(&PEOPLE),
    target: System::Lms,
    table: "public.users",
    key: &["user_id"],
    columns: &[
        "user_id",
        "display_name",
        "sort_name",
        "preferred_name",
        "email",
        "emails",
        "phone",
        "birth_year",
        "country",
        "time_zone",
        "languages",
        "address",
        "street",
        "postcode",
        "city",
        "active",
        "workload",
        "joined_at",
        "last_seen",
        "photo_digest",
    ],
    sql: "SELECT student_no AS user_id,
                 trim(coalesce(preferred_name, given_name) || ' ' || coalesce(family_name, ''))
                     AS display_name,
                 coalesce(family_name || ', ', '') || given_name AS sort_name,
                 shown_name AS preferred_name, email, emails, phone,
                 extract(year FROM birth_date)::integer AS birth_year,
                 country, time_zone, languages, address,
                 post[1] AS street, post[2] AS postcode, post[3] AS city,
                 status IN ('active', 'on leave') AS active,
                 (credits * 30)::integer AS workload,
                 admitted_at AS joined_at, last_seen::timestamptz AS last_seen, photo_digest
          FROM agreed",
};

const ACCOUNTS: Expectation = Expectation {
    mapping: "person/to_finance.sql",
    source: System::Sis,
    beside: Some(&PEOPLE),
    target: System::Finance,
    table: "public.accounts",
    key: &["account_no"],
    columns: &[
        "account_no",
        "person_id",
        "holder",
        "email",
        "country",
        "credit_limit",
        "balance",
        "opened_at",
    ],
    sql: "SELECT 'A-' || student_no AS account_no, student_no AS person_id,
                 trim(coalesce(preferred_name, given_name) || ' ' || coalesce(family_name, ''))
                     AS holder,
                 email, country,
                 (CASE WHEN status = 'active' THEN 500.00 WHEN status = 'on leave' THEN 50.00
                       ELSE 0.00 END)::numeric(12,2) AS credit_limit,
                 balance::numeric(12,2) AS balance, admitted_at AS opened_at
          FROM agreed",
};

const STAFF: Expectation = Expectation {
    mapping: "staff/hr_to_lms.sql",
    source: System::Hr,
    beside: None,
    target: System::Lms,
    table: "public.staff",
    key: &["employee_no"],
    columns: &[
        "employee_no",
        "name",
        "email",
        "department",
        "position",
        "hired_on",
        "skills",
        "badge",
        "notes",
    ],
    sql: "SELECT employee_no, trim(given_name || ' ' || coalesce(family_name, '')) AS name,
                 lower(email) AS email, department, position, hired_on, skills, badge, notes
          FROM employees WHERE active",
};

const TEACHERS: Expectation = Expectation {
    mapping: "teaching/to_lms.sql",
    source: System::Sis,
    beside: Some(&ASSIGNMENTS),
    target: System::Lms,
    table: "public.teachers",
    key: &["course_id", "employee_no"],
    columns: &["course_id", "employee_no", "is_assistant", "hours"],
    // Who is struck out by one of them only, teaches until a person has decided.
    sql: "SELECT course_id, employee_no, coalesce(role = 'assistant', false) AS is_assistant,
                 greatest(lecturers.hours, assigned.hours) AS hours
          FROM lecturers FULL JOIN assigned USING (course_id, employee_no)",
};

const ENROLMENTS: Expectation = Expectation {
    mapping: "enrolment/sis_to_lms.sql",
    source: System::Sis,
    beside: None,
    target: System::Lms,
    table: "public.enrolments",
    key: &["user_id", "course_id"],
    columns: &["user_id", "course_id", "status", "attempt", "grade", "passed", "enrolled_at"],
    sql: "SELECT student_no AS user_id, course_id, status, attempt, grade, grade >= 5 AS passed,
                 enrolled_at
          FROM enrolments WHERE status <> 'withdrawn'",
};

const LEDGER: Expectation = Expectation {
    mapping: "payment/sis_to_finance.sql",
    source: System::Sis,
    beside: None,
    target: System::Finance,
    table: "public.ledger",
    key: &["payment_id"],
    columns: &["payment_id", "account_no", "amount", "currency", "paid_at", "method", "reference"],
    sql: "SELECT payment_id, 'A-' || student_no AS account_no,
                 CASE WHEN refunded THEN -amount ELSE amount END AS amount,
                 currency, paid_at, method, coalesce(trim(reference), '-') AS reference
          FROM payments",
};
