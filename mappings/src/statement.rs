//! From the text of a file to the one statement it holds, and no more than a mapping may say.
//!
//! ```text
//! INSERT INTO target (column, …)
//! [WITH name AS (query), …]
//! SELECT item, … FROM source | (query) [alias] [WHERE condition]
//! ```
//! Everything else is refused here, each clause at its place.

use crate::diagnostic::Report;
use crate::text::Text;
use datafusion::sql::sqlparser::ast::{
    self, Distinct, GroupByExpr, Ident, ObjectName, Query as AstQuery, Select as AstSelect,
    SelectItem, SetExpr, Spanned, Statement as AstStatement, TableFactor, TableObject,
};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Location, Span};

const ROW_BY_ROW: &str = "a mapping reads one table row by row";

/// A mapping's statement.
#[derive(Debug)]
pub(crate) struct Statement {
    pub(crate) target: Name,
    pub(crate) columns: Vec<Part>,
    pub(crate) query: Query,
}

/// A name in parts, such as `sis.public.students`.
#[derive(Debug, Clone)]
pub(crate) struct Name {
    pub(crate) parts: Vec<Part>,
    pub(crate) span: Span,
}

/// One identifier, folded to lower case unless it was quoted.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) span: Span,
}

/// A `SELECT` over one source.
#[derive(Debug)]
pub(crate) struct Query {
    pub(crate) items: Vec<Item>,
    /// Whether every item could be read.
    pub(crate) is_complete: bool,
    pub(crate) condition: Option<Condition>,
    pub(crate) from: From,
    pub(crate) alias: Option<String>,
}

/// What a `SELECT` reads.
#[derive(Debug)]
pub(crate) enum From {
    Table(Name),
    Query(Box<Query>),
}

/// One item of a `SELECT` list.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) expr: ast::Expr,
    pub(crate) alias: Option<Part>,
    pub(crate) span: Span,
    /// The SQL as written, without the alias.
    pub(crate) text: String,
}

/// A `WHERE` condition.
#[derive(Debug)]
pub(crate) struct Condition {
    pub(crate) expr: ast::Expr,
    pub(crate) span: Span,
    pub(crate) text: String,
}

/// Reads the statement of a file; what is wrong with it goes to the report.
pub(crate) fn read(sql: &str, report: &mut Report<'_>) -> Option<Statement> {
    let dialect = PostgreSqlDialect {};
    let parsed = Parser::new(&dialect).try_with_sql(sql).and_then(|mut p| p.parse_statements());
    let mut statements = match parsed {
        Ok(statements) => statements,
        Err(error) => return refuse_syntax(&error, "statement", report),
    };
    if statements.len() > 1 {
        let span = statements.get(1).map_or(Span::empty(), Spanned::span);
        report
            .error(span, "a file holds one statement")
            .hint("put each statement into its own file");
        return None;
    }
    match statements.pop() {
        Some(AstStatement::Insert(insert)) => read_insert(insert, report),
        _ => {
            report
                .error(report.text().whole(), "a mapping is one INSERT INTO … SELECT … statement")
                .hint("write INSERT INTO target (columns) SELECT … FROM source");
            None
        }
    }
}

/// The statement as its parts are, whatever the layout of the text; the text itself where it is none.
pub(crate) fn laid_out(sql: &str) -> String {
    let parsed = Parser::parse_sql(&PostgreSqlDialect {}, sql);
    parsed.map_or_else(
        |_| sql.to_owned(),
        |statements| statements.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
    )
}

impl Part {
    fn of(ident: &Ident) -> Self {
        let name = match ident.quote_style {
            Some(_) => ident.value.clone(),
            None => ident.value.to_lowercase(),
        };
        Self { name, span: ident.span }
    }
}

impl Name {
    fn of(name: &ObjectName) -> Self {
        let parts: Vec<Part> =
            name.0.iter().filter_map(|part| part.as_ident()).map(Part::of).collect();
        let span = Span::union_iter(parts.iter().map(|part| part.span));
        Self { parts, span }
    }

    pub(crate) fn text(&self) -> String {
        self.parts.iter().map(|part| part.name.as_str()).collect::<Vec<_>>().join(".")
    }
}

/// Says what the parser found. It ends its messages with the place, in words.
pub(crate) fn refuse_syntax<T>(
    error: &ParserError,
    what: &str,
    report: &mut Report<'_>,
) -> Option<T> {
    let said = match error {
        ParserError::ParserError(said) | ParserError::TokenizerError(said) => said.clone(),
        ParserError::RecursionLimitExceeded => format!("the {what} is nested too deeply"),
    };
    let (said, place) = match said.rsplit_once(" at Line: ") {
        Some((said, place)) => (said.to_owned(), read_place(place)),
        None => (said, None),
    };
    let span = place.map_or_else(|| report.text().end(), |at| Span::new(at, at));
    let found = report.error(report.text().token_at(span), format!("syntax error: {said}"));
    if said.contains("found: EOF") {
        found.hint(format!("the {what} ends too early"));
    }
    None
}

fn read_place(place: &str) -> Option<Location> {
    let (line, column) = place.split_once(", Column: ")?;
    Some(Location::new(line.trim().parse().ok()?, column.trim().parse().ok()?))
}

fn read_insert(insert: ast::Insert, report: &mut Report<'_>) -> Option<Statement> {
    refuse_insert_clauses(&insert, report);
    let TableObject::TableName(table) = &insert.table else {
        report.error(insert.table.span(), "a mapping writes a table or an entity");
        return None;
    };
    let target = Name::of(table);
    let columns: Vec<Part> = insert
        .columns
        .iter()
        .filter_map(|column| column.0.last().and_then(|part| part.as_ident()))
        .map(Part::of)
        .collect();
    if columns.is_empty() {
        report
            .error(target.span, "the target's columns are not named")
            .hint(format!("write INSERT INTO {} (column, …) SELECT …", target.text()));
    }
    let Some(source) = insert.source else {
        report.error(target.span, "the statement has no SELECT");
        return None;
    };
    let query = read_query(*source, &mut Vec::new(), report)?;
    Some(Statement { target, columns, query })
}

fn refuse_insert_clauses(insert: &ast::Insert, report: &mut Report<'_>) {
    let unsupported = [
        (insert.on.is_some(), Keyword::ON, "ON CONFLICT"),
        (insert.returning.is_some(), Keyword::RETURNING, "RETURNING"),
        (insert.table_alias.is_some(), Keyword::AS, "an alias of the target"),
        (insert.overwrite, Keyword::OVERWRITE, "OVERWRITE"),
    ];
    for (is_there, word, name) in unsupported {
        if is_there {
            let span = report.text().word(word).unwrap_or_else(|| report.text().whole());
            report.error(span, format!("{name} has no place in a mapping")).hint(
                "rows are written by the target's key: new ones inserted, known ones updated",
            );
        }
    }
}

/// `named` are the common tables that may be read here; each can be read once.
fn read_query(query: AstQuery, named: &mut Named, report: &mut Report<'_>) -> Option<Query> {
    refuse_query_clauses(&query, report);
    let outer = named.len();
    if let Some(with) = query.with {
        if with.recursive {
            refuse_clause(report, Keyword::RECURSIVE, "recursive queries are");
        }
        for table in with.cte_tables {
            let name = read_alias(&table.alias, report);
            let query = read_query(*table.query, named, report);
            named.push((name, query));
        }
    }
    let query = read_body(*query.body, named, report);
    for (name, _) in named.drain(outer.min(named.len())..) {
        report.error(name.span, format!("nothing reads \"{}\"", name.name));
    }
    query
}

type Named = Vec<(Part, Option<Query>)>;

fn read_body(body: SetExpr, named: &mut Named, report: &mut Report<'_>) -> Option<Query> {
    match body {
        SetExpr::Select(select) => read_select(*select, named, report),
        SetExpr::Query(query) => read_query(*query, named, report),
        SetExpr::SetOperation { op, .. } => {
            let word = match op {
                ast::SetOperator::Union => Keyword::UNION,
                ast::SetOperator::Except | ast::SetOperator::Minus => Keyword::EXCEPT,
                ast::SetOperator::Intersect => Keyword::INTERSECT,
            };
            refuse_clause(report, word, &format!("{op} queries are"))
                .hint("write one mapping for each SELECT");
            None
        }
        SetExpr::Values(values) => {
            let span = values
                .rows
                .first()
                .map_or(Span::empty(), |row| Span::union_iter(row.iter().map(Spanned::span)));
            report.error(span, "the mapping reads no table").hint("add FROM and a source table");
            None
        }
        other => {
            report.error(other.span(), "this query has no place in a mapping");
            None
        }
    }
}

fn refuse_query_clauses(query: &AstQuery, report: &mut Report<'_>) {
    let clauses = [
        (query.order_by.is_some(), Keyword::ORDER, "ORDER BY is"),
        (query.limit_clause.is_some(), Keyword::LIMIT, "LIMIT and OFFSET are"),
        (query.fetch.is_some(), Keyword::FETCH, "FETCH is"),
        (!query.locks.is_empty(), Keyword::FOR, "FOR UPDATE is"),
        (query.for_clause.is_some(), Keyword::FOR, "FOR is"),
    ];
    refuse_clauses(&clauses, report);
}

fn refuse_select_clauses(select: &AstSelect, report: &mut Report<'_>) {
    let grouped = match &select.group_by {
        GroupByExpr::All(_) => true,
        GroupByExpr::Expressions(by, modifiers) => !by.is_empty() || !modifiers.is_empty(),
    };
    let distinct = matches!(&select.distinct, Some(Distinct::Distinct | Distinct::On(_)));
    let clauses = [
        (distinct, Keyword::DISTINCT, "DISTINCT is"),
        (select.into.is_some(), Keyword::INTO, "SELECT INTO is"),
        (select.top.is_some(), Keyword::TOP, "TOP is"),
        (grouped, Keyword::GROUP, "GROUP BY is"),
        (select.having.is_some(), Keyword::HAVING, "HAVING is"),
        (!select.named_window.is_empty(), Keyword::WINDOW, "WINDOW is"),
        (select.qualify.is_some(), Keyword::QUALIFY, "QUALIFY is"),
        (!select.lateral_views.is_empty(), Keyword::LATERAL, "LATERAL VIEW is"),
        (!select.connect_by.is_empty(), Keyword::CONNECT, "CONNECT BY is"),
    ];
    refuse_clauses(&clauses, report);
}

fn refuse_clauses(clauses: &[(bool, Keyword, &str)], report: &mut Report<'_>) {
    for (is_there, word, name) in clauses {
        if *is_there {
            refuse_clause(report, *word, name);
        }
    }
}

fn refuse_clause<'r>(
    report: &'r mut Report<'_>,
    word: Keyword,
    name: &str,
) -> &'r mut crate::Diagnostic {
    let text: &Text = report.text();
    let span = text.word_anywhere(word).unwrap_or_else(|| text.whole());
    report.error(span, format!("{name} not supported yet: {ROW_BY_ROW}"))
}

fn read_select(mut select: AstSelect, named: &mut Named, report: &mut Report<'_>) -> Option<Query> {
    refuse_select_clauses(&select, report);
    let (spans, condition_span) = report.text().select_parts(select.select_token.0.span);
    let (from, alias) = read_from(&mut select, named, report)?;
    let condition = select.selection.map(|expr| {
        let span = condition_span.unwrap_or_else(|| report.text().heal(expr.span()));
        Condition { text: quote(&expr, span, report.text()), span, expr }
    });
    let mut items = Vec::new();
    let count = select.projection.len();
    for (place, item) in select.projection.into_iter().enumerate() {
        let span = spans.get(place).copied().unwrap_or_else(|| item.span());
        items.extend(read_item(item, span, report));
    }
    Some(Query { is_complete: items.len() == count, items, condition, from, alias })
}

fn read_item(item: SelectItem, whole: Span, report: &mut Report<'_>) -> Option<Item> {
    let (expr, alias) = match item {
        SelectItem::UnnamedExpr(expr) => (expr, None),
        SelectItem::ExprWithAlias { expr, alias } => (expr, Some(Part::of(&alias))),
        SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..) => {
            report
                .error(whole, "* is not supported: a column added later would shift the others")
                .hint("name the columns");
            return None;
        }
        SelectItem::ExprWithAliases { .. } => {
            report.error(whole, "an item has one name");
            return None;
        }
    };
    let span = match &alias {
        None => whole,
        Some(_) => report.text().heal(Span::new(whole.start, expr.span().end)),
    };
    Some(Item { text: quote(&expr, span, report.text()), expr, alias, span })
}

/// The SQL as written; where the span turns out not to be exactly the expression, as the parser
/// would write it.
fn quote(expr: &ast::Expr, span: Span, text: &Text) -> String {
    let reads_back = |slice: &String| {
        Parser::new(&PostgreSqlDialect {})
            .try_with_sql(slice)
            .and_then(|mut parser| parser.parse_expr())
            .is_ok_and(|read| read.to_string() == expr.to_string())
    };
    text.slice(span).filter(reads_back).unwrap_or_else(|| expr.to_string())
}

fn read_from(
    select: &mut AstSelect,
    named: &mut Named,
    report: &mut Report<'_>,
) -> Option<(From, Option<String>)> {
    let tables = std::mem::take(&mut select.from);
    let joined = tables.iter().find_map(|table| table.joins.first());
    if joined.is_some() || tables.len() > 1 {
        let span = match joined {
            Some(_) => report.text().word_anywhere(Keyword::JOIN),
            None => tables.get(1).map(Spanned::span),
        };
        let span = span.unwrap_or_else(|| report.text().whole());
        report.error(span, format!("joins are not supported yet: {ROW_BY_ROW}"));
        return None;
    }
    let Some(table) = tables.into_iter().next() else {
        let span = select.select_token.0.span;
        report.error(span, "the mapping reads no table").hint("add FROM and a source table");
        return None;
    };
    read_factor(table.relation, named, report)
}

fn read_factor(
    factor: TableFactor,
    named: &mut Named,
    report: &mut Report<'_>,
) -> Option<(From, Option<String>)> {
    match factor {
        TableFactor::Table {
            name,
            alias,
            args: None,
            sample: None,
            with_ordinality: false,
            ..
        } => {
            let alias = alias.map(|alias| read_alias(&alias, report).name);
            let name = Name::of(&name);
            let common = match name.parts.as_slice() {
                [part] => named.iter().position(|(known, _)| known.name == part.name),
                _ => None,
            };
            let Some(common) = common else { return Some((From::Table(name), alias)) };
            let (known, query) = named.remove(common);
            Some((From::Query(Box::new(query?)), alias.or(Some(known.name))))
        }
        TableFactor::Derived { lateral: false, subquery, alias, sample: None } => {
            let alias = alias.map(|alias| read_alias(&alias, report).name);
            let query = read_query(*subquery, named, report)?;
            Some((From::Query(Box::new(query)), alias))
        }
        other => {
            report
                .error(other.span(), "a mapping reads a table or an entity, nothing else")
                .hint("write FROM system.schema.table or FROM entity");
            None
        }
    }
}

/// The name that a table or query goes by. New names for its columns are refused: they would be
/// given by order alone.
fn read_alias(alias: &ast::TableAlias, report: &mut Report<'_>) -> Part {
    if let Some(column) = alias.columns.first() {
        let name = Part::of(&alias.name).name;
        report
            .error(column.name.span, format!("\"{name}\" gives its columns other names"))
            .detail("names that are given by order are easily swapped")
            .hint("name each where it is selected: SELECT expression AS name");
    }
    Part::of(&alias.name)
}

#[cfg(test)]
mod tests {
    use super::laid_out;

    #[test]
    fn the_layout_of_a_statement_counts_for_nothing_and_its_words_do() {
        let plain = laid_out("INSERT INTO t (a) SELECT b FROM s WHERE c = 'x  y'");
        let same = "-- why\ninsert into t (a)\n  SELECT b /* here */\n  FROM s WHERE c = 'x  y';\n";
        assert_eq!(laid_out(same), plain);
        assert_ne!(laid_out("INSERT INTO t (a) SELECT b FROM s WHERE c = 'x y'"), plain);
        assert_ne!(laid_out("INSERT INTO t (a) SELECT b + 1 FROM s WHERE c = 'x  y'"), plain);
    }
}
