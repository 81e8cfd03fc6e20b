//! Rust text as the rules need it: which characters are code, which are comment, what the tokens
//! are, and where functions and blocks begin and end.
//!
//! Not a parser. Strings, characters and comments are told apart exactly, so that a `{` in a
//! string or a keyword in a comment misleads no rule; everything else is matched by tokens.

/// One text file, masked once and read by every rule.
#[derive(Debug)]
pub(crate) struct Source {
    /// Path from the repository's root, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
    /// `text` with comments, string and character contents blanked; same length, same lines.
    pub(crate) code: String,
    /// `text` with everything but comments blanked.
    pub(crate) comments: String,
    pub(crate) tokens: Vec<Token>,
    line_starts: Vec<usize>,
}

/// A word (identifier, keyword, number) or one punctuation character, at a byte offset of `code`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// A function with a body. Lines count from 1.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) line: usize,
    pub(crate) lines: usize,
    /// Index of its `fn` token.
    pub(crate) token: usize,
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let (code, comments) =
            if path.ends_with(".rs") { mask(text) } else { (text.to_owned(), String::new()) };
        let line_starts =
            std::iter::once(0).chain(text.match_indices('\n').map(|(i, _)| i + 1)).collect();
        let tokens = tokens(&code);
        Self { path: path.to_owned(), text: text.to_owned(), code, comments, tokens, line_starts }
    }

    /// Line number of a byte offset, from 1.
    pub(crate) fn line(&self, offset: usize) -> usize {
        self.line_starts.partition_point(|&s| s <= offset)
    }

    pub(crate) fn line_of_token(&self, i: usize) -> usize {
        self.line(self.tokens[i].start)
    }

    /// The text of token `i`; empty past the end, so that rules may look ahead freely.
    pub(crate) fn word(&self, i: usize) -> &str {
        self.tokens.get(i).map_or("", |t| &self.code[t.start..t.end])
    }

    /// Whether the tokens from `i` on spell `pattern`.
    pub(crate) fn spells(&self, i: usize, pattern: &[&str]) -> bool {
        pattern.iter().enumerate().all(|(k, p)| self.word(i + k) == *p)
    }

    /// Every place where the tokens spell `pattern`.
    pub(crate) fn find<'a>(&'a self, pattern: &'a [&str]) -> impl Iterator<Item = usize> + 'a {
        (0..self.tokens.len()).filter(move |&i| self.spells(i, pattern))
    }

    /// Index of the token that closes the bracket at token `open`.
    pub(crate) fn closing(&self, open: usize) -> Option<usize> {
        let mut depth = 0usize;
        for i in open..self.tokens.len() {
            match self.word(i) {
                "{" | "(" | "[" => depth += 1,
                "}" | ")" | "]" => depth = depth.checked_sub(1)?,
                _ => {}
            }
            if depth == 0 {
                return Some(i);
            }
        }
        None
    }

    /// The `{` that opens the item whose keyword is token `i`, unless a `;` ends it first.
    pub(crate) fn body(&self, i: usize) -> Option<usize> {
        let mut i = i + 1;
        while i < self.tokens.len() {
            match self.word(i) {
                "{" => return Some(i),
                ";" | "}" | ")" | "]" => return None,
                "(" | "[" => i = self.closing(i)? + 1,
                _ => i += 1,
            }
        }
        None
    }

    /// Every function with a body, nested ones too.
    pub(crate) fn functions(&self) -> Vec<Function> {
        let named = |i: &usize| self.word(i + 1).starts_with(|c: char| c == '$' || is_word(c));
        self.find(&["fn"])
            .filter(named)
            .filter_map(|i| {
                let end = self.closing(self.body(i)?)?;
                let line = self.line_of_token(i);
                let lines = self.line_of_token(end) - line + 1;
                Some(Function { name: self.word(i + 1).to_owned(), line, lines, token: i })
            })
            .collect()
    }

    /// Token ranges of `#[cfg(test)] mod … { }`, and of the whole file if it is a test file.
    pub(crate) fn test_spans(&self) -> Vec<std::ops::Range<usize>> {
        if self.path.ends_with("/tests.rs") || !self.path.starts_with("src/") {
            return std::iter::once(0..self.tokens.len()).collect();
        }
        self.find(&["#", "[", "cfg", "("])
            .filter_map(|i| {
                let close = self.closing(i + 3)?;
                let test = (i + 4..close).any(|k| self.word(k) == "test");
                let item = close + 2;
                (test && self.word(item) == "mod").then_some(())?;
                Some(i..self.closing(self.body(item)?)? + 1)
            })
            .collect()
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn tokens(code: &str) -> Vec<Token> {
    let mut out = Vec::new();
    let mut chars = code.char_indices().peekable();
    while let Some((start, c)) = chars.next() {
        let mut end = start + c.len_utf8();
        if c.is_whitespace() {
            continue;
        }
        // A lifetime is one token: `'static` is not the keyword `static`.
        if is_word(c) || c == '\'' {
            while let Some(&(i, c)) = chars.peek().filter(|(_, c)| is_word(*c)) {
                end = i + c.len_utf8();
                chars.next();
            }
        }
        out.push(Token { start, end });
    }
    out
}

/// Splits `text` into code and comments, each the length of `text` with the rest blanked. Quotes
/// stay in the code; what stands between them does not.
pub(crate) fn mask(text: &str) -> (String, String) {
    let bytes = text.as_bytes();
    let blank: Vec<u8> = bytes.iter().map(|&b| if b == b'\n' { b } else { b' ' }).collect();
    let (mut code, mut comments) = (blank.clone(), blank);
    let mut i = 0;
    while i < bytes.len() {
        let rest = &bytes[i..];
        let end = i + match rest[0] {
            b'/' if rest.starts_with(b"//") => line_comment(rest),
            b'/' if rest.starts_with(b"/*") => block_comment(rest),
            b'"' => string(rest),
            b'r' if !after_word(bytes, i) && raw_hashes(rest).is_some() => raw_string(rest),
            b'\'' => character(rest),
            _ => 1,
        };
        let end = end.min(bytes.len());
        if rest.starts_with(b"//") || rest.starts_with(b"/*") {
            comments[i..end].copy_from_slice(&bytes[i..end]);
        } else if end - i > 1 {
            code[i] = bytes[i];
            code[end - 1] = bytes[end - 1];
        } else {
            code[i] = bytes[i];
        }
        i = end;
    }
    let text = |b| String::from_utf8(b).expect("blanking keeps UTF-8: it works on whole literals");
    (text(code), text(comments))
}

/// Whether the byte before `i` belongs to an identifier other than the prefixes `b` and `c`, so
/// that the `r` at `i` begins no raw string.
fn after_word(bytes: &[u8], i: usize) -> bool {
    let word = |k: usize| bytes[k].is_ascii_alphanumeric() || bytes[k] == b'_';
    match i {
        0 => false,
        1 => word(0) && !matches!(bytes[0], b'b' | b'c'),
        _ => word(i - 1) && (!matches!(bytes[i - 1], b'b' | b'c') || word(i - 2)),
    }
}

fn line_comment(rest: &[u8]) -> usize {
    rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len())
}

fn block_comment(rest: &[u8]) -> usize {
    let (mut depth, mut i) = (0usize, 0);
    while i < rest.len() {
        match &rest[i..] {
            [b'/', b'*', ..] => (depth, i) = (depth + 1, i + 2),
            [b'*', b'/', ..] => (depth, i) = (depth - 1, i + 2),
            _ => i += 1,
        }
        if depth == 0 {
            return i;
        }
    }
    rest.len()
}

fn string(rest: &[u8]) -> usize {
    let mut i = 1;
    while i < rest.len() {
        match rest[i] {
            b'\\' => i += 2,
            b'"' => return i + 1,
            _ => i += 1,
        }
    }
    rest.len()
}

/// Number of hashes if `rest` begins a raw string (`r"`, `r#"`); a raw identifier does not.
fn raw_hashes(rest: &[u8]) -> Option<usize> {
    let hashes = rest[1..].iter().take_while(|&&b| b == b'#').count();
    (rest.get(1 + hashes) == Some(&b'"')).then_some(hashes)
}

fn raw_string(rest: &[u8]) -> usize {
    let hashes = raw_hashes(rest).expect("checked by the caller");
    let close = [&b"\""[..], &b"#".repeat(hashes)].concat();
    let inside = 2 + hashes;
    rest[inside..]
        .windows(close.len())
        .position(|w| w == close)
        .map_or(rest.len(), |p| inside + p + close.len())
}

/// Length of a character literal, or 1 for the quote of a lifetime or a label.
fn character(rest: &[u8]) -> usize {
    if rest.get(1) == Some(&b'\\') {
        return rest.iter().skip(3).position(|&b| b == b'\'').map_or(rest.len(), |p| p + 4);
    }
    let width =
        std::str::from_utf8(&rest[1..rest.len().min(5)]).map_or_else(|e| e.valid_up_to(), str::len);
    let first = std::str::from_utf8(&rest[1..=width]).ok().and_then(|s| s.chars().next());
    match first {
        Some(c) if c != '\'' && rest.get(1 + c.len_utf8()) == Some(&b'\'') => c.len_utf8() + 2,
        _ => 1,
    }
}
