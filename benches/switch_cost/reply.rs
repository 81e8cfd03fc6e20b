//! What a worker process answers to one request, and its form on the wire.
//!
//! A request is the line `NAME N`; the answer is `ok key=number ... | note` or `err text`. The Go
//! twin in `benches/go` writes the same lines, so that one reader serves all sides. Keys: `ops` (how
//! many operations were done), `ns` (time for all of them) and whatever else the request measures.

use std::fmt::Write as _;

/// The numbers of one answer, and a remark for the reader of the report if there is one.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Reply {
    fields: Vec<(String, f64)>,
    pub(crate) note: String,
}

impl Reply {
    pub(crate) fn new(ops: u64, elapsed: std::time::Duration) -> Self {
        Self::default().with("ops", ops as f64).with("ns", elapsed.as_nanos() as f64)
    }

    pub(crate) fn with(mut self, key: &str, value: f64) -> Self {
        self.fields.push((key.to_owned(), value));
        self
    }

    pub(crate) fn noted(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    pub(crate) fn get(&self, key: &str) -> Option<f64> {
        self.fields.iter().find(|(k, _)| k == key).map(|&(_, v)| v)
    }

    /// The line a worker prints.
    pub(crate) fn encode(answer: &Result<Self, String>) -> String {
        match answer {
            Err(text) => format!("err {}", text.replace('\n', " ")),
            Ok(reply) => {
                let mut line = "ok".to_owned();
                for (key, value) in &reply.fields {
                    let _ = write!(line, " {key}={value}");
                }
                if !reply.note.is_empty() {
                    let _ = write!(line, " | {}", reply.note.replace('\n', " "));
                }
                line
            }
        }
    }

    /// Reads a line back; an `err` line is the error.
    pub(crate) fn decode(line: &str) -> Result<Self, String> {
        if let Some(text) = line.strip_prefix("err ") {
            return Err(text.to_owned());
        }
        let garbled = || format!("an answer that is none: {line:?}");
        let body = line.strip_prefix("ok ").ok_or_else(garbled)?;
        let (numbers, note) = body.split_once(" | ").unwrap_or((body, ""));
        let mut reply = Self::default().noted(note);
        for pair in numbers.split_whitespace() {
            let (key, value) = pair.split_once('=').ok_or_else(garbled)?;
            reply = reply.with(key, value.parse().map_err(|_| garbled())?);
        }
        Ok(reply)
    }
}
