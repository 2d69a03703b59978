//! The live part: one loop that takes what the keyboard, the clock and the manager say, hands it to the model, has
//! the commands carried out and draws. Decides nothing; must not know what is on the screen.

mod ends;
mod frames;
mod hands;
mod keyboard;
mod link;
mod screen;

use std::io;
use std::time::{Duration, SystemTime};

use bpm_api::{Code, Error};
use tokio::sync::mpsc;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

pub use self::link::Connect;
pub use self::screen::check_terminal;

use self::ends::{Ends, Wish};
use self::hands::{Act, Hands};
use self::keyboard::Keyboard;
use self::screen::Screen;
use super::message::{Message, Now};
use super::model::{Look, Model};
use super::update::update;
use super::view::view;
use crate::attach::How;
use crate::client::Client;

/// Messages that wait for the model; who has more waits with them.
const WAITING: usize = 256;
/// Messages that are taken together before the screen is drawn.
const TOGETHER: usize = 64;
/// What is live is drawn anew this often.
const TICK: Duration = Duration::from_secs(1);

/// How the program was started.
#[derive(Clone, Debug)]
pub struct Options {
    pub look: Look,
    pub mouse: bool,
}

/// Shows a manager until the user quits, or a signal says so: then its number is the answer. `first` is the connection
/// that there is; `connect` makes the next ones.
///
/// # Errors
/// The terminal cannot be used any more.
pub async fn run(first: Client, connect: Connect, options: Options) -> Result<Option<i32>, Error> {
    let unusable = |error| Error::new(Code::System, format!("the terminal cannot be used: {error}"));
    live(first, connect, options).await.map_err(unusable)
}

async fn live(first: Client, connect: Connect, options: Options) -> io::Result<Option<i32>> {
    let mut ends = Ends::listen()?;
    let mut screen = Screen::enter(options.mouse)?;
    let (told, mut inbox) = mpsc::channel(WAITING);
    let clock = Clock::start();
    let (columns, rows) = screen.size()?;
    let mut model = Model::new(options.look, first.label(), columns, rows, clock.now());
    model.mouse = options.mouse;
    let mut hands = Hands::new(link::keep(first, connect, told.clone()), told);
    model.by = Some(hands.by());
    let mut keyboard = Keyboard::open()?;
    let mut ticks = ticks();
    loop {
        screen.draw_if_due(|frame| view(&model, frame))?;
        let mut messages = tokio::select! {
            biased;
            wish = ends.wish() => {
                match wish {
                    Wish::End(signal) => return Ok(Some(signal)),
                    Wish::Stop => screen.suspend()?,
                    Wish::GoOn => screen.take_again()?,
                    Wish::Look => {}
                }
                Vec::new()
            }
            typed = keyboard.next() => match typed? {
                Some(messages) => {
                    screen.frames.at_once();
                    messages
                }
                None => return Ok(Some(ends::GONE)),
            },
            target = hands.attachable() => {
                screen.leave();
                let left = hands.attach(&target).await;
                ends.forget_stops().await;
                screen.enter_again()?;
                if left.as_ref().is_ok_and(|left| matches!(left.how, How::Ended(_))) {
                    keyboard.ignore_what_goes_on();
                }
                vec![Message::Detached(left.map(|left| left.to_string()))]
            },
            message = inbox.recv() => message.into_iter().collect::<Vec<_>>(),
            _ = ticks.tick() => vec![Message::Tick],
            () = screen.frames.due() => continue,
        };
        screen.frames.soon();
        while messages.len() < TOGETHER
            && let Ok(message) = inbox.try_recv()
        {
            messages.push(message);
        }
        for message in messages {
            for command in update(&mut model, message, clock.now()) {
                match hands.carry_out(command) {
                    Act::Done => {}
                    Act::Quit => return Ok(None),
                    Act::Redraw => screen.clear()?,
                    Act::Mouse(on) => screen.capture_mouse(on)?,
                    Act::Copy(text) => screen.copy(&text)?,
                    Act::Suspend => screen.suspend()?,
                }
            }
        }
        let (columns, rows) = screen.size()?;
        if (columns, rows) != (model.columns, model.rows) {
            hands.tell(Message::Resized { columns, rows });
        }
    }
}

fn ticks() -> Interval {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// The only one.
struct Clock {
    began: Instant,
}

impl Clock {
    fn start() -> Clock {
        Clock { began: Instant::now() }
    }

    fn now(&self) -> Now {
        let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Now {
            mono_ms: u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX),
            wall_ms: i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX),
        }
    }
}
