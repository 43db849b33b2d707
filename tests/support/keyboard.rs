//! Which key of a US keyboard makes a character, as a browser names keys.

/// A key press as the `DevTools` protocol wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// `KeyboardEvent.key`.
    pub name: String,
    /// `KeyboardEvent.code`: the place on the keyboard; empty when the character is not on it.
    pub code: String,
    /// The text that it inserts.
    pub text: String,
    /// The Windows virtual key code; 0 when there is none.
    pub windows_code: u32,
    /// Whether Shift is held for it.
    pub shift: bool,
}

/// Name, character, and character with Shift, of the keys that are neither letters nor digits.
const SIGNS: [(&str, char, char, u32); 11] = [
    ("Minus", '-', '_', 189),
    ("Equal", '=', '+', 187),
    ("BracketLeft", '[', '{', 219),
    ("BracketRight", ']', '}', 221),
    ("Backslash", '\\', '|', 220),
    ("Semicolon", ';', ':', 186),
    ("Quote", '\'', '"', 222),
    ("Comma", ',', '<', 188),
    ("Period", '.', '>', 190),
    ("Slash", '/', '?', 191),
    ("Backquote", '`', '~', 192),
];

/// What the digits give with Shift, from 0 on.
const SHIFTED_DIGITS: &str = ")!@#$%^&*(";

impl Key {
    /// The key for a character; `'\n'` is Enter.
    pub fn of(character: char) -> Self {
        let upper = character.to_ascii_uppercase();
        let key = |code: String, windows_code, shift| Self {
            name: character.to_string(),
            code,
            text: character.to_string(),
            windows_code,
            shift,
        };
        match character {
            '\n' => Self { name: "Enter".into(), text: "\r".into(), ..key("Enter".into(), 13, false) },
            ' ' => key("Space".into(), 32, false),
            'a'..='z' | 'A'..='Z' => key(format!("Key{upper}"), u32::from(upper), character == upper),
            '0'..='9' => key(format!("Digit{character}"), u32::from(character), false),
            _ => {
                if let Some(digit) = SHIFTED_DIGITS.chars().position(|sign| sign == character) {
                    let windows_code = u32::from('0') + u32::try_from(digit).unwrap_or_default();
                    return key(format!("Digit{digit}"), windows_code, true);
                }
                let sign = SIGNS.iter().find(|(_, plain, shifted, _)| [*plain, *shifted].contains(&character));
                sign.map_or_else(
                    || key(String::new(), 0, false),
                    |(code, _, shifted, windows_code)| key((*code).to_owned(), *windows_code, character == *shifted),
                )
            }
        }
    }
}
