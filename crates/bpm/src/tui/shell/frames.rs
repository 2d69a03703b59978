//! When the screen is drawn: at once for whoever sits in front of it; what the manager says waits a moment for what
//! belongs to it. Must not know what is drawn.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Between what the manager says and the frame that shows it. It often says more right after: that a log has grown, then
/// its lines.
const TOGETHER: Duration = Duration::from_millis(20);

/// The next frame.
#[derive(Debug)]
pub(super) struct Frames {
    due: Option<Instant>,
}

impl Default for Frames {
    fn default() -> Frames {
        Frames { due: Some(Instant::now()) }
    }
}

impl Frames {
    pub(super) fn at_once(&mut self) {
        self.due = Some(Instant::now());
    }

    /// Something has changed. However much follows, the frame is not put off.
    pub(super) fn soon(&mut self) {
        self.due.get_or_insert_with(|| Instant::now() + TOGETHER);
    }

    pub(super) fn is_due(&self) -> bool {
        self.due.is_some_and(|due| due <= Instant::now())
    }

    pub(super) fn drawn(&mut self) {
        self.due = None;
    }

    /// Resolves when the next frame is to be drawn, if there is to be one.
    pub(super) async fn due(&self) {
        match self.due {
            Some(due) => sleep_until(due).await,
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Frames, TOGETHER};

    #[tokio::test(start_paused = true)]
    async fn what_follows_soon_is_in_the_same_frame_and_a_key_is_shown_at_once() {
        let mut frames = Frames::default();
        assert!(frames.is_due(), "the first one");
        frames.drawn();
        assert!(!frames.is_due());
        frames.soon();
        for _ in 0..3 {
            tokio::time::advance(TOGETHER / 4).await;
            frames.soon();
            assert!(!frames.is_due());
        }
        frames.due().await;
        assert!(frames.is_due(), "it is not put off by what follows");
        frames.drawn();
        frames.soon();
        frames.at_once();
        assert!(frames.is_due());
        frames.drawn();
        let never = tokio::time::timeout(Duration::from_secs(3600), frames.due()).await;
        assert!(never.is_err(), "nothing has changed");
    }
}
