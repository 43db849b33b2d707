//! Query strings and percent-encoding.

use percent_encoding::percent_decode_str;

/// One `name=value` of a query, decoded.
pub type Pair = (String, String);

/// Splits `a=1&b=2` and decodes both sides (`+` is a space). A name without `=` has an empty value.
pub fn parse(query: &str) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for part in query.split('&').filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        pairs.push((decode_form(name), decode_form(value)));
    }
    pairs
}

/// The first value of `name`.
pub fn get<'a>(pairs: &'a [Pair], name: &str) -> Option<&'a str> {
    pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

#[inline(never)] // a request without a query has no need of its frame
fn decode_form(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_split_and_decoded() {
        let pairs = parse("token=a%2Db&&size=1600x1200&flag&name=two+words%21&token=later");
        assert_eq!(get(&pairs, "token"), Some("a-b"));
        assert_eq!(get(&pairs, "size"), Some("1600x1200"));
        assert_eq!(get(&pairs, "flag"), Some(""));
        assert_eq!(get(&pairs, "name"), Some("two words!"));
        assert_eq!(get(&pairs, "absent"), None);
        assert_eq!(parse(""), vec![]);
        assert_eq!(parse("%ff=%zz")[0].1, "%zz");
    }
}
