//! The edits, without files: what was there stays, and what was put in can be taken out.

use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, proptest};
use proptest::{collection, prop_oneof, sample};

use super::clients::{Call, Client, Places, Scope, Syntax};
use super::edit::{self, Entry, Field, Found, Made, Slot};
use super::json::{self, Dialect, Json};
use super::record::Record;
use super::toml::{self, Toml};
use super::{find, put, take};

const RELAXED: Syntax = Syntax::Json(Dialect::Relaxed);
const SLOT: Slot = Slot { container: "mcpServers", name: "bpm" };
const TABLE: Slot = Slot { container: "mcp_servers", name: "bpm" };

fn entry(program: &str) -> Entry {
    let args = Field::List(vec!["mcp".to_owned()]);
    Entry(vec![("command", Field::Text(program.to_owned())), ("args", args)])
}

fn slot(syntax: Syntax) -> Slot {
    if syntax == Syntax::Toml { TABLE } else { SLOT }
}

/// The text with the entry, what came with it, and what is needed to undo that.
fn with(syntax: Syntax, text: &str, entry: &Entry) -> (String, Made, Record) {
    let (splices, made) = put(syntax, slot(syntax), text, entry).unwrap();
    let after = edit::apply(text, &splices);
    let found = find(syntax, slot(syntax), &after, entry);
    assert_eq!(found, Ok(Found::Same), "{after}");
    let record = Record::new(made, &after, edit::inserted(&splices));
    (after, made, record)
}

fn without(syntax: Syntax, text: &str, made: Made) -> String {
    let after = take(syntax, slot(syntax), text, made).unwrap();
    let found = find(syntax, slot(syntax), &after, &entry("bpm"));
    assert_eq!(found, Ok(Found::Nothing), "{after}");
    after
}

/// Puts in and takes out by the places alone, and gives the text between.
#[track_caller]
fn there_and_back(syntax: Syntax, text: &str) -> String {
    let (after, made, record) = with(syntax, text, &entry("bpm"));
    assert_eq!(record.undo(&after).as_deref(), Some(text), "undone: {after}");
    assert_eq!(without(syntax, &after, made), text, "taken out of: {after}");
    after
}

// --- JSON ----------------------------------------------------------------------------------------------

#[test]
fn an_entry_looks_like_what_is_around_it() {
    let two = "{\n  \"a\": 1,\n  \"mcpServers\": {\n    \"x\": {}\n  }\n}\n";
    let expected = "{\n  \"a\": 1,\n  \"mcpServers\": {\n    \"x\": {},\n    \"bpm\": {\n      \"command\": \"bpm\",\n      \"args\": [\"mcp\"]\n    }\n  }\n}\n";
    assert_eq!(there_and_back(RELAXED, two), expected);
    let tabs = "{\r\n\t\"a\": 1, // one\r\n}\r\n";
    let expected = "{\r\n\t\"a\": 1, // one\r\n\t\"mcpServers\": {\r\n\t\t\"bpm\": {\r\n\t\t\t\"command\": \"bpm\",\r\n\t\t\t\"args\": [\"mcp\"]\r\n\t\t}\r\n\t},\r\n}\r\n";
    assert_eq!(there_and_back(RELAXED, tabs), expected);
    let tight = "{\"mcpServers\":{\"x\":{\"command\":\"y\"}},\"b\":2}";
    let expected = "{\"mcpServers\":{\"x\":{\"command\":\"y\"},\"bpm\":{\"command\":\"bpm\",\"args\":[\"mcp\"]}},\"b\":2}";
    assert_eq!(there_and_back(RELAXED, tight), expected);
    let line = "{\n    \"mcpServers\": { \"x\": {} }\n}";
    let expected =
        "{\n    \"mcpServers\": { \"x\": {}, \"bpm\": {\"command\": \"bpm\", \"args\": [\"mcp\"]} }\n}";
    assert_eq!(there_and_back(RELAXED, line), expected);
}

#[test]
fn usual_layouts_come_back_byte_for_byte() {
    let texts = [
        "{}",
        "{}\n",
        "{\"a\": 1}\n",
        "{\n  \"a\": 1 // note\n}\n",
        "{\n  \"a\": 1 // note\n  // last\n}\n",
        "{\n  \"a\": 1,\n\n  // \"commented\": 1\n}\n",
        "/* a */ {\n\n  \"a\": 1\n\n} // end\n",
        "{\n  \"mcpServers\": {}\n}\n",
        "{\n  \"mcpServers\": {\n    // none\n  }\n}\n",
        "{\n  // head\n  \"mcpServers\": {\n    \"x\": {}, /* t */\n  }, // after\n  \"b\": 2, // bb\n\n}\n",
        "{\n  \"a\": 1,\n  \"mcpServers\": {\n    \"x\": {} },\n  \"b\": [{ \"bpm\": 1 }] }\n",
        "{\"mcpServers\": {}, \"b\": {\"mcpServers\": {\"bpm\": 1}}}",
        "{\"a\": 1, \"b\": 2,}",
        "{\n  \"größe\": \"\\u00e9 漢字\"\n}",
    ];
    for text in texts {
        there_and_back(RELAXED, text);
    }
}

#[test]
fn nothing_but_what_came_with_it_goes_with_it() {
    let whole = "{\n  \"mcpServers\": {\n    \"bpm\": {\n      \"command\": \"bpm\",\n      \"args\": [\"mcp\"]\n    }\n  }\n}\n";
    assert_eq!(without(RELAXED, whole, Made::Entry), "{\n  \"mcpServers\": {}\n}\n");
    assert_eq!(without(RELAXED, whole, Made::Container), "{}\n");
    let noted = "{\n  \"mcpServers\": {\n    // mine\n    \"bpm\": {}\n  }\n}\n";
    assert_eq!(without(RELAXED, noted, Made::Container), "{\n  \"mcpServers\": {\n    // mine\n  }\n}\n");
    let comment = "{\n  \"mcpServers\": {\n    \"x\": 1,\n    \"bpm\": {}, // mine\n    \"y\": 2\n  }\n}";
    let expected = "{\n  \"mcpServers\": {\n    \"x\": 1,\n    // mine\n    \"y\": 2\n  }\n}";
    assert_eq!(without(RELAXED, comment, Made::Entry), expected);
    let twice = "{\"mcpServers\": {\"bpm\": 1, \"x\": 2, \"bpm\": 3}}";
    assert_eq!(without(RELAXED, twice, Made::Entry), "{\"mcpServers\": {\"x\": 2}}");
}

#[test]
fn an_empty_file_gets_a_document() {
    for text in ["", "\n", "// mine"] {
        let (after, _, record) = with(RELAXED, text, &entry("bpm"));
        assert!(after.starts_with(text) && after.ends_with("}\n"), "{after}");
        assert_eq!(record.undo(&after).as_deref(), Some(text));
    }
    assert_eq!(json::document(SLOT, &entry("bpm")), with(RELAXED, "", &entry("bpm")).0);
}

#[test]
fn a_field_that_differs_is_changed_and_the_others_stay() {
    let text = "{\"mcpServers\": {\n  \"bpm\": {\n    // mine\n    \"env\": {\"KEY\": \"s3cret\"},\n    \"command\": \"/old/bpm\" // here\n  }\n}}";
    let Ok(Found::Different(differences)) = find(RELAXED, SLOT, text, &entry("bpm")) else { panic!() };
    let shown: Vec<_> =
        differences.iter().map(|one| (&*one.key, one.before.as_deref(), one.after.as_deref())).collect();
    let expected = [("command", Some("\"/old/bpm\""), Some("\"bpm\"")), ("args", None, Some("[\"mcp\"]"))];
    assert_eq!(shown, expected);
    let (after, _, _) = with(RELAXED, text, &entry("bpm"));
    let expected = "{\"mcpServers\": {\n  \"bpm\": {\n    // mine\n    \"env\": {\"KEY\": \"s3cret\"},\n    \"command\": \"bpm\", // here\n    \"args\": [\"mcp\"]\n  }\n}}";
    assert_eq!(after, expected);
}

#[test]
fn an_entry_for_a_server_elsewhere_is_replaced_as_a_whole() {
    let text = "{\n  \"mcpServers\": {\n    \"bpm\": { \"url\": \"http://localhost:1/mcp\", \"headers\": {\"A\": \"s3cret\"} },\n    \"x\": 1\n  }\n}";
    let Ok(Found::Different(differences)) = find(RELAXED, SLOT, text, &entry("bpm")) else { panic!() };
    assert_eq!(differences.len(), 4, "{differences:?}");
    assert!(!format!("{differences:?}").contains("s3cret"), "{differences:?}");
    let (after, _, _) = with(RELAXED, text, &entry("bpm"));
    let expected = "{\n  \"mcpServers\": {\n    \"bpm\": {\n      \"command\": \"bpm\",\n      \"args\": [\"mcp\"]\n    },\n    \"x\": 1\n  }\n}";
    assert_eq!(after, expected);
    for odd in ["null", "[]", "{}", "\"bpm\""] {
        let text = format!("{{\"mcpServers\": {{\"bpm\": {odd}}}}}");
        let (after, _, _) = with(RELAXED, &text, &entry("bpm"));
        assert_eq!(without(RELAXED, &after, Made::Entry), "{\"mcpServers\": {}}");
    }
}

#[test]
fn what_is_no_json_is_named_with_its_place() {
    let strict = Syntax::Json(Dialect::Strict);
    let cases = [
        (RELAXED, "{\n  \"a\": 1\n  \"b\": 2\n}", (2, 9), "expected comma"),
        (RELAXED, "{\n  \"ü\": }", (2, 8), "unexpected close brace"),
        (RELAXED, "{ \"a\": 1", (1, 1), "unterminated object"),
        (RELAXED, "[1]", (1, 1), "expected an object, found an array"),
        (RELAXED, "{\"mcpServers\": null}", (1, 16), "expected an object as `mcpServers`, found null"),
        (strict, "{\"a\": 1,}", (1, 8), "trailing commas are not allowed"),
        (strict, "{\n// no\n}", (2, 1), "comments are not allowed"),
        (RELAXED, "{'a': 1}", (1, 2), "single-quoted strings are not allowed"),
    ];
    for (syntax, text, place, message) in cases {
        let fault = put(syntax, SLOT, text, &entry("bpm")).unwrap_err();
        assert_eq!(((fault.line, fault.column), fault.message.as_str()), (place, message), "{text}");
    }
    let deep = "[".repeat(100_000);
    assert!(put(RELAXED, SLOT, &deep, &entry("bpm")).is_err());
}

/// White space and comments as people leave them.
fn trivia() -> impl Strategy<Value = String> {
    let piece =
        sample::select(vec!["", "", "", " ", "\n", "\n  ", "\r\n\t", " // c, {\n", "/* c } */", "\n\n"]);
    collection::vec(piece, 0..3).prop_map(|pieces| pieces.concat())
}

fn value() -> impl Strategy<Value = String> {
    let leaf =
        sample::select(vec!["1", "null", "\"s, }\"", "[]", "[1, {}]", "{}", "true"]).prop_map(str::to_owned);
    leaf.prop_recursive(3, 24, 4, |inner| object(inner, Vec::new()))
}

/// An object of members `a`, `b` … and of those that are handed in, with trivia wherever there may be some.
fn object(
    values: impl Strategy<Value = String> + 'static,
    also: Vec<(String, String)>,
) -> impl Strategy<Value = String> {
    let member = (trivia(), trivia(), trivia(), trivia(), values);
    let members = collection::vec(member, also.len()..4 + also.len());
    (members, trivia(), any::<bool>(), any::<sample::Index>()).prop_map(
        move |(members, end, comma, place)| {
            let (mut names, mut out) = (["a", "b", "c", "d", "e"].iter(), Vec::new());
            let also_at = place.index(members.len().max(1));
            for (position, (one, two, three, four, value)) in members.into_iter().enumerate() {
                let given = position.checked_sub(also_at).and_then(|at| also.get(at)).cloned();
                let (name, value) =
                    given.unwrap_or_else(|| (names.next().unwrap_or(&"z").to_string(), value));
                out.push(format!("{one}\"{name}\"{two}:{three}{value}{four}"));
            }
            let last = if comma && !out.is_empty() { "," } else { "" };
            format!("{{{}{last}{end}}}", out.join(","))
        },
    )
}

fn json_text() -> impl Strategy<Value = String> {
    let servers = object(value(), Vec::new())
        .prop_flat_map(|servers| object(value(), vec![("mcpServers".to_owned(), servers)]));
    (trivia(), prop_oneof![object(value(), Vec::new()), servers], trivia())
        .prop_map(|(before, object, after)| format!("{before}{object}{after}"))
}

fn without_spaces(text: &str) -> String {
    text.split_whitespace().collect()
}

proptest! {
    #[test]
    fn whatever_json_was_there_stays(text in json_text()) {
        let (splices, made) = put(RELAXED, SLOT, &text, &entry("bpm")).unwrap();
        prop_assert!(splices.iter().all(|splice| splice.range.is_empty()), "{splices:?}");
        let (after, _, record) = with(RELAXED, &text, &entry("bpm"));
        prop_assert_eq!(record.undo(&after), Some(text.clone()));
        prop_assert_eq!(put(RELAXED, SLOT, &after, &entry("bpm")).map(|(again, _)| again), Ok(Vec::new()));
        let (other, _, _) = with(RELAXED, &after, &entry("/opt/bpm"));
        for after in [after, other] {
            prop_assert_eq!(record.undo(&format!("{after} ")), None);
            let back = without(RELAXED, &after, made);
            prop_assert_eq!(without_spaces(&back), without_spaces(&text), "{}", after);
        }
    }

    #[test]
    fn no_text_is_too_odd(text in "[ \\n{}\\[\\]\",:/*a1\\\\\u{feff}é]{0,40}") {
        for syntax in [RELAXED, Syntax::Json(Dialect::Strict), Syntax::Toml] {
            if let Ok((splices, _)) = put(syntax, slot(syntax), &text, &entry("bpm")) {
                edit::apply(&text, &splices);
            }
            let _ = take(syntax, slot(syntax), &text, Made::Container);
        }
    }
}

// --- TOML ----------------------------------------------------------------------------------------------

const SECTION: &str = "[mcp_servers.bpm]\ncommand = \"bpm\"\nargs = [\"mcp\"]\n";

#[test]
fn a_table_is_put_at_the_end() {
    let texts = [
        ("", SECTION.to_owned()),
        ("model = \"x\" # hi\n", format!("model = \"x\" # hi\n\n{SECTION}")),
        ("model = \"x\"", format!("model = \"x\"\n\n{SECTION}")),
        ("# hi\n\n", format!("# hi\n\n{SECTION}")),
        (
            "[mcp_servers.a]\r\ncommand='x'\r\n",
            format!("[mcp_servers.a]\n command='x'\n\n{SECTION}").replace("\n ", "\n").replace('\n', "\r\n"),
        ),
        ("[mcp_servers]\na = {command='x'}\n", format!("[mcp_servers]\na = {{command='x'}}\n\n{SECTION}")),
        ("mcp_servers.a.command='x'\n", format!("mcp_servers.a.command='x'\n\n{SECTION}")),
    ];
    for (text, expected) in texts {
        let (after, made, record) = with(Syntax::Toml, text, &entry("bpm"));
        assert_eq!(after, expected);
        assert_eq!(record.undo(&after).as_deref(), Some(text));
        let back = without(Syntax::Toml, &after, made);
        assert_eq!(back.trim_end(), text.trim_end());
    }
    assert_eq!(toml::document(TABLE, &entry("bpm")), SECTION);
}

#[test]
fn a_table_goes_wherever_it_is_and_however_it_is_written() {
    let texts = [
        (
            "[a]\nx = 1\n\n[mcp_servers.bpm]\ncommand = 'x' # c\n\n[mcp_servers.bpm.env]\nA = '1'\n\n# of z\n[z]\n",
            "[a]\nx = 1\n\n# of z\n[z]\n",
        ),
        ("[mcp_servers]\nbpm = { command = 'x' }\na = {}\n", "[mcp_servers]\na = {}\n"),
        ("[mcp_servers]\nbpm.command = 'x'\nbpm.args = [\n  'mcp',\n]\na = {}\n", "[mcp_servers]\na = {}\n"),
        ("mcp_servers.bpm.command = 'x'\nmodel = 'y'", "model = 'y'"),
        ("[mcp_servers.bpm]\n# mine\ncommand = 'x'\n", "# mine\n"),
    ];
    for (text, expected) in texts {
        assert_eq!(without(Syntax::Toml, text, Made::Entry), expected, "{text}");
    }
}

#[test]
fn values_of_a_table_are_changed_and_the_others_stay() {
    let text = "[mcp_servers.bpm] # mine\ncommand = '/old/bpm' # here\nstartup_timeout_sec = 9\n\n[z]\n";
    let (after, _, _) = with(Syntax::Toml, text, &entry("bpm"));
    let expected = "[mcp_servers.bpm] # mine\nargs = [\"mcp\"]\ncommand = \"bpm\" # here\nstartup_timeout_sec = 9\n\n[z]\n";
    assert_eq!(after, expected);
    let inline = "[mcp_servers]\nbpm = { url = 'http://localhost:1/mcp' }\n";
    let Ok(Found::Different(differences)) = find(Syntax::Toml, TABLE, inline, &entry("bpm")) else {
        panic!()
    };
    assert_eq!(differences.len(), 3, "{differences:?}");
    assert_eq!(with(Syntax::Toml, inline, &entry("bpm")).0, format!("[mcp_servers]\n\n{SECTION}"));
}

#[test]
fn what_is_no_toml_is_named_with_its_place() {
    let cases = [
        ("a = 1\nb = \n", (2, 5)),
        ("a = 1\na = 2\n", (2, 1)),
        ("mcp_servers = 1\n", (1, 15)),
        ("x = 1\nmcp_servers = { a = {} }\n", (2, 15)),
        ("[mcp_servers]\nbpm = 1\n", (2, 7)),
    ];
    for (text, place) in cases {
        let fault = find(Syntax::Toml, TABLE, text, &entry("bpm"))
            .and_then(|_| put(Syntax::Toml, TABLE, text, &entry("bpm")))
            .unwrap_err();
        assert_eq!((fault.line, fault.column), place, "{text}: {fault:?}");
        assert!(!fault.message.is_empty() && !fault.message.contains('\n'), "{fault:?}");
    }
}

#[test]
fn text_is_quoted_as_both_formats_have_it() {
    let odd = entry("/opt/\"b\\p\u{7f}m\u{1}\té");
    for syntax in [RELAXED, Syntax::Toml] {
        with(syntax, "", &odd);
    }
}

proptest! {
    #[test]
    fn whatever_toml_was_there_stays(
        blocks in collection::vec(sample::select(vec![
            "# c\n", "\n", "[a]\nx = [\n  1,\n]\n", "[mcp_servers.a]\ncommand = 'x'\n", "[mcp_servers.a.env]\nK = '''\n[mcp_servers.bpm]\n'''\n",
            "[[b]]\ny = { z = 1 }\n", "[[b]]\r\n",
        ]), 0..6),
        end in prop_oneof![Just(""), Just("# no line feed")],
    ) {
        let text = format!("top = 1\n{}{end}", blocks.concat());
        if Toml::parse(&text).is_err() {
            return Ok(()); // a table twice
        }
        let (after, made, record) = with(Syntax::Toml, &text, &entry("bpm"));
        prop_assert!(after.starts_with(&text));
        prop_assert_eq!(record.undo(&after), Some(text.clone()));
        let back = without(Syntax::Toml, &after, made);
        prop_assert_eq!(back.trim_end(), text.trim_end());
    }
}

// --- clients -------------------------------------------------------------------------------------------

#[test]
fn every_client_can_be_told_and_knows_it_then() {
    let call = Call { program: "bpm".to_owned(), project: None };
    for client in super::list::ALL {
        for scope in [Scope::User, Scope::Project] {
            let (entry, slot) = (client.entry(scope, &call), client.slot());
            let (splices, _) = put(client.syntax(), slot, "", &entry).unwrap();
            let text = edit::apply("", &splices);
            assert_eq!(find(client.syntax(), slot, &text, &entry), Ok(Found::Same), "{text}");
            assert!(text.contains("\"bpm\"") && text.contains("\"mcp\""), "{text}");
        }
    }
    let strict = Json::parse("{}", Dialect::Strict).unwrap();
    assert!(strict.is_empty());
}

#[test]
fn files_are_where_variables_put_them() {
    let places = |set: &[(&str, &str)], macos| {
        let set: Vec<(String, String)> =
            set.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let get = |name: &str| set.iter().find(|(set, _)| set == name).map(|(_, value)| value.into());
        Places::of(get).map(|places| Places { macos, ..places })
    };
    let file = |client: Client, set, macos| {
        let files = client.user_files(&places(set, macos).unwrap());
        files.first().unwrap().display().to_string()
    };
    let home: &[_] = &[("HOME", "/h"), ("XDG_CONFIG_HOME", "relative")];
    let moved: &[_] = &[
        ("HOME", "/h"),
        ("XDG_CONFIG_HOME", "/x"),
        ("CLAUDE_CONFIG_DIR", "/c"),
        ("CODEX_HOME", "/o"),
        ("GEMINI_CLI_HOME", "/g"),
    ];
    let cases = [
        (Client::ClaudeCode, "/h/.claude.json", "/c/.claude.json"),
        (Client::Codex, "/h/.codex/config.toml", "/o/config.toml"),
        (Client::Gemini, "/h/.gemini/settings.json", "/g/.gemini/settings.json"),
        (Client::Opencode, "/h/.config/opencode/opencode.json", "/x/opencode/opencode.json"),
        (Client::Cursor, "/h/.cursor/mcp.json", "/h/.cursor/mcp.json"),
        (Client::Vscode, "/h/.config/Code/User/mcp.json", "/x/Code/User/mcp.json"),
        (Client::Zed, "/h/.config/zed/settings.json", "/x/zed/settings.json"),
        (
            Client::ClaudeDesktop,
            "/h/.config/Claude/claude_desktop_config.json",
            "/x/Claude/claude_desktop_config.json",
        ),
    ];
    for (client, usual, elsewhere) in cases {
        assert_eq!((file(client, home, false), file(client, moved, false)), (usual.into(), elsewhere.into()));
    }
    let library = "/h/Library/Application Support";
    assert_eq!(file(Client::Vscode, home, true), format!("{library}/Code/User/mcp.json"));
    assert_eq!(
        file(Client::ClaudeDesktop, home, true),
        format!("{library}/Claude/claude_desktop_config.json")
    );
    assert_eq!(file(Client::Zed, home, true), "/h/.config/zed/settings.json");
    assert!(places(&[("HOME", "not/absolute")], false).is_none());
}

#[test]
fn an_entry_for_a_program_that_knows_no_project_names_one() {
    let call = Call { program: "/opt/bpm".to_owned(), project: Some("/dev/shop".to_owned()) };
    let Entry(fields) = Client::ClaudeDesktop.entry(Scope::User, &call);
    let args = ["mcp", "--project", "/dev/shop"].map(str::to_owned);
    assert_eq!(fields[1], ("args", Field::List(args.to_vec())));
}
