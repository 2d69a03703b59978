//! CPU and memory of the last minutes, for the sparklines.

use std::collections::{HashMap, VecDeque};

use super::Target;

/// Samples that are kept for each.
pub const MOST_SAMPLES: usize = 120;

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Point {
    pub cpu_percent: f64,
    pub memory_bytes: u64,
}

/// By process or task; those that are gone are forgotten with the status that does not have them.
#[derive(Clone, Debug, Default)]
pub struct History {
    pub points: HashMap<Target, VecDeque<Point>>,
}
