//! Structured field values (RFC 8941, RFC 9651): dictionaries of items and inner lists, as far as
//! `Signature-Input`, `Signature` and `Content-Digest` use them.
//!
//! Stricter than the RFC in two points: a key or parameter that comes twice is refused instead of
//! the last one winning, because a proxy and we might pick different ones; and there are no
//! fractions, which none of the three headers has.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Longest header, all its lines together, in bytes: two signatures of the largest key fit.
pub const FIELD_BYTES_MAX: usize = 32 * 1024;
/// Members of a dictionary, items of a list, and parameters of an item at most.
const MEMBERS_MAX: usize = 32;
/// Digits of an integer (RFC 8941 §3.3.1).
const INTEGER_DIGITS_MAX: usize = 15;

/// Why a header is not what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// It does not follow the grammar, or is above a limit.
    #[error("not a structured field of RFC 9651")]
    Malformed,
    /// A key or parameter comes twice.
    #[error("a key comes twice")]
    Duplicate,
}

/// A value without parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bare {
    /// `42`
    Integer(i64),
    /// `"text"`
    Text(String),
    /// `token`
    Token(String),
    /// `:base64:`
    Bytes(Vec<u8>),
    /// `?1`
    Boolean(bool),
}

/// Parameters in their order.
pub type Parameters = Vec<(String, Bare)>;

/// A value with parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The value.
    pub value: Bare,
    /// Its parameters.
    pub parameters: Parameters,
}

/// Items in parentheses, with parameters of the whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InnerList {
    /// The items.
    pub items: Vec<Item>,
    /// Parameters of the list.
    pub parameters: Parameters,
}

/// A member of a dictionary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Member {
    /// `key=value`
    Item(Item),
    /// `key=(a b)`
    List(InnerList),
}

/// Reads a dictionary.
///
/// # Errors
/// [`FieldError`] where the text is none, or a key comes twice.
pub fn parse_dictionary(text: &str) -> Result<Vec<(String, Member)>, FieldError> {
    if text.len() > FIELD_BYTES_MAX {
        return Err(FieldError::Malformed);
    }
    let mut reader = Reader { rest: text.as_bytes() };
    reader.skip(b" ");
    let mut members: Vec<(String, Member)> = Vec::new();
    while !reader.rest.is_empty() {
        let key = reader.key()?;
        let member = reader.member()?;
        insert(&mut members, key, member)?;
        reader.skip(b" \t");
        if reader.rest.is_empty() {
            break;
        }
        reader.expect(b',')?;
        reader.skip(b" \t");
        if reader.rest.is_empty() {
            return Err(FieldError::Malformed);
        }
    }
    Ok(members)
}

/// Writes an inner list in its canonical form (RFC 9651 §4.1.1.1).
pub fn write_inner_list(list: &InnerList) -> String {
    let mut text = String::from("(");
    for (index, item) in list.items.iter().enumerate() {
        if index > 0 {
            text.push(' ');
        }
        write_item(&mut text, item);
    }
    text.push(')');
    write_parameters(&mut text, &list.parameters);
    text
}

/// Writes an item in its canonical form.
pub fn write_item(text: &mut String, item: &Item) {
    write_bare(text, &item.value);
    write_parameters(text, &item.parameters);
}

fn write_parameters(text: &mut String, parameters: &Parameters) {
    for (key, value) in parameters {
        text.push(';');
        text.push_str(key);
        if *value != Bare::Boolean(true) {
            text.push('=');
            write_bare(text, value);
        }
    }
}

fn write_bare(text: &mut String, value: &Bare) {
    match value {
        Bare::Integer(number) => text.push_str(&number.to_string()),
        Bare::Token(token) => text.push_str(token),
        Bare::Boolean(yes) => text.push_str(if *yes { "?1" } else { "?0" }),
        Bare::Bytes(bytes) => {
            text.push(':');
            STANDARD.encode_string(bytes, text);
            text.push(':');
        }
        Bare::Text(content) => {
            text.push('"');
            for c in content.chars() {
                if matches!(c, '"' | '\\') {
                    text.push('\\');
                }
                text.push(c);
            }
            text.push('"');
        }
    }
}

/// Adds a key that must be new, to a collection that must stay small.
fn insert<T>(entries: &mut Vec<(String, T)>, key: String, value: T) -> Result<(), FieldError> {
    if entries.iter().any(|(known, _)| *known == key) {
        return Err(FieldError::Duplicate);
    }
    if entries.len() == MEMBERS_MAX {
        return Err(FieldError::Malformed);
    }
    entries.push((key, value));
    Ok(())
}

/// Walks over the text.
struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    fn next(&mut self) -> Result<u8, FieldError> {
        let (first, rest) = self.rest.split_first().ok_or(FieldError::Malformed)?;
        self.rest = rest;
        Ok(*first)
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        if found {
            self.rest = self.rest.get(1..).unwrap_or_default();
        }
        found
    }

    fn expect(&mut self, byte: u8) -> Result<(), FieldError> {
        if self.take(byte) { Ok(()) } else { Err(FieldError::Malformed) }
    }

    fn skip(&mut self, any: &[u8]) {
        while self.peek().is_some_and(|byte| any.contains(&byte)) {
            self.rest = self.rest.get(1..).unwrap_or_default();
        }
    }

    /// The longest run of bytes that fit, as text; they are ASCII.
    fn run(&mut self, fits: impl Fn(u8) -> bool) -> String {
        let end = self.rest.iter().position(|byte| !fits(*byte)).unwrap_or(self.rest.len());
        let (run, rest) = self.rest.split_at(end);
        self.rest = rest;
        run.iter().map(|byte| char::from(*byte)).collect()
    }

    fn key(&mut self) -> Result<String, FieldError> {
        if !self.peek().is_some_and(|b| b.is_ascii_lowercase() || b == b'*') {
            return Err(FieldError::Malformed);
        }
        Ok(self.run(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-.*".contains(&b)))
    }

    fn member(&mut self) -> Result<Member, FieldError> {
        if !self.take(b'=') {
            let parameters = self.parameters()?;
            return Ok(Member::Item(Item { value: Bare::Boolean(true), parameters }));
        }
        if self.peek() == Some(b'(') {
            return Ok(Member::List(self.inner_list()?));
        }
        Ok(Member::Item(self.item()?))
    }

    fn inner_list(&mut self) -> Result<InnerList, FieldError> {
        self.expect(b'(')?;
        let mut items = Vec::new();
        loop {
            self.skip(b" ");
            if self.take(b')') {
                return Ok(InnerList { items, parameters: self.parameters()? });
            }
            if items.len() == MEMBERS_MAX {
                return Err(FieldError::Malformed);
            }
            items.push(self.item()?);
            if !matches!(self.peek(), Some(b' ' | b')')) {
                return Err(FieldError::Malformed);
            }
        }
    }

    fn item(&mut self) -> Result<Item, FieldError> {
        Ok(Item { value: self.bare()?, parameters: self.parameters()? })
    }

    fn parameters(&mut self) -> Result<Parameters, FieldError> {
        let mut parameters = Vec::new();
        while self.take(b';') {
            self.skip(b" ");
            let key = self.key()?;
            let value = if self.take(b'=') { self.bare()? } else { Bare::Boolean(true) };
            insert(&mut parameters, key, value)?;
        }
        Ok(parameters)
    }

    fn bare(&mut self) -> Result<Bare, FieldError> {
        match self.peek().ok_or(FieldError::Malformed)? {
            b'"' => self.text(),
            b':' => self.bytes(),
            b'?' => {
                self.next()?;
                match self.next()? {
                    b'0' => Ok(Bare::Boolean(false)),
                    b'1' => Ok(Bare::Boolean(true)),
                    _ => Err(FieldError::Malformed),
                }
            }
            b'-' | b'0'..=b'9' => self.integer(),
            b'*' | b'a'..=b'z' | b'A'..=b'Z' => Ok(Bare::Token(
                self.run(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:/".contains(&b)),
            )),
            _ => Err(FieldError::Malformed),
        }
    }

    fn integer(&mut self) -> Result<Bare, FieldError> {
        let negative = self.take(b'-');
        let digits = self.run(|b| b.is_ascii_digit());
        // A fraction is none of ours.
        if !(1..=INTEGER_DIGITS_MAX).contains(&digits.len()) || self.peek() == Some(b'.') {
            return Err(FieldError::Malformed);
        }
        let number: i64 = digits.parse().map_err(|_| FieldError::Malformed)?;
        Ok(Bare::Integer(if negative { -number } else { number }))
    }

    fn text(&mut self) -> Result<Bare, FieldError> {
        self.expect(b'"')?;
        let mut content = String::new();
        loop {
            match self.next()? {
                b'"' => return Ok(Bare::Text(content)),
                b'\\' => match self.next()? {
                    escaped @ (b'"' | b'\\') => content.push(char::from(escaped)),
                    _ => return Err(FieldError::Malformed),
                },
                visible @ 0x20..=0x7e => content.push(char::from(visible)),
                _ => return Err(FieldError::Malformed),
            }
        }
    }

    /// One form per value: padding is required and unused bits are zero.
    fn bytes(&mut self) -> Result<Bare, FieldError> {
        self.expect(b':')?;
        let encoded = self.run(|b| b != b':');
        self.expect(b':')?;
        STANDARD.decode(encoded).map(Bare::Bytes).map_err(|_| FieldError::Malformed)
    }
}
