//! Which functions a mapping may call. A list of what is known to mean the same as in PostgreSQL;
//! everything else is refused by name.

use super::convert::{arrow, exact, finite, real};
use super::kinds::constant_text;
use super::known::FUNCTIONS;
use super::numbers::{whole_numeric, with_room};
use super::pattern;
use super::translate::Translator;
use super::typed::{Typed, Within};
use crate::exact::Exact;
use crate::names;
use crate::sql_type::{self, Family, Kind};
use arrow_schema::{DataType, Field, FieldRef, TimeUnit};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::ScalarUDF;
use datafusion::logical_expr::type_coercion::functions::fields_with_udf;
use datafusion::physical_expr::ScalarFunctionExpr;
use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Spanned,
};
use datafusion::sql::sqlparser::tokenizer::Span;
use std::sync::Arc;

/// Functions that give another value each time, or depend on more than their arguments.
const CHANGING: &[&str] = &[
    "clock_timestamp",
    "current_setting",
    "current_user",
    "gen_random_uuid",
    "lastval",
    "nextval",
    "pg_current_wal_lsn",
    "random",
    "session_user",
    "timeofday",
    "txid_current",
    "user",
    "uuid",
    "uuid_generate_v4",
    "uuidv4",
    "uuidv7",
    "version",
];

/// Functions over several rows.
const OVER_ROWS: &[&str] = &[
    "array_agg",
    "avg",
    "bool_and",
    "bool_or",
    "count",
    "every",
    "first_value",
    "json_agg",
    "jsonb_agg",
    "lag",
    "last_value",
    "lead",
    "max",
    "min",
    "ntile",
    "rank",
    "dense_rank",
    "row_number",
    "stddev",
    "string_agg",
    "sum",
    "variance",
];

/// Functions that can give NULL for arguments that are not.
const MAY_BE_NULL: &[&str] = &["nullif", "regexp_like"];

/// Functions that `citext` has in a form of its own, blind to case.
const BLIND_TO_CASE: &[&str] = &["regexp_replace", "replace", "split_part", "strpos", "translate"];

/// Functions whose text is never longer than their first argument.
const NO_LONGER: &[&str] =
    &["btrim", "initcap", "left", "lower", "ltrim", "reverse", "right", "rtrim", "substr", "upper"];

/// Functions that give one of their arguments back, infinite or not.
const CHOOSING: &[&str] = &["greatest", "least", "nullif"];

impl Translator<'_, '_, '_> {
    pub(super) fn function(&mut self, function: &Function, span: Span) -> Option<Typed> {
        let name = function.name.to_string().to_lowercase();
        let place = function.name.span();
        let windowed = function.over.is_some() || !function.within_group.is_empty();
        if windowed || function.filter.is_some() || OVER_ROWS.contains(&name.as_str()) {
            let kind = if windowed { "window functions" } else { "aggregates" };
            let reads = self.context.within.reads();
            let message = format!("{kind} such as {name} are not supported yet: {reads}");
            self.report.error(place, message);
            return None;
        }
        if let Some(time) = self.time_word(&name) {
            return self.unless_changing(time, &name, place);
        }
        if name == "mod" || !self.is_known(&name) {
            return self.other_function(&name, function, place, span);
        }
        let arguments = self.arguments(function, span)?;
        self.call(&name, arguments, span)
    }

    fn is_known(&self, name: &str) -> bool {
        FUNCTIONS.iter().any(|(known, _)| *known == name)
    }

    fn other_function(
        &mut self,
        name: &str,
        function: &Function,
        place: Span,
        span: Span,
    ) -> Option<Typed> {
        if name == "mod" {
            let arguments = self.arguments(function, span)?;
            let [left, right] = arguments.try_into().map_or_else(
                |arguments: Vec<Typed>| {
                    self.refuse_arguments("mod", &arguments, span);
                    None
                },
                Some,
            )?;
            let op = datafusion::sql::sqlparser::ast::BinaryOperator::Modulo;
            return self.binary(left, &op, right, span);
        }
        // What is wrong within the call is worth knowing too.
        let _ = self.arguments(function, span);
        if CHANGING.contains(&name) {
            self.refuse_changing(name, place);
            return None;
        }
        let found = self.report.error(place, format!("unknown function \"{name}\""));
        if let Some(meant) = names::nearest(name, FUNCTIONS.iter().map(|(known, _)| *known)) {
            found.hint(format!("did you mean \"{meant}\"?"));
        } else {
            found.hint("docs/mappings.md lists the functions that a mapping may call");
        }
        None
    }

    /// The commit time, which a policy has none of.
    pub(super) fn unless_changing(
        &mut self,
        time: Typed,
        name: &str,
        place: Span,
    ) -> Option<Typed> {
        if self.context.within == Within::Mapping {
            return Some(time);
        }
        self.refuse_changing(name, place);
        None
    }

    fn refuse_changing(&mut self, name: &str, place: Span) {
        let found = self.report.error(place, format!("function {name} is not immutable"));
        match self.context.within {
            Within::Mapping => found
                .detail("the same change must always give the same row, whenever it is run again")
                .hint("now() is allowed: it is the commit time of the row's transaction"),
            Within::Policy { .. } => {
                found.detail("the same claims must always come to the same value, whenever that is")
            }
        };
    }

    fn arguments(&mut self, function: &Function, span: Span) -> Option<Vec<Typed>> {
        let FunctionArguments::List(list) = &function.args else { return Some(Vec::new()) };
        if list.duplicate_treatment.is_some() || !list.clauses.is_empty() {
            self.report.error(span, "a function's arguments are plain values here");
            return None;
        }
        let exprs: Option<Vec<&Expr>> = list
            .args
            .iter()
            .map(|argument| match argument {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
                _ => None,
            })
            .collect();
        let Some(exprs) = exprs else {
            self.report.error(span, "a function's arguments are plain values here");
            return None;
        };
        self.operands(exprs)
    }

    /// A call of a known function, its arguments converted as PostgreSQL would.
    pub(super) fn call(&mut self, name: &str, args: Vec<Typed>, span: Span) -> Option<Typed> {
        let called = FUNCTIONS.iter().find(|(known, _)| *known == name).map_or(name, |(_, to)| to);
        let args = self.as_floats(name, args, span)?;
        if BLIND_TO_CASE.contains(&name) && args.iter().any(|arg| arg.kind == Kind::Citext) {
            self.report
                .error(span, format!("{name} of a citext is not supported here"))
                .hint("cast it to text: …::text, or lower it: lower(…)");
            return None;
        }
        match (name, args.as_slice()) {
            ("coalesce", [_, ..]) => return self.coalesce(args, span),
            ("nullif", [_, _]) => return self.nullif(args, span),
            ("greatest" | "least", [_, _, ..]) => return self.extreme(called, args, span),
            ("concat" | "concat_ws", _) => return self.joined(called, args, span),
            ("octet_length", _) => {
                self.refuse_padded(name, &args.iter().collect::<Vec<_>>(), span)?
            }
            ("regexp_like", [_, _, ..]) | ("regexp_replace", [_, _, _, ..]) => {
                return self.regexp(called, args, span);
            }
            ("encode" | "decode", [_, format])
                if constant_text(format)
                    .is_none_or(|format| !format.eq_ignore_ascii_case("hex")) =>
            {
                self.report.error(span, format!("{name} knows 'hex' here, and no other format"));
                return None;
            }
            ("ceil" | "ceiling" | "floor" | "trunc", [only]) => {
                let whole = whole_numeric(&only.data_type);
                let args = args.into_iter().map(with_room).collect();
                let typed = self.invoke(called, args, span)?;
                return match whole {
                    Some(whole) => self.convert(typed, &whole, span),
                    None => Some(typed),
                };
            }
            ("round", [only]) if Family::of(&only.data_type) == Family::Float => {
                let float = only.data_type.clone();
                return args.into_iter().next().map(|only| exact(only, Exact::RoundEven, &float));
            }
            ("round", [first, _]) if Family::of(&first.data_type) != Family::Float => {
                return self.round_to(args, span);
            }
            ("round" | "trunc", [first, _]) if Family::of(&first.data_type) == Family::Float => {
                self.report
                    .error(span, format!("{name} to a number of digits needs a numeric"))
                    .hint("cast the number first: x::numeric(20,6)");
                return None;
            }
            ("to_hex", [only]) if matches!(only.data_type, DataType::Int32 | DataType::Int64) => {
                let only = args.into_iter().next()?;
                return Some(exact(only, Exact::Hex, &DataType::Utf8).of_kind(Kind::Limited(16)));
            }
            ("to_hex", _) | ("log", [_, _]) => return self.refuse_arguments(name, &args, span),
            ("log", [only]) if Family::of(&only.data_type) == Family::Float => {
                let float = only.data_type.clone();
                let only = args.into_iter().next()?;
                return Some(real(exact(only, Exact::Log10, &float)));
            }
            ("decode", [_, _]) => return self.decode(args, span),
            ("date_part", [_, _]) => return self.part_of("date_part", args, span),
            ("date_trunc", [_, _]) => return self.date_trunc(args, span),
            _ => {}
        }
        let longest = args.first().filter(|_| NO_LONGER.contains(&called));
        let longest = longest.and_then(|text| self.length_limit(text));
        let cut = match (called, args.as_slice()) {
            ("left" | "right", [_, length]) | ("substr", [_, _, length]) => constant_length(length),
            _ => None,
        };
        let limit = longest.into_iter().chain(cut).min();
        let typed = self.invoke(called, args, span)?;
        Some(match limit.filter(|_| typed.data_type == DataType::Utf8) {
            Some(limit) => typed.of_kind(Kind::Limited(limit)),
            None => typed,
        })
    }

    /// `concat` and `concat_ws`, which write values as they are sent: booleans are `t` and `f`.
    fn joined(&mut self, called: &str, args: Vec<Typed>, span: Span) -> Option<Typed> {
        self.refuse_padded(called, &args.iter().collect::<Vec<_>>(), span)?;
        let zone = self.context.zone.clone();
        let texts: Vec<Option<Typed>> = args
            .into_iter()
            .map(|arg| match arg.data_type {
                DataType::Boolean => Some(exact(arg, Exact::Output(zone.clone()), &DataType::Utf8)),
                _ => self.convert(arg, &DataType::Utf8, span),
            })
            .collect();
        let texts = texts.into_iter().collect::<Option<Vec<_>>>()?;
        self.invoke(called, texts, span)
    }

    /// `regexp_like` and `regexp_replace`, with PostgreSQL's patterns.
    fn regexp(&mut self, called: &str, args: Vec<Typed>, span: Span) -> Option<Typed> {
        let replaces = called == "regexp_replace";
        let mut args = args.into_iter();
        let (text, pattern) = (args.next()?, args.next()?);
        let read = constant_text(&pattern).and_then(|text| pattern::translate(&text).ok());
        let mut passed = vec![text, self.pattern(pattern, span)?];
        if replaces {
            passed.push(self.replacement(args.next()?, span)?);
        }
        if let Some(flags) = args.next() {
            let known = if replaces { "gi" } else { "i" };
            let is_known = |flags: &str| flags.chars().all(|flag| known.contains(flag));
            if !constant_text(&flags).is_some_and(|flags| is_known(&flags)) {
                self.report.error(span, format!("{called} knows the flags '{known}' here"));
                return None;
            }
            passed.push(flags);
        }
        if let Some(pattern) = read.filter(|_| replaces) {
            let everywhere = passed.get(3).and_then(constant_text);
            let everywhere = everywhere.is_some_and(|flags| flags.contains('g'));
            if !pattern.finds_the_same || (everywhere && pattern.can_be_empty()) {
                self.report
                    .error(span, "what this pattern finds may differ from PostgreSQL's choice")
                    .detail("PostgreSQL takes the longest match, and an empty one beside another")
                    .hint("replace in several steps, each with a simple pattern");
                return None;
            }
        }
        if args.next().is_some() {
            return self.refuse_arguments(called, &passed, span);
        }
        self.invoke(called, passed, span)
    }

    fn replacement(&mut self, text: Typed, span: Span) -> Option<Typed> {
        let Some(written) = constant_text(&text) else {
            self.report.error(span, "a replacement is written in the statement, as a text");
            return None;
        };
        match pattern::replacement(&written) {
            Ok(text) => Some(Typed::constant(ScalarValue::Utf8(Some(text)), false)),
            Err(why) => {
                self.report.error(span, why);
                None
            }
        }
    }

    /// Bytes from their text form, which DataFusion takes as bytes itself.
    fn decode(&mut self, args: Vec<Typed>, span: Span) -> Option<Typed> {
        let mut args = args.into_iter();
        let (text, format) = (args.next()?, args.next()?);
        if Family::of(&text.data_type) != Family::Text {
            return self.refuse_arguments("decode", &[text, format], span);
        }
        self.invoke("decode", vec![arrow(text, &DataType::Binary), format], span)
    }

    /// Calls DataFusion's function, converting arguments only where nothing is lost.
    pub(super) fn invoke(&mut self, name: &str, args: Vec<Typed>, span: Span) -> Option<Typed> {
        let Some(function) = self.context.functions.get(name).cloned() else {
            self.report.error(span, format!("unknown function \"{name}\""));
            return None;
        };
        let args: Vec<Typed> = args.into_iter().map(finite).collect();
        let fields: Vec<FieldRef> = args.iter().map(field).collect();
        let wanted = match fields_with_udf(&fields, function.as_ref()) {
            Ok(wanted) => wanted,
            Err(_) => return self.refuse_arguments(name, &args, span),
        };
        let mut passed = Vec::with_capacity(args.len());
        for (arg, wanted) in args.iter().zip(&wanted) {
            let Some(arg) = self.pass(arg.clone(), wanted.data_type(), span) else {
                return self.refuse_arguments(name, &args, span);
            };
            passed.push(arg);
        }
        self.apply(&function, &passed, span)
    }

    fn pass(&mut self, arg: Typed, wanted: &DataType, span: Span) -> Option<Typed> {
        if arg.data_type == *wanted {
            return Some(arg);
        }
        let to = canonical(wanted).unwrap_or_else(|| wanted.clone());
        let widens = match (Family::of(&arg.data_type), Family::of(&to)) {
            _ if arg.is_untyped() => true,
            (Family::Integer, Family::Float | Family::Decimal) => true,
            (from, to) => from == to,
        };
        if !widens {
            return None;
        }
        let arg =
            if Family::of(&to) == Family::Other { arg } else { self.convert(arg, &to, span)? };
        Some(if arg.data_type == *wanted { arg } else { arrow(arg, wanted) })
    }

    pub(super) fn apply(
        &mut self,
        function: &Arc<ScalarUDF>,
        args: &[Typed],
        span: Span,
    ) -> Option<Typed> {
        let exprs = args.iter().map(|arg| arg.expr.clone()).collect();
        let config = self.context.config.clone();
        let called =
            ScalarFunctionExpr::try_new(function.clone(), exprs, &self.context.schema, config);
        let called = match called {
            Ok(called) => called,
            Err(error) => return self.refuse(&error, span),
        };
        let returns = called.return_type().clone();
        let parts: Vec<&Typed> = args.iter().collect();
        let nullable = match function.name() {
            "greatest" | "least" => args.iter().all(|arg| arg.nullable),
            "concat" => false,
            name => MAY_BE_NULL.contains(&name) || args.iter().any(|arg| arg.nullable),
        };
        let typed = Typed::over(Arc::new(called), returns.clone(), &parts).nullable(nullable);
        let Some(to) = canonical(&returns) else {
            let name = function.name();
            self.report.error(span, format!("{name} gives {returns}, which has no place here"));
            return None;
        };
        let typed = if to == returns { typed } else { arrow(typed, &to) };
        Some(if CHOOSING.contains(&function.name()) { typed } else { real(typed) })
    }

    pub(super) fn refuse_arguments(
        &mut self,
        name: &str,
        args: &[Typed],
        span: Span,
    ) -> Option<Typed> {
        let types: Vec<String> = args.iter().map(Typed::type_name).collect();
        self.report
            .error(span, format!("there is no function {name}({})", types.join(", ")))
            .hint("check the number of arguments, or cast them");
        None
    }
}

/// A number of characters that is written in the statement.
fn constant_length(typed: &Typed) -> Option<usize> {
    match typed.value()? {
        ScalarValue::Int32(Some(length)) => usize::try_from(*length).ok(),
        ScalarValue::Int64(Some(length)) => usize::try_from(*length).ok(),
        _ => None,
    }
}

fn field(typed: &Typed) -> FieldRef {
    Arc::new(Field::new("", typed.data_type.clone(), true))
}

/// The type of design §5 for what DataFusion's functions return; `None` where there is none.
fn canonical(data_type: &DataType) -> Option<DataType> {
    Some(match data_type {
        DataType::Utf8View | DataType::LargeUtf8 => DataType::Utf8,
        DataType::BinaryView | DataType::LargeBinary => DataType::Binary,
        DataType::Int8 | DataType::UInt8 => DataType::Int16,
        DataType::UInt16 => DataType::Int32,
        DataType::UInt32 | DataType::UInt64 => DataType::Int64,
        DataType::Timestamp(_, None) => sql_type::NAIVE,
        DataType::Timestamp(_, Some(_)) => sql_type::aware(),
        DataType::Time64(_) => DataType::Time64(TimeUnit::Microsecond),
        DataType::Date64 => DataType::Date32,
        DataType::List(_) => return None,
        other if Family::of(other) == Family::Other => return None,
        other => other.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_function_is_one_that_datafusion_has() {
        let library: BTreeSet<String> = datafusion::functions::all_default_functions()
            .iter()
            .map(|function| function.name().to_owned())
            .collect();
        for (known, called) in FUNCTIONS {
            // COALESCE is written as CASE.
            assert!(library.contains(*called) || *known == "coalesce", "{known} calls {called}");
        }
    }

    #[test]
    fn the_documentation_lists_every_function_and_no_other() {
        let documentation = include_str!("../../../docs/mappings.md");
        let list = documentation.split("<!-- functions -->").nth(1).expect("the list is marked");
        let listed: BTreeSet<&str> = list.split('`').skip(1).step_by(2).collect();
        let mut known: BTreeSet<&str> = FUNCTIONS.iter().map(|(known, _)| *known).collect();
        known.extend(["mod", "now", "current_date", "current_timestamp", "localtimestamp"]);
        assert_eq!(listed, known);
    }
}
