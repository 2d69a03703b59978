//! The terminal UI: a client of the typed API like every other face.
//!
//! What is shown is a pure function of a model ([`view`](view::view)), and what happens to the model is another
//! ([`update`](update::update)): messages go in, commands come out. `shell` alone knows terminals, sockets and clocks;
//! it carries commands out and turns what comes of them into messages. Drawing never waits for the network, nor the
//! network for drawing. Must not know what a manager is made of.

pub mod keys;
pub mod layout;
pub mod lists;
pub mod message;
pub mod model;
pub mod rows;
pub mod shell;
pub mod update;
pub mod view;
