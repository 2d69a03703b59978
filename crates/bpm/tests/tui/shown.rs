//! What must hold for every screen, whatever is on it.

use unicode_width::UnicodeWidthStr;

/// Borders, with what may stand in the place of one.
const LEFT: &str = "│╭╰┃┆▶✗❯|+>!";
const RIGHT: &str = "│╮╯┃|+#";

/// All rows are there, and those of panels end in borders at both sides.
pub fn assert_intact(shown: &str, columns: usize, rows: usize) {
    if let Some(fault) = fault(shown, columns, rows) {
        panic!("{fault}\n{shown}");
    }
}

/// What is wrong with the screen, if anything.
pub fn fault(shown: &str, columns: usize, rows: usize) -> Option<String> {
    let lines: Vec<&str> = shown.lines().collect();
    if lines.len() != rows {
        return Some(format!("{} rows instead of {rows}", lines.len()));
    }
    lines[..rows - 1].iter().find_map(|line| {
        let has_borders = line.starts_with(|c| LEFT.contains(c)) && line.ends_with(|c| RIGHT.contains(c));
        let is_whole = has_borders && (line.width() == columns || line.contains(is_disputed));
        (!is_whole).then(|| format!("not {columns} cells from border to border: {line}"))
    })
}

/// Terminals do not agree on how many cells an emoji that is put together has.
fn is_disputed(c: char) -> bool {
    matches!(c, '\u{200d}' | '\u{fe0f}' | '\u{20e3}' | '\u{1f000}'..)
}

/// Number of the last line of the log that is shown, as the border of the output says it.
pub fn last_line(shown: &str) -> Option<u64> {
    let (_, last) = shown.lines().rev().find_map(|line| line.rsplit_once(" of "))?;
    last.split(' ').next()?.replace(',', "").parse().ok()
}

/// The panel at the bottom right.
#[derive(Debug)]
pub struct Output {
    /// What its upper border says, without the panel's name.
    pub title: String,
    pub rows: Vec<String>,
    /// The row that is marked as found.
    pub found: Option<String>,
    bottom: String,
}

impl Output {
    pub fn has(&self, words: &str) -> bool {
        self.rows.iter().any(|row| row == words)
    }

    pub fn text(&self) -> String {
        self.rows.join("\n").trim_end().to_owned()
    }

    /// What is selected: the title goes on with the run, as soon as that is known.
    pub fn name(&self) -> Option<&str> {
        self.title.split(' ').next()
    }

    pub fn is_of(&self, name: &str) -> bool {
        self.name() == Some(name)
    }

    pub fn is_paused(&self) -> bool {
        self.title.contains("paused") || self.bottom.contains("paused")
    }
}

/// Where there is one beside others, and nothing in front of it.
pub fn output(shown: &str) -> Option<Output> {
    let lines: Vec<Vec<char>> = shown.lines().map(|line| line.chars().collect()).collect();
    let at = |line: &[char], pair: [char; 2]| line.windows(2).position(|two| two == pair);
    let (top, left) =
        lines.iter().enumerate().rev().find_map(|(row, line)| Some((row, at(line, ['╮', '╭'])?)))?;
    let bottom = lines.iter().rposition(|line| at(line, ['╯', '╰']) == Some(left))?;
    let inside = |line: &[char]| -> String {
        line.get(left + 2..line.len().saturating_sub(1)).unwrap_or_default().iter().collect()
    };
    let rows = lines.get(top + 1..bottom)?;
    // each row of the panel begins where the panel does
    if rows.iter().any(|line| line.get(left).is_none_or(|c| !"│┃".contains(*c))) {
        return None;
    }
    let found = rows.iter().find(|line| line.get(left + 1).is_some_and(|mark| "▶✗".contains(*mark)));
    Some(Output {
        title: inside(&lines[top]).trim_matches(['─', ' ']).trim_start_matches("Output ").to_owned(),
        rows: rows.iter().map(|line| inside(line).trim_end().to_owned()).collect(),
        found: found.map(|line| inside(line).trim_end().to_owned()),
        bottom: inside(&lines[bottom]),
    })
}
