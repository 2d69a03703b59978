//! Small pictures of numbers: sparklines and bars. Must not know what the numbers are of.

use super::style::{BAR, LEVELS};

/// The last values that there is room for, the newest at the right, each as high as it is between `low` and `high`. What
/// is above `low` is seen to be.
pub(super) fn sparkline(
    values: impl DoubleEndedIterator<Item = f64>,
    (low, high): (f64, f64),
    columns: usize,
) -> String {
    let mut levels: Vec<&str> =
        values.rev().take(columns).map(|value| level(value - low, high - low)).collect();
    levels.reverse();
    levels.concat()
}

fn level(value: f64, full: f64) -> &'static str {
    let top = LEVELS.len() - 1;
    let share = if full > 0.0 { (value / full).clamp(0.0, 1.0) } else { 0.0 };
    // of what is no number, 0
    let step = (share * top as f64).ceil() as usize;
    LEVELS[step.min(top)]
}

/// How much of a bar is done, and the rest of it.
pub(super) fn bar(done: u32, total: u32, columns: usize) -> [String; 2] {
    let share = if total > 0 { (f64::from(done) / f64::from(total)).min(1.0) } else { 0.0 };
    let filled = ((columns as f64 * share) as usize).min(columns);
    [BAR[0].repeat(filled), BAR[1].repeat(columns - filled)]
}

#[cfg(test)]
mod tests {
    use super::{bar, sparkline};

    #[test]
    fn the_newest_values_are_drawn_to_scale() {
        assert_eq!(sparkline([9.0, 0.0, 0.1, 50.0, 100.0].into_iter(), (0.0, 100.0), 4), "▁▂▅█");
        assert_eq!(sparkline([f64::NAN, f64::INFINITY, -1.0].into_iter(), (0.0, 10.0), 9), "▁█▁");
        assert_eq!(sparkline([1.0, 2.0].into_iter(), (0.0, 0.0), 9), "▁▁");
        assert_eq!(sparkline([1.0].into_iter(), (0.0, 1.0), 0), "");
    }

    #[test]
    fn a_bar_is_full_when_all_is_done() {
        assert_eq!(bar(1, 4, 8).concat(), "━━──────");
        assert_eq!(bar(9, 4, 4)[0], "━━━━");
        assert_eq!(bar(0, 0, 3)[1], "───");
        assert_eq!(bar(u32::MAX, u32::MAX, 0).concat(), "");
    }
}
