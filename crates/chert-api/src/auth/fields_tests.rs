//! The grammar of structured fields, by example and by property.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use proptest::prelude::*;

use super::fields::{
    Bare, FieldError, InnerList, Item, Member, parse_dictionary, write_inner_list,
};

fn list_of(text: &str) -> InnerList {
    match parse_dictionary(text).unwrap().remove(0).1 {
        Member::List(list) => list,
        Member::Item(item) => panic!("an item: {item:?}"),
    }
}

#[test]
fn lists_are_read_and_written_canonically() {
    for (text, canonical) in [
        ("a=()", "()"),
        ("a=(  )", "()"),
        ("a=( \"@method\"   \"date\" );x;y=?1;z=?0", "(\"@method\" \"date\");x;y;z=?0"),
        ("a=(\"b\";key=\"c\\\"d\\\\\");n=-0042", "(\"b\";key=\"c\\\"d\\\\\");n=-42"),
        ("a=(tok:en/* 7);b=:AAE=:;c=*x", "(tok:en/* 7);b=:AAE=:;c=*x"),
        ("a=(\"b\");  created=1", "(\"b\");created=1"),
    ] {
        assert_eq!(write_inner_list(&list_of(text)), canonical, "{text}");
    }
}

#[test]
fn dictionaries_keep_their_order() {
    let members = parse_dictionary("b=1 , \t a;x=2,c=:AA==:").unwrap();
    let keys: Vec<&str> = members.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys, ["b", "a", "c"]);
    let flag =
        Item { value: Bare::Boolean(true), parameters: vec![("x".into(), Bare::Integer(2))] };
    assert_eq!(members[1].1, Member::Item(flag));
    assert_eq!(parse_dictionary("").unwrap(), []);
}

#[test]
fn what_is_malformed_is_refused() {
    let long = format!("a=({})", "\"b\" ".repeat(33));
    for text in [
        "a=(",
        "a=)",
        "a=(\"b\"\"c\")",
        "a=\"b",
        "a=\"\\n\"",
        "a=:A:",
        "a=:AB==:",
        "a=:AA:",
        "a=:AA==",
        "a=1.5",
        "a=-",
        "a=1234567890123456",
        "A=1",
        "a=1,",
        "a=1 b=2",
        "a=?2",
        "a=é",
        "a=\"é\"",
        ",a",
        "a=(\"b\",\"c\")",
        "a=1;",
        "a=1;B",
        "a==1",
        "a= 1",
        "1=a",
        "a=(\t)",
        &long,
    ] {
        assert_eq!(parse_dictionary(text), Err(FieldError::Malformed), "{text}");
    }
    for text in ["a=1,a=1", "a=1;x;x", "a=(\"b\";y=1;y=2)", "a=();z=1;z=1"] {
        assert_eq!(parse_dictionary(text), Err(FieldError::Duplicate), "{text}");
    }
    let many: Vec<String> = (0..33).map(|i| format!("k{i}=1")).collect();
    assert_eq!(parse_dictionary(&many.join(",")), Err(FieldError::Malformed));
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(text in "[ -~\\t]{0,80}") {
        let _ = parse_dictionary(&text);
    }

    #[test]
    fn what_is_written_reads_the_same(
        names in prop::collection::vec("[ -~]{0,12}", 0..6),
        number in -999_999_999_999_999_i64..=999_999_999_999_999,
        bytes in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let items = names.into_iter().map(|name| Item { value: Bare::Text(name), parameters: vec![] });
        let parameters = vec![("n".to_owned(), Bare::Integer(number)), ("b".to_owned(), Bare::Bytes(bytes))];
        let list = InnerList { items: items.collect(), parameters };
        prop_assert_eq!(list_of(&format!("a={}", write_inner_list(&list))), list);
    }
}
