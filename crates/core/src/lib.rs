//! The decisions of bpm: what is configured, what should run, what happens next.
//!
//! What is absent here is the point: no clock, no files, no sockets, no threads, no channels, no
//! randomness, no logging. Time comes in as [`time::Time`], facts come in as [`fleet::Event`]s,
//! and what shall be done comes out as [`fleet::Action`]s. The whole surface is
//! [`fleet::Fleet::step`], [`fleet::Fleet::next_deadline`] and [`fleet::Fleet::explain`].

pub mod config;
pub mod fleet;
pub mod ids;
pub mod service;
pub mod signals;
pub mod time;
