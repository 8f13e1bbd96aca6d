//! An entity that two systems speak of.

/// What the second system knows of people.
pub const STAFF: &str = "
    CREATE TABLE staff (id bigint PRIMARY KEY, email text NOT NULL, department integer NOT NULL)";

/// What the entity must come to, by the tables of both systems.
pub const AGREED: &str = "
    SELECT id, external_id, given_name, family_name, coalesce(s.email, p.email) AS email,
        greatest(s.department, p.department) AS department, score, updated_at, note
    FROM people AS p LEFT JOIN staff AS s USING (id)";

/// Whether a mark of both systems is there, by its number.
pub const VISIBLE: &str = "SELECT FROM people WHERE id = $1 AND email = 'mark@staff.example'";

/// Writes the second system's word on each number of a query.
#[must_use]
pub fn insert_staff(numbers: &str) -> String {
    format!(
        "INSERT INTO staff SELECT i, 'office.' || i || '@staff.example', i % 30
         FROM ({numbers}) AS numbers (i);"
    )
}

/// Writes the second system's word on a mark.
pub const MARK_STAFF: &str = "INSERT INTO staff VALUES ($1, 'mark@staff.example', 1)";

/// The entity and its mappings, as files of a project: of the tables `people` and `staff` of two systems, to
/// the table `people` of a target.
#[must_use]
pub fn files(one: &str, two: &str, target: &str) -> [(&'static str, String); 4] {
    let columns = crate::workload::COLUMNS;
    let entity = format!(
        r#"
[entity]
name = "person"
doc = "Whom both systems speak of"
key = ["id"]

[fields]
id = {{ type = "bigint" }}
external_id = {{ type = "uuid" }}
given_name = {{ type = "text" }}
family_name = {{ type = "text" }}
email = {{ type = "text", prefer = ["{two}", "{one}"] }}
department = {{ type = "integer", policy = "max" }}
score = {{ type = "double precision" }}
updated_at = {{ type = "timestamptz" }}
note = {{ type = "text" }}
"#
    );
    [
        ("person/entity.toml", entity),
        (
            "person/from_one.sql",
            format!("INSERT INTO person ({columns}) SELECT {columns} FROM {one}.public.people;"),
        ),
        (
            "person/from_two.sql",
            format!(
                "INSERT INTO person (id, email, department)
                 SELECT id, email, department FROM {two}.public.staff;"
            ),
        ),
        (
            "person/to_target.sql",
            format!(
                "INSERT INTO {target}.public.people ({columns}) SELECT {columns} FROM person
                 WHERE external_id IS NOT NULL;"
            ),
        ),
    ]
}
