//! What holds for every line, however odd.

use proptest::prelude::*;

use super::*;

const VALUES: &[&str] = &["4", "-1", "a=1", "envision 5", "--", "-", "", "text", "*", "[::1]", "x/websocketserver.py"];

/// Words that a line may hold: flags, pieces of flags, values, and any bytes at all.
fn any_word() -> impl Strategy<Value = OsString> {
    let names: Vec<_> = COMMAND.flags().flat_map(|flag| [Some(flag.long), flag.short]).flatten().collect();
    let name = prop::sample::select(names);
    prop_oneof![
        4 => name.clone().prop_map(OsString::from),
        4 => prop::sample::select(VALUES).prop_map(OsString::from),
        1 => (name, any::<prop::sample::Index>(), prop::sample::select(VALUES)).prop_map(|(name, end, value)| {
            OsString::from(format!("{}={value}", &name[..end.index(name.len() + 1)]))
        }),
        1 => prop::collection::vec(any::<u8>(), 0..12).prop_map(OsString::from_vec),
    ]
}

proptest! {
    #[test]
    fn no_line_panics_and_every_error_is_one_sentence(args in prop::collection::vec(any_word(), 0..10)) {
        if let Err(error) = parse(args, &[]) {
            let message = error.to_string();
            prop_assert!(!message.contains(char::is_control), "{message:?}");
            prop_assert!(!message.ends_with('.') && !message.starts_with(char::is_uppercase), "{message:?}");
        }
    }

    #[test]
    fn a_text_is_taken_as_it_is(token in "[^-\0].*") {
        let separate = vec!["4".into(), "--security_token".into(), OsString::from(&token)];
        let attached = vec!["4".into(), OsString::from(format!("--security_token={token}"))];
        for args in [separate, attached] {
            let Ok(Parsed::Run(config)) = parse(args, &[]) else { panic!("{token:?} is refused") };
            prop_assert_eq!(config.security_token.as_ref(), Some(&token));
        }
    }
}
