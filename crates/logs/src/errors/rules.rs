//! Owns what the first line of a report looks like: the words that every report has one of, and the table
//! of shapes. Must not know what follows the first line.

use std::sync::LazyLock;

use regex_automata::meta::{Config, Regex};
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input};

use super::shape::Shape;
use super::{BadPattern, Kind};

/// Patterns of the configuration may compile to this much.
const REGEX_BYTES: usize = 16 << 20;

/// A line with none of these begins no report. They are found by vector instructions as long as there are at
/// most 64.
#[rustfmt::skip]
const WORDS: &[&str] = &[
    "rror", "RROR", "ERR", "anic", "raceback", "xception", "atal", "FATAL", "fail", "Fail", "FAIL",
    "running on port", "core dumped", "bort", "ssert", "Killed", "llegal", "emerg", "crit", "CRIT", "alert",
    "evere", "cannot", "Cannot", "ould not", "nable to", "ot found", "o such", "o module", "enied",
    "efused", "not ok", "evel\":", "ncaught", "nhandled", "terminate", "***", "ndefined ref", "free()",
    "malloc", "exited with", "exit status", "crashed", "✘", "✖", "×", "✗", "✕", "SUMMARY: ", ".rb:", "lua",
    "\nE0", "\nE1", "\nF0", "\nF1", " in use", "on fault", "FTL ", "overflowed", "SEVERE", "EMERG", "ALERT", "PANIC",
];

/// Times, tags and names that a line may have before what it says.
const BEFORE: &str = concat!(
    r"(?:(?:",
    r"[\[(]?(?:\d{4}[-/.]\d\d[-/.]\d\d[T ,]*)?\d\d:\d\d:\d\d(?:[.,]\d+)?\s?(?:Z|UTC|[AP]M|[+-]\d\d:?\d\d)?[\])]?",
    r"|\[[^\]\s]{1,40}\]|[\w.@/-]{1,40}\s*\|",
    r")[\s:-]*)*",
);
/// A tool that says its own name: `git: `, `/usr/bin/ld: `, `sshd[12]: `, `bash: line 3: `.
const TOOL: &str = r"(?:[\w./+-]{1,80}(?:\[\d+\])?: (?:line \d+: |\d+: )?)";

/// What the C library says.
const ERRNO: &str = concat!(
    r"(?:No such file or directory|Permission denied|Connection refused|Is a directory",
    r"|Not a directory|No space left on device|Operation not permitted|Connection reset by peer",
    r"|Broken pipe|Name or service not known|Read-only file system|Cannot allocate memory",
    r"|Exec format error|Text file busy)",
);

/// What a line is.
#[derive(Debug, Clone, Copy)]
enum Verdict {
    Report(Kind, Shape),
    /// It has the words of one, but is none.
    Mention,
}

use Verdict::{Mention, Report};

/// The first row that matches decides. Every pattern begins at the start of the line; `{before}`, `{tool}` and
/// `{errno}` are the texts above.
const TABLE: &[(Verdict, &str)] = &[
    // These are reports whatever else the line says.
    (Report(Kind::Panic, Shape::RustPanic), r"{before}thread '[^']*'(?: \(\d+\))? panicked at"),
    (Report(Kind::Panic, Shape::GoPanic), r"{before}panic: "),
    (
        Report(Kind::Panic, Shape::GoPanic),
        r"fatal error: [a-z ]+ - deadlock!|fatal error: concurrent map|fatal error: stack overflow",
    ),
    (
        Report(Kind::Panic, Shape::Line),
        r"fatal runtime error: |{before}thread '[^']*'(?: \(\d+\))? has overflowed its stack",
    ),
    (Report(Kind::Traceback, Shape::Traceback), r"(?:.{0,60}[\s|+])?Traceback \(most recent call last\):"),
    (
        Report(Kind::TestFailure, Shape::Line),
        r"test .* \.\.\. FAILED$|test result: FAILED|=* ?(?:.*, )?[1-9]\d* (?:failed|errors?)\b.* in [\d.]+s\b",
    ),
    (
        Report(Kind::TestFailure, Shape::Line),
        r"\s*Tests?(?: Suites?| Files)?:?\s+(?:.*, |.*\| )?[1-9]\d* failed|\s*[1-9]\d* failing$|(?:#|ℹ) fail [1-9]|.*\(\d+ tests? \| [1-9]\d* failed",
    ),
    (
        Report(Kind::TestFailure, Shape::Line),
        r".*Tests run: \d+, (?:Failures: [1-9]|Failures: 0, Errors: [1-9])|\d+ (?:examples?|runs|tests), .*[1-9]\d* (?:failures?|errors?)\b",
    ),
    (Report(Kind::TestFailure, Shape::Line), r"FAILED \((?:failures|errors)=|.*\*\*\*Failed\b"),
    (Report(Kind::Compiler, Shape::Line), r"\s*(?:✖|✘|×)? ?[1-9]\d* problems? \([1-9]\d* errors?"),
    // Another port is taken, another try made, nothing was wrong: that is news, no failure.
    (Mention, r"(?i).*\bin use\b.*\b(?:trying|instead|switching|using)\b"),
    (
        Mention,
        r"(?i).*\b(?:0|no|zero|without|any) (?:\w+ )?(?:errors?|failures?|failed|failing|problems?|exceptions?)\b",
    ),
    (
        Mention,
        r"(?i).*\b(?:errors?|failures?|failed|fail|errors? (?:count|rate|total))\b[\x22']?\s*[:=]\s*[\x22']?(?:0+(?:\.0+)?%?|none|null|nil|false|undefined)(?:[\s,;)}\]\x22']|$)",
    ),
    (
        Mention,
        r"(?i).*\b(?:retry|retrying|retries|retried|trying again|try again in|will try|falling back|ignored|ignoring|recovered)\b",
    ),
    (Mention, r"\s*(?:ok \d+|not ok \d+.*# (?:TODO|SKIP)|✓|✔|√|PASS(?:ED)?\b|.* PASSED\b|.* \.\.\. ok$)"),
    (Mention, r"[^\s:]+:\d+:(?:\d+:)? (?:warning|note|remark|info|\w*Warning)\b"),
    // A port that somebody else has.
    (Report(Kind::AddressInUse, Shape::Frames), r"(?:Error: |Uncaught ).*EADDRINUSE"),
    (
        Report(Kind::AddressInUse, Shape::Line),
        r"(?i).*(?:EADDRINUSE|address (?:is )?already in use|\bport \d+ (?:is )?(?:already )?(?:in use|allocated)|port is already allocated|already running on port \d)",
    ),
    // Memory and signals.
    (
        Report(Kind::Crash, Shape::Line),
        r".*\b(?:Segmentation fault|core dumped\))|.*\bSIG(?:SEGV|ABRT|BUS|ILL|FPE)\b|(?:.*: )?(?:Aborted|Killed|Bus error|Illegal instruction|Floating point exception|Trace/breakpoint trap)$",
    ),
    (
        Report(Kind::Crash, Shape::Line),
        r"\*\*\* .* \*\*\*: terminated|{tool}?(?:double free or|free\(\): |malloc\(\): |malloc: \*\*\*|terminate called )|.*Assertion [`'].*' failed|(?:==\d+==\s?ERROR|SUMMARY): \w+Sanitizer|# A fatal error has been detected|FATAL ERROR: .*[Hh]eap|.*:\d+:\d+: runtime error: ",
    ),
    // Package managers.
    (Report(Kind::PackageManager, Shape::Npm), r"npm (?:ERR!|error)(?: |$)"),
    (
        Report(Kind::PackageManager, Shape::Line),
        r"\s*(?:ERR_PNPM_|ELIFECYCLE|\[?ERR_PNPM)|error Command failed with exit code|ERROR: (?:Could not|No matching distribution)",
    ),
    // Compilers, bundlers, linters.
    (
        Report(Kind::Compiler, Shape::Quote),
        r"{before}error(?:\[\w+\])?: |(?:fatal|internal compiler) error: ",
    ),
    (
        Report(Kind::Compiler, Shape::Quote),
        r"(?:\[\w+\] )?(?:[A-Za-z]:)?[^\s:][^:]{0,200}:(?:\d+:(?:\d+:)?)? (?:fatal |internal compiler |syntax )?error(?:\[[\w-]+\])?:",
    ),
    (Report(Kind::Compiler, Shape::Quote), r"[^\s(]+\(\d+,\d+\): error |[^\s:]+:\d+:\d+ - error "),
    (
        Report(Kind::Compiler, Shape::Line),
        r"\s+\d+:\d+\s+error\s|.*: undefined reference to |collect2: error|Found [1-9]\d* errors?\b|[1-9]\d* errors?(?: generated| found)?\.?$|.*\bcompiled with [1-9]\d* errors?\b",
    ),
    (
        Report(Kind::Compiler, Shape::Quote),
        r"{before}(?:(?:✘|✖|×) )?\[ERROR\] |ERROR in |{before}(?:error (?:during|when|while) |Internal server error|Pre-transform error|Module not found|Module parse failed|Failed to compile|Syntax error|Type error|Parse error)\b",
    ),
    (Report(Kind::Compiler, Shape::Line), r"{before}(?:(?:✗|✘|×|✖) )?Build failed\b"),
    // Exceptions.
    (
        Report(Kind::Exception, Shape::Frames),
        r"\s*{before}(?:Uncaught |Unhandled |Caused by: )?(?:\(in promise\) )?(?:[\w$]+(?:\.|::))*[A-Z]?\w*(?:Error|Exception)(?: \[\w+\])?(?:: |:$)",
    ),
    (
        Report(Kind::Exception, Shape::Frames),
        r"{before}Exception in thread |Unhandled exception|Unhandled rejection|(?:PHP )?(?:Fatal|Parse|Recoverable fatal) error: |\[?UnhandledPromiseRejection",
    ),
    (Report(Kind::Exception, Shape::Frames), r"[^\s:]+:\d+:in .*\((?:\w+::)*\w+\)$|lua[\d.]*: "),
    (Report(Kind::Compiler, Shape::Line), r"[^\s:]+\.rb:\d+: syntax errors? "),
    // Tests, one by one.
    (
        Report(Kind::TestFailure, Shape::Line),
        r"(?:FAILED|ERROR) \S+(?:::| - |$)|\S+::\S+ (?:FAILED|ERROR)\b|\s*--- FAIL: |\s*FAIL[:!]?\s+\S|FAIL$|not ok \d+|.*\.\.\. (?:FAIL|ERROR)$|\s*(?:✖|✘|×|✗|✕) ",
    ),
    // Other tools.
    (
        Report(Kind::Failure, Shape::Line),
        r"fatal: |make(?:\[\d+\])?: \*\*\* |curl: \(\d+\) |E: |\*\*\* FATAL|(?:Parse|Runtime) error near line|(?:fail|crit): [\w.]+\[\d+\]",
    ),
    (
        Report(Kind::Failure, Shape::Line),
        r".*: (?:command )?not found$|{tool}.*{errno}\b.{0,40}$|(?i:cannot|can't|could not|unable to|failed to) .*: {errno}",
    ),
    (
        Report(Kind::Failure, Shape::Line),
        r"{tool}(?:[^:]{1,80}: )?(?:fatal|cannot|Cannot|can't|could not|Could not|unable to|failed to|failed$|No module named|.*\b(?:failed|failure)$|.*\bfailure status\b|error\b|Error\b)",
    ),
    (Report(Kind::Failure, Shape::Line), r"{before}(?:Failed to|Could not|Cannot|Unable to|Couldn't|Can't) "),
    (
        Report(Kind::Failure, Shape::Line),
        r".*\bexited with (?:exit )?(?:code|status)[: ]+[1-9]|exit status [1-9]|.*\bapp crashed\b",
    ),
];

/// The built-in rules, compiled.
#[derive(Debug)]
pub(super) struct Rules {
    words: Regex,
    table: Regex,
    in_use: Regex,
}

static BUILT_IN: LazyLock<Result<Rules, BadPattern>> = LazyLock::new(Rules::new);

pub(super) fn built_in() -> Result<&'static Rules, BadPattern> {
    BUILT_IN.as_ref().map_err(Clone::clone)
}

impl Rules {
    fn new() -> Result<Rules, BadPattern> {
        let rows: Vec<String> = TABLE.iter().map(|(_, pattern)| filled(pattern)).collect();
        let words: Vec<String> = WORDS.iter().map(|word| regex_syntax::escape(word)).collect();
        Ok(Rules {
            words: ours(&[words.join("|")])?,
            table: ours(&rows)?,
            in_use: ours(&["(?i)EADDRINUSE|address already in use".to_owned()])?,
        })
    }

    /// False if nothing in `text`, a line or many, begins a report.
    pub(super) fn may_begin(&self, text: &[u8]) -> bool {
        // At the start of the text there is no line feed to be found before the letter.
        let letter = matches!(text, [b'E' | b'F', b'0' | b'1', ..]);
        letter || matches!(text, [b'E' | b'F', b',', ..]) || self.words.is_match(text)
    }

    /// What begins with `line`.
    pub(super) fn judge(&self, line: &str) -> Option<(Kind, Shape)> {
        let input = Input::new(line).anchored(Anchored::Yes);
        let row = self.table.search_half(&input)?.pattern();
        match TABLE.get(row.as_usize())?.0 {
            Report(kind, shape) => Some((kind, shape)),
            Mention => None,
        }
    }

    pub(super) fn is_address_in_use(&self, line: &str) -> bool {
        self.in_use.is_match(line)
    }
}

fn filled(pattern: &str) -> String {
    let filled = pattern.replace("{before}", BEFORE).replace("{tool}", TOOL).replace("{errno}", ERRNO);
    format!("^(?:{filled})")
}

fn ours(patterns: &[String]) -> Result<Regex, BadPattern> {
    let syntax = syntax::Config::new().unicode(false).utf8(false);
    let config = Config::new().utf8_empty(false).nfa_size_limit(None);
    Regex::builder().syntax(syntax).configure(config).build_many(patterns).map_err(|error| BadPattern {
        list: "",
        index: error.pattern().map_or(0, |pattern| pattern.as_usize()),
        message: error.to_string(),
    })
}

/// One matcher for a list of the configuration; none for an empty list.
pub(super) fn compile(list: &'static str, patterns: &[String]) -> Result<Option<Regex>, BadPattern> {
    if patterns.is_empty() {
        return Ok(None);
    }
    let bad = |index: usize, message: String| BadPattern { list, index, message };
    // Each alone first: the message is about the text that somebody wrote.
    for (index, pattern) in patterns.iter().enumerate() {
        regex_syntax::parse(pattern).map_err(|error| bad(index, error.to_string()))?;
    }
    let config = Config::new().nfa_size_limit(Some(REGEX_BYTES));
    let built = Regex::builder().configure(config).build_many(patterns);
    built.map(Some).map_err(|error| {
        let index = error.pattern().map_or(0, |pattern| pattern.as_usize());
        let message = match error.size_limit() {
            Some(limit) => format!("too large: the list compiles to more than {limit} bytes"),
            None => error.to_string(),
        };
        bad(index, message)
    })
}
