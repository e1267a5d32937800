//! Finds the rows of a reply, and skips everything else.

use super::json::{JsonError, JsonReader};
use super::pointer_trie::is_index;
use super::row_reader::RowReader;

/// What the value is where the rows should be, if the request is for one symbol and rows have neither
/// names nor keys.
#[derive(Debug, PartialEq, Eq)]
enum BareShape {
    /// `null` or an empty array.
    Nothing,
    /// An array of objects or arrays: each of them is a row of the symbol.
    Rows,
    /// Anything else, such as an object, a number or an array of numbers: the value is the row itself.
    Row,
}

impl BareShape {
    /// The shape of one JSON value, which begins with its first character. It depends only on this
    /// character and, in an array, on the first character of the first element.
    fn of(json: &str) -> Self {
        let Some(elements) = json.strip_prefix('[') else {
            return if json == "null" { Self::Nothing } else { Self::Row };
        };
        match elements.trim_ascii_start().bytes().next() {
            Some(b'{' | b'[') => Self::Rows,
            Some(b']') => Self::Nothing,
            _ => Self::Row,
        }
    }
}

/// Follows the steps to the rows, reads them, and skips everything else.
///
/// # Errors
/// When the value is no JSON.
pub(super) fn read_rows<'de>(
    json: &mut JsonReader<'de>,
    steps: &[String],
    rows: &mut RowReader<'_, 'de>,
) -> Result<(), JsonError> {
    let Some((step, rest)) = steps.split_first() else {
        return if rows.is_bare || rows.is_unwrapped { read_bare(json, rows) } else { read_list(json, rows) };
    };
    match json.peek() {
        Some(b'{') => json
            .members(|json, name| if name == step { read_rows(json, rest, rows) } else { json.skip() }.map(|()| true)),
        Some(b'[') => {
            json.elements(|json, index| if is_index(step, index) { read_rows(json, rest, rows) } else { json.skip() })
        }
        _ => json.skip(),
    }
}

/// Reads an array of rows, or an object whose members are rows.
fn read_list<'de>(json: &mut JsonReader<'de>, rows: &mut RowReader<'_, 'de>) -> Result<(), JsonError> {
    match json.peek() {
        Some(b'{') => {
            rows.found_rows = true;
            json.members(|json, name| rows.read_named_row(json, name).map(|()| true))
        }
        Some(b'[') => {
            rows.found_rows = true;
            let position = rows.is_bare.then_some(0);
            json.elements(|json, _| {
                rows.found.count();
                rows.read_row(json, position)
            })
        }
        _ => json.skip(),
    }
}

/// Reads the value where the rows should be if it may be a row itself.
fn read_bare<'de>(json: &mut JsonReader<'de>, rows: &mut RowReader<'_, 'de>) -> Result<(), JsonError> {
    let value = json.value()?;
    let shape = if rows.query.endpoint.is_document() { BareShape::Row } else { BareShape::of(value) };
    match shape {
        BareShape::Nothing => Ok(()),
        BareShape::Rows => read_list(&mut JsonReader::new(value), rows),
        // Where rows have keys, an object without one has rows as its members.
        BareShape::Row if !rows.is_bare && !rows.has_key(&mut JsonReader::new(value))? => {
            read_list(&mut JsonReader::new(value), rows)
        }
        BareShape::Row => {
            if !rows.is_bare {
                rows.found.count();
            }
            rows.read_row(&mut JsonReader::new(value), Some(0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::testing::{RECEIVED, read_reply, rows};

    /// The rows that are read from a body, with the fields `last` and `high`.
    fn read(keys: &str, symbols: &[&str], body: &str) -> Vec<String> {
        let text = format!("[[quote]]\n{keys}\nfields = {{ last = '/l', high = '/h' }}\n");
        rows(&read_reply(&text, symbols, body).unwrap())
    }

    const BATCH: &str = "path = '/?s={symbols}'";
    const SINGLE: &str = "path = '/{symbol}'";

    #[test]
    fn the_shape_of_a_bare_reply_is_known_by_its_first_characters() {
        for json in ["null", "[]", "[ ]"] {
            assert_eq!(BareShape::of(json), BareShape::Nothing, "{json}");
        }
        for json in ["[{\"l\":1}]", "[ [1,2]]", "[{}]"] {
            assert_eq!(BareShape::of(json), BareShape::Rows, "{json}");
        }
        for json in ["{\"l\":1}", "{}", "1.5", "\"x\"", "[1,2]", "[\"x\"]", "[null]"] {
            assert_eq!(BareShape::of(json), BareShape::Row, "{json}");
        }
    }

    #[test]
    fn a_bare_reply_is_the_row_or_a_list_of_rows() {
        assert_eq!(read(SINGLE, &["A"], r#"{"l":1,"h":2}"#), ["2 1"]);
        assert_eq!(read(SINGLE, &["A"], r#"[{"l":1},{"l":1,"h":2}]"#), ["2 1"]);
        assert_eq!(read(SINGLE, &["A"], r#"[{"l":1},{"l":3,"h":2}]"#), ["- -"]);
    }

    #[test]
    fn a_row_without_its_list_may_have_a_key() {
        let keyed = format!("{BATCH}\nunwrapped_single = true\nkey = '/s'");
        assert_eq!(read(&keyed, &["A"], r#"{"s":"A","l":1,"h":2}"#), ["2 1"]);
        assert_eq!(read(&keyed, &["A"], r#"[{"s":"B","l":3},{"s":"A","l":1,"h":2}]"#), ["2 1"]);
        assert_eq!(read(&keyed, &["A"], r#"{"x":{"s":"B","l":3},"y":{"s":"A","l":1}}"#), ["- 1"]);
        assert_eq!(read(&keyed, &["A"], r#"{"s":"B","l":3}"#), ["- -"]);
        assert_eq!(read(&keyed, &["A", "B"], r#"[{"s":"B","l":2},{"s":"A","l":1}]"#), ["- 1", "- 2"]);
    }

    #[test]
    fn a_document_is_the_row_of_each_symbol_whatever_it_is() {
        let document = "path = '/all'\ndocument = true\nrows = '/d'";
        assert_eq!(read(document, &["A"], r#"{"d":{"l":1,"h":2}}"#), ["2 1"]);
        let text = "[[quote]]\npath = '/all'\ndocument = true\n[quote.fields]\nlast = '/{symbol}/0'\nvolume = '/0/v'\n";
        let read = |symbol, body| rows(&read_reply(text, &[symbol], body).unwrap()).concat();
        assert_eq!(read("B", r#"{"A":[1],"B":[2]}"#), "2 -");
        assert_eq!(read("B", r#"[{"v":3}]"#), "- 3", "an array of objects is no list of rows");
        assert_eq!(read("B", "null"), "- -");
    }

    #[test]
    fn rows_are_found_by_key_or_by_the_name_of_their_member() {
        let keyed = format!("{BATCH}\nkey = '/s'");
        assert_eq!(read(&keyed, &["A", "B"], r#"[{"s":"B","l":2},{"l":1,"s":"A"}]"#), ["- 1", "- 2"]);
        assert_eq!(read(&keyed, &["A", "B"], r#"{"x":{"s":"B","l":2}}"#), ["- -", "- 2"]);
        assert_eq!(read(BATCH, &["A", "B"], r#"{"B":{"l":2},"C":{"l":3}}"#), ["- -", "- 2"]);
    }

    #[test]
    fn a_row_that_is_an_array_is_found_by_its_key() {
        let text = "[[quote]]\npath = '/?s={symbols}'\nkey = '/0'\nfields = { last = '/1' }\n";
        let reply = read_reply(text, &["A", "B"], r#"[["C",3],["B",2],["A",1]]"#).unwrap();
        assert_eq!(rows(&reply), ["1", "2"]);
    }

    #[test]
    fn a_row_of_another_symbol_takes_nothing_and_leaves_nothing() {
        let keyed = format!("{BATCH}\nkey = '/s'");
        assert_eq!(read(&keyed, &["A"], r#"[{"h":9,"s":"C","l":3},{"s":"A","l":1}]"#), ["- 1"]);
        assert_eq!(read(&keyed, &["A"], r#"[{"s":null,"l":3},{"l":3},{"s":"A","l":1}]"#), ["- 1"]);
    }

    #[test]
    fn rows_of_a_symbol_that_contradict_each_other_give_no_value() {
        let keyed = format!("[[quote]]\n{BATCH}\nkey = '/s'\nfields = {{ last = '/l', high = '/h' }}\n");
        let read = |body: &str| {
            let reply = read_reply(&keyed, &["A", "B"], body).unwrap();
            (rows(&reply).concat(), reply.valueless)
        };
        let b = r#"{"s":"B","h":1,"l":1}"#;
        assert_eq!(read(&format!(r#"[{{"s":"A","l":1.0}},{b},{{"s":"A","l":1,"h":2}}]"#)).0, "2 1.01 1");
        let (values, valueless) = read(&format!(r#"[{{"s":"A","h":2}},{b},{{"s":"A","l":3,"h":4}}]"#));
        assert_eq!(values, "- -1 1");
        assert_eq!(valueless, [(0, "has rows of it that differ: high is 2 and 4".to_owned())]);
    }

    #[test]
    fn of_several_rows_of_a_symbol_the_one_that_is_picked_counts_alone() {
        let with = |pick: &str, body: &str| {
            let endpoint = format!("{BATCH}\nkey = '/s'\npick = '{pick}'\ntime = {{ at = '/t', unit = 's' }}");
            let text = format!("[[quote]]\n{endpoint}\nfields = {{ last = '/l', high = '/h' }}\n");
            rows(&read_reply(&text, &["A"], body).unwrap()).concat()
        };
        let time = |ago: f64| RECEIVED - ago;
        let row = |last: u8, ago: f64| format!(r#"{{"s":"A","l":{last},"t":{}}}"#, time(ago));
        let with_high = format!(r#"{{"s":"A","l":5,"h":6,"t":{}}}"#, time(9.0));
        let body = format!(r#"[{{"s":"A"}},{},{with_high},{}]"#, row(1, 7.0), row(2, -60.0));
        assert_eq!(with("first", &body), "- 1 7");
        assert_eq!(with("last", &body), "- 2 -60");
        assert_eq!(with("now", &body), "- 1 7");
        assert_eq!(with("now", &format!("[{}]", row(2, -60.0))), "- - -");
    }

    #[test]
    fn a_row_without_a_value_of_the_first_field_tells_why() {
        let text = "[[quote]]\npath = '/?s={symbols}'\n[quote.fields]\nlast = ['/l', '/m']\nhigh = '/h'\n";
        let body = r#"{"A":{"h":1,"m":null},"B":{"h":1,"l":0}}"#;
        let definition_order = read_reply(text, &["A", "B"], body).unwrap().valueless;
        // Fields of a definition are sorted, so `high` is the first one here.
        assert_eq!(definition_order, []);
        let text = text.replace("high = '/h'\n", "");
        let expected = [
            (0, "has nothing at \"/l\", null at \"/m\"".to_owned()),
            (1, "has a price that is not above zero at \"/l\", nothing at \"/m\"".to_owned()),
        ];
        assert_eq!(read_reply(&text, &["A", "B"], body).unwrap().valueless, expected);
    }

    /// So that symbols of a long list share a line in the log, where they lack a value for the same reason.
    #[test]
    fn values_with_digits_are_shown_only_for_a_short_list() {
        let text = format!("[[quote]]\n{BATCH}\nfields = {{ last = ['/l', '/m'] }}\n");
        let names: Vec<String> = (0..11).map(|n| format!("S{n}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let valueless = |names: &[&str]| {
            read_reply(&text, names, r#"{"S0":{"l":"n/a","m":"1 USD"}}"#).unwrap().valueless.remove(0).1
        };
        let short = "has no number at \"/l\" (\"n/a\"), no number at \"/m\" (\"1 USD\")";
        assert_eq!(valueless(&names[..10]), short);
        assert_eq!(valueless(&names), "has no number at \"/l\" (\"n/a\"), no number at \"/m\"");
    }

    #[test]
    fn an_error_text_replaces_the_row_of_its_symbol() {
        let text = "[[quote]]\npath = '/?s={symbols}'\nrow_error = '/e'\nfields = { last = '/l' }\n";
        let body = r#"{"A":{"l":1,"e":""},"B":{"l":2,"e":"no such symbol"}}"#;
        let reply = read_reply(text, &["A", "B"], body).unwrap();
        assert_eq!(rows(&reply), ["1", "-"]);
        assert_eq!(reply.row_errors, [(1, "no such symbol".to_owned())]);
    }

    #[test]
    fn the_error_text_of_the_only_row_is_about_the_request() {
        let text = "[[quote]]\npath = '/{symbol}'\nrow_error = '/e'\nfields = { last = '/l' }\n";
        let error = read_reply(text, &["A"], r#"{"l":1,"e":"too many requests"}"#).unwrap_err();
        assert_eq!(error.to_string(), "too many requests");
    }

    #[test]
    fn an_age_that_no_quote_can_have_is_none() {
        let age = |time: f64| {
            let endpoint =
                "[[quote]]\npath = '/{symbol}'\ntime = { at = '/t', unit = 's' }\nfields = { last = '/l' }\n";
            rows(&read_reply(endpoint, &["A"], &format!(r#"{{"l":1,"t":{time}}}"#)).unwrap()).concat()
        };
        assert_eq!(age(RECEIVED - 5.0), "1 5");
        assert_eq!(age(RECEIVED + 86_400.0), "1 -86400");
        assert_eq!(age(RECEIVED + 86_401.0), "1 -");
        assert_eq!(age(RECEIVED - 315_360_000.0), "1 315360000");
        // Seconds that are milliseconds, and the other way round.
        assert_eq!([age(RECEIVED / 1000.0), age(RECEIVED * 1000.0)], ["1 -", "1 -"]);
    }

    #[test]
    fn of_a_row_that_is_repeated_with_an_error_the_first_error_counts() {
        let endpoint = "[[quote]]\npath = '/{symbols}'\nkey = '/s'\nrow_error = '/e'\nfields = { last = '/l' }\n";
        let body = r#"[{"s":"A","e":"gone"},{"s":"A","e":"lost"},{"s":"B","e":"gone"}]"#;
        let reply = read_reply(endpoint, &["A", "B"], body).unwrap();
        assert_eq!(reply.row_errors, [(0, "gone".to_owned()), (1, "gone".to_owned())]);
    }

    #[test]
    fn an_age_alone_is_no_quote() {
        let text = "[[quote]]\npath = '/?s={symbols}'\ntime = { at = '/t', unit = 's' }\nfields = { last = '/l' }\n";
        let body = r#"{"A":{"l":1,"t":1785182400},"B":{"t":1785182400}}"#;
        assert_eq!(rows(&read_reply(text, &["A", "B"], body).unwrap()), ["1 1", "- -"]);
    }

    #[test]
    fn rows_may_be_in_an_element_of_an_array() {
        let keys = "path = '/?s={symbols}'\nrows = '/d/1'";
        assert_eq!(read(keys, &["A"], r#"{"d":[{"A":{"l":5,"h":6}},{"A":{"l":1,"h":2}}]}"#), ["2 1"]);
    }

    #[test]
    fn a_quote_may_be_as_old_as_max_age_and_not_older() {
        let text =
            "[[quote]]\npath = '/{symbol}'\nmax_age = 60\ntime = { at = '/t', unit = 's' }\nfields = { last = '/l' }\n";
        let read = |age: f64| {
            let reply = read_reply(text, &["A"], &format!("{{\"l\":1,\"t\":{}}}", RECEIVED - age)).unwrap();
            rows(&reply).concat()
        };
        assert!(read(60.0).starts_with('1') && read(-5.0).starts_with('1'), "{} {}", read(60.0), read(-5.0));
        assert!(read(61.0).starts_with('-'), "{}", read(61.0));
    }
}
