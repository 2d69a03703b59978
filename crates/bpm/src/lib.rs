//! The manager and its faces. `ARCHITECTURE.md` says who may use whom.

pub mod attach;
pub mod cli;
pub mod client;
pub mod control;
pub mod engine;
pub mod exec;
pub mod logbook;
pub mod manager;
pub mod modes;
pub mod readable;
pub mod render;
pub mod server;
pub mod sockets;
pub mod store;
pub mod terminal;
pub mod token;
pub mod tui;
