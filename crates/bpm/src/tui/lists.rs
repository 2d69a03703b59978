//! What the lists on the screen have, row by row. What draws, what moves the selection and what finds the row under the
//! mouse all go by it. Must not know how a row is drawn.

use super::model::{Model, Target};

/// A row of the processes' panel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListRow {
    /// By its place in `Model::targets`.
    Target(usize),
    /// Between processes and tasks.
    Rule,
}

/// All rows of the processes' panel.
pub fn rows(model: &Model) -> Vec<ListRow> {
    let mut rows = Vec::with_capacity(model.targets.len() + 1);
    for (place, target) in model.targets.iter().enumerate() {
        let before = place.checked_sub(1).and_then(|before| model.targets.get(before));
        if let (Some(Target::Process(_)), Target::Task(_)) = (before, target) {
            rows.push(ListRow::Rule);
        }
        rows.push(ListRow::Target(place));
    }
    rows
}

/// The first of these rows that is shown where there is room for `height`: `Model::list_top`, moved as little as shows
/// the one that is selected and leaves no row empty that could be filled.
pub fn top(model: &Model, rows: &[ListRow], height: usize) -> usize {
    let selected = model.selected.as_ref().and_then(|selected| {
        rows.iter().position(|row| match row {
            ListRow::Target(place) => model.targets.get(*place) == Some(selected),
            ListRow::Rule => false,
        })
    });
    scrolled(model.list_top, selected, height, rows.len())
}

/// The first row that is shown of so many, where there is room for `height`: `top`, moved as little as shows the
/// selected one and leaves no row empty that could be filled.
pub fn scrolled(top: usize, selected: Option<usize>, height: usize, total: usize) -> usize {
    let top = match selected {
        Some(selected) if selected < top => selected,
        Some(selected) if selected - top >= height => (selected + 1).saturating_sub(height),
        Some(_) | None => top,
    };
    top.min(total.saturating_sub(height))
}

#[cfg(test)]
mod tests {
    use super::{ListRow, rows, scrolled, top};
    use crate::tui::message::Now;
    use crate::tui::model::{Look, Model, Target};

    #[test]
    fn the_selected_row_is_shown_and_no_room_is_wasted() {
        for (given, expected) in [
            ((0, Some(0), 4, 10), 0),
            ((5, Some(0), 4, 10), 0),
            ((0, Some(9), 4, 10), 6),
            ((0, Some(4), 4, 10), 1),
            ((8, Some(9), 4, 10), 6),
            ((8, None, 4, 3), 0),
            ((3, Some(3), 0, 10), 4),
            ((usize::MAX, None, 4, 10), 6),
        ] {
            let (at, selected, height, total) = given;
            assert_eq!(scrolled(at, selected, height, total), expected, "{given:?}");
        }
    }

    #[test]
    fn tasks_are_parted_from_processes() {
        let mut model = Model::new(Look::default(), String::new(), 80, 24, Now::default());
        let (process, task) = (Target::Process("a".to_owned()), Target::Task("t1".to_owned()));
        model.targets = vec![process.clone(), task.clone()];
        let found = rows(&model);
        assert_eq!(found, [ListRow::Target(0), ListRow::Rule, ListRow::Target(1)]);
        model.selected = Some(task.clone());
        assert_eq!(top(&model, &found, 1), 2);
        model.targets = vec![task];
        assert_eq!(rows(&model), [ListRow::Target(0)]);
        model.targets = vec![process];
        assert_eq!(rows(&model), [ListRow::Target(0)]);
    }
}
