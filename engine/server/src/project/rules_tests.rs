//! What an entity's file may say of how its fields are decided, and what `check` says of it.

use super::Project;
use super::entity::Entity;
use super::lock::Lock;
use crate::checked;
use crate::render;
use std::fs;
use std::path::Path;
use syncline_core::{CatalogTable, Column, Identity, SystemName, TableName, TableSchema};
use syncline_resolve::{EntityRules, Existence, Fallback, Policy};

const HEAD: &str = "[entity]\nname = \"person\"\nkey = [\"person_id\"]\n\n\
                    [fields.person_id]\ntype = \"text\"\n\n";

const SETTINGS: &str = r#"[project]
name = "university"

[systems.sis]
connector = "generator"

[systems.hr]
connector = "generator"
clock_uncertainty = "500ms"

[systems.crm]
connector = "generator"

[systems.lms]
connector = "discard"
clock_uncertainty = "2m"
"#;

/// What is told of an entity's file.
pub(super) fn told(rest: &str) -> String {
    let problems = Entity::parse("person/entity.toml", &format!("{HEAD}{rest}"))
        .expect_err("the text is wrong");
    render::problems(&problems)
}

fn entity(rest: &str) -> Entity {
    Entity::parse("person/entity.toml", &format!("{HEAD}{rest}"))
        .unwrap_or_else(|problems| panic!("{}", render::problems(&problems)))
}

/// The policy of a field of this type, and whether NULL is a value.
fn policy_of(native_type: &str, said: &str) -> (Policy, bool) {
    let entity = entity(&format!("[fields.x]\ntype = \"{native_type}\"\n{said}\n"));
    let unit = &entity.units[0].unit;
    (unit.policy.clone(), unit.null_is_value)
}

fn systems(names: &[&str]) -> Vec<SystemName> {
    names.iter().map(|name| SystemName::new(name)).collect()
}

#[test]
fn every_policy_is_read() {
    let list = || systems(&["hr", "sis"]);
    let preferred = || Fallback::Prefer(list());
    let prefer = "prefer = [\"hr\", \"sis\"]";
    let read = |native_type, said: &str| policy_of(native_type, said).0;
    let with = |policy: &str| read("text", &format!("policy = \"{policy}\"\n{prefer}"));
    assert_eq!(read("text", ""), Policy::Ask(Fallback::Ask));
    assert_eq!(read("text", prefer), Policy::Prefer(list()));
    assert_eq!(read("text", "policy = \"ask\""), Policy::Ask(Fallback::Ask));
    assert_eq!(with("ask"), Policy::Ask(preferred()));
    assert_eq!(read("text", "policy = \"newest\""), Policy::Newest(Fallback::Ask));
    assert_eq!(with("newest"), Policy::Newest(preferred()));
    assert_eq!(read("text", "policy = \"oldest\""), Policy::Oldest(Fallback::Ask));
    assert_eq!(with("oldest"), Policy::Oldest(preferred()));
    assert_eq!(read("varchar(20)", "policy = \"longest\""), Policy::Longest(Vec::new()));
    assert_eq!(with("longest"), Policy::Longest(list()));
    assert_eq!(read("jsonb", "policy = \"most_common\""), Policy::MostCommon(Vec::new()));
    assert_eq!(with("most_common"), Policy::MostCommon(list()));
    assert_eq!(read("date", "policy = \"max\""), Policy::Max);
    assert_eq!(read("numeric(10,2)", "policy = \"min\""), Policy::Min);
    assert_eq!(read("text[]", "policy = \"union\""), Policy::Union);
    assert_eq!(read("varchar(5)[]", "policy = \"intersection\""), Policy::Intersection);
    assert_eq!(read("bigint", "policy = \"sum\""), Policy::Sum);
    assert_eq!(read("jsonb", "policy = \"all\""), Policy::All);
    let labels = vec!["active".to_owned(), "left".to_owned()];
    let expression = read("text", "policy = { sql = \"coalesce(sis, 'x')\" }");
    assert_eq!(expression, Policy::Sql("coalesce(sis, 'x')".to_owned()));
    let ordered = read("text", "policy = \"ordered\"\norder = [\"active\", \"left\"]");
    assert_eq!(ordered, Policy::Ordered(labels));
}

#[test]
fn null_says_nothing_unless_it_is_a_value() {
    assert!(!policy_of("text", "").1);
    assert!(!policy_of("text", "null = \"withdraws\"").1);
    assert!(policy_of("text", "null = \"value\"").1);
}

#[test]
fn existence_is_read() {
    let read = |said: &str| {
        let head = HEAD.replace("\n\n[fields", &format!("\n{said}\n[fields"));
        Entity::parse("person/entity.toml", &head).expect("the text is good").existence
    };
    assert_eq!(read(""), Existence::Any);
    assert_eq!(read("exists = \"any\""), Existence::Any);
    assert_eq!(read("exists = \"all\""), Existence::All);
    assert_eq!(read("exists = \"ask\""), Existence::Ask);
    let owner = Existence::Owner(SystemName::new("sis"));
    assert_eq!(read("exists = { owner = \"sis\" }"), owner);
}

#[test]
fn a_wrong_existence_is_told() {
    let head = |said: &str| {
        let text = HEAD.replace("\n\n[fields", &format!("\nexists = {said}\n\n[fields"));
        let problems = Entity::parse("person/entity.toml", &text).expect_err("it is wrong");
        render::problems(&problems)
    };
    let wrong = ["\"al\"", "{ owner = [\"sis\"] }", "true"].map(head);
    insta::assert_snapshot!(wrong.join("\n"));
}

#[test]
fn what_is_no_policy_is_told() {
    insta::assert_snapshot!(told(
        r#"[fields.email]
type = "text"
policy = "newst"

[fields.name]
type = "text"
policy = "prefer"
prefer = ["sis"]

[fields.phone]
type = "text"
prefer = "sis"
null = "values"
sensitive = "yes"
"#
    ));
}

#[test]
fn an_order_that_does_not_fit_is_told() {
    insta::assert_snapshot!(told(
        r#"[fields.a]
type = "text"
policy = "ordered"

[fields.b]
type = "text"
order = ["active", "left"]

[fields.c]
type = "text"
policy = "newest"
order = ["active", "left"]

[fields.d]
type = "text"
policy = "ordered"
order = ["active", "left", "active"]

[fields.e]
type = "text"
policy = "ordered"
order = []
"#
    ));
}

#[test]
fn a_prefer_list_that_does_not_fit_is_told() {
    insta::assert_snapshot!(told(
        r#"[fields.a]
type = "text"
prefer = []

[fields.b]
type = "text"
prefer = ["sis", "hr", "sis"]

[fields.c]
type = "date"
policy = "max"
prefer = ["sis"]
"#
    ));
}

#[test]
fn a_policy_that_can_not_decide_a_type_is_told() {
    let wrong = [
        ("union", "text"),
        ("intersection", "integer[]"),
        ("sum", "numeric"),
        ("sum", "double precision"),
        ("max", "jsonb"),
        ("min", "text[]"),
        ("max", "numeric"),
        ("min", "interval"),
        ("longest", "jsonb"),
        ("ordered", "integer"),
        ("all", "varchar(20)"),
    ];
    let field = |(at, (policy, native_type)): (usize, &(&str, &str))| {
        let order = if *policy == "ordered" { "order = [\"1\"]\n" } else { "" };
        format!("[fields.f{at}]\ntype = \"{native_type}\"\npolicy = \"{policy}\"\n{order}")
    };
    let fields: String = wrong.iter().enumerate().map(field).collect();
    insta::assert_snapshot!(told(&fields));
}

#[test]
fn values_that_have_an_order_have_a_greatest_and_a_least() {
    let types = [
        "smallint",
        "integer",
        "bigint",
        "real",
        "double precision",
        "numeric(38,2)",
        "date",
        "time",
        "timestamp",
        "timestamptz",
        "text",
        "varchar(3)",
        "boolean",
        "uuid",
    ];
    for native_type in types {
        assert_eq!(policy_of(native_type, "policy = \"max\"").0, Policy::Max, "{native_type}");
    }
}

#[test]
fn a_policy_on_a_key_field_is_told() {
    let text = HEAD.replace("\"text\"\n\n", "\"text\"\npolicy = \"newest\"\nnull = \"value\"\n");
    let problems = Entity::parse("person/entity.toml", &text).expect_err("the text is wrong");
    insta::assert_snapshot!(render::problems(&problems));
}

#[test]
fn groups_that_do_not_fit_are_told() {
    insta::assert_snapshot!(told(
        r#"[fields.street]
type = "text"
policy = "newest"

[fields.city]
type = "text"

[fields.postcode]
type = "text"

[groups.address]
fields = ["street", "city", "city"]
policy = "longest"

[groups.place]
fields = ["city", "postcod", "person_id"]

[groups.lone]
fields = ["postcode"]

[groups.street]
fields = ["postcode", "street"]

[groups.Big]
"#
    ));
}

#[test]
fn every_column_that_is_not_of_the_key_is_in_one_unit() {
    let entity = entity(
        "[fields.postcode]\ntype = \"text\"\n[fields.email]\ntype = \"text\"\nsensitive = true\n\
         [fields.city]\ntype = \"text\"\n[groups.address]\nfields = [\"city\", \"postcode\"]\n\
         policy = \"newest\"\nprefer = [\"hr\"]\nnull = \"value\"\ndoc = \"where they live\"\n",
    );
    let units: Vec<_> = entity
        .units
        .iter()
        .map(|it| (it.unit.name.as_str(), it.unit.columns.as_slice(), it.unit.null_is_value))
        .collect();
    assert_eq!(units, [("address", &[1, 3][..], true), ("email", &[2][..], false)]);
    let newest = Policy::Newest(Fallback::Prefer(systems(&["hr"])));
    assert_eq!(entity.units[0].unit.policy, newest);
    let sensitive: Vec<bool> = entity.fields.iter().map(|field| field.sensitive).collect();
    assert_eq!(sensitive, [false, false, true, false]);
}

/// A project of three sources with these files besides its settings.
pub(crate) struct Scene {
    directory: tempfile::TempDir,
}

impl Scene {
    pub(crate) fn new(fields: &str, mappings: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let scene = Self { directory };
        scene.write("syncline.toml", SETTINGS);
        scene.write("person/entity.toml", &format!("{HEAD}{fields}"));
        for (name, sql) in mappings {
            scene.write(&format!("person/{name}.sql"), sql);
        }
        scene
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().expect("has a folder")).expect("made");
        fs::write(path, text).expect("written");
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn project(&self) -> Project {
        Project::open(self.path())
            .unwrap_or_else(|failure| panic!("{}", render::problems(&failure.problems)))
    }

    /// What is told when the project is opened.
    pub(super) fn refused(&self) -> String {
        let failure = Project::open(self.path()).expect_err("the project is wrong");
        render::problems(&failure.problems)
    }

    /// What `check` tells.
    pub(super) fn told(&self) -> String {
        render::problems(&checked::check(&self.project(), &lock()).problems)
    }

    fn rules(&self) -> EntityRules {
        let project = self.project();
        let mappings = checked::check(&project, &lock()).mappings;
        project.entity_rules(&mappings).into_iter().next().expect("there is an entity")
    }
}

/// A table `people` in each of three systems.
pub(crate) fn lock() -> Lock {
    let tables = ["sis", "hr", "crm"].map(|system| {
        let name = TableName::table(&SystemName::new(system), "public", "people");
        let columns = ["id", "email", "street", "city", "postcode"].map(|name| Column {
            name: name.into(),
            id: 1,
            data_type: arrow_schema::DataType::Utf8,
            native_type: "text".into(),
            nullable: name != "id",
            has_default: false,
            generated: false,
        });
        CatalogTable {
            schema: TableSchema::new(name, 0, columns.to_vec(), vec![0]),
            identity: Identity::Key,
            foreign_keys: Vec::new(),
            unique: Vec::new(),
            enums: Vec::new(),
            domains: Vec::new(),
            rows_estimated: 0,
        }
    });
    Lock::of(tables)
}

const EMAIL: &str = "[fields.email]\ntype = \"text\"\n";
const ADDRESS: &str = "[fields.street]\ntype = \"text\"\n[fields.city]\ntype = \"text\"\n\
                       [fields.postcode]\ntype = \"text\"\n\n[groups.address]\n\
                       fields = [\"street\", \"city\", \"postcode\"]\n";
pub(crate) const SIS: (&str, &str) = (
    "from_sis",
    "INSERT INTO person (person_id, email) SELECT id, lower(email) FROM sis.public.people",
);
pub(crate) const HR: (&str, &str) =
    ("from_hr", "INSERT INTO person (person_id, email) SELECT id, email FROM hr.public.people");
const CRM_ADDRESS: (&str, &str) = (
    "from_crm",
    "INSERT INTO person (person_id, street, city, postcode) \
     SELECT id, street, city, postcode FROM crm.public.people",
);
const HR_CITY: (&str, &str) =
    ("from_hr", "INSERT INTO person (person_id, city) SELECT id, city FROM hr.public.people");

#[test]
fn a_system_that_the_project_does_not_have_is_told() {
    let scene = Scene::new(&format!("{EMAIL}prefer = [\"siss\", \"warehouse\"]\n"), &[SIS]);
    insta::assert_snapshot!(scene.refused());
    let owned = HEAD.replace("\n\n[fields", "\nexists = { owner = \"ssi\" }\n\n[fields");
    scene.write("person/entity.toml", &owned);
    insta::assert_snapshot!(scene.refused());
}

#[test]
fn a_source_that_is_believed_and_silent_is_told() {
    let fields = format!("{EMAIL}policy = \"newest\"\nprefer = [\"sis\", \"hr\"]\n");
    insta::assert_snapshot!(Scene::new(&fields, &[SIS]).told());
}

#[test]
fn an_owner_without_a_mapping_is_told() {
    let scene = Scene::new("", &[SIS]);
    let owned = HEAD.replace("\n\n[fields", "\nexists = { owner = \"hr\" }\n\n[fields");
    scene.write("person/entity.toml", &format!("{owned}{EMAIL}"));
    insta::assert_snapshot!(scene.told());
}

#[test]
fn a_source_that_would_never_be_heard_is_told() {
    let scene = Scene::new(&format!("{EMAIL}prefer = [\"hr\"]\n"), &[SIS, HR]);
    insta::assert_snapshot!(scene.told());
    let fallback = format!("{EMAIL}policy = \"newest\"\nprefer = [\"hr\"]\n");
    assert_eq!(Scene::new(&fallback, &[SIS, HR]).told(), "", "the newest is heard");
}

#[test]
fn a_group_that_a_mapping_writes_in_part_is_told() {
    let fields = format!("{ADDRESS}policy = \"newest\"\n");
    insta::assert_snapshot!(Scene::new(&fields, &[CRM_ADDRESS, HR_CITY]).told());
}

#[test]
fn a_field_that_nothing_writes_is_told_unless_a_mapping_is_not_known() {
    let fields = format!("{EMAIL}\n[fields.phone]\ntype = \"text\"\n");
    insta::assert_snapshot!(Scene::new(&fields, &[SIS]).told());
    let broken =
        ("from_hr", "INSERT INTO person (person_id, phone) SELECT id FROM hr.public.people");
    assert!(!Scene::new(&fields, &[SIS, broken]).told().contains("no mapping"));
}

#[test]
fn an_entity_that_nothing_writes_is_told_once() {
    insta::assert_snapshot!(Scene::new(EMAIL, &[]).told());
}

#[test]
fn a_disagreement_that_nothing_decides_is_told() {
    insta::assert_snapshot!(Scene::new(EMAIL, &[SIS, HR]).told());
    let asked = format!("{EMAIL}policy = \"ask\"\n");
    assert_eq!(Scene::new(&asked, &[SIS, HR]).told(), "", "that is what was wanted");
}

#[test]
fn a_system_that_would_count_what_is_written_to_it_is_told() {
    let back =
        ("to_hr", "INSERT INTO hr.public.people (id, email) SELECT person_id, email FROM person");
    let all = format!("{EMAIL}policy = \"all\"\n");
    let told = Scene::new(&all, &[SIS, HR, back]).told();
    let expected = "person.email is all claims, and hr is written what it counts";
    assert!(told.contains(expected), "{told}");
    let newest = format!("{EMAIL}policy = \"newest\"\nprefer = [\"hr\", \"sis\"]\n");
    let scene = Scene::new(&newest, &[SIS, HR, back]);
    assert!(!scene.told().contains("what it counts"), "two ways");
    let returned: Vec<_> = scene.rules().mappings.into_iter().map(|it| it.returned).collect();
    assert_eq!(returned, [Some(vec![0, 1]), None], "hr is written, and sis is not");
}

#[test]
fn the_rules_name_the_mappings_and_the_clocks_of_their_systems() {
    let fields = format!("{EMAIL}prefer = [\"hr\", \"sis\"]\n\n{ADDRESS}");
    let rules = Scene::new(&fields, &[SIS, HR, CRM_ADDRESS]).rules();
    let mappings: Vec<_> = rules
        .mappings
        .iter()
        .map(|it| (it.name.as_str(), it.system.as_str(), it.columns.as_slice()))
        .collect();
    assert_eq!(
        mappings,
        [
            ("person/from_crm.sql", "crm", &[0, 2, 3, 4][..]),
            ("person/from_hr.sql", "hr", &[0, 1][..]),
            ("person/from_sis.sql", "sis", &[0, 1][..]),
        ]
    );
    let units: Vec<_> =
        rules.units.iter().map(|it| (it.name.as_str(), it.columns.as_slice())).collect();
    assert_eq!(units, [("email", &[1][..]), ("address", &[2, 3, 4][..])]);
    assert_eq!(rules.units[0].policy, Policy::Prefer(systems(&["hr", "sis"])));
    assert_eq!(rules.existence, Existence::Any);
    let clocks: Vec<_> = rules.uncertainty.iter().map(|(s, by)| (s.as_str(), *by)).collect();
    assert_eq!(clocks, [("hr", 500_000)], "lms says nothing of persons");
    assert_eq!(rules.uncertainty_of(&SystemName::new("sis")), EntityRules::UNCERTAINTY);
}

#[test]
fn an_uncertainty_without_a_unit_is_told() {
    let scene = Scene::new(EMAIL, &[SIS]);
    scene.write("syncline.toml", &SETTINGS.replace("\"500ms\"", "500"));
    insta::assert_snapshot!(scene.refused());
}
