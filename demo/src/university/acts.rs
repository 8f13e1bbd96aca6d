//! What people do at a university all day, as SQL.
//!
//! Placeholders are replaced by what the writer draws: `{student}` is a student number that may or
//! may not exist, `{fresh}` one that never was; `{course}`, `{employee}` and `{department}` are
//! numbers in use; `{number}` is any number up to a million, `{digest}` 32 hexadecimal digits. The
//! statements of one act are one transaction.
//!
//! What somebody types himself is kept in `self_service` beside, and is always something new: the same
//! again would be no word of his.

/// Something that happens now and then.
#[derive(Debug)]
pub(super) struct Act {
    /// How often, against the others.
    pub(super) weight: u32,
    pub(super) sql: &'static str,
}

const fn act(weight: u32, sql: &'static str) -> Act {
    Act { weight, sql }
}

/// At the student desk.
pub(super) const SIS: &[Act] = &[
    // Enrols, or comes back after withdrawing: the row enters the mapping's WHERE again.
    act(
        220,
        "INSERT INTO enrolments SELECT student_no, {course}, 'enrolled', 1, NULL, clock_timestamp()
             FROM students WHERE student_no = '{student}' AND status <> 'applicant'
         ON CONFLICT (student_no, course_id)
             DO UPDATE SET status = 'enrolled', attempt = enrolments.attempt % 100 + 1, grade = NULL",
    ),
    // Gets a grade.
    act(
        220,
        "UPDATE enrolments SET grade = {number} % 1001 / 100.0,
             status = (CASE WHEN {number} % 1001 >= 500 THEN 'completed' ELSE 'failed' END)
                 ::enrolment_status
         WHERE student_no = '{student}' AND course_id = (
             SELECT min(course_id) FROM enrolments
             WHERE student_no = '{student}' AND status = 'enrolled')",
    ),
    // Withdraws: leaves the WHERE.
    act(
        70,
        "UPDATE enrolments SET status = 'withdrawn', grade = NULL
         WHERE student_no = '{student}' AND course_id = (
             SELECT max(course_id) FROM enrolments
             WHERE student_no = '{student}' AND status = 'enrolled')",
    ),
    // Was enrolled by mistake.
    act(
        50,
        "DELETE FROM enrolments WHERE student_no = '{student}' AND course_id = (
             SELECT max(course_id) FROM enrolments WHERE student_no = '{student}')",
    ),
    // A new student, with courses and a first payment.
    act(
        100,
        "INSERT INTO students VALUES ('{fresh}', 'Zoë', 'Ñandú-O''Neill', NULL,
             ' {fresh}@Uni.Example', NULL, date '2000-02-29' + {number} % 3000, 'ES',
             'Atlantic/Canary', '{es,gl}', '{\"street\": \"Calle Ó 1\", \"floor\": null}', 'active',
             NULL, 0, clock_timestamp(), NULL, NULL);
         INSERT INTO enrolments SELECT '{fresh}', course_id, 'enrolled', 1, NULL, clock_timestamp()
             FROM courses WHERE course_id BETWEEN {course} AND {course} + 4;
         INSERT INTO payments VALUES ('{digest}'::uuid, '{fresh}', 1 + {number} / 100.0, 'EUR',
             clock_timestamp(), 'card', NULL, false)",
    ),
    // An applicant is taken on: enters the WHERE.
    act(
        40,
        "UPDATE students SET status = 'active'
         WHERE student_no = '{student}' AND status = 'applicant'",
    ),
    act(
        150,
        "UPDATE students SET phone = '+34 6{number}', address = jsonb_build_object('street',
             'Plaça {number}', 'notes', repeat('très long ', {number} % 40)),
             last_seen = timestamp '2026-10-01 09:00' + make_interval(mins => {number} % 600)
         WHERE student_no = '{student}'",
    ),
    act(
        60,
        "UPDATE students SET status = (ARRAY['active', 'on leave', 'graduated', 'left'])
             [1 + {number} % 4]::student_status, gpa = nullif({number} % 1001, 0) / 100.0
         WHERE student_no = '{student}' AND status <> 'applicant'",
    ),
    act(
        90,
        "INSERT INTO payments SELECT '{digest}'::uuid, student_no, 1 + {number} / 100.0, 'USD',
             clock_timestamp(), 'transfer', ' wire {number} ', false
         FROM students WHERE student_no = '{student}' AND status <> 'applicant'",
    ),
    act(25, "UPDATE payments SET refunded = NOT refunded WHERE student_no = '{student}'"),
    // Gets a new number: the key changes, here and in all that refers to it.
    act(
        6,
        "UPDATE students SET student_no = 'R' || substr(student_no, 2)
         WHERE student_no = '{student}' AND student_no LIKE 'S%'",
    ),
    // Is erased, with everything that refers to him.
    act(
        6,
        "DELETE FROM enrolments WHERE student_no = '{student}';
         DELETE FROM payments WHERE student_no = '{student}';
         DELETE FROM students WHERE student_no = '{student}'",
    ),
    // A long text changes; and a row with a long text changes elsewhere.
    act(
        12,
        "UPDATE courses SET syllabus = (SELECT string_agg(md5(line::text || '{number}'), ' · ')
             FROM generate_series(1, 300) AS line) WHERE course_id = {course}",
    ),
    act(30, "UPDATE courses SET title = 'Course № {number}' WHERE course_id = {course}"),
    // What others may know better, or differently.
    act(
        20,
        "UPDATE students SET preferred_name = nullif('Pref {number}', 'Pref ' || {number} / 4 * 4)
         WHERE student_no = '{student}'",
    ),
    act(15, "UPDATE students SET family_name = 'Łukasz-{number}' WHERE student_no = '{student}'"),
    act(
        20,
        "UPDATE students SET other_emails = array_append(other_emails[1:2], 'new{number}@x.example')
         WHERE student_no = '{student}' AND coalesce(array_ndims(other_emails), 1) = 1",
    ),
    // Whom HR knows too, has an even number: his address is changed there only, so that there is no more
    // than one answer to what was agreed on last.
    act(
        30,
        "UPDATE students SET street = 'Ronda {number}', postcode = {number} % 99999,
             city = nullif('Vic', left('Vic', {number} % 9))
         WHERE student_no = '{student}' AND right(student_no, 1) IN ('1', '3', '5', '7', '9')",
    ),
    // Teaching is planned anew: struck out, and put back.
    act(
        6,
        "INSERT INTO lecturers VALUES ({course}, {employee}, 'assistant', {number} % 200 / 10.0)
         ON CONFLICT (course_id, employee_no) DO UPDATE SET hours = EXCLUDED.hours",
    ),
    act(6, "DELETE FROM lecturers WHERE course_id = {course} AND role = 'lecturer'"),
    // A few hundred rows at once.
    act(
        3,
        "UPDATE enrolments SET attempt = attempt % 100 + 1 WHERE course_id = {course};
         UPDATE students SET credits = (credits + 0.5)::numeric % 300
             WHERE student_no BETWEEN '{student}' AND rpad(left('{student}', 6), 8, '9')",
    ),
    // What the target refuses: two with one address, a course without room. And what mends it.
    act(4, "UPDATE students SET email = 'shared.' || {number} % 10 || '@uni.example'
            WHERE student_no = '{student}'"),
    act(
        3,
        "UPDATE students SET email = lower(student_no) || '@mended.example' WHERE student_no = (
             SELECT student_no FROM students WHERE email LIKE 'shared.%' ORDER BY email LIMIT 1)",
    ),
    act(2, "UPDATE courses SET capacity = 0 WHERE course_id = {course}"),
    act(
        2,
        "UPDATE courses SET capacity = 1 + {number} % 200
         WHERE course_id = (SELECT min(course_id) FROM courses WHERE capacity = 0)",
    ),
];

/// At the personnel office.
pub(super) const HR: &[Act] = &[
    act(60, "UPDATE employees SET salary = round(salary * 1.01, 2) WHERE employee_no = {employee}"),
    act(
        40,
        "UPDATE employees SET position = 'Chair {number}', skills = array_append(
                 skills[1:3], 'skill {number}') WHERE employee_no = {employee}",
    ),
    // Leaves the WHERE, and comes back with his long notes unchanged.
    act(20, "UPDATE employees SET active = NOT active WHERE employee_no = {employee}"),
    act(
        15,
        "UPDATE employees SET notes = (SELECT string_agg(md5(line::text || '{number}'), E'\\n')
             FROM generate_series(1, 200) AS line) WHERE employee_no = {employee}",
    ),
    act(
        15,
        "INSERT INTO employees SELECT max(employee_no) + 1, 'Nova', NULL, 'Nova.{number}@Staff',
             'D01', 1, 'Lecturer', 30000, current_date, NULL, '{digest}'::uuid, true, NULL
         FROM employees",
    ),
    act(6, "DELETE FROM employees WHERE employee_no = {employee} AND employee_no > 20"),
    act(
        5,
        "UPDATE departments SET budget = {number} / 3.0, local_name = 'Dept {number}'
            WHERE code = 'D{department}'",
    ),
    act(2, "UPDATE employees SET salary = salary + 1 WHERE department = 'D{department}'"),
    // Of those who study or studied here HR knows things by itself.
    act(8, "UPDATE employees SET given_name = 'Núria {number}' WHERE employee_no = {employee}"),
    act(
        10,
        "UPDATE employees SET phone = nullif('+34 91 {number}', '+34 91 ' || {number} / 5 * 5),
             emails = array_append(emails[1:1], 'hr{number}@x.example')
         WHERE employee_no = {employee}",
    ),
    act(
        6,
        "UPDATE employees SET standing = ('{active,on leave,left}'::text[])[1 + {number} % 4]
         WHERE employee_no = {employee} AND student_no IS NOT NULL",
    ),
    act(
        4,
        "UPDATE employees SET birth_date = date '1950-01-01' + {number} % 9999
         WHERE employee_no = {employee} AND student_no IS NOT NULL",
    ),
    act(
        4,
        "UPDATE employees SET street = 'Rúa {number}', postcode = {number} % 99999, city = 'Lugo'
         WHERE employee_no = {employee} AND student_no IS NOT NULL",
    ),
    act(
        6,
        "INSERT INTO assignments VALUES ({course}, {employee}, {number} % 200 / 10.0)
         ON CONFLICT (course_id, employee_no) DO UPDATE SET hours = EXCLUDED.hours",
    ),
    act(6, "DELETE FROM assignments WHERE course_id = {course}"),
];

/// People themselves, in self-service.
pub(super) const LMS: &[Act] = &[
    act(
        30,
        "WITH typed AS (UPDATE users SET preferred_name = 'Me {digest}'
             WHERE user_id = '{student}' RETURNING user_id, preferred_name)
         INSERT INTO self_service (user_id, field, value)
             SELECT user_id, 'preferred_name', preferred_name FROM typed",
    ),
    act(
        10,
        "WITH typed AS (UPDATE users SET preferred_name = NULL
             WHERE user_id = '{student}' AND preferred_name IS NOT NULL RETURNING user_id)
         INSERT INTO self_service (user_id, field, value)
             SELECT user_id, 'preferred_name', NULL FROM typed",
    ),
    act(
        30,
        "WITH typed AS (UPDATE users SET phone = '+34 7{digest}'
             WHERE user_id = '{student}' RETURNING user_id, phone)
         INSERT INTO self_service (user_id, field, value)
             SELECT user_id, 'phone', phone FROM typed",
    ),
];

/// At the cash desk.
pub(super) const FINANCE: &[Act] = &[
    act(
        30,
        "INSERT INTO fees SELECT coalesce(max(entry_no), 0) + 1, '{student}',
             {number} / 100.0 - 2000, current_date FROM fees",
    ),
    act(
        20,
        "UPDATE fees SET amount = {number} / 50.0 WHERE entry_no = (
             SELECT max(entry_no) FROM fees WHERE student_no = '{student}')",
    ),
    act(10, "DELETE FROM fees WHERE student_no = '{student}'"),
    // Booked on the wrong account.
    act(
        10,
        "UPDATE fees SET student_no = '{student}' WHERE entry_no = (
             SELECT min(entry_no) FROM fees WHERE entry_no > {number})",
    ),
    act(20, "UPDATE housing SET paid = paid + {number} / 1000.0 WHERE student_no = '{student}'"),
];
