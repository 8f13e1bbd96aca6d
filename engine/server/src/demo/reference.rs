//! The files of the reference project, as they were when this program was built.

/// Path from the project directory, and text.
pub(super) const PROJECT: &[(&str, &str)] = &[
    ("course/entity.toml", include_str!("../../../../mappings/university/course/entity.toml")),
    ("course/from_sis.sql", include_str!("../../../../mappings/university/course/from_sis.sql")),
    ("course/to_lms.sql", include_str!("../../../../mappings/university/course/to_lms.sql")),
    (
        "department/entity.toml",
        include_str!("../../../../mappings/university/department/entity.toml"),
    ),
    (
        "department/from_hr.sql",
        include_str!("../../../../mappings/university/department/from_hr.sql"),
    ),
    (
        "department/to_finance.sql",
        include_str!("../../../../mappings/university/department/to_finance.sql"),
    ),
    (
        "department/to_lms.sql",
        include_str!("../../../../mappings/university/department/to_lms.sql"),
    ),
    (
        "enrolment/sis_to_lms.sql",
        include_str!("../../../../mappings/university/enrolment/sis_to_lms.sql"),
    ),
    (
        "payment/sis_to_finance.sql",
        include_str!("../../../../mappings/university/payment/sis_to_finance.sql"),
    ),
    ("person/entity.toml", include_str!("../../../../mappings/university/person/entity.toml")),
    (
        "person/from_finance_fees.sql",
        include_str!("../../../../mappings/university/person/from_finance_fees.sql"),
    ),
    (
        "person/from_finance_housing.sql",
        include_str!("../../../../mappings/university/person/from_finance_housing.sql"),
    ),
    ("person/from_hr.sql", include_str!("../../../../mappings/university/person/from_hr.sql")),
    ("person/from_lms.sql", include_str!("../../../../mappings/university/person/from_lms.sql")),
    ("person/from_sis.sql", include_str!("../../../../mappings/university/person/from_sis.sql")),
    (
        "person/tests/from_finance.toml",
        include_str!("../../../../mappings/university/person/tests/from_finance.toml"),
    ),
    (
        "person/tests/from_hr.toml",
        include_str!("../../../../mappings/university/person/tests/from_hr.toml"),
    ),
    (
        "person/tests/from_sis.toml",
        include_str!("../../../../mappings/university/person/tests/from_sis.toml"),
    ),
    (
        "person/tests/to_lms.toml",
        include_str!("../../../../mappings/university/person/tests/to_lms.toml"),
    ),
    (
        "person/to_finance.sql",
        include_str!("../../../../mappings/university/person/to_finance.sql"),
    ),
    ("person/to_lms.sql", include_str!("../../../../mappings/university/person/to_lms.sql")),
    ("staff/hr_to_lms.sql", include_str!("../../../../mappings/university/staff/hr_to_lms.sql")),
    ("syncline.toml", include_str!("../../../../mappings/university/syncline.toml")),
    ("teaching/entity.toml", include_str!("../../../../mappings/university/teaching/entity.toml")),
    ("teaching/from_hr.sql", include_str!("../../../../mappings/university/teaching/from_hr.sql")),
    (
        "teaching/from_sis.sql",
        include_str!("../../../../mappings/university/teaching/from_sis.sql"),
    ),
    ("teaching/to_lms.sql", include_str!("../../../../mappings/university/teaching/to_lms.sql")),
];
