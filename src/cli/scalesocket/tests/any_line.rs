//! What holds for every line, however odd.

use proptest::prelude::*;

use super::*;

const VALUES: &[&str] =
    &["cat", "json", "-1", "1:2", "8", "tagged:8", "--", "-", "", "*", "-vb", "[::1]:1", "é", "a,b"];

/// Words that a line may hold: flags, pieces of flags, values, and any bytes at all.
fn any_word() -> impl Strategy<Value = OsString> {
    let names: Vec<_> = COMMAND
        .flags()
        .flat_map(|flag| [flag.long].into_iter().chain(flag.short).chain(flag.aliases.iter().copied()))
        .collect();
    let name = prop::sample::select(names);
    let value = prop::sample::select(VALUES);
    prop_oneof![
        4 => name.clone().prop_map(OsString::from),
        4 => (name.clone(), value.clone()).prop_map(|(name, value)| OsString::from(format!("{name}={value}"))),
        4 => value.clone().prop_map(OsString::from),
        1 => (name, any::<prop::sample::Index>(), value).prop_map(|(name, end, value)| {
            OsString::from(format!("{}={value}", &name[..end.index(name.len() + 1)]))
        }),
        1 => prop::collection::vec(any::<u8>(), 0..12).prop_map(OsString::from_vec),
    ]
}

proptest! {
    #[test]
    fn no_line_panics_and_every_error_is_one_sentence(args in prop::collection::vec(any_word(), 0..10)) {
        if let Err(error) = parse(args) {
            let message = error.to_string();
            prop_assert!(!message.contains(char::is_control), "{message:?}");
            prop_assert!(!message.ends_with('.') && !message.starts_with(char::is_uppercase), "{message:?}");
        }
    }

    #[test]
    fn a_text_is_taken_as_it_is(message in "[^-\0].*") {
        let separate = vec!["cat".into(), "--joinmsg".into(), OsString::from(&message)];
        let attached = vec!["cat".into(), OsString::from(format!("--joinmsg={message}"))];
        for args in [separate, attached] {
            let Ok(Parsed::Run(config)) = parse(args) else { panic!("{message:?} is refused") };
            prop_assert_eq!(config.join_message.as_ref(), Some(&message));
        }
    }

    #[test]
    fn arguments_are_passed_on_as_they_are(given in prop::collection::vec(any_word(), 0..10)) {
        let args = [OsString::from("cat"), OsString::from("--")].into_iter().chain(given.iter().cloned()).collect();
        let Ok(Parsed::Run(config)) = parse(args) else { panic!("{given:?} is refused") };
        prop_assert_eq!(&config.args, &given);
    }
}
