//! A text that is a value of a file, and where its parts stand in that.

use super::document::Section;
use crate::problem::Place;
use std::ops::Range;

/// A text with its place.
#[derive(Debug, Clone)]
pub(super) struct Written {
    /// The text.
    pub(super) text: String,
    file: String,
    /// The text of the file, and where in it the value is.
    around: String,
    span: Range<usize>,
}

impl Written {
    /// A value of a section.
    pub(super) fn new(text: String, span: Range<usize>, section: &Section<'_>) -> Self {
        let (file, around) = section.source();
        Self { text, file: file.to_owned(), around: around.to_owned(), span }
    }

    /// The place of the whole.
    pub(super) fn whole(&self) -> Place {
        Place::of_span(&self.file, &self.around, self.span.clone())
    }

    /// The place of so many characters from a line and a column of the text, both from 1. That of the
    /// whole where the file writes the text in another way, with escapes.
    pub(super) fn place(&self, line: u32, column: u32, length: u32) -> Place {
        let around = self.around.get(self.span.clone()).unwrap_or_default();
        let place = around.find(&self.text).zip(self.offset(line, column));
        let Some((from, offset)) = place else { return self.whole() };
        let start = self.span.start + from + offset;
        let characters = self.around.get(start..).unwrap_or_default().chars();
        let bytes: usize = characters.take(length as usize).map(char::len_utf8).sum();
        Place::of_span(&self.file, &self.around, start..start + bytes)
    }

    /// How many bytes there are before a place.
    fn offset(&self, line: u32, column: u32) -> Option<usize> {
        let before = (line as usize).checked_sub(1)?;
        let lines: usize = self.text.split_inclusive('\n').take(before).map(str::len).sum();
        let characters = self.text.get(lines..)?.chars().take((column as usize).checked_sub(1)?);
        Some(lines + characters.map(char::len_utf8).sum::<usize>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(around: &str, text: &str) -> Written {
        let span = around.find('"').unwrap()..around.len();
        Written { text: text.into(), file: "f".into(), around: around.into(), span }
    }

    #[test]
    fn a_part_stands_where_the_file_has_it() {
        let place = written("é = \"añb cd\"", "añb cd").place(1, 5, 2);
        assert_eq!((place.line, place.column, place.length), (1, 10, 2));
        let place = written("x = \"\"\"\nab\n cd\"\"\"", "ab\n cd").place(2, 2, 2);
        assert_eq!((place.line, place.column, place.length), (3, 2, 2));
    }

    #[test]
    fn where_the_file_has_escapes_it_is_the_whole() {
        let place = written(r#"x = "a\"b\" c""#, "a\"b\" c").place(1, 3, 1);
        assert_eq!((place.line, place.column, place.length), (1, 5, 10));
    }
}
