//! `bpm install`, against files of clients in a home directory of its own.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::{Bench, Ran};

/// A home directory beside the project.
struct Home {
    bench: Bench,
    dir: PathBuf,
}

impl Home {
    fn new() -> Home {
        let bench = Bench::new("mcp_port = 3001\n");
        let dir = bench.root().parent().unwrap().to_owned();
        Home { bench, dir }
    }

    fn run(&self, args: &[&str]) -> Ran {
        self.run_in(self.bench.root(), args)
    }

    fn run_in(&self, dir: &Path, args: &[&str]) -> Ran {
        let mut command = self.bench.bpm(&[&["install"], args].concat());
        command.current_dir(dir);
        command.env("PATH", self.dir.join("bin")).env_remove("XDG_CONFIG_HOME");
        for name in ["CLAUDE_CONFIG_DIR", "CODEX_HOME", "GEMINI_CLI_HOME"] {
            command.env_remove(name);
        }
        self.bench.ran(command.output().unwrap())
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.file(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.file(name)).unwrap()
    }

    /// Puts the real program on the `PATH`.
    fn link(&self) -> PathBuf {
        let link = self.file("bin/bpm");
        fs::create_dir_all(self.file("bin")).unwrap();
        symlink(env!("CARGO_BIN_EXE_bpm"), &link).unwrap();
        link
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

const CLIENTS: [(&str, &str); 8] = [
    ("claude-code", ".claude.json"),
    ("codex", ".codex/config.toml"),
    ("gemini", ".gemini/settings.json"),
    ("opencode", ".config/opencode/opencode.json"),
    ("cursor", ".cursor/mcp.json"),
    ("vscode", ".config/Code/User/mcp.json"),
    ("zed", ".config/zed/settings.json"),
    ("claude-desktop", ".config/Claude/claude_desktop_config.json"),
];

#[test]
fn an_entry_is_written_once_and_taken_back() {
    let home = Home::new();
    home.link();
    for (client, file) in CLIENTS {
        let ran = home.run(&[client]).code(0);
        assert!(ran.out.starts_with(&format!("{client}: added to `[DIR]/{file}`\n  next: ")), "{ran:?}");
        assert_eq!(mode(&home.file(file)), 0o600, "{client}");
        let written = home.read(file);
        assert!(written.ends_with("}\n") || client == "codex", "{written}");
        let again = home.run(&[client]).code(0);
        assert_eq!(again.out, format!("{client}: already in `[DIR]/{file}`\n"));
        assert_eq!(home.read(file), written);
        let removed = home.run(&[client, "--remove"]).code(0);
        assert!(removed.out.contains("which had nothing else in it"), "{removed:?}");
        assert!(!home.file(file).exists(), "{client}");
        let ran = home.run(&[client, "--remove"]).code(0);
        assert_eq!(ran.out, format!("{client}: not in `[DIR]/{file}`\n"));
    }
}

#[test]
fn the_program_is_called_by_name_where_that_leads_to_it() {
    let home = Home::new();
    let command = |client: &str, file: &str| {
        home.run(&[client]).code(0);
        let written: Value = serde_json::from_str(&home.read(file)).unwrap();
        written["mcpServers"]["bpm"]["command"].as_str().unwrap().to_owned()
    };
    let own = Path::new(env!("CARGO_BIN_EXE_bpm")).canonicalize().unwrap().display().to_string();
    assert_eq!(command("gemini", ".gemini/settings.json"), own);
    home.write("bin/bpm", "another program");
    fs::set_permissions(home.file("bin/bpm"), fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(command("gemini", ".gemini/settings.json"), own);
    fs::remove_file(home.file("bin/bpm")).unwrap();
    let link = home.link();
    assert_eq!(command("gemini", ".gemini/settings.json"), "bpm");
    // started from a menu it would not have this `PATH`
    assert_eq!(command("cursor", ".cursor/mcp.json"), link.display().to_string());
}

#[test]
fn an_old_entry_is_brought_up_to_date_and_the_difference_shown() {
    let home = Home::new();
    home.link();
    let before = "{\n\t\"theme\": \"dark\", // at night\n\t\"mcpServers\": {\n\t\t\"bpm\": {\n\t\t\t\"command\": \"/old/bpm\",\n\t\t\t\"args\": [\"mcp\"],\n\t\t\t\"trust\": true,\n\t\t},\n\t},\n}\n";
    let path = home.write(".gemini/settings.json", before);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let ran = home.run(&["gemini"]).code(0);
    let expected = "gemini: brought up to date in `[DIR]/.gemini/settings.json`\n  - command: \"/old/bpm\"\n  + command: \"bpm\"\n  next: start `gemini` anew, in a folder that it trusts; `gemini mcp list` shows it\n";
    assert_eq!(ran.out, expected);
    assert_eq!(home.read(".gemini/settings.json"), before.replace("/old/bpm", "bpm"));
    assert_eq!(mode(&path), 0o640);
}

#[test]
fn what_was_there_is_as_it_was_when_the_entry_is_gone() {
    let home = Home::new();
    let odd = "\u{feff}// mine\r\n{ \"context_servers\" : {\r\n\r\n}, /* x */\"a\":[1,2,],}";
    home.write(".config/zed/settings.json", odd);
    home.run(&["zed"]).code(0);
    assert_ne!(home.read(".config/zed/settings.json"), odd);
    home.run(&["zed", "--remove"]).code(0);
    assert_eq!(home.read(".config/zed/settings.json"), odd);
    // and where the client has written the file anew meanwhile
    home.write(".claude.json", "{\n  \"numStartups\": 1\n}\n");
    home.run(&["claude-code"]).code(0);
    let mut value: Value = serde_json::from_str(&home.read(".claude.json")).unwrap();
    value["numStartups"] = json!(2);
    home.write(".claude.json", &serde_json::to_string_pretty(&value).unwrap());
    home.run(&["claude-code", "--remove"]).code(0);
    assert_eq!(home.read(".claude.json"), "{\n  \"numStartups\": 2\n}");
}

#[test]
fn a_link_is_written_through() {
    let home = Home::new();
    let real = home.write("dotfiles/codex.toml", "model = \"x\"\n");
    fs::create_dir_all(home.file(".codex")).unwrap();
    symlink("../dotfiles/codex.toml", home.file(".codex/config.toml")).unwrap();
    home.run(&["codex"]).code(0);
    assert!(fs::symlink_metadata(home.file(".codex/config.toml")).unwrap().is_symlink());
    assert!(fs::read_to_string(&real).unwrap().starts_with("model = \"x\"\n\n[mcp_servers.bpm]\n"));
    home.run(&["codex", "--remove"]).code(0);
    assert_eq!(fs::read_to_string(&real).unwrap(), "model = \"x\"\n");
}

#[test]
fn a_broken_file_is_named_with_the_place_and_left_alone() {
    let home = Home::new();
    let cases = [
        ("claude-code", ".claude.json", "{\n  \"a\": 1,\n}\n", ":2:9: trailing commas"),
        ("codex", ".codex/config.toml", "a = 1\nb = \n", ":2:5: "),
        (
            "vscode",
            ".config/Code/User/mcp.json",
            "{ \"servers\": [] }",
            ":1:14: expected an object as `servers`",
        ),
    ];
    for (client, file, content, place) in cases {
        let path = home.write(file, content);
        for args in [&[client][..], &[client, "--remove"]] {
            let ran = home.run(args).code(2);
            assert!(ran.err.starts_with(&format!("error: `[DIR]/{file}`{place}")), "{}", ran.err);
            assert!(ran.err.contains("hint: nothing was changed"), "{}", ran.err);
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
        }
    }
    fs::write(home.file(".claude.json"), b"{\"a\": \"\xff\"}").unwrap();
    let ran = home.run(&["claude-code"]).code(2);
    assert!(ran.err.contains("is not UTF-8 from byte 7 on"), "{}", ran.err);
    fs::remove_file(home.file(".claude.json")).unwrap();
    fs::create_dir(home.file(".claude.json")).unwrap();
    let ran = home.run(&["claude-code"]).code(1);
    assert!(ran.err.contains("it is not a regular file"), "{}", ran.err);
}

#[test]
fn a_project_has_files_of_its_own() {
    let home = Home::new();
    home.link();
    let files = [
        ("claude-code", ".mcp.json"),
        ("codex", ".codex/config.toml"),
        ("gemini", ".gemini/settings.json"),
        ("opencode", "opencode.json"),
        ("cursor", ".cursor/mcp.json"),
        ("vscode", ".vscode/mcp.json"),
        ("zed", ".zed/settings.json"),
    ];
    fs::create_dir(home.bench.root().join("src")).unwrap();
    for (client, file) in files {
        let ran = home.run(&[client, "--scope", "project", "--json"]).code(0);
        let report: Value = serde_json::from_str(&ran.out).unwrap();
        assert_eq!(report["file"], format!("[DIR]/shop/{file}"));
        assert_eq!((&report["change"], &report["scope"]), (&json!("added"), &json!("project")));
        let written = fs::read_to_string(home.bench.root().join(file)).unwrap();
        assert!(written.contains("\"bpm\"") && !written.contains("target"), "{written}");
    }
    let ran = home.run(&["claude-desktop", "--scope", "project"]).code(2);
    assert!(ran.err.contains("`claude-desktop` has no configuration for single projects"), "{}", ran.err);
}

#[test]
fn an_entry_can_be_for_one_project() {
    let home = Home::new();
    let args = |client: &str, args: &[&str], file: &str| {
        home.run(&[&[client], args].concat()).code(0);
        let written: Value = serde_json::from_str(&home.read(file)).unwrap();
        written["mcpServers"]["bpm"]["args"].clone()
    };
    let root = home.bench.root().display().to_string();
    let fixed = json!(["mcp", "--project", root]);
    // it has no directory that would tell
    assert_eq!(args("claude-desktop", &[], ".config/Claude/claude_desktop_config.json"), fixed);
    let ran = home.run_in(&home.dir, &["claude-desktop"]).code(2);
    assert!(ran.err.contains("`--project"), "{}", ran.err);
    home.run_in(&home.dir, &["claude-desktop", "--remove"]).code(0);
    assert!(!home.file(".config/Claude/claude_desktop_config.json").exists());
    assert_eq!(args("gemini", &["--project", "."], ".gemini/settings.json"), fixed);
    assert_eq!(args("gemini", &[], ".gemini/settings.json"), json!(["mcp"]));
}

#[test]
fn the_file_that_has_the_entry_is_the_one_that_is_changed() {
    let home = Home::new();
    home.write(".config/opencode/opencode.json", "{}");
    home.write(".config/opencode/opencode.jsonc", "{ \"mcp\": { \"bpm\": {} } } // mine\n");
    let ran = home.run(&["opencode"]).code(0);
    assert!(ran.out.contains("brought up to date in `[DIR]/.config/opencode/opencode.jsonc`"), "{}", ran.out);
    assert_eq!(home.read(".config/opencode/opencode.json"), "{}");
    home.run(&["opencode", "--remove"]).code(0);
    assert_eq!(home.read(".config/opencode/opencode.jsonc"), "{ \"mcp\": {} } // mine\n");
}

#[test]
fn printing_writes_nothing() {
    let home = Home::new();
    home.link();
    let ran = home.run(&["gemini", "--print"]).code(0);
    let expected = json!({"mcpServers": {"bpm": {"command": "bpm", "args": ["mcp"]}}});
    assert_eq!(serde_json::from_str::<Value>(&ran.out).unwrap(), expected);
    assert_eq!(ran.err, "for `[DIR]/.gemini/settings.json`\n");
    assert_eq!(
        home.run(&["codex", "--print"]).out,
        "[mcp_servers.bpm]\ncommand = \"bpm\"\nargs = [\"mcp\"]\n"
    );
    assert!(!home.file(".gemini").exists() && !home.file(".codex").exists());
    home.run(&["--print"]).code(2);
    home.run(&["gemini", "--print", "--remove"]).code(2);
}

#[test]
fn the_list_says_who_is_there_and_who_has_it() {
    let home = Home::new();
    home.link();
    home.run(&["codex"]).code(0);
    home.run(&["cursor", "--scope", "project"]).code(0);
    home.write(".config/zed/settings.json", "{");
    insta::assert_snapshot!("install_list", home.run(&[]).code(0).out);
    let ran = home.run(&["--json"]).code(0);
    let rows: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(rows.as_array().unwrap().len(), CLIENTS.len());
    assert_eq!((&rows[1]["client"], &rows[1]["there"]), (&json!("codex"), &json!(true)));
    assert_eq!((&rows[1]["has_bpm"], &rows[4]["has_bpm"]), (&json!(["user"]), &json!(["project"])));
}
