//! On what do the systems disagree from the beginning, and what must become of it?
//!
//! Decided by the size alone, so that the same university always has the same quarrels. Each is about a
//! person of his own, one of those whom HR knows too, or about a ledger. What is written here is not computed
//! from the tables: the tables are made to say it.

use super::{Size, System};
use std::fmt;

/// At most so many people disagree in the same way.
const OF_A_KIND_MAX: u32 = 12;
/// Every third employee studies or studied here, by this number of students an employee: see
/// `hr_acquaint.sql`.
const EMPLOYEES_APART: u32 = 3;
const STUDENTS_APART: u32 = 2;
/// One of this many acquainted people is part of a quarrel of each kind.
const SHARE: u32 = 12;

/// What one record says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Said {
    /// The system.
    pub source: System,
    /// The value as text; a group's as a JSON array.
    pub value: String,
}

/// What systems say differently of one field or group of one person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disagreement {
    /// Whose: the student number, which is the key of the entity `person`.
    pub person: String,
    /// The field or group.
    pub subject: &'static str,
    /// What kind of conflict it is, by its name.
    pub kind: &'static str,
    /// Whether a person is asked; else policy decides.
    pub asked: bool,
    /// Who says what.
    pub words: Vec<Said>,
    /// The value that holds, as text; meanwhile, where a person is asked.
    pub in_force: Option<String>,
    /// What makes the systems say it, as SQL for each of them.
    pub quarrel: Vec<(System, String)>,
    /// What makes them agree: one gives in.
    pub peace: (System, String),
}

/// All disagreements that a university begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Truth {
    /// By kind.
    pub disagreements: Vec<Disagreement>,
}

/// One of those whom the student desk and HR know both.
struct Acquaintance {
    /// Counts those in a quarrel of one kind, from 0.
    number: u32,
    student_no: String,
    employee_no: u32,
}

type Quarrel = fn(&Acquaintance) -> Disagreement;

/// One of a kind after the other, for as many people as the university is large.
const QUARRELS: [Quarrel; 7] = [
    birth_date,
    national_id,
    post,
    unreadable_emails,
    balance_out_of_range,
    overridden_name,
    furthest_status,
];

impl Truth {
    /// That of a university of this size.
    #[must_use]
    pub fn of(size: Size) -> Self {
        let acquainted = size.employees / EMPLOYEES_APART;
        let of_a_kind = (acquainted / SHARE).clamp(1, OF_A_KIND_MAX);
        let mut all = 1..=acquainted;
        let mut disagreements = Vec::new();
        for quarrel in QUARRELS {
            let people = all.by_ref().take(of_a_kind as usize).zip(0..);
            disagreements.extend(people.map(|(place, number)| {
                let employee_no = place * EMPLOYEES_APART;
                let student_no = format!("S{:07}", employee_no * STUDENTS_APART);
                quarrel(&Acquaintance { number, student_no, employee_no })
            }));
        }
        Self { disagreements }
    }

    /// Those that a person is asked about.
    pub fn asked(&self) -> impl Iterator<Item = &Disagreement> {
        self.disagreements.iter().filter(|it| it.asked)
    }

    /// What a system is to be told so that it says what it says here.
    pub(super) fn sql(&self, system: System) -> String {
        let statements = self.disagreements.iter().flat_map(|it| &it.quarrel);
        let statements = statements.filter(|(of, _)| *of == system);
        statements.map(|(_, sql)| format!("{sql};\n")).collect()
    }
}

/// As TOML: a table `[[disagreement]]` each.
impl fmt::Display for Truth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "# On what the systems disagree from the beginning, and what must become of it."
        )?;
        self.disagreements.iter().try_for_each(|it| it.fmt(f))
    }
}

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n[[disagreement]]\nperson = {}", quoted(&self.person))?;
        writeln!(f, "subject = {}\nkind = {}", quoted(self.subject), quoted(self.kind))?;
        writeln!(f, "asked = {}\nwords = [", self.asked)?;
        for Said { source, value } in &self.words {
            writeln!(f, "    {{ source = \"{source}\", value = {} }},", quoted(value))?;
        }
        writeln!(f, "]")?;
        match &self.in_force {
            Some(value) => writeln!(f, "in_force = {}", quoted(value)),
            None => Ok(()),
        }
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

impl Acquaintance {
    /// A disagreement between the student desk and HR, asked about.
    fn between(
        &self,
        subject: &'static str,
        (sis, hr): (&str, &str),
        in_force: Option<&str>,
        set: [String; 2],
        peace: (System, &str),
    ) -> Disagreement {
        let said = |source, value: &str| Said { source, value: value.to_owned() };
        let [of_sis, of_hr] = set.map(|set| (self.at_the_desk(&set), self.at_hr(&set)));
        Disagreement {
            person: self.student_no.clone(),
            subject,
            kind: "value_concurrent",
            asked: true,
            words: vec![said(System::Sis, sis), said(System::Hr, hr)],
            in_force: in_force.map(str::to_owned),
            quarrel: vec![(System::Sis, of_sis.0), (System::Hr, of_hr.1)],
            peace: match peace {
                (System::Hr, set) => (System::Hr, self.at_hr(set)),
                (system, set) => (system, self.at_the_desk(set)),
            },
        }
    }

    /// Applicants are no people yet: all that is said there says a status.
    fn at_the_desk(&self, set: &str) -> String {
        let Self { student_no, .. } = self;
        let status = if set.contains("status =") { "" } else { "status = 'active', " };
        format!("UPDATE students SET {status}{set} WHERE student_no = '{student_no}'")
    }

    fn at_hr(&self, set: &str) -> String {
        format!("UPDATE employees SET {set} WHERE employee_no = {}", self.employee_no)
    }
}

/// Two digits changed places. The student desk's holds until somebody has looked.
fn birth_date(of: &Acquaintance) -> Disagreement {
    let day = 10 + of.number;
    let (sis, hr) = (format!("1981-05-{day}"), format!("1918-05-{day}"));
    let set = |date: &str| format!("birth_date = '{date}'");
    let peace = (System::Hr, &*set(&sis));
    of.between("birth_date", (&sis, &hr), Some(&sis), [set(&sis), set(&hr)], peace)
}

/// Another number; none holds.
fn national_id(of: &Acquaintance) -> Disagreement {
    let number = 40_000_000 + of.number;
    let (sis, hr) = (format!("ES{number}"), format!("FR{number}"));
    let set = |id: &str| format!("national_id = '{id}'");
    let peace = (System::Hr, &*set(&sis));
    of.between("national_id", (&sis, &hr), None, [set(&sis), set(&hr)], peace)
}

/// Two addresses, and nobody knows which is the newer one. None holds, and no mixture of both.
fn post(of: &Acquaintance) -> Disagreement {
    let house = 1 + of.number;
    let (sis, hr) = (
        [format!("Calle Mayor {house}"), "28013".into(), "Madrid".into()],
        [format!("Rue de l'Écluse {house}"), "75017".into(), "Paris".into()],
    );
    let said =
        |[street, postcode, city]: &[String; 3]| format!(r#"["{street}","{postcode}","{city}"]"#);
    let set = |[street, postcode, city]: &[String; 3]| {
        let street = street.replace('\'', "''");
        format!("street = '{street}', postcode = '{postcode}', city = '{city}'")
    };
    let peace = (System::Hr, &*set(&sis));
    of.between("post", (&said(&sis), &said(&hr)), None, [set(&sis), set(&hr)], peace)
}

/// A list of lists, which is no set. It does not count until it is mended.
fn unreadable_emails(of: &Acquaintance) -> Disagreement {
    let number = of.number;
    let sis = format!("{{{{a{number}@x.example,b@x.example}},{{c@x.example,d@x.example}}}}");
    let hr = format!("{{office{number}@staff.example}}");
    let set = [format!("other_emails = '{sis}'"), format!("emails = '{hr}'")];
    let peace = (System::Sis, "other_emails = '{a@x.example}'");
    let found = of.between("emails", (&sis, &hr), Some(&hr), set, peace);
    Disagreement { kind: "schema_mismatch", ..found }
}

/// Somebody's cat walked over the keyboard, twice. The sum has more digits than the field.
fn balance_out_of_range(of: &Acquaintance) -> Disagreement {
    let (fee, rent) = (format!("{}.00", 9_999_999_000_u64 + u64::from(of.number)), "999999999.00");
    let Acquaintance { student_no, employee_no, .. } = of;
    let said = |value: &str| Said { source: System::Finance, value: value.to_owned() };
    let entries = format!(
        "DELETE FROM fees WHERE student_no = '{student_no}';
         DELETE FROM housing WHERE student_no = '{student_no}';
         INSERT INTO fees VALUES (-{employee_no}, '{student_no}', {fee}, '2026-02-01');
         INSERT INTO housing VALUES (-{employee_no}, '{student_no}', 'Room 0', {rent}, 0)"
    );
    Disagreement {
        person: student_no.clone(),
        subject: "balance",
        kind: "constraint_failed",
        asked: true,
        words: vec![said(&fee), said(rent)],
        in_force: None,
        quarrel: vec![(System::Sis, of.at_the_desk("credits = 0")), (System::Finance, entries)],
        peace: (
            System::Finance,
            format!("UPDATE fees SET amount = 12.50 WHERE student_no = '{student_no}'"),
        ),
    }
}

/// The student desk has another name in the passport than HR, whose word it is.
fn overridden_name(of: &Acquaintance) -> Disagreement {
    let (sis, hr) = (["Begoña", "Ibáñez"], ["Begoña María", "Ibáñez Peña"]);
    let said = |[given, family]: [&str; 2]| format!(r#"["{given}","{family}"]"#);
    let set =
        |[given, family]: [&str; 2]| format!("given_name = '{given}', family_name = '{family}'");
    let (in_sis, in_hr) = (said(sis), said(hr));
    let peace = (System::Sis, &*set(hr));
    let found =
        of.between("legal_name", (&in_sis, &in_hr), Some(&in_hr), [set(sis), set(hr)], peace);
    Disagreement { kind: "owner_overridden", asked: false, ..found }
}

/// Left as a student, and still works here.
fn furthest_status(of: &Acquaintance) -> Disagreement {
    let set = ["credits = 180, status = 'left'".to_owned(), "standing = 'active'".to_owned()];
    let peace = (System::Sis, "status = 'active'");
    let found = of.between("status", ("left", "active"), Some("active"), set, peace);
    Disagreement { asked: false, ..found }
}
