//! What the server says when it refuses.

use super::sqlstate;
use syncline_core::Error;

/// The fields of an error or notice message (protocol documentation, "Error and Notice Message
/// Fields").
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ServerError {
    pub(crate) code: String,
    pub(crate) message: String,
    detail: Option<String>,
    hint: Option<String>,
    constraint: Option<String>,
}

impl ServerError {
    /// Reads the body; fields it does not know are left out, bad text is replaced.
    pub(crate) fn parse(body: &[u8]) -> Self {
        let mut error = Self::default();
        for field in body.split(|&byte| byte == 0) {
            let Some((&kind, text)) = field.split_first() else { continue };
            let text = String::from_utf8_lossy(text).into_owned();
            match kind {
                b'C' => error.code = text,
                b'M' => error.message = text,
                b'D' => error.detail = Some(text),
                b'H' => error.hint = Some(text),
                b'n' => error.constraint = Some(text),
                _ => {}
            }
        }
        error
    }

    /// As an error of ours; `server` names where it came from.
    pub(crate) fn into_error(self, server: &str) -> Error {
        let mut error =
            Error::new(sqlstate::kind(&self.code), format!("{server}: {}", self.message)).detail(
                match self.detail {
                    Some(detail) => format!("{detail} (SQLSTATE {})", self.code),
                    None => format!("SQLSTATE {}", self.code),
                },
            );
        if let Some(hint) = self.hint.or_else(|| sqlstate::hint(&self.code).map(str::to_owned)) {
            error = error.hint(hint);
        }
        match self.constraint {
            Some(constraint) => error.constraint(constraint),
            None => error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use syncline_core::Kind;

    #[test]
    fn fields_become_message_detail_and_hint() {
        let body = b"SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed\0Fauth.c\0\0";
        let error = ServerError::parse(body).into_error("db:5432/hr");
        assert_eq!(error.kind(), Kind::Config);
        assert_eq!(error.to_string(), "db:5432/hr: password authentication failed");
        assert_eq!(error.detail_text(), Some("SQLSTATE 28P01"));
        assert!(error.hint_text().is_some_and(|hint| hint.contains("password")));
    }

    #[test]
    fn a_torn_body_is_no_panic() {
        assert_eq!(ServerError::parse(b""), ServerError::default());
        assert_eq!(ServerError::parse(b"C").code, "");
        assert_eq!(ServerError::parse(b"M\xff").message, "\u{fffd}");
    }
}
