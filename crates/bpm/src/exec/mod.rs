//! What the manager has the system do: the modules, nothing else. Decides nothing about restarts.

pub mod artefact;
pub mod bounded;
pub mod build;
pub mod build_report;
pub mod cargo;
pub mod cargo_env;
pub mod cargo_helper;
pub mod cargo_lock;
pub mod cargo_output;
pub mod cgroups;
pub mod direnv;
pub mod direnv_messages;
pub mod dotenv;
pub mod environment;
pub mod launching;
pub mod lines;
pub mod package_manager;
pub mod recipe;
pub mod recover;
pub mod refusal;
pub mod retention;
pub mod sample;
pub mod start;
pub mod watch;
pub mod world;
