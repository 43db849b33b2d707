//! Arguments with placeholders: `{port}`, `{size}`; `{{` and `}}` are braces.

use serde_json::{Map, Value};

/// Names that are not options.
pub(super) const RESERVED: [&str; 4] = ["port", "path", "index", "token"];

/// One argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Template(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Placeholder(String),
}

/// What the placeholders of one instance stand for.
pub(in super::super) trait Values {
    /// The value of `name`; `None` when there is none.
    fn value(&self, name: &str) -> Option<String>;
}

impl Template {
    /// Takes an argument apart. The error is the end of a sentence.
    pub(in super::super) fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, from) = rest.split_at(at);
            plain.push_str(before);
            if let Some(after) = from.strip_prefix("{{").or_else(|| from.strip_prefix("}}")) {
                plain.extend(from.chars().next());
                rest = after;
            } else if let Some(after) = from.strip_prefix('{') {
                let (name, after) = after
                    .split_once('}')
                    .ok_or_else(|| format!("'{text}' has a '{{' without '}}' (a brace is '{{{{')"))?;
                if !plain.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut plain)));
                }
                pieces.push(Piece::Placeholder(name.to_owned()));
                rest = after;
            } else {
                return Err(format!("'{text}' has a '}}' without '{{' (a brace is '}}}}')"));
            }
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        Ok(Self(pieces))
    }

    /// The text, if it has no placeholder.
    pub(super) fn literal(&self) -> Option<String> {
        let text = |piece: &Piece| match piece {
            Piece::Text(text) => Some(text.clone()),
            Piece::Placeholder(_) => None,
        };
        self.0.iter().map(text).collect()
    }

    /// Names of its placeholders.
    pub(super) fn placeholders(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Placeholder(name) => Some(name.as_str()),
            Piece::Text(_) => None,
        })
    }

    /// The placeholder it begins with: a value of it could turn the argument into a flag.
    pub(super) fn begins_with(&self) -> Option<&str> {
        match self.0.first() {
            Some(Piece::Placeholder(name)) => Some(name),
            _ => None,
        }
    }

    /// The argument for an instance. The error is a sentence.
    pub(in super::super) fn fill(&self, values: &impl Values) -> Result<String, String> {
        let mut text = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(plain) => text.push_str(plain),
                Piece::Placeholder(name) => {
                    text.push_str(&values.value(name).ok_or_else(|| format!("there is no value for {{{name}}}"))?);
                }
            }
        }
        Ok(text)
    }
}

/// The text of an option's default, if it is a scalar.
pub(in super::super) fn scalar(options: &Map<String, Value>, name: &str) -> Option<String> {
    match options.get(name)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(is) => Some(is.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}
