//! What the other systems know, brought beside the tables of the one where the oracle asks.

use super::carry::carry;
use super::{System, University};
use anyhow::{Context, Result};
use tokio_postgres::Client;

/// Temporary tables from other systems, and a view over them.
#[derive(Debug)]
pub struct Beside {
    tables: &'static [Brought],
    view: &'static str,
}

/// A temporary table, and what fills it.
#[derive(Debug)]
struct Brought {
    name: &'static str,
    columns: &'static str,
    from: System,
    query: &'static str,
}

impl Beside {
    /// Brings everything into a session. The tables go with it.
    ///
    /// # Errors
    /// When a server refuses.
    pub async fn bring(&self, university: &University, to: &Client) -> Result<()> {
        for Brought { name, columns, from, query } in self.tables {
            to.batch_execute(&format!("CREATE TEMP TABLE {name} ({columns})")).await?;
            carry(&university.connect(*from).await?, query, to, name).await?;
            to.batch_execute(&format!("ANALYZE {name}")).await?;
        }
        to.batch_execute("CREATE TEMP TABLE before (student_no text PRIMARY KEY, post text[])")
            .await?;
        for (student_no, post) in university.posts_before() {
            to.execute("INSERT INTO before VALUES ($1, $2)", &[student_no, &post.as_slice()])
                .await?;
        }
        to.batch_execute(self.view).await.context("can't look at it all together")
    }
}

/// What others know of people.
pub(super) const PEOPLE: Beside = Beside {
    tables: &[
        Brought {
            name: "at_hr",
            columns:
                "student_no text PRIMARY KEY, given_name text, family_name text, emails text[],
                      phone text, birth_date date, post text[], standing text",
            from: System::Hr,
            query: "SELECT student_no, given_name, family_name, emails, phone, birth_date,
                        nullif(ARRAY[street, postcode, city], ARRAY[NULL, NULL, NULL]::text[]),
                        standing
                    FROM employees WHERE student_no IS NOT NULL",
        },
        Brought {
            name: "typed",
            columns: "student_no text PRIMARY KEY, preferred_name text, phone text, insists boolean",
            from: System::Lms,
            // Who took the name away three times in a row goes to and fro with what is agreed on.
            query:
                "SELECT user_id, max(value) FILTER (WHERE field = 'preferred_name' AND place = 1),
                        max(value) FILTER (WHERE field = 'phone' AND place = 1),
                        count(*) FILTER (WHERE field = 'preferred_name' AND value IS NULL) = 3
                    FROM (SELECT *, row_number() OVER (
                              PARTITION BY user_id, field ORDER BY number DESC) AS place
                          FROM self_service) AS latest
                    WHERE place <= 3
                    GROUP BY user_id",
        },
        Brought {
            name: "held",
            columns: "student_no text PRIMARY KEY, preferred_name text, phone text, post text[]",
            from: System::Lms,
            query: "SELECT user_id, preferred_name, phone, ARRAY[street, postcode, city] FROM users",
        },
        Brought {
            name: "owed",
            columns: "student_no text PRIMARY KEY, balance numeric",
            from: System::Finance,
            query: "SELECT student_no, sum(amount)
                    FROM (SELECT student_no, amount FROM fees
                          UNION ALL SELECT student_no, due - paid FROM housing) AS entries
                    GROUP BY student_no",
        },
    ],
    view: include_str!("sql/expect_person.sql"),
};

/// What HR pays for.
pub(super) const ASSIGNMENTS: Beside = Beside {
    tables: &[Brought {
        name: "assigned",
        columns: "course_id integer, employee_no integer, hours numeric(5,1),
                  PRIMARY KEY (course_id, employee_no)",
        from: System::Hr,
        query: "SELECT course_id, employee_no, hours FROM assignments",
    }],
    view: "",
};
